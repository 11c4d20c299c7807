//! The console's laws: what keys may do, how figures read, what every screen looks like, and that
//! nothing a peer sends or a terminal does can break it.

mod colours;
mod devnet;
mod docs;
mod frames;
mod keys;
mod palette;
mod parts;
mod questions;
mod screens;
mod sources;

use std::sync::Arc;

use ratatui::{buffer::Buffer, layout::Rect};

use super::{
    fixture,
    key::{Input, Key},
    keymap::Screen,
    model::Model,
    theme::{Depth, Role, Theme, ThemeName},
    update::{Effect, Msg, update},
    view::{self, Look},
};

/// A frame as it would be drawn.
fn draw(model: &Model, theme: &Theme, ascii: bool) -> Buffer {
    let mut buffer = Buffer::empty(Rect::new(0, 0, model.size.0, model.size.1));
    view::draw(model, &Look { theme, ascii }, &mut buffer);
    buffer
}

fn frame(model: &Model) -> Buffer {
    draw(model, &Theme::new(ThemeName::Night, Depth::TrueColour), false)
}

/// The characters of a frame, without trailing blanks.
fn text(buffer: &Buffer) -> String {
    view::text(buffer)
}

/// The roles of a frame, one letter per cell; `.` for plain text.
fn roles(model: &Model) -> String {
    let buffer = draw(model, &Theme::probe(), false);
    lines(&buffer, |buffer, x, y| {
        let cell = &buffer[(x, y)];
        if cell.symbol() == " " {
            return " ".to_owned();
        }
        match Theme::probed(cell.style()) {
            None | Some(Role::Text) => ".",
            Some(Role::Strong) => "S",
            Some(Role::Dim) => "d",
            Some(Role::Border) => "b",
            Some(Role::Focus) => "F",
            Some(Role::Accent) => "a",
            Some(Role::Ok) => "o",
            Some(Role::Warn) => "w",
            Some(Role::Err) => "e",
            Some(Role::Crit) => "C",
            Some(Role::Select) => "s",
            Some(Role::Button) => "B",
            Some(Role::Match) => "M",
            Some(Role::Bar) => "#",
            Some(Role::BarRest) => "-",
            Some(Role::Spark) => "k",
            Some(Role::VoteThis) => "T",
            Some(Role::VoteOther) => "O",
            Some(Role::VoteLate) => "L",
            Some(Role::VoteNone) => "N",
            Some(Role::VoteBad) => "X",
        }
        .to_owned()
    })
}

fn lines(buffer: &Buffer, cell: impl Fn(&Buffer, u16, u16) -> String) -> String {
    let area = buffer.area;
    let mut out = String::new();
    for y in area.top()..area.bottom() {
        let mut line = String::new();
        let mut skip = 0;
        for x in area.left()..area.right() {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            skip = unicode_width::UnicodeWidthStr::width(buffer[(x, y)].symbol()).saturating_sub(1);
            line.push_str(&cell(buffer, x, y));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// Turns to a screen; to the devnet's with a devnet.
fn show(model: &mut Model, screen: Screen) {
    if screen == Screen::Devnet {
        model.fleet = Some(Arc::new(fixture::fleet()));
    }
    model.screen = screen;
}

fn press(model: &mut Model, key: Key) -> Vec<Effect> {
    update(model, Msg::Input(Input::Key(key)))
}

fn type_text(model: &mut Model, text: &str) -> Vec<Effect> {
    text.chars().flat_map(|c| press(model, Key::Char(c))).collect()
}
