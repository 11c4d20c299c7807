//! The only place where the console asks the node to change, and the questions that come before.

use super::{
    super::{
        key::Key,
        keymap::Screen,
        model::{Act, Fate, Model, Overlay, ToastKind},
        vm,
    },
    Effect, moving,
    prompt::edit,
};
use crate::control::{
    Alarm, Command, FleetCommand, ResyncMode, ResyncPlan, Severity, Status, StopAdvice, stop_advice,
};

/// Keys while a question is open. Tier 1: the button or `y`. Tier 2: the network's name, then the button.
pub(super) fn on_dialog_key(model: &mut Model, key: Key) -> Vec<Effect> {
    let network = model.live.status.node.network.clone();
    let Some(Overlay::Dialog(dialog)) = &mut model.overlay else {
        return Vec::new();
    };
    let typed = dialog.act.is_typed();
    let may_act = dialog.may_act(&network);
    match key {
        Key::Esc => model.overlay = None,
        Key::Tab | Key::BackTab => {
            // Cancel, the button, and the line of text where there is one.
            let has_text = matches!(dialog.act, Act::Ban { .. });
            let at = match (dialog.on_text, dialog.on_act) {
                (true, _) => 2,
                (false, on_act) => usize::from(on_act),
            };
            let stops = if has_text { 3 } else { 2 };
            let step = if key == Key::Tab { 1 } else { stops - 1 };
            let to = (at + step) % stops;
            (dialog.on_text, dialog.on_act) = (to == 2, to == 1);
        }
        // What is typed into the line confirms nothing.
        Key::Enter if dialog.on_text => (dialog.on_text, dialog.on_act) = (false, true),
        _ if dialog.on_text => {
            edit(&mut dialog.typed, key);
            let text = crate::control::words::printable(dialog.typed.value());
            if let Act::Ban { reason, .. } = &mut dialog.act {
                *reason = text;
            }
        }
        Key::Left | Key::Right => match &mut dialog.act {
            Act::LogFilter { choice } => {
                *choice = match key {
                    Key::Left => choice.saturating_sub(1),
                    _ => (*choice + 1).min(Act::LOG_FILTERS.len() - 1),
                };
            }
            Act::Ban { choice, .. } => {
                *choice = match key {
                    Key::Left => choice.saturating_sub(1),
                    _ => (*choice + 1).min(Act::BAN_LENGTHS.len() - 1),
                };
            }
            Act::Resync { mode, .. } => {
                let at = ResyncMode::ALL
                    .iter()
                    .position(|other| other == mode)
                    .unwrap_or(0);
                let to = match key {
                    Key::Left => at.saturating_sub(1),
                    _ => (at + 1).min(ResyncMode::ALL.len() - 1),
                };
                return ask_resync(model, ResyncMode::ALL[to]);
            }
            Act::Stop
            | Act::CancelResync
            | Act::UnbanAll
            | Act::Unban { .. }
            | Act::Disconnect { .. }
            | Act::LogRule { .. }
            | Act::Dial { .. }
            | Act::Node { .. } => dialog.on_act = key == Key::Right,
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
    if let Some(Overlay::Dialog(dialog)) = &model.overlay
        && !vm::dialog::is_whole(model, dialog)
    {
        model.toast(
            ToastKind::Refused,
            "enlarge the terminal: the question is not seen whole",
        );
        return Vec::new();
    }
    let Some(Overlay::Dialog(dialog)) = model.overlay.take() else {
        return Vec::new();
    };
    match dialog.act {
        Act::Stop if leads_soon(&model.live.status) => {
            model.overlay = Some(Overlay::StopWaits {
                since_ms: model.live.now.mono_ms,
            });
            Vec::new()
        }
        Act::Stop => stop(model, BY_HAND),
        Act::Disconnect { peer, name } => send(
            model,
            Command::DisconnectPeer { peer },
            format!("disconnect {name}"),
        ),
        Act::Ban {
            target,
            name,
            choice,
            reason,
        } => {
            let (length, seconds) = Act::BAN_LENGTHS[choice];
            let reason = match reason.trim() {
                "" => super::BAN_REASON.to_owned(),
                reason => reason.to_owned(),
            };
            // A ban outlives the session that the name is known from: the list would show a key only.
            let reason = match target.to_string().starts_with(&name) {
                true => reason,
                false => format!("{name}: {reason}"),
            };
            let command = Command::BanPeer {
                target,
                seconds,
                reason,
            };
            send(model, command, format!("{name} banned, {length}"))
        }
        Act::Unban { target, name } => send(
            model,
            Command::UnbanPeer { target },
            format!("{name} may come back"),
        ),
        Act::Resync { mode, .. } => send(model, Command::Resync { mode }, format!("resync {mode}")),
        Act::CancelResync => send(
            model,
            Command::CancelResync,
            "back to the old database".to_owned(),
        ),
        Act::UnbanAll => send(model, Command::ClearBans, "all bans lifted".to_owned()),
        Act::Node { node, name, fate } => {
            let (command, words) = match fate {
                Fate::Stop => (FleetCommand::Stop { node }, "asked to stop"),
                Fate::Kill => (FleetCommand::Kill { node }, "killed"),
                Fate::Pause => (FleetCommand::Pause { node }, "frozen"),
            };
            super::fleet::send(model, command, format!("{name} {words}"))
        }
        Act::LogRule { filter } => {
            let words = format!("log level {filter}");
            send(model, Command::SetLogFilter { filter }, words)
        }
        Act::Dial { address, add } => {
            let (command, words) = match add {
                true => (
                    Command::AddPeer {
                        address: address.clone(),
                    },
                    format!("{address} is dialled"),
                ),
                false => (
                    Command::RemovePeer {
                        address: address.clone(),
                    },
                    format!("{address} is not dialled any more"),
                ),
            };
            send(model, command, words)
        }
        Act::LogFilter { choice } => {
            let filter = Act::LOG_FILTERS[choice].to_owned();
            let words = format!("log level {filter}");
            send(model, Command::SetLogFilter { filter }, words)
        }
    }
}

/// How long a stop waits for a moment at which no block would be late for it.
pub(in super::super) const STOP_WAITS_MS: u64 = 60_000;
const BY_HAND: &str = "operator at the console";

/// Whether the others would wait for this node's proposal if it stopped now: it leads this height or the
/// next. Not while the chain waits anyway, and not where nobody else could go on.
fn leads_soon(status: &Status) -> bool {
    let consensus = &status.consensus;
    consensus.overdue_ms == 0
        && !consensus.view_changing
        && matches!(stop_advice(status), StopAdvice::Leading { .. })
}

/// Sends a stop that waited, once nobody would wait for our proposal.
pub(super) fn stop_when_safe(model: &mut Model) -> Vec<Effect> {
    let Some(Overlay::StopWaits { since_ms }) = model.overlay else {
        return Vec::new();
    };
    let waited = model.live.now.mono_ms.saturating_sub(since_ms);
    match waited < STOP_WAITS_MS && leads_soon(&model.live.status) {
        true => Vec::new(),
        false => stop(model, BY_HAND),
    }
}

/// Keys while a stop waits.
pub(super) fn on_waiting_key(model: &mut Model, key: Key) -> Vec<Effect> {
    match key {
        Key::Enter => return stop(model, BY_HAND),
        Key::Esc => {
            model.overlay = None;
            model.toast(ToastKind::Info, "not stopped");
        }
        _ => {}
    }
    Vec::new()
}

/// Opens the question whether to resync, and has the node say what it would do. While one is under way
/// that can be given up, the question is whether to.
pub(super) fn ask_resync(model: &mut Model, mode: ResyncMode) -> Vec<Effect> {
    if let Some(resync) = &model.live.status.sync.resync {
        match resync.can_cancel {
            true => super::ask(model, Act::CancelResync),
            false => {
                let words = format!("{}: it cannot be given up any more", resync.step.word());
                model.toast(ToastKind::Info, words);
            }
        }
        return Vec::new();
    }
    super::ask(model, Act::Resync { mode, plan: None });
    send(
        model,
        Command::PlanResync { mode },
        format!("plan of a resync {mode}"),
    )
}

/// The plan came that the question waits for.
pub(super) fn on_plan(model: &mut Model, came: Box<ResyncPlan>) {
    if let Some(Overlay::Dialog(dialog)) = &mut model.overlay
        && let Act::Resync { mode, plan } = &mut dialog.act
        && *mode == came.mode
    {
        *plan = Some(came);
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

/// The sentence of an alarm that has become critical, where somebody wants to be rung for it.
pub(super) fn newly_critical(model: &Model, status: &Status) -> Option<String> {
    // What stands at the start, or in a recording, is no news.
    if !model.notify || model.live.status.revision == 0 || model.session.replay.is_some() {
        return None;
    }
    let was = |alarm: &Alarm| {
        let before = model.live.status.alarms.iter();
        before
            .filter(|old| old.severity == Severity::Crit)
            .any(|old| old.kind == alarm.kind)
    };
    let alarm = status
        .alarms
        .iter()
        .find(|alarm| alarm.severity == Severity::Crit && !alarm.acked && !was(alarm))?;
    Some(format!("timed {}: {}", status.node.name, alarm.text))
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
        Screen::Devnet => model
            .fleet
            .as_ref()
            .and_then(|fleet| fleet.nodes.get(usize::from(model.fleet_at)))
            .map(|node| format!("{} http://{}", node.name, node.http)),
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
