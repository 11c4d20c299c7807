//! What a machine holds under a flood of votes and view changes, measured on the whole process: at
//! most 1 MB without bodies.

use std::process::ExitCode;

use timecoin::{
    chain::{BlockHash, Height},
    consensus::{ConsensusMessage, Event, Step},
    crypto::{HashWriter, SecretKey, Verified},
};

use crate::{
    options::Options,
    schedule::Draws,
    world::{NEVER, World},
};

/// Machines flooded at once, so that what one holds stands out of the noise.
const MACHINES: usize = 48;
/// Messages to each of them.
const MESSAGES: usize = 60_000;
/// What one may hold, in kB.
const HELD_MAX_KB: u64 = 1_024;

/// Floods, measures, and fails if a machine holds too much.
pub(crate) fn measure(options: &Options) -> ExitCode {
    let n = options.nodes.iter().copied().max().unwrap_or(31).max(31) as usize;
    let Some(empty) = resident_kb() else {
        eprintln!("--flood reads /proc/self/statm, which is not here");
        return ExitCode::from(2);
    };
    let mut worlds: Vec<World> = (0..MACHINES).map(|_| world(n)).collect();
    let started = resident_kb().unwrap_or(empty);
    let mut draws = Draws::new(options.seed);
    for world in &mut worlds {
        flood(world, n, &mut draws);
    }
    let flooded = resident_kb().unwrap_or(started);
    let held = flooded.saturating_sub(started) / MACHINES as u64;
    println!(
        "{MESSAGES} messages to each of {MACHINES} machines of {n} validators: {held} kB held by one, \
         bound {HELD_MAX_KB} kB"
    );
    if options.is_json {
        println!(
            "{}",
            serde_json::json!({ "held_kb": held, "bound_kb": HELD_MAX_KB, "n": n })
        );
    }
    if held <= HELD_MAX_KB {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn world(n: usize) -> World {
    let mut world = World::with_keys(n, SecretKey::simulated);
    world.remembers = false;
    for other in 1..n {
        world.nodes[other].is_byzantine = true;
    }
    world.network = Box::new(|_| NEVER);
    world.start();
    world
}

/// Whatever a validator can sign, for this height and the next, of any round.
fn flood(world: &mut World, n: usize, draws: &mut Draws) {
    let quorum = world.quorum().votes();
    let digests: Vec<BlockHash> = (0..4u64)
        .map(|salt| BlockHash::from_hash(HashWriter::new("flood").u64(salt).finish()))
        .collect();
    let signers: Vec<usize> = (1..=quorum).collect();
    for _ in 0..MESSAGES {
        let signer = 1 + draws.below(n as u64 - 1) as usize;
        let height = 1 + draws.below(2);
        // Mostly near, sometimes anywhere.
        let round = if draws.chance(70) {
            draws.below(12) as u32
        } else {
            draws.next() as u32 >> 1
        };
        let digest = digests[draws.below(4) as usize];
        let message = match draws.below(8) {
            0..=2 => ConsensusMessage::Vote(world.vote(signer, Step::Prepare, height, round, digest)),
            3..=5 => ConsensusMessage::Vote(world.vote(signer, Step::Commit, height, round, digest)),
            _ => {
                let round = round.max(2);
                let lock = draws
                    .chance(5)
                    .then(|| world.prepared(&signers, height, 1, digest));
                ConsensusMessage::ViewChange(world.view_change(signer, height, round, lock))
            }
        };
        let from = Some(world.nodes[signer].key.public_key());
        let (validators, domain) = world.set_at(Height::new(height));
        let context = timecoin::consensus::MessageContext { domain, validators };
        if let Ok(message) = Verified::check(message, context) {
            let event = Event::Message {
                from,
                message,
                body: None,
            };
            let now = world.clock(0);
            let one = &mut world.nodes[0];
            if let Some(machine) = one.machine.as_mut() {
                // What it asks for is not performed: only what it keeps is of interest.
                drop(machine.step(now, event, &mut one.ledger));
            }
        }
    }
}

/// Memory of this process that is in RAM.
fn resident_kb() -> Option<u64> {
    const PAGE_KB: u64 = 4;
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * PAGE_KB)
}
