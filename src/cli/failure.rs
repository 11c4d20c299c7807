//! From errors to codes and exit statuses.

use std::{fmt, io, path::Path};

use crate::{
    attach::AttachError,
    chain::GenesisError,
    config::ConfigError,
    devnet::DevnetError,
    network::NetworkError,
    node::{
        NodeError,
        handover::{HandoverError, StateFileError},
        signer_service::ServiceError,
        signer_state::LiftError,
    },
    recorder::RecorderError,
    rpc::{RpcError, client::ClientError, tokens::TokenError},
    signer::SignerError,
    storage::{StoreError, lock::LockError, wal::WalError},
    telemetry::TelemetryError,
};

/// Exit status after a panic that was caught.
pub(super) const EXIT_PANIC: u8 = 70;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal => $exit:literal,)+) => {
        /// What operators search for. Each code has a heading in docs/troubleshooting.md.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// `TD-` and four digits.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => concat!("TD-", $text),)+
                }
            }

            /// What it means, in a sentence.
            pub fn says(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),+).trim(),)+
                }
            }

            /// The exit status of a process that ends with it.
            pub const fn exit_code(self) -> u8 {
                match self {
                    $(Self::$name => $exit,)+
                }
            }
        }
    };
}

codes! {
    /// Something nobody expected.
    Unexpected = "0001" => 1,
    /// The node refused what was asked.
    Refused = "0101" => 1,
    /// The wallet cannot pay this.
    Funds = "0102" => 1,
    /// The transaction was not final in time.
    NotFinal = "0103" => 1,
    /// A node of the devnet did not come up.
    DevnetNode = "0104" => 1,
    /// An argument cannot be used.
    Argument = "0201" => 2,
    /// No node answers.
    Unreachable = "0301" => 3,
    /// The node speaks another protocol.
    Protocol = "0302" => 3,
    /// The node takes commands only with its cookie.
    Unauthorized = "0401" => 4,
    /// What was asked for is not there.
    NotFound = "0501" => 5,
    /// The configuration is invalid.
    Config = "6401" => 64,
    /// HTTP would be reachable from other machines.
    RemoteRpc = "6402" => 64,
    /// The data directory was never initialised.
    NotInitialised = "6403" => 64,
    /// `init` found something there.
    AlreadyInitialised = "6404" => 64,
    /// The directory holds something else than the devnet asked for.
    DevnetDir = "6405" => 64,
    /// The genesis file is missing or invalid.
    Genesis = "6501" => 65,
    /// The consensus log is damaged.
    ConsensusLog = "6502" => 65,
    /// The chain database is damaged.
    Database = "6503" => 65,
    /// The chain database belongs to another network.
    OtherChain = "6504" => 65,
    /// A recording cannot be read.
    Recording = "6505" => 65,
    /// A backup is not whole.
    Backup = "6506" => 65,
    /// Another process uses the data directory.
    Locked = "6601" => 66,
    /// A key is missing.
    KeyMissing = "6701" => 67,
    /// A key could be read by others.
    KeyPermissions = "6702" => 67,
    /// A key cannot be read.
    KeyUnreadable = "6703" => 67,
    /// A key is encrypted and there is no passphrase.
    KeyLocked = "6704" => 67,
    /// The passphrase does not open the key.
    WrongPassphrase = "6705" => 67,
    /// The signer that holds the key does not answer.
    SignerUnreachable = "6706" => 67,
    /// The sign guard refuses.
    SignGuard = "6801" => 68,
    /// A file with a signing state cannot be used.
    StateFile = "6802" => 68,
    /// The signing state was given away from this directory.
    GivenAway = "6803" => 68,
    /// Data was written by a newer version.
    Newer = "6901" => 69,
    /// A port is taken.
    PortInUse = "7301" => 73,
    /// The disk refused.
    Io = "7401" => 74,
    /// What was waited for did not come in time.
    NotInTime = "7501" => 75,
}

/// Why a command ends without doing its work.
#[derive(Debug)]
pub(super) struct Failure {
    code: Code,
    text: String,
}

impl Failure {
    pub(super) fn new(code: Code, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
        }
    }

    pub(super) fn io(path: &Path, source: &io::Error) -> Self {
        Self::new(
            Code::Io,
            format!(
                "{}: {source}; check the disk and who owns the directory",
                path.display()
            ),
        )
    }

    pub(super) fn exit_code(&self) -> u8 {
        self.code.exit_code()
    }

    #[cfg(test)]
    pub(super) fn code(&self) -> Code {
        self.code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {}", self.code.text(), self.text)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let code = match &error {
            ConfigError::RemoteRpc { .. } => Code::RemoteRpc,
            ConfigError::Missing { .. }
            | ConfigError::Io { .. }
            | ConfigError::Syntax { .. }
            | ConfigError::UnknownKey { .. }
            | ConfigError::WrongKind { .. }
            | ConfigError::Value { .. }
            | ConfigError::Invalid(_)
            | ConfigError::NoHome => Code::Config,
        };
        Self::new(code, error.to_string())
    }
}

impl From<AttachError> for Failure {
    fn from(error: AttachError) -> Self {
        let code = match &error {
            AttachError::Protocol { .. } | AttachError::Malformed { .. } | AttachError::TooLong { .. } => {
                Code::Protocol
            }
            AttachError::Unreachable { .. }
            | AttachError::NotTimed { .. }
            | AttachError::Closed { .. }
            | AttachError::Silent { .. }
            | AttachError::Io(_) => Code::Unreachable,
            AttachError::InUse { .. } => Code::Locked,
            AttachError::Listen { .. } | AttachError::PathTooLong { .. } => Code::Config,
            AttachError::Thread(_) => Code::Unexpected,
        };
        Self::new(code, error.to_string())
    }
}

impl From<RecorderError> for Failure {
    fn from(error: RecorderError) -> Self {
        let code = match &error {
            RecorderError::Missing { .. } | RecorderError::Empty { .. } | RecorderError::NothingThere => {
                Code::NotFound
            }
            RecorderError::NotOurs { .. } | RecorderError::OtherVersion { .. } => Code::Recording,
            RecorderError::Io { .. } => Code::Io,
            RecorderError::Thread(_) => Code::Unexpected,
        };
        Self::new(code, error.to_string())
    }
}

impl From<NodeError> for Failure {
    fn from(error: NodeError) -> Self {
        let text = error.to_string();
        match error {
            NodeError::Lock(error) => error.into(),
            NodeError::Wal(error) => error.into(),
            NodeError::Record { .. } => Self::new(Code::ConsensusLog, text),
            NodeError::GivenAway { .. } => Self::new(Code::GivenAway, text),
            NodeError::Mark { .. } => Self::new(Code::Io, text),
            NodeError::Replay { .. } => Self::new(Code::Database, text),
            NodeError::Store(error) => Self::new(
                match error {
                    StoreError::Newer { .. } | StoreError::Older { .. } => Code::Newer,
                    StoreError::OtherChain { .. } => Code::OtherChain,
                    StoreError::Corrupt { .. } => Code::Database,
                    _ => Code::Io,
                },
                text,
            ),
            NodeError::Network(error) => Self::new(
                match error {
                    NetworkError::AddressInUse { .. } => Code::PortInUse,
                    _ => Code::Config,
                },
                text,
            ),
            NodeError::Thread { .. } => Self::new(Code::Unexpected, text),
        }
    }
}

impl From<LiftError> for Failure {
    fn from(error: LiftError) -> Self {
        match error {
            LiftError::Node(error) => error.into(),
            LiftError::Whole { .. } | LiftError::TooLow { .. } => {
                Self::new(Code::SignGuard, error.to_string())
            }
        }
    }
}

impl From<HandoverError> for Failure {
    fn from(error: HandoverError) -> Self {
        let text = error.to_string();
        match error {
            HandoverError::Node(error) => error.into(),
            HandoverError::Key(error) => error.into(),
            HandoverError::File(error) => error.into(),
            HandoverError::Unknown { .. }
            | HandoverError::OtherKey { .. }
            | HandoverError::OtherChain { .. }
            | HandoverError::OwnExport { .. }
            | HandoverError::MarkDamaged { .. }
            | HandoverError::Older { .. }
            | HandoverError::Lost { .. } => Self::new(Code::SignGuard, text),
        }
    }
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        let code = match error {
            ServiceError::Node(error) => return error.into(),
            ServiceError::Unknown { .. } => Code::SignGuard,
            ServiceError::InUse { .. } => Code::Locked,
            ServiceError::Listen { .. } => Code::Config,
        };
        Self::new(code, error.to_string())
    }
}

impl From<StateFileError> for Failure {
    fn from(error: StateFileError) -> Self {
        let code = match &error {
            StateFileError::Newer { .. } => Code::Newer,
            StateFileError::Io { .. } | StateFileError::Damaged { .. } | StateFileError::Older { .. } => {
                Code::StateFile
            }
        };
        Self::new(code, error.to_string())
    }
}

impl From<SignerError> for Failure {
    fn from(error: SignerError) -> Self {
        let code = match &error {
            SignerError::Missing { .. } => Code::KeyMissing,
            SignerError::Permissions { .. } | SignerError::Owner { .. } => Code::KeyPermissions,
            SignerError::Io { .. } | SignerError::Format { .. } => Code::KeyUnreadable,
            SignerError::Unavailable { .. } => Code::SignerUnreachable,
            SignerError::Locked { .. } | SignerError::PassphraseSource { .. } => Code::KeyLocked,
            SignerError::WrongPassphrase { .. } => Code::WrongPassphrase,
            SignerError::WeakPassphrase => Code::Argument,
            SignerError::Exists { .. } => Code::AlreadyInitialised,
            SignerError::Refused { .. } => Code::SignGuard,
            SignerError::Unknown { .. } => Code::SignerUnreachable,
            SignerError::Randomness { .. } => Code::Unexpected,
        };
        Self::new(code, error.to_string())
    }
}

impl From<GenesisError> for Failure {
    fn from(error: GenesisError) -> Self {
        Self::new(Code::Genesis, error.to_string())
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        let code = match &error {
            LockError::Held { .. } => Code::Locked,
            LockError::Io { .. } => Code::Io,
        };
        Self::new(code, error.to_string())
    }
}

impl From<WalError> for Failure {
    fn from(error: WalError) -> Self {
        let code = match &error {
            WalError::Newer { .. } => Code::Newer,
            WalError::Io { .. } => Code::Io,
            WalError::AlreadyExists { .. } => Code::AlreadyInitialised,
            _ => Code::ConsensusLog,
        };
        Self::new(code, error.to_string())
    }
}

impl From<RpcError> for Failure {
    fn from(error: RpcError) -> Self {
        let code = match &error {
            RpcError::PortInUse { .. } => Code::PortInUse,
            RpcError::Listen { .. } => Code::Config,
            RpcError::Thread(_) => Code::Unexpected,
            RpcError::Cookie { .. } => Code::Io,
        };
        Self::new(code, error.to_string())
    }
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        let code = match &error {
            TokenError::Io { .. } => Code::Io,
            TokenError::Format { .. } => Code::Config,
            TokenError::Taken { .. } | TokenError::Name => Code::Argument,
            TokenError::Full => Code::Refused,
            TokenError::Unknown { .. } => Code::NotFound,
            TokenError::Randomness(_) => Code::Unexpected,
        };
        Self::new(code, error.to_string())
    }
}

impl From<TelemetryError> for Failure {
    fn from(error: TelemetryError) -> Self {
        let code = match &error {
            TelemetryError::Filter(_) => Code::Config,
            TelemetryError::Directory { .. } => Code::Io,
            TelemetryError::AlreadySet => Code::Unexpected,
        };
        Self::new(code, error.to_string())
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let code = match &error {
            ClientError::Url { .. } => Code::Argument,
            ClientError::Unreachable { .. } | ClientError::Answer { .. } => Code::Unreachable,
            ClientError::Refused {
                status: 401 | 403, ..
            } => Code::Unauthorized,
            ClientError::Refused { status: 404, .. } => Code::NotFound,
            ClientError::Refused { .. } => Code::Refused,
        };
        Self::new(code, error.to_string())
    }
}

impl From<DevnetError> for Failure {
    fn from(error: DevnetError) -> Self {
        let text = error.to_string();
        let code = match error {
            DevnetError::Io { .. } => Code::Io,
            DevnetError::Key(error) => return error.into(),
            DevnetError::Log(error) => return error.into(),
            DevnetError::Genesis(error) => return error.into(),
            DevnetError::Client(error) => return error.into(),
            DevnetError::NotEmpty { .. } | DevnetError::OtherDevnet { .. } | DevnetError::Damaged { .. } => {
                Code::DevnetDir
            }
            DevnetError::NodeCount { .. }
            | DevnetError::TooManyForFaults { .. }
            | DevnetError::WalletNetwork { .. } => Code::Argument,
            DevnetError::PortInUse { .. } | DevnetError::NoPorts { .. } => Code::PortInUse,
            DevnetError::Spawn { .. } | DevnetError::Exited { .. } | DevnetError::NotReady { .. } => {
                Code::DevnetNode
            }
            DevnetError::NoCoins { .. } | DevnetError::Prepare { .. } => Code::Funds,
        };
        Self::new(code, text)
    }
}
