//! Catching up (docs/CONSENSUS.md §7): ranges of blocks and shown tips, asked for and taken in.

use crate::{
    chain::{Block, CommitCertificate, ConnectError, Height},
    consensus::{self, Now},
    crypto::{NodeId, Verified},
    sync::Failure,
    wire::Fault,
};

use super::{Effect, Engine, Happening};

impl Engine {
    /// A range came: each block is connected under the certificate that its child carries, the last
    /// under its own. Nothing without a certificate is ever appended.
    pub(super) fn on_blocks(
        &mut self,
        now: Now,
        peer: NodeId,
        blocks: Vec<Verified<Block>>,
        last: Option<CommitCertificate>,
    ) {
        let Some(start) = blocks.first().map(|block| block.height()) else {
            let start = self.ledger.tip().next();
            self.sync.on_failure(&peer, start, Failure::Refused, now.mono);
            return;
        };
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
                self.compare_with_ours(now, certificate);
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
            self.sync.on_answer(&peer, now.mono);
        } else {
            self.sync.on_failure(&peer, start, Failure::Broken, now.mono);
            self.out.push(Effect::Blame {
                peer,
                fault: Fault::InvalidBlock,
            });
        }
        self.after_tip_moved(now);
    }

    /// Connects the next block under its certificate, if it holds. False if the sender is to blame.
    fn take_certified(&mut self, now: Now, block: Verified<Block>, certificate: CommitCertificate) -> bool {
        let validators = self.ledger.validators().clone();
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
        self.look_for_own_signature(now, &certificate);
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
        self.sync.on_claim(peer, height, now.mono);
        let certificate = certificate.filter(|certificate| certificate.height == height);
        let is_proved = match certificate {
            Some(certificate) if height <= self.ledger.tip() => {
                self.compare_with_ours(now, certificate);
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

    /// Asks for the next range if somebody is ahead, and tells the machine whether we are far behind.
    pub(super) fn ask_for_blocks(&mut self, now: Now) {
        let tip = self.ledger.tip();
        if !self.stands_still()
            && let Some(request) = self.sync.poll(tip, now.mono)
        {
            self.out.push(Effect::RequestBlocks(request));
        }
        let syncing = self.sync.is_syncing(tip);
        if syncing != self.syncing {
            self.syncing = syncing;
            let target = self.sync.best_known(tip);
            self.out.push(Effect::Happened(Happening::Syncing {
                active: syncing,
                target,
            }));
            self.stand_back(now);
        }
    }
}
