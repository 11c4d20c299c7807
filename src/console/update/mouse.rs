//! What clicks and the wheel do: nothing that keys could not, and nothing that changes the node.

use ratatui::layout::Position;

use super::{
    super::{
        key::{Key, Mouse},
        keymap::Action,
        model::{Model, Pick, Spot},
    },
    go, moving, on_key, open,
};

/// Rows that one step of the wheel goes.
const WHEEL_ROWS: usize = 3;

pub(super) fn on_mouse(model: &mut Model, mouse: Mouse, x: u16, y: u16) {
    // Over a question the mouse only scrolls: answers are given by hand.
    let action = match mouse {
        Mouse::WheelUp => Action::Up,
        Mouse::WheelDown => Action::Down,
        Mouse::Press => {
            if model.overlay.is_none() && model.prompt.is_none() {
                press(model, x, y);
            }
            return;
        }
    };
    for _ in 0..WHEEL_ROWS {
        match &model.overlay {
            Some(super::Overlay::Help { typing: false, .. }) => {
                let key = if action == Action::Up { Key::Up } else { Key::Down };
                on_key(model, key);
            }
            Some(_) => {}
            None => moving::step(model, action),
        }
    }
}

fn press(model: &mut Model, x: u16, y: u16) {
    let at = Position::new(x, y);
    let hit = model.spots.iter().find(|(area, _)| area.contains(at));
    match hit.map(|(_, spot)| *spot) {
        Some(Spot::Screen(screen)) => go(model, screen),
        Some(Spot::Pick(pick)) => {
            // A second click on what is selected opens it.
            let again = match pick {
                Pick::Validator(id) => model.votes.selected.replace(id) == Some(id),
                Pick::Peer(id) => model.peers.selected.replace(id) == Some(id),
                Pick::Ban(target) => {
                    model.peers.in_bans = true;
                    model.peers.ban = Some(target);
                    false
                }
                Pick::Node(node) => {
                    model.fleet_at = node;
                    false
                }
                Pick::Line(seq) => {
                    model.log.selected = Some(seq);
                    false
                }
            };
            if again {
                open(model);
            }
        }
        None => {}
    }
}
