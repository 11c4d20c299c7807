//! The console without a terminal: snapshots and keys go in, frames come out. For figures, documents and
//! whoever wants one frame; what keys would ask of a node goes nowhere.

use std::sync::Arc;

use crossterm::{
    queue,
    terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate},
};
use ratatui::{
    backend::{Backend, CrosstermBackend},
    buffer::Buffer,
    layout::Rect,
};

use super::{
    key::Parser,
    model::Model,
    theme::{Depth, Theme, ThemeName},
    update::{Msg, update},
    view::{self, Look},
};
use crate::control::{Moment, Status};

/// A console on a terminal that is only memory: Unicode, 24-bit colours, the night theme.
pub struct Still {
    model: Model,
    theme: Theme,
    shown: Buffer,
    next: Buffer,
}

impl Still {
    /// An empty console of a size.
    pub fn new(columns: u16, rows: u16) -> Self {
        let area = Rect::new(0, 0, columns, rows);
        Self {
            model: Model {
                size: (columns, rows),
                depth: Depth::TrueColour,
                ..Model::default()
            },
            theme: Theme::new(ThemeName::Night, Depth::TrueColour),
            shown: Buffer::empty(area),
            next: Buffer::empty(area),
        }
    }

    /// Takes a snapshot in, at a moment of the node's clock.
    pub fn show(&mut self, status: Arc<Status>, now: Moment) {
        update(&mut self.model, Msg::Clock(now));
        update(&mut self.model, Msg::Status(status));
    }

    /// Types, in the bytes that a terminal sends.
    pub fn press(&mut self, keys: &str) {
        let mut parser = Parser::default();
        let mut inputs = parser.feed(keys.as_bytes());
        inputs.extend(parser.settle());
        for input in inputs {
            update(&mut self.model, Msg::Input(input));
        }
    }

    /// Draws the next frame. Returns how many bytes a terminal would be sent for what changed.
    pub fn draw(&mut self) -> usize {
        self.next.reset();
        let look = Look {
            theme: &self.theme,
            ascii: false,
        };
        let drawn = view::draw(&self.model, &look, &mut self.next);
        self.model.page = drawn.page;
        let changes = self.shown.diff(&self.next);
        let mut bytes = Vec::new();
        if !changes.is_empty() {
            let mut backend = CrosstermBackend::new(&mut bytes);
            // Memory refuses nothing.
            let _ = queue!(backend, BeginSynchronizedUpdate);
            let _ = backend.draw(changes.into_iter());
            let _ = queue!(backend, EndSynchronizedUpdate);
        }
        std::mem::swap(&mut self.shown, &mut self.next);
        bytes.len()
    }

    /// The characters of the last frame, a line each.
    pub fn text(&self) -> String {
        view::text(&self.shown)
    }
}
