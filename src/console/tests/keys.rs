//! What keys mean, and what they look at; those that ask before they act are in questions.rs.

use std::sync::Arc;

use super::{
    super::{
        fixture,
        key::Key,
        keymap::{Action, KEYMAP, Scope, Screen, lookup},
        model::Model,
        theme::{Depth, ThemeName},
        update::{Effect, Msg, update},
    },
    frame, press, text, type_text,
};
use crate::control::{Batch, Command, CommandError, LogLevel, Moment, Reply};

pub(super) fn model() -> Model {
    fixture::model(fixture::voting(), (120, 36))
}

pub(super) fn commands(effects: &[Effect]) -> Vec<&Command> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Command(_, command) => Some(command),
            Effect::Fleet(..)
            | Effect::Copy(_)
            | Effect::Notify(_)
            | Effect::Export
            | Effect::Mouse(_)
            | Effect::Suspend
            | Effect::Replay(_)
            | Effect::OpenReplay { .. }
            | Effect::Exit(_) => None,
        })
        .collect()
}

pub(super) fn later(model: &mut Model, ms: u64) {
    let now = model.live.now;
    update(
        model,
        Msg::Clock(Moment {
            unix_ms: now.unix_ms + ms,
            mono_ms: now.mono_ms + ms,
        }),
    );
}

#[test]
fn no_key_means_two_things_on_one_screen() {
    for screen in Screen::ALL {
        let mut seen = Vec::new();
        for binding in KEYMAP {
            // A screen's own binding hides one that holds everywhere; two of a kind would be a slip.
            if binding.scope.holds(screen) {
                for key in binding.keys {
                    let kind = binding.scope == Scope::All;
                    assert!(
                        !seen.contains(&(*key, kind)),
                        "{key:?} is bound twice on {}",
                        screen.name()
                    );
                    seen.push((*key, kind));
                }
            }
        }
    }
}

#[test]
fn every_binding_is_reached_by_its_key() {
    for binding in KEYMAP {
        let reached = Screen::ALL
            .into_iter()
            .any(|screen| lookup(screen, binding.keys[0]) == Some(binding.action));
        assert!(reached, "{} is never reached", binding.label);
    }
}

#[test]
fn every_screen_with_a_tab_has_a_number() {
    for (at, screen) in Screen::ALL.into_iter().enumerate() {
        let digit = char::from_digit(at as u32 + 1, 10).unwrap();
        assert_eq!(
            lookup(Screen::Overview, Key::Char(digit)),
            Some(Action::Screen(screen))
        );
    }
}

#[test]
fn escape_never_leaves_the_console() {
    let mut model = model();
    for _ in 0..10 {
        assert!(press(&mut model, Key::Esc).is_empty());
    }
}

#[test]
fn control_z_says_what_to_do_instead() {
    let mut model = model();
    assert!(press(&mut model, Key::Ctrl('z')).is_empty());
    assert!(model.toasts[0].text.contains("detach"));
}

#[test]
fn alarms_are_acknowledged_once_and_answers_become_toasts() {
    let mut model = model();
    let effects = press(&mut model, Key::Char('a'));
    let [Effect::Command(id, Command::AckAlarms)] = effects[..] else {
        panic!("{effects:?}");
    };
    update(&mut model, Msg::Answer(id, Ok(Reply::Done)));
    assert_eq!(model.toasts[0].text, "alarms acknowledged");
    update(&mut model, Msg::Answer(99, Err(CommandError::Busy)));
    assert!(model.toasts[1].text.contains("busy"));
    later(&mut model, 4_100);
    assert_eq!(model.toasts.len(), 1, "a refusal stays until it has been read");
    later(&mut model, 6_000);
    assert!(model.toasts.is_empty());
}

#[test]
fn a_paused_view_stands_still_while_the_node_goes_on() {
    let mut model = model();
    press(&mut model, Key::Char('p'));
    let mut next = fixture::healthy();
    next.revision = 2;
    Arc::make_mut(&mut next.chain).height += 3;
    update(&mut model, Msg::Status(Arc::new(next)));
    assert_eq!(model.shown().status.chain.height, 1_284_117);
    assert_eq!(model.live.status.chain.height, 1_284_120);
    press(&mut model, Key::Char(' '));
    assert_eq!(model.shown().status.chain.height, 1_284_120);
}

#[test]
fn a_selection_follows_the_validator_not_the_row() {
    let mut model = model();
    press(&mut model, Key::Char('2'));
    press(&mut model, Key::Char('j'));
    press(&mut model, Key::Char('j'));
    let chosen = model.votes.selected;
    assert_eq!(chosen, Some(fixture::key(1)));
    press(&mut model, Key::Char('S'));
    press(&mut model, Key::Char('s'));
    assert_eq!(model.votes.selected, chosen);
}

#[test]
fn looking_back_walks_the_heights_and_escape_returns_to_now() {
    let mut model = fixture::model(fixture::halted(), (120, 36));
    press(&mut model, Key::Char('2'));
    press(&mut model, Key::Char('['));
    assert_eq!(model.votes.height, Some(1_284_117));
    press(&mut model, Key::Char('['));
    press(&mut model, Key::Char('['));
    assert_eq!(model.votes.height, Some(1_284_115));
    press(&mut model, Key::Char('['));
    assert_eq!(model.votes.height, Some(1_284_115), "nothing older is remembered");
    press(&mut model, Key::Char('{'));
    assert_eq!(model.votes.round, Some(0));
    press(&mut model, Key::Esc);
    assert_eq!((model.votes.height, model.votes.round), (None, None));
}

#[test]
fn a_height_that_is_forgotten_is_let_go_of_and_that_is_told() {
    let mut model = fixture::model(fixture::healthy(), (120, 36));
    press(&mut model, Key::Char('2'));
    press(&mut model, Key::Char('['));
    let height = model.votes.height.unwrap();
    let mut later = fixture::healthy();
    let consensus = Arc::make_mut(&mut later.consensus);
    consensus.previous.retain(|trace| trace.height != height);
    update(&mut model, Msg::Status(Arc::new(later)));
    assert_eq!(model.votes.height, None);
    let told = &model.toasts.last().unwrap().text;
    assert!(
        told.ends_with("is no longer remembered; r looks in the recording"),
        "{told}"
    );
}

#[test]
fn looking_back_says_nothing_of_what_holds_now() {
    let mut model = fixture::model(fixture::halted(), (80, 24));
    press(&mut model, Key::Char('2'));
    let now = text(&frame(&model));
    assert!(now.contains("waiting for mn-04"), "{now}");
    press(&mut model, Key::Char('['));
    let past = text(&frame(&model));
    assert!(past.contains("looking back"), "{past}");
    let body: String = past.lines().skip(3).collect();
    assert!(
        !body.contains("waiting for") && !body.contains("offline"),
        "{past}"
    );
}

#[test]
fn what_is_typed_and_what_is_lost_is_seen_on_the_smallest_card() {
    let mut model = fixture::model(fixture::healthy(), (40, 10));
    press(&mut model, Key::Char(':'));
    type_text(&mut model, "the");
    let card = text(&frame(&model));
    assert!(card.lines().last().unwrap().contains(":the"), "{card}");
    assert!(card.contains("theme NAME"), "{card}");
    press(&mut model, Key::Esc);
    press(&mut model, Key::Char('3'));
    let peers = text(&frame(&model));
    assert!(peers.contains("mn-01") && peers.contains("1-6 view"), "{peers}");
    press(&mut model, Key::Char('a'));
    let told = text(&frame(&model));
    assert!(told.contains("no alarm to acknowledge"), "{told}");
}

#[test]
fn logs_narrow_find_and_follow() {
    let mut model = model();
    press(&mut model, Key::Char('6'));
    press(&mut model, Key::Char('w'));
    assert_eq!(model.log.level, LogLevel::Warn);
    press(&mut model, Key::Char('t'));
    press(&mut model, Key::Char('/'));
    type_text(&mut model, "rate limit");
    press(&mut model, Key::Enter);
    let newest = model.log.selected.unwrap();
    press(&mut model, Key::Char('N'));
    let older = model.log.selected.unwrap();
    assert!(older < newest);
    press(&mut model, Key::Char('n'));
    assert_eq!(model.log.selected, Some(newest));
    press(&mut model, Key::Char('f'));
    assert_eq!(model.log.selected, None);
    press(&mut model, Key::Char('&'));
    type_text(&mut model, "!ping");
    press(&mut model, Key::Enter);
    let shown = model
        .live
        .logs
        .iter()
        .filter(|line| model.log.shows(line))
        .count();
    assert_eq!(shown, 42, "six of 48 lines are pings");
}

#[test]
fn themes_cycle_within_what_the_terminal_shows() {
    let mut model = model();
    for want in [ThemeName::Day, ThemeName::Ansi, ThemeName::Mono, ThemeName::Night] {
        press(&mut model, Key::Char('t'));
        assert_eq!(model.theme, want);
    }
    model.depth = Depth::None;
    press(&mut model, Key::Char('t'));
    assert_eq!(model.theme, ThemeName::Night, "no colours, no cycling");
}

#[test]
fn copying_strips_what_could_steer_a_terminal() {
    let mut model = model();
    press(&mut model, Key::Char('6'));
    let evil = fixture::line(
        100,
        LogLevel::Info,
        "network",
        "\u{1b}]52;c;AAAA\u{7}",
        "x=\u{9b}31m",
    );
    update(
        &mut model,
        Msg::Logs(Batch {
            items: vec![evil],
            missed: 0,
            next: 101,
        }),
    );
    let effects = press(&mut model, Key::Char('y'));
    let [Effect::Copy(text)] = &effects[..] else {
        panic!("{effects:?}");
    };
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

#[test]
fn the_line_of_the_log_that_is_marked_is_the_one_that_is_copied() {
    let mut model = model();
    press(&mut model, Key::Char('6'));
    let at = model.live.logs.len() / 2;
    let gone = model.live.logs.remove(at).unwrap();
    model.log.selected = Some(gone.seq);
    let drawn = text(&frame(&model));
    let marked = drawn
        .lines()
        .find(|line| line.contains('▌') && !line.contains('▐'))
        .unwrap();
    let before = model.live.logs[at - 1].message.clone();
    assert!(marked.contains(&before), "{marked}");
    let effects = press(&mut model, Key::Char('y'));
    let copied = effects.iter().find_map(|effect| match effect {
        Effect::Copy(text) => Some(text),
        _ => None,
    });
    assert!(copied.is_some_and(|text| text.contains(&before)), "{copied:?}");
}
