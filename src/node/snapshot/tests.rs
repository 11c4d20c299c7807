//! One peer of those that agree in a snapshot cannot spoil what the others prove.

use super::*;
use crate::{
    chain::{
        CommitCertificate,
        testing::{TestChain, key},
    },
    consensus::{Round, Step, Vote},
    crypto::{PublicKey, Signature},
    wire::BoundedVec,
};

fn peer(n: u8) -> NodeId {
    PublicKey::from_bytes([n; 32])
}

/// A manifest of the first block, certified by a quorum of genesis' validators.
fn manifest(chain: &TestChain) -> SnapshotManifest {
    let block = chain.assemble(1_000, Vec::new()).block.into_inner();
    let validators = ValidatorSet::new(chain.genesis.validator_keys());
    let domain = SigningDomain {
        chain_id: chain.genesis.chain_id(),
        vset_hash: validators.hash(),
    };
    let mut signatures: Vec<_> = (0..3)
        .map(|n| key(1_000 + n))
        .map(|secret| {
            let signer = validators.signer_of(&secret.public_key()).unwrap();
            let vote = Vote {
                step: Step::Commit,
                height: block.height(),
                round: Round::ZERO,
                digest: block.hash(),
                signer,
                signature: Signature::from_bytes([0; 64]),
            };
            (signer, secret.sign(&vote.signing_bytes(&domain)))
        })
        .collect();
    signatures.sort_unstable_by_key(|(signer, _)| *signer);
    SnapshotManifest {
        certificate: CommitCertificate {
            height: block.height(),
            round: 0,
            block_hash: block.hash(),
            signatures,
        },
        header: block.header,
        state: BoundedVec::truncated(Vec::new()),
        coins: 4,
        pages: BoundedVec::truncated(vec![Hash256::from_bytes([1; 32])]),
    }
}

/// Those of `chain`'s genesis, and some more that are known.
fn roots(chain: &TestChain, mut sets: Vec<ValidatorSet>) -> Roots {
    sets.push(ValidatorSet::new(chain.genesis.validator_keys()));
    Roots {
        chain_id: chain.genesis.chain_id(),
        sets,
        pinned: None,
    }
}

#[test]
fn a_backer_with_a_bad_certificate_is_dropped_and_the_others_are_fetched_from() {
    let chain = TestChain::new(4, 4);
    let good = manifest(&chain);
    let mut forged = good.clone();
    forged.certificate.signatures[1].1 = Signature::from_bytes([7; 64]);
    let mut other = good.clone();
    other.certificate.height = Height::new(9);
    assert_eq!(
        digest(&good),
        digest(&forged),
        "peers agree whatever the signatures"
    );
    let roots = roots(&chain, Vec::new());
    let prove = |manifest: &SnapshotManifest| provable(manifest, &roots);
    let shown = vec![
        (peer(1), forged.clone()),
        (peer(2), good.clone()),
        (peer(3), other.clone()),
        (peer(4), good.clone()),
        (peer(5), good.clone()),
    ];
    let (found, unproved) = sift(shown, prove);
    let found = found.expect("three peers prove it");
    assert_eq!(
        (found.manifest, found.backers),
        (good, vec![peer(2), peer(4), peer(5)])
    );
    let expected = [(peer(1), Unproved::Certificate), (peer(3), Unproved::OtherBlock)];
    assert_eq!(unproved, expected);
    assert!(unproved.iter().all(|(_, why)| why.is_of_one_peer()));
    // With nobody who proves it, there is nothing to fetch.
    let (found, unproved) = sift(vec![(peer(1), forged), (peer(3), other)], prove);
    assert!(found.is_none());
    assert_eq!(unproved.len(), 2);
}

#[test]
fn what_is_wrong_with_all_manifests_alike_is_no_peers_fault() {
    let (chain, stranger) = (TestChain::new(4, 4), TestChain::new(5, 4));
    let shown = vec![(peer(1), manifest(&chain)), (peer(2), manifest(&chain))];
    let roots_of_another = roots(&stranger, Vec::new());
    let (found, unproved) = sift(shown.clone(), |manifest| provable(manifest, &roots_of_another));
    assert!(found.is_none());
    assert!(
        unproved
            .iter()
            .all(|(_, why)| *why == Unproved::Validators && !why.is_of_one_peer())
    );
    // Validators that are not those of genesis, and that the old database has seen.
    let known = ValidatorSet::new(chain.genesis.validator_keys());
    let roots_grown = Roots {
        chain_id: chain.genesis.chain_id(),
        ..roots(&stranger, vec![known])
    };
    let (found, unproved) = sift(shown, |manifest| provable(manifest, &roots_grown));
    assert!(found.is_some() && unproved.is_empty());
}

#[test]
fn a_poll_asks_seven_at_most_masternodes_first_and_one_of_each_neighbourhood() {
    let at = |n: u8, ip: [u8; 4], is_masternode| Candidate {
        node: peer(n),
        ip: ip.into(),
        is_masternode,
    };
    // An attacker's twenty of one /24, then honest ones all over, of which the last is a masternode beside
    // the attacker.
    let mut candidates: Vec<Candidate> = (0..20).map(|n| at(n, [203, 0, 113, n], false)).collect();
    candidates.extend((20..30).map(|n| at(n, [n, 1, 1, 1], false)));
    candidates.push(at(30, [203, 0, 113, 200], true));
    let asked = whom_to_ask(candidates.clone(), false);
    assert_eq!(asked.len(), POLL_PEERS);
    assert_eq!(asked[0], peer(30));
    assert_eq!(asked[1..], (20..26).map(peer).collect::<Vec<_>>());
    // On a devnet all are neighbours.
    let asked = whom_to_ask(candidates, true);
    assert_eq!(asked[1..], (0..6).map(peer).collect::<Vec<_>>());
    let mapped = Candidate {
        ip: "::ffff:203.0.113.9".parse().unwrap(),
        ..at(1, [0; 4], false)
    };
    assert_eq!(
        whom_to_ask(vec![at(2, [203, 0, 113, 7], false), mapped], false),
        [peer(2)]
    );
}

#[tokio::test(start_paused = true)]
async fn peers_that_keep_silent_cost_one_deadline_together() {
    let peers: Vec<NodeId> = (0..7).map(peer).collect();
    let honest = peers[5];
    let began = tokio::time::Instant::now();
    let answers = poll(&peers, |peer| async move {
        if peer != honest {
            tokio::time::sleep(DEADLINE).await;
            return None;
        }
        Some(peer)
    })
    .await;
    assert_eq!(began.elapsed(), DEADLINE);
    assert_eq!(answers.len(), 7);
    assert_eq!(answers[5], Some(honest));
    assert_eq!(answers.iter().flatten().count(), 1);
}
