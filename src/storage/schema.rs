//! Keys and values of every table, and the version of that layout.
//!
//! Keys are big-endian, so that byte order is the order of heights and outpoints. Values are bincode
//! with fixed-width integers; nothing here is ever hashed or signed.

use std::{collections::BTreeMap, sync::Arc};

use bincode::{Decode, Encode, config};

use crate::{
    chain::{
        Address, Before, Block, BlockHash, BlockHeader, ChainState, Coin, CommitCertificate, Height, History,
        OutPoint, Registry, SetHash, SharedTransaction, Tip, Totals, TxId, Undo, UtxoDelta,
    },
    crypto::Hash256,
};

use super::{
    backend::{Op, Table},
    tx_index,
};

/// Version of the layout in this file and of the transaction index. A newer database is refused; one of version 2
/// gets its index anew; one of version 1 is refused too: its chain knew no registry, so that no block of
/// it is a block of a chain of ours.
pub const SCHEMA: u32 = 3;

/// Largest value that is decoded: four times the largest body.
const VALUE_BYTES_MAX: usize = 16 << 20;

/// Key of the schema version in [`Table::Meta`].
pub const META_SCHEMA: &[u8] = b"schema";
/// Key of the chain id in [`Table::Meta`].
pub const META_CHAIN: &[u8] = b"chain";
/// Key of the [`StoredState`] after the last block in [`Table::Meta`]; written last in every flush.
pub const META_TIP: &[u8] = b"tip";
/// Key of the registry of masternodes in [`Table::Meta`]; written when it changed.
pub const META_REGISTRY: &[u8] = b"registry";
/// Key of the validator sets and evidence of the last periods in [`Table::Meta`]; written when they
/// changed.
pub const META_HISTORY: &[u8] = b"history";

/// Key of the lowest height whose body is here, in [`Table::Meta`]; without it, all are.
pub const META_PRUNED: &[u8] = b"pruned_below";

const OUTPOINT_BYTES: usize = 36;
const ADDRESS_BYTES: usize = 20;

/// Bytes that are not the value they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undecodable;

fn codec() -> impl config::Config {
    config::standard()
        .with_fixed_int_encoding()
        .with_limit::<VALUE_BYTES_MAX>()
}

/// Encodes a value.
pub fn encode<T: Encode>(value: &T) -> Vec<u8> {
    bincode::encode_to_vec(value, codec()).expect("encoding plain data into memory cannot fail")
}

/// Decodes a value; every byte has to be used.
///
/// # Errors
/// [`Undecodable`] if the bytes are anything else.
pub fn decode<T: Decode<()>>(bytes: &[u8]) -> Result<T, Undecodable> {
    match bincode::decode_from_slice(bytes, codec()) {
        Ok((value, used)) if used == bytes.len() => Ok(value),
        Ok(_) | Err(_) => Err(Undecodable),
    }
}

/// Where a height stands in tables keyed by height.
pub fn height_key(height: Height) -> [u8; 8] {
    height.get().to_be_bytes()
}

/// Reads a [`height_key`].
///
/// # Errors
/// [`Undecodable`] unless it is 8 bytes.
pub fn height_of_key(key: &[u8]) -> Result<Height, Undecodable> {
    let bytes = key.try_into().map_err(|_| Undecodable)?;
    Ok(Height::new(u64::from_be_bytes(bytes)))
}

/// Key of a coin.
pub fn outpoint_key(outpoint: &OutPoint) -> [u8; OUTPOINT_BYTES] {
    let mut key = [0; OUTPOINT_BYTES];
    key[..32].copy_from_slice(outpoint.txid.as_bytes());
    key[32..].copy_from_slice(&outpoint.index.to_be_bytes());
    key
}

/// The outpoint in an [`outpoint_key`].
///
/// # Errors
/// [`Undecodable`] if it has another length.
pub fn outpoint_of_key(key: &[u8]) -> Result<OutPoint, Undecodable> {
    let (txid, index) = key.split_first_chunk::<32>().ok_or(Undecodable)?;
    let index = index.try_into().map_err(|_| Undecodable)?;
    Ok(OutPoint::new(TxId::from_bytes(*txid), u32::from_be_bytes(index)))
}

/// Key of an outpoint under its address.
pub fn address_key(address: &Address, outpoint: &OutPoint) -> Vec<u8> {
    [address.as_bytes().as_slice(), &outpoint_key(outpoint)].concat()
}

/// The outpoint in an [`address_key`].
///
/// # Errors
/// [`Undecodable`] if it has another length.
pub fn outpoint_of_address_key(key: &[u8]) -> Result<OutPoint, Undecodable> {
    outpoint_of_key(key.get(ADDRESS_BYTES..).ok_or(Undecodable)?)
}

/// The address in an [`address_key`].
///
/// # Errors
/// [`Undecodable`] if it is too short.
pub fn address_of_key(key: &[u8]) -> Result<Address, Undecodable> {
    let (address, _) = key.split_first_chunk::<ADDRESS_BYTES>().ok_or(Undecodable)?;
    Ok(Address::from_bytes(*address))
}

/// Key of a piece of evidence: ascending by the height of the crime.
pub fn evidence_key(height: Height, id: &Hash256) -> Vec<u8> {
    [&height_key(height)[..], id.as_bytes()].concat()
}

/// Height and id in an [`evidence_key`].
///
/// # Errors
/// [`Undecodable`] if it has another length.
pub fn split_evidence_key(key: &[u8]) -> Result<(Height, Hash256), Undecodable> {
    let (height, id) = key.split_at_checked(8).ok_or(Undecodable)?;
    let id = id.try_into().map_err(|_| Undecodable)?;
    Ok((height_of_key(height)?, Hash256::from_bytes(id)))
}

/// [`Table::Headers`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct StoredHeader {
    /// The header.
    pub header: BlockHeader,
    /// What decided it; `None` for genesis.
    pub certificate: Option<CommitCertificate>,
}

/// [`Table::Bodies`]: what a block has besides its header.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct StoredBody {
    /// The parent's certificate.
    pub prev_commit: Option<CommitCertificate>,
    /// Canonical bytes of each piece of evidence.
    pub evidence: Vec<Vec<u8>>,
    /// Transactions in order.
    pub transactions: Vec<SharedTransaction>,
}

/// Where a final transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct TransactionPosition {
    /// Its block.
    pub height: Height,
    /// Its index in that block.
    pub position: u32,
}

/// [`Table::Undo`]: what an [`Undo`] has that the block itself does not tell.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct StoredUndo {
    /// The coins that the block spent, ascending by outpoint.
    pub spent: Vec<(OutPoint, Coin)>,
    /// What else it changed.
    pub before: Before,
}

/// The row of an undo record.
pub fn undo_op(height: Height, delta: &UtxoDelta, before: &Before) -> Op {
    // As a `StoredUndo` is encoded, without a copy of the coins.
    Op::put(Table::Undo, height_key(height), encode(&(&delta.spent, before)))
}

/// What the chain's state has besides coins, registry and history, which stand elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct StoredState {
    /// The last block.
    pub tip: Tip,
    /// Sums and the reward period.
    pub totals: Totals,
    /// Set hash over the whole state.
    pub commitment: SetHash,
}

impl StoredState {
    /// The part of `state` that every block changes.
    pub fn of(state: &ChainState) -> Self {
        Self {
            tip: state.tip,
            totals: state.totals.clone(),
            commitment: state.commitment.clone(),
        }
    }

    /// The state with its other parts.
    pub fn complete(self, registry: Registry, history: History) -> ChainState {
        ChainState {
            tip: self.tip,
            totals: self.totals,
            commitment: self.commitment,
            registry: Arc::new(registry),
            history: Arc::new(history),
        }
    }
}

impl StoredUndo {
    /// The whole undo record of `block`.
    pub fn complete(self, block: &Block) -> Undo {
        let mut made = BTreeMap::new();
        for transaction in &block.transactions {
            for input in &transaction.inputs {
                made.remove(input);
            }
            let coins = transaction.created(transaction.txid()).map(|(outpoint, output)| {
                let coin = Coin {
                    output,
                    height: block.header.height,
                    is_reward: transaction.is_reward(),
                };
                (outpoint, coin)
            });
            made.extend(coins);
        }
        Undo {
            delta: UtxoDelta {
                created: self.spent,
                spent: made.into_iter().collect(),
                commitment: self.before.commitment,
            },
            before: self.before,
        }
    }
}

/// The rows of a block that only ever get added: header, body, indexes.
pub fn archive_ops(
    hash: BlockHash,
    block: &Block,
    certificate: Option<&CommitCertificate>,
    ops: &mut Vec<Op>,
) {
    let height = block.header.height;
    let key = height_key(height);
    let header = StoredHeader {
        header: block.header.clone(),
        certificate: certificate.cloned(),
    };
    let body = StoredBody {
        prev_commit: block.prev_commit.clone(),
        evidence: block.evidence.clone(),
        transactions: block.transactions.clone(),
    };
    ops.push(Op::put(Table::Headers, key, encode(&header)));
    ops.push(Op::put(Table::Bodies, key, encode(&body)));
    ops.push(Op::put(Table::Hashes, hash.as_bytes().as_slice(), key));
    ops.extend(tx_index::block_op(height, &block.transactions));
}

/// The rows of a new coin.
pub fn create_ops(outpoint: &OutPoint, coin: &Coin, ops: &mut Vec<Op>) {
    let value = encode(coin);
    let address_key = address_key(&coin.output.address, outpoint);
    ops.push(Op::put(Table::Utxos, outpoint_key(outpoint), value.clone()));
    ops.push(Op::put(Table::Addresses, address_key, value));
}

/// Takes the rows of a coin away.
pub fn spend_ops(outpoint: &OutPoint, coin: &Coin, ops: &mut Vec<Op>) {
    ops.push(Op::delete(Table::Utxos, outpoint_key(outpoint)));
    ops.push(Op::delete(
        Table::Addresses,
        address_key(&coin.output.address, outpoint),
    ));
}
