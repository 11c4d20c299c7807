//! A5: every way in which a proposal can be wrong, one by one; and what follows from it.

use crate::{
    chain::{Block, BlockHash},
    consensus::{
        Body, ConsensusMessage, Event, EvidenceKind, MessageContext, Note, PrePrepare, Step, Verdict,
        ViewChangeHeader,
    },
    crypto::{Hash256, Signature, Verified},
};

use super::{toy_ledger::verified, world::World};

/// One node of four that neither leads round 0 nor round 2 of height 1.
struct Case {
    world: World,
    me: usize,
    fresh: Block,
    locked: Block,
}

impl Case {
    fn new() -> Self {
        let world = World::new(4);
        let me = (0..4)
            .find(|node| {
                *node != world.leader(1, 0) && *node != world.leader(1, 2) && *node != world.leader(1, 1)
            })
            .unwrap();
        let world = World::alone(4, me);
        let (fresh, locked) = (world.block(me, 2, 1), world.block(me, 0, 2));
        Self {
            world,
            me,
            fresh,
            locked,
        }
    }

    fn headers(&self, signers: &[usize], round: u32) -> Vec<ViewChangeHeader> {
        signers
            .iter()
            .map(|signer| self.world.view_change(*signer, 1, round, None).header)
            .collect()
    }

    /// VIEW-CHANGEs into round 2 of whom the last names the lock of round 0.
    fn locked_headers(&self) -> Vec<ViewChangeHeader> {
        let lock = self.world.prepared(&[1, 2, 3], 1, 0, self.locked.hash());
        let mut headers = self.headers(&[1, 2], 2);
        headers.push(self.world.view_change(3, 1, 2, Some(lock)).header);
        headers
    }

    fn proposal(&self, round: u32, digest: BlockHash, headers: Vec<ViewChangeHeader>) -> PrePrepare {
        self.world
            .pre_prepare(self.world.leader(1, round), 1, round, digest, headers, None)
    }

    fn locked_proposal(&self) -> PrePrepare {
        let lock = self.world.prepared(&[1, 2, 3], 1, 0, self.locked.hash());
        let leader = self.world.leader(1, 2);
        self.world.pre_prepare(
            leader,
            1,
            2,
            self.locked.hash(),
            self.locked_headers(),
            Some(lock),
        )
    }

    fn sign(&self, mut proposal: PrePrepare) -> PrePrepare {
        let key = &self.world.nodes[usize::from(proposal.signer)].key;
        proposal.signature = key.sign(&proposal.signing_bytes(&self.world.domain));
        proposal
    }

    /// True if the proposal is voted for.
    fn outcome(mut self, proposal: PrePrepare, block: &Block) -> (bool, Vec<EvidenceKind>) {
        let domain = self.world.domain;
        let context = MessageContext {
            domain: &domain,
            validators: &self.world.validators,
        };
        let message = ConsensusMessage::PrePrepare(proposal);
        if Verified::check(message.clone(), context).is_err() {
            return (false, Vec::new());
        }
        self.world.give(self.me, message, Some(block.clone()));
        assert_eq!(
            self.world.nodes[self.me].doppelgangers, 0,
            "the case speaks for others only"
        );
        let kinds = self.world.nodes[self.me]
            .evidence
            .iter()
            .map(|evidence| evidence.kind)
            .collect();
        (!self.world.sent(self.me, 1, Step::Prepare).is_empty(), kinds)
    }
}

const PROVEN: &[EvidenceKind] = &[EvidenceKind::BadProposal];
const SILENT: &[EvidenceKind] = &[];

#[test]
fn a05_good_proposals_are_accepted() {
    let case = Case::new();
    let block = case.world.block(case.me, 0, 1);
    let proposal = case.proposal(0, block.hash(), Vec::new());
    assert_eq!(
        case.outcome(proposal, &block),
        (true, Vec::new()),
        "fresh, round 0"
    );

    let case = Case::new();
    let proposal = case.proposal(2, case.fresh.hash(), case.headers(&[1, 2, 3], 2));
    let block = case.fresh.clone();
    assert_eq!(
        case.outcome(proposal, &block),
        (true, Vec::new()),
        "fresh, round 2"
    );

    let case = Case::new();
    let (proposal, block) = (case.locked_proposal(), case.locked.clone());
    assert_eq!(
        case.outcome(proposal, &block),
        (true, Vec::new()),
        "locked, round 2"
    );
}

#[test]
fn a05_rejection_table() {
    type Wrong = fn(&Case) -> (PrePrepare, Block);
    let table: &[(&str, &[EvidenceKind], Wrong)] = &[
        ("wrong leader", PROVEN, |case| {
            let block = case.world.block(case.me, 0, 1);
            let stranger = case.world.leader(1, 1);
            (
                case.world
                    .pre_prepare(stranger, 1, 0, block.hash(), Vec::new(), None),
                block,
            )
        }),
        ("view changes in round 0", PROVEN, |case| {
            let block = case.world.block(case.me, 0, 1);
            (case.proposal(0, block.hash(), case.headers(&[1, 2, 3], 1)), block)
        }),
        ("round 2 without view changes", PROVEN, |case| {
            (
                case.proposal(2, case.fresh.hash(), Vec::new()),
                case.fresh.clone(),
            )
        }),
        ("q - 1 view changes", PROVEN, |case| {
            (
                case.proposal(2, case.fresh.hash(), case.headers(&[1, 2], 2)),
                case.fresh.clone(),
            )
        }),
        ("duplicate signer", PROVEN, |case| {
            (
                case.proposal(2, case.fresh.hash(), case.headers(&[1, 2, 2], 2)),
                case.fresh.clone(),
            )
        }),
        ("unsorted signers", PROVEN, |case| {
            (
                case.proposal(2, case.fresh.hash(), case.headers(&[2, 1, 3], 2)),
                case.fresh.clone(),
            )
        }),
        ("view changes of another round", PROVEN, |case| {
            (
                case.proposal(2, case.fresh.hash(), case.headers(&[1, 2, 3], 3)),
                case.fresh.clone(),
            )
        }),
        ("one view change of a lower round", PROVEN, |case| {
            let mut headers = case.headers(&[1, 2], 2);
            headers.push(case.world.view_change(3, 1, 1, None).header);
            (case.proposal(2, case.fresh.hash(), headers), case.fresh.clone())
        }),
        ("one view change of another height", PROVEN, |case| {
            let mut headers = case.headers(&[1, 2], 2);
            headers.push(case.world.view_change(3, 2, 2, None).header);
            (case.proposal(2, case.fresh.hash(), headers), case.fresh.clone())
        }),
        ("a lock of the round entered", PROVEN, |case| {
            let lock = case.world.prepared(&[1, 2, 3], 1, 2, case.locked.hash());
            let mut headers = case.headers(&[1, 2], 2);
            headers.push(case.world.view_change(3, 1, 2, Some(lock.clone())).header);
            let leader = case.world.leader(1, 2);
            let digest = case.locked.hash();
            (
                case.world.pre_prepare(leader, 1, 2, digest, headers, Some(lock)),
                case.locked.clone(),
            )
        }),
        ("missing certificate", PROVEN, |case| {
            (
                case.proposal(2, case.locked.hash(), case.locked_headers()),
                case.locked.clone(),
            )
        }),
        ("certificate without a lock", PROVEN, |case| {
            let mut proposal = case.locked_proposal();
            proposal.view_changes = case.headers(&[1, 2, 3], 2);
            (case.sign(proposal), case.locked.clone())
        }),
        ("certificate of q - 1", SILENT, |case| {
            let mut proposal = case.locked_proposal();
            proposal.prepared = Some(case.world.prepared(&[1, 2], 1, 0, case.locked.hash()));
            (case.sign(proposal), case.locked.clone())
        }),
        ("certificate with a duplicate signer", SILENT, |case| {
            let mut proposal = case.locked_proposal();
            proposal.prepared = Some(case.world.prepared(&[1, 2, 2], 1, 0, case.locked.hash()));
            (case.sign(proposal), case.locked.clone())
        }),
        ("certificate with unsorted signers", SILENT, |case| {
            let mut proposal = case.locked_proposal();
            proposal.prepared = Some(case.world.prepared(&[2, 1, 3], 1, 0, case.locked.hash()));
            (case.sign(proposal), case.locked.clone())
        }),
        ("certificate of another block", PROVEN, |case| {
            let mut proposal = case.locked_proposal();
            proposal.prepared = Some(case.world.prepared(&[1, 2, 3], 1, 0, case.fresh.hash()));
            (case.sign(proposal), case.locked.clone())
        }),
        ("certificate of another round", PROVEN, |case| {
            let mut proposal = case.locked_proposal();
            proposal.prepared = Some(case.world.prepared(&[1, 2, 3], 1, 1, case.locked.hash()));
            (case.sign(proposal), case.locked.clone())
        }),
        ("a fresh block despite a lock", PROVEN, |case| {
            (
                case.proposal(2, case.fresh.hash(), case.locked_headers()),
                case.fresh.clone(),
            )
        }),
        ("bad signature", SILENT, |case| {
            let mut proposal = case.locked_proposal();
            proposal.signature = Signature::from_bytes([1; 64]);
            (proposal, case.locked.clone())
        }),
        ("attachments exchanged on the way", SILENT, |case| {
            let mut proposal = case.proposal(2, case.fresh.hash(), case.headers(&[1, 2, 3], 2));
            proposal.view_changes = case.headers(&[0, 2, 3], 2);
            (proposal, case.fresh.clone())
        }),
        ("bad signature inside", SILENT, |case| {
            let mut headers = case.headers(&[1, 2, 3], 2);
            headers[1].signature = headers[0].signature;
            (case.proposal(2, case.fresh.hash(), headers), case.fresh.clone())
        }),
        ("zero digest", SILENT, |case| {
            (case.proposal(0, BlockHash::ZERO, Vec::new()), case.fresh.clone())
        }),
        ("digest of another body", SILENT, |case| {
            (
                case.proposal(2, case.fresh.hash(), case.headers(&[1, 2, 3], 2)),
                case.locked.clone(),
            )
        }),
        ("made in another round", PROVEN, |case| {
            (
                case.proposal(2, case.locked.hash(), case.headers(&[1, 2, 3], 2)),
                case.locked.clone(),
            )
        }),
        ("made by somebody else", PROVEN, |case| {
            let mut block = case.world.block(case.me, 0, 1);
            block.header.proposer = case.world.nodes[case.me].key.public_key();
            (case.proposal(0, block.hash(), Vec::new()), block)
        }),
        ("another validator set", PROVEN, |case| {
            let mut block = case.world.block(case.me, 0, 1);
            block.header.vset_hash = Hash256::from_bytes([1; 32]);
            (case.proposal(0, block.hash(), Vec::new()), block)
        }),
        ("another parent", PROVEN, |case| {
            let mut block = case.world.block(case.me, 0, 1);
            block.header.prev_hash = BlockHash::from_bytes([1; 32]);
            (case.proposal(0, block.hash(), Vec::new()), block)
        }),
        ("header of another height", PROVEN, |case| {
            let mut block = case.world.block(case.me, 0, 1);
            block.header.height = block.header.height.next();
            (case.proposal(0, block.hash(), Vec::new()), block)
        }),
        ("not later than its parent", PROVEN, |case| {
            let mut block = case.world.block(case.me, 0, 1);
            block.header.timestamp_ms = crate::chain::TimestampMs::new(1);
            (case.proposal(0, block.hash(), Vec::new()), block)
        }),
    ];
    for (name, expected, make) in table {
        let case = Case::new();
        let (proposal, block) = make(&case);
        let (is_accepted, kinds) = case.outcome(proposal, &block);
        assert!(!is_accepted, "{name}");
        assert_eq!(&kinds.as_slice(), expected, "{name}");
    }
}

/// A block made later than the lock that it is proposed under cannot have been prepared then.
#[test]
fn a05_reproposal_from_a_later_round_than_its_lock() {
    let case = Case::new();
    let block = case.world.block(case.me, 1, 9);
    let lock = case.world.prepared(&[1, 2, 3], 1, 0, block.hash());
    let mut headers = case.headers(&[1, 2], 2);
    headers.push(case.world.view_change(3, 1, 2, Some(lock.clone())).header);
    let leader = case.world.leader(1, 2);
    let proposal = case
        .world
        .pre_prepare(leader, 1, 2, block.hash(), headers, Some(lock));
    let (is_accepted, kinds) = case.outcome(proposal, &block);
    assert!(!is_accepted);
    assert!(
        kinds.is_empty(),
        "the leader had to propose it: the quorum is at fault, not the leader"
    );
}

/// R8: a provably bad proposal ends the round at once.
#[test]
fn a_bad_proposal_changes_view_at_once() {
    let leader = World::new(4).leader(1, 0);
    let me = (leader + 1) % 4;
    for kind in 0..3 {
        let mut world = World::alone(4, me);
        let mut block = world.block(me, 0, 1);
        if kind == 0 {
            block.header.vset_hash = Hash256::ZERO;
        }
        let proposal = world.pre_prepare(leader, 1, 0, block.hash(), Vec::new(), None);
        let message = ConsensusMessage::PrePrepare(proposal);
        match kind {
            0 => world.give(me, message, Some(block)),
            1 => {
                world.nodes[me].ledger.verdict = Some(Verdict::Invalid("spends twice".to_owned()));
                world.give(me, message, Some(block));
            }
            _ => {
                let message = world.check(message);
                let body = Some(Body::Invalid(Box::new(block)));
                world.step(
                    me,
                    Event::Message {
                        from: None,
                        message,
                        body,
                    },
                );
            }
        }
        assert_eq!(world.round(me), 1, "{kind}");
        assert_eq!(world.sent(me, 1, Step::ViewChange).len(), 1);
        assert_eq!(world.nodes[me].evidence[0].kind, EvidenceKind::BadProposal);
        assert!(
            world.nodes[me]
                .notes
                .iter()
                .any(|note| matches!(note, Note::Refused { .. }))
        );
    }
}

/// A body that is not the proposed block is the sending peer's doing, and the right one still counts.
#[test]
fn a_mismatched_body_blames_nobody() {
    let leader = World::new(4).leader(1, 0);
    let me = (leader + 1) % 4;
    let mut world = World::alone(4, me);
    let block = world.block(me, 0, 1);
    let proposal =
        ConsensusMessage::PrePrepare(world.pre_prepare(leader, 1, 0, block.hash(), Vec::new(), None));
    for body in [
        Body::Mismatch,
        Body::Valid(Box::new(verified(world.block(me, 0, 2)))),
    ] {
        let message = world.check(proposal.clone());
        world.step(
            me,
            Event::Message {
                from: None,
                message,
                body: Some(body),
            },
        );
    }
    assert_eq!((world.round(me), world.nodes[me].evidence.len()), (0, 0));
    world.give(me, proposal, Some(block));
    assert_eq!(world.sent(me, 1, Step::Prepare).len(), 1);
}

#[test]
fn a_proposal_without_its_body_waits_for_it() {
    let leader = World::new(4).leader(1, 0);
    let me = (leader + 1) % 4;
    let mut world = World::alone(4, me);
    let block = world.block(me, 0, 1);
    let proposal =
        ConsensusMessage::PrePrepare(world.pre_prepare(leader, 1, 0, block.hash(), Vec::new(), None));
    world.give(me, proposal, None);
    assert!(world.sent(me, 1, Step::Prepare).is_empty());
    world.step(me, Event::Fetched(Box::new(verified(world.block(me, 0, 7)))));
    assert!(world.sent(me, 1, Step::Prepare).is_empty(), "not just any body");
    world.step(me, Event::Fetched(Box::new(verified(block))));
    assert_eq!(world.sent(me, 1, Step::Prepare).len(), 1);
}
