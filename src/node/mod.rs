//! Starts the rooms and joins them: drives the engine, performs its effects, stops in order.
//!
//! How data travels, in one picture:
//!
//! ```text
//! network ─consensus─▶ verify-votes ─votes──▶ ┌────────┐ ─work─▶ performer ─▶ log, storage, network
//!         ─gossip────▶ verify-txs ───bulk───▶ │ engine │            │
//!         ─serve─────▶ serve ─▶ storage       └────────┘ ◀──votes───┘ (Committed, failures)
//!         ─peers─────▶ peers ────votes──────▶      │
//! faces ─commands────▶ operator ─bulk───────▶      └─view──▶ status ─▶ faces
//! ```
//!
//! Every queue is bounded, and its constant says what happens when it is full. The engine, the
//! performer and the two verifiers have threads of their own; everything else is a task.

mod allowance;
mod announced;
mod ask_more;
mod backfill;
mod barrier;
mod bodies;
mod clock;
mod codec;
mod compact;
mod conflict;
mod disk_floor;
mod driver;
mod duplicates;
mod error;
mod evidence;
mod facts;
mod gossip;
pub mod handover;
mod key_watch;
mod log_filter;
mod memory;
mod names;
mod open;
mod operator;
mod people;
mod performer;
mod pool_file;
mod query;
mod ready;
mod reindex;
mod requests;
pub mod resync;
mod screen;
mod serve;
mod sessions;
mod signer_link;
pub mod signer_service;
pub mod signer_state;
mod snapshot;
mod spawner;
mod start;
mod starting;
mod status;
mod tickets;
mod timers;
mod verifier;
mod watchdog;

pub use error::NodeError;
pub use start::{Node, NodeOptions, start};
pub use starting::TellStart;
