//! Arguments of `timed wallet` and `timed tx`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::place::{Asked, PassphraseArguments, Question};

/// Who pays for a transaction, and what is told of it.
#[derive(Debug, Args)]
pub(in crate::cli) struct PaymentArguments {
    #[command(flatten)]
    pub(in crate::cli) question: Question,
    /// Wallet file that pays; of a masternode, its owner's.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) wallet: PathBuf,
    #[command(flatten)]
    pub(in crate::cli) passphrase: PassphraseArguments,
    /// Fee in TIME; without it, a low rate by size.
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) fee: Option<String>,
    /// Wait until it is final.
    #[arg(long)]
    pub(in crate::cli) wait_final: bool,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum WalletCommand {
    /// Show the address of a wallet file.
    Address {
        /// Wallet file (*.key.json, or a PEM with --network).
        #[arg(long, value_name = "FILE")]
        wallet: PathBuf,
        /// The network whose address is shown; without it, the file's.
        #[arg(long, value_name = "NAME")]
        network: Option<String>,
    },
    /// List the unspent outputs of a wallet or address: what can be spent, what matures, what is locked.
    Utxos {
        #[command(flatten)]
        question: Question,
        /// Wallet file.
        #[arg(
            long,
            value_name = "FILE",
            required_unless_present = "address",
            conflicts_with = "address"
        )]
        wallet: Option<PathBuf>,
        /// An address.
        #[arg(long, value_name = "ADDRESS")]
        address: Option<String>,
    },
    /// Show what a wallet or address owns in final blocks.
    Balance {
        #[command(flatten)]
        question: Question,
        /// Wallet file.
        #[arg(
            long,
            value_name = "FILE",
            required_unless_present = "address",
            conflicts_with = "address"
        )]
        wallet: Option<PathBuf>,
        /// An address.
        #[arg(long, value_name = "ADDRESS")]
        address: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum TxCommand {
    /// Send money from a wallet file and print the transaction id.
    Send(SendArguments),
    /// Show where a transaction stands.
    #[command(visible_alias = "status")]
    Show {
        #[command(flatten)]
        asked: Asked,
        /// Its id.
        txid: String,
        /// Wait until it is final.
        #[arg(long)]
        wait_final: bool,
    },
}

#[derive(Debug, Args)]
pub(in crate::cli) struct SendArguments {
    #[command(flatten)]
    pub(in crate::cli) payment: PaymentArguments,
    /// Who gets it.
    #[arg(long, value_name = "ADDRESS")]
    pub(in crate::cli) to: String,
    /// How much, in TIME, e.g. 12.5.
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) amount: String,
}
