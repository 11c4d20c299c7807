//! One frame as plain text, for pipes: what a screen would show, without a terminal.

use std::sync::Arc;

use ratatui::{buffer::Buffer, layout::Rect};

use super::{
    model::Model,
    session::{Session, Through},
    theme::{Depth, Theme, ThemeName},
    update::{Msg, update},
    view::{self, Look},
};
use crate::control::{Batch, Event, Status};

/// What one frame is drawn of.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The snapshot.
    pub status: Arc<Status>,
    /// Events up to it, oldest first.
    pub events: Vec<Event>,
    /// True if it comes from a recording: the frame must not look as if it were now.
    pub is_recorded: bool,
}

/// The first screen of a snapshot, lines without trailing blanks. No colours and no escapes; with
/// `ascii` no character beyond ASCII either.
pub fn frame_text(picture: Picture, size: (u16, u16), ascii: bool) -> String {
    let Picture {
        status,
        events,
        is_recorded,
    } = picture;
    let mut model = Model {
        session: Session {
            through: match is_recorded {
                true => Through::Recording,
                false => Through::Socket,
            },
            ..Session::default()
        },
        theme: ThemeName::Mono,
        depth: Depth::None,
        size,
        ..Model::default()
    };
    let now = status.at;
    let next = events.last().map_or(0, |event| event.seq + 1);
    for message in [
        Msg::Clock(now),
        Msg::Status(status),
        Msg::Events(Batch {
            items: events,
            missed: 0,
            next,
        }),
    ] {
        // No message of these asks for anything.
        let _ = update(&mut model, message);
    }
    let theme = Theme::new(ThemeName::Mono, Depth::None);
    let mut buffer = Buffer::empty(Rect::new(0, 0, size.0, size.1));
    view::draw(&model, &Look { theme: &theme, ascii }, &mut buffer);
    view::text(&buffer)
}
