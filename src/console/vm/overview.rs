//! The Overview: is all well, and if not, what is it.

mod finality;
mod health;
mod lists;
mod pool;
mod round;
mod start;

pub(in super::super) use finality::finality;
pub(in super::super) use health::health;
pub(in super::super) use lists::{alarms, blocks, events, told};
pub(in super::super) use pool::mempool;
pub(in super::super) use round::{round, round_compact};
pub(in super::super) use start::{is_starting, start};
