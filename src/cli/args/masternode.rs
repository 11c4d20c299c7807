//! Arguments of `timed masternode`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{money::PaymentArguments, place::Question};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum MasternodeCommand {
    /// Lock collateral for a new masternode and print the transaction id, which is the masternode's id.
    Register(RegisterArguments),
    /// Change a masternode's keys or addresses, or bring an inactive one back. Takes effect with the next
    /// reward period.
    Update(UpdateArguments),
    /// End a masternode; its collateral is free once the reward period is over.
    Deregister(DeregisterArguments),
    /// List all masternodes and how they stand.
    List {
        #[command(flatten)]
        question: Question,
    },
    /// Show how a masternode stands: why, since when, what to do, and its next turn to lead.
    Status {
        #[command(flatten)]
        question: Question,
        /// Its id or consensus key; without it, the node's own.
        id: Option<String>,
    },
}

/// Rank of a masternode on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum TierName {
    /// Locks 1 000 TIME.
    Bronze,
    /// Locks 10 000 TIME.
    Silver,
    /// Locks 100 000 TIME.
    Gold,
}

impl TierName {
    /// The tier.
    pub(in crate::cli) const fn tier(self) -> crate::chain::Tier {
        match self {
            Self::Bronze => crate::chain::Tier::Bronze,
            Self::Silver => crate::chain::Tier::Silver,
            Self::Gold => crate::chain::Tier::Gold,
        }
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RegisterArguments {
    #[command(flatten)]
    pub(in crate::cli) payment: PaymentArguments,
    /// Wallet file of its owner, which pays.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) wallet: PathBuf,
    /// Consensus key; without it, the one of the data directory.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) validator_key: Option<PathBuf>,
    /// How much is locked.
    #[arg(long, value_enum, default_value = "bronze")]
    pub(in crate::cli) tier: TierName,
    /// Where it can be reached, as ip:port.
    #[arg(long, value_name = "ADDRESS")]
    pub(in crate::cli) service: Option<String>,
    /// Where its rewards go; without it, the wallet.
    #[arg(long, value_name = "ADDRESS")]
    pub(in crate::cli) payout: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct UpdateArguments {
    #[command(flatten)]
    pub(in crate::cli) payment: PaymentArguments,
    /// Wallet file of its owner, which pays.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) wallet: PathBuf,
    /// The masternode's id.
    pub(in crate::cli) id: String,
    /// File of the consensus key that takes over.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) new_validator_key: Option<PathBuf>,
    /// Where it can be reached, as ip:port.
    #[arg(long, value_name = "ADDRESS")]
    pub(in crate::cli) service: Option<String>,
    /// Where its rewards go.
    #[arg(long, value_name = "ADDRESS")]
    pub(in crate::cli) payout: Option<String>,
    /// Bring it back after it was inactive.
    #[arg(long = "return")]
    pub(in crate::cli) returns: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DeregisterArguments {
    #[command(flatten)]
    pub(in crate::cli) payment: PaymentArguments,
    /// Wallet file of its owner, which pays.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) wallet: PathBuf,
    /// The masternode's id.
    pub(in crate::cli) id: String,
}
