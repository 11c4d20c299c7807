//! What the palette offers for the line that is typed.

use super::{
    super::{
        format::{fit, pad},
        model::{Model, Prompt},
        text::Row,
        theme::Role,
        update::palette::candidates,
    },
    Line, Panel,
};

/// Columns of a command and what follows it.
const COMMAND: usize = 22;

/// The completions, the one in the line marked.
pub(in super::super) fn panel(model: &Model, prompt: &Prompt, width: usize) -> Panel {
    let mut panel = Panel::titled(Row::new().strong("Commands"));
    panel.focused = true;
    let line = prompt.input.value();
    let typed = prompt.typed.as_deref().unwrap_or(line);
    for candidate in candidates(model, typed) {
        let command = match candidate.argument {
            "" => candidate.line.clone(),
            argument => format!("{} {argument}", candidate.line),
        };
        panel.line(Line {
            row: Row::new().text(" ").strong(pad(&command, COMMAND)).dim(format!(
                " {}",
                fit(&candidate.help, width.saturating_sub(COMMAND + 2))
            )),
            right: Row::new(),
            selected: candidate.line == line,
        });
    }
    if panel.lines.is_empty() {
        panel.line(Row::of(
            Role::Dim,
            match typed.contains(' ') {
                true => " type it, then Enter",
                false => " no such command",
            },
        ));
    }
    panel
}
