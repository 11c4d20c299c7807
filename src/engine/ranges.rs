//! Catching up (docs/CONSENSUS.md §7): ranges of blocks and shown tips, asked for and taken in.

use std::collections::BTreeMap;

use crate::{
    chain::{Block, CommitCertificate, ConnectError, Height},
    consensus::{self, Now},
    crypto::{NodeId, Verified},
    sync::Failure,
    wire::Fault,
};

use super::{Effect, Engine, Happening};

/// A range whose bodies hold, under certificates that are still to be judged.
#[derive(Debug)]
struct Range {
    peer: NodeId,
    start: Height,
    blocks: Vec<Verified<Block>>,
    /// Certificate of the last one; the others' stand in their children.
    last: Option<CommitCertificate>,
    bytes: u64,
}

/// Ranges that came before those below them, by first height. What may be in here is decided where
/// ranges are asked for ([`crate::sync::BUFFERED_BYTES_MAX`]).
#[derive(Debug, Default)]
pub(super) struct Early {
    ranges: BTreeMap<Height, Range>,
    bytes: u64,
}

impl Early {
    fn insert(&mut self, range: Range) {
        self.bytes += range.bytes;
        if let Some(old) = self.ranges.insert(range.start, range) {
            self.bytes -= old.bytes;
        }
    }

    /// The lowest range, if it begins at `next` or below.
    fn take(&mut self, next: Height) -> Option<Range> {
        let entry = self.ranges.first_entry().filter(|entry| *entry.key() <= next)?;
        let range = entry.remove();
        self.bytes -= range.bytes;
        Some(range)
    }
}

impl Engine {
    /// A range came. It is connected if it follows the tip, and kept if it was asked for and lies
    /// above.
    pub(super) fn on_blocks(
        &mut self,
        now: Now,
        peer: NodeId,
        blocks: Vec<Verified<Block>>,
        last: Option<CommitCertificate>,
    ) {
        let next = self.ledger.tip().next();
        let Some(start) = blocks.first().map(|block| block.height()) else {
            self.sync.on_failure(&peer, next, Failure::Refused, now.mono);
            return;
        };
        let bytes = blocks.iter().map(|block| block.body_bytes() as u64).sum();
        let is_wanted = self.sync.on_answer(&peer, start, blocks.len() as u64, bytes);
        let range = Range {
            peer,
            start,
            blocks,
            last,
            bytes,
        };
        if start <= next {
            self.connect_range(now, range);
            self.connect_early(now);
            self.after_tip_moved(now);
        } else if is_wanted {
            self.early.insert(range);
            self.sync.set_buffered(self.early.bytes);
            self.ask_for_blocks(now);
        }
    }

    /// A range came that cannot be taken now: it is asked for anew once it can.
    pub(super) fn leave_blocks(&mut self, now: Now, peer: NodeId, blocks: &[Verified<Block>]) {
        if let Some(first) = blocks.first() {
            self.sync
                .on_failure(&peer, first.height(), Failure::Refused, now.mono);
        }
    }

    /// Connects what came early and has its turn now; what storage has no room for yet stays as it came,
    /// which takes a third of what its changes take.
    fn connect_early(&mut self, now: Now) {
        while !self.stands_still()
            && !self.ledger.is_ahead_of_storage()
            && let Some(range) = self.early.take(self.ledger.tip().next())
        {
            self.connect_range(now, range);
        }
        self.sync.set_buffered(self.early.bytes);
    }

    /// Each block is connected under the certificate that its child carries, the last under its own.
    /// Nothing without a certificate is ever appended.
    fn connect_range(&mut self, now: Now, range: Range) {
        let Range {
            peer,
            start,
            blocks,
            last,
            ..
        } = range;
        let mut holds = true;
        let mut rest = blocks.into_iter().peekable();
        while let Some(block) = rest.next() {
            let certificate = match rest.peek() {
                Some(child) => child.prev_commit.clone(),
                None => last.clone(),
            };
            let certificate = certificate.filter(|certificate| {
                certificate.height == block.height() && certificate.block_hash == block.hash()
            });
            let Some(certificate) = certificate else {
                holds = false;
                break;
            };
            if block.height() <= self.ledger.tip() {
                // Consensus was faster; what it decided has to be the same.
                self.compare_with_ours(now, peer, certificate);
            } else if block.height() > self.ledger.tip().next() {
                holds = false;
            } else {
                holds = self.take_certified(now, block, certificate);
            }
            if !holds || self.stands_still() {
                break;
            }
        }
        if holds {
            self.sync.on_connected(self.ledger.tip());
        } else {
            self.sync.on_failure(&peer, start, Failure::Broken, now.mono);
            self.out.push(Effect::Blame {
                peer,
                fault: Fault::InvalidBlock,
            });
        }
    }

    /// Connects the next block under its certificate, if it holds. False if the sender is to blame.
    fn take_certified(&mut self, now: Now, block: Verified<Block>, certificate: CommitCertificate) -> bool {
        let validators = self.certifiers(Some(&block));
        let Ok(certificate) = self.checked(certificate, &validators) else {
            return false;
        };
        let connected = match self.ledger.connect(&block) {
            Ok(connected) => connected,
            Err(ConnectError::Invalid(_)) if !self.is_whole(&block) => return false,
            Err(error) => {
                self.cannot_connect(now, block.height(), error);
                return true;
            }
        };
        let certificate = certificate.into_inner();
        self.sync.on_certified(block.height());
        self.look_for_own_signature(now, &certificate, self.own_place(&validators));
        self.out
            .push(Effect::Persist(consensus::Record::Body((*block).clone())));
        self.out
            .push(Effect::Persist(consensus::Record::Decided(certificate.clone())));
        self.append(now, block, certificate, connected, None);
        self.translate(now);
        true
    }

    /// A peer shows its tip, in answer to our question.
    pub(super) fn on_status(
        &mut self,
        now: Now,
        peer: NodeId,
        height: Height,
        certificate: Option<CommitCertificate>,
    ) {
        self.sync.on_said(peer, height, now.mono);
        if self.sync.on_proof(&peer, Some((height, certificate.is_some()))) {
            self.blame_for_nothing(peer);
        }
        let certificate = certificate.filter(|certificate| certificate.height == height);
        let is_proved = match certificate {
            Some(certificate) if height <= self.ledger.tip() => {
                self.compare_with_ours(now, peer, certificate);
                false
            }
            // Checked under the set that we know: after a change of the set it proves nothing yet,
            // and is asked for again once we got there.
            Some(certificate) => self
                .checked(certificate, &self.ledger.validators().clone())
                .is_ok(),
            None => false,
        };
        if is_proved {
            self.sync.on_certified(height);
        }
        self.on_tip_shown(peer, height, is_proved);
        self.ask_for_blocks(now);
    }

    /// Asks for the next ranges if somebody is ahead, and tells the machine whether we are far behind.
    pub(super) fn ask_for_blocks(&mut self, now: Now) {
        self.connect_early(now);
        let tip = self.ledger.tip();
        while !self.stands_still()
            && !self.ledger.is_ahead_of_storage()
            && let Some(request) = self.sync.poll(tip, now.mono)
        {
            self.out.push(Effect::RequestBlocks(request));
        }
        let syncing = self.sync.is_syncing(tip);
        if syncing != self.syncing {
            self.syncing = syncing;
            let target = self.sync.best_known(tip, now.mono);
            self.out.push(Effect::Happened(Happening::Syncing {
                active: syncing,
                target,
            }));
            self.stand_back(now);
        }
    }
}
