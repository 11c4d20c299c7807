//! Arguments of `timed keys` and `timed signer`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::place::{ChainPlace, PassphraseArguments, Place};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum KeyKind {
    /// Signs votes; is born with its consensus log.
    Validator,
    /// Names the node to its peers.
    Node,
    /// Spends money.
    Wallet,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum KeysCommand {
    /// Make a new key in the data directory. Never overwrites.
    Generate {
        #[command(flatten)]
        place: Place,
        /// Which key.
        kind: KeyKind,
        /// Another file (wallets only).
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Show the public keys of the data directory, and which are encrypted. Needs no passphrase.
    Show {
        #[command(flatten)]
        place: Place,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Put keys under a passphrase. The node reads them at its next start.
    Encrypt(KeyFiles),
    /// Take the passphrase off keys.
    Decrypt(KeyFiles),
    /// Put encrypted keys under another passphrase.
    ChangePassphrase {
        #[command(flatten)]
        files: KeyFiles,
        /// Private file with the new passphrase, or a descriptor; without it, it is asked for twice.
        #[arg(long, value_name = "FILE")]
        new_passphrase_file: Option<PathBuf>,
    },
}

/// Which key files change.
#[derive(Debug, Args)]
pub(in crate::cli) struct KeyFiles {
    #[command(flatten)]
    pub(in crate::cli) place: Place,
    /// Which key; without it, all of the data directory.
    pub(in crate::cli) kind: Option<KeyKind>,
    /// Another file than those of the data directory: a wallet or key file.
    #[arg(long, value_name = "FILE", conflicts_with = "kind")]
    pub(in crate::cli) file: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) passphrase: PassphraseArguments,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum SignerCommand {
    /// The memory of our signatures.
    #[command(subcommand)]
    State(StateCommand),
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum StateCommand {
    /// Show what the consensus log knows of our signatures. Changes nothing.
    Show {
        #[command(flatten)]
        place: Place,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Let a stopped node whose consensus log was lost sign again above a height. Dangerous: read
    /// docs/OPERATIONS.md, "Observer mode", first.
    Init(StateInitArguments),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct StateInitArguments {
    #[command(flatten)]
    pub(in crate::cli) chain: ChainPlace,
    /// The highest height that is final on any node; nothing at or below it is signed again.
    #[arg(long, value_name = "HEIGHT")]
    pub(in crate::cli) above: u64,
    /// You made sure that no other process holds this key.
    #[arg(long)]
    pub(in crate::cli) i_have_stopped_every_other_node: bool,
}
