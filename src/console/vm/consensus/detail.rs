//! All there is to say about one validator.

use super::super::{
    super::{
        format::{UNKNOWN, age, clock, ends, fit, grouped, or_unknown, pad},
        model::Model,
        text::Row,
        theme::Role,
    },
    Panel,
};
use crate::{
    control::{HeightMark, words::counted},
    crypto::PublicKey,
};

use super::history_mark;

/// All there is to say about one validator.
pub(in crate::console) fn detail(model: &Model, id: PublicKey) -> Panel {
    let shown = model.shown();
    let status = &*shown.status;
    let Some(row) = status.consensus.validators.iter().find(|row| row.id == id) else {
        let mut panel = Panel::titled(Row::new().strong("Validator"));
        panel.line(Row::of(Role::Dim, "no longer in the set"));
        return panel;
    };
    let mut panel = Panel::titled(Row::new().strong(fit(&row.name, 24)).dim("  validator"));
    panel.focused = true;
    let mut line = |label: &str, value: Row| {
        panel.line(Row::new().dim(pad(label, 14)).append(value));
    };
    line("key", Row::of(Role::Text, ends(&id.to_string(), 24, 24)));
    line(
        "position",
        Row::of(Role::Text, format!("{} of {}", row.index, status.consensus.n)),
    );
    let seen = or_unknown(row.last_seen_mono_ms, |at| {
        format!("last heard {} ago", age(shown.now.mono_ms.saturating_sub(at)))
    });
    line(
        "reachable",
        match (row.is_self, row.online) {
            (true, _) => Row::of(Role::Text, "this node"),
            (_, true) => Row::new().with(Role::Ok, "yes").dim(format!("   {seen}")),
            (_, false) => Row::new().with(Role::Warn, "no").dim(format!("    {seen}")),
        },
    );
    line(
        "last signed",
        Row::new()
            .text(or_unknown(row.last_signed_height, |height| {
                format!("height {}", grouped(height))
            }))
            .dim(match row.silent_heights {
                0 => String::new(),
                silent => format!("   missing from {} since", counted(u64::from(silent), "height")),
            }),
    );
    let signed = row
        .history
        .iter()
        .filter(|mark| matches!(mark, HeightMark::Signed | HeightMark::Late))
        .count();
    let mut history = Row::new();
    for past in &row.history {
        let (glyph, role) = history_mark(*past);
        history = history.with(role, glyph);
    }
    line(
        "history",
        history.dim(format!("   {signed} of the last {}", row.history.len())),
    );
    let peer = status.peers.rows.iter().find(|peer| peer.validator == Some(id));
    line(
        "session",
        match peer {
            Some(peer) => Row::new()
                .text(format!("{} {}", peer.direction.word(), fit(&peer.address, 28)))
                .dim(or_unknown(peer.rtt_ms, |ms| format!("   rtt {ms} ms")).replace(UNKNOWN, "")),
            None if row.is_self => Row::of(Role::Dim, UNKNOWN),
            None => Row::of(Role::Dim, "none to this node"),
        },
    );
    line(
        "evidence",
        match row.has_evidence {
            true => Row::of(Role::VoteBad, "✖ contradicted itself; see /evidence"),
            false => Row::of(Role::Text, "none"),
        },
    );
    let blocks: Vec<String> = status
        .chain
        .last_blocks
        .iter()
        .filter(|block| block.proposer == row.name)
        .take(3)
        .map(|block| format!("{} at {}", grouped(block.height), clock(block.finalized.unix_ms)))
        .collect();
    line(
        "proposed",
        match blocks.is_empty() {
            true => Row::of(Role::Dim, "none of the last blocks"),
            false => Row::of(Role::Text, fit(&blocks.join("  "), 52)),
        },
    );
    panel
}
