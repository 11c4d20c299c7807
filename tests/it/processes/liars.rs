//! What no honest peer says: a height that nobody has, and a second certificate for one that is final.

use std::time::Instant;

use timecoin::{
    chain::{BlockHash, CommitCertificate, Height},
    consensus::{Round, SigningDomain, Step, ValidatorSet, Vote},
    crypto::{Hash256, Signature},
    signer::{VALIDATOR_KEY_FILE, read_key_file},
    wire::{Decided, Message},
};

use super::{
    net::{Net, limit},
    puppet::Puppet,
};

const HONEST: [u16; 4] = [0, 1, 2, 3];
/// Nobody's masternode; the test plays it.
const STRANGER: u16 = 4;

fn honest_and_a_stranger() -> Net {
    let mut net = Net::with_a_stranger(5, |_| {});
    for node in HONEST {
        net.node(node).start().unwrap();
    }
    for node in HONEST {
        net.start(node);
    }
    net
}

#[test]
fn dos_20_a_claim_of_a_billion_blocks_keeps_nobody_waiting_and_is_charged() {
    let net = honest_and_a_stranger();
    let load = net.load(0, 20.0);
    net.wait_height(&HONEST, 2, limit(20));
    let puppet = Puppet::claiming(&net, STRANGER, 1_000_000_000);
    net.wait("it is connected", limit(10), |_| puppet.peers() == HONEST.len());
    let (began, from) = (Instant::now(), net.height(0));
    // Nothing of it is believed at any moment, and after ten seconds without its certificate it is charged.
    let charged = net.wait("node0 charges it", limit(15), |net| {
        let status = net.status(0);
        assert!(!status.syncing && status.signing, "{status:?}");
        assert!(status.blocks_behind <= 2, "{}", status.blocks_behind);
        net.metric(0, "timed_p2p_faults_total") >= 1.0
    });
    println!("charged within {charged:?}");
    net.wait_height(&HONEST, from + 5, limit(20));
    println!("{} blocks in {:?}", net.height(0) - from, began.elapsed());
    assert_eq!(net.health_word(0).as_deref(), Some("ok"));
    net.finish(load);
    puppet.leave(&net);
    net.check_no_evidence(&HONEST);
}

/// What a quorum of stolen keys can make.
fn rival(net: &Net, height: u64, digest: BlockHash) -> CommitCertificate {
    let validators = ValidatorSet::new(net.genesis().validator_keys());
    let domain = SigningDomain {
        chain_id: net.genesis().chain_id(),
        vset_hash: validators.hash(),
    };
    let stolen = [1, 2, 3].map(|node| {
        let keys = net.layout.node_dir(node).join("keys");
        read_key_file(&keys.join(VALIDATOR_KEY_FILE)).unwrap()
    });
    let mut signatures = stolen.map(|key| {
        let mut vote = Vote {
            step: Step::Commit,
            height: Height::new(height),
            round: Round::ZERO,
            digest,
            signer: validators.signer_of(&key.public_key()).unwrap(),
            signature: Signature::from_bytes([0; 64]),
        };
        vote.signature = key.sign(&vote.signing_bytes(&domain));
        (vote.signer, vote.signature)
    });
    signatures.sort_by_key(|(signer, _)| *signer);
    CommitCertificate {
        height: Height::new(height),
        round: 0,
        block_hash: digest,
        signatures: signatures.to_vec(),
    }
}

/// Height and round of the last thing that a stopped node signed.
fn last_signed(net: &Net, node: u16) -> Option<(u64, u32)> {
    let signed = net.signed(node);
    let positions = signed.iter().map(|message| message.position());
    positions
        .map(|position| (position.height.get(), position.round.get()))
        .max()
}

#[test]
fn dos_26_two_certificates_at_one_height_end_all_signing_also_after_a_restart() {
    const STILL: [u16; 3] = [1, 2, 3];
    let mut net = honest_and_a_stranger();
    let load = net.load(1, 20.0);
    let puppet = Puppet::join(&net, STRANGER);
    net.wait("it is connected", limit(10), |_| puppet.peers() == HONEST.len());
    net.wait_height(&HONEST, 4, limit(20));
    let height = net.height(0);
    let ours = net.block(0, height).unwrap().hash;
    let digest = BlockHash::from_hash(Hash256::from_bytes([26; 32]));
    let certificate = rival(&net, height, digest);
    let told = Message::Decided(Decided {
        certificate,
        block: None,
    });
    puppet.tell(&net, 0, &told);
    let stopped = |net: &Net| {
        net.health_status(0) == Some(503)
            && net.try_status(0).is_some_and(|status| {
                !status.signing && status.signing_reason.contains("conflicting_certificates")
            })
    };
    let took = net.wait("node0 stops", limit(5), stopped);
    println!("stopped within {took:?}");
    let kept = net
        .layout
        .node_dir(0)
        .join("consensus/conflicting-certificates.txt");
    let evidence = std::fs::read_to_string(&kept).unwrap();
    for hash in [ours.to_string(), digest.to_string()] {
        assert!(evidence.contains(&hash), "{hash} in {evidence}");
    }
    // The others, who heard of nothing, go on; it signs and follows nothing more, and serves what it has.
    let at = net.height(0);
    net.wait_height(&STILL, at + 6, limit(30));
    assert_eq!(net.height(0), at);
    let without_it = |net: &Net, from: u64, to: u64| {
        for height in from..=to {
            let block = net.block(1, height).unwrap();
            assert!(!net.has_signed(&block, 0), "height {height}");
        }
    };
    without_it(&net, at + 2, at + 6);
    net.stop(0);
    net.check_logs();
    let signed = last_signed(&net, 0);
    assert!(signed.is_some_and(|(height, _)| height <= at + 1), "{signed:?}");
    // A restart changes nothing.
    net.start(0);
    net.wait("node0 stands still", limit(10), stopped);
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), evidence);
    let higher = net.height(1);
    net.wait_height(&STILL, higher + 5, limit(30));
    assert_eq!(net.height(0), at);
    without_it(&net, at + 2, higher + 5);
    net.finish(load);
    net.stop(0);
    assert_eq!(last_signed(&net, 0), signed);
    puppet.leave(&net);
}
