//! Who is asked for what, who is not believed, and what a peer that stalls costs.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::{
    chain::Height,
    consensus::Mono,
    crypto::{NodeId, PublicKey},
};

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

/// Everything that is asked for now.
fn ask(sync: &mut CatchUp, tip: u64, ms: u64) -> Vec<Request> {
    std::iter::from_fn(|| sync.poll(Height::new(tip), at(ms))).collect()
}

/// What covers `height` of the requests.
fn covering(requests: &[Request], height: u64) -> Vec<&Request> {
    let covers =
        |request: &&Request| (request.start.get()..request.start.get() + request.count).contains(&height);
    requests.iter().filter(covers).collect()
}

#[test]
fn ranges_follow_each_other_from_the_tip_without_overlap_and_within_the_limits() {
    let mut sync = claims(&(0..20).map(|n| (n, 100_000)).collect::<Vec<_>>());
    let asked = ask(&mut sync, 7, 1);
    let fit = (BUFFERED_BYTES_MAX / u64::from(RANGE_BYTES)) as usize;
    assert_eq!(asked.len(), RANGES_MAX.min(fit));
    let mut next = 8;
    let mut each: BTreeMap<PublicKey, usize> = BTreeMap::new();
    for request in &asked {
        assert_eq!(request.start.get(), next);
        assert!((1..=RANGE_MAX).contains(&request.count));
        next += request.count;
        *each.entry(request.peer).or_default() += 1;
    }
    assert!(each.values().all(|ranges| *ranges <= RANGES_PER_PEER_MAX));
    assert!(next <= 7 + WINDOW_BLOCKS + RANGE_MAX);
}

#[test]
fn one_peer_is_asked_for_two_ranges_at_once() {
    let mut sync = claims(&[(1, 100_000)]);
    assert_eq!(ask(&mut sync, 0, 1).len(), RANGES_PER_PEER_MAX);
    assert_eq!(ask(&mut sync, 0, 2), []);
}

#[test]
fn what_did_not_fit_into_an_answer_is_asked_for_anew() {
    let mut sync = claims(&[(1, 1_000), (2, 1_000)]);
    let first = ask(&mut sync, 0, 1)[0];
    assert!(first.count > 2);
    assert!(sync.on_answer(&first.peer, first.start, 2, 2 << 20));
    let again = ask(&mut sync, 0, 2);
    assert_eq!(covering(&again, 3).len(), 1, "{again:?}");
    // The blocks are large, so the next ranges are short.
    assert!(again.iter().all(|request| request.count <= 4), "{again:?}");
}

#[test]
fn small_blocks_make_long_ranges() {
    let mut sync = claims(&[(1, 100_000)]);
    let mut tip = 0;
    for _ in 0..30 {
        for request in ask(&mut sync, tip, 1) {
            assert!(sync.on_answer(&request.peer, request.start, request.count, request.count * 500));
            tip = request.start.get() + request.count - 1;
        }
        sync.on_connected(Height::new(tip));
    }
    assert_eq!(ask(&mut sync, tip, 2)[0].count, RANGE_MAX);
}

#[test]
fn a_full_buffer_stops_all_but_what_is_due_next() {
    let mut sync = claims(&[(1, 100_000), (2, 100_000)]);
    sync.set_buffered(BUFFERED_BYTES_MAX);
    let asked = ask(&mut sync, 0, 1);
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].start, Height::new(1));
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
    assert_eq!(sync.best_known(Height::new(5), at(1)), Height::new(50));
    assert_eq!(
        claims(&[(1, 9)]).best_known(Height::new(5), at(1)),
        Height::new(9)
    );
}

#[test]
fn dos_20_a_claim_that_is_not_proved_within_ten_seconds_counts_no_more() {
    let mut sync = claims(&[(1, 1_000_000_000)]);
    let tip = Height::new(5);
    assert_eq!(sync.best_known(tip, at(9_999)), Height::new(1_000_000_000));
    assert_eq!(sync.best_known(tip, at(10_000)), tip);
    // Boasting higher does not buy time.
    sync.on_claim(peer(1), Height::new(2_000_000_000), at(10_001));
    assert_eq!(sync.best_known(tip, at(10_002)), tip);
    // An honest peer that was believed and goes on is heard again.
    sync.on_claim(peer(2), Height::new(5), at(11_000));
    sync.on_certified(Height::new(5));
    sync.on_claim(peer(2), Height::new(6), at(60_000));
    assert_eq!(sync.best_known(tip, at(60_001)), Height::new(6));
    assert!(!sync.is_syncing(tip));
}

#[test]
fn dos_20_a_boast_that_is_repeated_counts_for_ten_seconds_once_and_is_found_empty_each_time() {
    let (tip, boaster) = (Height::new(5), peer(1));
    let mut sync = CatchUp::default();
    let (mut believed_ms, mut found, mut asked) = (0, Vec::new(), Vec::new());
    // Said again twice a second, as keep-alives are passed on; a question waits five seconds in vain.
    for ms in (0..60_000).step_by(500) {
        sync.on_said(boaster, Height::new(1_000_000_000), at(ms));
        if asked.last().is_some_and(|last| *last + 4_500 == ms) && sync.on_proof(&boaster, None) {
            found.push(ms);
        }
        if sync.poll_proof(tip, at(ms)).is_some() {
            asked.push(ms);
        }
        believed_ms += 500 * u64::from(sync.best_known(tip, at(ms)) > tip);
        assert!(!sync.is_syncing(tip));
    }
    assert!((9_000..=10_000).contains(&believed_ms), "{believed_ms}");
    assert_eq!(asked.len(), 12, "every five seconds, not oftener: {asked:?}");
    assert!(found[0] <= 10_000, "{found:?}");
    assert_eq!(found.len(), 6);
}

#[test]
fn who_shows_less_than_it_said_is_found_out_at_once_and_who_shows_it_never() {
    let tip = Height::new(5);
    let ask = |said: u64| {
        let mut sync = CatchUp::default();
        sync.on_said(peer(1), Height::new(said), at(0));
        assert_eq!(sync.poll_proof(tip, at(1)), Some(peer(1)));
        sync
    };
    assert!(ask(1_000).on_proof(&peer(1), Some((Height::new(900), true))));
    // A certificate that we cannot check proves nothing and is no lie.
    let mut honest = ask(1_000);
    for second in 1..60 {
        assert!(!honest.on_proof(&peer(1), Some((Height::new(1_000 + second), true))));
        honest.on_said(peer(1), Height::new(1_000 + second), at(1_000 * second));
        honest.poll_proof(tip, at(1_000 * second));
    }
    // A question that nobody asked, or a single one that got lost.
    let mut silent = ask(1_000);
    assert!(!silent.on_proof(&peer(2), None) && !silent.on_proof(&peer(1), None));
    assert!(!silent.on_proof(&peer(1), Some((Height::new(1_000), true))));
    assert!(!silent.on_proof(&peer(1), None) && !silent.on_proof(&peer(1), None));
    // Nobody is asked for what the next blocks show anyway, nor for what others said of it.
    let mut near = CatchUp::default();
    near.on_said(peer(1), Height::new(5 + SYNC_GAP), at(0));
    near.on_claim(peer(2), Height::new(1_000), at(0));
    assert_eq!(near.poll_proof(tip, at(1)), None);
}

#[test]
fn who_has_not_twice_in_a_row_what_it_says_it_has_made_an_empty_promise() {
    let missing = |said: u64, lowest: u64, prunes: bool| {
        let mut sync = CatchUp::default();
        sync.on_lowest(peer(1), Height::new(lowest), prunes);
        let mut found = 0;
        for ms in (0..5_000).step_by(1_000) {
            sync.on_said(peer(1), Height::new(said), at(ms));
            if let Some(request) = sync.poll(Height::new(5), at(ms + 500)) {
                found += u64::from(sync.on_failure(&peer(1), request.start, Failure::Missing, at(ms + 500)));
            }
        }
        found
    };
    assert_eq!(missing(50, 0, false), 2);
    // What it may be about to have, and what it never said it has.
    assert_eq!(missing(7, 0, false), 0);
    assert_eq!(missing(50, 20, false), 0);
    // What it deleted since it greeted us.
    assert_eq!(missing(50, 0, true), 0);
}

#[test]
fn blocks_are_asked_of_those_who_have_them() {
    let mut sync = CatchUp::default();
    // One began with a snapshot of height 400, and is not asked for what is below; its claim of a height
    // counts like others'.
    sync.on_lowest(peer(1), Height::new(401), false);
    for n in [1, 2] {
        sync.on_said(peer(n), Height::new(1_000), at(0));
    }
    let asked = ask(&mut sync, 0, 1);
    assert!(
        !asked.is_empty() && asked.iter().all(|request| request.peer == peer(2)),
        "{asked:?}"
    );
    let mut sync = CatchUp::default();
    sync.on_lowest(peer(1), Height::new(401), false);
    sync.on_said(peer(1), Height::new(1_000), at(0));
    assert_eq!(ask(&mut sync, 399, 1), [], "nobody has it");
    assert!(!ask(&mut sync, 400, 2).is_empty());
    sync.on_peer_gone(&peer(1));
    sync.on_said(peer(1), Height::new(1_000), at(3));
    assert!(!ask(&mut sync, 0, 4).is_empty(), "it came back with all of them");
}

#[test]
fn what_is_due_next_is_hedged_and_the_first_answer_counts() {
    let mut sync = claims(&[(1, 50), (2, 50), (3, 50)]);
    let asked = ask(&mut sync, 1, 1);
    let first = asked[0];
    assert_eq!(ask(&mut sync, 1, 2_000), []);
    let hedge = ask(&mut sync, 1, 2_001)[0];
    assert_ne!(first.peer, hedge.peer);
    assert_eq!((hedge.start, hedge.count), (first.start, first.count));
    assert_eq!(sync.stalls(), 1);
    assert!(sync.on_answer(&hedge.peer, hedge.start, hedge.count, 1_000));
    assert!(
        !sync.on_answer(&first.peer, first.start, first.count, 1_000),
        "too late"
    );
}

#[test]
fn an_answer_that_is_being_checked_is_not_slow() {
    let mut sync = claims(&[(1, 50), (2, 50)]);
    let first = ask(&mut sync, 1, 1)[0];
    sync.on_received(&first.peer, first.start);
    assert_eq!(ask(&mut sync, 1, 20_000), []);
    assert_eq!(sync.stalls(), 0);
}

#[test]
fn hedges_become_rarer_and_progress_brings_them_back() {
    let mut sync = claims(&[(1, 9), (2, 9), (3, 9), (4, 9)]);
    let first = ask(&mut sync, 1, 0);
    assert_eq!(first.len(), 1);
    assert_eq!(ask(&mut sync, 1, 2_000).len(), 1);
    assert_eq!(ask(&mut sync, 1, 5_999), [], "2 s, then 4 s");
    let last = ask(&mut sync, 1, 6_000)[0];
    sync.on_answer(&last.peer, last.start, 1, 1_000);
    sync.on_connected(Height::new(2));
    let next = ask(&mut sync, 2, 12_000);
    assert_eq!(covering(&next, 3).len(), 1);
    assert_eq!(covering(&ask(&mut sync, 2, 14_000), 3).len(), 1, "2 s again");
}

/// Peer 1 fails three times; peer 2, if it is there, is busy meanwhile. The time afterwards.
fn three_strikes(sync: &mut CatchUp) -> u64 {
    let mut now = 1;
    for _ in 0..3 {
        for asked in ask(sync, 1, now) {
            let failure = match asked.peer == peer(1) {
                true => Failure::Broken,
                false => Failure::Refused,
            };
            sync.on_failure(&asked.peer, asked.start, failure, at(now));
            sync.on_claim(asked.peer, Height::new(50), at(now));
        }
        now += 6_000;
    }
    now
}

#[test]
fn three_strikes_exclude_a_peer_for_ten_minutes() {
    let mut sync = claims(&[(1, 50), (2, 50)]);
    let now = three_strikes(&mut sync);
    let who = |asked: Vec<Request>| -> BTreeSet<NodeId> { asked.iter().map(|one| one.peer).collect() };
    assert_eq!(who(ask(&mut sync, 1, now + 500_000)), [peer(2)].into());
    sync.on_peer_gone(&peer(2));
    sync.on_claim(peer(2), Height::new(50), at(now + 580_000));
    assert_eq!(who(ask(&mut sync, 1, now + 610_000)), [peer(1), peer(2)].into());
}

/// A machine that slept saw everybody time out; then it is not they who are to be left alone.
#[test]
fn where_everybody_is_excluded_what_is_due_next_is_asked_for_all_the_same() {
    let mut sync = claims(&[(1, 50)]);
    let now = three_strikes(&mut sync);
    let asked = ask(&mut sync, 1, now);
    assert_eq!(covering(&asked, 2).len(), 1, "the range that is due next");
    sync.on_failure(&peer(1), asked[0].start, Failure::Broken, at(now));
    sync.on_claim(peer(1), Height::new(50), at(now));
    assert_eq!(ask(&mut sync, 1, now + 4_000), [], "not at once again");
    assert!(!ask(&mut sync, 1, now + 6_000).is_empty());
}

#[test]
fn what_came_from_a_peer_that_left_and_does_not_connect_is_asked_for_anew() {
    let mut sync = claims(&[(1, 50)]);
    let first = ask(&mut sync, 1, 1)[0];
    assert!(sync.on_answer(&first.peer, first.start, first.count, 1_000));
    sync.on_peer_gone(&first.peer);
    sync.on_claim(peer(2), Height::new(50), at(2));
    assert_eq!(covering(&ask(&mut sync, 1, 2), 2).len(), 0, "it is here");
    sync.on_failure(&first.peer, first.start, Failure::Broken, at(3));
    assert_eq!(covering(&ask(&mut sync, 1, 3), 2).len(), 1);
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
fn a_broken_range_is_asked_of_somebody_else_at_once() {
    let mut sync = claims(&[(1, 50), (2, 50)]);
    let first = ask(&mut sync, 1, 1)[0];
    sync.on_answer(&first.peer, first.start, first.count, 1_000);
    // Its bodies held, its certificates did not.
    sync.on_failure(&first.peer, first.start, Failure::Broken, at(2));
    let again = ask(&mut sync, 1, 2);
    let again = covering(&again, 2);
    assert_eq!(again.len(), 1);
    assert_ne!(again[0].peer, first.peer);
}

#[test]
fn a_peer_that_leaves_owes_nothing() {
    let mut sync = claims(&[(1, 500), (2, 500)]);
    let asked = ask(&mut sync, 1, 1);
    sync.on_peer_gone(&peer(1));
    let left: BTreeSet<_> = sync.in_flight().iter().map(|request| request.peer).collect();
    assert_eq!(left, [peer(2)].into());
    assert!(asked.iter().any(|request| request.peer == peer(1)));
}

#[test]
fn a_lone_next_block_is_left_to_consensus_for_a_moment() {
    let mut sync = claims(&[(1, 6)]);
    assert_eq!(sync.poll(Height::new(5), at(100)), None);
    assert!(sync.poll(Height::new(5), at(500)).is_some());
    sync.on_peer_gone(&peer(1));
    assert_eq!(sync.poll(Height::new(5), at(5_000)), None);
}

/// Four sources, some of which take questions and never answer.
fn sync_1000_blocks(stallers: u8) -> u64 {
    sync_1000_blocks_from(4, stallers, &[])
}

/// Sources of which the first take questions and never answer; bodies are checked at 40 blocks a
/// second, as one machine does it, in the order in which they came. How long 1000 full blocks take, in ms.
fn sync_1000_blocks_from(sources: u8, stallers: u8, preferred: &[u8]) -> u64 {
    const BLOCK_BYTES: u64 = 340_000;
    const STEP_MS: u64 = 5;
    const CHECK_MS: u64 = 25;
    let mut sync = claims(&(1..=sources).map(|n| (n, 1_000)).collect::<Vec<_>>());
    sync.set_preferred(preferred.iter().map(|n| peer(*n)).collect());
    let (mut tip, mut now) = (0, 0);
    // Answers on their way, by arrival; those being checked; those that wait for earlier ones.
    let mut on_the_way: Vec<(u64, Request)> = Vec::new();
    let mut given_up: Vec<(u64, Request)> = Vec::new();
    let mut checking: Vec<(Request, u64)> = Vec::new();
    let mut early: BTreeMap<u64, u64> = BTreeMap::new();
    while tip < 1_000 {
        now += STEP_MS;
        assert!(now < 600_000, "it does not end: {tip} {:?}", sync.in_flight());
        for request in ask(&mut sync, tip, now) {
            if request.peer <= peer(stallers) {
                given_up.push((now + 15_000, request));
            } else {
                on_the_way.push((now + 50, request));
            }
        }
        for (_, request) in given_up.extract_if(.., |(due, _)| *due <= now) {
            sync.on_failure(&request.peer, request.start, Failure::Broken, at(now));
            sync.on_claim(request.peer, Height::new(1_000), at(now));
        }
        for (_, request) in on_the_way.extract_if(.., |(due, _)| *due <= now) {
            sync.on_received(&request.peer, request.start);
            let count = request.count.min((u64::from(request.bytes) / BLOCK_BYTES).max(1));
            checking.push((Request { count, ..request }, count * CHECK_MS));
        }
        let mut budget = STEP_MS;
        while budget > 0 && !checking.is_empty() {
            let (request, left) = &mut checking[0];
            let spent = budget.min(*left);
            *left -= spent;
            budget -= spent;
            if *left == 0 {
                let (start, count) = (request.start, request.count);
                if sync.on_answer(&request.peer, start, count, count * BLOCK_BYTES) {
                    early.insert(start.get(), count);
                }
                checking.remove(0);
            }
        }
        while let Some((start, count)) = early.pop_first() {
            if start > tip + 1 {
                early.insert(start, count);
                break;
            }
            tip = tip.max(start + count - 1);
            sync.on_connected(Height::new(tip));
        }
        let buffered = early.values().sum::<u64>() * BLOCK_BYTES;
        assert!(
            buffered <= BUFFERED_BYTES_MAX + 16 * u64::from(RANGE_BYTES),
            "{buffered}"
        );
        sync.set_buffered(buffered);
    }
    now
}

#[test]
fn dos_23_one_staller_of_four_costs_at_most_a_fifth() {
    let honest = sync_1000_blocks(0);
    let with_staller = sync_1000_blocks(1);
    println!("1000 full blocks: honest {honest} ms, one of four stalls {with_staller} ms");
    assert!(honest < 27_000, "the checker is never idle: {honest} ms");
    assert!(
        with_staller * 10 <= honest * 12,
        "{with_staller} against {honest}"
    );
    // Three of four leave one honest source: slower, but it ends.
    assert!(sync_1000_blocks(3) < 120_000);
}

/// Whoever connects to us may say that it has everything and give nothing; those that we dialled, and
/// masternodes, it did not choose.
#[test]
fn dos_23_forty_strangers_who_stall_cost_at_most_half_as_much_again() {
    let honest = sync_1000_blocks(0);
    let preferred = [41, 42, 43, 44];
    let among_stallers = sync_1000_blocks_from(44, 40, &preferred);
    let unknown = sync_1000_blocks_from(44, 40, &[]);
    println!(
        "1000 full blocks: 4 honest {honest} ms; beside 40 stallers {among_stallers} ms, {unknown} ms without preference"
    );
    assert!(
        among_stallers * 10 <= honest * 15,
        "{among_stallers} against {honest}"
    );
    assert!(
        unknown * 10 > honest * 15,
        "the stallers are no attack: {unknown}"
    );
}

#[test]
fn preferred_sources_are_asked_first_and_others_when_they_are_few_or_rest() {
    let mut sync = claims(&[(1, 10_000), (2, 10_000), (3, 10_000), (4, 10_000)]);
    sync.set_preferred(BTreeSet::from([peer(3), peer(4)]));
    // Two are not enough: the others get what is left.
    let asked = ask(&mut sync, 0, 1);
    let whom: Vec<PublicKey> = asked.iter().map(|request| request.peer).collect();
    assert!(
        whom[..4].iter().all(|one| *one == peer(3) || *one == peer(4)),
        "{whom:?}"
    );
    assert!(whom.contains(&peer(1)) && whom.contains(&peer(2)));
    // Three are, as long as they answer.
    let mut sync = claims(&[(1, 10_000), (2, 10_000), (3, 10_000), (4, 10_000)]);
    sync.set_preferred(BTreeSet::from([peer(2), peer(3), peer(4)]));
    let asked = ask(&mut sync, 0, 1);
    assert!(asked.iter().all(|request| request.peer != peer(1)));
    let failed = asked.iter().find(|request| request.peer == peer(4)).unwrap();
    sync.on_failure(&failed.peer, failed.start, Failure::Broken, at(2));
    assert!(ask(&mut sync, 0, 2).iter().any(|request| request.peer == peer(1)));
    // A hedge goes to a preferred one that is free, whoever's turn it is.
    let mut sync = claims(&[(1, 100), (2, 100), (3, 100)]);
    sync.set_preferred(BTreeSet::from([peer(3)]));
    let first = ask(&mut sync, 99, 500)[0];
    assert_eq!(first.peer, peer(3));
    let mut sync = claims(&[(1, 100), (2, 100), (3, 100)]);
    assert_eq!(ask(&mut sync, 99, 500)[0].peer, peer(1));
    sync.set_preferred(BTreeSet::from([peer(3)]));
    assert_eq!(ask(&mut sync, 99, 2_500)[0].peer, peer(3));
}
