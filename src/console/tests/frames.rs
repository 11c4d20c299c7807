//! Every screen in every size and state, as text and as a map of roles, against the frames that were
//! looked at by eye. After a wanted change: `INSTA_UPDATE=always cargo test --lib console`, then read
//! the difference.

use super::{
    super::{
        fixture,
        key::Key,
        keymap::Screen,
        model::Model,
        update::{Msg, update},
    },
    frame, press, roles, show, text, type_text,
};
use crate::control::{Status, StepState, StopStatus, StopStep};

const SIZES: [(u16, u16); 5] = [(220, 70), (120, 36), (80, 24), (60, 20), (40, 10)];

fn states() -> [(&'static str, Status); 6] {
    [
        ("healthy", fixture::healthy()),
        ("voting", fixture::voting()),
        ("halted", fixture::halted()),
        ("empty", fixture::empty()),
        ("syncing", fixture::syncing()),
        ("starting", fixture::starting()),
    ]
}

fn snapshot(name: &str, model: &Model) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("frames");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        insta::assert_snapshot!(
            name,
            format!("{}\n-- roles --\n{}", text(&frame(model)), roles(model))
        );
    });
}

#[test]
fn screens_look_as_they_were_approved() {
    for (state, status) in states() {
        for size in SIZES {
            for screen in Screen::ALL {
                // The card is one for all screens.
                if size == (40, 10) && screen != Screen::Overview {
                    continue;
                }
                // Where there is room for everything, the state with the most to say is enough.
                if size == (220, 70) && state != "halted" {
                    continue;
                }
                let mut model = fixture::model(status.clone(), size);
                show(&mut model, screen);
                let name = screen.name().to_lowercase();
                snapshot(&format!("{name}_{}x{}_{state}", size.0, size.1), &model);
            }
        }
    }
}

/// What lies over the screens, in the size where it is tightest.
#[test]
fn overlays_look_as_they_were_approved() {
    for size in [(120, 36), (80, 24)] {
        let open = |keys: &[Key]| {
            let mut model = fixture::model(fixture::halted(), size);
            for key in keys {
                press(&mut model, *key);
            }
            model
        };
        let tag = format!("{}x{}", size.0, size.1);
        snapshot(&format!("help_{tag}"), &open(&[Key::Char('2'), Key::Char('?')]));
        snapshot(&format!("leave_{tag}"), &open(&[Key::Char('q')]));
        let mut stop = open(&[Key::Char('q'), Key::Char('s')]);
        type_text(&mut stop, "testn");
        snapshot(&format!("stop_{tag}"), &stop);
        snapshot(
            &format!("validator_{tag}"),
            &open(&[
                Key::Char('2'),
                Key::Char('j'),
                Key::Down,
                Key::Down,
                Key::Down,
                Key::Enter,
            ]),
        );
        snapshot(
            &format!("peer_{tag}"),
            &open(&[Key::Char('3'), Key::Char('j'), Key::Enter]),
        );
        snapshot(
            &format!("disconnect_{tag}"),
            &open(&[Key::Char('3'), Key::Char('j'), Key::Char('D')]),
        );
        snapshot(
            &format!("ban_{tag}"),
            &open(&[Key::Char('3'), Key::Char('j'), Key::Char('B')]),
        );
        let mut palette = open(&[Key::Char(':')]);
        type_text(&mut palette, "s");
        press(&mut palette, Key::Tab);
        snapshot(&format!("palette_{tag}"), &palette);
        snapshot(
            &format!("zoom_{tag}"),
            &open(&[Key::Char('2'), Key::Char('z'), Key::Right]),
        );
        snapshot(&format!("bans_{tag}"), &open(&[Key::Char('3'), Key::Char('b')]));
        snapshot(
            &format!("loglevel_{tag}"),
            &open(&[Key::Char('6'), Key::Char('L')]),
        );
        let mut find = open(&[Key::Char('6'), Key::Char('/')]);
        type_text(&mut find, "timeout");
        press(&mut find, Key::Enter);
        snapshot(&format!("find_{tag}"), &find);
        snapshot(
            &format!("lookback_{tag}"),
            &open(&[Key::Char('2'), Key::Char('['), Key::Char('['), Key::Char('[')]),
        );
        snapshot(&format!("stopping_{tag}"), &stopping(size));
    }
}

fn stopping(size: (u16, u16)) -> Model {
    let mut status = fixture::healthy();
    let step = |name: &str, state, took_ms| StopStep {
        name: name.to_owned(),
        state,
        took_ms,
    };
    status.stop = Some(std::sync::Arc::new(StopStatus {
        started: crate::control::Moment {
            unix_ms: fixture::NOW.unix_ms - 1_400,
            mono_ms: fixture::NOW.mono_ms - 1_400,
        },
        budget_ms: 10_000,
        reason: "operator at the console".to_owned(),
        steps: vec![
            step("close the doors", StepState::Done, Some(3)),
            step("leave the round", StepState::Done, Some(412)),
            step("flush storage", StepState::Running, None),
            step("close sessions", StepState::Waiting, None),
            step("write the last log lines", StepState::Waiting, None),
        ],
    }));
    let mut model = fixture::model(status, size);
    update(&mut model, Msg::Clock(fixture::NOW));
    model
}
