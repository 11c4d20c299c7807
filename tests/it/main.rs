//! Everything that is tested from outside the rooms, in one binary.

mod devnet_load;
mod errors;
mod example_config;
mod tidy;
