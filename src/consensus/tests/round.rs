//! Laws of the transition table, over every walk through it.

use std::collections::BTreeSet;

use crate::{
    chain::BlockHash,
    consensus::{Input, Output, Phase, Round, RoundState},
};

fn inputs() -> Vec<Input> {
    let digests = [BlockHash::from_bytes([1; 32]), BlockHash::from_bytes([2; 32])];
    let mut all = vec![Input::Due, Input::Committed];
    for round in (0..3).map(Round::new) {
        for digest in digests {
            all.push(Input::Proposal { round, digest });
            all.push(Input::Prepared { round, digest });
        }
        all.push(Input::TimedOut { round });
        all.push(Input::Ahead { round });
        all.push(Input::Gathered { round });
        all.push(Input::LeaderLost { round });
    }
    all
}

/// What happened on a walk: the round of the last PREPARE and COMMIT.
type Walked = (Option<Round>, Option<Round>);

#[test]
fn every_walk_keeps_the_laws() {
    let inputs = inputs();
    let mut seen = BTreeSet::new();
    let mut open: Vec<(RoundState, Walked)> = vec![(RoundState::new(), (None, None))];
    while let Some((state, (prepared, committed))) = open.pop() {
        if !seen.insert(format!("{state:?}{prepared:?}{committed:?}")) || state.round > Round::new(3) {
            continue;
        }
        for input in &inputs {
            let mut next = state;
            let output = next.apply(*input);
            assert!(
                next.round >= state.round,
                "rounds never fall: {state:?} {input:?}"
            );
            assert_eq!(
                next.accepted.is_some(),
                matches!(next.phase, Phase::Prepare | Phase::Commit) || {
                    next.phase == Phase::Finalized && state.accepted.is_some()
                }
            );
            if state.phase == Phase::Finalized {
                assert_eq!((output, next), (Output::Nothing, state), "final is final");
            }
            let mut walked = (prepared, committed);
            match output {
                Output::Nothing => assert_eq!(next, state, "{input:?}"),
                Output::Arm => assert!(!state.armed && next.armed),
                Output::Prepare => {
                    assert!(
                        prepared.is_none_or(|round| round < next.round),
                        "one PREPARE a round"
                    );
                    assert!(next.armed);
                    walked.0 = Some(next.round);
                }
                Output::Commit => {
                    assert!(
                        committed.is_none_or(|round| round < next.round),
                        "one COMMIT a round"
                    );
                    assert_eq!(prepared, Some(next.round), "never without a PREPARE");
                    walked.1 = Some(next.round);
                }
                Output::ChangeView => {
                    assert!(next.round > state.round && !next.armed && next.accepted.is_none());
                }
                Output::Decide => assert_eq!(next.phase, Phase::Finalized),
            }
            open.push((next, walked));
        }
    }
    assert!(seen.len() > 40, "{}", seen.len());
}

#[test]
fn the_last_round_is_not_left() {
    let mut state = RoundState {
        round: Round::MAX,
        armed: true,
        ..RoundState::new()
    };
    assert_eq!(
        state.apply(Input::TimedOut { round: Round::MAX }),
        Output::Nothing
    );
    assert_eq!(state.round, Round::MAX);
}
