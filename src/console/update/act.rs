//! The only place where the console asks the node to change, and the questions that come before.

use super::{
    super::{
        key::Key,
        keymap::Screen,
        model::{Act, Model, Overlay, ToastKind},
    },
    Effect, moving,
    prompt::edit,
};
use crate::control::Command;

/// Keys while a question is open. Tier 1: the button or `y`. Tier 2: the network's name, then the button.
pub(super) fn on_dialog_key(model: &mut Model, key: Key) -> Vec<Effect> {
    let network = model.live.status.node.network.clone();
    let Some(Overlay::Dialog(dialog)) = &mut model.overlay else {
        return Vec::new();
    };
    let typed = dialog.act.is_typed();
    let may_act = !typed || (!network.is_empty() && dialog.typed.value() == network);
    match key {
        Key::Esc => model.overlay = None,
        Key::Tab | Key::BackTab => dialog.on_act = !dialog.on_act,
        Key::Left | Key::Right => match &mut dialog.act {
            Act::LogFilter { choice } => {
                *choice = match key {
                    Key::Left => choice.saturating_sub(1),
                    _ => (*choice + 1).min(Act::LOG_FILTERS.len() - 1),
                };
            }
            Act::Stop | Act::Disconnect { .. } => dialog.on_act = key == Key::Right,
        },
        Key::Char('y') if !typed => return carry_out(model),
        Key::Char('n') if !typed => model.overlay = None,
        // Once the name stands there, Enter means it: typing it was the confirmation.
        Key::Enter if may_act && (dialog.on_act || typed) => return carry_out(model),
        Key::Enter if typed && dialog.typed.value().is_empty() => model.overlay = None,
        Key::Enter if typed => {
            model.toast(
                ToastKind::Info,
                format!("type {network} to confirm, Esc to cancel"),
            );
        }
        Key::Enter => model.overlay = None,
        _ if typed => edit(&mut dialog.typed, key),
        _ => {}
    }
    Vec::new()
}

fn carry_out(model: &mut Model) -> Vec<Effect> {
    let Some(Overlay::Dialog(dialog)) = model.overlay.take() else {
        return Vec::new();
    };
    match dialog.act {
        Act::Stop => stop(model, "operator at the console"),
        Act::Disconnect { peer, name } => send(
            model,
            Command::DisconnectPeer { peer },
            format!("disconnect {name}"),
        ),
        Act::LogFilter { choice } => {
            let filter = Act::LOG_FILTERS[choice].to_owned();
            let words = format!("log level {filter}");
            send(model, Command::SetLogFilter { filter }, words)
        }
    }
}

/// Asks for the stop, once.
pub(super) fn stop(model: &mut Model, reason: &str) -> Vec<Effect> {
    model.overlay = None;
    model.held = None;
    if model.stop_sent {
        return Vec::new();
    }
    model.stop_sent = model.session.refusal().is_none();
    let reason = reason.to_owned();
    send(model, Command::Stop { reason }, "stop".to_owned())
}

pub(super) fn acknowledge(model: &mut Model) -> Vec<Effect> {
    let open = model
        .live
        .status
        .alarms
        .iter()
        .filter(|alarm| !alarm.acked)
        .count();
    match open {
        0 => {
            model.toast(ToastKind::Info, "no alarm to acknowledge");
            Vec::new()
        }
        _ => send(model, Command::AckAlarms, "alarms acknowledged".to_owned()),
    }
}

fn send(model: &mut Model, command: Command, words: String) -> Vec<Effect> {
    if let Some(refusal) = model.session.refusal() {
        model.toast(ToastKind::Refused, refusal);
        return Vec::new();
    }
    let id = model.next_command;
    model.next_command += 1;
    model.waiting.insert(id, words);
    vec![Effect::Command(id, command)]
}

/// The thing one looks at, as text for the clipboard.
pub(super) fn copy(model: &mut Model) -> Vec<Effect> {
    let shown = model.shown();
    let text = match model.screen {
        Screen::Overview | Screen::Mempool | Screen::Sync => {
            let chain = &shown.status.chain;
            Some(format!("{} {}", chain.height, chain.hash))
        }
        Screen::Consensus => moving::selected_validator(model).map(|id| id.to_string()),
        Screen::Peers => moving::selected_peer(model).map(|row| format!("{} {}", row.id, row.address)),
        Screen::Logs => moving::selected_line(model).map(|line| {
            format!(
                "{} {} {} {} {}",
                super::super::format::clock_ms(line.unix_ms),
                line.level.word(),
                line.target,
                line.message,
                line.fields
            )
        }),
    };
    match text {
        Some(text) => {
            let text = crate::control::words::printable(&text);
            model.toast(ToastKind::Done, "copied");
            vec![Effect::Copy(text)]
        }
        None => {
            model.toast(ToastKind::Info, "nothing to copy");
            Vec::new()
        }
    }
}
