//! What the command line says.

use timecoin::consensus::mutant::Mutant;

/// The command line of the simulator.
#[derive(Debug)]
pub(crate) struct Options {
    /// How many schedules; of a mutant, at most.
    pub(crate) schedules: u64,
    /// Sizes of validator sets to draw from.
    pub(crate) nodes: Vec<u64>,
    /// The first seed.
    pub(crate) seed: u64,
    pub(crate) mutant: Option<Mutant>,
    pub(crate) all_mutants: bool,
    pub(crate) is_json: bool,
    pub(crate) threads: usize,
    /// Do not stop at the first failure.
    pub(crate) goes_on: bool,
    pub(crate) replay: Option<u64>,
}

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
                "--mutants" => options.all_mutants = true,
                "--json" => options.is_json = true,
                "--go-on" => options.goes_on = true,
                // What `cargo test` passes to every test binary.
                "--nocapture" | "--quiet" | "-q" => {}
                _ => {
                    return Err(format!(
                        "unknown argument {arg}: --schedules N, --nodes 4,5,7, --seed N, --threads N, \
                         --mutant NAME, --mutants, --json, --go-on"
                    ));
                }
            }
        }
        Ok(options)
    }
}

fn number(name: &str, text: &str) -> Result<u64, String> {
    text.replace('_', "")
        .parse()
        .map_err(|_| format!("{name}: {text} is not a number"))
}
