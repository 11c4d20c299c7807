//! Drawing. Places what the view-models say and decides nothing.

mod canvas;
mod screens;

use ratatui::{buffer::Buffer, layout::Rect};

use super::{
    glyphs,
    model::{Model, Overlay},
    text::Row,
    theme::{Role, Theme},
    vm::{self, Panel},
};
use canvas::Canvas;

/// From this size on, screens are drawn in full.
const FULL: (u16, u16) = (100, 30);
/// Below this size there is a card instead of screens.
const SCREENS: (u16, u16) = (60, 20);

/// How a frame is drawn, apart from what it shows.
pub(super) struct Look<'a> {
    pub(super) theme: &'a Theme,
    pub(super) ascii: bool,
}

/// Draws the whole frame. Returns how many rows the list on show has, for paging.
pub(super) fn draw(model: &Model, look: &Look<'_>, buffer: &mut Buffer) -> usize {
    let area = buffer.area;
    let mut canvas = Canvas::new(buffer, look.theme);
    let page = frame(model, &mut canvas, area);
    if look.ascii {
        glyphs::to_ascii(buffer);
    }
    page
}

fn frame(model: &Model, canvas: &mut Canvas<'_>, area: Rect) -> usize {
    if area.width == 0 || area.height == 0 {
        return 0;
    }
    if area.width < SCREENS.0 || area.height < SCREENS.1 {
        card(model, canvas, area);
        overlay(model, canvas, area);
        return 1;
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
    canvas.spread(next_row(), &left, &right);
    if let Some((role, left, right)) = vm::frame::banner(model.shown(), width) {
        let row = next_row();
        if role == Role::Crit {
            canvas.fill(row, Role::Crit);
        }
        canvas.spread(row, &left, &right);
    }
    let foot = Rect::new(area.x, area.bottom() - 1, area.width, 1);
    let (left, right) = vm::frame::footer(model, width);
    canvas.spread(foot, &left, &right);

    let body = Rect::new(area.x, area.y + top, area.width, area.height - top - 1);
    let full = area.width >= FULL.0 && area.height >= FULL.1;
    let page = screens::draw(model, canvas, body, full);
    overlay(model, canvas, body);
    toasts(model, canvas, body);
    page
}

fn card(model: &Model, canvas: &mut Canvas<'_>, area: Rect) {
    let rows = vm::card::rows(model.shown(), usize::from(area.width), usize::from(area.height));
    for (at, row) in rows.iter().take(usize::from(area.height)).enumerate() {
        canvas.put(Rect::new(area.x, area.y + at as u16, area.width, 1), row);
    }
}

fn overlay(model: &Model, canvas: &mut Canvas<'_>, body: Rect) {
    if let Some(stop) = &model.live.status.stop {
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
        Some(Overlay::Leave { focus }) => float(canvas, body, 62, &vm::dialog::leave(model, *focus)),
        Some(Overlay::Dialog(dialog)) => float(canvas, body, 58, &vm::dialog::ask(model, dialog)),
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
