//! How we catch up: which range of blocks to ask from whom, and when we are too far behind to vote.
//!
//! A claimed height is a hint: it makes us ask, never believe. Only a verified certificate above our
//! tip makes this node count as syncing, so a liar cannot silence a validator (docs/CONSENSUS.md §7).
//! Pure: whoever drives it brings the time and performs the requests.

mod catch_up;

#[cfg(test)]
mod tests;

pub use catch_up::{CatchUp, Failure, RANGE_BYTES_MAX, RANGE_MAX, Request, SYNC_GAP};
