//! Drawing. Places what the view-models say and decides nothing.

mod canvas;
pub(super) mod nodes;
mod screens;

use ratatui::{buffer::Buffer, layout::Rect};

use super::{
    glyphs,
    keymap::Screen,
    model::{Model, Overlay, PromptKind, Spot},
    text::Row,
    theme::{Role, Theme},
    vm::{self, Panel},
};
use canvas::Canvas;

/// From this size on, screens are drawn in full.
const FULL: (u16, u16) = (100, 30);

/// How a frame is drawn, apart from what it shows.
pub(super) struct Look<'a> {
    pub(super) theme: &'a Theme,
    pub(super) ascii: bool,
}

/// What a frame tells about itself.
#[derive(Debug, Default)]
pub(super) struct Drawn {
    /// How many rows the list on show has, for paging.
    pub(super) page: usize,
    /// What can be clicked where.
    pub(super) spots: Vec<(Rect, Spot)>,
}

/// Draws the whole frame.
pub(super) fn draw(model: &Model, look: &Look<'_>, buffer: &mut Buffer) -> Drawn {
    let area = buffer.area;
    let mut canvas = Canvas::new(buffer, look.theme);
    let page = frame(model, &mut canvas, area);
    let spots = canvas.into_spots();
    if look.ascii {
        glyphs::to_ascii(buffer);
    }
    Drawn { page, spots }
}

/// The characters of a frame, a line each, without trailing blanks.
pub(super) fn text(buffer: &Buffer) -> String {
    let area = buffer.area;
    let mut out = String::new();
    for y in area.top()..area.bottom() {
        let mut line = String::new();
        let mut x = area.left();
        while x < area.right() {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            // A wide character is followed by a cell that it covers.
            x += unicode_width::UnicodeWidthStr::width(symbol).max(1) as u16;
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn frame(model: &Model, canvas: &mut Canvas<'_>, area: Rect) -> usize {
    if area.width == 0 || area.height == 0 {
        return 0;
    }
    if vm::is_card((area.width, area.height)) {
        return card(model, canvas, area);
    }
    let width = usize::from(area.width);
    let mut top = 0;
    let mut next_row = || {
        let row = Rect::new(area.x, area.y + top, area.width, 1);
        top += 1;
        row
    };
    let (left, right) = vm::frame::header(model, width);
    canvas.spread(next_row(), &left, &right);
    let (left, right) = vm::frame::tabs(model, width);
    let row = next_row();
    canvas.spread(row, &left, &right);
    tab_spots(canvas, row, &left);
    let banner = vm::link::banner(model, width)
        .or_else(|| vm::frame::banner(model.shown(), model.session.replay.is_none(), width));
    if let Some((role, left, right)) = banner {
        let row = next_row();
        if role == Role::Crit {
            canvas.fill(row, Role::Crit);
        }
        canvas.spread(row, &left, &right);
    }
    let foot = Rect::new(area.x, area.bottom() - 1, area.width, 1);
    let (left, right) = vm::frame::footer(model, width);
    canvas.spread(foot, &left, &right);

    let mut below = 1;
    if let Some(replay) = &model.session.replay {
        below = 2;
        let row = Rect::new(area.x, area.bottom() - 2, area.width, 1);
        canvas.put(row, &vm::timebar::row(replay, width));
    }
    let body = Rect::new(area.x, area.y + top, area.width, area.height - top - below);
    let full = area.width >= FULL.0 && area.height >= FULL.1;
    let page = screens::draw(model, canvas, body, full);
    if model.is_old() {
        canvas.fill(body, Role::Dim);
    }
    overlay(model, canvas, body);
    completions(model, canvas, body);
    toasts(model, canvas, body);
    page
}

/// Each tab's label begins with its number, which is where it leads.
fn tab_spots(canvas: &mut Canvas<'_>, row: Rect, tabs: &Row) {
    let mut x = row.x;
    for piece in &tabs.pieces {
        let width = unicode_width::UnicodeWidthStr::width(piece.text.as_str()) as u16;
        let number = piece
            .text
            .chars()
            .find(char::is_ascii_digit)
            .and_then(|c| c.to_digit(10));
        let screen = number.and_then(|number| Screen::ALL.get((number as usize).checked_sub(1)?));
        if let Some(screen) = screen {
            canvas.spot(Rect::new(x, row.y, width, 1), Spot::Screen(*screen));
        }
        x = x.saturating_add(width);
    }
}

/// What the palette offers, above the line that is typed.
fn completions(model: &Model, canvas: &mut Canvas<'_>, body: Rect) {
    let Some(prompt) = model
        .prompt
        .as_ref()
        .filter(|prompt| prompt.kind == PromptKind::Palette)
    else {
        return;
    };
    let width = body.width.min(72);
    let panel = vm::palette::panel(model, prompt, usize::from(width.saturating_sub(4)));
    let height = (panel.lines.len() as u16 + 2).min(body.height);
    let area = Rect::new(body.x, body.bottom() - height, width, height);
    canvas.clear(area);
    canvas.panel(area, &panel);
}

/// What there is room for below the size of screens: the card, or the first panel of another screen
/// without its border. The last row is the link's while it is down, else the keyboard's.
fn card(model: &Model, canvas: &mut Canvas<'_>, area: Rect) -> usize {
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    let foot = vm::card::foot(model, width);
    let shows_foot = height > 1 || foot.0;
    let body = Rect {
        height: area.height - u16::from(shows_foot),
        ..area
    };
    let room = usize::from(body.height);
    let rows = match model.screen {
        Screen::Overview => vm::card::rows(model, width, room),
        _ => {
            let mut rows = vm::card::rows(model, width, room.min(1));
            rows.extend(screens::bare(model, width, room.saturating_sub(1)));
            rows
        }
    };
    for (at, row) in rows.iter().take(room).enumerate() {
        canvas.put(Rect::new(body.x, body.y + at as u16, body.width, 1), row);
    }
    if model.is_old() {
        canvas.fill(body, Role::Dim);
    }
    if shows_foot {
        let last = Rect::new(area.x, area.bottom() - 1, area.width, 1);
        let (_, left, right) = foot;
        if model.is_old() {
            canvas.fill(last, Role::Crit);
        }
        canvas.spread(last, &left, &right);
    }
    overlay(model, canvas, body);
    completions(model, canvas, body);
    toasts(model, canvas, body);
    room.saturating_sub(2)
}

fn overlay(model: &Model, canvas: &mut Canvas<'_>, body: Rect) {
    if let Some(stop) = &model.live.status.stop
        && model.session.lost.is_none()
    {
        let width = body.width.saturating_sub(4).min(64);
        let panel = vm::dialog::stopping(model, stop, usize::from(width));
        float(canvas, body, width, &panel);
        return;
    }
    match &model.overlay {
        None => {}
        Some(Overlay::Help {
            filter,
            typing,
            scroll,
        }) => {
            let width = body.width.saturating_sub(2).min(96);
            let height = body.height.saturating_sub(2).min(40);
            let panel = vm::help::panel(
                model,
                filter,
                *typing,
                *scroll,
                usize::from(width.saturating_sub(4)),
                usize::from(height.saturating_sub(2)),
            );
            float(canvas, body, width, &panel);
        }
        Some(Overlay::Leave { focus }) => {
            float(canvas, body, vm::dialog::WIDTH, &vm::dialog::leave(model, *focus));
        }
        Some(Overlay::StopWaits { since_ms }) => {
            let width = body.width.saturating_sub(4).min(68);
            let panel = vm::dialog::stop_waits(model, *since_ms, usize::from(width));
            float(canvas, body, width, &panel);
        }
        Some(Overlay::Dialog(dialog)) => {
            float(canvas, body, vm::dialog::WIDTH, &vm::dialog::ask(model, dialog));
        }
        Some(Overlay::Validator(id)) => float(canvas, body, 76, &vm::consensus::detail(model, *id)),
        Some(Overlay::Peer(id)) => float(canvas, body, 72, &vm::peers::detail(model, *id)),
    }
}

/// A panel in the middle, as wide as asked for and as tall as its lines.
fn float(canvas: &mut Canvas<'_>, body: Rect, width: u16, panel: &Panel) {
    let width = width.min(body.width);
    let height = (panel.lines.len() as u16 + 2).min(body.height);
    let area = Rect::new(
        body.x + (body.width - width) / 2,
        body.y + (body.height - height) / 2,
        width,
        height,
    );
    // One free column at each side parts the panel from what lies beneath.
    let left = area.x.saturating_sub(1).max(body.x);
    let right = (area.right() + 1).min(body.right());
    canvas.clear(Rect::new(left, area.y, right - left, area.height));
    canvas.panel(area, panel);
}

fn toasts(model: &Model, canvas: &mut Canvas<'_>, body: Rect) {
    let rows: Vec<Row> = vm::frame::toasts(model, usize::from(body.width));
    for (at, row) in rows.iter().rev().enumerate() {
        let width = (row.width() as u16).min(body.width);
        let Some(y) = body.bottom().checked_sub(2 + at as u16).filter(|y| *y >= body.y) else {
            return;
        };
        let area = Rect::new(body.right().saturating_sub(width + 2).max(body.x), y, width, 1);
        canvas.clear(area);
        canvas.fill(area, Role::Select);
        canvas.put_over(area, row);
    }
}
