//! What follows from certificates: blocks are connected, catching up moves on, forks stop us.

use std::sync::Arc;

use crate::{
    chain::{Block, CommitCertificate, ConnectError, Connected, Height, check_block_alone},
    consensus::{self, CertificateContext, Now, SigningDomain, Tip, ValidatorSet},
    crypto::{NodeId, Verified},
    sync::fork::{Decision, Local, Policy, Shown, decide},
    wire::Fault,
};

use super::{CommittedBlock, Effect, Engine, Happening, SigningHold};

/// Decided heights kept for display.
const PAST_MAX: usize = 8;

impl Engine {
    fn domain_of(&self, validators: &ValidatorSet) -> SigningDomain {
        SigningDomain {
            chain_id: self.config.chain_id,
            vset_hash: validators.hash(),
        }
    }

    pub(super) fn checked(
        &self,
        certificate: CommitCertificate,
        validators: &ValidatorSet,
    ) -> Result<Verified<CommitCertificate>, consensus::CertificateError> {
        let domain = self.domain_of(validators);
        Verified::check(
            certificate,
            CertificateContext {
                domain: &domain,
                validators,
            },
        )
    }

    /// Whose certificate the block above the tip needs: a function of the state below it, and never
    /// of what the block says of itself.
    #[cfg_attr(
        not(feature = "sim"),
        allow(unused_variables, reason = "read by a planted fault")
    )]
    pub(super) fn certifiers(&self, block: Option<&Block>) -> ValidatorSet {
        #[cfg(feature = "sim")]
        if let Some(set) = block.and_then(|block| consensus::mutant::claimed_set(&block.header.vset_hash)) {
            return set;
        }
        self.ledger.validators().clone()
    }

    /// The machine decided the height above the tip; its record is on its way to the log.
    pub(super) fn decide(&mut self, now: Now, block: Verified<Block>, certificate: CommitCertificate) {
        // What the log held of the next height may be enough to decide it; the log keeps that.
        if self.is_at_halt() {
            return;
        }
        match self.ledger.connect(&block) {
            Ok(connected) => {
                self.look_below(now, &block);
                let seen = Arc::new(self.machine.view());
                let began = began(&seen, now);
                self.remember_height(seen);
                self.append(now, block, certificate, connected, Some(began));
                self.after_tip_moved(now);
            }
            Err(error) => self.cannot_connect(now, block.height(), error),
        }
    }

    /// A final block does not connect: the ledger disagrees with the certificate, or our store does
    /// not answer. Either is our own affair; we stand still and keep everything (§3).
    pub(super) fn cannot_connect(&mut self, now: Now, height: Height, error: ConnectError) {
        let (happening, hold) = match error {
            ConnectError::View(error) => {
                let reason = error.to_string();
                let happening = Happening::StoreUnreadable { height, reason };
                (happening, SigningHold::StoreFailed)
            }
            ConnectError::Invalid(error) => {
                let reason = error.to_string();
                let happening = Happening::ExecutionMismatch { height, reason };
                (happening, SigningHold::ExecutionMismatch)
            }
        };
        self.out.push(Effect::Happened(happening));
        self.set_hold(now, hold, true);
    }

    /// Makes a connected block the tip; its record stands before this in the effects.
    pub(super) fn append(
        &mut self,
        now: Now,
        block: Verified<Block>,
        certificate: CommitCertificate,
        connected: Connected,
        began: Option<consensus::Mono>,
    ) {
        let tip = Tip {
            height: block.height(),
            hash: connected.hash,
            timestamp: block.header.timestamp_ms,
            certificate: Some(certificate.clone()),
            decided_at: Some(now.mono),
        };
        let committed = Arc::new(CommittedBlock {
            hash: connected.hash,
            block: block.into_inner(),
            certificate,
            connected,
            by_sync: began.is_none(),
            finality_us: began.map(|began| now.mono.micros_since(began)),
        });
        self.tip_moved_at = now.mono;
        let gone = self.ledger.apply(&committed, now);
        self.out.push(Effect::Commit(Arc::clone(&committed)));
        if !gone.is_empty() {
            self.out.push(Effect::Unpooled(gone));
        }
        if self.is_at_halt() {
            // The machine stays where it decided last: above, it might decide again with what it holds.
            self.set_hold(now, SigningHold::HaltHeight, true);
            return;
        }
        self.advance(now, tip);
        self.adopt_children_of(now, &committed.block);
    }

    /// Keeps the height as it was when it was decided, for people.
    fn remember_height(&mut self, seen: Arc<consensus::View>) {
        if self.past.len() == PAST_MAX {
            self.past.pop_back();
        }
        self.past.push_front(seen);
    }

    /// After one or several blocks: is there still somebody ahead, does work wait?
    pub(super) fn after_tip_moved(&mut self, now: Now) {
        self.report_work(now);
        self.check_set_size(now);
        self.observe(now);
        self.check_activation();
        self.ask_for_blocks(now);
    }

    /// R5: a peer shows how a height was decided.
    pub(super) fn on_decided(
        &mut self,
        now: Now,
        from: NodeId,
        certificate: CommitCertificate,
        block: Option<Box<Verified<Block>>>,
    ) {
        let tip = self.ledger.tip();
        let height = certificate.height;
        if height <= tip {
            self.compare_with_ours(now, from, certificate);
            return;
        }
        let validators = self.certifiers(block.as_deref().map(|block| &**block));
        match self.checked(certificate, &validators) {
            Ok(certificate) if height == tip.next() => {
                let block = block.filter(|block| self.is_whole(block));
                self.sync.on_certified(height);
                self.look_for_own_signature(now, &certificate, self.own_place(&validators));
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

    /// A body that consensus waits for.
    pub(super) fn on_fetched(&mut self, now: Now, block: Box<Verified<Block>>) {
        if self.is_whole(&block) {
            self.consensus(now, consensus::Event::Fetched(block));
        }
    }

    /// True if the header commits to this very body. Whoever verified the block looked already; a
    /// body that slips through here would be logged under a certificate and stop us.
    pub(super) fn is_whole(&self, block: &Verified<Block>) -> bool {
        check_block_alone(block, &self.config.params).is_ok()
    }

    /// A certificate that a peer shows for a height we hold: a different digest under a valid certificate is the end of
    /// automatic decisions (§7).
    pub(super) fn compare_with_ours(&mut self, now: Now, from: NodeId, theirs: CommitCertificate) {
        let Some((ours, validators)) = self.ledger.recent_certificate(theirs.height) else {
            return;
        };
        if ours.block_hash == theirs.block_hash {
            return;
        }
        if self.checked(theirs.clone(), &validators).is_err() {
            self.out.push(Effect::Blame {
                peer: from,
                fault: Fault::InvalidCertificate,
            });
            return;
        }
        let local = Local {
            height: ours.height,
            hash: ours.block_hash,
            certified: ours.height,
            certified_hash: ours.block_hash,
        };
        let shown = Shown {
            height: theirs.height,
            hash: theirs.block_hash,
            common: theirs.height.saturating_sub(1),
            is_certified: true,
        };
        if let Decision::Conflict { .. } = decide(&local, &[Some(shown)], &Policy::default()) {
            let domain = self.domain_of(&validators);
            for evidence in consensus::double_commits(&ours, &theirs, &validators, &domain) {
                self.ledger.note_evidence(&evidence);
                self.out.push(Effect::Evidence(evidence));
            }
            self.out.push(Effect::SafetyViolation {
                height: theirs.height,
                ours,
                theirs,
            });
            self.set_hold(now, SigningHold::SafetyViolation, true);
        }
    }

    /// How many blocks we are behind what is certified.
    pub fn blocks_behind(&self, now: Now) -> u64 {
        self.sync_target(now)
            .get()
            .saturating_sub(self.ledger.tip().get())
    }

    /// The height that catching up goes to.
    pub fn sync_target(&self, now: Now) -> Height {
        self.sync.best_known(self.ledger.tip(), now.mono)
    }
}

/// When the work on the height that is decided now began: when a block was due, or when the first
/// proposal was there, whichever came first.
fn began(seen: &consensus::View, now: Now) -> consensus::Mono {
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
