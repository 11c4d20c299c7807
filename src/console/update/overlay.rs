//! Keys while something lies over the screen.

use super::super::{
    Outcome,
    key::Key,
    keymap::{Action, KEYMAP},
    model::{Act, LeaveButton, Model, Overlay},
};

use super::{Effect, act, ask, moving, open, prompt::LINE_CHARS_MAX};

pub(super) fn on_overlay_key(model: &mut Model, key: Key) -> Vec<Effect> {
    let Some(overlay) = &mut model.overlay else {
        return Vec::new();
    };
    match overlay {
        Overlay::Help {
            filter,
            typing,
            scroll,
        } => {
            match (key, *typing) {
                (Key::Esc, true) => {
                    filter.clear();
                    *typing = false;
                }
                (Key::Enter, true) => *typing = false,
                (Key::Backspace, true) => {
                    filter.pop();
                }
                (Key::Char(c), true) if filter.len() < LINE_CHARS_MAX => {
                    filter.push(c);
                    *scroll = 0;
                }
                (Key::Char('/'), false) => *typing = true,
                (Key::Char('j') | Key::Down, _) => *scroll = (*scroll + 1).min(KEYMAP.len()),
                (Key::Char('k') | Key::Up, _) => *scroll = scroll.saturating_sub(1),
                (Key::PageDown, _) => *scroll = (*scroll + 10).min(KEYMAP.len()),
                (Key::PageUp, _) => *scroll = scroll.saturating_sub(10),
                (Key::Esc | Key::Char('?' | 'q') | Key::Enter, false) => model.overlay = None,
                _ => {}
            }
            Vec::new()
        }
        Overlay::Validator(_) | Overlay::Peer(_) => match key {
            Key::Esc | Key::Enter | Key::Char('q') => {
                model.overlay = None;
                Vec::new()
            }
            Key::Char('j') | Key::Down => {
                moving::step(model, Action::Down);
                open(model);
                Vec::new()
            }
            Key::Char('k') | Key::Up => {
                moving::step(model, Action::Up);
                open(model);
                Vec::new()
            }
            Key::Char('y') => act::copy(model),
            _ => Vec::new(),
        },
        Overlay::Leave { focus } => {
            let at = LeaveButton::ALL.iter().position(|b| b == focus).unwrap_or(0);
            match key {
                Key::Esc => model.overlay = None,
                Key::Left | Key::Char('h') | Key::BackTab => *focus = LeaveButton::ALL[at.saturating_sub(1)],
                Key::Right | Key::Char('l') => *focus = LeaveButton::ALL[(at + 1).min(2)],
                Key::Tab => *focus = LeaveButton::ALL[(at + 1) % 3],
                Key::Char('d') => return vec![Effect::Exit(Outcome::Detached)],
                Key::Char('s') => ask(model, Act::Stop),
                Key::Enter => match focus {
                    LeaveButton::Stay => model.overlay = None,
                    LeaveButton::Detach => return vec![Effect::Exit(Outcome::Detached)],
                    LeaveButton::Stop => ask(model, Act::Stop),
                },
                _ => {}
            }
            Vec::new()
        }
        Overlay::Dialog(_) => act::on_dialog_key(model, key),
        Overlay::StopWaits { .. } => act::on_waiting_key(model, key),
    }
}
