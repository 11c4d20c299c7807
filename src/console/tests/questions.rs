//! Questions before acts: what asks, what agrees, and that nothing acts without being asked.

use std::sync::Arc;

use proptest::prelude::*;

use super::{
    super::{
        Outcome, fixture,
        key::{Input, Key},
        keymap::Screen,
        model::{Act, LeaveButton, Model, Overlay},
        update::{Effect, Msg, update},
    },
    frame, press, text, type_text,
};
use crate::control::{BanTarget, Command, FleetCommand, Reply, ResyncMode, ResyncPlan, StopStatus};

use super::keys::{commands, later, model};

#[test]
fn stopping_needs_the_name_of_the_network() {
    let mut model = model();
    press(&mut model, Key::Char('q'));
    assert!(matches!(model.overlay, Some(Overlay::Leave { .. })));
    press(&mut model, Key::Char('s'));
    assert!(commands(&press(&mut model, Key::Enter)).is_empty());
    press(&mut model, Key::Char('q'));
    press(&mut model, Key::Char('s'));
    assert!(commands(&type_text(&mut model, "mainnet")).is_empty());
    assert!(commands(&press(&mut model, Key::Enter)).is_empty());
    press(&mut model, Key::Ctrl('u'));
    type_text(&mut model, "testnet");
    let effects = press(&mut model, Key::Enter);
    assert!(matches!(commands(&effects)[..], [Command::Stop { .. }]));
}

#[test]
fn pasting_confirms_nothing() {
    let mut model = model();
    press(&mut model, Key::Char('q'));
    press(&mut model, Key::Char('s'));
    update(&mut model, Msg::Input(Input::Paste("testnet\n".to_owned())));
    assert!(commands(&press(&mut model, Key::Enter)).is_empty());
}

#[test]
fn detaching_sends_no_command() {
    let mut model = model();
    press(&mut model, Key::Char('q'));
    assert_eq!(
        press(&mut model, Key::Char('d')),
        [Effect::Exit(Outcome::Detached)]
    );
}

#[test]
fn the_leave_dialog_begins_on_stay() {
    let mut model = model();
    press(&mut model, Key::Char('q'));
    assert!(matches!(
        model.overlay,
        Some(Overlay::Leave {
            focus: LeaveButton::Stay
        })
    ));
    assert!(press(&mut model, Key::Enter).is_empty());
    assert!(model.overlay.is_none());
}

#[test]
fn control_c_asks_then_stops_then_leaves() {
    let mut model = model();
    assert!(press(&mut model, Key::Ctrl('c')).is_empty());
    assert!(model.overlay.is_some());
    later(&mut model, 500);
    let effects = press(&mut model, Key::Ctrl('c'));
    assert!(matches!(commands(&effects)[..], [Command::Stop { .. }]));
    later(&mut model, 500);
    assert_eq!(
        press(&mut model, Key::Ctrl('c')),
        [Effect::Exit(Outcome::ForceExit)]
    );
}

#[test]
fn a_slow_second_control_c_asks_again() {
    let mut model = model();
    press(&mut model, Key::Ctrl('c'));
    later(&mut model, 3_100);
    assert!(press(&mut model, Key::Ctrl('c')).is_empty());
    assert!(model.overlay.is_some());
}

#[test]
fn disconnecting_asks_and_cancel_has_the_focus() {
    let mut model = model();
    press(&mut model, Key::Char('3'));
    press(&mut model, Key::Char('D'));
    assert!(press(&mut model, Key::Enter).is_empty(), "Enter lands on Cancel");
    press(&mut model, Key::Char('D'));
    let effects = press(&mut model, Key::Char('y'));
    assert!(matches!(commands(&effects)[..], [Command::DisconnectPeer { .. }]));
    press(&mut model, Key::Char('D'));
    press(&mut model, Key::Right);
    let effects = press(&mut model, Key::Enter);
    assert!(matches!(commands(&effects)[..], [Command::DisconnectPeer { .. }]));
}

#[test]
fn banning_says_what_follows_and_asks_for_how_long() {
    let mut model = model();
    press(&mut model, Key::Char('3'));
    press(&mut model, Key::Char('j'));
    press(&mut model, Key::Char('B'));
    let drawn = super::text(&super::frame(&model));
    assert!(
        drawn.contains("mn-01 is a validator: 5 of 7 stay reachable,"),
        "{drawn}"
    );
    assert!(
        drawn.contains("quorum is 5. One more loss halts finality."),
        "{drawn}"
    );
    assert!(
        commands(&press(&mut model, Key::Enter)).is_empty(),
        "Enter lands on Cancel"
    );
    press(&mut model, Key::Char('B'));
    press(&mut model, Key::Right);
    let effects = press(&mut model, Key::Char('y'));
    assert_eq!(
        commands(&effects),
        [&Command::BanPeer {
            target: BanTarget::Node(fixture::key(100)),
            seconds: Some(604_800),
            reason: "mn-01: by hand at the console".to_owned(),
        }]
    );
}

#[test]
fn the_reason_of_a_ban_is_written_in_its_question_and_confirms_nothing() {
    let mut model = model();
    for key in [
        Key::Char('3'),
        Key::Char('j'),
        Key::Char('B'),
        Key::BackTab,
        Key::Ctrl('u'),
    ] {
        press(&mut model, key);
    }
    assert!(
        type_text(&mut model, "spam, yes").is_empty(),
        "y is a letter here"
    );
    assert!(text(&frame(&model)).contains("reason  spam, yes▏"));
    assert!(
        press(&mut model, Key::Enter).is_empty(),
        "Enter goes on to the button"
    );
    let effects = press(&mut model, Key::Enter);
    assert!(
        matches!(&commands(&effects)[..], [Command::BanPeer { reason, .. }] if reason == "mn-01: spam, yes"),
        "{effects:?}"
    );
}

#[test]
fn a_ban_is_lifted_from_its_list() {
    let mut model = model();
    press(&mut model, Key::Char('3'));
    press(&mut model, Key::Char('b'));
    press(&mut model, Key::Char('j'));
    press(&mut model, Key::Char('U'));
    let effects = press(&mut model, Key::Char('y'));
    let target: BanTarget = "192.0.2.7".parse().unwrap();
    assert_eq!(commands(&effects), [&Command::UnbanPeer { target }]);
    // The cursor is on no peer, so keys for one do nothing to any.
    for key in [Key::Char('B'), Key::Char('D'), Key::Enter] {
        model.toasts.clear();
        assert!(press(&mut model, key).is_empty());
        assert!(model.overlay.is_none() && model.peers.in_bans);
        assert_eq!(model.toasts[0].text, "b goes back to the peers");
    }
    press(&mut model, Key::Esc);
    assert!(!model.peers.in_bans);
}

#[test]
fn lifting_all_bans_needs_the_name_of_the_network() {
    let mut model = model();
    press(&mut model, Key::Char(':'));
    type_text(&mut model, "unban all");
    press(&mut model, Key::Enter);
    assert!(commands(&type_text(&mut model, "yes")).is_empty());
    assert!(commands(&press(&mut model, Key::Enter)).is_empty());
    press(&mut model, Key::Ctrl('u'));
    type_text(&mut model, "testnet");
    let effects = press(&mut model, Key::Enter);
    assert_eq!(commands(&effects), [&Command::ClearBans]);
}

#[test]
fn a_resync_needs_its_plan_and_the_name_of_the_network() {
    let mut model = model();
    let effects = press(&mut model, Key::Char('R'));
    let [
        Effect::Command(
            id,
            Command::PlanResync {
                mode: ResyncMode::Reindex,
            },
        ),
    ] = effects[..]
    else {
        panic!("{effects:?}");
    };
    type_text(&mut model, "testnet");
    assert!(
        commands(&press(&mut model, Key::Enter)).is_empty(),
        "nobody knows yet what it would do"
    );
    let mut plan = ResyncPlan {
        mode: ResyncMode::Reindex,
        network: "testnet".to_owned(),
        height: 1_284_117,
        db_bytes: 11_200_000_000,
        free_bytes: Some(41_000_000_000),
        needed_bytes: 12_000_000_000,
        votes_stop_ms: Some(3_120_000),
        obstacle: Some("the disk is too small; free 3 GB".to_owned()),
        consequences: vec!["The node stops voting.".to_owned()],
    };
    let came = |plan: &ResyncPlan| Msg::Answer(id, Ok(Reply::Plan(Box::new(plan.clone()))));
    update(&mut model, came(&plan));
    let drawn = super::text(&super::frame(&model));
    assert!(drawn.contains("✖ the disk is too small; free 3 GB"), "{drawn}");
    assert!(
        commands(&press(&mut model, Key::Enter)).is_empty(),
        "an obstacle is no detail"
    );
    plan.obstacle = None;
    update(&mut model, came(&plan));
    let drawn = super::text(&super::frame(&model));
    assert!(drawn.contains("votes stop for about 52 m 00 s"), "{drawn}");
    let effects = press(&mut model, Key::Enter);
    assert_eq!(
        commands(&effects),
        [&Command::Resync {
            mode: ResyncMode::Reindex
        }]
    );
}

#[test]
fn the_log_level_is_chosen_and_confirmed() {
    let mut model = model();
    press(&mut model, Key::Char('6'));
    press(&mut model, Key::Char('L'));
    press(&mut model, Key::Right);
    let effects = press(&mut model, Key::Char('y'));
    assert_eq!(
        commands(&effects),
        [&Command::SetLogFilter {
            filter: "debug".to_owned()
        }]
    );
}

#[test]
fn keys_wait_while_the_node_stops() {
    let mut model = model();
    let mut status = fixture::healthy();
    status.revision = 2;
    status.stop = Some(Arc::new(StopStatus {
        started: fixture::NOW,
        budget_ms: 10_000,
        reason: "SIGTERM".to_owned(),
        steps: Vec::new(),
    }));
    update(&mut model, Msg::Status(Arc::new(status)));
    for key in [Key::Char('q'), Key::Char('D'), Key::Char('3')] {
        assert!(press(&mut model, key).is_empty());
    }
    assert_eq!(model.screen, Screen::Overview);
}

static START: std::sync::LazyLock<Model> = std::sync::LazyLock::new(|| {
    let mut model = model();
    model.fleet = Some(Arc::new(fixture::fleet()));
    model
});

fn any_key() -> impl Strategy<Value = Key> {
    prop_oneof![
        6 => proptest::sample::select("1234567jkhlgGpaytfsS/nN&TewidtWL?q[]{}BDRUKXPrcvu+-xyzm: n".chars().collect::<Vec<_>>())
            .prop_map(Key::Char),
        1 => any::<char>().prop_map(Key::Char),
        1 => proptest::sample::select(vec!['c', 'z', 'l', 'u', 'd', 'w', 'a', 'e', 'k']).prop_map(Key::Ctrl),
        4 => proptest::sample::select(vec![
            Key::Enter, Key::Esc, Key::Tab, Key::BackTab, Key::Backspace, Key::Delete, Key::Up, Key::Down,
            Key::Left, Key::Right, Key::Home, Key::End, Key::PageUp, Key::PageDown,
        ]),
    ]
}

/// Whether a command came by its own way: over its question, and for tier 2 with the network's name.
fn was_asked_for(
    command: &Command,
    before: &Option<Overlay>,
    key: Key,
    in_palette: bool,
    interrupted: bool,
) -> bool {
    let asked = match before {
        Some(Overlay::Dialog(dialog)) => Some((&dialog.act, dialog.typed.value())),
        _ => None,
    };
    let enter = key == Key::Enter;
    match command {
        Command::AckAlarms => key == Key::Char('a') || (enter && in_palette),
        Command::Stop { .. } => {
            enter
                && (asked == Some((&Act::Stop, "testnet"))
                    || matches!(before, Some(Overlay::StopWaits { .. })))
                || (key == Key::Ctrl('c') && interrupted)
        }
        Command::DisconnectPeer { .. } => matches!(asked, Some((Act::Disconnect { .. }, _))),
        Command::SetLogFilter { .. } => {
            matches!(asked, Some((Act::LogFilter { .. } | Act::LogRule { .. }, _)))
        }
        Command::AddPeer { .. } | Command::RemovePeer { .. } => {
            matches!(asked, Some((Act::Dial { .. }, _)))
        }
        Command::BanPeer { .. } => matches!(asked, Some((Act::Ban { .. }, _))),
        Command::UnbanPeer { .. } => matches!(asked, Some((Act::Unban { .. }, _))),
        Command::ClearBans => enter && asked == Some((&Act::UnbanAll, "testnet")),
        // Changes nothing.
        Command::PlanResync { .. } => true,
        Command::Resync { .. } => enter && matches!(asked, Some((Act::Resync { .. }, "testnet"))),
        Command::CancelResync => matches!(asked, Some((Act::CancelResync, _))),
        // The console sends no money.
        Command::SubmitTransaction { .. } | Command::SubmitTransactions { .. } => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    /// Any keys at all: no panic, no act without its question, and Esc leads home.
    #[test]
    fn no_keys_act_without_their_question(
        keys in proptest::collection::vec(any_key(), 0..40),
        read_only: bool,
    ) {
        let mut model = START.clone();
        model.session.read_only = read_only;
        for key in keys {
            let before = model.overlay.clone();
            let in_palette = model.prompt.is_some();
            let interrupted = model.interrupted_ms;
            let effects = press(&mut model, key);
            for effect in &effects {
                if let Effect::Fleet(
                    _,
                    FleetCommand::Stop { .. } | FleetCommand::Kill { .. } | FleetCommand::Pause { .. },
                ) = effect
                {
                    let asked = matches!(&before, Some(Overlay::Dialog(dialog))
                        if matches!(dialog.act, Act::Node { .. }));
                    prop_assert!(asked, "{effect:?} over {before:?}");
                }
            }
            for command in commands(&effects) {
                prop_assert!(!read_only, "{command:?} on a socket that is read only");
                let allowed = was_asked_for(command, &before, key, in_palette, interrupted.is_some());
                prop_assert!(allowed, "{command:?} by {key:?} over {before:?}");
            }
            // What the operator selected is always something that is there.
            if let Some(id) = model.peers.selected {
                prop_assert!(model.live.status.peers.rows.iter().any(|row| row.id == id));
            }
        }
        for _ in 0..5 {
            press(&mut model, Key::Esc);
        }
        prop_assert!(model.overlay.is_none() && model.prompt.is_none() && model.zoom.is_none());
    }
}

#[test]
fn a_question_that_is_not_seen_whole_is_not_agreed_to() {
    let mut model = model();
    press(&mut model, Key::Char('3'));
    press(&mut model, Key::Char('D'));
    update(&mut model, Msg::Resize(30, 6));
    assert!(press(&mut model, Key::Char('y')).is_empty());
    press(&mut model, Key::Right);
    assert!(press(&mut model, Key::Enter).is_empty());
    assert!(model.overlay.is_some(), "it stays open");
    assert!(
        model
            .toasts
            .iter()
            .any(|toast| toast.text.starts_with("enlarge the terminal"))
    );
    for size in [(60, 20), (80, 24)] {
        let mut model = model.clone();
        update(&mut model, Msg::Resize(size.0, size.1));
        let effects = press(&mut model, Key::Char('y'));
        assert!(matches!(commands(&effects)[..], [Command::DisconnectPeer { .. }]));
    }
}
