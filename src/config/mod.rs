//! What the operator decided: defaults, then one file, then `TIMED_*` variables, then flags.
//!
//! This is the only room that reads the environment. A key that nobody knows is an error with a
//! suggestion, in a file as well as in a flag; in the environment it is a warning, because other
//! programs may own the name. Paths in a file are relative to that file, so that a directory can be
//! moved as a whole. Empty text means "not set" everywhere.

mod data_dir;
mod environment;
mod error;
mod layers;
mod retired;
mod rooms;
mod sections;
mod suggest;
mod validate;

#[cfg(test)]
mod tests;

pub use data_dir::{CONFIG_FILE, DataDir};
pub use environment::Environment;
pub use error::ConfigError;
pub use layers::{Loaded, Origin, Sources, load};
pub use retired::{Migrated, RETIRED, Retired, migrated};
pub use sections::{
    Config, KeysSection, MempoolSection, NetworkSection, NodeSection, RpcSection, ShutdownSection,
    StorageSection,
};
pub use suggest::nearest;

/// The example file, which is also the documentation of every key; a test keeps it equal to the
/// defaults.
pub const EXAMPLE: &str = include_str!("../../config.example.toml");
