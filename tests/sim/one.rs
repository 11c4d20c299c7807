//! One schedule: its world, its criminals, and what it came to.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use timecoin::{
    chain::{BlockHash, CommitCertificate},
    consensus::mutant::{self, Mutant},
    crypto::{Hash256, SecretKey},
};

use crate::{
    byzantine::{Crime, corrupt},
    culprits, engines,
    options::{Few, Options, Worlds},
    schedule::{self, Draws},
    world::{Item, Watcher, World, millis},
};

/// One schedule in so many has real signatures.
const REAL_SIGNATURES_EVERY: u64 = 1_000;

/// Whole validators in one schedule of so many, bare machines in the others: three times as fast, and
/// better at what only agreement is about. `--engines` plays whole validators alone.
const ENGINES_EVERY: u64 = 20;

/// What a schedule came to.
pub(crate) struct Played {
    pub(crate) n: usize,
    pub(crate) blocks: u64,
    /// Of these, decided in a round above 0.
    pub(crate) later_rounds: u64,
    pub(crate) is_engines: bool,
    /// Of more than f criminals: whether they forked the chain.
    pub(crate) is_forked: bool,
    pub(crate) trace: Option<Hash256>,
    /// Of what everybody came to: messages, time, chains, certificates. Equal in every build.
    pub(crate) digest: u64,
}

/// Mixes numbers into one.
#[derive(Clone, Copy)]
pub(crate) struct Digest(u64);

impl Digest {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn mix(&mut self, number: u64) {
        let mixed = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ (mixed >> 29);
    }

    /// A block and its certificate.
    pub(crate) fn decided(&mut self, hash: &BlockHash, certificate: &CommitCertificate) {
        self.mix(first(hash.as_bytes()));
        self.mix(u64::from(certificate.round));
        for (signer, signature) in &certificate.signatures {
            self.mix(u64::from(*signer));
            self.mix(first(signature.as_bytes()));
        }
    }

    pub(crate) fn finish(self) -> u64 {
        self.0
    }
}

fn first(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .take(8)
        .fold(0, |all, byte| (all << 8) | u64::from(*byte))
}

/// Runs one schedule; a panic inside counts as a violation.
///
/// # Errors
/// What broke, with everything that was drawn.
pub(crate) fn schedule(
    seed: u64,
    options: &Options,
    mutant: Option<Mutant>,
    watcher: Option<Watcher>,
) -> Result<Played, String> {
    mutant::switch_to(mutant);
    let run = || {
        if is_engines(seed, options, mutant) {
            engines(seed, options, watcher)
        } else {
            machines(seed, options, watcher)
        }
    };
    let outcome = catch_unwind(AssertUnwindSafe(run));
    mutant::switch_to(None);
    outcome.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("seed {seed}: panic: {}", text.unwrap_or_default()))
    })
}

/// Whether whole validators run under this seed.
pub(crate) fn is_engines(seed: u64, options: &Options, mutant: Option<Mutant>) -> bool {
    // What only bare machines can do.
    let is_bare = options.dead.is_some() || options.is_beyond_f || options.crime == Some(Crime::Twin);
    match options.worlds {
        _ if mutant == Some(Mutant::SetFromHeader) => true,
        Worlds::Both => !is_bare && seed % ENGINES_EVERY == ENGINES_EVERY / 2,
        Worlds::Engines => true,
        Worlds::Machines => false,
    }
}

fn machines(seed: u64, options: &Options, watcher: Option<Watcher>) -> Result<Played, String> {
    let make = |n: usize| {
        if has_real_signatures(seed) {
            World::new(n)
        } else {
            World::with_keys(n, simulated_key)
        }
    };
    let prepare = |world: &mut World, draws: &mut Draws| {
        world.remembers = false;
        if watcher.is_some() {
            world.trace = Some(Vec::new());
        }
        world.watcher = watcher;
        let (byzantine, dead) = recruit(world.nodes.len(), world.quorum().f(), draws, options);
        if !byzantine.is_empty() {
            let crimes = crimes(draws, options);
            let draws = Draws::new(draws.next());
            corrupt(world, byzantine, crimes, draws);
        }
        for node in dead {
            world.nodes[node].stays_down = true;
            world.push(millis(draws.below(1_500)), Item::Crash { node });
        }
        world.laws.alarms_are_false = !options.is_beyond_f;
    };
    let world = if options.is_beyond_f {
        culprits::run(seed, &options.nodes, make, prepare)?
    } else {
        schedule::run(seed, &options.nodes, make, prepare)?
    };
    let mut digest = Digest::new(seed);
    digest.mix(world.messages);
    digest.mix(world.points);
    digest.mix(world.now);
    for node in &world.nodes {
        for ((hash, _), (_, certificate)) in node.ledger.blocks.iter().skip(1).zip(&node.chain) {
            digest.decided(hash, certificate);
        }
    }
    let chains = world.nodes.iter().map(|node| &node.chain);
    let longest = chains.max_by_key(|chain| chain.len());
    let rounds = longest
        .into_iter()
        .flatten()
        .map(|(_, certificate)| certificate.round);
    Ok(Played {
        n: world.quorum().n(),
        blocks: rounds.clone().count() as u64,
        later_rounds: rounds.filter(|round| *round > 0).count() as u64,
        is_engines: false,
        is_forked: !world.laws.broken.is_empty(),
        trace: world.trace.is_some().then(|| world.trace_hash()),
        digest: digest.finish(),
    })
}

fn engines(seed: u64, options: &Options, watcher: Option<Watcher>) -> Result<Played, String> {
    let make: &dyn Fn(&[u8; 32]) -> SecretKey = if has_real_signatures(seed) {
        &SecretKey::from_seed
    } else {
        &simulated_key
    };
    let recruit = |n: usize, f: usize, draws: &mut Draws| {
        let (byzantine, _) = recruit(n, f, draws, options);
        let mut crimes = crimes(draws, options);
        crimes.retain(|crime| *crime != Crime::Twin);
        (byzantine, crimes)
    };
    let world = engines::run(seed, &options.nodes, make, watcher, recruit)?;
    let rounds = world
        .certificates()
        .into_iter()
        .map(|certificate| certificate.round);
    Ok(Played {
        n: world.n(),
        blocks: rounds.clone().count() as u64,
        later_rounds: rounds.filter(|round| *round > 0).count() as u64,
        is_engines: true,
        is_forked: false,
        trace: None,
        digest: world.digest(Digest::new(seed)),
    })
}

/// One of bare machines and one of whole validators, in turn.
fn has_real_signatures(seed: u64) -> bool {
    let every = 2 * REAL_SIGNATURES_EVERY;
    let of_engines = REAL_SIGNATURES_EVERY - ENGINES_EVERY / 2;
    [of_engines, every - 1].contains(&(seed % every))
}

const _: () = assert!((REAL_SIGNATURES_EVERY - ENGINES_EVERY / 2) % ENGINES_EVERY == ENGINES_EVERY / 2);

thread_local! {
    static KEYS: RefCell<BTreeMap<[u8; 32], SecretKey>> = const { RefCell::new(BTreeMap::new()) };
}

/// Keys are the same in every world: made once per thread.
fn simulated_key(seed: &[u8; 32]) -> SecretKey {
    KEYS.with(|keys| {
        keys.borrow_mut()
            .entry(*seed)
            .or_insert_with(|| SecretKey::simulated(seed))
            .clone()
    })
}

/// Who is Byzantine and who dies: in two of three worlds up to f are Byzantine, unless the command
/// line says how many.
fn recruit(n: usize, f: usize, draws: &mut Draws, options: &Options) -> (Vec<usize>, Vec<usize>) {
    let count = |few: Few| match few {
        Few::Exactly(count) => count,
        Few::F => f,
    };
    let byzantine = match options.byzantine.map(count) {
        Some(count) => count,
        None if options.is_beyond_f => f + 1 + draws.below(f as u64 + 1) as usize,
        None if f == 0 || draws.chance(33) => 0,
        None => 1 + draws.below(f as u64) as usize,
    };
    let dead = options.dead.map_or(0, count);
    let mut chosen = some_of(n, byzantine + dead, draws);
    let dead = chosen.split_off(byzantine.min(chosen.len()));
    (chosen, dead)
}

fn crimes(draws: &mut Draws, options: &Options) -> Vec<Crime> {
    match options.crime {
        Some(crime) => vec![crime],
        None => Crime::draw(draws),
    }
}

/// `count` different numbers below `n`.
fn some_of(n: usize, count: usize, draws: &mut Draws) -> Vec<usize> {
    let mut all: Vec<usize> = (0..n).collect();
    for place in 0..count.min(n) {
        let drawn = place + draws.below((n - place) as u64) as usize;
        all.swap(place, drawn);
    }
    all.truncate(count);
    all
}
