//! The Devnet screen: what its keys ask of the devnet, and what they ask the operator first.

use std::sync::Arc;

use super::{
    super::{
        fixture,
        key::Key,
        keymap::Screen,
        model::{Act, Fate, Model, Overlay},
        update::{Effect, Msg, update},
    },
    frame, press, show, text, type_text,
};
use crate::control::{FleetCommand, LinkWeather};

fn model() -> Model {
    let mut model = fixture::model(fixture::healthy(), (120, 36));
    show(&mut model, Screen::Devnet);
    model
}

fn asked(effects: &[Effect]) -> Vec<FleetCommand> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Fleet(_, command) => Some(command.clone()),
            _ => None,
        })
        .collect()
}

fn keys(model: &mut Model, keys: &str) -> Vec<FleetCommand> {
    let effects: Vec<Effect> = keys
        .chars()
        .flat_map(|key| press(model, Key::Char(key)))
        .collect();
    asked(&effects)
}

#[test]
fn ending_a_node_asks_first_and_says_what_follows() {
    for (key, command, fate) in [
        ('K', FleetCommand::Kill { node: 1 }, Fate::Kill),
        ('X', FleetCommand::Stop { node: 1 }, Fate::Stop),
        ('P', FleetCommand::Pause { node: 1 }, Fate::Pause),
    ] {
        let mut model = model();
        assert!(keys(&mut model, &format!("j{key}")).is_empty());
        assert!(matches!(&model.overlay, Some(Overlay::Dialog(dialog))
            if matches!(dialog.act, Act::Node { node: 1, fate: asked, .. } if asked == fate)));
        assert!(text(&frame(&model)).contains("6 of 7 stay, quorum 5: finality goes on"));
        assert!(
            asked(&press(&mut model, Key::Enter)).is_empty(),
            "Enter lands on Cancel"
        );
        keys(&mut model, &key.to_string());
        assert_eq!(keys(&mut model, "y"), [command]);
    }
}

#[test]
fn the_node_in_this_process_is_left_alone() {
    let mut model = model();
    assert!(keys(&mut model, "KXP").is_empty());
    assert!(model.overlay.is_none());
    assert!(model.toasts.last().unwrap().text.contains("is this process"));
}

#[test]
fn a_frozen_node_goes_on_and_a_dead_one_is_started_without_a_question() {
    let mut model = model();
    assert_eq!(keys(&mut model, "jjP"), [FleetCommand::Resume { node: 2 }]);
    assert_eq!(keys(&mut model, "jr"), [FleetCommand::Start { node: 3 }]);
    assert!(keys(&mut model, "K").is_empty(), "what is dead cannot be killed");
    assert!(model.overlay.is_none());
}

#[test]
fn links_are_cut_slowed_split_and_mended() {
    let mut model = model();
    let cut = |links: &[(u16, u16)], weather| {
        [FleetCommand::Links {
            links: links.to_vec(),
            weather,
        }]
    };
    assert_eq!(
        keys(&mut model, "jc"),
        cut(&[(0, 1), (1, 2), (1, 3)], LinkWeather::Cut)
    );
    assert_eq!(
        keys(&mut model, "w"),
        cut(&[(0, 1), (1, 2), (1, 3)], LinkWeather::Slow)
    );
    // One of the last node's links is only slow by now; once all are cut, the same key mends them.
    let last = [(0, 3), (1, 3), (2, 3)];
    assert_eq!(keys(&mut model, "Gc"), cut(&last, LinkWeather::Cut));
    assert_eq!(keys(&mut model, "c"), cut(&last, LinkWeather::Open));
    assert_eq!(
        keys(&mut model, "v"),
        cut(&[(0, 2), (0, 3), (1, 2), (1, 3)], LinkWeather::Cut)
    );
    let all = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)];
    assert_eq!(keys(&mut model, "u"), cut(&all, LinkWeather::Open));
    press(&mut model, Key::Char(':'));
    type_text(&mut model, "cut node1 node3");
    assert_eq!(
        asked(&press(&mut model, Key::Enter)),
        cut(&[(1, 3)], LinkWeather::Cut)
    );
}

#[test]
fn traffic_goes_up_and_down_in_steps() {
    let mut model = model();
    assert_eq!(keys(&mut model, "+"), [FleetCommand::Traffic { per_s: 10.0 }]);
    // Two presses are two steps, however late the devnet answers.
    assert_eq!(keys(&mut model, "+"), [FleetCommand::Traffic { per_s: 20.0 }]);
    assert_eq!(keys(&mut model, "-"), [FleetCommand::Traffic { per_s: 10.0 }]);
    let mut fleet = fixture::fleet();
    fleet.traffic_per_s = 0.0;
    update(&mut model, Msg::Fleet(Arc::new(fleet)));
    assert!(keys(&mut model, "-").is_empty());
    assert_eq!(keys(&mut model, "+"), [FleetCommand::Traffic { per_s: 1.0 }]);
}

#[test]
fn who_is_away_already_is_not_lost_twice() {
    let mut status = fixture::healthy();
    let consensus = Arc::make_mut(&mut status.consensus);
    consensus.validators[6].name = "node1".to_owned();
    consensus.validators[6].online = false;
    let mut model = fixture::model(status, (120, 36));
    model.fleet = Some(Arc::new(fixture::fleet()));
    model.screen = Screen::Devnet;
    keys(&mut model, "jK");
    let screen = text(&frame(&model));
    assert!(screen.contains("Kill node1?"), "{screen}");
    assert!(
        screen.contains("it is away already: 6 of 7 stay, quorum 5, as now"),
        "{screen}"
    );
}

#[test]
fn the_end_of_the_first_node_is_called_the_end_of_the_devnet() {
    let mut model = model();
    keys(&mut model, "q");
    let screen = text(&frame(&model));
    assert!(screen.contains("✖ the whole devnet stops: 4 nodes"), "{screen}");
    keys(&mut model, "s");
    let screen = text(&frame(&model));
    assert!(screen.contains("✖ the whole devnet stops: 4 nodes"), "{screen}");
}
