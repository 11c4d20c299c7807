//! `timed`: a TimeCoin masternode. A complete BFT validator and the live console of the person who
//! runs it, in one binary.
//!
//! **One idea: the validator is a function from events to effects** ([`engine`]); everything that
//! touches the world stands around it and is thin. The rooms below stand in the order of their
//! layers, ground first. A room may use only rooms above it in this list, and of those only what the
//! table in docs/ARCHITECTURE.md names; `tests/it/tidy.rs` enforces the table.
//!
//! | layer | rooms |
//! |---|---|
//! | still rooms: they compute, and touch nothing | [`crypto`] [`chain`] [`consensus`] [`mempool`] [`sync`] [`wire`] [`engine`] |
//! | hands: they touch the world | [`metrics`] [`storage`] [`network`] [`signer`] |
//! | counter: plain data between the machine and its people | [`control`], and [`telemetry`], which feeds its log ring |
//! | joinery: starts the rooms and joins them | [`node`] |
//! | faces: they look through the counter | [`rpc`] [`attach`] [`recorder`] [`console`] |
//! | roof: what an operator starts | [`config`] [`devnet`] [`cli`] |

// Who said it.
pub mod crypto;

// What is true.
pub mod chain;

// What we agree on.
pub mod consensus;

// What waits.
pub mod mempool;

// How we catch up.
pub mod sync;

// What nodes say to each other.
pub mod wire;

// The validator.
pub mod engine;

// Hands: what is counted, remembered, carried and signed.
pub mod metrics;

pub mod storage;

pub mod network;

pub mod signer;

pub mod sockets;

// The counter, and the log behind it.
pub mod control;

pub mod telemetry;

// The joinery.
pub mod node;

// Faces.
pub mod rpc;

pub mod attach;

pub mod recorder;

pub mod console;

// The roof.
pub mod config;

pub mod devnet;

pub mod cli;

// The simulator's files serve the unit tests too, and name the crate from outside.
#[cfg(test)]
extern crate self as timecoin;
