//! Arguments of `timed token`.

use clap::{Subcommand, ValueEnum};

use super::place::Place;

/// What a token permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ScopeName {
    /// Look.
    Read,
    /// Look, and submit transactions.
    Submit,
    /// Change the node too, from its own machine.
    Admin,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum TokenCommand {
    /// Make a token and print it; it is shown once.
    Add {
        #[command(flatten)]
        place: Place,
        /// What it is called in the list and in the log.
        name: String,
        /// What it permits.
        #[arg(long, value_enum, default_value = "read")]
        scope: ScopeName,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show all tokens, without their texts, which nobody has kept.
    List {
        #[command(flatten)]
        place: Place,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Take a token away; the node refuses it within a second.
    Revoke {
        #[command(flatten)]
        place: Place,
        /// Its name.
        name: String,
    },
}
