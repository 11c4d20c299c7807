//! Transactions: outputs spent, outputs made, and the signatures that allow it.
//!
//! The id covers everything but the witnesses, so nobody can change it by changing a signature.
//! Each input is signed separately over chain, transaction and position: a signature fits one
//! input of one transaction on one chain.

use bincode::{Decode, Encode};

use crate::crypto::{Hash256, HashWriter, PublicKey, SecretKey, Signature};

use super::{
    Address, Amount, Height, MasternodeChange, MasternodeId, MasternodeUpdate, OutPoint, Ready, Registration,
    TxId, WitnessTxId,
    canonical::{CanonicalError, CanonicalReader, CanonicalWriter},
};

/// The only layout of transactions so far.
pub const TRANSACTION_VERSION: u16 = 1;

const TAG_TXID: &str = "timecoin/txid/1";
const TAG_WTXID: &str = "timecoin/wtxid/1";
const TAG_OUTPUTS: &str = "timecoin/outputs/1";
const TAG_SIGHASH: &str = "timecoin/sighash/1";

const INPUT_BYTES: usize = 36;
const OUTPUT_BYTES: usize = 28;
const WITNESS_BYTES: usize = 96;
/// Version, kind, three counts, expiry.
const FIXED_BYTES: usize = 2 + 1 + 3 * 4 + 8;

/// Money for somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Output {
    /// How much.
    pub amount: Amount,
    /// Who may spend it.
    pub address: Address,
}

/// What a transaction does besides moving money. The numbers stand in canonical bytes: a kind
/// that is added later takes the next one, and no id changes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub enum TransactionKind {
    /// 0: moves money, nothing else.
    Transfer,
    /// 1: pays a reward period to its masternodes. Without inputs and witnesses; stands first in
    /// the block that closes the period, and nowhere else.
    Reward {
        /// Number of the period.
        epoch: u64,
    },
    /// 2: locks collateral for a new masternode.
    RegisterMasternode(Box<Registration>),
    /// 3: changes a masternode, or says that its node is there.
    UpdateMasternode(Box<MasternodeUpdate>),
    /// 4: ends a masternode with the current period; signed for by its owner.
    DeregisterMasternode {
        /// Which.
        id: MasternodeId,
    },
}

impl TransactionKind {
    /// Number of the kind in canonical bytes.
    pub const fn tag(&self) -> u8 {
        match self {
            Self::Transfer => 0,
            Self::Reward { .. } => 1,
            Self::RegisterMasternode(_) => 2,
            Self::UpdateMasternode(_) => 3,
            Self::DeregisterMasternode { .. } => 4,
        }
    }

    /// Bytes after the tag.
    fn payload_size(&self) -> usize {
        match self {
            Self::Transfer => 0,
            Self::Reward { .. } => 8,
            Self::RegisterMasternode(registration) => registration.size(),
            Self::UpdateMasternode(update) => update.size(),
            Self::DeregisterMasternode { .. } => 32,
        }
    }

    fn write(&self, writer: &mut CanonicalWriter) {
        writer.u8(self.tag());
        match self {
            Self::Transfer => {}
            Self::Reward { epoch } => writer.u64(*epoch),
            Self::RegisterMasternode(registration) => registration.write(writer),
            Self::UpdateMasternode(update) => update.write(writer),
            Self::DeregisterMasternode { id } => writer.bytes(id.as_bytes()),
        }
    }

    fn read(reader: &mut CanonicalReader<'_>) -> Result<Self, CanonicalError> {
        Ok(match reader.u8()? {
            0 => Self::Transfer,
            1 => Self::Reward { epoch: reader.u64()? },
            2 => Self::RegisterMasternode(Box::new(Registration::read(reader)?)),
            3 => Self::UpdateMasternode(Box::new(MasternodeUpdate::read(reader)?)),
            4 => Self::DeregisterMasternode {
                id: MasternodeId::from_bytes(reader.array()?),
            },
            other => return Err(CanonicalError::UnknownKind(other)),
        })
    }

    /// The output that it locks, if it registers a masternode.
    pub fn locks(&self) -> Option<u32> {
        match self {
            Self::RegisterMasternode(registration) => Some(registration.collateral_output),
            Self::Transfer
            | Self::Reward { .. }
            | Self::UpdateMasternode(_)
            | Self::DeregisterMasternode { .. } => None,
        }
    }

    /// A pending masternode's word that it is there: free of charge, without inputs.
    pub fn as_ready(&self) -> Option<(&MasternodeId, &Ready)> {
        match self {
            Self::UpdateMasternode(update) => match &update.change {
                MasternodeChange::Ready(ready) => Some((&update.id, ready)),
                MasternodeChange::Owner(_) => None,
            },
            Self::Transfer
            | Self::Reward { .. }
            | Self::RegisterMasternode(_)
            | Self::DeregisterMasternode { .. } => None,
        }
    }
}

/// Allows one input: the key that its output's address is made from, and that key's signature
/// over [`Transaction::sighash`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Witness {
    /// The spender's key.
    pub public_key: PublicKey,
    /// The signature.
    pub signature: Signature,
}

/// A transaction, not yet known to be valid.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Transaction {
    /// Layout version.
    pub version: u16,
    /// What it does.
    pub kind: TransactionKind,
    /// Outputs that it spends.
    pub inputs: Vec<OutPoint>,
    /// Outputs that it makes.
    pub outputs: Vec<Output>,
    /// The last height whose block may include it; 0 for no end.
    pub valid_until_height: Height,
    /// One per input, in the same order.
    pub witnesses: Vec<Witness>,
}

impl Transaction {
    /// Canonical bytes without witnesses: what the id stands for.
    pub fn canonical_body(&self) -> Vec<u8> {
        let mut writer = CanonicalWriter::with_capacity(self.canonical_size());
        self.write_body(&mut writer);
        writer.finish()
    }

    /// Canonical bytes with witnesses.
    pub fn canonical_bytes(&self) -> Vec<u8> {
        let mut writer = CanonicalWriter::with_capacity(self.canonical_size());
        self.write_body(&mut writer);
        writer.count(self.witnesses.len());
        for witness in &self.witnesses {
            writer.bytes(witness.public_key.as_bytes());
            writer.bytes(witness.signature.as_bytes());
        }
        writer.finish()
    }

    /// Length of [`Transaction::canonical_bytes`]: the size that limits and fee rates count.
    pub fn canonical_size(&self) -> usize {
        FIXED_BYTES
            + self.kind.payload_size()
            + self.inputs.len() * INPUT_BYTES
            + self.outputs.len() * OUTPUT_BYTES
            + self.witnesses.len() * WITNESS_BYTES
    }

    /// Reads canonical bytes with witnesses, and nothing but these.
    ///
    /// # Errors
    /// [`CanonicalError`] if the bytes are not exactly one transaction.
    pub fn from_canonical(bytes: &[u8]) -> Result<Self, CanonicalError> {
        let mut reader = CanonicalReader::new(bytes);
        let transaction = Self {
            version: reader.u16()?,
            kind: TransactionKind::read(&mut reader)?,
            inputs: reader.list(INPUT_BYTES, CanonicalReader::outpoint)?,
            outputs: reader.list(OUTPUT_BYTES, |reader| {
                Ok(Output {
                    amount: reader.amount()?,
                    address: reader.address()?,
                })
            })?,
            valid_until_height: Height::new(reader.u64()?),
            witnesses: reader.list(WITNESS_BYTES, |reader| {
                Ok(Witness {
                    public_key: reader.public_key()?,
                    signature: reader.signature()?,
                })
            })?,
        };
        reader.finish()?;
        Ok(transaction)
    }

    /// The id. Hashes the whole body; [`super::SharedTransaction`] keeps the result.
    pub fn txid(&self) -> TxId {
        TxId::from_hash(HashWriter::new(TAG_TXID).bytes(&self.canonical_body()).finish())
    }

    /// The id of transaction and witnesses together.
    pub fn wtxid(&self) -> WitnessTxId {
        WitnessTxId::from_hash(HashWriter::new(TAG_WTXID).bytes(&self.canonical_bytes()).finish())
    }

    /// Id, witness id and size from one pass over the canonical bytes.
    pub(super) fn ids(&self) -> (TxId, WitnessTxId, usize) {
        let bytes = self.canonical_bytes();
        let body = bytes.len() - 4 - self.witnesses.len() * WITNESS_BYTES;
        let txid = HashWriter::new(TAG_TXID).bytes(&bytes[..body]).finish();
        let wtxid = HashWriter::new(TAG_WTXID).bytes(&bytes).finish();
        (TxId::from_hash(txid), WitnessTxId::from_hash(wtxid), bytes.len())
    }

    /// What the witness of input `input_index` signs on the chain `chain_id`.
    pub fn sighash(&self, chain_id: &Hash256, input_index: u32) -> Hash256 {
        self.sighashes(chain_id, &self.txid()).at(input_index)
    }

    /// Sighashes of all inputs, with what they share computed once.
    pub fn sighashes(&self, chain_id: &Hash256, txid: &TxId) -> Sighashes {
        let mut writer = CanonicalWriter::with_capacity(4 + self.outputs.len() * OUTPUT_BYTES);
        self.write_outputs(&mut writer);
        Sighashes {
            chain_id: *chain_id,
            txid: *txid,
            outputs_hash: HashWriter::new(TAG_OUTPUTS).bytes(&writer.finish()).finish(),
        }
    }

    /// Replaces the witnesses by signatures of `keys`, one per input in order.
    pub fn sign(&mut self, chain_id: &Hash256, keys: &[&SecretKey]) {
        let sighashes = self.sighashes(chain_id, &self.txid());
        self.witnesses = (0u32..)
            .zip(keys)
            .map(|(index, key)| Witness {
                public_key: key.public_key(),
                signature: key.sign(sighashes.at(index).as_bytes()),
            })
            .collect();
    }

    /// True for the reward of a period.
    pub const fn is_reward(&self) -> bool {
        matches!(self.kind, TransactionKind::Reward { .. })
    }

    /// The outpoints of what it makes, with the outputs.
    pub fn created(&self, txid: TxId) -> impl Iterator<Item = (OutPoint, Output)> + '_ {
        (0u32..)
            .zip(&self.outputs)
            .map(move |(index, output)| (OutPoint::new(txid, index), *output))
    }

    fn write_body(&self, writer: &mut CanonicalWriter) {
        writer.u16(self.version);
        self.kind.write(writer);
        writer.count(self.inputs.len());
        for input in &self.inputs {
            writer.bytes(input.txid.as_bytes());
            writer.u32(input.index);
        }
        self.write_outputs(writer);
        writer.u64(self.valid_until_height.get());
    }

    fn write_outputs(&self, writer: &mut CanonicalWriter) {
        writer.count(self.outputs.len());
        for output in &self.outputs {
            writer.u64(output.amount.units());
            writer.bytes(output.address.as_bytes());
        }
    }
}

/// The messages that the witnesses of one transaction sign.
#[derive(Debug, Clone, Copy)]
pub struct Sighashes {
    chain_id: Hash256,
    txid: TxId,
    outputs_hash: Hash256,
}

impl Sighashes {
    /// The message of input `index`.
    pub fn at(&self, index: u32) -> Hash256 {
        HashWriter::new(TAG_SIGHASH)
            .hash(&self.chain_id)
            .hash(self.txid.as_hash())
            .u32(index)
            .hash(&self.outputs_hash)
            .finish()
    }
}
