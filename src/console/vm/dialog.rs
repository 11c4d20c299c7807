//! Questions before acts, with the consequence as it stands this second; and how far a stop has come.

use super::{
    super::{
        format::{bytes, duration, ends, fit, grouped, or_unknown, pad, seconds, wrapped},
        model::{Act, Dialog, Fate, LeaveButton, Model},
        text::Row,
        theme::Role,
        update::STOP_WAITS_MS,
    },
    Panel, bar, online,
};
use crate::control::{
    BanConsequence, BanTarget, Mode, ResyncMode, ResyncPlan, Status, StepState, StopStatus, ban_consequence,
    words::counted,
};

/// Columns of a question, its border included.
pub(in super::super) const WIDTH: u16 = 62;

/// What the network loses if this node stops.
pub(in super::super) fn stop_consequence(model: &Model) -> Row {
    if let Some(fleet) = &model.fleet {
        let nodes = counted(fleet.nodes.len() as u64, "node");
        return Row::of(Role::Err, format!("✖ the whole devnet stops: {nodes}"));
    }
    let status = &*model.live.status;
    let consensus = &status.consensus;
    let votes = status.node.mode == Mode::Validator && consensus.validators.iter().any(|row| row.is_self);
    if !votes || consensus.n == 0 {
        return Row::of(Role::Dim, "this node does not vote: finality goes on without it");
    }
    let stay = online(status).saturating_sub(1);
    let (n, quorum) = (consensus.n, consensus.quorum);
    let head = format!("{stay} of {n} stay, quorum {quorum}");
    if stay + 1 < quorum {
        Row::of(Role::Warn, format!("▲ {head}: finality has halted already"))
    } else if stay < quorum {
        Row::of(Role::Err, format!("✖ {head}: finality halts"))
    } else if stay == quorum {
        Row::of(Role::Warn, format!("▲ {head}: at the limit"))
    } else {
        Row::of(Role::Dim, format!("{head}: finality goes on"))
    }
}

/// When we lead next, where that is soon.
fn lead_note(status: &Status) -> Option<Row> {
    match status.consensus.we_lead_in? {
        0 => Some(Row::of(Role::Warn, "▲ this node leads the height in progress")),
        near @ 1..=3 => Some(Row::of(
            Role::Dim,
            format!("this node leads again in {near} heights"),
        )),
        _ => None,
    }
}

fn buttons(names: &[(&str, bool)]) -> Row {
    let mut row = Row::new().text("  ");
    for (name, focused) in names {
        row = match focused {
            true => row.with(Role::Button, format!("▐ {name} ▌")),
            false => row.text(format!("  {name}  ")),
        };
        row = row.text("   ");
    }
    row
}

/// Detach, stop or stay.
pub(in super::super) fn leave(model: &Model, focus: LeaveButton) -> Panel {
    let status = &*model.live.status;
    let mut panel = Panel::titled(Row::new().strong("Leave the console"));
    panel.focused = true;
    let choice = |key: &str, name: &str, what: &str| {
        Row::new()
            .text(" ")
            .with(Role::Accent, pad(key, 4))
            .strong(pad(name, 8))
            .dim(what)
    };
    panel.line(Row::new());
    panel.line(choice("d", "Detach", "node keeps running in this process"));
    panel.line(choice("s", "Stop…", "finish in order, flush, then exit"));
    panel.line(Row::new().text(" ".repeat(13)).append(stop_consequence(model)));
    if let Some(note) = lead_note(status).filter(|_| model.fleet.is_none()) {
        panel.line(Row::new().text(" ".repeat(13)).append(note));
    }
    panel.line(choice("Esc", "Stay", ""));
    panel.line(Row::new());
    panel.line(buttons(&[
        ("Stay", focus == LeaveButton::Stay),
        ("Detach", focus == LeaveButton::Detach),
        ("Stop…", focus == LeaveButton::Stop),
    ]));
    panel
}

/// Where the network's name is typed.
fn typed_line(status: &Status, dialog: &Dialog) -> Row {
    let network = &status.node.network;
    let right = dialog.typed.value() == network;
    Row::new()
        .text(" Type  ")
        .with(Role::Accent, network.clone())
        .text("  to confirm: ")
        .with(
            if right { Role::Ok } else { Role::Strong },
            fit(dialog.typed.value(), 20),
        )
        .with(Role::Accent, if right { " ✓" } else { "▏" })
}

/// What a resync would do, as the node plans it.
fn resync_follows(mode: ResyncMode, plan: Option<&ResyncPlan>) -> Vec<Row> {
    const WIDTH: usize = 56;
    let mut row = Row::new().with(Role::Accent, " ◂ ");
    for other in ResyncMode::ALL {
        row = match other == mode {
            true => row.with(Role::Button, format!(" {other} ")),
            false => row.dim(format!(" {other} ")),
        };
    }
    let mut rows = vec![row.with(Role::Accent, " ▸")];
    let say = |rows: &mut Vec<Row>, role, text: &str| {
        rows.extend(
            wrapped(text, WIDTH)
                .into_iter()
                .map(|line| Row::of(role, format!(" {line}"))),
        );
    };
    say(&mut rows, Role::Dim, mode.meaning());
    let Some(plan) = plan else {
        rows.push(Row::of(Role::Accent, " ◐ asking the node what it would do"));
        return rows;
    };
    rows.push(
        Row::new()
            .dim(" database ")
            .text(bytes(plan.db_bytes))
            .dim(", height ")
            .text(grouped(plan.height))
            .dim("   needs ")
            .text(bytes(plan.needed_bytes))
            .dim(" of ")
            .text(or_unknown(plan.free_bytes, bytes)),
    );
    let stops = or_unknown(plan.votes_stop_ms, duration);
    rows.push(Row::new().dim(" votes stop for about ").text(stops));
    if let Some(obstacle) = &plan.obstacle {
        say(&mut rows, Role::Err, &format!("✖ {obstacle}"));
    } else {
        for (place, consequence) in plan.consequences.iter().enumerate().take(CONSEQUENCES_MAX) {
            let role = if place == 0 { Role::Warn } else { Role::Dim };
            say(&mut rows, role, consequence);
        }
    }
    rows
}

/// Consequences that a question has room for on a small screen, the gravest first.
const CONSEQUENCES_MAX: usize = 3;

/// What a ban would do, in a line or two.
fn ban_follows(status: &Status, name: &str, follows: &BanConsequence) -> Vec<Row> {
    if follows.validators_lost == 0 {
        let sentence = follows.sentence();
        return vec![Row::of(Role::Dim, format!(" {sentence}"))];
    }
    let (reachable, n, quorum) = (follows.reachable, follows.n, follows.quorum);
    let (role, verdict) = if follows.halts() {
        (Role::Err, "Finality halts.")
    } else if reachable < quorum {
        (Role::Warn, "Finality has halted already.")
    } else if reachable == quorum {
        (Role::Warn, "One more loss halts finality.")
    } else {
        (Role::Dim, "Finality goes on.")
    };
    let sign = if role == Role::Err { "✖" } else { "▲" };
    let voter = status.consensus.validators.iter().any(|row| row.name == name);
    let head = match voter {
        true => format!("{} is a validator:", fit(name, 16)),
        false => format!("{} go:", counted(u64::from(follows.validators_lost), "validator")),
    };
    vec![
        Row::of(role, format!(" {sign} {head} {reachable} of {n} stay reachable,")),
        Row::of(role, format!("   quorum is {quorum}. {verdict}")),
    ]
}

/// Whether the question is seen whole: consequences and buttons that the terminal has no room for must
/// not be agreed to. A size of 0 is one that is not known yet.
pub(in super::super) fn is_whole(model: &Model, dialog: &Dialog) -> bool {
    let (width, height) = (usize::from(model.size.0), usize::from(model.size.1));
    let lines = ask(model, dialog).lines;
    let widest = lines.iter().map(|line| line.row.width()).max().unwrap_or(0);
    // Header, tabs, a banner and the footer; a card has a footer only.
    let around = if super::is_card(model.size) { 1 } else { 4 };
    let is_high = lines.len() + 2 + around <= height;
    let is_wide = widest.min(usize::from(WIDTH) - 4) + 4 <= width;
    (width, height) == (0, 0) || (is_high && is_wide)
}

/// A question of tier 1 or 2.
pub(in super::super) fn ask(model: &Model, dialog: &Dialog) -> Panel {
    let status = &*model.live.status;
    let mut lines = vec![Row::new()];
    let (title, verb): (String, &str) = match &dialog.act {
        Act::Stop => {
            lines.push(Row::of(
                Role::Text,
                " Finishes or leaves the round, signs nothing more,",
            ));
            lines.push(Row::of(
                Role::Text,
                " flushes storage, closes sessions, then exits.",
            ));
            lines.push(Row::new().text(" ").append(stop_consequence(model)));
            if let Some(note) = lead_note(status).filter(|_| model.fleet.is_none()) {
                lines.push(Row::new().text(" ").append(note));
            }
            lines.push(Row::new());
            lines.push(typed_line(status, dialog));
            ("Stop the node?".to_owned(), "Stop")
        }
        Act::Disconnect { peer, name } => {
            lines.push(
                Row::new()
                    .text(" ")
                    .strong(fit(name, 24))
                    .dim(format!("  {}", peer.short())),
            );
            let follows = ban_consequence(status, &BanTarget::Node(*peer));
            if follows.validators_lost > 0 {
                lines.extend(ban_follows(status, name, &follows));
            }
            lines.push(Row::of(
                Role::Dim,
                " It is not banned and may come back by itself.",
            ));
            ("Disconnect the peer?".to_owned(), "Disconnect")
        }
        Act::Ban {
            target,
            name,
            choice,
            reason,
        } => {
            lines.push(
                Row::new()
                    .text(" ")
                    .strong(fit(name, 24))
                    .dim(format!("  {}", ends(&target.to_string(), 12, 6))),
            );
            let mut row = Row::new().dim(" for ").with(Role::Accent, "◂ ");
            for (at, (length, _)) in Act::BAN_LENGTHS.iter().enumerate() {
                row = match at == *choice {
                    true => row.with(Role::Button, format!(" {length} ")),
                    false => row.dim(format!(" {length} ")),
                };
            }
            lines.push(row.with(Role::Accent, " ▸"));
            lines.push(match dialog.on_text {
                true => Row::new()
                    .with(Role::Accent, " reason  ")
                    .strong(fit(reason, 42))
                    .with(Role::Accent, "▏"),
                false => Row::new()
                    .dim(" reason  ")
                    .text(fit(reason, 32))
                    .dim("   S-Tab writes"),
            });
            lines.extend(ban_follows(status, name, &ban_consequence(status, target)));
            ("Ban the peer?".to_owned(), "Ban")
        }
        Act::Unban { target, name } => {
            lines.push(
                Row::new()
                    .text(" ")
                    .strong(fit(name, 24))
                    .dim(format!("  {}", ends(&target.to_string(), 12, 6))),
            );
            lines.push(Row::of(
                Role::Dim,
                " It may come back; what was held against it is forgotten.",
            ));
            ("Lift the ban?".to_owned(), "Unban")
        }
        Act::Resync { mode, plan } => {
            lines.extend(resync_follows(*mode, plan.as_deref()));
            lines.push(Row::of(
                Role::Dim,
                " Keeps keys, consensus log, configuration, peers and bans.",
            ));
            lines.push(typed_line(status, dialog));
            ("Build the database anew?".to_owned(), "Resync")
        }
        Act::CancelResync => {
            lines.push(Row::of(
                Role::Text,
                " What was built so far is deleted; the node starts again",
            ));
            lines.push(Row::of(
                Role::Text,
                " with the old database, as if nothing had been.",
            ));
            ("Give up the resync?".to_owned(), "Give up")
        }
        Act::UnbanAll => {
            let count = u64::from(status.peers.banned);
            lines.push(Row::of(
                Role::Warn,
                format!(" ▲ {} end, those of the program included.", counted(count, "ban")),
            ));
            lines.push(Row::of(
                Role::Dim,
                " Whoever was kept out for good reason may try again.",
            ));
            lines.push(Row::new());
            lines.push(typed_line(status, dialog));
            ("Lift all bans?".to_owned(), "Unban all")
        }
        Act::Node { name, fate, .. } => {
            lines.push(Row::new().text(" ").strong(fit(name, 24)).dim(match fate {
                Fate::Stop => "  finishes in order: SIGTERM",
                Fate::Kill => "  ends this instant, as in a power cut: SIGKILL",
                Fate::Pause => "  stands still with its connections open: SIGSTOP",
            }));
            let online = online(status);
            let (n, quorum) = (status.consensus.n, status.consensus.quorum);
            // Who is frozen or cut off is not counted any more, and cannot be lost twice.
            let consensus = &status.consensus;
            let is_away = consensus
                .validators
                .iter()
                .any(|row| row.name == *name && !consensus.is_reachable(row, status.at));
            let stay = online.saturating_sub(u32::from(!is_away));
            let (role, text) = if is_away {
                (
                    Role::Dim,
                    format!("it is away already: {online} of {n} stay, quorum {quorum}, as now"),
                )
            } else if online < quorum {
                (
                    Role::Warn,
                    format!("▲ {online} of {n} vote now, quorum {quorum}: nothing is final as it is"),
                )
            } else if stay < quorum {
                (
                    Role::Err,
                    format!("✖ {stay} of {n} stay, quorum {quorum}: finality halts"),
                )
            } else if stay == quorum {
                (
                    Role::Warn,
                    format!("▲ {stay} of {n} stay, quorum {quorum}: at the limit"),
                )
            } else {
                (
                    Role::Dim,
                    format!("{stay} of {n} stay, quorum {quorum}: finality goes on"),
                )
            };
            lines.push(Row::new().text(" ").with(role, text));
            lines.push(Row::of(
                Role::Dim,
                match fate {
                    Fate::Pause => " P lets it go on.",
                    Fate::Stop | Fate::Kill => " r starts it again.",
                },
            ));
            (format!("{} {}?", fate.word(), fit(name, 24)), fate.word())
        }
        Act::LogRule { filter } => {
            lines.push(Row::of(
                Role::Dim,
                " What the node writes to its log, from now on:",
            ));
            lines.push(Row::new().text(" ").strong(fit(filter, 54)));
            lines.push(Row::new().dim(" now: ").text(fit(&status.node.log_filter, 40)));
            lines.push(Row::of(Role::Dim, " It goes back by itself after 10 minutes."));
            ("Change the log level?".to_owned(), "Change")
        }
        Act::Dial { address, add } => {
            lines.push(Row::new().text(" ").strong(fit(address, 54)));
            let (what, title, verb) = match add {
                true => (
                    " Dialled, and again whenever the session ends, until the next start.",
                    "Keep a connection?",
                    "Add",
                ),
                false => (
                    " Not dialled any more; a session that stands stays.",
                    "Stop dialling?",
                    "Remove",
                ),
            };
            lines.push(Row::of(Role::Dim, fit(what, 58)));
            (title.to_owned(), verb)
        }
        Act::LogFilter { choice } => {
            lines.push(Row::of(
                Role::Dim,
                " What the node writes to its log, from now on:",
            ));
            let mut row = Row::new().with(Role::Accent, " ◂ ");
            for (at, filter) in Act::LOG_FILTERS.iter().enumerate() {
                row = match at == *choice {
                    true => row.with(Role::Button, format!(" {filter} ")),
                    false => row.dim(format!(" {filter} ")),
                };
            }
            lines.push(row.with(Role::Accent, " ▸"));
            lines.push(Row::new().dim(" now: ").text(fit(&status.node.log_filter, 40)));
            lines.push(Row::of(Role::Dim, " It goes back by itself after 10 minutes."));
            ("Change the log level?".to_owned(), "Change")
        }
    };
    lines.push(Row::new());
    // The typed name is the confirmation: Enter acts then, and the button shows it.
    let armed = match dialog.act.is_typed() {
        true => dialog.may_act(&status.node.network),
        false => dialog.on_act,
    };
    lines.push(buttons(&[("Cancel", !armed), (verb, armed)]));
    let mut panel = Panel::titled(Row::new().strong(title));
    panel.focused = true;
    for row in lines {
        panel.line(row);
    }
    panel
}

/// A stop that waits until nobody would wait for our proposal.
pub(in super::super) fn stop_waits(model: &Model, since_ms: u64, width: usize) -> Panel {
    let status = &*model.live.status;
    let waited = model.live.now.mono_ms.saturating_sub(since_ms);
    let mut panel = Panel::titled(Row::new().strong("Stopping at a safe moment"));
    panel.focused = true;
    panel.line(Row::new());
    let height = grouped(status.consensus.height);
    panel.line(Row::of(
        Role::Text,
        match status.consensus.we_lead_in {
            Some(0) => format!("  This node leads height {height}, which is not final yet."),
            _ => "  This node leads the next height.".to_owned(),
        },
    ));
    panel.line(Row::of(
        Role::Dim,
        "  Waits until another validator leads, so that no block is late.",
    ));
    panel.line(Row::new());
    let bar_width = width.saturating_sub(22).clamp(6, 30);
    panel.line(
        Row::new()
            .text("  ")
            .append(bar::progress_bar(bar_width, waited, STOP_WAITS_MS))
            .text(format!("  {}", seconds(waited)))
            .dim(format!(" / {} s at most", STOP_WAITS_MS / 1_000)),
    );
    panel.line(
        Row::new()
            .with(Role::Accent, "  Enter")
            .text(" stop now   ")
            .with(Role::Accent, "Esc")
            .text(" do not stop"),
    );
    panel
}

/// How far a stop has come.
pub(in super::super) fn stopping(model: &Model, stop: &StopStatus, width: usize) -> Panel {
    let now = model.live.now;
    let gone = now.since_ms(stop.started);
    let mut panel = Panel::titled(
        Row::new()
            .strong("Stopping")
            .dim(format!("  asked by {}", fit(&stop.reason, 36))),
    );
    panel.focused = true;
    panel.line(Row::new());
    for step in &stop.steps {
        let (glyph, role) = match step.state {
            StepState::Waiting => ("·", Role::Dim),
            StepState::Running => ("◐", Role::Accent),
            StepState::Done => ("✓", Role::Ok),
            StepState::Failed => ("✖", Role::Err),
        };
        let name = match step.state {
            StepState::Waiting => Role::Dim,
            StepState::Running => Role::Strong,
            StepState::Done | StepState::Failed => Role::Text,
        };
        panel.line(
            Row::new()
                .with(role, format!("  {glyph} "))
                .with(name, pad(&step.name, 34))
                .dim(step.took_ms.map_or_else(String::new, duration)),
        );
    }
    panel.line(Row::new());
    let bar_width = width.saturating_sub(22).clamp(6, 30);
    panel.line(
        Row::new()
            .text("  ")
            .append(bar::progress_bar(bar_width, gone, stop.budget_ms))
            .text(format!("  {}", seconds(gone)))
            .dim(format!(" / {} s", seconds(stop.budget_ms))),
    );
    panel.line(Row::of(
        Role::Dim,
        "  ^C twice leaves at once; what was signed is on disk",
    ));
    panel
}
