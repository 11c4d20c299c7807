//! Words about what the console looks through: the banner of a lost link and the badge of a session.

use super::super::{
    format::{duration, fit},
    session::{Lost, Session, Through},
    text::Row,
    theme::Role,
};

/// The banner while the link is down: first how long, then why.
pub(in super::super) fn banner(session: &Session, width: usize) -> Option<(Role, Row, Row)> {
    let Lost {
        for_s,
        retry_s,
        reason,
    } = session.lost.as_ref()?;
    let next = match retry_s {
        0 => "connecting".to_owned(),
        s => format!("retry in {s} s"),
    };
    let head = format!(" ✖ disconnected {}, {next}", duration(for_s * 1_000));
    let right = "what is shown is the last that came ";
    let room = width.saturating_sub(head.chars().count() + right.len() + 4);
    let row = match room {
        0..=15 => Row::of(Role::Crit, head),
        _ => Row::of(Role::Crit, format!("{head}  ·  {}", fit(reason, room))),
    };
    Some((Role::Crit, row, Row::of(Role::Crit, right)))
}

/// What stands before "live" in the tab row.
pub(in super::super) fn badge(session: &Session) -> Row {
    match (session.through, session.read_only) {
        (Through::Process, _) => Row::new(),
        (Through::Socket, false) => Row::of(Role::Accent, "attached "),
        (Through::Socket, true) => Row::of(Role::Accent, "attached, read only "),
        (Through::Recording, _) => Row::of(Role::Warn, "REPLAY "),
    }
}
