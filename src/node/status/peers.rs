//! The section on sessions.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use crate::{
    control::{
        Direction, PeerRow, PeersStatus,
        words::{counted, printable},
    },
    crypto::NodeId,
    network::PeerAddress,
    wire::{self, PeerInfo, Reachability, capability},
};

use super::{super::names::Names, Inputs, Known};

/// Rates are differences over at least this long, in ms.
const RATE_EVERY_MS: u64 = 1_000;
/// Words for the bits of a peer's capabilities.
const CAPABILITIES: [(u64, &str); 7] = [
    (capability::FULL, "full"),
    (capability::MASTERNODE, "masternode"),
    (capability::SNAPSHOT, "snapshot"),
    (capability::COMPRESSION, "compression"),
    (capability::TX_RELAY, "tx relay"),
    (capability::PRUNED, "pruned"),
    (capability::DIALS_BACK, "dials back"),
];

/// What is remembered of each session.
#[derive(Debug, Default)]
pub(super) struct Memory {
    sessions: BTreeMap<NodeId, Session>,
}

#[derive(Debug, Clone, Copy)]
struct Session {
    generation: u64,
    connected_mono_ms: u64,
    sampled_ms: u64,
    rx_bytes: u64,
    tx_bytes: u64,
    rx_rate: u64,
    tx_rate: u64,
}

/// Fills the section.
pub(super) fn section(memory: &mut Memory, known: &Known, inputs: &Inputs) -> PeersStatus {
    let now_ms = inputs.at.mono_ms;
    memory
        .sessions
        .retain(|id, _| inputs.peers.iter().any(|peer| peer.node_id == *id));
    let rows: Vec<PeerRow> = inputs
        .peers
        .iter()
        .map(|peer| row(peer, memory.follow(peer, now_ms), &known.names))
        .collect();
    let opened_by = |direction| rows.iter().filter(|row| row.direction == direction).count() as u32;
    PeersStatus {
        max: known.peers_max,
        inbound: opened_by(Direction::Inbound),
        outbound: opened_by(Direction::Outbound),
        missing: missing(&inputs.dialled, &inputs.peers),
        banned: u32::try_from(inputs.bans.total).unwrap_or(u32::MAX),
        bans: Arc::clone(&inputs.bans.newest),
        clock_offset_ms: median(inputs.peers.iter().map(|peer| peer.clock_skew_ms).collect()),
        twins: inputs
            .twins
            .iter()
            .map(|twin| twin_name(twin, inputs, known))
            .collect(),
        rows,
    }
}

/// What an operator should know if nobody who was asked can dial this node.
pub(super) fn unreached(reachability: Reachability) -> Option<String> {
    match reachability {
        Reachability::Unknown | Reachability::Reached => None,
        Reachability::NotReached { address, asked } => Some(format!(
            "peers cannot dial this node at {address} ({} tried): open the port, or set network.external_address; until then it has only the sessions that it opens itself",
            counted(u64::from(asked), "peer")
        )),
    }
}

fn twin_name(twin: &NodeId, inputs: &Inputs, known: &Known) -> String {
    let session = inputs.peers.iter().find(|peer| peer.node_id == *twin);
    let validator = session.and_then(|peer| peer.validator.as_ref());
    validator
        .and_then(|key| known.names.known(key))
        .unwrap_or_else(|| twin.short())
}

impl Memory {
    fn follow(&mut self, peer: &PeerInfo, now_ms: u64) -> Session {
        let fresh = Session {
            generation: peer.generation,
            connected_mono_ms: now_ms.saturating_sub(peer.connected_ms),
            sampled_ms: now_ms,
            rx_bytes: peer.rx_bytes,
            tx_bytes: peer.tx_bytes,
            rx_rate: 0,
            tx_rate: 0,
        };
        let session = self.sessions.entry(peer.node_id).or_insert(fresh);
        if session.generation != peer.generation {
            *session = fresh;
        }
        let passed_ms = now_ms.saturating_sub(session.sampled_ms);
        if passed_ms >= RATE_EVERY_MS {
            let rate = |now: u64, before: u64| now.saturating_sub(before).saturating_mul(1000) / passed_ms;
            *session = Session {
                sampled_ms: now_ms,
                rx_rate: rate(peer.rx_bytes, session.rx_bytes),
                tx_rate: rate(peer.tx_bytes, session.tx_bytes),
                rx_bytes: peer.rx_bytes,
                tx_bytes: peer.tx_bytes,
                ..*session
            };
        }
        *session
    }
}

fn row(peer: &PeerInfo, session: Session, names: &Names) -> PeerRow {
    PeerRow {
        id: peer.node_id,
        name: peer.validator.as_ref().and_then(|key| names.known(key)),
        direction: match peer.direction {
            wire::Direction::Inbound => Direction::Inbound,
            wire::Direction::Outbound => Direction::Outbound,
        },
        address: peer.address.to_string(),
        height: Some(peer.height),
        rtt_ms: peer
            .rtt_us
            .map(|us| u32::try_from(us.div_ceil(1000)).unwrap_or(u32::MAX)),
        rx_bytes: peer.rx_bytes,
        tx_bytes: peer.tx_bytes,
        rx_rate: session.rx_rate,
        tx_rate: session.tx_rate,
        connected_mono_ms: session.connected_mono_ms,
        agent: printable(&peer.user_agent),
        validator: peer.validator,
        capabilities: CAPABILITIES
            .iter()
            .filter(|(bit, _)| peer.capabilities & bit != 0)
            .map(|(_, word)| (*word).to_owned())
            .collect(),
        score: peer.score,
    }
}

/// Those who are dialled and with whom there is no session: by who answered there last, and else as far
/// as addresses can tell. A name that is no number is taken to be the session that no number claims.
fn missing(dialled: &[(PeerAddress, Option<NodeId>)], peers: &[PeerInfo]) -> Vec<String> {
    let has_session = |id: &NodeId| peers.iter().any(|peer| peer.node_id == *id);
    let known: Vec<NodeId> = dialled.iter().filter_map(|(_, answered)| *answered).collect();
    let mut free: Vec<&PeerInfo> = peers
        .iter()
        .filter(|peer| !known.contains(&peer.node_id))
        .collect();
    let mut left: Vec<&PeerAddress> = dialled
        .iter()
        .filter(|(_, answered)| !answered.as_ref().is_some_and(has_session))
        .map(|(address, _)| address)
        .collect();
    for fits in [is_expected, is_at, is_on_port] {
        left.retain(|wanted| match free.iter().position(|peer| fits(wanted, peer)) {
            Some(index) => {
                free.swap_remove(index);
                false
            }
            None => true,
        });
    }
    let mut missing: Vec<String> = left.iter().map(ToString::to_string).collect();
    missing.sort_unstable();
    missing
}

fn is_expected(wanted: &PeerAddress, peer: &PeerInfo) -> bool {
    wanted.expected == Some(peer.node_id)
}

fn is_at(wanted: &PeerAddress, peer: &PeerInfo) -> bool {
    let is_same = |at: &SocketAddr| {
        at.port() == wanted.port
            && match wanted.host.parse::<IpAddr>() {
                Ok(ip) => ip == at.ip(),
                Err(_) => wanted.host == "localhost" && at.ip().is_loopback(),
            }
    };
    let dialled = Some(&peer.address).filter(|_| peer.direction == wire::Direction::Outbound);
    wanted.expected.is_none() && dialled.into_iter().chain(&peer.listen_address).any(is_same)
}

fn is_on_port(wanted: &PeerAddress, peer: &PeerInfo) -> bool {
    wanted.expected.is_none()
        && wanted.host.parse::<IpAddr>().is_err()
        && peer.direction == wire::Direction::Outbound
        && peer.address.port() == wanted.port
}

fn median(mut values: Vec<i64>) -> Option<i64> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}
