//! Tests of the console.

use ratatui::{buffer::Buffer, layout::Rect};

use super::{
    fixture,
    keymap::Screen,
    model::Model,
    theme::{Depth, Theme, ThemeName},
    view::{self, Look},
};

fn frame(model: &Model) -> Buffer {
    let mut buffer = Buffer::empty(Rect::new(0, 0, model.size.0, model.size.1));
    let theme = Theme::new(ThemeName::Night, Depth::TrueColour);
    let look = Look {
        theme: &theme,
        ascii: false,
    };
    view::draw(model, &look, &mut buffer);
    buffer
}

fn text(buffer: &Buffer) -> String {
    let area = buffer.area;
    (area.top()..area.bottom())
        .map(|y| {
            let mut line = String::new();
            let mut skip = 0;
            for x in area.left()..area.right() {
                if skip > 0 {
                    skip -= 1;
                    continue;
                }
                let symbol = buffer[(x, y)].symbol();
                skip = unicode_width::UnicodeWidthStr::width(symbol).saturating_sub(1);
                line.push_str(symbol);
            }
            line.trim_end().to_owned() + "\n"
        })
        .collect()
}

#[test]
#[ignore = "prints frames for a human to look at"]
fn show() {
    let want = |name: &str| std::env::args().any(|arg| arg == name) || true;
    let only = std::env::var_os("FRAME").map(|s| s.to_string_lossy().into_owned());
    for (state, status) in [
        ("healthy", fixture::healthy()),
        ("voting", fixture::voting()),
        ("halted", fixture::halted()),
        ("empty", fixture::empty()),
        ("syncing", fixture::syncing()),
    ] {
        for size in [(120, 36), (80, 24), (60, 20), (40, 10)] {
            for screen in Screen::ALL {
                let name = format!("{state}/{}x{}/{}", size.0, size.1, screen.name());
                if !want(&name) || only.as_ref().is_some_and(|only| !name.contains(only)) {
                    continue;
                }
                let mut model = fixture::model(status.clone(), size);
                model.screen = screen;
                println!("== {name}\n{}", text(&frame(&model)));
            }
        }
    }
}
