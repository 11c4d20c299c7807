//! What follows from certificates: blocks are connected, catching up moves on, forks stop us.

use std::sync::Arc;

use crate::{
    chain::{Block, CommitCertificate, Height},
    consensus::{self, CertificateContext, Now, SigningDomain, Tip, ValidatorSet},
    crypto::{NodeId, Verified},
    wire::Fault,
};

use super::{CommittedBlock, Effect, Engine, Happening, SigningHold};

/// Decided heights kept for display.
const PAST_MAX: usize = 8;

impl Engine {
    fn checked(
        &self,
        certificate: CommitCertificate,
        validators: &ValidatorSet,
    ) -> Result<Verified<CommitCertificate>, consensus::CertificateError> {
        let domain = SigningDomain {
            chain_id: self.config.chain_id,
            vset_hash: validators.hash(),
        };
        Verified::check(
            certificate,
            CertificateContext {
                domain: &domain,
                validators,
            },
        )
    }

    /// The machine decided the height above the tip; its record is on its way to the log.
    pub(super) fn decide(&mut self, now: Now, block: Verified<Block>, certificate: CommitCertificate) {
        let began = self.began(now);
        if self.connect(now, &block, certificate, Some(began)) {
            self.after_tip_moved(now);
        }
    }

    /// When the work on the height that is decided now began: when a block was due, or when the
    /// first proposal was there, whichever came first.
    fn began(&self, now: Now) -> consensus::Mono {
        let seen = self.machine.view();
        let proposal = seen.timeline.iter().find_map(|entry| match entry.moment {
            consensus::Moment::Proposing { .. } | consensus::Moment::Proposal { .. }
                if entry.height == seen.height =>
            {
                Some(entry.at)
            }
            _ => None,
        });
        let due = seen.is_due.then_some(seen.work_at);
        proposal.into_iter().chain(due).min().unwrap_or(now.mono)
    }

    /// Connects a certified block on the tip. False if the ledger disagrees with the certificate.
    fn connect(
        &mut self,
        now: Now,
        block: &Verified<Block>,
        certificate: CommitCertificate,
        due: Option<consensus::Mono>,
    ) -> bool {
        let hash = block.hash();
        let connected = match self.ledger.connect(block) {
            Ok(connected) => connected,
            Err(reason) => {
                let height = block.height();
                self.out
                    .push(Effect::Happened(Happening::ExecutionMismatch { height, reason }));
                self.set_hold(now, SigningHold::ExecutionMismatch, true);
                return false;
            }
        };
        let committed = Arc::new(CommittedBlock {
            block: (**block).clone(),
            hash,
            certificate: certificate.clone(),
            connected,
            by_sync: due.is_none(),
            finality_us: due.map(|due| now.mono.micros_since(due)),
        });
        if due.is_some() {
            self.remember_height();
        }
        let gone = self.ledger.apply(&committed, now);
        self.out.push(Effect::Commit(committed.clone()));
        self.out.push(Effect::Unpooled(gone));
        let tip = Tip {
            height: block.height(),
            hash,
            timestamp: block.header.timestamp_ms,
            certificate: Some(certificate),
            decided_at: Some(now.mono),
        };
        self.advance(now, tip);
        true
    }

    /// Keeps the height as it was when it was decided, for people.
    fn remember_height(&mut self) {
        if self.past.len() == PAST_MAX {
            self.past.pop_back();
        }
        self.past.push_front(Arc::new(self.machine.view()));
    }

    /// After one or several blocks: is there still somebody ahead, does work wait?
    fn after_tip_moved(&mut self, now: Now) {
        self.report_work(now);
        self.check_activation();
        self.ask_for_blocks(now);
    }

    /// R5: a peer shows how a height was decided.
    pub(super) fn on_decided(
        &mut self,
        now: Now,
        from: NodeId,
        certificate: CommitCertificate,
        block: Option<Verified<Block>>,
    ) {
        let tip = self.ledger.tip();
        let height = certificate.height;
        if height <= tip {
            self.compare_with_ours(now, certificate);
            return;
        }
        match self.checked(certificate, &self.ledger.validators().clone()) {
            Ok(certificate) if height == tip.next() => {
                self.sync.on_certified(height);
                self.consensus(now, consensus::Event::Decided { certificate, block });
            }
            Ok(_) => {
                // Self-proving: one peer suffices to know that we are behind (§7).
                self.sync.on_certified(height);
                self.sync.on_claim(from, height, now.mono);
                self.ask_for_blocks(now);
            }
            // Above the next height the set may have changed, so a failing check proves nothing.
            Err(_) if height > tip.next() => {
                self.sync.on_claim(from, height, now.mono);
                self.ask_for_blocks(now);
            }
            Err(_) => self.out.push(Effect::Blame {
                peer: from,
                fault: Fault::InvalidCertificate,
            }),
        }
    }

    /// A certificate for a height we hold: a different digest under a valid certificate is the end of
    /// automatic decisions (§7).
    fn compare_with_ours(&mut self, now: Now, theirs: CommitCertificate) {
        let Some((ours, validators)) = self.ledger.recent_certificate(theirs.height) else {
            return;
        };
        if ours.block_hash == theirs.block_hash {
            return;
        }
        if self.checked(theirs.clone(), &validators).is_ok() {
            self.out.push(Effect::SafetyViolation {
                height: theirs.height,
                ours,
                theirs,
            });
            self.set_hold(now, SigningHold::SafetyViolation, true);
        }
    }

    /// A range came: each block is connected under the certificate that its child carries, the last
    /// under its own. Nothing without a certificate is ever appended.
    pub(super) fn on_blocks(
        &mut self,
        now: Now,
        peer: NodeId,
        blocks: Vec<Verified<Block>>,
        last: Option<CommitCertificate>,
    ) {
        let mut connected = 0;
        for (index, block) in blocks.iter().enumerate() {
            if block.height() != self.ledger.tip().next() {
                continue; // Consensus was faster; the next one may still fit.
            }
            let child = blocks.get(index + 1).and_then(|child| child.prev_commit.clone());
            let Some(certificate) = child.or_else(|| last.clone().filter(|_| index + 1 == blocks.len()))
            else {
                break;
            };
            let validators = self.ledger.validators().clone();
            let fits = certificate.height == block.height() && certificate.block_hash == block.hash();
            let certificate = match self.checked(certificate, &validators) {
                Ok(certificate) if fits => certificate.into_inner(),
                _ => {
                    self.out.push(Effect::Blame {
                        peer,
                        fault: Fault::InvalidCertificate,
                    });
                    break;
                }
            };
            self.sync.on_certified(block.height());
            self.out
                .push(Effect::Persist(consensus::Record::Body((**block).clone())));
            self.out
                .push(Effect::Persist(consensus::Record::Decided(certificate.clone())));
            if !self.connect(now, block, certificate, None) {
                break;
            }
            self.translate(now);
            connected += 1;
        }
        self.sync.on_answer(&peer, connected, now.mono);
        self.after_tip_moved(now);
        self.translate(now);
    }

    /// Asks for the next range if somebody is ahead, and tells the machine whether we are far behind.
    pub(super) fn ask_for_blocks(&mut self, now: Now) {
        let tip = self.ledger.tip();
        if let Some(request) = self.sync.poll(tip, now.mono) {
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
            self.consensus(now, consensus::Event::Syncing(syncing));
        }
    }

    /// How many blocks we are behind what is certified.
    pub fn blocks_behind(&self) -> u64 {
        self.sync
            .best_known(self.ledger.tip())
            .get()
            .saturating_sub(self.ledger.tip().get())
    }

    /// The height that catching up goes to.
    pub fn sync_target(&self) -> Height {
        self.sync.best_known(self.ledger.tip())
    }
}
