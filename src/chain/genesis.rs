//! Genesis: what a network starts from. Parsed from and written to plain TOML text.
//!
//! Two files with the same values are the same genesis, whatever their order, comments or
//! omissions of defaults: the chain id is a hash of values. Unknown keys are refused by name, so
//! that a misspelt parameter cannot silently mean its default on one node.

use crate::crypto::{Hash256, HashWriter, PublicKey};

use super::{
    Address, AddressError, Amount, Network, OutPoint, Output, Params, ParamsError, Tier, TimestampMs, TxId,
    canonical::CanonicalWriter, genesis_file::GenesisFile, network::ParseNetworkError,
};

const TAG: &str = "timecoin/genesis/2";

/// Longest name of a masternode, bytes: what the console's tables have room for.
const NAME_MAX: usize = 32;
/// Most masternodes in a genesis file; certificates and sets are bounded by the same number.
const MASTERNODES_MAX: usize = 4096;

const MAINNET: &str = include_str!("../../assets/genesis/mainnet.toml");
const TESTNET: &str = include_str!("../../assets/genesis/testnet.toml");

/// A masternode that is there from the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenesisMasternode {
    /// Name on screens, unique.
    pub name: String,
    /// Consensus key, unique: the validator id.
    pub validator_key: PublicKey,
    /// Network key, if its operator published it.
    pub node_key: Option<PublicKey>,
    /// Where its rewards go.
    pub payout: Address,
    /// Its tier.
    pub tier: Tier,
}

/// Money that is there from the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GenesisOutput {
    /// Who may spend it.
    pub address: Address,
    /// How much.
    pub amount: Amount,
}

/// The genesis of a network, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Genesis {
    /// The network, hence the form of addresses.
    pub network: Network,
    /// Timestamp of block 0.
    pub timestamp_ms: TimestampMs,
    /// Parameters that all nodes share.
    pub params: Params,
    /// The first masternodes, in the order of the file.
    pub masternodes: Vec<GenesisMasternode>,
    /// The first outputs, in the order of the file.
    pub outputs: Vec<GenesisOutput>,
}

/// Why a genesis text is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// Not TOML of the right shape; names key and line.
    #[error("genesis file: {0}")]
    Toml(String),
    /// The network has no name we know.
    #[error("genesis file: {0}")]
    Network(#[from] ParseNetworkError),
    /// A parameter is outside its range.
    #[error("genesis file: {0}")]
    Params(#[from] ParamsError),
    /// An address of a masternode or an output does not parse.
    #[error("genesis file: {place}: {error}")]
    Address {
        /// Which entry.
        place: String,
        /// What is wrong.
        error: AddressError,
    },
    /// A masternode's name is empty, too long, or not printable ASCII.
    #[error("genesis file: masternode {index}: a name is 1 to 32 printable ASCII characters; rename it")]
    Name {
        /// Position in the file, from 0.
        index: usize,
    },
    /// Two masternodes share a name or a key.
    #[error("genesis file: masternodes `{first}` and `{second}` share a {what}: give each its own")]
    Shared {
        /// The earlier one.
        first: String,
        /// The later one.
        second: String,
        /// Which thing.
        what: &'static str,
    },
    /// A consensus key that anybody can sign for.
    #[error("genesis file: the validator key of `{name}` is weak: generate another")]
    WeakKey {
        /// Name of the masternode.
        name: String,
    },
    /// No masternodes, or more than a set can hold.
    #[error("genesis file: {found} masternodes, a network needs 1 to 4096")]
    MasternodeCount {
        /// How many.
        found: usize,
    },
    /// An output of nothing, or outputs that together overflow.
    #[error("genesis file: output {index}: amounts must be above zero and sum to less than 2^63 units")]
    Amount {
        /// Position in the file, from 0.
        index: usize,
    },
}

impl Genesis {
    /// Reads a genesis file's text.
    ///
    /// # Errors
    /// [`GenesisError`] naming the key, entry or value that is wrong.
    pub fn from_toml(text: &str) -> Result<Self, GenesisError> {
        let file: GenesisFile =
            toml::from_str(text).map_err(|error| GenesisError::Toml(error.to_string()))?;
        let genesis = file.into_genesis()?;
        genesis.check()?;
        Ok(genesis)
    }

    /// Writes a genesis file's text; reading it back gives an equal genesis.
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(&GenesisFile::from(self))
            .expect("strings, tables and numbers below 2^63 are all that TOML needs")
    }

    /// The genesis that this program was built with; devnets bring their own file.
    ///
    /// # Errors
    /// [`GenesisError`] if the included file is damaged, which a test excludes.
    pub fn builtin(network: Network) -> Result<Option<Self>, GenesisError> {
        match network {
            Network::Mainnet => Self::from_toml(MAINNET).map(Some),
            Network::Testnet => Self::from_toml(TESTNET).map(Some),
            Network::Devnet => Ok(None),
        }
    }

    /// Judges the values.
    ///
    /// # Errors
    /// As [`Genesis::from_toml`].
    pub fn check(&self) -> Result<(), GenesisError> {
        self.params.check()?;
        self.check_masternodes()?;
        let mut supply = Amount::ZERO;
        for (index, output) in self.outputs.iter().enumerate() {
            supply = supply
                .checked_add(output.amount)
                .filter(|sum| sum.units() <= i64::MAX as u64 && !output.amount.is_zero())
                .ok_or(GenesisError::Amount { index })?;
        }
        Ok(())
    }

    fn check_masternodes(&self) -> Result<(), GenesisError> {
        let found = self.masternodes.len();
        if found == 0 || found > MASTERNODES_MAX {
            return Err(GenesisError::MasternodeCount { found });
        }
        for (index, masternode) in self.masternodes.iter().enumerate() {
            let name = masternode.name.as_bytes();
            if name.is_empty() || name.len() > NAME_MAX || !name.iter().all(u8::is_ascii_graphic) {
                return Err(GenesisError::Name { index });
            }
            if masternode.validator_key.is_weak() {
                return Err(GenesisError::WeakKey {
                    name: masternode.name.clone(),
                });
            }
        }
        self.check_unique("name", |masternode| Some(masternode.name.as_bytes()))?;
        self.check_unique("validator key", |masternode| {
            Some(masternode.validator_key.as_bytes())
        })?;
        self.check_unique("node key", |masternode| {
            masternode.node_key.as_ref().map(|key| &key.as_bytes()[..])
        })
    }

    fn check_unique<'a>(
        &'a self,
        what: &'static str,
        value: impl Fn(&'a GenesisMasternode) -> Option<&'a [u8]>,
    ) -> Result<(), GenesisError> {
        let mut sorted: Vec<(&[u8], usize)> = self
            .masternodes
            .iter()
            .enumerate()
            .filter_map(|(index, masternode)| value(masternode).map(|value| (value, index)))
            .collect();
        sorted.sort_unstable();
        match sorted.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(GenesisError::Shared {
                first: self.masternodes[pair[0].1].name.clone(),
                second: self.masternodes[pair[1].1].name.clone(),
                what,
            }),
            None => Ok(()),
        }
    }

    /// Hash over all values: the name of the chain. Part of every signature on it.
    pub fn chain_id(&self) -> Hash256 {
        let mut writer = CanonicalWriter::default();
        writer.u8(self.network.tag());
        writer.u64(self.timestamp_ms.get());
        self.params.write_canonical(&mut writer);
        writer.count(self.masternodes.len());
        for masternode in &self.masternodes {
            writer.text(&masternode.name);
            writer.bytes(masternode.validator_key.as_bytes());
            match &masternode.node_key {
                Some(key) => {
                    writer.u8(1);
                    writer.bytes(key.as_bytes());
                }
                None => writer.u8(0),
            }
            writer.bytes(masternode.payout.as_bytes());
            writer.u8(masternode.tier.tag());
        }
        writer.count(self.outputs.len());
        for output in &self.outputs {
            writer.bytes(output.address.as_bytes());
            writer.u64(output.amount.units());
        }
        HashWriter::new(TAG).bytes(&writer.finish()).finish()
    }

    /// Consensus keys of the first validator set, strictly ascending.
    pub fn validator_keys(&self) -> Vec<PublicKey> {
        let mut keys: Vec<_> = self
            .masternodes
            .iter()
            .map(|masternode| masternode.validator_key)
            .collect();
        keys.sort_unstable();
        keys
    }

    /// The first outputs under their outpoints: the chain id stands for the transaction.
    pub fn coins(&self) -> impl Iterator<Item = (OutPoint, Output)> + '_ {
        let txid = TxId::from_hash(self.chain_id());
        (0u32..).zip(&self.outputs).map(move |(index, output)| {
            (
                OutPoint::new(txid, index),
                Output {
                    amount: output.amount,
                    address: output.address,
                },
            )
        })
    }

    /// Sum of the first outputs.
    pub fn supply(&self) -> Amount {
        Amount::checked_sum(self.outputs.iter().map(|output| output.amount))
            .expect("a checked genesis sums to less than 2^63 units")
    }
}
