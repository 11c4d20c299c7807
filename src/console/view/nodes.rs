//! The list of several nodes, on the whole screen.

use ratatui::{buffer::Buffer, layout::Rect};

use super::{super::nodes, Look, canvas::Canvas};
use crate::console::{glyphs, model::Model};

/// Draws the list with its header and footer.
pub(in super::super) fn draw(
    models: &[(&Model, String)],
    selected: usize,
    help: bool,
    look: &Look<'_>,
    buffer: &mut Buffer,
) {
    let area = buffer.area;
    if area.width == 0 || area.height == 0 {
        return;
    }
    let mut canvas = Canvas::new(buffer, look.theme);
    let line = |y: u16| Rect::new(area.x, y, area.width, 1);
    let (left, right) = nodes::header(models);
    canvas.spread(line(area.y), &left, &right);
    if area.height > 2 {
        canvas.put(line(area.bottom() - 1), &nodes::footer(usize::from(area.width)));
    }
    if area.height > 5 && area.width > 8 {
        let body = Rect::new(area.x, area.y + 1, area.width, area.height - 2);
        let (width, height) = (usize::from(body.width) - 4, usize::from(body.height) - 2);
        canvas.panel(body, &nodes::panel(models, selected, width, height));
        if help {
            super::float(&mut canvas, body, 62, &nodes::help());
        }
    }
    if look.ascii {
        glyphs::to_ascii(buffer);
    }
}
