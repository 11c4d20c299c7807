//! Addresses: who may spend an output.
//!
//! In memory and in canonical bytes an address is 20 bytes and knows no network; as text it is
//! bech32m with the network's prefix, so money for one network is not sent on another by mistake.

use std::fmt;

use bech32::{Bech32m, Hrp, primitives::decode::CheckedHrpstring};
use bincode::{Decode, Encode};

use crate::crypto::{HashWriter, PublicKey};

use super::Network;

const TAG: &str = "timecoin/address/1";

/// Longest text worth looking at: prefix, separator, 32 characters, checksum, with room to spare.
const TEXT_MAX: usize = 90;

/// First 20 bytes of the tagged hash of a public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Address([u8; 20]);

impl Address {
    /// Wraps 20 bytes that are an address already.
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The address that `key` can spend from.
    pub fn of(key: &PublicKey) -> Self {
        let hash = HashWriter::new(TAG).bytes(key.as_bytes()).finish();
        let mut bytes = [0; 20];
        bytes.copy_from_slice(&hash.as_bytes()[..20]);
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// As text on `network`.
    pub fn to_text(&self, network: Network) -> String {
        let hrp = Hrp::parse_unchecked(network.hrp());
        bech32::encode::<Bech32m>(hrp, &self.0).expect("a 20-byte payload is far below bech32's length limit")
    }

    /// Reads the text of an address on `network`.
    ///
    /// # Errors
    /// [`AddressError`] if the text is damaged, no address, or another network's.
    pub fn from_text(text: &str, network: Network) -> Result<Self, AddressError> {
        let (found, address) = Self::from_any_text(text)?;
        if found != network {
            return Err(AddressError::OtherNetwork {
                expected: network,
                found,
            });
        }
        Ok(address)
    }

    /// Reads the text of an address on any network.
    ///
    /// # Errors
    /// [`AddressError`] if the text is damaged or no TimeCoin address.
    pub fn from_any_text(text: &str) -> Result<(Network, Self), AddressError> {
        if text.len() > TEXT_MAX {
            return Err(AddressError::Malformed);
        }
        let checked = CheckedHrpstring::new::<Bech32m>(text).map_err(|_| AddressError::Malformed)?;
        let prefix = checked.hrp().to_lowercase();
        let network = Network::ALL
            .into_iter()
            .find(|network| network.hrp() == prefix)
            .ok_or(AddressError::Prefix { found: prefix })?;
        let bytes: Vec<u8> = checked.byte_iter().collect();
        let address = Self(bytes.try_into().map_err(|_| AddressError::Malformed)?);
        // Writing it again excludes a second spelling with padding behind the payload.
        if address.to_text(network) != text.to_ascii_lowercase() {
            return Err(AddressError::Malformed);
        }
        Ok((network, address))
    }
}

/// Hex: the network is not known here.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", const_hex::encode(self.0))
    }
}

/// Text that is not an address here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No bech32m, a wrong checksum, or a wrong length.
    #[error("not an address: the text is damaged; copy it again")]
    Malformed,
    /// Valid bech32m of something else.
    #[error("not a timecoin address: its prefix is `{found}`, expected time, timet or timed")]
    Prefix {
        /// The prefix.
        found: String,
    },
    /// An address of another network.
    #[error("address is for {found}, this is {expected}: use an address that starts with {}1", .expected.hrp())]
    OtherNetwork {
        /// The network asked for.
        expected: Network,
        /// The network of the text.
        found: Network,
    },
}
