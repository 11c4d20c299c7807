//! The section on catching up.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    control::{SyncSource, SyncState, SyncStatus, words::grouped},
    crypto::NodeId,
    engine::{EngineView, SigningHold},
    wire::PeerInfo,
};

use super::{Inputs, Known, meter::Meter};

/// Rates on screen are averages over this many seconds.
const RATE_SECONDS: u64 = 5;

/// Behind, and no higher for this long: it does not go on, whoever says that it has the blocks.
const STANDS_STILL_MS: u64 = 10_000;

/// Peers that are named in one sentence.
const NAMED_MAX: usize = 4;

/// So near to the tip the last blocks come one by one.
const CATCH_UP_BLOCKS: u64 = 50;

/// What is remembered of catching up.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Final height, as a counter.
    heights: Meter,
    /// Bytes of blocks that came, as a counter.
    bytes: Meter,
    from: Option<u64>,
    /// The height while catching up, and since when, ms of the monotonic clock.
    reached: Option<(u64, u64)>,
}

/// Fills the section.
pub(super) fn section(memory: &mut Memory, known: &Known, inputs: &Inputs) -> SyncStatus {
    let engine = &*inputs.view;
    let height = inputs.chain.height;
    let target = engine.sync.target.get();
    let behind = target.saturating_sub(height);
    let syncing = engine.sync.active;
    memory.heights.observe(inputs.at.mono_ms, height);
    memory.bytes.observe(inputs.at.mono_ms, inputs.totals.block_bytes);
    let now_ms = inputs.at.mono_ms;
    memory.reached = memory
        .reached
        .filter(|(reached, _)| syncing && *reached == height);
    let still_ms = now_ms.saturating_sub(memory.reached.get_or_insert((height, now_ms)).1);
    memory.from = match syncing {
        true => memory.from.or(Some(height)),
        false => None,
    };
    let has_told = !inputs.peers.is_empty();
    let has_next = |peer: &PeerInfo| peer.height > height && peer.pruned_below <= height + 1;
    let can_serve = inputs.peers.iter().any(has_next);
    let is_alone = engine.validators.len() <= 1;
    let pages = inputs.resync.as_ref().and_then(|resync| resync.pages);
    let is_asked = !engine.sync.in_flight.is_empty() || can_serve;
    let is_served = (is_asked && still_ms < STANDS_STILL_MS) || inputs.resync.is_some();
    let state = match (syncing, has_told) {
        _ if is_halted(engine) => SyncState::Halted,
        _ if pages.is_some() => SyncState::Snapshot,
        (true, _) if is_served && behind <= CATCH_UP_BLOCKS => SyncState::CatchUp,
        (true, _) if is_served => SyncState::Blocks,
        (true, _) => SyncState::Stalled,
        (false, false) if !is_alone => SyncState::WaitingPeers,
        (false, _) if behind > 1 => SyncState::Sampling,
        (false, _) => SyncState::Synced,
    };
    let stalled_because = match state {
        SyncState::Halted => "a human has to choose; see /health".to_owned(),
        SyncState::Stalled if is_asked => unanswered(known, inputs, still_ms / 1_000),
        SyncState::Stalled => format!("no peer has block {}", grouped(height + 1)),
        _ => String::new(),
    };
    let blocks_per_s = memory.heights.per_s(RATE_SECONDS).filter(|_| syncing);
    SyncStatus {
        state,
        stalled_because,
        syncing,
        target: (has_told || target > height || is_alone).then_some(target.max(height)),
        blocks_behind: behind,
        from: memory.from.unwrap_or(height),
        blocks_per_s: blocks_per_s.map(|rate| rate as f32),
        bytes_per_s: memory
            .bytes
            .per_s(RATE_SECONDS)
            .filter(|_| syncing)
            .map(|rate| rate as u64),
        eta_ms: blocks_per_s
            .filter(|rate| *rate > 0.0 && behind > 0)
            .map(|rate| (behind as f64 * 1000.0 / rate) as u64),
        rate_history: match syncing {
            true => memory.heights.history(),
            false => Vec::new(),
        },
        sources: sources(known, inputs),
        in_flight: u32::try_from(engine.sync.in_flight.len()).unwrap_or(u32::MAX),
        buffered_bytes: engine.sync.buffered_bytes,
        stalls: engine.sync.stalls,
        snapshot_pages: pages,
        resync: inputs.resync.clone(),
        backfill: inputs.backfill.clone(),
    }
}

/// What was asked of whom and did not come.
fn unanswered(known: &Known, inputs: &Inputs, seconds: u64) -> String {
    let in_flight = &inputs.view.sync.in_flight;
    let first = in_flight.iter().map(|request| request.start.get()).min();
    let ends = in_flight.iter().map(|request| {
        let last = request.count.saturating_sub(1);
        request.start.get().saturating_add(last)
    });
    let (Some(first), Some(last)) = (first, ends.max()) else {
        return format!("no block came for {seconds} s");
    };
    let asked: BTreeSet<NodeId> = in_flight.iter().map(|request| request.peer).collect();
    let word = |id: &NodeId| {
        let peer = inputs.peers.iter().find(|peer| peer.node_id == *id);
        let name = peer.and_then(|peer| known.names.known(peer.validator.as_ref()?));
        name.unwrap_or_else(|| id.short().to_string())
    };
    let named: Vec<String> = asked.iter().take(NAMED_MAX).map(word).collect();
    let more = match asked.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "blocks {}–{} asked of {}{more}, no answer for {seconds} s",
        grouped(first),
        grouped(last),
        named.join(", ")
    )
}

/// Whom blocks are asked from, ascending by node id, each with the heights it owes.
fn sources(known: &Known, inputs: &Inputs) -> Vec<SyncSource> {
    let mut owed: BTreeMap<NodeId, (u64, u64)> = BTreeMap::new();
    for request in &inputs.view.sync.in_flight {
        let (first, last) = (
            request.start.get(),
            request.start.get() + request.count.saturating_sub(1),
        );
        let range = owed.entry(request.peer).or_insert((first, last));
        *range = (range.0.min(first), range.1.max(last));
    }
    let source = |(id, range): (NodeId, (u64, u64))| {
        let peer = inputs.peers.iter().find(|peer| peer.node_id == id);
        SyncSource {
            id,
            name: peer.and_then(|peer| known.names.known(peer.validator.as_ref()?)),
            range: Some(range),
            blocks_per_s: None,
            errors: 0,
        }
    };
    owed.into_iter().map(source).collect()
}

/// Certificates and states that contradict each other: going on would choose for the operator.
fn is_halted(engine: &EngineView) -> bool {
    let holds = [SigningHold::SafetyViolation, SigningHold::ExecutionMismatch];
    engine.machine.is_halted || holds.iter().any(|hold| engine.holds.contains(hold))
}
