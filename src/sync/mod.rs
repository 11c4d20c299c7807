//! How we catch up: which ranges of blocks to ask from whom, when we are too far behind to vote, and
//! what to make of peers that show another chain.
//!
//! A claimed height is a hint: it makes us ask, never believe. Only a verified certificate above our
//! tip makes this node count as syncing, so a liar cannot silence a validator (docs/CONSENSUS.md §7).
//! Pure: whoever drives it brings the time and performs the requests.

pub mod backfill;
mod catch_up;
pub mod fork;

pub use catch_up::{
    BUFFERED_BYTES_MAX, CatchUp, Failure, RANGE_BYTES, RANGE_MAX, RANGES_MAX, RANGES_PER_PEER_MAX, Request,
    SYNC_GAP, WINDOW_BLOCKS,
};

#[cfg(test)]
mod tests;
