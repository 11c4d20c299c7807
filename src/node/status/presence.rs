//! Who is there: when each validator was last heard of.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    consensus::{Mono, ValidatorSet, View},
    crypto::PublicKey,
    wire::PeerInfo,
};

/// When each validator of the set was last heard of.
#[derive(Debug, Default)]
pub(super) struct Presence {
    heard: BTreeMap<PublicKey, Heard>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Heard {
    /// When its newest valid consensus message came.
    voted: Option<Mono>,
    /// What its session had received when last looked at, with the session's number.
    session: Option<(u64, u64)>,
    /// When the session was last seen to have received something.
    received_ms: Option<u64>,
    /// Whether it had a session when last looked at.
    is_connected: bool,
    /// When its last session was found closed, on the faces' clock; `None` while it has one, or if it
    /// never had.
    left_ms: Option<u64>,
}

impl Presence {
    /// Takes note of the votes in `views` and of what came over sessions by `now_ms`.
    pub(super) fn note<'a>(
        &mut self,
        set: &ValidatorSet,
        views: impl Iterator<Item = &'a View>,
        peers: &[PeerInfo],
        connected: &BTreeSet<PublicKey>,
        now_ms: u64,
    ) {
        if self.heard.len() > 2 * set.len().max(1) {
            self.heard.retain(|key, _| set.signer_of(key).is_some());
        }
        for mark in views.flat_map(|view| &view.marks) {
            let votes = [
                mark.prepare.map(|(_, at)| at),
                mark.commit.map(|(_, at)| at),
                mark.view_change.map(|(_, at)| at),
            ];
            if let Some(newest) = votes.into_iter().flatten().max() {
                let heard = self.heard.entry(mark.key).or_default();
                heard.voted = heard.voted.max(Some(newest));
            }
        }
        for key in set.keys() {
            let is_connected = connected.contains(key);
            let heard = self.heard.entry(*key).or_default();
            heard.left_ms = match (heard.is_connected, is_connected) {
                (_, true) => None,
                (true, false) => Some(now_ms),
                (false, false) => heard.left_ms,
            };
            heard.is_connected = is_connected;
        }
        for peer in peers {
            let Some(key) = peer.validator.filter(|key| set.signer_of(key).is_some()) else {
                continue;
            };
            let heard = self.heard.entry(key).or_default();
            let session = Some((peer.generation, peer.rx_bytes));
            if heard.session != session {
                heard.session = session;
                heard.received_ms = Some(now_ms);
            }
        }
    }

    /// When its newest valid consensus message came.
    pub(super) fn voted(&self, key: &PublicKey) -> Option<Mono> {
        self.heard.get(key)?.voted
    }

    /// When its last session was found closed, if it has had one and has none.
    pub(super) fn left_ms(&self, key: &PublicKey) -> Option<u64> {
        self.heard.get(key)?.left_ms
    }

    /// When its session last received anything.
    pub(super) fn received_ms(&self, key: &PublicKey) -> Option<u64> {
        self.heard.get(key)?.received_ms
    }
}
