//! A signer of its own refuses what contradicts what it signed, whoever asks, and after a restart too.

use std::os::unix::fs::PermissionsExt;

use super::{guard::*, *};
use crate::{
    chain::{BlockHash, Height},
    consensus::{Record, Round, Says, SigningDomain, Statement},
    crypto::{Signature, verify},
    node::memory,
    signer::{RemoteSigner, Signer, SignerError},
    storage::wal::Wal,
};

const CHAIN: Hash256 = Hash256::from_bytes([1; 32]);

fn key() -> SecretKey {
    SecretKey::from_seed(&[7; 32])
}

fn block(n: u8) -> BlockHash {
    BlockHash::from_bytes([n; 32])
}

fn statement(height: u64, round: u32, says: Says) -> Statement {
    Statement {
        domain: SigningDomain {
            chain_id: CHAIN,
            vset_hash: Hash256::from_bytes([2; 32]),
        },
        height: Height::new(height),
        round: Round::new(round),
        says,
    }
}

fn prepare(height: u64, round: u32, n: u8) -> Statement {
    statement(height, round, Says::Prepare { digest: block(n) })
}

fn commit(height: u64, round: u32, n: u8) -> Statement {
    statement(height, round, Says::Commit { digest: block(n) })
}

fn view_change(height: u64, round: u32, prepared: Option<(u32, u8)>) -> Statement {
    let prepared = prepared.map(|(round, n)| (Round::new(round), block(n)));
    statement(height, round, Says::ViewChange { prepared })
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        drop(Wal::create(&place.log()).unwrap());
        place
    }

    fn log(&self) -> PathBuf {
        self.0.path().join("consensus")
    }

    fn open(&self) -> SignerGuard {
        SignerGuard::open(&self.log(), CHAIN).unwrap()
    }
}

#[test]
fn one_position_is_signed_once_and_the_same_statement_again_with_the_same_signature() {
    let place = Place::new();
    let mut guard = place.open();
    let signature = guard.sign(&key(), &prepare(5, 0, 1)).unwrap();
    verify(&key().public_key(), &prepare(5, 0, 1).bytes(), &signature).unwrap();
    assert_eq!(guard.sign(&key(), &prepare(5, 0, 2)), Err(Refused::Conflict));
    assert_eq!(guard.sign(&key(), &prepare(5, 0, 1)), Ok(signature));
    guard.sign(&key(), &commit(5, 0, 1)).unwrap();
    // The same position under another validator set is another statement.
    let mut other = commit(5, 0, 1);
    other.domain.vset_hash = Hash256::from_bytes([3; 32]);
    assert_eq!(guard.sign(&key(), &other), Err(Refused::Conflict));
    for below in [prepare(4, 9, 1), commit(4, 0, 1), view_change(4, 7, None)] {
        assert!(matches!(
            guard.sign(&key(), &below),
            Err(Refused::Below { height: 5, .. })
        ));
    }
    // All of that holds after a restart, and the answer is the same signature.
    drop(guard);
    let mut guard = place.open();
    assert_eq!(guard.sign(&key(), &prepare(5, 0, 1)), Ok(signature));
    assert_eq!(guard.sign(&key(), &prepare(5, 0, 2)), Err(Refused::Conflict));
    assert_eq!(guard.sign(&key(), &commit(5, 0, 2)), Err(Refused::Conflict));
    assert!(guard.sign(&key(), &prepare(6, 0, 2)).is_ok());
}

#[test]
fn a_view_change_that_forgets_a_commit_is_refused() {
    let place = Place::new();
    let mut guard = place.open();
    guard.sign(&key(), &commit(5, 2, 1)).unwrap();
    for forgetful in [None, Some((1, 1)), Some((2, 9))] {
        let asked = guard.sign(&key(), &view_change(5, 3, forgetful));
        assert_eq!(asked, Err(Refused::Forgets { round: 2 }), "{forgetful:?}");
    }
    drop(guard);
    let mut guard = place.open();
    assert_eq!(
        guard.sign(&key(), &view_change(5, 3, None)),
        Err(Refused::Forgets { round: 2 }),
        "after a restart"
    );
    guard.sign(&key(), &view_change(5, 3, Some((2, 1)))).unwrap();
    guard.sign(&key(), &commit(6, 0, 4)).unwrap();
    guard.sign(&key(), &view_change(7, 1, None)).unwrap();
}

#[test]
fn what_no_validator_says_and_another_chain_are_refused_and_leave_nothing_behind() {
    let place = Place::new();
    let mut guard = place.open();
    let mut foreign = prepare(5, 0, 1);
    foreign.domain.chain_id = Hash256::from_bytes([9; 32]);
    assert_eq!(guard.sign(&key(), &foreign), Err(Refused::OtherChain));
    for malformed in [
        prepare(5, 0, 0),
        prepare(0, 0, 1),
        commit(5, u32::MAX, 1),
        view_change(5, 0, None),
        view_change(5, 1, Some((1, 1))),
    ] {
        assert_eq!(
            guard.sign(&key(), &malformed),
            Err(Refused::Malformed),
            "{malformed:?}"
        );
    }
    assert_eq!(guard.mark(), None);
}

#[test]
fn a_log_of_many_heights_is_pruned_and_never_forgets_the_last() {
    let place = Place::new();
    let mut guard = place.open();
    for height in 1..=60 {
        guard.sign(&key(), &prepare(height, 0, 1)).unwrap();
        guard.sign(&key(), &commit(height, 0, 1)).unwrap();
    }
    drop(guard);
    let mut guard = place.open();
    assert_eq!(guard.mark(), Some(commit(60, 0, 1).position()));
    assert!(matches!(
        guard.sign(&key(), &prepare(59, 0, 2)),
        Err(Refused::Below { .. })
    ));
}

#[test]
fn a_log_that_is_missing_or_lost_signs_nothing_and_a_raised_one_signs_above() {
    let place = Place(tempfile::tempdir().unwrap());
    let opened = SignerGuard::open(&place.log(), CHAIN).unwrap_err();
    assert!(
        opened.to_string().contains("timed signer state import"),
        "{opened}"
    );
    drop(memory::create(&place.log(), &Record::Lost).unwrap());
    assert!(SignerGuard::open(&place.log(), CHAIN).is_err());
    let (mut wal, _) = Wal::open(&place.log()).unwrap();
    memory::append(&mut wal, &Record::RaisedTo(Height::new(9))).unwrap();
    drop(wal);
    let mut guard = place.open();
    assert!(matches!(
        guard.sign(&key(), &commit(9, 5, 1)),
        Err(Refused::Below { .. })
    ));
    guard.sign(&key(), &prepare(10, 0, 1)).unwrap();
}

#[test]
fn a_disk_that_fails_ends_all_signing() {
    let place = Place::new();
    let mut guard = place.open();
    guard.sign(&key(), &prepare(5, 0, 1)).unwrap();
    guard.break_log();
    assert!(matches!(
        guard.sign(&key(), &commit(5, 0, 1)),
        Err(Refused::Broken { .. })
    ));
    assert!(matches!(
        guard.sign(&key(), &prepare(6, 0, 1)),
        Err(Refused::Broken { .. })
    ));
}

/// A service on a thread of its own; ends with this value.
struct Running {
    place: Place,
    stop: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    fn start(place: Place, may_register: bool) -> Self {
        let service = Service::open(ServiceOptions {
            data_dir: place.0.path().to_owned(),
            socket: place.0.path().join("s.sock"),
            key: key(),
            chain_id: CHAIN,
            users: Vec::new(),
            group: None,
            may_register,
        })
        .unwrap();
        let stop = CancellationToken::new();
        let token = stop.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(service.run(token)).unwrap();
        });
        Self {
            place,
            stop,
            thread: Some(thread),
        }
    }

    fn socket(&self) -> PathBuf {
        self.place.0.path().join("s.sock")
    }

    /// Ends it; its directory stays.
    fn end(mut self) -> Place {
        self.join();
        std::mem::replace(&mut self.place, Place(tempfile::tempdir().unwrap()))
    }

    fn join(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.join();
    }
}

/// Waits until `holds`.
fn wait(what: &str, holds: impl Fn() -> bool) {
    let until = std::time::Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(std::time::Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn two_nodes_at_one_signer_never_get_two_conflicting_signatures() {
    let running = Running::start(Place::new(), false);
    let mode = fs::metadata(running.socket()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let nodes = [(); 2].map(|()| RemoteSigner::open(&running.socket(), CHAIN, None).unwrap());
    assert_eq!(nodes[0].public_key(), key().public_key());
    assert_eq!(nodes[0].lack(), None);
    // Both ask for every position at once, each for another block.
    let asked: Vec<Vec<(u64, Signature)>> = std::thread::scope(|scope| {
        let asking: Vec<_> = (1..)
            .zip(&nodes)
            .map(|(n, node)| {
                scope.spawn(move || {
                    (1..=40)
                        .filter_map(|height| {
                            let signature = node.sign(&Wish::Vote(prepare(height, 0, n))).ok()?;
                            verify(&key().public_key(), &prepare(height, 0, n).bytes(), &signature).unwrap();
                            Some((height, signature))
                        })
                        .collect()
                })
            })
            .collect();
        asking.into_iter().map(|asking| asking.join().unwrap()).collect()
    });
    let mut heights: Vec<u64> = asked.iter().flatten().map(|(height, _)| *height).collect();
    heights.sort_unstable();
    let all = heights.len();
    heights.dedup();
    assert_eq!(all, heights.len(), "two signatures for one position");
    assert!(heights.contains(&40), "one of the two gets each new height");
    assert!(matches!(
        nodes[0].sign(&Wish::Vote(prepare(40, 0, 9))),
        Err(SignerError::Refused { .. })
    ));
}

#[test]
fn another_chain_another_version_and_a_request_without_a_greeting_get_no_signature() {
    use crate::signer::protocol::ask;
    let running = Running::start(Place::new(), false);
    let other = Hash256::from_bytes([8; 32]);
    let refused = RemoteSigner::open(&running.socket(), other, None).unwrap_err();
    assert!(refused.to_string().contains("chain"), "{refused}");
    let talk = |requests: &[Request]| {
        let mut stream = std::os::unix::net::UnixStream::connect(running.socket()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        requests
            .iter()
            .map(|request| ask(&mut stream, request))
            .last()
            .unwrap()
    };
    let hello = |protocol| Request::Hello {
        protocol,
        chain_id: CHAIN,
    };
    let vote = Request::Sign(Wish::Vote(prepare(1, 0, 1)));
    assert!(matches!(talk(&[hello(PROTOCOL + 1)]), Ok(Answer::Refused { .. })));
    assert!(matches!(
        talk(std::slice::from_ref(&vote)),
        Ok(Answer::Refused { .. })
    ));
    assert!(
        talk(&[vote.clone(), vote.clone()]).is_err(),
        "and the connection ends"
    );
    assert!(matches!(talk(&[hello(PROTOCOL), vote]), Ok(Answer::Signed(_))));
    let possession = Request::Sign(Wish::Possession {
        chain_id: CHAIN,
        subject: vec![1; 20],
    });
    assert!(matches!(
        talk(&[hello(PROTOCOL), possession]),
        Ok(Answer::Refused { .. })
    ));
    // What is no frame ends the connection, and the signer goes on.
    let mut stream = std::os::unix::net::UnixStream::connect(running.socket()).unwrap();
    io::Write::write_all(&mut stream, &[0xff; 64]).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    assert!(!matches!(io::Read::read(&mut stream, &mut [0; 8]), Ok(1..)));
    assert!(matches!(
        talk(&[hello(PROTOCOL), Request::Ping]),
        Ok(Answer::Pong)
    ));
}

#[test]
fn a_signer_that_goes_is_missed_and_found_again_and_another_key_is_noticed() {
    let running = Running::start(Place::new(), true);
    let socket = running.socket();
    let node = RemoteSigner::open(&socket, CHAIN, None).unwrap();
    let possession = Wish::Possession {
        chain_id: CHAIN,
        subject: vec![1; 20],
    };
    node.sign(&possession).unwrap();
    let place = running.end();
    wait("the loss is noticed", || node.lack().is_some());
    let asked = node.sign(&Wish::Vote(prepare(1, 0, 1)));
    assert!(matches!(asked, Err(SignerError::Unavailable { .. })));
    assert!(
        RemoteSigner::open(&socket, CHAIN, None).is_err(),
        "whose key it holds nobody knows"
    );
    let other = SecretKey::from_seed(&[8; 32]).public_key();
    let mistaken = RemoteSigner::open(&socket, CHAIN, Some(other)).unwrap();
    assert!(
        mistaken.lack().is_some(),
        "one that is known need not answer at the start"
    );

    let _running = Running::start(place, false);
    wait("it is found again", || node.lack().is_none());
    node.sign(&Wish::Vote(prepare(1, 0, 1))).unwrap();
    wait("another key is noticed", || {
        mistaken.lack().is_some_and(|lack| lack.contains("it holds key"))
    });
    assert!(mistaken.sign(&Wish::Vote(prepare(2, 0, 1))).is_err());
}
