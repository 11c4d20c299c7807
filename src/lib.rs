//! `timed`: a TimeCoin masternode. A complete BFT validator and the live console of the person who
//! runs it, in one binary.
//!
//! The rooms stand in the order of their layers, ground first: a room may use only rooms above it
//! in this list. docs/ARCHITECTURE.md has the table; `tests/it/tidy.rs` enforces it.

pub mod chain;
pub mod cli;
pub mod config;
pub mod consensus;
pub mod console;
pub mod control;
pub mod crypto;
pub mod devnet;
pub mod engine;
pub mod mempool;
pub mod metrics;
pub mod network;
pub mod node;
pub mod rpc;
pub mod signer;
pub mod storage;
pub mod sync;
pub mod telemetry;
pub mod wire;
