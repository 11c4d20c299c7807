//! The file that a signing state travels in: JSON that a person can read, with a checksum over what it
//! says. It holds no secret.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    chain::{Genesis, Height},
    consensus::{Position, Round, Step},
    crypto::{Hash256, HashWriter, PublicKey},
    signer::SignerError,
};

use super::end_of;

const WHAT: &str = "signing state of a timed validator";
const SCHEMA: u32 = 1;
const CHECKSUM_TAG: &str = "timed/signing-state/1";
/// A state has about 600 bytes; more than this is not read.
const FILE_BYTES_MAX: u64 = 16 * 1024;

/// Why a file is no signing state that can be used.
#[derive(Debug, thiserror::Error)]
pub enum StateFileError {
    /// It cannot be read.
    #[error("{}: {source}; name the file that `timed signer state export` wrote", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is something else, or was changed.
    #[error(
        "{} is not a whole signing state ({reason}); copy it again from where it was exported, or export it there again: that writes the same state once more", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// It was written by an older version.
    #[error(
        "{} is a signing state of layout {schema}, and this version reads {SCHEMA} only; export it again with this version", path.display()
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Its layout.
        schema: u64,
    },
    /// It was written by a newer version.
    #[error(
        "{} is a signing state of layout {schema}, and this version reads {SCHEMA} only; import it with the version that wrote it", path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its layout.
        schema: u64,
    },
}

/// What a key has signed, as it leaves a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateFile {
    what: String,
    schema: u32,
    network: String,
    chain_id: Hash256,
    public_key: PublicKey,
    /// Random: tells two exports of the same state apart.
    handover: Hash256,
    /// Nothing at or below is signed again; `None` if the key never signed.
    signed_up_to: Option<Signed>,
    checksum: Hash256,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    height: u64,
    round: u32,
    step: Word,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Word {
    #[serde(rename = "VIEW-CHANGE")]
    ViewChange,
    #[serde(rename = "PRE-PREPARE")]
    PrePrepare,
    #[serde(rename = "PREPARE")]
    Prepare,
    #[serde(rename = "COMMIT")]
    Commit,
}

impl From<Position> for Signed {
    fn from(position: Position) -> Self {
        Self {
            height: position.height.get(),
            round: position.round.get(),
            step: match position.step {
                Step::ViewChange => Word::ViewChange,
                Step::PrePrepare => Word::PrePrepare,
                Step::Prepare => Word::Prepare,
                Step::Commit => Word::Commit,
            },
        }
    }
}

impl Signed {
    fn position(self) -> Position {
        Position {
            height: Height::new(self.height),
            round: Round::new(self.round),
            step: match self.step {
                Word::ViewChange => Step::ViewChange,
                Word::PrePrepare => Step::PrePrepare,
                Word::Prepare => Step::Prepare,
                Word::Commit => Step::Commit,
            },
        }
    }
}

impl StateFile {
    pub(super) fn new(
        genesis: &Genesis,
        key: PublicKey,
        signed: Option<Position>,
    ) -> Result<Self, SignerError> {
        let mut handover = [0; 32];
        getrandom::fill(&mut handover).map_err(|error| SignerError::Randomness {
            reason: error.to_string(),
        })?;
        let mut state = Self {
            what: WHAT.to_owned(),
            schema: SCHEMA,
            network: genesis.network.name().to_owned(),
            chain_id: genesis.chain_id(),
            public_key: key,
            handover: Hash256::from_bytes(handover),
            signed_up_to: signed.map(Signed::from),
            checksum: Hash256::ZERO,
        };
        state.checksum = state.sum();
        Ok(state)
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`StateFileError`].
    pub fn read(path: &Path) -> Result<Self, StateFileError> {
        let io_error = |source| StateFileError::Io {
            path: path.to_owned(),
            source,
        };
        let mut text = Vec::new();
        File::open(path)
            .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text))
            .map_err(io_error)?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &[u8]) -> Result<Self, StateFileError> {
        let damaged = |reason: String| StateFileError::Damaged {
            path: path.to_owned(),
            reason,
        };
        if text.len() as u64 > FILE_BYTES_MAX {
            return Err(damaged(format!("longer than {FILE_BYTES_MAX} bytes")));
        }
        let value: serde_json::Value =
            serde_json::from_slice(text).map_err(|error| damaged(error.to_string()))?;
        if value.get("what").and_then(|what| what.as_str()) != Some(WHAT) {
            return Err(damaged("it is another kind of file".to_owned()));
        }
        let schema = value.get("schema").and_then(serde_json::Value::as_u64);
        let schema = schema.ok_or_else(|| damaged("it names no layout".to_owned()))?;
        let path_of = || path.to_owned();
        match schema.cmp(&u64::from(SCHEMA)) {
            std::cmp::Ordering::Less => {
                return Err(StateFileError::Older {
                    path: path_of(),
                    schema,
                });
            }
            std::cmp::Ordering::Greater => {
                return Err(StateFileError::Newer {
                    path: path_of(),
                    schema,
                });
            }
            std::cmp::Ordering::Equal => {}
        }
        let state: Self = serde_json::from_value(value).map_err(|error| damaged(error.to_string()))?;
        if state.checksum != state.sum() {
            return Err(damaged("its checksum does not fit what it says".to_owned()));
        }
        if state
            .signed_up_to
            .is_some_and(|signed| !Round::new(signed.round).is_valid())
        {
            return Err(damaged("its round is no round".to_owned()));
        }
        Ok(state)
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        // Plain strings and numbers always encode.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// The chain it belongs to.
    pub fn chain_id(&self) -> Hash256 {
        self.chain_id
    }

    /// The name of that chain's network.
    pub fn network(&self) -> &str {
        &self.network
    }

    /// Whose signatures it is about.
    pub fn public_key(&self) -> PublicKey {
        self.public_key
    }

    /// Which export it is.
    pub fn handover(&self) -> Hash256 {
        self.handover
    }

    /// Nothing at or below is signed again.
    pub fn height(&self) -> Height {
        self.position().height
    }

    /// The highest position signed; the lowest there is if the key never signed.
    pub fn position(&self) -> Position {
        self.signed_up_to.map_or(
            Position {
                step: Step::ViewChange,
                round: Round::ZERO,
                ..end_of(Height::GENESIS)
            },
            Signed::position,
        )
    }

    fn sum(&self) -> Hash256 {
        let signed = self.signed_up_to;
        let position = self.position();
        HashWriter::new(CHECKSUM_TAG)
            .u32(self.schema)
            .u64(self.network.len() as u64)
            .bytes(self.network.as_bytes())
            .hash(&self.chain_id)
            .bytes(self.public_key.as_bytes())
            .hash(&self.handover)
            .u32(u32::from(signed.is_some()))
            .u64(position.height.get())
            .u32(position.round.get())
            .u32(position.step as u32)
            .finish()
    }
}
