//! Who is asked for what, and who is not believed.

use super::*;
use crate::{chain::Height, consensus::Mono, crypto::PublicKey};

fn peer(n: u8) -> PublicKey {
    PublicKey::from_bytes([n; 32])
}

fn at(ms: u64) -> Mono {
    Mono::default().plus_ms(ms)
}

#[test]
fn asks_from_the_tip_and_never_more_than_a_range() {
    let mut sync = CatchUp::default();
    sync.on_claim(peer(1), Height::new(1_000), at(0));
    let request = sync.poll(Height::new(7), at(1)).unwrap();
    assert_eq!(
        request,
        Request {
            peer: peer(1),
            start: Height::new(8),
            count: RANGE_MAX
        }
    );
    assert_eq!(sync.poll(Height::new(7), at(2)), None, "one range in flight");
    sync.on_answer(&peer(1), 100, at(3));
    assert_eq!(
        sync.poll(Height::new(107), at(3)).unwrap().start,
        Height::new(108)
    );
}

#[test]
fn a_claim_alone_never_makes_a_node_syncing() {
    let mut sync = CatchUp::default();
    sync.on_claim(peer(1), Height::new(1_000_000_000), at(0));
    assert!(!sync.is_syncing(Height::new(5)));
    sync.on_certified(Height::new(7));
    assert!(!sync.is_syncing(Height::new(5)));
    sync.on_certified(Height::new(8));
    assert!(sync.is_syncing(Height::new(5)));
    assert!(!sync.is_syncing(Height::new(6)));
}

#[test]
fn a_liar_and_a_staller_are_left_alone_for_a_while() {
    let mut sync = CatchUp::default();
    sync.on_claim(peer(1), Height::new(50), at(0));
    sync.on_claim(peer(2), Height::new(50), at(0));
    let first = sync.poll(Height::new(1), at(1)).unwrap().peer;
    let second = sync.poll(Height::new(1), at(2_100)).unwrap().peer;
    assert_ne!(first, second, "a stalled range goes to somebody else");
    sync.on_answer(&second, 0, at(2_200));
    assert_eq!(sync.poll(Height::new(1), at(2_300)), None);
    sync.on_claim(first, Height::new(51), at(9_000));
    assert_eq!(sync.poll(Height::new(1), at(9_000)).unwrap().peer, first);
}

#[test]
fn a_lone_next_block_is_left_to_consensus_for_a_moment() {
    let mut sync = CatchUp::default();
    sync.on_claim(peer(1), Height::new(6), at(0));
    assert_eq!(sync.poll(Height::new(5), at(100)), None);
    assert!(sync.poll(Height::new(5), at(500)).is_some());
    sync.on_peer_gone(&peer(1));
    assert_eq!(sync.poll(Height::new(5), at(5_000)), None);
}
