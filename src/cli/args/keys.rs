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
    /// Write a copy of a key to a new file, under a passphrase.
    Export(KeyExportArguments),
    /// Bring a key into the data directory. Never overwrites; a consensus key wants its signing state.
    Import(KeyImportArguments),
    /// Look at permissions, owner and content of the keys. Exit 1 if one cannot be used.
    Check(KeyCheckArguments),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct KeyExportArguments {
    #[command(flatten)]
    pub(in crate::cli) place: Place,
    /// Which key.
    pub(in crate::cli) kind: KeyKind,
    /// Where to; must not exist.
    pub(in crate::cli) file: PathBuf,
    #[command(flatten)]
    pub(in crate::cli) passphrase: PassphraseArguments,
    /// Private file with the passphrase of the copy. Without it, the passphrase stays; a key that has none
    /// asks for one.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) new_passphrase_file: Option<PathBuf>,
    /// Write it without a passphrase.
    #[arg(long, conflicts_with = "new_passphrase_file")]
    pub(in crate::cli) unencrypted: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct KeyImportArguments {
    #[command(flatten)]
    pub(in crate::cli) chain: ChainPlace,
    /// Which key.
    pub(in crate::cli) kind: KeyKind,
    /// A key or wallet file, mode 0600; it keeps its passphrase.
    pub(in crate::cli) file: PathBuf,
    #[command(flatten)]
    pub(in crate::cli) memory: MemoryArguments,
    #[command(flatten)]
    pub(in crate::cli) passphrase: PassphraseArguments,
}

/// What is known of the signatures of a consensus key that arrives.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(in crate::cli) struct MemoryArguments {
    /// What it has signed: the file of `timed signer state export`.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) state: Option<PathBuf>,
    /// It never signed anything, anywhere.
    #[arg(long)]
    pub(in crate::cli) fresh_key: bool,
    /// Nobody knows: the node watches the chain until it is safe to sign.
    #[arg(long)]
    pub(in crate::cli) observe: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct KeyCheckArguments {
    #[command(flatten)]
    pub(in crate::cli) place: Place,
    /// Take permissions of others away.
    #[arg(long)]
    pub(in crate::cli) fix: bool,
    /// As JSON.
    #[arg(long)]
    pub(in crate::cli) json: bool,
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
    /// Hold the consensus key in this process, with a guard of its own, and sign for a node that asks over
    /// a Unix socket (keys.signer of the node).
    Serve(ServeArguments),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ServeArguments {
    #[command(flatten)]
    pub(in crate::cli) chain: ChainPlace,
    /// Where to listen; without it, signer.sock in the data directory.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) socket: Option<PathBuf>,
    /// A user that may ask, by number, besides this one; may be repeated.
    #[arg(long, value_name = "UID")]
    pub(in crate::cli) allow_uid: Vec<u32>,
    /// The group of the socket, by number: its members can reach it (0660 instead of 0600).
    #[arg(long, value_name = "GID")]
    pub(in crate::cli) socket_gid: Option<u32>,
    /// Also prove that the key is held, so that it can be registered. Leave it out afterwards.
    #[arg(long)]
    pub(in crate::cli) allow_registration: bool,
    #[command(flatten)]
    pub(in crate::cli) passphrase: PassphraseArguments,
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
    /// Write what the key of a stopped node has signed to a file, and give it away: the node here does not
    /// start any more.
    Export(StateExportArguments),
    /// Take over what a key signed elsewhere, on a stopped node. Only ever raises what is known here.
    Import(StateImportArguments),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct StateExportArguments {
    #[command(flatten)]
    pub(in crate::cli) chain: ChainPlace,
    /// Where to; must not exist.
    pub(in crate::cli) file: PathBuf,
    /// As JSON.
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct StateImportArguments {
    #[command(flatten)]
    pub(in crate::cli) chain: ChainPlace,
    /// The file that `timed signer state export` wrote.
    pub(in crate::cli) file: PathBuf,
    /// You made sure that no other process holds this key: takes back what was given away from here and
    /// never imported elsewhere.
    #[arg(long)]
    pub(in crate::cli) i_have_stopped_every_other_node: bool,
    /// As JSON.
    #[arg(long)]
    pub(in crate::cli) json: bool,
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
