//! What the palette, the zoom, the mouse and an export do.

use std::sync::Arc;

use ratatui::layout::Rect;

use super::{
    super::{
        Outcome, fixture,
        key::{Input, Key, Mouse},
        keymap::Screen,
        model::{Act, Model, Overlay, Spot},
        theme::{Depth, Theme, ThemeName},
        update::{Effect, Msg, STOP_WAITS_MS, update},
        view,
    },
    frame, press, show, text, type_text,
};
use crate::control::{Command, Moment};

fn model() -> Model {
    fixture::model(fixture::voting(), (120, 36))
}

fn command(model: &mut Model, line: &str) -> Vec<Effect> {
    press(model, Key::Char(':'));
    type_text(model, line);
    press(model, Key::Enter)
}

#[test]
fn every_screen_is_a_command() {
    let mut model = model();
    command(&mut model, "devnet");
    assert_eq!(model.screen, Screen::Overview, "a node alone has no devnet");
    model.fleet = Some(Arc::new(fixture::fleet()));
    for screen in Screen::ALL {
        assert!(command(&mut model, &screen.name().to_lowercase()).is_empty());
        assert_eq!(model.screen, screen);
    }
    // A beginning that is the only one of its kind is enough.
    command(&mut model, "mem");
    assert_eq!(model.screen, Screen::Mempool);
}

#[test]
fn commands_that_change_the_node_open_the_same_dialogs_as_keys() {
    let mut model = model();
    assert!(command(&mut model, "disconnect mn-02").is_empty());
    assert!(matches!(&model.overlay, Some(Overlay::Dialog(dialog))
        if matches!(&dialog.act, Act::Disconnect { name, .. } if name == "mn-02")));
    press(&mut model, Key::Esc);
    assert!(command(&mut model, "ban 198.51.100.0/24 7d bad blocks").is_empty());
    assert!(matches!(&model.overlay, Some(Overlay::Dialog(dialog))
        if matches!(&dialog.act, Act::Ban { choice: 2, reason, .. } if reason == "bad blocks")));
    press(&mut model, Key::Esc);
    assert!(command(&mut model, "level debug").is_empty());
    assert!(matches!(&model.overlay, Some(Overlay::Dialog(dialog))
        if dialog.act == Act::LogFilter { choice: 3 }));
    press(&mut model, Key::Esc);
    assert!(command(&mut model, "level info,timecoin::consensus=debug").is_empty());
    assert!(matches!(&model.overlay, Some(Overlay::Dialog(dialog))
        if matches!(&dialog.act, Act::LogRule { filter } if filter == "info,timecoin::consensus=debug")));
    press(&mut model, Key::Esc);
    for (line, added) in [
        ("add 203.0.113.7:24100", true),
        ("remove 203.0.113.7:24100", false),
    ] {
        assert!(command(&mut model, line).is_empty());
        assert!(matches!(&model.overlay, Some(Overlay::Dialog(dialog))
            if matches!(&dialog.act, Act::Dial { address, add }
                if address == "203.0.113.7:24100" && *add == added)));
        press(&mut model, Key::Esc);
    }
    assert!(command(&mut model, "stop").is_empty());
    assert!(matches!(&model.overlay, Some(Overlay::Dialog(dialog)) if dialog.act == Act::Stop));
    press(&mut model, Key::Esc);
    assert_eq!(command(&mut model, "detach"), [Effect::Exit(Outcome::Detached)]);
}

#[test]
fn tab_completes_and_arrows_repeat() {
    let mut model = model();
    press(&mut model, Key::Char(':'));
    type_text(&mut model, "the");
    press(&mut model, Key::Tab);
    type_text(&mut model, " d");
    press(&mut model, Key::Tab);
    assert_eq!(model.prompt.as_ref().unwrap().input.value(), "theme day");
    press(&mut model, Key::Enter);
    assert_eq!(model.theme, ThemeName::Day);
    command(&mut model, "peers");
    press(&mut model, Key::Char(':'));
    press(&mut model, Key::Up);
    press(&mut model, Key::Up);
    assert_eq!(model.prompt.as_ref().unwrap().input.value(), "theme day");
    press(&mut model, Key::Down);
    assert_eq!(model.prompt.as_ref().unwrap().input.value(), "peers");
    press(&mut model, Key::Esc);
    assert!(model.prompt.is_none());
}

#[test]
fn a_slip_is_told_and_does_nothing() {
    let mut model = model();
    for (line, word) in [
        ("frobnicate", "no command is called frobnicate"),
        (
            "goto 12",
            "height 12 is not remembered; 1 284 115 to 1 284 118 are",
        ),
        ("theme pink", "no theme pink"),
        ("disconnect nobody", "no peer nobody"),
    ] {
        assert!(command(&mut model, line).is_empty());
        assert!(
            model.toasts.last().unwrap().text.contains(word),
            "{line}: {:?}",
            model.toasts
        );
        assert!(model.overlay.is_none());
    }
    command(&mut model, "goto 1 284 115");
    assert_eq!(
        (model.screen, model.votes.height),
        (Screen::Consensus, Some(1_284_115))
    );
}

#[test]
fn every_panel_can_have_the_whole_screen() {
    for size in [(120, 36), (60, 20)] {
        for screen in Screen::ALL {
            let mut model = fixture::model(fixture::voting(), size);
            show(&mut model, screen);
            press(&mut model, Key::Char('z'));
            let mut seen = Vec::new();
            for _ in 0..screen.panels() {
                let drawn = text(&frame(&model));
                let body: Vec<&str> = drawn.lines().skip(2).collect();
                assert!(drawn.contains("z back"), "{drawn}");
                assert!(!seen.contains(&body.join("\n")), "twice the same: {drawn}");
                seen.push(body.join("\n"));
                press(&mut model, Key::Right);
            }
            press(&mut model, Key::Esc);
            assert!(!text(&frame(&model)).contains("z back"));
        }
    }
}

fn spots(model: &mut Model) -> Vec<(Rect, Spot)> {
    let mut buffer = ratatui::buffer::Buffer::empty(Rect::new(0, 0, model.size.0, model.size.1));
    let theme = Theme::new(ThemeName::Night, Depth::TrueColour);
    let look = view::Look {
        theme: &theme,
        ascii: false,
    };
    model.spots = view::draw(model, &look, &mut buffer).spots;
    model.spots.clone()
}

fn click(model: &mut Model, area: Rect) {
    let mouse = Input::Mouse(Mouse::Press, area.x + area.width / 2, area.y);
    assert!(update(model, Msg::Input(mouse)).is_empty());
}

#[test]
fn clicks_open_tabs_and_select_rows() {
    let mut model = model();
    model.fleet = Some(Arc::new(fixture::fleet()));
    assert_eq!(press(&mut model, Key::Char('m')), [Effect::Mouse(true)]);
    for screen in Screen::ALL {
        let all = spots(&mut model);
        let (area, _) = all
            .iter()
            .find(|(_, spot)| *spot == Spot::Screen(screen))
            .unwrap();
        click(&mut model, *area);
        assert_eq!(model.screen, screen);
    }
    press(&mut model, Key::Char('3'));
    let row = spots(&mut model)
        .into_iter()
        .filter(|(_, spot)| matches!(spot, Spot::Pick(_)))
        .nth(2)
        .unwrap()
        .0;
    click(&mut model, row);
    assert!(model.peers.selected.is_some() && model.overlay.is_none());
    spots(&mut model);
    click(&mut model, row);
    assert!(matches!(model.overlay, Some(Overlay::Peer(id)) if Some(id) == model.peers.selected));
    // Over an open question a click does nothing at all.
    press(&mut model, Key::Esc);
    press(&mut model, Key::Char('D'));
    let before = format!("{:?}", model.overlay);
    click(&mut model, row);
    assert_eq!(format!("{:?}", model.overlay), before);
    assert_eq!(press(&mut model, Key::Esc), []);
    assert_eq!(press(&mut model, Key::Char('m')), [Effect::Mouse(false)]);
}

#[test]
fn an_export_holds_the_screen_and_the_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let mut status = fixture::voting();
    Arc::make_mut(&mut status.node).data_dir = dir.path().to_owned();
    let mut model = fixture::model(status, (120, 36));
    assert_eq!(press(&mut model, Key::Char('x')), [Effect::Export]);
    let drawn = text(&frame(&model));
    let path = super::super::export::write(&model, &drawn).unwrap();
    assert_eq!(
        path.file_name().unwrap().to_str().unwrap(),
        "20261120-142207-300-overview.txt"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), drawn);
    let json = std::fs::read_to_string(path.with_extension("json")).unwrap();
    let back: crate::control::Status = serde_json::from_str(&json).unwrap();
    assert_eq!(back.chain.height, 1_284_117);
    update(&mut model, Msg::Exported(Ok(path)));
    assert!(model.toasts.last().unwrap().text.starts_with("written: "));
}

fn leading(in_heights: u64) -> crate::control::Status {
    let mut status = fixture::healthy();
    status.revision += in_heights + 1;
    Arc::make_mut(&mut status.consensus).we_lead_in = Some(in_heights);
    status
}

fn is_stop(effects: &[Effect]) -> bool {
    matches!(effects, [Effect::Command(_, Command::Stop { .. })])
}

#[test]
fn a_stop_waits_until_nobody_waits_for_our_proposal() {
    let mut model = fixture::model(leading(1), (80, 24));
    press(&mut model, Key::Char('q'));
    press(&mut model, Key::Char('s'));
    type_text(&mut model, "testnet");
    assert!(press(&mut model, Key::Enter).is_empty());
    assert!(text(&frame(&model)).contains("Stopping at a safe moment"));
    let effects = update(&mut model, Msg::Status(Arc::new(leading(0))));
    assert!(effects.is_empty());
    let effects = update(&mut model, Msg::Status(Arc::new(leading(6))));
    assert!(is_stop(&effects), "{effects:?}");
}

#[test]
fn a_stop_that_waits_can_be_hurried_called_off_and_never_waits_for_ever() {
    let waiting = || {
        let mut model = fixture::model(leading(0), (80, 24));
        command(&mut model, "stop");
        type_text(&mut model, "testnet");
        press(&mut model, Key::Enter);
        assert!(matches!(model.overlay, Some(Overlay::StopWaits { .. })));
        model
    };
    assert!(is_stop(&press(&mut waiting(), Key::Enter)));
    let mut called_off = waiting();
    assert!(press(&mut called_off, Key::Esc).is_empty());
    assert!(called_off.overlay.is_none());
    let mut late = waiting();
    let now = late.live.now;
    let effects = update(
        &mut late,
        Msg::Clock(Moment {
            unix_ms: now.unix_ms + STOP_WAITS_MS,
            mono_ms: now.mono_ms + STOP_WAITS_MS,
        }),
    );
    assert!(is_stop(&effects));
}
