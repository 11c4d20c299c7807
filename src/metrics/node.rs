//! The node as a whole: what it is, how it stands, what it logs.

use super::{
    kinds::{Counter, CounterBy, FloatGauge, Gauge, GaugeBy},
    labels::{HealthCheck, LogLevelLabel, Loop, NodeState},
    register::Registrar,
};

/// Build, state, health, logs, clock.
#[derive(Debug)]
pub struct NodeMetrics {
    /// `timed_node_state`: 1 for the state the node is in.
    pub state: GaugeBy<NodeState>,
    /// `timed_ready`: 1 while `/ready` answers 200.
    pub ready: Gauge,
    /// `timed_healthy`: 1 while `/health` answers 200.
    pub healthy: Gauge,
    /// `timed_health_check_ok`: 1 while the check holds.
    pub health_check_ok: GaugeBy<HealthCheck>,
    /// `timed_uptime_seconds`.
    pub uptime_seconds: FloatGauge,
    /// `timed_log_lines_total`.
    pub log_lines: CounterBy<LogLevelLabel>,
    /// `timed_log_lines_dropped_total`.
    pub log_lines_dropped: Counter,
    /// `timed_task_running`.
    pub task_running: GaugeBy<Loop>,
    /// `timed_task_last_tick_age_seconds`, as whole seconds.
    pub task_tick_age_seconds: GaugeBy<Loop>,
    /// `timed_clock_offset_seconds`: peers' clock minus ours.
    pub clock_offset_seconds: FloatGauge,
    /// `timed_alarms_active`.
    pub alarms_active: Gauge,
}

impl NodeMetrics {
    pub(super) fn register(registrar: &mut Registrar, network: &str) -> Self {
        registrar.info(
            "timed_build_info",
            "Version and network of this node; the value is always 1",
            vec![
                ("version", env!("CARGO_PKG_VERSION").to_owned()),
                ("network", network.to_owned()),
            ],
        );
        Self {
            state: registrar.gauge_by("timed_node_state", "1 for the state the node is in"),
            ready: registrar.gauge("timed_ready", "1 while /ready answers 200"),
            healthy: registrar.gauge("timed_healthy", "1 while /health answers 200"),
            health_check_ok: registrar.gauge_by(
                "timed_health_check_ok",
                "1 while the check behind /health and /ready holds",
            ),
            uptime_seconds: registrar.float_gauge("timed_uptime_seconds", "Time since the node started"),
            log_lines: registrar.counter_by(
                "timed_log_lines_total",
                "Log lines that a human should read, by level",
            ),
            log_lines_dropped: registrar.counter(
                "timed_log_lines_dropped_total",
                "Log lines that were dropped because the writer could not keep up",
            ),
            task_running: registrar.gauge_by("timed_task_running", "1 while the loop ticks"),
            task_tick_age_seconds: registrar.gauge_by(
                "timed_task_last_tick_age_seconds",
                "Whole seconds since the loop last ticked; 45 makes the node unhealthy",
            ),
            clock_offset_seconds: registrar.float_gauge(
                "timed_clock_offset_seconds",
                "Median of the peers' clocks minus this node's",
            ),
            alarms_active: registrar.gauge("timed_alarms_active", "Alarms that are raised now"),
        }
    }
}
