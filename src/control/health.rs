//! The verdict behind `/health` and `/ready`, as a pure function of the snapshot.
//!
//! `/health` fails only where a restart or a human is needed; losing the quorum is neither, since
//! restarting this node cannot bring others back (docs/OPERATIONS.md, "Health").

use super::{Check, HealthStatus, HealthWord, Mode, Status, words::duration};

/// A critical loop that has not gone round for this long is stuck.
pub const CRITICAL_TICK_LIMIT_MS: u64 = 45_000;
/// Being further behind than this is not ready: the same distance from which the node does not vote.
const BEHIND_READY_MAX: u64 = 2;
/// A block due for longer than this many T0 is a stall.
const STALL_T0: u64 = 10;

/// Judges a snapshot. `before` is the verdict last published, from which checks keep their `since`.
pub fn assess(status: &Status, before: &HealthStatus) -> HealthStatus {
    let consensus = &*status.consensus;
    let mut checks = Vec::new();
    let mut live = true;
    for task in status.tasks.iter().filter(|task| task.critical) {
        let age = status.at.mono_ms.saturating_sub(task.tick_mono_ms);
        let ok = age <= CRITICAL_TICK_LIMIT_MS;
        live &= ok;
        checks.push((
            format!("{}_loop", task.name),
            ok,
            format!("last ran {} ago", duration(age)),
        ));
    }
    let safe = !status.signing.safety_stop;
    live &= safe;
    let signing_detail = match (safe, status.signing.signing) {
        (true, true) => "signs".to_owned(),
        _ => status.signing.reason.clone(),
    };
    checks.push(("signing_safe".to_owned(), safe, signing_detail));

    let online = consensus.reachable(status.at);
    let enough = consensus.n >= consensus.min_masternodes && consensus.n > 0;
    let quorum = enough && online >= consensus.quorum;
    let quorum_detail = match enough {
        true => format!("{online} of {} online, quorum {}", consensus.n, consensus.quorum),
        false => format!(
            "Only {} masternodes active (minimum {} required)",
            consensus.n, consensus.min_masternodes
        ),
    };
    checks.push(("quorum".to_owned(), quorum, quorum_detail));

    let on_time = consensus.t0_ms == 0 || consensus.overdue_ms <= STALL_T0 * consensus.t0_ms;
    let on_time_detail = match consensus.overdue_ms {
        0 => "no block is due".to_owned(),
        ms => format!("a block is due for {}", duration(ms)),
    };
    checks.push(("finality".to_owned(), on_time, on_time_detail));

    let synced = !status.sync.syncing && status.sync.blocks_behind <= BEHIND_READY_MAX;
    checks.push((
        "sync".to_owned(),
        synced,
        format!("{} blocks behind", status.sync.blocks_behind),
    ));
    let connected = !status.peers.rows.is_empty() || consensus.n <= 1;
    checks.push((
        "peers".to_owned(),
        connected,
        format!("{} connected", status.peers.rows.len()),
    ));
    let votes = status.node.mode == Mode::Full || status.signing.signing;
    let votes_detail = match (status.node.mode, status.signing.signing) {
        (Mode::Full, _) => "not in the validator set".to_owned(),
        (Mode::Validator | Mode::Observer, true) => "votes".to_owned(),
        (Mode::Validator | Mode::Observer, false) => status.signing.reason.clone(),
    };
    checks.push(("votes".to_owned(), votes, votes_detail));
    let stopping = status.stop.is_some();
    checks.push((
        "not_stopping".to_owned(),
        !stopping,
        if stopping { "stopping" } else { "running" }.to_owned(),
    ));

    let ready = live && quorum && on_time && synced && connected && votes && !stopping;
    let word = if !live {
        HealthWord::Unhealthy
    } else if !synced {
        HealthWord::Syncing
    } else if !quorum || !on_time {
        HealthWord::Stalled
    } else if !ready || !status.alarms.is_empty() {
        HealthWord::Degraded
    } else {
        HealthWord::Ok
    };
    HealthStatus {
        word,
        live,
        ready,
        checks: checks
            .into_iter()
            .map(|(name, ok, detail)| {
                let since_unix_ms = before.checks.iter().find(|check| check.name == name).map_or(
                    status.at.unix_ms,
                    |check| match check.ok == ok {
                        true => check.since_unix_ms,
                        false => status.at.unix_ms,
                    },
                );
                Check {
                    name,
                    ok,
                    detail,
                    since_unix_ms,
                }
            })
            .collect(),
    }
}
