//! The Overview: is all well, and if not, what is it.

mod finality;
mod health;
mod lists;
mod pool;
mod round;

pub(in super::super) use finality::finality;
pub(in super::super) use health::health;
pub(in super::super) use lists::{alarms, blocks, events};
pub(in super::super) use pool::mempool;
pub(in super::super) use round::{round, round_compact};
