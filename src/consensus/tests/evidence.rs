//! E1 to E6: found by the machine, checked from scratch by anybody, and never against the honest.

use crate::{
    chain::BlockHash,
    consensus::{
        ConsensusMessage, Evidence, EvidenceError, EvidenceKind, MessageContext, SigningDomain, Step,
        ValidatorSet, ViewChange,
    },
    crypto::{Hash256, Signature},
};

use super::world::World;

fn digest(n: u8) -> BlockHash {
    BlockHash::from_bytes([n; 32])
}

fn verify(world: &World, evidence: &Evidence) -> Result<(), EvidenceError> {
    evidence.verify(MessageContext {
        domain: &world.domain,
        validators: &world.validators,
    })
}

fn vote(world: &World, step: Step, round: u32, digest: BlockHash) -> ConsensusMessage {
    ConsensusMessage::Vote(world.vote(1, step, 1, round, digest))
}

fn view_change(world: &World, round: u32, lock: Option<(u32, BlockHash)>) -> ConsensusMessage {
    let lock = lock.map(|(round, digest)| world.prepared(&[1, 2, 3], 1, round, digest));
    ConsensusMessage::ViewChange(world.view_change(1, 1, round, lock))
}

/// Every contradiction, both ways round, through a machine: it is found once, and it verifies.
#[test]
fn every_contradiction_is_found_and_verifies() {
    let world = World::new(4);
    let me = 0;
    let leader = 1;
    assert_eq!(world.leader(1, 0), leader);
    let (a, b) = (world.block(me, 0, 1), world.block(me, 0, 2));
    let proposal =
        |digest| ConsensusMessage::PrePrepare(world.pre_prepare(leader, 1, 0, digest, Vec::new(), None));
    let cases = [
        (
            EvidenceKind::Prepares,
            vote(&world, Step::Prepare, 0, digest(1)),
            vote(&world, Step::Prepare, 0, digest(2)),
        ),
        (
            EvidenceKind::Commits,
            vote(&world, Step::Commit, 3, digest(1)),
            vote(&world, Step::Commit, 3, digest(2)),
        ),
        (EvidenceKind::PrePrepares, proposal(a.hash()), proposal(b.hash())),
        (
            EvidenceKind::ViewChanges,
            view_change(&world, 2, None),
            view_change(&world, 2, Some((0, digest(1)))),
        ),
        (
            EvidenceKind::ViewChanges,
            view_change(&world, 2, Some((1, digest(1)))),
            view_change(&world, 2, Some((0, digest(1)))),
        ),
        (
            EvidenceKind::Amnesia,
            vote(&world, Step::Commit, 0, digest(1)),
            view_change(&world, 1, None),
        ),
        (
            EvidenceKind::Amnesia,
            vote(&world, Step::Commit, 1, digest(1)),
            view_change(&world, 2, Some((0, digest(1)))),
        ),
    ];
    for (kind, one, other) in cases {
        let mut ids = Vec::new();
        for pair in [[&one, &other], [&other, &one]] {
            let mut world = World::alone(4, me);
            for message in pair.into_iter().chain(pair) {
                let body = match message {
                    ConsensusMessage::PrePrepare(proposal) if proposal.digest == a.hash() => Some(a.clone()),
                    ConsensusMessage::PrePrepare(_) => Some(b.clone()),
                    ConsensusMessage::Vote(_) | ConsensusMessage::ViewChange(_) => None,
                };
                world.give(me, message.clone(), body);
            }
            let found = &world.nodes[me].evidence;
            assert_eq!(
                found.iter().map(|evidence| evidence.kind).collect::<Vec<_>>(),
                [kind]
            );
            assert_eq!(verify(&world, &found[0]), Ok(()), "{kind:?}");
            ids.push(found[0].id());
        }
        assert_eq!(
            ids[0], ids[1],
            "{kind:?}: equal contradictions are equal, whoever came first"
        );
    }
}

#[test]
fn what_an_honest_validator_signs_is_no_contradiction() {
    let world = World::new(4);
    let offender = world.nodes[1].key.public_key();
    let height = vote(&world, Step::Prepare, 0, digest(1)).height();
    let pairs = [
        (
            EvidenceKind::Prepares,
            vote(&world, Step::Prepare, 0, digest(1)),
            vote(&world, Step::Prepare, 1, digest(2)),
        ),
        (
            EvidenceKind::Prepares,
            vote(&world, Step::Prepare, 0, digest(1)),
            vote(&world, Step::Commit, 0, digest(2)),
        ),
        (
            EvidenceKind::Commits,
            vote(&world, Step::Commit, 0, digest(1)),
            vote(&world, Step::Commit, 1, digest(2)),
        ),
        (
            EvidenceKind::ViewChanges,
            view_change(&world, 1, None),
            view_change(&world, 2, None),
        ),
        (
            EvidenceKind::Amnesia,
            vote(&world, Step::Commit, 1, digest(1)),
            view_change(&world, 1, None),
        ),
        (
            EvidenceKind::Amnesia,
            vote(&world, Step::Commit, 1, digest(1)),
            view_change(&world, 2, Some((1, digest(1)))),
        ),
        (
            EvidenceKind::Amnesia,
            vote(&world, Step::Prepare, 1, digest(1)),
            view_change(&world, 2, None),
        ),
        (
            EvidenceKind::BadProposal,
            vote(&world, Step::Prepare, 1, digest(1)),
            view_change(&world, 2, None),
        ),
    ];
    for (kind, one, other) in pairs {
        let evidence = Evidence::new(kind, offender, height, &world.domain, vec![one, other]);
        assert_eq!(
            verify(&world, &evidence),
            Err(EvidenceError::NoContradiction),
            "{kind:?}"
        );
    }
}

#[test]
fn tampered_evidence_is_refused_for_its_reason() {
    let world = World::new(4);
    let offender = world.nodes[1].key.public_key();
    let messages = vec![
        vote(&world, Step::Prepare, 0, digest(1)),
        vote(&world, Step::Prepare, 0, digest(2)),
    ];
    let height = messages[0].height();
    let good = Evidence::new(
        EvidenceKind::Prepares,
        offender,
        height,
        &world.domain,
        messages.clone(),
    );
    assert_eq!(verify(&world, &good), Ok(()));

    let mut swapped = good.clone();
    swapped.messages.reverse();
    assert_eq!(verify(&world, &swapped), Err(EvidenceError::NotCanonical));
    let mut doubled = good.clone();
    doubled.messages[1] = doubled.messages[0].clone();
    assert_eq!(verify(&world, &doubled), Err(EvidenceError::NotCanonical));
    let other = Evidence {
        offender: world.nodes[2].key.public_key(),
        ..good.clone()
    };
    assert_eq!(verify(&world, &other), Err(EvidenceError::NotTheirs));
    let stranger = Evidence {
        offender: crate::crypto::PublicKey::from_bytes([9; 32]),
        ..good.clone()
    };
    assert_eq!(verify(&world, &stranger), Err(EvidenceError::NotAMember));
    let set = Evidence {
        vset_hash: Hash256::ZERO,
        ..good.clone()
    };
    assert_eq!(verify(&world, &set), Err(EvidenceError::OtherSet));
    let mut forged = good.clone();
    if let ConsensusMessage::Vote(vote) = &mut forged.messages[0] {
        vote.signature = Signature::from_bytes([3; 64]);
    }
    assert_eq!(verify(&world, &forged), Err(EvidenceError::Signature));
    // Another chain, other signed bytes.
    let domain = SigningDomain {
        chain_id: Hash256::ZERO,
        ..world.domain
    };
    let context = MessageContext {
        domain: &domain,
        validators: &world.validators,
    };
    assert_eq!(good.verify(context), Err(EvidenceError::Signature));
    let empty = ValidatorSet::new(Vec::new());
    let context = MessageContext {
        domain: &world.domain,
        validators: &empty,
    };
    assert_eq!(good.verify(context), Err(EvidenceError::NotAMember));
    // An attachment that no signature covers would make equal evidence differ.
    let changes = vec![
        view_change(&world, 2, None),
        view_change(&world, 2, Some((0, digest(1)))),
    ];
    let mut dressed = Evidence::new(
        EvidenceKind::ViewChanges,
        offender,
        height,
        &world.domain,
        changes,
    );
    assert_eq!(verify(&world, &dressed), Ok(()));
    for message in &mut dressed.messages {
        if let ConsensusMessage::ViewChange(ViewChange { certificate, .. }) = message {
            *certificate = Some(world.prepared(&[1, 2, 3], 1, 0, digest(1)));
        }
    }
    assert_eq!(verify(&world, &dressed), Err(EvidenceError::NotCanonical));
}

/// E6 convinces others only where the fault shows in the message itself.
#[test]
fn bad_proposals_are_proven_by_what_they_sign() {
    let world = World::new(4);
    let leader = world.leader(1, 2);
    let key = world.nodes[leader].key.public_key();
    let headers: Vec<_> = [0, 1, 2]
        .map(|signer| world.view_change(signer, 1, 2, None).header)
        .into();
    let make = |headers: Vec<_>| {
        let proposal =
            ConsensusMessage::PrePrepare(world.pre_prepare(leader, 1, 2, digest(1), headers, None));
        let height = proposal.height();
        Evidence::new(
            EvidenceKind::BadProposal,
            key,
            height,
            &world.domain,
            vec![proposal],
        )
    };
    assert_eq!(
        verify(&world, &make(headers.clone())),
        Err(EvidenceError::NotShown)
    );
    assert_eq!(
        verify(&world, &make(headers[..2].to_vec())),
        Ok(()),
        "too few view changes"
    );

    let stranger = (leader + 1) % 4;
    let proposal = ConsensusMessage::PrePrepare(world.pre_prepare(stranger, 1, 2, digest(1), headers, None));
    let height = proposal.height();
    let key = world.nodes[stranger].key.public_key();
    let evidence = Evidence::new(
        EvidenceKind::BadProposal,
        key,
        height,
        &world.domain,
        vec![proposal],
    );
    assert_eq!(verify(&world, &evidence), Ok(()), "not the leader");
}

/// One liar cannot fill the evidence store: once per kind and height.
#[test]
fn a_liar_is_accused_once_per_kind_and_height() {
    let me = 0;
    let mut world = World::alone(4, me);
    for n in 1..50 {
        for step in [Step::Prepare, Step::Commit] {
            let message = vote(&world, step, 0, digest(n));
            world.give(me, message, None);
        }
    }
    assert_eq!(world.nodes[me].evidence.len(), 2);
}
