//! The commitment to all consensus state: a homomorphic set hash (LtHash with 1024 lanes of 16
//! bits), kept up to date element by element and independent of order.
//!
//! An element is stretched to 2048 bytes by BLAKE3 in XOF mode and added to, or subtracted from,
//! the lanes modulo 2^16. Finding two sets with equal lanes is a lattice problem believed to be
//! hard at this size (Bellare and Micciancio 1997; Lewi and others 2019). The digest in a header
//! is the tagged hash of the lanes.

use bincode::{Decode, Encode};

use crate::crypto::{Hash256, HashWriter};

const TAG_DIGEST: &str = "timecoin/state-commitment/1";
/// First bytes of what BLAKE3 stretches; the element's kind follows.
const ELEMENT_PREFIX: &[u8; 7] = b"tc-lt/1";

const LANES: usize = 1024;
/// Bytes of the lanes as they are stored and hashed.
pub const SET_HASH_BYTES: usize = LANES * 2;

/// What kind of thing an element is; part of its bytes, so kinds cannot stand for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ElementKind {
    /// An unspent output with its outpoint.
    Coin = 1,
    /// A masternode.
    Masternode = 2,
    /// Supply and counters; always exactly one.
    Totals = 3,
    /// The current reward period: start, fees, tallies; always exactly one.
    Epoch = 4,
    /// The validators of one of the last periods.
    ValidatorSet = 5,
    /// Evidence that a block of one of the last periods carried.
    Evidence = 6,
}

/// Hash of a multiset of elements.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct SetHash {
    lanes: Box<[u16; LANES]>,
}

impl SetHash {
    /// The hash of nothing.
    pub fn new() -> Self {
        Self {
            lanes: Box::new([0; LANES]),
        }
    }

    /// Adds an element.
    pub fn insert(&mut self, kind: ElementKind, element: &[u8]) {
        let stretched = stretch(kind, element);
        for (lane, pair) in self.lanes.iter_mut().zip(stretched.as_chunks::<2>().0) {
            *lane = lane.wrapping_add(u16::from_le_bytes(*pair));
        }
    }

    /// Takes an element out. Of an element that is not in, this makes the hash of no set.
    pub fn remove(&mut self, kind: ElementKind, element: &[u8]) {
        let stretched = stretch(kind, element);
        for (lane, pair) in self.lanes.iter_mut().zip(stretched.as_chunks::<2>().0) {
            *lane = lane.wrapping_sub(u16::from_le_bytes(*pair));
        }
    }

    /// Adds all elements of another set: parts of a large set can be hashed apart and joined.
    pub fn join(&mut self, other: &Self) {
        for (lane, other) in self.lanes.iter_mut().zip(other.lanes.iter()) {
            *lane = lane.wrapping_add(*other);
        }
    }

    /// The 32 bytes that stand in a header.
    pub fn digest(&self) -> Hash256 {
        HashWriter::new(TAG_DIGEST).bytes(&self.to_bytes()).finish()
    }

    /// The lanes, little-endian.
    pub fn to_bytes(&self) -> [u8; SET_HASH_BYTES] {
        let mut bytes = [0; SET_HASH_BYTES];
        for (pair, lane) in bytes.as_chunks_mut::<2>().0.iter_mut().zip(self.lanes.iter()) {
            *pair = lane.to_le_bytes();
        }
        bytes
    }

    /// Reads what [`SetHash::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8; SET_HASH_BYTES]) -> Self {
        let mut hash = Self::new();
        for (lane, pair) in hash.lanes.iter_mut().zip(bytes.as_chunks::<2>().0) {
            *lane = u16::from_le_bytes(*pair);
        }
        hash
    }
}

impl Default for SetHash {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for SetHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SetHash({:?})", self.digest())
    }
}

#[cfg(feature = "sim")]
fn stretch(kind: ElementKind, element: &[u8]) -> [u8; SET_HASH_BYTES] {
    stretched::remembered(kind, element)
}

#[cfg(not(feature = "sim"))]
fn stretch(kind: ElementKind, element: &[u8]) -> [u8; SET_HASH_BYTES] {
    stretch_anew(kind, element)
}

fn stretch_anew(kind: ElementKind, element: &[u8]) -> [u8; SET_HASH_BYTES] {
    let mut bytes = [0; SET_HASH_BYTES];
    blake3::Hasher::new()
        .update(ELEMENT_PREFIX)
        .update(&[kind as u8])
        .update(element)
        .finalize_xof()
        .fill(&mut bytes);
    bytes
}

/// In the simulator every validator of a world stretches the same elements, and so do its next
/// worlds: what was stretched lately is remembered.
#[cfg(feature = "sim")]
mod stretched {
    use std::{cell::RefCell, collections::HashMap};

    use super::{ElementKind, SET_HASH_BYTES, stretch_anew};

    /// Elements of one thread; when there are so many, all are forgotten.
    const ELEMENTS_MAX: usize = 256;

    type Stretched = HashMap<Vec<u8>, Box<[u8; SET_HASH_BYTES]>>;

    thread_local! {
        static STRETCHED: RefCell<[Stretched; 7]> = RefCell::default();
    }

    pub(super) fn remembered(kind: ElementKind, element: &[u8]) -> [u8; SET_HASH_BYTES] {
        STRETCHED.with_borrow_mut(|of_kinds| {
            let stretched = &mut of_kinds[kind as usize];
            if let Some(bytes) = stretched.get(element) {
                return **bytes;
            }
            if stretched.len() >= ELEMENTS_MAX {
                stretched.clear();
            }
            let bytes = stretch_anew(kind, element);
            stretched.insert(element.to_vec(), Box::new(bytes));
            bytes
        })
    }
}
