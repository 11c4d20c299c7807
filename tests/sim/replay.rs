//! One schedule again, told line by line: time, node, what.

use std::process::ExitCode;

use timecoin::consensus::{ConsensusMessage, Effect, Note, Record, Step, Timer};

use crate::{one, options::Options, schedule, world::Sight};

/// Replays the schedule of `seed`.
pub(crate) fn replay(seed: u64, options: &Options) -> ExitCode {
    let watcher = |at: u64, node: usize, sight: &Sight<'_>| {
        if let Some(line) = tell(sight) {
            println!("{:>10.3} ms  node {node:<2} {line}", at as f64 / 1_000.0);
        }
    };
    match one::schedule(seed, options, options.mutant, Some(Box::new(watcher))) {
        Ok(played) => {
            let trace = played
                .trace
                .map_or_else(String::new, |hash| format!("; trace hash {hash}"));
            println!("seed {seed}: nothing broken{trace}");
            ExitCode::SUCCESS
        }
        Err(broken) => {
            println!("{broken}");
            ExitCode::FAILURE
        }
    }
}

/// A22: this build and the unoptimized one of `cargo test --lib a22_` do the same, effect by effect.
pub(crate) fn a22_same_in_every_build() -> ExitCode {
    let hash = schedule::a22_hash();
    if hash == schedule::A22_HASH {
        println!("a22: the traces of this build are those of every build, {hash}");
        ExitCode::SUCCESS
    } else {
        println!(
            "a22: the traces of this build hash to {hash}, those of others to {}",
            schedule::A22_HASH
        );
        ExitCode::FAILURE
    }
}

/// A line for an operator; `None` for what would only be noise.
fn tell(sight: &Sight<'_>) -> Option<String> {
    Some(match sight {
        Sight::Starts(tip) => format!("starts, with height {tip} on its disk"),
        Sight::Crashes => "crashes".to_owned(),
        Sight::Arrives(from, message) => {
            let from = from.map_or("somebody".to_owned(), |from| format!("node {from}"));
            format!("    gets {} over {from}", name(message))
        }
        Sight::Says(words) => words.clone(),
        Sight::Does(effect) => tell_effect(effect)?,
    })
}

fn tell_effect(effect: &Effect) -> Option<String> {
    Some(match effect {
        Effect::Persist(record) => match &**record {
            Record::Body(block) => format!(
                "  logs block {} of height {}",
                block.hash().short(),
                block.height()
            ),
            Record::Signed(message) => format!("  logs its {}", name(message)),
            Record::Lock(lock) => format!(
                "  logs its lock on {} of round {}",
                lock.digest.short(),
                lock.round
            ),
            Record::Decided(cert) => format!(
                "  logs that height {} is {}",
                cert.height,
                cert.block_hash.short()
            ),
            Record::RaisedTo(height) => format!("  logs that it signs nothing up to height {height}"),
            Record::Vouched(statement, _) => {
                format!("  logs what it vouched for at {:?}", statement.position())
            }
            Record::Lost => "  logs that it lost the memory of its signatures".to_owned(),
        },
        Effect::Broadcast { message, block } => {
            let body = if block.is_some() { ", with its block" } else { "" };
            format!("  sends {}{body}", name(message))
        }
        Effect::SetTimer {
            timer: Timer::Round { height, round },
            at,
        } => format!(
            "  gives round {round} of height {height} until {:.3} ms",
            at.micros() as f64 / 1_000.0
        ),
        Effect::FetchBody { digest, .. } => format!("  asks for block {}", digest.short()),
        Effect::Decide { certificate, .. } => format!(
            "DECIDES height {}: {} in round {}, signed by {:?}",
            certificate.height,
            certificate.block_hash.short(),
            certificate.round,
            certificate.signers().collect::<Vec<_>>()
        ),
        Effect::PeerBehind { height, .. } => format!("  helps a peer on that is at height {height}"),
        Effect::Behind { height } => format!("  hears of height {height}: it is behind"),
        Effect::Evidence(evidence) => format!("ACCUSES {:?} of {:?}", evidence.offender, evidence.kind),
        Effect::Doppelganger(message) => format!("STOPS SIGNING: somebody else sent its {}", name(message)),
        Effect::SafetyViolation { ours, theirs } => format!(
            "STANDS STILL: height {} was decided twice, {} and {}",
            ours.height,
            ours.block_hash.short(),
            theirs.block_hash.short()
        ),
        Effect::Note(note) => tell_note(note)?,
        Effect::Sign { .. } | Effect::Forward { .. } | Effect::SetTimer { .. } => return None,
    })
}

fn tell_note(note: &Note) -> Option<String> {
    Some(match note {
        Note::Refused {
            height,
            round,
            reason,
        } => {
            format!("  refuses the proposal of height {height} round {round}: {reason}")
        }
        Note::ViewChange { height, to, cause } => {
            format!("leaves for round {to} of height {height}: {cause:?}")
        }
        Note::DoubleSignPrevented(position) => format!("  does not sign twice at {position:?}"),
        Note::Prepared {
            height,
            round,
            digest,
        } => {
            let digest = digest.short();
            format!("  sees a quorum of PREPAREs for {digest} in round {round} of height {height}")
        }
        Note::Proposing { .. } | Note::Accepted { .. } | Note::Dropped(_) => return None,
    })
}

/// A message in a few words.
fn name(message: &ConsensusMessage) -> String {
    let (height, round, signer) = (message.height(), message.round(), message.signer());
    let what = match message {
        ConsensusMessage::PrePrepare(proposal) => format!("PRE-PREPARE for {}", proposal.digest.short()),
        ConsensusMessage::Vote(vote) if vote.step == Step::Commit => {
            format!("COMMIT for {}", vote.digest.short())
        }
        ConsensusMessage::Vote(vote) => format!("PREPARE for {}", vote.digest.short()),
        ConsensusMessage::ViewChange(change) => match change.header.prepared {
            Some((round, digest)) => format!("VIEW-CHANGE locked on {} of round {round}", digest.short()),
            None => "VIEW-CHANGE without a lock".to_owned(),
        },
    };
    format!("{what} (height {height}, round {round}, signer {signer})")
}
