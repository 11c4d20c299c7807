//! What transactions say about masternodes, and the bytes that consensus keys sign for it.
//!
//! A consensus key signs two things here: that whoever registers it holds it, and that its node is
//! there and follows the chain. Both begin with a domain of their own, so that neither can stand for
//! a vote or a session proof, nor for each other, and both name the chain.

use core::net::{IpAddr, SocketAddr};
use std::fmt;

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::crypto::{Hash256, HashWriter, PublicKey, Signature};

use super::{
    Address, BlockHash, MasternodeId, TxId,
    canonical::{CanonicalError, CanonicalReader, CanonicalWriter},
};

/// First bytes of what a consensus key signs to show that it is held by who registers it.
pub const POSSESSION_DOMAIN: &[u8] = b"timed/mn-possession/1";
/// First bytes of what a consensus key signs to show that its node is there.
pub const READY_DOMAIN: &[u8] = b"timed/mn-ready/1";

const TAG_GENESIS_ID: &str = "timecoin/genesis-masternode/1";

const KEY_BYTES: usize = 32;
const ADDRESS_BYTES: usize = 20;
const SIGNATURE_BYTES: usize = 64;
const SERVICE_BYTES: usize = 18;

impl MasternodeId {
    /// The masternode that a registration makes.
    pub const fn of_registration(txid: TxId) -> Self {
        Self::from_hash(*txid.as_hash())
    }

    /// The masternode at `index` of a genesis file.
    pub(super) fn of_genesis(chain_id: &Hash256, index: u32) -> Self {
        Self::from_hash(HashWriter::new(TAG_GENESIS_ID).hash(chain_id).u32(index).finish())
    }
}

/// Where a masternode can be reached, for people and for finding it; consensus never dials it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
pub struct ServiceAddress {
    /// IPv6, or IPv4 mapped into it.
    ip: [u8; 16],
    port: u16,
}

impl From<SocketAddr> for ServiceAddress {
    fn from(address: SocketAddr) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        Self {
            ip: ip.octets(),
            port: address.port(),
        }
    }
}

impl fmt::Display for ServiceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ip = IpAddr::from(self.ip).to_canonical();
        SocketAddr::new(ip, self.port).fmt(f)
    }
}

/// Makes a masternode.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Registration {
    /// The key that will sign votes. Unique among all that are or were jailed or registered.
    pub consensus_key: PublicKey,
    /// Where it listens, if its operator tells.
    pub service: Option<ServiceAddress>,
    /// Where its rewards go.
    pub payout: Address,
    /// Which output of this transaction is locked; its amount decides the tier, its address is the
    /// owner's: only who can sign for it changes or ends the registration.
    pub collateral_output: u32,
    /// The consensus key's signature over [`possession_bytes`].
    pub proof: Signature,
}

/// Changes a masternode.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct MasternodeUpdate {
    /// Which.
    pub id: MasternodeId,
    /// What.
    pub change: MasternodeChange,
}

/// What changes about a masternode.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub enum MasternodeChange {
    /// 0: its owner's wishes; one of the inputs has to be signed by the owner's key.
    Owner(OwnerChange),
    /// 1: its node is there. Signed by the consensus key alone, without inputs and outputs, so that
    /// a node needs no money for it; valid once a period and only while it is pending.
    Ready(Ready),
}

/// What an owner changes; takes effect with the next period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub struct OwnerChange {
    /// A new consensus key, with its signature over [`possession_bytes`].
    pub consensus_key: Option<(PublicKey, Signature)>,
    /// A new address to reach it at.
    pub service: Option<ServiceAddress>,
    /// A new address for its rewards.
    pub payout: Option<Address>,
    /// An inactive one wants to come back.
    pub returns: bool,
}

/// A node's word that it is in sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Ready {
    /// The masternode's consensus key.
    pub consensus_key: PublicKey,
    /// The block that the period grew on: nobody can know it before.
    pub block: BlockHash,
    /// Over [`ready_bytes`].
    pub signature: Signature,
}

/// What a consensus key signs to be registered on the chain `chain_id`: `subject` is the owner's
/// address for a new masternode, the masternode's id for a new key of an old one. A copied proof
/// can therefore only register the key for the same owner.
pub fn possession_bytes(chain_id: &Hash256, consensus_key: &PublicKey, subject: &[u8]) -> Vec<u8> {
    [
        POSSESSION_DOMAIN,
        chain_id.as_bytes(),
        consensus_key.as_bytes(),
        subject,
    ]
    .concat()
}

/// What a consensus key signs to say that its node follows the chain.
pub fn ready_bytes(chain_id: &Hash256, id: &MasternodeId, block: &BlockHash) -> Vec<u8> {
    [READY_DOMAIN, chain_id.as_bytes(), id.as_bytes(), block.as_bytes()].concat()
}

fn read_option<T>(
    reader: &mut CanonicalReader<'_>,
    read: impl FnOnce(&mut CanonicalReader<'_>) -> Result<T, CanonicalError>,
) -> Result<Option<T>, CanonicalError> {
    match reader.flag()? {
        true => read(reader).map(Some),
        false => Ok(None),
    }
}

const fn option_size(is_some: bool, size: usize) -> usize {
    1 + if is_some { size } else { 0 }
}

impl ServiceAddress {
    pub(super) fn write(&self, writer: &mut CanonicalWriter) {
        writer.bytes(&self.ip);
        writer.u16(self.port);
    }

    fn read(reader: &mut CanonicalReader<'_>) -> Result<Self, CanonicalError> {
        Ok(Self {
            ip: reader.array()?,
            port: reader.u16()?,
        })
    }
}

impl Registration {
    pub(super) const fn size(&self) -> usize {
        KEY_BYTES + option_size(self.service.is_some(), SERVICE_BYTES) + ADDRESS_BYTES + 4 + SIGNATURE_BYTES
    }

    pub(super) fn write(&self, writer: &mut CanonicalWriter) {
        writer.bytes(self.consensus_key.as_bytes());
        writer.option(self.service.as_ref(), |writer, service| service.write(writer));
        writer.bytes(self.payout.as_bytes());
        writer.u32(self.collateral_output);
        writer.bytes(self.proof.as_bytes());
    }

    pub(super) fn read(reader: &mut CanonicalReader<'_>) -> Result<Self, CanonicalError> {
        Ok(Self {
            consensus_key: reader.public_key()?,
            service: read_option(reader, ServiceAddress::read)?,
            payout: reader.address()?,
            collateral_output: reader.u32()?,
            proof: reader.signature()?,
        })
    }
}

impl MasternodeUpdate {
    pub(super) const fn size(&self) -> usize {
        let change = match &self.change {
            MasternodeChange::Owner(change) => {
                option_size(change.consensus_key.is_some(), KEY_BYTES + SIGNATURE_BYTES)
                    + option_size(change.service.is_some(), SERVICE_BYTES)
                    + option_size(change.payout.is_some(), ADDRESS_BYTES)
                    + 1
            }
            MasternodeChange::Ready(_) => KEY_BYTES + 32 + SIGNATURE_BYTES,
        };
        32 + 1 + change
    }

    pub(super) fn write(&self, writer: &mut CanonicalWriter) {
        writer.bytes(self.id.as_bytes());
        match &self.change {
            MasternodeChange::Owner(change) => {
                writer.u8(0);
                writer.option(change.consensus_key.as_ref(), |writer, (key, proof)| {
                    writer.bytes(key.as_bytes());
                    writer.bytes(proof.as_bytes());
                });
                writer.option(change.service.as_ref(), |writer, service| service.write(writer));
                writer.option(change.payout.as_ref(), |writer, payout| {
                    writer.bytes(payout.as_bytes());
                });
                writer.u8(u8::from(change.returns));
            }
            MasternodeChange::Ready(ready) => {
                writer.u8(1);
                writer.bytes(ready.consensus_key.as_bytes());
                writer.bytes(ready.block.as_bytes());
                writer.bytes(ready.signature.as_bytes());
            }
        }
    }

    pub(super) fn read(reader: &mut CanonicalReader<'_>) -> Result<Self, CanonicalError> {
        Ok(Self {
            id: MasternodeId::from_bytes(reader.array()?),
            change: match reader.u8()? {
                0 => MasternodeChange::Owner(OwnerChange {
                    consensus_key: read_option(reader, |reader| {
                        Ok((reader.public_key()?, reader.signature()?))
                    })?,
                    service: read_option(reader, ServiceAddress::read)?,
                    payout: read_option(reader, |reader| reader.address())?,
                    returns: reader.flag()?,
                }),
                1 => MasternodeChange::Ready(Ready {
                    consensus_key: reader.public_key()?,
                    block: BlockHash::from_bytes(reader.array()?),
                    signature: reader.signature()?,
                }),
                other => return Err(CanonicalError::UnknownKind(other)),
            },
        })
    }
}

impl OwnerChange {
    /// True if it changes nothing, which is no update.
    pub const fn is_empty(&self) -> bool {
        self.consensus_key.is_none() && self.service.is_none() && self.payout.is_none() && !self.returns
    }
}
