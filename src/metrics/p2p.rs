//! The network: sessions, bytes, messages, bans.

use super::{
    kinds::{Counter, CounterBy, Gauge, GaugeBy, Histogram},
    labels::{Direction, DisconnectReason, DropReason, HandshakeResult, LaneLabel},
    register::Registrar,
};

/// Seconds of one ping.
const RTT_BUCKETS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// Sessions, bytes, messages, bans.
#[derive(Debug)]
pub struct P2pMetrics {
    /// `timed_p2p_peers`: sessions that passed the handshake.
    pub peers: Gauge,
    /// `timed_p2p_sessions`: the same by who dialed.
    pub sessions: GaugeBy<Direction>,
    /// `timed_p2p_best_peer_height`.
    pub best_peer_height: Gauge,
    /// `timed_p2p_banned_peers`.
    pub banned_peers: Gauge,
    /// `timed_p2p_dials_total`.
    pub dials: Counter,
    /// `timed_p2p_handshakes_total`.
    pub handshakes: CounterBy<HandshakeResult>,
    /// `timed_p2p_disconnects_total`.
    pub disconnects: CounterBy<DisconnectReason>,
    /// `timed_p2p_receive_bytes_total`.
    pub receive_bytes: CounterBy<LaneLabel>,
    /// `timed_p2p_send_bytes_total`.
    pub send_bytes: CounterBy<LaneLabel>,
    /// `timed_p2p_messages_received_total`.
    pub messages_received: CounterBy<LaneLabel>,
    /// `timed_p2p_messages_sent_total`.
    pub messages_sent: CounterBy<LaneLabel>,
    /// `timed_p2p_messages_dropped_total`.
    pub messages_dropped: CounterBy<DropReason>,
    /// `timed_p2p_faults_total`: misbehaviour charged to peers.
    pub faults: Counter,
    /// `timed_p2p_ping_rtt_seconds`.
    pub ping_rtt_seconds: Histogram,
}

impl P2pMetrics {
    pub(super) fn register(registrar: &mut Registrar) -> Self {
        Self {
            peers: registrar.gauge("timed_p2p_peers", "Sessions that passed the handshake"),
            sessions: registrar.gauge_by("timed_p2p_sessions", "Sessions by who dialed"),
            best_peer_height: registrar
                .gauge("timed_p2p_best_peer_height", "Highest height that a peer reports"),
            banned_peers: registrar.gauge("timed_p2p_banned_peers", "Bans in force"),
            dials: registrar.counter("timed_p2p_dials_total", "Outgoing connection attempts"),
            handshakes: registrar.counter_by("timed_p2p_handshakes_total", "Handshakes, by how they ended"),
            disconnects: registrar.counter_by("timed_p2p_disconnects_total", "Sessions that ended, by why"),
            receive_bytes: registrar.counter_by(
                "timed_p2p_receive_bytes_total",
                "Bytes of frames received, by lane",
            ),
            send_bytes: registrar.counter_by("timed_p2p_send_bytes_total", "Bytes of frames sent, by lane"),
            messages_received: registrar
                .counter_by("timed_p2p_messages_received_total", "Messages received, by lane"),
            messages_sent: registrar.counter_by("timed_p2p_messages_sent_total", "Messages sent, by lane"),
            messages_dropped: registrar.counter_by(
                "timed_p2p_messages_dropped_total",
                "Messages dropped before anybody looked at them, by why",
            ),
            faults: registrar.counter("timed_p2p_faults_total", "Faults charged to peers"),
            ping_rtt_seconds: registrar.histogram(
                "timed_p2p_ping_rtt_seconds",
                "Round trip of pings",
                RTT_BUCKETS,
            ),
        }
    }
}
