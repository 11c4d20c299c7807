//! The laws of consensus, scenario by scenario (docs/CONSENSUS.md §11).
//!
//! `world` runs whole machines on a virtual clock, network and disk; `laws` says what must hold
//! whatever happens; `schedule` makes things happen at random from a seed. The other files are the
//! scenarios, named by their numbers.

mod crash_points;
mod evidence;
mod flood;
mod futile;
mod fuzz;
mod guard;
mod happy;
mod late;
mod latency;
mod laws;
mod pp_ok;
mod queue;
mod recovery;
mod round;
mod schedule;
mod set_plan;
mod timeouts;
mod toy_ledger;
mod view_change;
mod votes;
#[allow(dead_code, reason = "shared with the simulator, which uses more of it")]
mod world;
