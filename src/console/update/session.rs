//! What changes with the source: word of its link, and the keys that mean something else when the
//! node runs elsewhere.

use super::{
    super::{
        Outcome,
        key::Key,
        keymap,
        model::{Model, ToastKind},
        replay::ReplayAct,
        session::{Link, Through},
    },
    Effect,
};
use crate::control::{Batch, Event, EventKind};

/// The link to the node came up, went down, or is still down.
pub(super) fn on_link(model: &mut Model, link: Link) {
    match link {
        Link::Up { read_only, me } => {
            if model.session.lost.take().is_some() {
                model.toast(ToastKind::Done, "connected again");
            }
            model.session.read_only = read_only;
            model.session.me = me;
        }
        Link::Down(lost) => {
            model.session.lost = Some(lost);
            // Nobody will answer these any more; the node may or may not have carried them out.
            for words in std::mem::take(&mut model.waiting).into_values() {
                model.toast(
                    ToastKind::Refused,
                    format!("{words}: no answer, the link went down"),
                );
            }
            model.stop_sent = false;
        }
    }
}

/// What follows belongs to another run of the node: nothing of the old one goes on from here.
pub(super) fn on_fresh(model: &mut Model) {
    model.live.events.clear();
    model.live.logs.clear();
    model.logs_missed = 0;
    model.log.selected = None;
}

/// Says what others do to the node meanwhile. What this console did it has been answered already.
pub(super) fn tell_of_others(model: &mut Model, batch: &Batch<Event>) {
    // What happened before the console was opened is history, not news.
    let is_first = model.live.events.is_empty();
    if is_first || model.session.through == Through::Recording {
        return;
    }
    let me = model.session.me.clone();
    for event in &batch.items {
        if let EventKind::Command {
            caller,
            command,
            outcome,
        } = &event.kind
            && *caller != me
        {
            model.toast(ToastKind::Info, format!("{caller}: {command}: {outcome}"));
        }
    }
}

/// What a key does in a recording; `None` for the keys that do the same everywhere.
pub(super) fn replay_key(model: &Model, key: Key) -> Option<ReplayAct> {
    match model.session.through {
        Through::Recording => keymap::lookup_replay(key),
        Through::Process | Through::Socket => None,
    }
}

/// How far back a look at the recording begins: the last minutes are what one wants to see again.
pub(super) const LOOK_BACK_MS: u64 = 5 * 60_000;

/// Opens the recording of the node on show.
pub(super) fn look_back(model: &mut Model, back_ms: u64) -> Vec<Effect> {
    match model.session.through {
        Through::Process | Through::Socket => vec![Effect::OpenReplay { back_ms }],
        Through::Recording => {
            model.toast(ToastKind::Info, "this is the recording; q leaves it");
            Vec::new()
        }
    }
}

/// `q` where leaving is harmless; `None` where it leads to the dialog.
pub(super) fn leave(model: &mut Model) -> Option<Vec<Effect>> {
    match model.session.through {
        Through::Process => None,
        Through::Recording if model.session.nested => {
            model.session.back = true;
            Some(Vec::new())
        }
        Through::Socket | Through::Recording => Some(vec![Effect::Exit(Outcome::Detached)]),
    }
}

/// `^Z`.
pub(super) fn suspend(model: &mut Model) -> Vec<Effect> {
    match model.session.through {
        Through::Process => {
            model.toast(ToastKind::Info, "^Z would stop the validator; use q, d to detach");
            Vec::new()
        }
        Through::Socket | Through::Recording => vec![Effect::Suspend],
    }
}
