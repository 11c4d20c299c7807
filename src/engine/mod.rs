//! The validator: a function from events to effects.
//!
//! It owns the consensus machine, the pool, the chain state and the range scheduler, and nothing of
//! the world: time comes with each event, and whatever shall happen outside is an [`Effect`]. The
//! same engine therefore runs under a real clock and network, under a simulated one, and in a
//! replay. Performing effects in order, with `Persist` as a barrier, is all that its driver owes it.

mod asking;
mod blame;
mod decisions;
mod effect;
#[allow(clippy::module_inception)]
mod engine;
mod event;
mod evidence;
mod holds;
mod ledger;
mod listening;
mod observer;
mod peers;
mod ranges;
#[cfg(test)]
mod tests;
mod transactions;
mod view;

pub use blame::fault_of_refusal;
pub use effect::{CommittedBlock, Effect, Happening};
pub use engine::{Engine, EngineConfig, Start};
pub use event::{Arrival, Event, SigningHold, Source};
pub use ledger::{DRIFT_MS, Ledger, SharedView};
pub use view::{EngineView, ObserverView, SyncView};
