//! The address book: where nodes may be, by hearsay and by our own experience.
//!
//! After Bitcoin's addrman: addresses lie in buckets chosen by a secret key, so that whoever sends us
//! many can fill a few buckets and no more. What we only heard of is `new`; what answered a dial of ours
//! is `tried`. Nothing that a peer says moves an address to `tried`. Time, in seconds since 1970, and
//! random numbers come to it as arguments; it touches no file and no socket.

use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, SocketAddr},
};

use serde::{Deserialize, Serialize};

use crate::{
    crypto::{Hash256, HashWriter, NodeId},
    wire::{IpRange, PeerRecord, address_group},
};

/// Buckets of addresses that we heard of.
pub(super) const NEW_BUCKETS: usize = 256;
/// Buckets of addresses that answered.
pub(super) const TRIED_BUCKETS: usize = 64;
/// Addresses in a bucket.
pub(super) const BUCKET_SLOTS: usize = 64;
/// Buckets of `new` that all addresses from one source's neighbourhood share: an eighth of them.
const BUCKETS_PER_SOURCE: u64 = 32;
/// Buckets of `tried` that all addresses of one neighbourhood share.
const BUCKETS_PER_GROUP: u64 = 8;
/// Dials in a row that may fail before an address that never answered may be overwritten.
const FAILURES_NEW_MAX: u32 = 3;
/// Dials in a row that may fail, over [`FORGET_AFTER_S`], before an address is forgotten.
const FAILURES_MAX: u32 = 10;
/// How long an address may fail before it is forgotten.
const FORGET_AFTER_S: u64 = 7 * 24 * 3_600;
/// Records that are passed on even if they are all there are: a small network has nothing to hide.
const SAMPLE_MIN: usize = 16;
/// The longest pause between two dials of one address.
const BACKOFF_MAX_S: u64 = 600;

/// What is known of one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) address: SocketAddr,
    /// Who is said to be there, or answered there last.
    pub(super) node: Option<NodeId>,
    /// Where we have it from.
    pub(super) source: IpAddr,
    /// The signed record in hex, to pass on.
    pub(super) record: Option<String>,
    /// When that was signed.
    pub(super) seq: u64,
    /// Whether a registered masternode proved itself there when we dialled it last.
    #[serde(default)]
    pub(super) masternode: bool,
    /// Whether it answered a dial of ours.
    pub(super) tried: bool,
    /// Dials in a row that failed.
    pub(super) failures: u32,
    /// The last dial.
    pub(super) dialled_s: u64,
    /// The last success, or the first hearing.
    pub(super) good_s: u64,
}

impl Entry {
    /// Whether enough time has passed since the last failure.
    fn may_dial(&self, now_s: u64) -> bool {
        let pause = match self.failures {
            0 => 0,
            failures => (1u64 << failures.min(16)).min(BACKOFF_MAX_S),
        };
        now_s >= self.dialled_s.saturating_add(pause)
    }

    fn is_hopeless(&self, now_s: u64) -> bool {
        (!self.tried && self.failures >= FAILURES_NEW_MAX)
            || (self.failures >= FAILURES_MAX && now_s > self.good_s.saturating_add(FORGET_AFTER_S))
    }
}

/// The book as it is saved.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Saved {
    key: String,
    entries: Vec<Entry>,
    anchors: Vec<SocketAddr>,
}

/// The book.
#[derive(Debug)]
pub(super) struct Book {
    key: [u8; 32],
    entries: HashMap<SocketAddr, Entry>,
    /// Bucket and slot of `new` to address, and of `tried`.
    new: HashMap<(u16, u16), SocketAddr>,
    tried: HashMap<(u16, u16), SocketAddr>,
    /// Addresses of the best peers of the last run.
    anchors: Vec<SocketAddr>,
}

impl Book {
    /// An empty book under a secret key.
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self {
            key,
            entries: HashMap::new(),
            new: HashMap::new(),
            tried: HashMap::new(),
            anchors: Vec::new(),
        }
    }

    /// Where a node is, or says it is.
    pub(super) fn addresses_of(&self, node: &NodeId) -> Vec<IpAddr> {
        let its = self.entries.values().filter(|entry| entry.node == Some(*node));
        its.map(|entry| entry.address.ip()).collect()
    }

    /// The book as saved; `None` if the bytes are none.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let saved: Saved = serde_json::from_slice(bytes).ok()?;
        let key: [u8; 32] = const_hex::decode(&saved.key).ok()?.try_into().ok()?;
        let mut book = Self::new(key);
        book.anchors = saved.anchors;
        book.anchors.truncate(2);
        for entry in saved.entries {
            book.place(entry, 0);
        }
        Some(book)
    }

    /// The bytes to save.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut entries: Vec<Entry> = self.entries.values().cloned().collect();
        entries.sort_unstable_by_key(|entry| entry.address);
        let saved = Saved {
            key: const_hex::encode(self.key),
            entries,
            anchors: self.anchors.clone(),
        };
        // Plain data always encodes; an empty file is read as no book.
        serde_json::to_vec(&saved).unwrap_or_default()
    }

    /// Whose an address is thought to be.
    #[cfg(test)]
    pub(super) fn node_at(&self, address: &SocketAddr) -> Option<NodeId> {
        self.entries.get(address)?.node
    }

    /// How many addresses it holds.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many of them only by hearsay.
    #[cfg(test)]
    pub(super) fn new_len(&self) -> usize {
        self.new.len()
    }

    /// How many answered.
    #[cfg(test)]
    pub(super) fn tried_len(&self) -> usize {
        self.tried.len()
    }

    fn hash(&self, parts: &[&[u8]]) -> u64 {
        let mut hasher = HashWriter::new("timed/address-book/1").bytes(&self.key);
        for part in parts {
            hasher = hasher.u64(part.len() as u64).bytes(part);
        }
        let hash: Hash256 = hasher.finish();
        let mut first = [0; 8];
        first.copy_from_slice(&hash.as_bytes()[..8]);
        u64::from_le_bytes(first)
    }

    fn new_place(&self, entry: &Entry) -> (u16, u16) {
        let source = address_group(entry.source).to_string();
        let group = address_group(entry.address.ip()).to_string();
        let within = self.hash(&[b"new-within", source.as_bytes(), group.as_bytes()]) % BUCKETS_PER_SOURCE;
        let bucket = self.hash(&[b"new", source.as_bytes(), &within.to_le_bytes()]) % NEW_BUCKETS as u64;
        (bucket as u16, self.slot(b"new-slot", bucket, entry.address))
    }

    fn tried_place(&self, address: SocketAddr) -> (u16, u16) {
        let group = address_group(address.ip()).to_string();
        let text = address.to_string();
        let within = self.hash(&[b"tried-within", text.as_bytes()]) % BUCKETS_PER_GROUP;
        let bucket = self.hash(&[b"tried", group.as_bytes(), &within.to_le_bytes()]) % TRIED_BUCKETS as u64;
        (bucket as u16, self.slot(b"tried-slot", bucket, address))
    }

    fn slot(&self, tag: &[u8], bucket: u64, address: SocketAddr) -> u16 {
        let text = address.to_string();
        (self.hash(&[tag, &bucket.to_le_bytes(), text.as_bytes()]) % BUCKET_SLOTS as u64) as u16
    }

    /// Hears of an address from `source`. True if it is known now.
    pub(super) fn hear(
        &mut self,
        address: SocketAddr,
        node: Option<NodeId>,
        record: Option<&PeerRecord>,
        source: IpAddr,
        now_s: u64,
    ) -> bool {
        let signed = record.and_then(|record| {
            let bytes = crate::wire::codec::encode(record).ok()?;
            Some((const_hex::encode(&bytes), record.seq))
        });
        if let Some(known) = self.entries.get_mut(&address) {
            // Only its own signature moves what is known; hearsay does not refresh anything.
            // Anybody can sign for any address; who was named first stays until a dial failed.
            let may_replace = known.node == node || known.node.is_none() || known.failures > 0;
            if let Some((text, seq)) = signed
                && seq > known.seq
                && may_replace
                && (!known.tried || known.node == node)
            {
                known.seq = seq;
                known.record = Some(text);
                known.node = node;
            }
            return true;
        }
        let (record, seq) = signed.map_or((None, 0), |(text, seq)| (Some(text), seq));
        let entry = Entry {
            address,
            node,
            source,
            record,
            seq,
            masternode: false,
            tried: false,
            failures: 0,
            dialled_s: 0,
            good_s: now_s,
        };
        self.place(entry, now_s)
    }

    /// Puts an entry where its hash says, unless something better is there.
    fn place(&mut self, entry: Entry, now_s: u64) -> bool {
        let (place, table) = if entry.tried {
            (self.tried_place(entry.address), &self.tried)
        } else {
            (self.new_place(&entry), &self.new)
        };
        if let Some(there) = table.get(&place).copied()
            && there != entry.address
        {
            let may_go = self
                .entries
                .get(&there)
                .is_none_or(|other| other.is_hopeless(now_s));
            // In `tried`, the newer experience wins: it answered just now.
            if !may_go && !entry.tried {
                return false;
            }
            self.forget(&there);
        }
        let table = if entry.tried {
            &mut self.tried
        } else {
            &mut self.new
        };
        table.insert(place, entry.address);
        self.entries.insert(entry.address, entry);
        true
    }

    fn forget(&mut self, address: &SocketAddr) {
        let Some(entry) = self.entries.remove(address) else {
            return;
        };
        if entry.tried {
            let place = self.tried_place(*address);
            self.tried.remove(&place);
        } else {
            let place = self.new_place(&entry);
            self.new.remove(&place);
        }
    }

    /// A dial of ours began.
    pub(super) fn dialling(&mut self, address: &SocketAddr, now_s: u64) {
        if let Some(entry) = self.entries.get_mut(address) {
            entry.dialled_s = now_s;
        }
    }

    /// A dial of ours ended with a session with `node`, which proved to be a registered masternode or did
    /// not.
    pub(super) fn answered(&mut self, address: SocketAddr, node: NodeId, is_masternode: bool, now_s: u64) {
        let mut entry = match self.entries.get(&address).cloned() {
            Some(entry) => {
                self.forget(&address);
                entry
            }
            None => Entry {
                address,
                node: None,
                source: address.ip(),
                record: None,
                seq: 0,
                masternode: false,
                tried: true,
                failures: 0,
                dialled_s: now_s,
                good_s: now_s,
            },
        };
        if entry.node != Some(node) {
            entry.record = None;
            entry.seq = 0;
        }
        entry.masternode = is_masternode;
        entry.node = Some(node);
        entry.tried = true;
        entry.failures = 0;
        entry.good_s = now_s;
        self.place(entry, now_s);
    }

    /// A dial of ours failed.
    pub(super) fn failed(&mut self, address: &SocketAddr, now_s: u64) {
        let Some(entry) = self.entries.get_mut(address) else {
            return;
        };
        entry.failures = entry.failures.saturating_add(1);
        entry.dialled_s = now_s;
        if entry.failures >= FAILURES_MAX && now_s > entry.good_s.saturating_add(FORGET_AFTER_S) {
            self.forget(address);
        }
    }

    /// An address to dial: not in `busy`, not of a neighbourhood in `groups`, and not paused. Half the time
    /// one that answered before; if it shall be a masternode, half the time one that proved to be one, as long
    /// as there is any: what a record says of itself prefers nobody, or a flood of such records would.
    /// `random` gives a new number at each call.
    pub(super) fn choose(
        &self,
        busy: &HashSet<SocketAddr>,
        groups: &HashSet<IpRange>,
        only_new: bool,
        wants_masternode: bool,
        now_s: u64,
        random: &mut dyn FnMut() -> u64,
    ) -> Option<Entry> {
        let preferred = match wants_masternode && random().is_multiple_of(2) {
            true => self.pick(busy, groups, only_new, true, now_s, random),
            false => None,
        };
        preferred.or_else(|| self.pick(busy, groups, only_new, false, now_s, random))
    }

    fn pick(
        &self,
        busy: &HashSet<SocketAddr>,
        groups: &HashSet<IpRange>,
        only_new: bool,
        only_masternodes: bool,
        now_s: u64,
        random: &mut dyn FnMut() -> u64,
    ) -> Option<Entry> {
        let fits = |address: &SocketAddr| {
            let entry = self.entries.get(address)?;
            let free = !busy.contains(address) && !groups.contains(&address_group(address.ip()));
            let is_right = !only_masternodes || entry.masternode;
            (free && is_right && entry.may_dial(now_s)).then(|| entry.clone())
        };
        let tried_first = !only_new && random().is_multiple_of(2);
        for tried in [tried_first, !tried_first] {
            if only_new && tried {
                continue;
            }
            let table = if tried { &self.tried } else { &self.new };
            // A random bucket first, then a random address of it: a bucket that somebody filled is no
            // likelier than an honest one with a single address in it.
            let mut buckets: Vec<u16> = table.keys().map(|(bucket, _)| *bucket).collect();
            buckets.sort_unstable();
            buckets.dedup();
            while !buckets.is_empty() {
                let bucket = buckets.swap_remove((random() % buckets.len() as u64) as usize);
                let mut here: Vec<Entry> = table
                    .iter()
                    .filter(|((of, _), _)| *of == bucket)
                    .filter_map(|(_, address)| fits(address))
                    .collect();
                if !here.is_empty() {
                    here.sort_unstable_by_key(|entry| entry.address);
                    return Some(here.swap_remove((random() % here.len() as u64) as usize));
                }
            }
        }
        None
    }

    /// Records to pass on: at random, at most `max` and at most 23 % of what there is, unless that is
    /// very little.
    pub(super) fn sample(&self, max: usize, random: &mut dyn FnMut() -> u64) -> Vec<PeerRecord> {
        let mut signed: Vec<&Entry> = self
            .entries
            .values()
            .filter(|entry| entry.record.is_some())
            .collect();
        signed.sort_unstable_by_key(|entry| entry.address);
        let count = (signed.len() * 23)
            .div_ceil(100)
            .max(SAMPLE_MIN)
            .min(max)
            .min(signed.len());
        let mut chosen = Vec::with_capacity(count);
        while chosen.len() < count && !signed.is_empty() {
            let entry = signed.swap_remove((random() % signed.len() as u64) as usize);
            let record = entry.record.as_deref().and_then(decode_record);
            chosen.extend(record);
        }
        chosen
    }

    /// The two best peers of the last run.
    pub(super) fn anchors(&self) -> &[SocketAddr] {
        &self.anchors
    }

    /// Remembers the two best peers for the next run.
    pub(super) fn set_anchors(&mut self, anchors: Vec<SocketAddr>) {
        self.anchors = anchors;
        self.anchors.truncate(2);
    }
}

fn decode_record(text: &str) -> Option<PeerRecord> {
    let bytes = const_hex::decode(text).ok()?;
    crate::wire::codec::decode::<PeerRecord, 4_096>(&bytes).ok()
}
