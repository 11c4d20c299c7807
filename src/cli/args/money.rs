//! Arguments of `timed wallet` and `timed tx`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::place::{Asked, PassphraseArguments, Place, Question};

/// Who pays for a transaction, and what is told of it.
#[derive(Debug, Args)]
pub(in crate::cli) struct PaymentArguments {
    #[command(flatten)]
    pub(in crate::cli) question: Question,
    #[command(flatten)]
    pub(in crate::cli) passphrase: PassphraseArguments,
    /// Fee in TIME; without it, a low rate by size.
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) fee: Option<String>,
    /// Wait until it is final.
    #[arg(long)]
    pub(in crate::cli) wait_final: bool,
}

/// Whose money is meant: wallet files, addresses, or both; without either, the wallets of the data directory.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct Owners {
    /// Wallet file; repeat it for several. Without it and --address: keys/wallet.key.json and
    /// keys/wallets/*.key.json of the data directory.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) wallet: Vec<PathBuf>,
    /// An address; repeat it for several.
    #[arg(long, value_name = "ADDRESS")]
    pub(in crate::cli) address: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum WalletCommand {
    /// Show the address of a wallet file.
    Address {
        /// Wallet file (*.key.json, or a PEM with --network); repeat it for several. Without it:
        /// keys/wallet.key.json and keys/wallets/*.key.json of the data directory.
        #[arg(long, value_name = "FILE")]
        wallet: Vec<PathBuf>,
        #[command(flatten)]
        place: Place,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// List the unspent outputs of wallets or addresses: what can be spent, what a waiting transaction
    /// spends, what matures, what is locked, and what is on its way.
    Utxos {
        #[command(flatten)]
        question: Question,
        #[command(flatten)]
        owners: Owners,
    },
    /// Show what wallets or addresses own in final blocks, what of it can be spent, and what waits.
    Balance {
        #[command(flatten)]
        question: Question,
        #[command(flatten)]
        owners: Owners,
    },
    /// List what came and went, newest first, with what was owned after each. Reads the blocks of the node.
    History {
        #[command(flatten)]
        question: Question,
        #[command(flatten)]
        owners: Owners,
        /// Transactions to leave out, counted from the newest.
        #[arg(long, value_name = "N", default_value_t = 0)]
        skip: usize,
        /// Transactions to show.
        #[arg(long, value_name = "N", default_value_t = 25)]
        limit: usize,
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
    /// Wallet file that pays; repeat it for several, of which the first gets the change.
    #[arg(long, value_name = "FILE", required = true)]
    pub(in crate::cli) wallet: Vec<PathBuf>,
    /// Who gets it.
    #[arg(long, value_name = "ADDRESS")]
    pub(in crate::cli) to: String,
    /// How much, in TIME, e.g. 12.5.
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) amount: String,
}
