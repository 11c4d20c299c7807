//! Who is asked for what, and who is not believed.

use super::*;
use crate::{chain::Height, consensus::Mono, crypto::PublicKey};

fn peer(n: u8) -> PublicKey {
    PublicKey::from_bytes([n; 32])
}

fn at(ms: u64) -> Mono {
    Mono::default().plus_ms(ms)
}

fn claims(peers: &[(u8, u64)]) -> CatchUp {
    let mut sync = CatchUp::default();
    for (n, height) in peers {
        sync.on_claim(peer(*n), Height::new(*height), at(0));
    }
    sync
}

#[test]
fn asks_from_the_tip_and_never_more_than_a_range() {
    let mut sync = claims(&[(1, 1_000)]);
    let request = sync.poll(Height::new(7), at(1)).unwrap();
    assert_eq!(
        request,
        Request {
            peer: peer(1),
            start: Height::new(8),
            count: RANGE_MAX,
            bytes: RANGE_BYTES_MAX,
        }
    );
    assert_eq!(sync.poll(Height::new(7), at(2)), None, "one range in flight");
    sync.on_answer(&peer(1), at(3));
    assert_eq!(
        sync.poll(Height::new(107), at(3)).unwrap().start,
        Height::new(108)
    );
}

#[test]
fn a_claim_alone_never_makes_a_node_syncing() {
    let mut sync = claims(&[(1, 1_000_000_000)]);
    assert!(!sync.is_syncing(Height::new(5)));
    sync.on_certified(Height::new(7));
    assert!(!sync.is_syncing(Height::new(5)));
    sync.on_certified(Height::new(8));
    assert!(sync.is_syncing(Height::new(5)));
    assert!(!sync.is_syncing(Height::new(6)));
}

#[test]
fn one_boaster_does_not_move_the_target() {
    let sync = claims(&[(1, u64::MAX), (2, 50), (3, 49)]);
    assert_eq!(sync.best_known(Height::new(5)), Height::new(50));
    assert_eq!(claims(&[(1, 9)]).best_known(Height::new(5)), Height::new(9));
}

#[test]
fn a_slow_range_is_hedged_once_and_the_first_answer_counts() {
    let mut sync = claims(&[(1, 50), (2, 50), (3, 50)]);
    let first = sync.poll(Height::new(1), at(1)).unwrap();
    assert_eq!(sync.poll(Height::new(1), at(1_000)), None);
    let hedge = sync.poll(Height::new(1), at(1_001)).unwrap();
    assert_ne!(first.peer, hedge.peer);
    assert_eq!((hedge.start, hedge.count), (first.start, first.count));
    assert!(hedge.bytes < first.bytes);
    assert_eq!(sync.poll(Height::new(1), at(3_000)), None, "two at most");
    sync.on_answer(&hedge.peer, at(3_001));
    // What the slow one still owes is of no use any more, and holds nothing up.
    assert!(sync.poll(Height::new(50), at(3_001)).is_none());
    sync.on_claim(hedge.peer, Height::new(90), at(3_002));
    assert_eq!(sync.poll(Height::new(50), at(3_002)).unwrap().peer, hedge.peer);
}

#[test]
fn two_stalled_peers_do_not_hold_up_a_third() {
    let mut sync = claims(&[(1, 50), (2, 50), (3, 50)]);
    let asked: Vec<_> = [1, 1_100, 5_100]
        .map(|ms| sync.poll(Height::new(1), at(ms)).unwrap().peer)
        .into();
    assert_eq!(asked, [peer(1), peer(2), peer(3)]);
    assert_eq!(sync.poll(Height::new(1), at(6_050)), None, "nobody is left");
}

#[test]
fn a_liar_is_left_alone_for_longer_than_one_who_has_nothing_yet() {
    for (failure, back_at) in [(Failure::Broken, 5_100), (Failure::Refused, 600)] {
        let mut sync = claims(&[(1, 50)]);
        let request = sync.poll(Height::new(1), at(100)).unwrap();
        sync.on_failure(&request.peer, request.start, failure, at(100));
        sync.on_claim(peer(1), Height::new(50), at(200));
        assert_eq!(sync.poll(Height::new(1), at(back_at - 1)), None);
        assert!(sync.poll(Height::new(1), at(back_at)).is_some());
    }
}

#[test]
fn a_late_failure_of_an_earlier_range_does_not_end_the_next_one() {
    let mut sync = claims(&[(1, 500)]);
    let first = sync.poll(Height::new(1), at(1)).unwrap();
    sync.on_peer_gone(&peer(1));
    sync.on_claim(peer(1), Height::new(500), at(2));
    let second = sync.poll(Height::new(3), at(2)).unwrap();
    sync.on_failure(&peer(1), first.start, Failure::Refused, at(3));
    sync.on_claim(peer(1), Height::new(500), at(4));
    assert_eq!(sync.in_flight(), Some(second));
}

#[test]
fn a_lone_next_block_is_left_to_consensus_for_a_moment() {
    let mut sync = claims(&[(1, 6)]);
    assert_eq!(sync.poll(Height::new(5), at(100)), None);
    assert!(sync.poll(Height::new(5), at(500)).is_some());
    sync.on_peer_gone(&peer(1));
    assert_eq!(sync.poll(Height::new(5), at(5_000)), None);
}

#[test]
fn quick_answers_widen_what_slow_ones_narrowed() {
    let mut sync = claims(&[(1, 5_000), (2, 5_000)]);
    sync.poll(Height::new(0), at(0)).unwrap();
    let narrow = sync.poll(Height::new(0), at(1_500)).unwrap();
    assert_eq!(narrow.bytes, RANGE_BYTES_MAX / 2);
    sync.on_answer(&narrow.peer, at(1_600));
    let wide = sync.poll(Height::new(100), at(1_600)).unwrap();
    assert_eq!(wide.bytes, RANGE_BYTES_MAX);
}
