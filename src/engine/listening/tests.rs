//! When listening begins, how long it lasts, and what ends it.

use super::{ASLEEP_MS, DEAF_MAX_MS};
use crate::{
    chain::Height,
    consensus::Record,
    engine::{
        Effect, Event, SigningHold,
        observer::tests::{World, lost},
    },
};

/// How long the node listens.
const LISTEN_MS: u64 = 2_000;
/// Time between two ticks.
const TICK_MS: u64 = 100;

/// A validator that is awake, signs, and would listen.
fn awake() -> World {
    let mut world = World::new(4, vec![Record::Lost, Record::RaisedTo(Height::GENESIS)]);
    world.engine.config.listen_ms = LISTEN_MS;
    world.step(Event::Tick);
    assert!(!listens(&world));
    world
}

/// One that lost its log and knows from the others up to where it may have signed.
fn observing() -> World {
    let mut world = lost();
    world.engine.config.listen_ms = LISTEN_MS;
    world.connect_others();
    world.tick();
    world.all_answer();
    world
}

fn listens(world: &World) -> bool {
    world.holds().contains(&SigningHold::Listening)
}

fn let_ms_pass(world: &mut World, ms: u64) {
    for _ in 0..ms / TICK_MS {
        world.now_ms += TICK_MS;
        world.step(Event::Tick);
    }
}

fn sleep(world: &mut World) {
    world.now_ms += ASLEEP_MS;
}

#[test]
fn who_was_asleep_listens_before_anything_else() {
    let mut world = awake();
    world.connect_others();
    let_ms_pass(&mut world, 60_000);
    assert!(!listens(&world), "ticks keep it awake");
    // The first thing that it wakes up to is the round's own timer.
    sleep(&mut world);
    world.let_time_pass();
    assert!(listens(&world));
    assert_eq!(world.signed(), []);
    let_ms_pass(&mut world, LISTEN_MS - TICK_MS);
    assert!(listens(&world));
    let_ms_pass(&mut world, TICK_MS);
    assert!(!listens(&world));
}

#[test]
fn only_time_with_a_quorum_counts_but_nobody_waits_for_ever() {
    let mut world = awake();
    sleep(&mut world);
    let_ms_pass(&mut world, LISTEN_MS + 2 * TICK_MS);
    assert!(listens(&world), "nobody was there to be heard");
    let_ms_pass(&mut world, DEAF_MAX_MS - LISTEN_MS - 2 * TICK_MS);
    assert!(listens(&world));
    let_ms_pass(&mut world, TICK_MS);
    assert!(!listens(&world));

    let mut world = awake();
    sleep(&mut world);
    let_ms_pass(&mut world, LISTEN_MS + 2 * TICK_MS);
    world.connect_others();
    let_ms_pass(&mut world, LISTEN_MS - TICK_MS);
    assert!(listens(&world), "the time begins when they are there");
    let_ms_pass(&mut world, 2 * TICK_MS);
    assert!(!listens(&world));
}

#[test]
fn time_that_nobody_looked_at_does_not_count() {
    let mut world = awake();
    world.connect_others();
    sleep(&mut world);
    world.step(Event::Tick);
    for _ in 0..3 {
        world.now_ms += LISTEN_MS;
        world.step(Event::Tick);
    }
    assert!(listens(&world));
}

/// How often it asked so far who else has its key.
fn asked(world: &World) -> u64 {
    let calls = world.effects().iter();
    calls
        .filter(|effect| matches!(effect, Effect::CallForKey))
        .count() as u64
}

#[test]
fn who_listens_asks_again_and_again_who_else_has_the_key() {
    let mut world = awake();
    world.connect_others();
    sleep(&mut world);
    let_ms_pass(&mut world, LISTEN_MS + TICK_MS);
    assert!(!listens(&world));
    let before = asked(&world);
    assert!(before >= LISTEN_MS / 400, "{before}");
    let_ms_pass(&mut world, LISTEN_MS);
    assert_eq!(asked(&world), before, "whoever signs asks no more");
}

#[test]
fn who_was_cut_off_asks_when_it_is_back_and_signs_meanwhile() {
    let mut world = awake();
    world.connect_others();
    let_ms_pass(&mut world, 1_000);
    world.disconnect_others();
    let_ms_pass(&mut world, LISTEN_MS - TICK_MS);
    world.connect_others();
    let_ms_pass(&mut world, LISTEN_MS);
    assert_eq!(asked(&world), 0, "that was short");
    world.disconnect_others();
    let_ms_pass(&mut world, LISTEN_MS + TICK_MS);
    assert_eq!(asked(&world), 0, "there is nobody to ask");
    world.connect_others();
    let_ms_pass(&mut world, 2 * LISTEN_MS);
    let times = asked(&world);
    assert!((4..=6).contains(&times), "{times}");
    assert!(!listens(&world));
}

#[test]
fn who_began_to_sign_deaf_asks_when_there_is_somebody() {
    let mut world = awake();
    sleep(&mut world);
    let_ms_pass(&mut world, DEAF_MAX_MS + TICK_MS);
    assert!(!listens(&world));
    let before = asked(&world);
    world.connect_others();
    let_ms_pass(&mut world, LISTEN_MS);
    assert!(asked(&world) > before);
}

#[test]
fn who_is_without_its_signer_has_not_listened() {
    let mut world = awake();
    world.connect_others();
    sleep(&mut world);
    world.step(Event::Tick);
    world.step(Event::Signing(SigningHold::SignerLost, true));
    let_ms_pass(&mut world, 2 * DEAF_MAX_MS);
    assert!(listens(&world));
    world.step(Event::Signing(SigningHold::SignerLost, false));
    let_ms_pass(&mut world, LISTEN_MS - TICK_MS);
    assert!(listens(&world));
    let_ms_pass(&mut world, 2 * TICK_MS);
    assert!(!listens(&world));
}

#[test]
fn after_an_observation_it_listens_before_it_signs() {
    let mut world = observing();
    world.decide();
    world.decide();
    assert!(!world.holds().contains(&SigningHold::LogMissing));
    assert!(listens(&world));
    let_ms_pass(&mut world, LISTEN_MS + TICK_MS);
    assert_eq!(world.holds().len(), 0);
}

/// Its votes come too late for everybody's certificates, so that nobody passes them on; the next block
/// bears them.
#[test]
fn whoever_signs_elsewhere_is_seen_in_the_certificates_after_an_observation() {
    let mut world = observing();
    world.signs_elsewhere = true;
    world.decide();
    world.decide();
    assert!(
        !world.holds().contains(&SigningHold::Doppelganger),
        "so far it may be what we signed before we lost the log"
    );
    world.decide();
    assert!(world.holds().contains(&SigningHold::Doppelganger));
    world.let_time_pass();
    assert_eq!(world.signed(), []);
}

#[test]
fn a_commit_of_ours_that_only_the_next_block_bears_is_seen() {
    let mut world = observing();
    for _ in 0..3 {
        world.decide();
    }
    assert!(!world.holds().contains(&SigningHold::Doppelganger));
    world.add_own_commit_to_tip();
    world.decide();
    assert!(world.holds().contains(&SigningHold::Doppelganger));
}
