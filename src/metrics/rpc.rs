//! The HTTP server's own figures.

use super::{
    kinds::{CounterBy, Gauge, HistogramBy},
    labels::{CodeClass, Route, RpcMethod, RpcReject},
    register::Registrar,
};

/// Seconds of one answer; the deadline is 10.
const ANSWER_BUCKETS: &[f64] = &[0.0005, 0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0];

/// The HTTP server itself.
#[derive(Debug)]
pub struct RpcMetrics {
    /// `timed_rpc_requests_total`.
    pub requests: CounterBy<Route>,
    /// `timed_rpc_responses_total`.
    pub responses: CounterBy<CodeClass>,
    /// `timed_rpc_request_duration_seconds`.
    pub request_seconds: HistogramBy<Route>,
    /// `timed_rpc_calls_total`.
    pub calls: CounterBy<RpcMethod>,
    /// `timed_rpc_call_errors_total`.
    pub call_errors: CounterBy<RpcMethod>,
    /// `timed_rpc_rejected_total`.
    pub rejected: CounterBy<RpcReject>,
    /// `timed_rpc_in_flight`.
    pub in_flight: Gauge,
}

impl RpcMetrics {
    pub(super) fn register(registrar: &mut Registrar) -> Self {
        Self {
            requests: registrar.counter_by("timed_rpc_requests_total", "HTTP requests, by route"),
            responses: registrar.counter_by("timed_rpc_responses_total", "HTTP answers, by class"),
            request_seconds: registrar.histogram_by(
                "timed_rpc_request_duration_seconds",
                "Time to answer, by route",
                ANSWER_BUCKETS,
            ),
            calls: registrar.counter_by("timed_rpc_calls_total", "JSON-RPC calls, by method"),
            call_errors: registrar.counter_by(
                "timed_rpc_call_errors_total",
                "JSON-RPC calls that were answered with an error, by method",
            ),
            rejected: registrar.counter_by(
                "timed_rpc_rejected_total",
                "Requests turned away before they were handled, by why",
            ),
            in_flight: registrar.gauge("timed_rpc_in_flight", "Requests being handled"),
        }
    }
}
