//! A masternode's life on a running network: registered, joining, silent, back, and jailed.

use std::time::Duration;

use timecoin::{
    chain::{
        Address, Amount, BlockHash, Height, OutPoint, Output, Params, Standing, TRANSACTION_VERSION,
        Transaction, TransactionKind, TxId,
    },
    consensus::{
        ConsensusMessage, Evidence, EvidenceKind, Round, SigningDomain, Step, ValidatorSet, Vote, vote_bytes,
    },
    control::MasternodeView,
    crypto::{Hash256, PublicKey, SecretKey, Signature},
    signer::{NODE_KEY_FILE, VALIDATOR_KEY_FILE, create_key_file_under, read_key_file, rewrite_key_file},
    storage::{Store, StoreOptions},
};

use super::net::{Net, limit, run_timed};

/// Periods short enough to watch six of them pass.
fn short_periods(params: &mut Params) {
    params.reward_period_ms = 1_500;
    params.block_interval_ms = 400;
}

const REGISTERED: [u16; 4] = [0, 1, 2, 3];
const NEW: u16 = 4;

fn look(net: &Net, at: u16, id: Hash256) -> Option<MasternodeView> {
    net.ask(net.client(at).masternode(id))
}

fn wait_standing(net: &Net, at: u16, id: Hash256, wanted: Standing, within: Duration) -> MasternodeView {
    net.wait(&format!("{id} is {}", wanted.name()), within, |net| {
        look(net, at, id).is_some_and(|view| view.standing == wanted)
    });
    look(net, at, id).unwrap()
}

fn validator_key(net: &Net, node: u16) -> PublicKey {
    let keys = net.layout.node_dir(node).join("keys");
    read_key_file(&keys.join(VALIDATOR_KEY_FILE))
        .unwrap()
        .public_key()
}

/// Runs the binary with a wallet on a node, and gives what it printed.
fn masternode(net: &Net, what: &[&str]) -> String {
    let url = net.layout.url(0);
    let wallet = net.layout.wallet(0).display().to_string();
    let mut arguments = vec!["masternode"];
    arguments.extend(what);
    arguments.extend(["--rpc", &url, "--wallet", &wallet, "--wait-final"]);
    let (code, out, errors) = run_timed(&arguments);
    assert_eq!(code, 0, "{errors}");
    out.trim().to_owned()
}

/// Waits for a block whose certificate holds the node's signature; positions are of the set of its
/// height, which `/status` shows.
fn wait_signature(net: &Net, at: u16, key: PublicKey, above: u64, within: Duration) {
    net.wait("the new masternode signs", within, |net| {
        let status = net.try_status(at);
        status.is_some_and(|status| {
            let signed = status.validators.iter().find(|validator| validator.id == key);
            signed.is_some_and(|validator| validator.last_signed_height > Some(above))
        })
    });
}

/// A snapshot follows the chain a moment later.
fn wait_set(net: &Net, at: u16, n: usize) {
    net.wait(&format!("/status shows {n} validators"), limit(5), |net| {
        net.try_status(at)
            .is_some_and(|status| status.validators.len() == n)
    });
}

fn hashes_agree(net: &Net, nodes: &[u16]) {
    let lowest = nodes.iter().map(|node| net.height(*node)).min().unwrap();
    for height in (1..=lowest).rev().take(20) {
        let blocks: Vec<_> = nodes
            .iter()
            .map(|node| net.block(*node, height).unwrap())
            .collect();
        for block in &blocks {
            assert_eq!(
                (block.hash, block.utxo_commitment),
                (blocks[0].hash, blocks[0].utxo_commitment)
            );
        }
    }
}

#[test]
fn a_registered_masternode_joins_falls_silent_and_comes_back() {
    let mut net = Net::with_a_stranger(5, short_periods);
    net.start_all();
    net.wait_height(&[0, 1, 2, 3, 4], 2, limit(20));
    let key = validator_key(&net, NEW);
    let own = Hash256::from_bytes(*key.as_bytes());
    assert_eq!(look(&net, 0, own), None);
    let key_file = net.layout.node_dir(NEW).join("keys").join(VALIDATOR_KEY_FILE);
    let id: Hash256 = masternode(
        &net,
        &[
            "register",
            "--validator-key",
            &key_file.display().to_string(),
            "--service",
            "127.0.0.1:24000",
        ],
    )
    .parse()
    .unwrap();
    let registered = look(&net, 0, id).unwrap().period;
    let joined = wait_standing(&net, 0, id, Standing::Active, limit(10));
    assert_eq!(joined.validator_id, key);
    // Its node says that it is there in the period of the registration if a block of that period is left to
    // say it in, else in the one after; it joins with the end of the period it said so in.
    assert!(
        joined.since_period > registered.saturating_sub(1) && joined.since_period <= registered + 2,
        "registered in period {registered}, joined in {}",
        joined.since_period
    );
    wait_set(&net, 0, 5);
    wait_signature(&net, 0, key, joined.height, limit(10));
    // And it leads in its turn: the set of every node has it in the same place.
    net.wait("it has led", limit(20), |net| {
        let height = net.height(0);
        (joined.height..=height).any(|height| {
            net.block(0, height)
                .is_some_and(|block| block.proposer == Some(key))
        })
    });
    hashes_agree(&net, &[0, 1, 2, 3, 4]);

    net.stop(NEW);
    let gone = wait_standing(&net, 0, id, Standing::Inactive, limit(40));
    assert!(
        gone.reason.contains("signed nothing for 6 periods"),
        "{}",
        gone.reason
    );
    assert!(gone.remedy.contains("--return"), "{}", gone.remedy);
    wait_set(&net, 0, 4);

    net.start(NEW);
    masternode(&net, &["update", &id.to_string(), "--return"]);
    let back = wait_standing(&net, 0, id, Standing::Active, limit(20));
    wait_signature(&net, 0, key, back.height, limit(20));
    hashes_agree(&net, &[0, 1, 2, 3, 4]);
    net.check_no_evidence(&[0, 1, 2, 3, 4]);
    let (code, out, _) = run_timed(&["masternode", "list", "--rpc", &net.layout.url(0)]);
    assert_eq!((code, out.lines().count()), (0, 6), "{out}");
    let (code, out, _) = run_timed(&["masternode", "status", "--rpc", &net.layout.url(NEW)]);
    assert!(code == 0 && out.contains("standing     active"), "{out}");
    assert!(out.contains("\nnext turn    height "), "{out}");

    // Another consensus key takes over with the next period, once its node holds it.
    let next = SecretKey::from_seed(&[77; 32]);
    let next_file = net.layout.dir().join("next-validator.key");
    create_key_file_under(&next_file, &next, None).unwrap();
    let new_key = next_file.display().to_string();
    masternode(
        &net,
        &["update", &id.to_string(), "--new-validator-key", &new_key],
    );
    net.stop(NEW);
    let (own, keys) = (next.public_key(), net.layout.node_dir(NEW).join("keys"));
    rewrite_key_file(&keys.join(VALIDATOR_KEY_FILE), &next, None).unwrap();
    net.start(NEW);
    net.wait("the key changes", limit(20), |net| {
        look(net, 0, id).is_some_and(|view| view.validator_id == own)
    });
    let changed = look(&net, 0, id).unwrap();
    assert_eq!(changed.standing, Standing::Active, "{}", changed.reason);
    wait_signature(&net, 0, own, changed.height, limit(30));

    // Its owner ends it; the collateral is money again when the period is over.
    let collateral = OutPoint::new(TxId::from_hash(id), 0);
    let spends_it = |net: &Net| {
        let found = net.ask(net.client(0).output(id, 0)).unwrap();
        let key = net.wallet(0);
        let fee = 10_000;
        let mut spending = Transaction {
            version: TRANSACTION_VERSION,
            kind: TransactionKind::Transfer,
            inputs: vec![collateral],
            outputs: vec![Output {
                amount: Amount::from_units(found.amount - fee),
                address: Address::of(&key.public_key()),
            }],
            valid_until_height: Height::GENESIS,
            witnesses: vec![],
        };
        spending.sign(&net.genesis().chain_id(), &[&key]);
        spending.canonical_bytes()
    };
    let bytes = spends_it(&net);
    assert!(
        net.ask(net.client(0).submit(&bytes)).is_none(),
        "it is locked while the masternode stands"
    );
    masternode(&net, &["deregister", &id.to_string()]);
    wait_standing(&net, 0, id, Standing::Deregistered, limit(20));
    net.wait("the collateral is free", limit(20), |net| {
        let found = net.ask(net.client(0).output(id, 0));
        found.is_some_and(|found| found.locked_for.is_none())
    });
    let mut spent = None;
    net.wait("the pool takes it", limit(20), |net| {
        spent = spent.or_else(|| net.ask(net.client(0).submit(&bytes)));
        spent.is_some()
    });
    net.wait("it is spent", limit(20), |net| net.is_final(0, spent.unwrap()));
    wait_set(&net, 0, 4);
    hashes_agree(&net, &[0, 1, 2, 3, 4]);
    net.check_no_evidence(&[0, 1, 2, 3, 4]);
}

/// Two COMMITs of one round, signed by the key of `node`.
fn contradiction(net: &Net, node: u16, height: u64) -> Evidence {
    let keys = net.layout.node_dir(node).join("keys");
    let key = read_key_file(&keys.join(VALIDATOR_KEY_FILE)).unwrap();
    assert_ne!(
        key.public_key(),
        read_key_file(&keys.join(NODE_KEY_FILE)).unwrap().public_key()
    );
    let set = ValidatorSet::new(net.genesis().validator_keys());
    let domain = SigningDomain {
        chain_id: net.genesis().chain_id(),
        vset_hash: set.hash(),
    };
    let vote = |salt: u8| {
        let (height, round, digest) = (
            Height::new(height),
            Round::new(7),
            BlockHash::from_bytes([salt; 32]),
        );
        let bytes = vote_bytes(&domain, Step::Commit, height, round, &digest);
        let signature: Signature = key.sign(&bytes);
        ConsensusMessage::Vote(Vote {
            step: Step::Commit,
            height,
            round,
            digest,
            signer: set.signer_of(&key.public_key()).unwrap(),
            signature,
        })
    };
    Evidence::new(
        EvidenceKind::Commits,
        key.public_key(),
        Height::new(height),
        &domain,
        vec![vote(1), vote(2)],
    )
}

#[test]
fn whoever_contradicted_itself_is_jailed_with_the_period_and_the_rest_go_on() {
    let mut net = Net::with(4, short_periods);
    net.start_all();
    net.wait_height(&REGISTERED, 2, limit(20));
    // One witness: the proof lies in the store of node0, as if it had been seen there.
    net.stop(0);
    let guilty = 3;
    let key = validator_key(&net, guilty);
    let evidence = contradiction(&net, guilty, net.height(1));
    {
        let dir = net.layout.node_dir(0).join("blocks");
        let store = Store::open(&dir, net.genesis(), StoreOptions::default(), |_| {}).unwrap();
        assert!(
            store
                .add_evidence(evidence.height, &evidence.id(), evidence.to_bytes())
                .unwrap()
        );
        store.flush().unwrap();
    }
    net.start(0);
    let id = Hash256::from_bytes(*key.as_bytes());
    let jailed = wait_standing(&net, 1, id, Standing::Jailed, limit(30));
    assert!(
        jailed.reason.contains("contradicting messages"),
        "{}",
        jailed.reason
    );
    wait_set(&net, 1, 3);
    let status = net.status(1);
    assert!(status.validators.iter().all(|validator| validator.id != key));
    // It has no vote, and its own node says so; the others go on.
    let goal = net.height(1) + 3;
    net.wait_height(&REGISTERED, goal, limit(20));
    let block = net.block(1, goal).unwrap();
    assert!(
        block
            .certificate
            .unwrap()
            .signers
            .iter()
            .all(|signer| *signer < 3)
    );
    hashes_agree(&net, &REGISTERED);
}
