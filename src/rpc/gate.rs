//! What every request passes: host check, cap, deadline, and the counters.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request, State},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{App, error::Refusal, limits};
use crate::metrics::labels::{CodeClass, Label, Route, RpcReject};

pub(super) async fn gate(State(app): State<App>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let route = route_of(&request);
    let figures = &app.metrics.rpc;
    figures.requests.inc(route);
    figures.in_flight.inc();
    let response = admit(&app, route, request, next).await;
    figures.in_flight.dec();
    figures.request_seconds.observe(route, started.elapsed());
    if response.status() == StatusCode::PAYLOAD_TOO_LARGE {
        figures.rejected.inc(RpcReject::Oversize);
    }
    figures.responses.inc(match response.status() {
        status if status.is_server_error() => CodeClass::ServerError,
        status if status.is_client_error() => CodeClass::ClientError,
        _ => CodeClass::Ok,
    });
    response
}

async fn admit(app: &App, route: Route, request: Request, next: Next) -> Response {
    if let Some(host) = foreign_host(&request, &app.config.allowed_hosts) {
        app.metrics.rpc.rejected.inc(RpcReject::Host);
        let reason = format!(
            "this node does not answer as `{}`; use its address, or add the name to rpc.allowed_hosts",
            crate::control::words::printable(&host)
        );
        return Refusal::new(StatusCode::FORBIDDEN, "foreign_host", reason).into_response();
    }
    // A body without a length is cut off while it is read; one that announces too much is not begun.
    if announced_length(&request).is_some_and(|length| length > limits::BODY_BYTES_MAX as u64) {
        return Refusal::too_large().into_response();
    }
    let permit = match app.in_flight.try_acquire() {
        Ok(permit) => Some(permit),
        Err(_) if waits_for_nothing(route) => None,
        Err(_) => {
            app.metrics.rpc.rejected.inc(RpcReject::Busy);
            return Refusal::busy("too many requests are being handled; try again in a second")
                .into_response();
        }
    };
    let answered = tokio::time::timeout(limits::HANDLER_TIMEOUT, next.run(request)).await;
    drop(permit);
    answered.unwrap_or_else(|_| {
        app.metrics.rpc.rejected.inc(RpcReject::Timeout);
        Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "timeout",
            "the node did not answer in time; it is busy, try again",
        )
        .into_response()
    })
}

const fn waits_for_nothing(route: Route) -> bool {
    matches!(
        route,
        Route::Health | Route::Ready | Route::Metrics | Route::MetricsJson
    )
}

fn announced_length(request: &Request) -> Option<u64> {
    request
        .headers()
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

fn route_of(request: &Request) -> Route {
    let matched = request.extensions().get::<MatchedPath>();
    matched
        .and_then(|path| Route::named(path.as_str()))
        .unwrap_or(Route::Unknown)
}

/// The host a request names, if it is a name that is not ours. Plain addresses are always let in:
/// DNS rebinding needs a name. So are requests without a host, which no browser sends.
fn foreign_host(request: &Request, allowed: &[String]) -> Option<String> {
    let host = request.headers().get(header::HOST)?;
    let Ok(text) = host.to_str() else {
        return Some("?".to_owned());
    };
    let name = text
        .rsplit_once(':')
        .filter(|(_, port)| port.parse::<u16>().is_ok())
        .map_or(text, |(name, _)| name);
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let ours = bare.parse::<std::net::IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(name));
    (!ours).then(|| name.to_owned())
}
