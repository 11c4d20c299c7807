//! Words about what the console looks through: the banner of a lost link or of a node that says nothing,
//! and the badge of a session.

use super::super::{
    format::{duration, fit},
    model::Model,
    session::{Lost, Session, Through},
    text::Row,
    theme::Role,
};

/// The banner while what is shown is old: first for how long, then why.
pub(in super::super) fn banner(model: &Model, width: usize) -> Option<(Role, Row, Row)> {
    match &model.session.lost {
        Some(lost) => Some(disconnected(lost, width)),
        None => Some(silent(model.silent_ms()?, width)),
    }
}

/// The link stands and nothing comes: the node's process is frozen, or the host of it is.
fn silent(for_ms: u64, width: usize) -> (Role, Row, Row) {
    let head = format!(" ✖ no word from the node for {}", duration(for_ms));
    let full = format!("{head}; what is shown is old");
    let text = match full.chars().count() < width {
        true => full,
        false => fit(&head, width),
    };
    let right = match width {
        100.. => "is its process frozen? ",
        _ => "",
    };
    (Role::Crit, Row::of(Role::Crit, text), Row::of(Role::Crit, right))
}

fn disconnected(lost: &Lost, width: usize) -> (Role, Row, Row) {
    let Lost {
        for_s,
        retry_s,
        reason,
    } = lost;
    let next = match retry_s {
        0 => "connecting".to_owned(),
        s => format!("retry in {s} s"),
    };
    let head = format!(" ✖ disconnected {}, {next}", duration(for_s * 1_000));
    let right = "what is shown is the last that came ";
    let room = width.saturating_sub(head.chars().count() + right.len() + 4);
    let row = match room {
        0..=15 => Row::of(Role::Crit, fit(&head, width)),
        _ => Row::of(Role::Crit, format!("{head}  ·  {}", fit(reason, room))),
    };
    (Role::Crit, row, Row::of(Role::Crit, right))
}

/// What stands before "live" in the tab row.
pub(in super::super) fn badge(session: &Session) -> Row {
    if session.lost.is_some() {
        return Row::of(Role::Err, "link lost ");
    }
    match (session.through, session.read_only) {
        (Through::Process, _) => Row::new(),
        (Through::Socket, false) => Row::of(Role::Accent, "attached "),
        (Through::Socket, true) => Row::of(Role::Accent, "attached, read only "),
        (Through::Recording, _) => Row::of(Role::Warn, "REPLAY "),
    }
}
