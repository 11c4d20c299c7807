//! The help overlay: this screen's keys beside those that hold everywhere, from the keymap.

use super::{
    super::{
        format::{fit, pad, wrapped},
        keymap::{Action, Binding, KEYMAP, REPLAY, Scope, is_in_force},
        model::Model,
        session::Through,
        text::Row,
        theme::Role,
    },
    Panel,
};

/// Columns of a key label.
const LABEL: usize = 7;

/// The overlay. `scroll` is clamped to what there is.
pub(in super::super) fn panel(
    model: &Model,
    filter: &str,
    typing: bool,
    scroll: usize,
    width: usize,
    height: usize,
) -> Panel {
    let mut title = Row::new()
        .strong("Help")
        .dim(format!("  {}", model.screen.name()));
    if typing || !filter.is_empty() {
        title = title.with(
            Role::Accent,
            format!("  / {}{}", fit(filter, 20), if typing { "▏" } else { "" }),
        );
    }
    let mut panel = Panel::titled(title);
    panel.focused = true;
    let wanted = filter.to_lowercase();
    let passes = |text: &str| wanted.is_empty() || text.to_lowercase().contains(&wanted);
    let column = width / 2;
    let mut here: Vec<Row> = Vec::new();
    let mut everywhere: Vec<Row> = Vec::new();
    if model.session.through == Through::Recording {
        for binding in REPLAY {
            if passes(&format!("{} {}", binding.label, binding.help)) {
                here.extend(entry(Role::Accent, binding.label, binding.help, column));
            }
        }
    }
    for binding in KEYMAP {
        let Some((help, acts)) = words(model, binding) else {
            continue;
        };
        if !passes(&format!("{} {help}", binding.label)) {
            continue;
        }
        let role = if acts { Role::Warn } else { Role::Accent };
        let rows = entry(role, binding.label, help, column);
        match binding.scope {
            Scope::All => everywhere.extend(rows),
            Scope::On(_) => here.extend(rows),
        }
    }
    // Whoever looks for something finds it wherever it is.
    if !wanted.is_empty() {
        for binding in KEYMAP {
            let Scope::On(screens) = binding.scope else {
                continue;
            };
            if screens.contains(&model.screen) || !passes(&format!("{} {}", binding.label, binding.help)) {
                continue;
            }
            let names: Vec<&str> = screens.iter().map(|screen| screen.name()).collect();
            let help = format!("on {}: {}", names.join(", "), binding.help);
            here.extend(entry(Role::Dim, binding.label, &help, column));
        }
    }
    let rows = here.len().max(everywhere.len());
    let mut lines: Vec<Row> = vec![Row::new().strong(pad("This screen", column)).strong("Everywhere")];
    for at in 0..rows {
        let left = here.get(at).cloned().unwrap_or_default();
        let right = everywhere.get(at).cloned().unwrap_or_default();
        lines.push(left.until_column(column).append(right));
    }
    if rows == 0 {
        lines.push(Row::of(Role::Dim, "no key matches"));
    }
    lines.push(Row::new());
    for row in legend(model, width) {
        lines.push(row);
    }
    let first = scroll.min(lines.len().saturating_sub(height));
    if first + height < lines.len() {
        panel.foot = Row::of(Role::Dim, "more below");
    }
    panel.lines = lines
        .into_iter()
        .skip(first)
        .take(height)
        .map(Into::into)
        .collect();
    panel
}

/// A key and what it does, on as many lines as that takes.
fn entry(role: Role, label: &str, help: &str, column: usize) -> Vec<Row> {
    let room = column.saturating_sub(LABEL + 2).max(8);
    let lines = wrapped(help, room).into_iter().enumerate();
    lines
        .map(|(at, line)| {
            let label = if at == 0 { label } else { "" };
            Row::new().with(role, pad(label, LABEL)).text(fit(&line, room))
        })
        .collect()
}

/// What a binding does here and now, and whether it asks first; `None` if it does nothing.
pub(in super::super) fn words(model: &Model, binding: &Binding) -> Option<(&'static str, bool)> {
    let through = model.session.through;
    let recording = through == Through::Recording;
    if !binding.scope.holds(model.screen) || !is_in_force(binding, model.screen, recording) {
        return None;
    }
    match (through, binding.action) {
        (Through::Process, _) => Some((binding.help, binding.acts)),
        (Through::Socket, Action::Leave | Action::Interrupt) => {
            Some(("leave at once; the node goes on", false))
        }
        (Through::Recording, Action::Leave | Action::Interrupt) => Some((
            if model.session.nested {
                "back to the node"
            } else {
                "leave the recording"
            },
            false,
        )),
        (_, Action::Suspend) => Some(("to the shell; fg comes back", false)),
        (Through::Recording, Action::Replay | Action::Acknowledge) => None,
        // Nothing can be changed in a recording, so nothing offers to.
        (Through::Recording, _) if binding.acts => None,
        _ if binding.acts && model.session.read_only => None,
        _ => Some((binding.help, binding.acts)),
    }
}

fn legend(model: &Model, width: usize) -> Vec<Row> {
    let node = &model.live.status.node;
    let mut rows = vec![
        Row::new()
            .with(Role::VoteThis, "● ")
            .dim("this block  ")
            .with(Role::VoteOther, "◆ ")
            .dim("another block  ")
            .with(Role::VoteLate, "◌ ")
            .dim("late  ")
            .with(Role::VoteNone, "· ")
            .dim("none yet  ")
            .with(Role::VoteBad, "✖ ")
            .dim("contradicts itself"),
        Row::new()
            .with(Role::Accent, "★ ")
            .dim("leader  ")
            .with(Role::Accent, "▸ ")
            .dim("this node  ")
            .strong("┃ ")
            .dim("quorum  ")
            .dim("PP PRE-PREPARE  PR PREPARE  CM COMMIT  VC VIEW-CHANGE"),
        Row::new()
            .with(Role::Ok, "● ")
            .dim("well  ")
            .with(Role::Warn, "▲ ")
            .dim("look when you can  ")
            .with(Role::Err, "✖ ")
            .dim("look now  ")
            .with(Role::Accent, "◐ ")
            .dim("changing  ")
            .with(Role::Warn, "keys in this colour")
            .dim(" ask before they act"),
        Row::new(),
    ];
    for (label, value) in [
        ("version", node.version.clone()),
        ("data", node.data_dir.to_string_lossy().into_owned()),
        (
            "log",
            node.log_file
                .as_ref()
                .map_or_else(|| "—".to_owned(), |file| file.to_string_lossy().into_owned()),
        ),
        ("p2p", node.p2p_listen.clone()),
        ("http", node.rpc_listen.clone().unwrap_or_else(|| "—".to_owned())),
    ] {
        rows.push(
            Row::new()
                .dim(pad(label, LABEL + 2))
                .text(fit(&value, width.saturating_sub(LABEL + 4))),
        );
    }
    rows
}
