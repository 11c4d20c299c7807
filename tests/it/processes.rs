//! The real binary on loopback: networks of child processes that are killed, stopped, paused, cut off
//! and started again, while an oracle watches that no two of them ever disagree.
//!
//! Each test has a directory and ports of its own and ends every process it started, by id, whatever
//! happens. They run one after another: several networks at once on two cores would measure each
//! other. The long ones are ignored in the ordinary run:
//! `cargo test --release --test it -- --ignored processes`.

mod attach;
#[cfg(any(debug_assertions, feature = "failpoints"))]
mod crash_points;
mod crashes;
mod devnet;
mod doctor;
mod evidence;
mod floods;
mod full_blocks;
mod full_disk;
mod halts;
mod invalid_blocks;
mod keys;
mod ledger_figures;
mod liars;
mod longest;
mod lost_logs;
pub(crate) mod manager;
mod masternodes;
mod moves;
pub(crate) mod net;
mod operator;
mod partitions;
mod pool;
mod prometheus;
mod puppet;
mod refusals;
mod reload;
mod resync;
mod scenarios;
mod secrets;
mod signers;
mod wallets;
