//! Who calls, what they may do, and how often.
//!
//! From this machine, looking and submitting need nothing. Everything else needs the cookie or a token in
//! `Authorization: Bearer …`. A wrong one is refused even where none was needed, and too many of them are
//! told to wait. Changing the node is for callers on this machine only.

use std::{
    net::IpAddr,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, StatusCode, header};

use super::{App, buckets::Buckets, error::Refusal, limits, methods::Scope, server::Peer, tokens::Known};
use crate::metrics::labels::RpcReject;

/// How long what is known of the tokens' file is believed.
const TOKENS_FRESH: Duration = Duration::from_secs(1);

/// Whom calls are counted for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Caller {
    /// Who reads the cookie.
    Cookie,
    /// A token, by name.
    Token(String),
    /// Nobody in particular, at this address.
    Address(IpAddr),
}

/// A caller who was let in.
#[derive(Debug, Clone)]
pub(super) struct Access {
    pub(super) caller: Caller,
    pub(super) scope: Scope,
}

/// What the server remembers of its callers.
pub(super) struct Doorman {
    file: Option<PathBuf>,
    tokens: tokio::sync::Mutex<(Known, Option<Instant>)>,
    calls: Mutex<Buckets<Caller>>,
    failures: Mutex<Buckets<IpAddr>>,
}

impl Doorman {
    pub(super) fn new(file: Option<PathBuf>) -> Self {
        Self {
            file,
            tokens: tokio::sync::Mutex::default(),
            calls: Mutex::new(Buckets::new(limits::CALLS_PER_SECOND, limits::CALLS_BURST)),
            failures: Mutex::new(Buckets::new(
                limits::FAILURES_PER_MINUTE / 60.0,
                limits::FAILURES_PER_MINUTE,
            )),
        }
    }

    /// The name and scope of a token. Its file is looked at again at most once a second.
    async fn token(&self, text: &str) -> Option<(String, Scope)> {
        let file = self.file.clone()?;
        let mut tokens = self.tokens.lock().await;
        if tokens.1.is_none_or(|at| at.elapsed() >= TOKENS_FRESH) {
            let known = std::mem::take(&mut tokens.0);
            // A blocking thread that ended early gives no answer: nobody is known until the next look.
            tokens.0 = tokio::task::spawn_blocking(move || known.refreshed(&file))
                .await
                .unwrap_or_default();
            tokens.1 = Some(Instant::now());
        }
        let found = tokens.0.find(text)?;
        Some((found.name.clone(), found.scope))
    }

    /// Takes `calls` from what a caller may still ask for.
    pub(super) fn admits(&self, caller: &Caller, calls: usize) -> bool {
        let mut buckets = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.take(caller.clone(), calls as f64, Instant::now())
    }

    fn admits_failure(&self, from: IpAddr) -> bool {
        let mut buckets = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.take(from, 1.0, Instant::now())
    }
}

/// Lets a caller in, or says why not.
pub(super) async fn access(app: &App, peer: &Peer, headers: &HeaderMap) -> Result<Access, Refusal> {
    let ip = peer.0.ip().to_canonical();
    // What a proxy on this machine passes on is somebody else's.
    let is_passed_on = ["forwarded", "x-forwarded-for"]
        .iter()
        .any(|name| headers.contains_key(*name));
    let is_local = ip.is_loopback() && !is_passed_on;
    let refuse = |status, code, reason: &str| {
        app.metrics.rpc.rejected.inc(RpcReject::Unauthorized);
        Err(Refusal::new(status, code, reason))
    };
    let Some(given) = headers.get(header::AUTHORIZATION) else {
        if is_local {
            return Ok(Access {
                caller: Caller::Address(ip),
                scope: Scope::Submit,
            });
        }
        return refuse(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "callers on other machines need a token: `timed token add`, then `Authorization: Bearer <token>`",
        );
    };
    let given = given.to_str().unwrap_or("");
    if app.cookie.as_ref().is_some_and(|cookie| cookie.is_in(given)) {
        if !is_local {
            return refuse(
                StatusCode::FORBIDDEN,
                "not_local",
                "the cookie is for callers on this machine only; log in there, or use a token",
            );
        }
        return Ok(Access {
            caller: Caller::Cookie,
            scope: Scope::Admin,
        });
    }
    let text = given.strip_prefix("Bearer ").unwrap_or("").trim();
    if let Some((name, scope)) = app.doorman.token(text).await {
        // Whoever changes a node logs in on its machine.
        let scope = if is_local { scope } else { scope.min(Scope::Submit) };
        return Ok(Access {
            caller: Caller::Token(name),
            scope,
        });
    }
    if !app.doorman.admits_failure(ip) {
        return refuse(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_failures",
            "too many wrong tokens from this address; wait a minute",
        );
    }
    refuse(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "this is neither the text of .cookie (new at each start) nor a token of `timed token list`",
    )
}
