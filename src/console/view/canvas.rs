//! The one brush: rows, panels and fills on a buffer, always clipped to it.

use ratatui::{buffer::Buffer, layout::Rect};

use super::super::{
    format::{fit, printable},
    model::Spot,
    text::Row,
    theme::{Role, Theme},
    vm::Panel,
};

/// A buffer and the theme it is drawn in.
pub(super) struct Canvas<'a> {
    buffer: &'a mut Buffer,
    theme: &'a Theme,
    spots: Vec<(Rect, Spot)>,
}

impl<'a> Canvas<'a> {
    pub(super) fn new(buffer: &'a mut Buffer, theme: &'a Theme) -> Self {
        Self {
            buffer,
            theme,
            spots: Vec::new(),
        }
    }

    /// Notes what can be clicked in an area.
    pub(super) fn spot(&mut self, area: Rect, spot: Spot) {
        self.spots.push((area.intersection(self.buffer.area), spot));
    }

    /// All that can be clicked.
    pub(super) fn into_spots(self) -> Vec<(Rect, Spot)> {
        self.spots
    }

    /// A row from the left edge of an area. Text is stripped of everything that could steer a terminal.
    pub(super) fn put(&mut self, area: Rect, row: &Row) {
        self.put_styled(area, row, false);
    }

    /// A row on top of what was filled before: colours of the fill stay where the row has none.
    pub(super) fn put_over(&mut self, area: Rect, row: &Row) {
        self.put_styled(area, row, true);
    }

    fn put_styled(&mut self, area: Rect, row: &Row, over: bool) {
        let area = area.intersection(self.buffer.area);
        if area.is_empty() {
            return;
        }
        let mut x = area.x;
        for piece in &row.pieces {
            let room = usize::from(area.right().saturating_sub(x));
            if room == 0 {
                return;
            }
            let mut style = self.theme.style(piece.role);
            if over && piece.role == Role::Text {
                style = ratatui::style::Style::new();
            }
            (x, _) = self
                .buffer
                .set_stringn(x, area.y, printable(&piece.text), room, style);
        }
    }

    /// A row at the left and one at the right; the right one yields if they would touch.
    pub(super) fn spread(&mut self, area: Rect, left: &Row, right: &Row) {
        self.put(area, left);
        let width = right.width() as u16;
        if width > 0 && left.width() + usize::from(width) < usize::from(area.width) {
            self.put(Rect::new(area.right() - width, area.y, width, 1), right);
        }
    }

    /// Lays a style over an area without touching its text.
    pub(super) fn fill(&mut self, area: Rect, role: Role) {
        let area = area.intersection(self.buffer.area);
        self.buffer.set_style(area, self.theme.style(role));
    }

    /// Empties an area.
    pub(super) fn clear(&mut self, area: Rect) {
        let area = area.intersection(self.buffer.area);
        for y in area.top()..area.bottom() {
            for x in area.left()..area.right() {
                self.buffer[(x, y)].reset();
            }
        }
    }

    /// A bordered panel with its lines.
    pub(super) fn panel(&mut self, area: Rect, panel: &Panel) {
        let area = area.intersection(self.buffer.area);
        if area.width < 4 || area.height < 2 {
            return;
        }
        self.edges(area, panel);
        let inner = Rect::new(area.x + 1, area.y + 1, area.width - 2, area.height - 2);
        for (at, line) in panel.lines.iter().take(usize::from(inner.height)).enumerate() {
            let y = inner.y + at as u16;
            let row = Rect::new(inner.x + 1, y, inner.width.saturating_sub(2), 1);
            if let Some((_, pick)) = panel.picks.iter().find(|(line, _)| *line == at) {
                self.spot(Rect::new(inner.x, y, inner.width, 1), Spot::Pick(*pick));
            }
            if line.selected {
                let whole = Rect::new(inner.x, y, inner.width, 1);
                self.spread(row, &line.row, &line.right);
                self.fill(whole, Role::Select);
                self.put(Rect::new(inner.x, y, 1, 1), &Row::of(Role::Focus, "▌"));
            } else {
                self.spread(row, &line.row, &line.right);
            }
        }
    }

    fn edges(&mut self, area: Rect, panel: &Panel) {
        let (corners, across, down, role) = match panel.focused {
            true => (["┏", "┓", "┗", "┛"], "━", "┃", Role::Focus),
            false => (["╭", "╮", "╰", "╯"], "─", "│", Role::Border),
        };
        let middle = across.repeat(usize::from(area.width) - 2);
        let line = |left: &str, right: &str| Row::of(role, format!("{left}{middle}{right}"));
        self.put(Rect { height: 1, ..area }, &line(corners[0], corners[1]));
        let bottom = Rect::new(area.x, area.bottom() - 1, area.width, 1);
        self.put(bottom, &line(corners[2], corners[3]));
        for y in area.y + 1..area.bottom() - 1 {
            for x in [area.x, area.right() - 1] {
                self.put(Rect::new(x, y, 1, 1), &Row::of(role, down));
            }
        }
        let room = usize::from(area.width).saturating_sub(6);
        if !panel.title.is_empty() {
            let mut title = clipped(&panel.title, room);
            if panel.focused {
                for piece in &mut title.pieces {
                    if piece.role == Role::Strong {
                        piece.role = Role::Focus;
                    }
                }
            }
            let title = Row::new().text(" ").append(title).text(" ");
            self.put(Rect::new(area.x + 2, area.y, area.width - 3, 1), &title);
        }
        if !panel.foot.is_empty() && panel.foot.width() + 4 < usize::from(area.width) {
            let foot = Row::new().text(" ").append(panel.foot.clone()).text(" ");
            let width = foot.width() as u16;
            self.put(Rect::new(area.right() - width - 2, bottom.y, width, 1), &foot);
        }
    }
}

/// A row cut to a width.
fn clipped(row: &Row, width: usize) -> Row {
    let mut out = Row::new();
    for piece in &row.pieces {
        let room = width.saturating_sub(out.width());
        if room == 0 {
            break;
        }
        out.push(piece.role, fit(&piece.text, room));
    }
    out
}
