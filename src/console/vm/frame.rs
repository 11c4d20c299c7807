//! What surrounds every screen: header, tabs, banner, footer, toasts.

use super::{
    super::{
        format::{UNKNOWN, clock, duration, ends, fit, grouped, uptime},
        keymap::{Action, KEYMAP, REPLAY, Scope, Screen},
        model::{Model, Overlay, PromptKind, Shown, ToastKind},
        session::Through,
        text::Row,
        theme::Role,
    },
    Level, help, link,
};
use crate::control::{Alarm, AlarmKind, Mode, Severity, Status};

/// The one word for how the node is.
pub(in super::super) fn state(status: &Status) -> (Level, &'static str) {
    // The quorum alarm outlasts the loss by two rounds; blocks that are due and do not come do not.
    let crit_stall = status.alarms.iter().any(|alarm| {
        alarm.severity == Severity::Crit
            && match alarm.kind {
                AlarmKind::FinalityStalled => true,
                AlarmKind::QuorumMargin => status.consensus.overdue_ms > 0,
                _ => false,
            }
    });
    if status.revision == 0 {
        (Level::Busy, "STARTING")
    } else if status.stop.is_some() {
        (Level::Busy, "STOPPING")
    } else if status.signing.safety_stop {
        (Level::Crit, "NOT SIGNING")
    } else if status.sync.syncing {
        (Level::Busy, "SYNCING")
    } else if crit_stall {
        (Level::Crit, "HALTED")
    } else {
        match status.node.mode {
            Mode::Validator if !status.signing.signing => (Level::Warn, "NOT SIGNING"),
            Mode::Validator => (Level::Ok, "VALIDATING"),
            Mode::Observer => (Level::Warn, "OBSERVING"),
            Mode::Full => (Level::Ok, "FOLLOWING"),
        }
    }
}

/// Sign, role and word for how the node is; what was last heard carries a question mark once it is old.
pub(in super::super) fn state_now(model: &Model) -> (&'static str, Role, &'static str) {
    let (level, word) = state(&model.shown().status);
    match model.is_old() {
        true => ("?", Role::Warn, word),
        false => (level.glyph(), level.role(), word),
    }
}

/// Left and right part of the header, as much as fits.
pub(in super::super) fn header(model: &Model, width: usize) -> (Row, Row) {
    let shown = model.shown();
    let status = &shown.status;
    let node = &status.node;
    let (sign, role, word) = state_now(model);
    let state = |row: Row| row.with(role, format!("{sign} ")).with(role, word);
    let known = status.revision > 0;
    let height = match known {
        true => format!("H {}", grouped(status.chain.height)),
        false => format!("H {UNKNOWN}"),
    };
    // The clock is the wall's even while the view is held.
    let time = format!("{}Z", clock(model.live.now.unix_ms));
    let up = match known {
        true => format!("up {}", uptime(shown.now.since_ms(node.started))),
        false => format!("up {UNKNOWN}"),
    };
    let brand = |row: Row| row.with(Role::Accent, " ⧗ ").strong("timed");
    let address = node.address.as_deref().map(|address| ends(address, 8, 4));

    let wide = {
        let mut row = brand(Row::new()).text("  ");
        for (role, text) in [
            (Role::Text, node.network.clone()),
            (Role::Strong, fit(&node.name, 20)),
            (Role::Dim, address.clone().unwrap_or_default()),
        ] {
            if !text.is_empty() {
                row = row.with(role, text).text("  ");
            }
        }
        state(row.text(" "))
    };
    let wide_right = Row::new()
        .strong(height.clone())
        .dim(format!("   {up}   "))
        .text(time.clone())
        .text(" ");
    let narrow = state(
        brand(Row::new())
            .text(format!(" {} ", node.network))
            .strong(fit(&node.name, 14))
            .text(" "),
    );
    let narrow_right = Row::new().strong(height.clone()).text(format!("  {time} "));
    let small = state(Row::new().text(" ").strong(fit(&node.name, 12)).text(" "));
    let small_right = Row::new().strong(height.clone()).text(" ");
    let least = Row::of(role, sign);
    for (left, right) in [
        (wide, wide_right),
        (narrow.clone(), narrow_right),
        (narrow, small_right.clone()),
        (small, small_right),
    ] {
        if left.width() + right.width() < width {
            return (left, right);
        }
    }
    (least.text(" ").strong(height), Row::new())
}

/// The tab row and the badge at its right.
pub(in super::super) fn tabs(model: &Model, width: usize) -> (Row, Row) {
    let badge = badge(model);
    for short in [false, true] {
        let gap = if short { "" } else { " " };
        let mut row = Row::new().text(" ");
        for screen in model.screens().iter().copied() {
            let name = match short {
                true => screen.short_name(),
                false => screen.name(),
            };
            let label = format!("{} {name}", screen.index() + 1);
            row = match screen == model.screen {
                true => row.with(Role::Focus, format!("▌{label}▐")).text(gap),
                false => row.dim(format!(" {label} ")).text(gap),
            };
        }
        if row.width() + badge.width() < width {
            return (row, badge);
        }
    }
    let mut row = Row::new().text(" ");
    for screen in model.screens().iter().copied() {
        let number = (screen.index() + 1).to_string();
        row = match screen == model.screen {
            true => row.with(Role::Focus, format!("▌{number} {}▐", screen.short_name())),
            false => row.dim(format!(" {number} ")),
        };
    }
    match row.width() + badge.width() < width {
        true => (row, badge),
        false => (row, Row::new()),
    }
}

pub(super) fn badge(model: &Model) -> Row {
    acked(&model.shown().status)
        .append(link::badge(&model.session))
        .append(rate(model))
}

/// Alarms that are up and have been acknowledged: no banner tells of them any more.
fn acked(status: &Status) -> Row {
    let acked = || status.alarms.iter().filter(|alarm| alarm.acked);
    match acked().map(|alarm| alarm.severity).max() {
        None => Row::new(),
        Some(gravest) => {
            let level = Level::of(gravest);
            Row::of(
                level.role(),
                format!("{}{} acked ", level.glyph(), acked().count()),
            )
        }
    }
}

fn rate(model: &Model) -> Row {
    if let Some(held) = &model.held {
        let newer = match model.screen {
            Screen::Logs => newest_seq(&model.live).saturating_sub(newest_seq(held)),
            _ => newest_event(&model.live).saturating_sub(newest_event(held)),
        };
        return Row::of(Role::Warn, format!("‖ PAUSED +{} ", grouped(newer)));
    }
    // A recording has no rate, and a link that is down has none now.
    if model.session.through == Through::Recording || model.session.lost.is_some() {
        return Row::new();
    }
    if let Some(stale) = model.silent_ms() {
        return Row::of(Role::Err, format!("▲ stale {} ", duration(stale)));
    }
    match model.rate_hz() {
        Some(hz) if hz > 0 => Row::new().with(Role::Ok, "live").dim(format!(" {hz} Hz ")),
        _ => Row::new().with(Role::Ok, "live").text(" "),
    }
}

fn newest_seq(shown: &Shown) -> u64 {
    shown.logs.back().map_or(0, |line| line.seq)
}

fn newest_event(shown: &Shown) -> u64 {
    shown.events.back().map_or(0, |event| event.seq)
}

/// The banner, while an alarm is up that nobody has acknowledged.
pub(in super::super) fn banner(shown: &Shown, can_ack: bool, width: usize) -> Option<(Role, Row, Row)> {
    let open: Vec<&Alarm> = shown.status.alarms.iter().filter(|alarm| !alarm.acked).collect();
    // Of the gravest the first in the table: a stall names whom it waits for, the others only count.
    let first = open
        .iter()
        .max_by_key(|alarm| (alarm.severity, std::cmp::Reverse(alarm.kind)))?;
    let role = match first.severity {
        Severity::Crit => Role::Crit,
        Severity::Warn => Role::Warn,
    };
    let more = match open.len() {
        1 => String::new(),
        more => format!("+{} more ", more - 1),
    };
    let right = match can_ack {
        true if more.is_empty() => "[a] ack ".to_owned(),
        true => format!("{more}  [a] ack "),
        false => more,
    };
    let head = format!(
        " {} {}  ",
        Level::of(first.severity).glyph(),
        first.severity.word()
    );
    let room = width.saturating_sub(head.chars().count() + right.len() + 1);
    let row = Row::new().with(role, head).with(role, fit(&first.text, room));
    Some((role, row, Row::of(role, right)))
}

/// Footer hints from the keymap, and the way out at the right.
pub(in super::super) fn footer(model: &Model, width: usize) -> (Row, Row) {
    if let Some(prompt) = &model.prompt {
        let hint = match prompt.kind {
            PromptKind::Find => "Enter find  Esc clear",
            PromptKind::Palette => "Enter do it  Tab completes  ↑ earlier  Esc cancel",
            PromptKind::Rows | PromptKind::Filter | PromptKind::Target => {
                "Enter keep  !text inverts  Esc clear"
            }
        };
        let row = Row::new()
            .with(
                Role::Accent,
                match prompt.kind {
                    PromptKind::Palette => " :".to_owned(),
                    kind => format!(" {} / ", kind.label()),
                },
            )
            .strong(prompt.input.value())
            .with(Role::Accent, "▏");
        let right = Row::of(Role::Dim, format!("{hint} "));
        return match row.width() + right.width() < width {
            true => (row, right),
            false => (row, Row::new()),
        };
    }
    if let Some(overlay) = &model.overlay {
        return (overlay_footer(overlay), Row::new());
    }
    let mut hints: Vec<(&str, &str)> = Vec::new();
    if let Some(replay) = &model.session.replay {
        for binding in REPLAY.iter().filter(|binding| !binding.footer.is_empty()) {
            hints.push(match binding.label {
                "Space" if replay.playing => ("Space", "stop"),
                "," => (", .", binding.footer),
                "<" => ("< >", binding.footer),
                "H" => ("H L", binding.footer),
                "-" => ("- +", binding.footer),
                ")" => ("( )", binding.footer),
                label => (label, binding.footer),
            });
        }
    }
    let paused = model.held.is_some();
    let has_alarm = model.shown().status.alarms.iter().any(|alarm| !alarm.acked);
    for binding in KEYMAP {
        if binding.footer.is_empty() || help::words(model, binding).is_none() {
            continue;
        }
        let in_bans = model.screen == Screen::Peers && model.peers.in_bans;
        if in_bans
            && matches!(binding.scope, Scope::On(_))
            && !matches!(binding.action, Action::Unban | Action::Bans)
        {
            continue;
        }
        let word = match binding.footer {
            "leave" => continue,
            "bans" if in_bans => "peers",
            "pause" | "ack" if model.session.replay.is_some() => continue,
            "pause" if paused => "resume",
            "ack" if !has_alarm => continue,
            word => word,
        };
        let label = match binding.label {
            "+" => "+ -",
            "]" => "[ ]",
            "}" => "{ }",
            "N" => "n N",
            "t" if model.screen == Screen::Logs => "e w i d t",
            label => label,
        };
        hints.push((label, word));
    }
    let right = Row::new().with(Role::Accent, "q").dim(" leave ");
    let gap = if width >= 100 { 3 } else { 2 };
    let mut row = Row::new().text(" ");
    // Help is the one hint that must never fall off.
    let help = Row::new().with(Role::Accent, "?").dim(" help");
    let room = width.saturating_sub(right.width() + help.width() + gap + 1);
    for (label, word) in hints.into_iter().filter(|(label, _)| *label != "?") {
        let hint = Row::new().with(Role::Accent, label).dim(format!(" {word}"));
        if row.width() + hint.width() + gap > room {
            continue;
        }
        row = row.append(hint).text(" ".repeat(gap));
    }
    match row.width() + help.width() + right.width() <= width {
        true => (row.append(help), right),
        false => (Row::new().text(" ").append(help), Row::new()),
    }
}

fn overlay_footer(overlay: &Overlay) -> Row {
    let hints: &[(&str, &str)] = match overlay {
        Overlay::Help { typing: true, .. } => &[("Enter", "keep"), ("Esc", "clear")],
        Overlay::Help { .. } => &[("j k", "scroll"), ("/", "filter"), ("Esc", "close")],
        Overlay::Leave { .. } => &[("← →", "choose"), ("Enter", "accept"), ("Esc", "stay")],
        Overlay::Dialog(dialog) if dialog.on_text => &[("Enter", "keep"), ("Tab", "on"), ("Esc", "cancel")],
        Overlay::Dialog(dialog) if dialog.act.is_typed() => &[("Enter", "accept"), ("Esc", "cancel")],
        Overlay::Dialog(_) => &[
            ("← → Tab", "choose"),
            ("y", "yes"),
            ("Enter", "accept"),
            ("Esc", "cancel"),
        ],
        Overlay::StopWaits { .. } => &[("Enter", "stop now"), ("Esc", "do not stop")],
        Overlay::Validator(_) | Overlay::Peer(_) => &[("j k", "next"), ("y", "copy"), ("Esc", "close")],
    };
    let mut row = Row::new().text(" ");
    for (key, word) in hints {
        row = row.with(Role::Accent, *key).dim(format!(" {word}   "));
    }
    row
}

/// Toasts, newest last.
pub(in super::super) fn toasts(model: &Model, width: usize) -> Vec<Row> {
    model
        .toasts
        .iter()
        .map(|toast| {
            let (glyph, role) = match toast.kind {
                ToastKind::Info => ("·", Role::Accent),
                ToastKind::Done => ("✓", Role::Ok),
                ToastKind::Refused => ("✖", Role::Err),
            };
            Row::new()
                .with(role, format!(" {glyph} "))
                .text(format!("{} ", fit(&toast.text, width.saturating_sub(5))))
        })
        .collect()
}
