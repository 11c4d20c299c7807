//! From one height to the next.

use std::collections::BTreeMap;

use crate::{
    chain::CommitCertificate,
    consensus::{Application, Effect, Now, Signer, ValidatorSet},
    crypto::Signature,
};

use super::{Context, Machine, Moment, Tip, deciders::Deciders, height::HeightState};

impl Machine {
    /// `tip` is final and connected, whether we decided it or synchronised to it; `validators` are
    /// those of the height after it. What waits in the pool has to be told again
    /// ([`Event::Work`](crate::consensus::Event::Work)): it waits for another proposer now.
    pub fn advance(
        &mut self,
        now: Now,
        tip: Tip,
        validators: ValidatorSet,
        app: &mut dyn Application,
    ) -> Vec<Effect> {
        let mut context = Context { now, app };
        if tip.height > self.tip.height && !self.is_halted {
            self.move_to(&mut context, tip, validators);
        }
        self.settle(&mut context);
        std::mem::take(&mut self.effects)
    }

    fn move_to(&mut self, context: &mut Context<'_>, mut tip: Tip, validators: ValidatorSet) {
        let ours = self
            .current
            .decided
            .clone()
            .or_else(|| self.current.deciding.clone());
        if let Some(ours) = ours.filter(|ours| ours.height == tip.height) {
            match &tip.certificate {
                Some(theirs) if theirs.block_hash != ours.block_hash => {
                    let theirs = theirs.clone();
                    return self.halt(ours, theirs);
                }
                Some(_) | None => {
                    tip.decided_at = tip.decided_at.or(self.current.decided_at);
                    tip.certificate = Some(self.widened(ours));
                }
            }
        }
        self.tip_commits = signatures_of(tip.certificate.as_ref());
        self.late_commits.clear();
        self.tip = tip;
        let is_same_set = validators.hash() == self.current.validators.hash();
        let height = self.tip.height.next();
        let is_next = height == self.current.height.next();
        let past = std::mem::replace(
            &mut self.current,
            HeightState::new(height, validators, self.config.chain_id, self.config.me.as_ref()),
        );
        self.current.timeline = past.timeline;
        self.deciders = is_next.then(|| Deciders::new(past.validators, past.domain));
        self.guard.prune_below(height);
        self.requests.forget_all();
        self.work_since = None;
        self.resend_at = None;
        if !is_same_set {
            self.seen_at.clear();
        }
        let kept = self.next.take();
        self.begin_height(context);
        // What was signed under another set names its hash and cannot verify here; R9 brings the
        // right one.
        if is_next && is_same_set {
            for kept in kept {
                self.on_current(context, kept.from, kept.message, kept.body);
                self.settle(context);
            }
        }
    }

    pub(super) fn begin_height(&mut self, context: &mut Context<'_>) {
        let now = context.now.mono;
        self.current.decided_before = self.tip.decided_at.unwrap_or(now);
        self.current.round_since = now;
        self.behind_reported = self.behind_reported.max(self.current.height);
        self.mark(now, Moment::Height(self.current.height));
        self.restore(context);
    }

    /// The end of a catch-up: R0 counts from now, and a round that was under way gets its time anew.
    pub(super) fn resume(&mut self, context: &mut Context<'_>) {
        self.current.decided_before = context.now.mono;
        self.current.is_due = false;
        self.current.work_timer = None;
        self.current.lead_tried = None;
        if self.current.round.armed {
            self.arm(context);
        }
        self.request_missing();
    }
}

fn signatures_of(certificate: Option<&CommitCertificate>) -> BTreeMap<Signer, Signature> {
    certificate
        .into_iter()
        .flat_map(|certificate| certificate.signatures.iter().copied())
        .collect()
}
