//! What the command line says.

use timecoin::consensus::mutant::Mutant;

use crate::byzantine::Crime;

/// The command line of the simulator.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// How many schedules; of a mutant, at most.
    pub(crate) schedules: u64,
    /// Sizes of validator sets to draw from.
    pub(crate) nodes: Vec<u64>,
    /// The first seed.
    pub(crate) seed: u64,
    pub(crate) mutant: Option<Mutant>,
    pub(crate) all_mutants: bool,
    /// The one thing done, instead of what is drawn.
    pub(crate) crime: Option<Crime>,
    /// How many validators are Byzantine in every schedule; drawn, up to f, if not said.
    pub(crate) byzantine: Option<Few>,
    /// How many validators die in every schedule, and stay dead.
    pub(crate) dead: Option<Few>,
    /// More than f Byzantine ones: what happens then must name its culprits.
    pub(crate) is_beyond_f: bool,
    pub(crate) worlds: Worlds,
    /// The scenario of that number.
    pub(crate) is_a20: bool,
    pub(crate) is_a22: bool,
    /// Measure a flooded machine instead.
    pub(crate) is_flood: bool,
    pub(crate) is_json: bool,
    pub(crate) threads: usize,
    /// Do not stop at the first failure.
    pub(crate) goes_on: bool,
    pub(crate) replay: Option<u64>,
}

/// A number of validators, or as many as may be faulty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Few {
    Exactly(usize),
    F,
}

/// Which kind of world schedules run in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Worlds {
    Both,
    Machines,
    Engines,
}

const USAGE: &str = "\
--schedules N        how many (100000)
--nodes 4,5,7,10     sizes of validator sets to draw from
--seed N             the first seed (0)
--threads N          (as many as there are cores)
--byzantine N|f      so many Byzantine validators in every schedule (drawn, up to f)
--crime NAME         what they do: Twin, Equivocator, Voter, Liar, Forger, Withholder,
                     DoubleSpender, Delayer, Usurper, Tempter, Silent (drawn)
--dead N|f           so many validators die in every schedule and stay dead (none)
--beyond-f           more than f Byzantine ones: every fork must name at least f + 1 of them
--a20                Twins: 1 of 4 and 2 of 7, as many schedules each
--a22                the traces of 40 seeds are those of the unoptimized build
--mutant NAME        plant one fault; succeeds if it is found
--mutants, --a21     plant all of them, one after the other; fails if one survives
--engines            whole validators only (one schedule in 20)
--machines           bare consensus machines only
--flood              measure what a flooded machine holds
--json               the last line is one JSON object
--go-on              do not stop at the first failure
TIMED_SIM_SEED=N     replays one schedule, line by line";

impl Options {
    /// Reads the arguments and `TIMED_SIM_SEED`.
    ///
    /// # Errors
    /// A sentence that names the argument and what is possible.
    pub(crate) fn from_args() -> Result<Self, String> {
        let mut options = Self {
            schedules: 100_000,
            nodes: vec![4, 4, 5, 7, 10],
            seed: 0,
            mutant: None,
            all_mutants: false,
            crime: None,
            byzantine: None,
            dead: None,
            is_beyond_f: false,
            worlds: Worlds::Both,
            is_a20: false,
            is_a22: false,
            is_flood: false,
            is_json: false,
            threads: std::thread::available_parallelism().map_or(2, usize::from),
            goes_on: false,
            replay: None,
        };
        if let Some(seed) = std::env::var_os("TIMED_SIM_SEED") {
            options.replay = Some(number("TIMED_SIM_SEED", &seed.to_string_lossy())?);
        }
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--schedules" => options.schedules = number("--schedules", &value()?)?,
                "--seed" => options.seed = number("--seed", &value()?)?,
                "--threads" => options.threads = number("--threads", &value()?)?.clamp(1, 256) as usize,
                "--nodes" => {
                    let sizes = value()?;
                    let sizes = sizes.split(',').map(|size| number("--nodes", size));
                    options.nodes = sizes.collect::<Result<Vec<u64>, String>>()?;
                    if options.nodes.iter().any(|n| !(1..=100).contains(n)) {
                        return Err("--nodes: sizes are 1 to 100".to_owned());
                    }
                }
                "--mutant" => {
                    let name = value()?;
                    let named = Mutant::ALL
                        .into_iter()
                        .find(|mutant| format!("{mutant:?}") == name);
                    let all = || format!("--mutant: {name} is none of {:?}", Mutant::ALL);
                    options.mutant = Some(named.ok_or_else(all)?);
                }
                "--crime" => {
                    let name = value()?;
                    let none = || format!("--crime: {name} is none of {:?}", Crime::ALL);
                    options.crime = Some(Crime::named(&name).ok_or_else(none)?);
                }
                "--byzantine" => options.byzantine = Some(few("--byzantine", &value()?)?),
                "--dead" => options.dead = Some(few("--dead", &value()?)?),
                "--beyond-f" => options.is_beyond_f = true,
                "--engines" => options.worlds = Worlds::Engines,
                "--machines" => options.worlds = Worlds::Machines,
                "--flood" => options.is_flood = true,
                "--a20" => options.is_a20 = true,
                "--a22" => options.is_a22 = true,
                "--mutants" | "--a21" => options.all_mutants = true,
                "--json" => options.is_json = true,
                "--go-on" => options.goes_on = true,
                // What `cargo test` passes to every test binary.
                "--nocapture" | "--quiet" | "-q" => {}
                _ => return Err(format!("unknown argument {arg}\n{USAGE}")),
            }
        }
        Ok(options)
    }

    /// How to see one of these schedules again.
    pub(crate) fn replay_command(&self, seed: u64) -> String {
        let nodes: Vec<String> = self.nodes.iter().map(u64::to_string).collect();
        let mut command = format!("TIMED_SIM_SEED={seed} cargo sim -- --nodes {}", nodes.join(","));
        let few = |few: Few| match few {
            Few::Exactly(count) => count.to_string(),
            Few::F => "f".to_owned(),
        };
        let more = [
            self.mutant.map(|mutant| format!(" --mutant {mutant:?}")),
            self.crime.map(|crime| format!(" --crime {crime:?}")),
            self.byzantine.map(|count| format!(" --byzantine {}", few(count))),
            self.dead.map(|count| format!(" --dead {}", few(count))),
            match self.worlds {
                Worlds::Both => None,
                Worlds::Machines => Some(" --machines".to_owned()),
                Worlds::Engines => Some(" --engines".to_owned()),
            },
            self.is_beyond_f.then(|| " --beyond-f".to_owned()),
        ];
        command.extend(more.into_iter().flatten());
        command
    }
}

fn number(name: &str, text: &str) -> Result<u64, String> {
    text.replace('_', "")
        .parse()
        .map_err(|_| format!("{name}: {text} is not a number"))
}

fn few(name: &str, text: &str) -> Result<Few, String> {
    match text {
        "f" => Ok(Few::F),
        _ => number(name, text).map(|count| Few::Exactly(count as usize)),
    }
}
