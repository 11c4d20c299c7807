//! The line typed at the foot of the screen: filters and finds that hold while they are typed.

use tui_input::{Input as Line, InputRequest};

use super::super::{
    key::Key,
    keymap::{Action, Screen},
    model::{Model, Needle, Prompt, PromptKind},
};

use super::{Effect, moving, palette};

pub(super) fn begin(model: &mut Model, kind: PromptKind, text: String) {
    model.prompt = Some(Prompt {
        kind,
        input: Line::new(text),
        typed: None,
        back: 0,
    });
}

pub(super) fn prompt(model: &mut Model) {
    match model.screen {
        Screen::Logs => begin(model, PromptKind::Find, String::new()),
        Screen::Consensus => {
            let text = model.votes.filter.text().to_owned();
            begin(model, PromptKind::Rows, text);
        }
        Screen::Peers => {
            let text = model.peers.filter.text().to_owned();
            begin(model, PromptKind::Rows, text);
        }
        Screen::Overview | Screen::Mempool | Screen::Sync | Screen::Devnet => {}
    }
}

pub(super) fn on_prompt_key(model: &mut Model, key: Key) -> Vec<Effect> {
    let Some(prompt) = &mut model.prompt else {
        return Vec::new();
    };
    if prompt.kind == PromptKind::Palette {
        return palette::on_key(model, key);
    }
    match key {
        Key::Enter => {
            let kind = prompt.kind;
            apply_prompt(model);
            model.prompt = None;
            if kind == PromptKind::Find {
                moving::step(model, Action::FindPrevious);
            }
        }
        Key::Esc => {
            prompt.input.reset();
            apply_prompt(model);
            model.prompt = None;
        }
        _ => {
            edit(&mut prompt.input, key);
            apply_prompt(model);
        }
    }
    Vec::new()
}

/// What is typed holds at once.
pub(super) fn apply_prompt(model: &mut Model) {
    let Some(prompt) = &model.prompt else { return };
    let needle = Needle::new(prompt.input.value());
    match prompt.kind {
        PromptKind::Rows => match model.screen {
            Screen::Peers => model.peers.filter = needle,
            Screen::Consensus => model.votes.filter = needle,
            Screen::Overview | Screen::Mempool | Screen::Sync | Screen::Logs | Screen::Devnet => {}
        },
        PromptKind::Find => model.log.find = needle,
        PromptKind::Filter => model.log.filter = needle,
        PromptKind::Target => model.log.target = needle,
        PromptKind::Palette => {}
    }
}

/// A line longer than this is no search.
pub(super) const LINE_CHARS_MAX: usize = 128;

pub(super) fn edit(line: &mut Line, key: Key) {
    let request = match key {
        Key::Char(c) if line.value().chars().count() < LINE_CHARS_MAX => InputRequest::InsertChar(c),
        Key::Backspace => InputRequest::DeletePrevChar,
        Key::Delete => InputRequest::DeleteNextChar,
        Key::Left => InputRequest::GoToPrevChar,
        Key::Right => InputRequest::GoToNextChar,
        Key::Home | Key::Ctrl('a') => InputRequest::GoToStart,
        Key::End | Key::Ctrl('e') => InputRequest::GoToEnd,
        Key::Ctrl('w') => InputRequest::DeletePrevWord,
        Key::Ctrl('u') => InputRequest::DeleteLine,
        Key::Ctrl('k') => InputRequest::DeleteTillEnd,
        _ => return,
    };
    line.handle(request);
}
