//! Who is behind whom: R10, and the signs that we are the ones (§7).

use std::collections::{BTreeMap, btree_map::Entry};

use crate::{
    chain::Height,
    consensus::{ConsensusMessage, Effect, Mono, Signer, Step},
    crypto::NodeId,
};

use super::{Context, Machine};

/// Answers to one peer for one height of ours, so that replays of old messages cost little.
pub(in crate::consensus) const ANSWERS_PER_HEIGHT_MAX: u32 = 16;
/// At most one answer to a peer in this time, in milliseconds.
pub(in crate::consensus) const ANSWER_INTERVAL_MS: u64 = 1_000;
/// Peers whose answers are counted. More sessions than this there are not; beyond it the count
/// starts anew, which costs a few answers too many.
const PEERS_MAX: usize = 1_024;

/// How often each peer was helped.
#[derive(Debug, Default)]
pub(super) struct Answered {
    peers: BTreeMap<NodeId, Answers>,
}

#[derive(Debug, Clone, Copy)]
struct Answers {
    last: Mono,
    height: Height,
    count: u32,
}

impl Answered {
    /// True if the peer may be answered now, and counts the answer.
    fn admit(&mut self, peer: NodeId, height: Height, now: Mono) -> bool {
        let Some(answers) = self.peers.get_mut(&peer) else {
            if self.peers.len() >= PEERS_MAX {
                self.peers.clear();
            }
            self.peers.insert(
                peer,
                Answers {
                    last: now,
                    height,
                    count: 1,
                },
            );
            return true;
        };
        if now.ms_since(answers.last) < ANSWER_INTERVAL_MS {
            return false;
        }
        if answers.height != height {
            *answers = Answers {
                last: now,
                height,
                count: 0,
            };
        }
        if answers.count >= ANSWERS_PER_HEIGHT_MAX {
            return false;
        }
        answers.last = now;
        answers.count += 1;
        true
    }
}

impl Machine {
    /// R10: a message of a height that is final here.
    pub(super) fn on_past(
        &mut self,
        context: &Context<'_>,
        from: Option<NodeId>,
        message: &ConsensusMessage,
    ) {
        self.accuse_late(message);
        if self.joins_tip(message, context.now.mono) {
            return;
        }
        let Some(peer) = from else { return };
        if self.answered.admit(peer, self.current.height, context.now.mono) {
            self.effects.push(Effect::PeerBehind {
                peer,
                height: message.height(),
            });
        } else {
            self.drop_because("of a final height, answered enough");
        }
    }

    /// E2 at the tip's height: the decision does not end anybody's duty to sign one block a round.
    fn accuse_late(&mut self, message: &ConsensusMessage) {
        let (ConsensusMessage::Vote(vote), Some(certificate), Some(deciders)) =
            (message, &self.tip.certificate, &mut self.deciders)
        else {
            return;
        };
        if let Some(ours) = self.tip_commits.get(&vote.signer)
            && let Some(evidence) = deciders.named_late(certificate, *ours, vote)
        {
            self.effects.push(Effect::Evidence(evidence));
        }
    }

    /// A late COMMIT of the deciding round stands in the tip's certificate from now on, so that slow
    /// honest masternodes are seen to have signed. One that stands there already and still comes a resend
    /// later is of somebody who has not decided: true is then not the answer, for nothing else may help it.
    fn joins_tip(&mut self, message: &ConsensusMessage, now: Mono) -> bool {
        let (ConsensusMessage::Vote(vote), Some(certificate)) = (message, &self.tip.certificate) else {
            return false;
        };
        let joins = vote.step == Step::Commit
            && vote.height == self.tip.height
            && vote.digest == self.tip.hash
            && vote.round.get() == certificate.round;
        if !joins {
            return false;
        }
        match self.tip_commits.entry(vote.signer) {
            Entry::Vacant(place) => {
                place.insert(vote.signature);
                self.late_commits.push((vote.signer, now));
                true
            }
            // Copies that were under way when we decided say nothing of whom they come from.
            Entry::Occupied(_) => {
                let decided = self.tip.decided_at;
                decided.is_some_and(|at| now.ms_since(at) < self.config.resend_ms)
            }
        }
    }

    /// §7: f + 1 validators more than one height ahead cannot all be lying.
    pub(super) fn note_height(&mut self, signer: Signer, height: Height) {
        let seen = self.seen_at.entry(signer).or_insert(height);
        *seen = height.max(*seen);
        if height <= self.current.height.next() {
            return;
        }
        let mut heights: Vec<Height> = self.seen_at.values().copied().collect();
        heights.sort_unstable_by(|a, b| b.cmp(a));
        let certain = heights.get(self.current.quorum().f()).copied();
        if let Some(certain) = certain.filter(|certain| *certain > self.current.height.next()) {
            self.report_behind(certain);
        }
    }

    /// Once per height seen.
    pub(super) fn report_behind(&mut self, height: Height) {
        if height > self.behind_reported {
            self.behind_reported = height;
            self.effects.push(Effect::Behind { height });
        }
    }
}
