//! A network of masternodes on one machine: their files, their processes, traffic between their
//! wallets, and a report of what came of it.
//!
//! Every node is a process of its own with its own database and real sockets, so that one can be
//! killed for real; only with a console does the first run in this process. Nothing here is trusted
//! by a node: traffic comes in through the same door as everybody's.
//!
//! No node outlives its devnet: nodes are killed when the values that stand for them are dropped, and
//! stop by themselves when their standard input ends (see [`parent`]).

mod agreement;
mod coins;
mod desk;
mod error;
mod faults;
pub mod figures;
pub mod files;
mod fleet;
mod follow;
mod funds;
mod histogram;
mod keeper;
mod layout;
mod limit;
pub mod link;
mod links;
mod load;
pub mod parent;
mod ports;
mod presigned;
pub mod process;
mod report;
mod run;
mod target;
pub mod traffic;
mod trend;

#[cfg(test)]
mod tests;

pub use agreement::Agreement;
pub use desk::Desk;
pub use error::DevnetError;
pub use faults::{Fault, FaultKind, FaultPlan};
pub use fleet::{Fleet, STOP_LIMIT};
pub use histogram::{Histogram, Percentiles};
pub use layout::{Layout, NODES_MAX, WALLETS};
pub use limit::signatures_per_s;
pub use links::{LINKED_NODES_MAX, Links};
pub use load::{LoadPlan, load};
pub use ports::PortRange;
pub use report::{DevnetReport, FaultReport, Interval, LoadReport};
pub use run::{Progress, RunPlan, run, run_beside};
pub use target::Target;
pub use trend::{EarlyLate, NodeTrend};
