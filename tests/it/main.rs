//! Everything that is tested from outside the rooms, in one binary.

#![allow(
    clippy::print_stdout,
    reason = "figures of a test are read by whoever runs it with --nocapture"
)]
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed; its helpers are no different"
)]

mod commands;
mod console;
mod devnet_load;
mod docs;
mod errors;
mod example_config;
mod fuzz;
mod ops;
mod package;
mod processes;
mod reference;
mod screen;
mod screen_cost;
mod term;
mod tidy;
mod wizard;
