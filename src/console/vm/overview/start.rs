//! How far a start is: what was opened, and what stands between this node and its first vote.

use super::super::{
    super::{
        format::{duration, fit, grouped, pad, percent},
        model::Shown,
        text::Row,
    },
    Level, Panel, online,
};
use crate::control::{Mode, Status, SyncState, words::listed};

/// A start that takes longer than this is no start any more: the round says better what is missing.
const START_MAX_MS: u64 = 120_000;
/// Validators that are named before the rest is counted.
const NAMES_MAX: usize = 2;
/// Steps that took at least this long are named.
const SLOW_STEP_MS: u64 = 100;

/// One stage: how far, its name, and what is known of it.
struct Stage {
    level: Level,
    name: &'static str,
    detail: String,
}

/// True from the first snapshot until the node takes part, or its start has gone on for too long.
pub(in crate::console) fn is_starting(shown: &Shown) -> bool {
    let status = &*shown.status;
    status.revision > 0
        && status.stop.is_none()
        && status.chain.blocks_this_run == 0
        && !status.node.start.is_empty()
        && shown.now.since_ms(status.node.started) < START_MAX_MS
        && stages(status).iter().any(|stage| stage.level != Level::Ok)
}

/// The stages in their order.
pub(in crate::console) fn start(shown: &Shown, width: usize) -> Panel {
    let status = &*shown.status;
    let mut panel = Panel::titled(
        Row::new()
            .strong("Start")
            .dim("  ·  for ")
            .text(duration(shown.now.since_ms(status.node.started))),
    );
    let mut is_waiting = false;
    for stage in stages(status) {
        // Only the first thing that is missing is under way; the others wait for it.
        let level = match stage.level {
            Level::Busy if is_waiting => Level::Unknown,
            level => level,
        };
        is_waiting |= stage.level == Level::Busy;
        let sign = match level {
            Level::Ok => "✓",
            other => other.glyph(),
        };
        let row = Row::new()
            .with(level.role(), format!("{sign} "))
            .text(pad(stage.name, 11));
        let room = width.saturating_sub(row.width());
        panel.line(row.dim(fit(&stage.detail, room)));
    }
    panel
}

fn stages(status: &Status) -> Vec<Stage> {
    let node = &status.node;
    let took: u64 = node.start.iter().map(|step| step.took_ms).sum();
    let slow: Vec<String> = node
        .start
        .iter()
        .filter(|step| step.took_ms >= SLOW_STEP_MS)
        .map(|step| format!("{} {}", step.name, duration(step.took_ms)))
        .collect();
    let opened = match slow.is_empty() {
        true => format!("log and database, in {}", duration(took)),
        false => format!("in {}: {}", duration(took), slow.join(", ")),
    };
    let consensus = &status.consensus;
    let reachable = online(status);
    let away: Vec<String> = consensus
        .validators
        .iter()
        .filter(|row| !consensus.is_reachable(row, status.at))
        .map(|row| row.name.clone())
        .collect();
    let has_quorum = consensus.n > 0 && reachable >= consensus.quorum;
    let who = match (consensus.n, has_quorum || away.is_empty()) {
        (0, _) => "the validator set is not known yet".to_owned(),
        (n, true) => format!("{reachable} of {n} reachable, quorum {}", consensus.quorum),
        (n, false) => format!(
            "{reachable} of {n} reachable, quorum {}: looks for {}",
            consensus.quorum,
            listed(&away, NAMES_MAX)
        ),
    };
    let sync = &status.sync;
    let chain = match (sync.state, sync.target) {
        (SyncState::Synced, _) => format!("at the tip, height {}", grouped(status.chain.height)),
        (state, Some(target)) if sync.blocks_behind > 0 => format!(
            "{}: {} of {}, {}",
            state.word(),
            grouped(status.chain.height),
            grouped(target),
            percent(status.chain.height, target)
        ),
        (state, _) => state.word().to_owned(),
    };
    let signing = &status.signing;
    let (signs, votes) = match node.mode {
        Mode::Full => (true, "no key in the set: this node follows and serves".to_owned()),
        _ if signing.signing => (true, "this node signs".to_owned()),
        _ => (false, signing.reason.clone()),
    };
    let stage = |is_done: bool, name, detail| Stage {
        level: if is_done { Level::Ok } else { Level::Busy },
        name,
        detail,
    };
    let http = match &node.rpc_listen {
        Some(http) => format!(", HTTP {http}"),
        None => String::new(),
    };
    vec![
        stage(true, "opened", opened),
        stage(true, "listens", format!("peers {}{http}", node.p2p_listen)),
        stage(has_quorum, "validators", who),
        stage(sync.state == SyncState::Synced, "chain", chain),
        stage(signs, "votes", votes),
    ]
}
