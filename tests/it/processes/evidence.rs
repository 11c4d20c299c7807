//! A masternode that contradicts itself towards one node only: every node comes to hold the proof, shows
//! it, counts it, and still has it after a restart.

use timecoin::{
    chain::{BlockHash, Standing},
    consensus::{Round, Step},
    crypto::Hash256,
};

use super::{
    invalid_blocks::{Crime, bad_block},
    net::{Net, limit},
    puppet::Puppet,
};

fn digest(n: u8) -> BlockHash {
    BlockHash::from_hash(Hash256::from_bytes([n; 32]))
}

fn kinds(net: &Net, node: u16) -> Vec<String> {
    let evidence = net.ask(net.client(node).evidence()).unwrap_or_default();
    let mut kinds: Vec<String> = evidence.into_iter().map(|found| found.kind).collect();
    kinds.sort_unstable();
    kinds
}

/// Starts all but one that does not lead soon, and speaks with its key instead.
fn with_a_puppet(net: &mut Net) -> (u16, Vec<u16>, Puppet) {
    let culprit = (0..4)
        .find(|node| net.leader(1) != *node && net.leader(2) != *node)
        .unwrap();
    let (others, puppet) = Puppet::among_others(net, culprit);
    (culprit, others, puppet)
}

#[test]
fn dos_35_contradictions_seen_by_one_are_proven_to_all_and_outlive_a_restart() {
    // Nothing is due for a while, so height 1 lasts.
    let mut net = Net::with(4, |params| {
        params.block_interval_ms = 60_000;
        params.proposal_timeout_ms = 20_000;
        params.view_change_timeout_ms = 40_000;
    });
    let (culprit, others, puppet) = with_a_puppet(&mut net);
    // Two PREPAREs, two COMMITs, and a VIEW-CHANGE that forgets what was committed to: E1, E2, E5. All
    // of it is said to one node, who passes on only what is first.
    for n in [1, 2] {
        assert_eq!(puppet.vote(Step::Prepare, 1, 0, digest(n), 1), 1);
        assert_eq!(puppet.vote(Step::Commit, 1, 0, digest(n), 1), 1);
    }
    assert_eq!(puppet.view_change(1, 3, 1), 1);
    for node in &others {
        net.wait("the proofs are everywhere", limit(20), |net| {
            kinds(net, *node) == ["E1", "E2", "E5"]
        });
        let evidence = net.ask(net.client(*node).evidence()).unwrap();
        for found in &evidence {
            assert_eq!(found.validator, puppet.key(), "{found:?}");
            assert_eq!(found.name, net.layout.name(culprit));
            assert_eq!((found.height, found.messages.len()), (1, 2));
        }
        net.wait("it is counted", limit(5), |net| {
            net.metric(*node, "timed_equivocation_evidence_total") >= 3.0
        });
    }
    // Whoever only heard of it remembers it too; and the chain goes on without the culprit.
    net.stop(others[1]);
    net.start(others[1]);
    assert_eq!(kinds(&net, others[1]), ["E1", "E2", "E5"]);
    net.pay(others[0], limit(20));
    // Proof is for the chain; its session stays, and nobody keeps it out.
    for node in &others {
        assert!(net.bans(*node).is_empty(), "node{node}");
    }
    assert_eq!(puppet.peers(), 3, "the culprit is not cut off");
    puppet.leave(&net);
    net.check(&others);
}

#[test]
fn dos_35_two_proposals_of_one_leader_are_proof_everywhere_and_outlive_a_restart() {
    let mut net = Net::with(4, |params| {
        params.block_interval_ms = 60_000;
        params.proposal_timeout_ms = 20_000;
        params.view_change_timeout_ms = 40_000;
    });
    let culprit = net.leader(1);
    let (others, puppet) = Puppet::among_others(&mut net, culprit);
    let first = bad_block(&net, &puppet, Crime::BadParent);
    let mut second = first.clone();
    second.header.prev_hash = digest(8);
    for block in [first, second] {
        assert_eq!(puppet.propose(Round::ZERO, block), 3);
    }
    for node in &others {
        // Each is wrong by itself too.
        net.wait("the proofs are everywhere", limit(20), |net| {
            kinds(net, *node) == ["E3", "E6"]
        });
        net.wait("it is counted", limit(5), |net| {
            net.metric(*node, "timed_equivocation_evidence_total") >= 1.0
        });
    }
    net.wait_height(&others, 1, limit(10));
    net.stop(others[1]);
    net.start(others[1]);
    assert_eq!(kinds(&net, others[1]), ["E3", "E6"]);
    puppet.leave(&net);
    net.check(&others);
}

#[test]
fn who_equivocates_before_one_witness_is_jailed_on_the_chain() {
    let mut net = Net::with(4, |params| {
        params.block_interval_ms = 60_000;
        params.proposal_timeout_ms = 20_000;
        params.view_change_timeout_ms = 40_000;
        params.reward_period_ms = 1_000;
    });
    let (_, others, puppet) = with_a_puppet(&mut net);
    for n in [1, 2] {
        assert_eq!(puppet.vote(Step::Prepare, 1, 0, digest(n), 1), 1);
    }
    for node in &others {
        net.wait("the proof is everywhere", limit(20), |net| {
            kinds(net, *node) == ["E1"]
        });
    }
    // The next blocks carry the proof and close the period; the chain itself judges then.
    let id = Hash256::from_bytes(*puppet.key().as_bytes());
    let standing = |net: &Net, node: u16| {
        net.ask(net.client(node).masternode(id))
            .map(|view| (view.standing, view.reason))
    };
    for _ in 1..=2 {
        net.pay(others[0], limit(20));
    }
    for node in &others {
        net.wait("it is jailed", limit(10), |net| {
            standing(net, *node).is_some_and(|(standing, _)| standing == Standing::Jailed)
        });
        let (_, reason) = standing(&net, *node).unwrap();
        assert!(reason.contains("contradicting messages"), "{reason}");
    }
    net.wait("three are left", limit(10), |net| {
        let status = net.status(others[0]);
        let mut left = status.validators.iter();
        status.validators.len() == 3 && left.all(|validator| validator.id != puppet.key())
    });
    net.pay(others[0], limit(20));
    puppet.leave(&net);
}
