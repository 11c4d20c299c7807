//! The stall explainer: one sentence that says what the height waits for and whom, one that says
//! what would help. A pure function of the snapshot, so the console, `/status` and the log agree.

use super::{
    ConsensusStatus, Mark, Moment, Phase, SigningStatus, Status, SyncState, ValidatorRow,
    words::{counted, duration, grouped, listed},
};

/// How many validators a sentence names before it counts the rest.
const NAMES_MAX: usize = 3;

/// What the height waits for and what would help. Both empty while it waits for nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// What it waits for, and whom.
    pub waiting_for: String,
    /// What would help, in at most 60 columns where it names nobody: one line of the smallest screen.
    pub hint: String,
}

/// Explains a snapshot whose sections are filled but for the two sentences themselves.
pub fn explain(status: &Status) -> Explanation {
    let consensus = &*status.consensus;
    if status.stop.is_some() {
        return Explanation {
            waiting_for: "stopping: this node takes part no more".to_owned(),
            hint: String::new(),
        };
    }
    if consensus.n > 0 && consensus.n < consensus.min_masternodes {
        return Explanation {
            waiting_for: format!(
                "Only {} masternodes active (minimum {} required)",
                consensus.n, consensus.min_masternodes
            ),
            hint: "no blocks are made until more masternodes are registered".to_owned(),
        };
    }
    if status.sync.syncing {
        return explain_sync(status);
    }
    if consensus.n == 0 {
        return Explanation::default();
    }
    if !is_due(consensus, status.at) && !consensus.view_changing {
        return Explanation::default();
    }
    explain_round(status.at, consensus, &status.signing)
}

fn explain_sync(status: &Status) -> Explanation {
    let target = status.sync.target.map_or("an unknown height".to_owned(), grouped);
    match status.sync.state {
        SyncState::Stalled | SyncState::Halted => Explanation {
            waiting_for: format!(
                "{} behind {target}{}",
                blocks(status.sync.blocks_behind),
                match status.sync.stalled_because.as_str() {
                    "" => " and no peer to fetch from".to_owned(),
                    why => format!(": {why}"),
                }
            ),
            hint: "check the network and the configured peers".to_owned(),
        },
        SyncState::WaitingPeers => Explanation {
            waiting_for: "catching up: waiting for a peer that tells its height".to_owned(),
            hint: "check the network and the configured peers".to_owned(),
        },
        SyncState::Sampling
        | SyncState::Snapshot
        | SyncState::Blocks
        | SyncState::CatchUp
        | SyncState::Synced => Explanation {
            waiting_for: format!(
                "catching up: {} left to {target}",
                blocks(status.sync.blocks_behind)
            ),
            hint: String::new(),
        },
    }
}

fn blocks(number: u64) -> String {
    counted(number, "block")
}

fn is_due(consensus: &ConsensusStatus, at: Moment) -> bool {
    consensus.overdue_ms > 0
        || consensus.timer.armed
        || consensus.due_mono_ms.is_some_and(|due| due <= at.mono_ms)
}

fn explain_round(at: Moment, consensus: &ConsensusStatus, signing: &SigningStatus) -> Explanation {
    let place = format!("height {} round {}", grouped(consensus.height), consensus.round);
    let quorum = consensus.quorum;
    let leader = consensus
        .leader
        .and_then(|index| consensus.validators.get(usize::from(index)));
    let (what, missing) = if consensus.view_changing {
        (
            format!("{place} view change {}/{quorum}", consensus.view_changes.votes),
            missing(at, consensus, |row| &row.view_change.mark),
        )
    } else {
        match consensus.phase {
            Phase::PrePrepare => {
                let who = match leader {
                    Some(row) if row.is_self => "this node".to_owned(),
                    Some(row) => named(consensus, row, at),
                    None => "the leader".to_owned(),
                };
                return Explanation {
                    waiting_for: format!("{place}: waiting for the proposal of {who}"),
                    hint: hint(at, consensus, signing, leader),
                };
            }
            Phase::Prepare => (
                format!("{place} Prepare {}/{quorum}", consensus.prepares.votes),
                missing(at, consensus, |row| &row.prepare.mark),
            ),
            Phase::Commit => (
                format!("{place} Commit {}/{quorum}", consensus.commits.votes),
                missing(at, consensus, |row| &row.commit.mark),
            ),
            Phase::Finalized => return Explanation::default(),
        }
    };
    let names: Vec<String> = missing.iter().map(|row| named(consensus, row, at)).collect();
    let whom = match names.is_empty() {
        true => String::new(),
        false => format!(": waiting for {}", listed(&names, NAMES_MAX)),
    };
    Explanation {
        waiting_for: format!("{what}{whom}"),
        hint: hint(at, consensus, signing, leader),
    }
}

/// Those whose vote would count and is not there, unreachable ones first.
fn missing(
    at: Moment,
    consensus: &ConsensusStatus,
    mark: impl Fn(&ValidatorRow) -> &Mark,
) -> Vec<&ValidatorRow> {
    let mut rows: Vec<&ValidatorRow> = consensus
        .validators
        .iter()
        .filter(|row| matches!(mark(row), Mark::None | Mark::OtherBlock))
        .collect();
    rows.sort_by_key(|row| (consensus.is_reachable(row, at), row.index));
    rows
}

fn named(consensus: &ConsensusStatus, row: &ValidatorRow, at: Moment) -> String {
    let other = [&row.prepare, &row.commit]
        .iter()
        .any(|cell| cell.mark == Mark::OtherBlock);
    let note = if row.is_self {
        Some("this node".to_owned())
    } else if !consensus.is_reachable(row, at) {
        let word = if row.online { "silent" } else { "offline" };
        Some(match row.last_seen_mono_ms {
            Some(seen) => format!("{word} {}", duration(at.mono_ms.saturating_sub(seen))),
            None => "not seen yet".to_owned(),
        })
    } else if other {
        Some("voted for another block".to_owned())
    } else {
        None
    };
    match note {
        Some(note) => format!("{} ({note})", row.name),
        None => row.name.clone(),
    }
}

fn hint(
    at: Moment,
    consensus: &ConsensusStatus,
    signing: &SigningStatus,
    leader: Option<&ValidatorRow>,
) -> String {
    let reachable = consensus.reachable(at);
    if reachable < consensus.quorum {
        return format!(
            "{} of {} away, {} must return; a restart here cannot help",
            consensus.n.saturating_sub(reachable),
            consensus.n,
            consensus.quorum - reachable
        );
    }
    if !signing.signing && consensus.validators.iter().any(|row| row.is_self) {
        return format!("this node signs nothing: {}", signing.reason);
    }
    if consensus.view_changing {
        return "enough validators are there; the view should change by itself".to_owned();
    }
    match leader {
        Some(row) if !consensus.is_reachable(row, at) && consensus.phase == Phase::PrePrepare => {
            match consensus.timer.armed {
                true => format!("{} leads and is away; the view changes by itself", row.name),
                false => format!("{} leads and is away", row.name),
            }
        }
        _ => String::new(),
    }
}
