//! Missed deadlines are found once each; served ones never.

use std::collections::BTreeSet;

use super::*;
use crate::{
    chain::testing::TestChain,
    consensus::{Machine, MachineConfig, Recovered, Tip, ValidatorSet},
    engine::SyncView,
    mempool::{Mempool, PoolLimits},
};

fn view(at_ms: u64) -> EngineView {
    let chain = TestChain::new(4, 1);
    let validators = ValidatorSet::new(chain.state.validators());
    let tip = Tip {
        height: Height::GENESIS,
        hash: chain.state.tip.hash,
        timestamp: chain.state.tip.timestamp_ms,
        certificate: None,
        decided_at: None,
    };
    let recovered = Recovered::from_records(Vec::new(), Height::GENESIS, |_| None);
    let config = MachineConfig::new(chain.chain_id, chain.params(), None);
    let mut machine = Machine::new(config, tip, validators.clone(), recovered).view();
    machine.work_at = at(100_000);
    EngineView {
        at: at(at_ms),
        tip: Height::GENESIS,
        machine,
        past: Vec::new(),
        validators,
        connected: BTreeSet::new(),
        pool: Mempool::new(PoolLimits::default()).stats(Default::default()),
        sync: SyncView {
            active: false,
            target: Height::GENESIS,
            in_flight: Vec::new(),
            buffered_bytes: 0,
            stalls: 0,
        },
        holds: BTreeSet::new(),
        asks_for_key: false,
        observation: None,
        activated: true,
    }
}

fn at(ms: u64) -> Mono {
    Mono::from_micros(ms * 1_000)
}

fn inspect(memory: &mut Memory, view: &EngineView, now_ms: u64, late_ms: u64) -> Vec<u64> {
    let sight = Sight {
        now: at(now_ms),
        view,
        late_ms,
    };
    memory
        .inspect(sight)
        .iter()
        .map(|missed| missed.late_ms)
        .collect()
}

#[test]
fn a_quiet_engine_has_missed_nothing() {
    assert!(inspect(&mut Memory::default(), &view(9_000), 9_050, 3).is_empty());
}

#[test]
fn a_timer_that_fired_late_is_missed() {
    assert_eq!(inspect(&mut Memory::default(), &view(9_000), 9_050, 251), [251]);
    assert!(inspect(&mut Memory::default(), &view(9_000), 9_050, 250).is_empty());
}

#[test]
fn a_round_that_outlives_its_time_is_missed_once() {
    let mut memory = Memory::default();
    let mut late = view(9_000);
    late.machine.is_armed = true;
    late.machine.is_due = true;
    late.machine.deadline = Some(at(8_000));
    assert_eq!(inspect(&mut memory, &late, 9_050, 0), [1_000]);
    assert!(inspect(&mut memory, &late, 14_050, 0).is_empty(), "the same one");
    late.machine.round = Round::new(1);
    assert_eq!(inspect(&mut memory, &late, 14_050, 0), [1_000]);
    late.machine.round = Round::new(2);
    late.machine.is_syncing = true;
    assert!(
        inspect(&mut memory, &late, 14_050, 0).is_empty(),
        "catching up has no deadlines"
    );
}

#[test]
fn a_block_that_was_due_and_not_begun_is_missed_once() {
    let mut memory = Memory::default();
    let mut late = view(9_000);
    late.machine.work_at = at(8_500);
    assert_eq!(inspect(&mut memory, &late, 9_050, 0), [500]);
    assert!(inspect(&mut memory, &late, 9_050, 0).is_empty());
    late.machine.height = Height::new(2);
    late.machine.is_due = true;
    assert!(inspect(&mut memory, &late, 9_050, 0).is_empty());
}

#[test]
fn an_engine_that_stands_still_misses_its_deadline_once() {
    let mut memory = Memory::default();
    let mut stuck = view(1_000);
    stuck.machine.is_armed = true;
    stuck.machine.is_due = true;
    stuck.machine.deadline = Some(at(1_400));
    assert!(
        inspect(&mut memory, &stuck, 1_500, 0).is_empty(),
        "the view may just be old"
    );
    assert_eq!(inspect(&mut memory, &stuck, 9_000, 0), [7_600]);
    // It goes on and fires the timer at last: that is the one already counted.
    assert!(inspect(&mut memory, &view(12_000), 12_100, 8_000).is_empty());
    assert_eq!(inspect(&mut memory, &view(17_000), 17_100, 400), [400]);
}
