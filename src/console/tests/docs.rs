//! docs/console.md shows real screens and the real keys, and so does the manual page. After a wanted
//! change: `UPDATE_DOCS=1 cargo test --lib console::tests::docs`, then read the difference.

use std::{fmt::Write, fs, path::PathBuf, sync::Arc};

use ratatui::{buffer::Buffer, layout::Rect};

use super::{
    super::{
        fixture,
        key::Key,
        keymap::{Binding, KEYMAP, REPLAY, Scope, Screen},
        model::Model,
        nodes,
        replay::Replay,
        session::Through,
        theme::{Depth, Theme, ThemeName},
        view::{self, Look},
    },
    frame, press, show, text,
};
use crate::{
    control::{Severity, Status},
    recorder::{Mark, Moments},
};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[allow(
    clippy::disallowed_methods,
    reason = "a test is told by its caller whether to write"
)]
fn is_update() -> bool {
    std::env::var_os("UPDATE_DOCS").is_some()
}

fn fenced(content: &str) -> String {
    format!("```text\n{content}```\n")
}

fn picture(mut model: Model, screen: Screen, keys: &[Key]) -> String {
    show(&mut model, screen);
    for key in keys {
        press(&mut model, *key);
    }
    fenced(&text(&frame(&model)))
}

/// What stands between `<!-- name -->` and `<!-- end -->`.
fn blocks() -> Vec<(&'static str, String)> {
    let model = |status| fixture::model(status, (100, 30));
    vec![
        (
            "overview",
            picture(model(fixture::healthy()), Screen::Overview, &[]),
        ),
        (
            "start",
            picture(
                fixture::model(fixture::starting(), (80, 24)),
                Screen::Overview,
                &[],
            ),
        ),
        (
            "consensus",
            picture(model(fixture::voting()), Screen::Consensus, &[]),
        ),
        (
            "halted",
            picture(model(fixture::halted()), Screen::Consensus, &[]),
        ),
        (
            "ban",
            picture(
                fixture::model(fixture::voting(), (80, 24)),
                Screen::Peers,
                &[Key::Char('j'), Key::Char('B')],
            ),
        ),
        (
            "peers",
            picture(model(fixture::voting()), Screen::Peers, &[Key::Char('j')]),
        ),
        (
            "mempool",
            picture(model(fixture::healthy()), Screen::Mempool, &[]),
        ),
        ("sync", picture(model(fixture::syncing()), Screen::Sync, &[])),
        ("logs", picture(model(fixture::healthy()), Screen::Logs, &[])),
        ("devnet", picture(model(fixture::halted()), Screen::Devnet, &[])),
        (
            "card",
            picture(fixture::model(fixture::voting(), (40, 10)), Screen::Overview, &[]),
        ),
        ("stale", stale()),
        ("nodes", several()),
        ("replay", recorded()),
        (
            "stop",
            picture(
                fixture::model(fixture::healthy(), (80, 24)),
                Screen::Overview,
                &[Key::Char('q'), Key::Char('s')],
            ),
        ),
        (
            "palette",
            picture(
                fixture::model(fixture::healthy(), (80, 24)),
                Screen::Overview,
                &[Key::Char(':'), Key::Char('r')],
            ),
        ),
        ("keys", keys()),
    ]
}

/// Attached to a node whose process is frozen.
fn stale() -> String {
    let mut model = fixture::model(fixture::healthy(), (80, 24));
    model.session.through = Through::Socket;
    model.live.now.mono_ms += 12_000;
    model.live.now.unix_ms += 12_000;
    fenced(&text(&frame(&model)))
}

/// Three nodes side by side, one of them frozen.
fn several() -> String {
    let named = |mut status: Status, name: &str| {
        Arc::make_mut(&mut status.node).name = name.to_owned();
        fixture::model(status, (80, 24))
    };
    let well = named(fixture::healthy(), "mn-01");
    let halted = named(fixture::halted(), "mn-02");
    let mut frozen = named(fixture::healthy(), "mn-03");
    frozen.live.now.mono_ms += 12_000;
    let models = [
        (&well, "a.sock".to_owned()),
        (&halted, "b.sock".to_owned()),
        (&frozen, "c.sock".to_owned()),
    ];
    let mut buffer = Buffer::empty(Rect::new(0, 0, 80, 14));
    let look = Look {
        theme: &Theme::new(ThemeName::Night, Depth::TrueColour),
        ascii: false,
    };
    view::nodes::draw(&models, 1, false, &look, &mut buffer);
    fenced(&text(&buffer))
}

/// A recording at a stall, with the alarm on its time bar.
fn recorded() -> String {
    let mut model = fixture::model(fixture::halted(), (80, 24));
    let end_ms = fixture::NOW.unix_ms + 600_000;
    model.session.through = Through::Recording;
    model.session.replay = Some(Replay {
        moments: Arc::new(Moments {
            from_ms: end_ms - 7_200_000,
            to_ms: end_ms,
            snapshots: 7_200,
            bytes: 1,
            marks: vec![Mark {
                unix_ms: fixture::NOW.unix_ms - 84_000,
                severity: Severity::Crit,
                text: "stalled".to_owned(),
            }],
        }),
        at_ms: fixture::NOW.unix_ms,
        playing: false,
        speed: 1,
        trouble: None,
    });
    picture(model, Screen::Consensus, &[])
}

fn scope(binding: &Binding) -> String {
    match binding.scope {
        Scope::All => "everywhere".to_owned(),
        Scope::On(screens) if screens.len() == Screen::ALL.len() => "everywhere".to_owned(),
        Scope::On(screens) => {
            let names: Vec<&str> = screens.iter().map(|screen| screen.name()).collect();
            names.join(", ")
        }
    }
}

/// Keys that have a table of their own: those of a recording, and of the list of several nodes.
fn others() -> Vec<(&'static str, &'static str, &'static str)> {
    let recording = REPLAY
        .iter()
        .map(|binding| (binding.label, "a recording", binding.help));
    let list = nodes::KEYS
        .iter()
        .map(|(_, label, word, _)| (*label, "the list of nodes", *word));
    recording.chain(list).collect()
}

fn keys() -> String {
    let mut table = "| key | where | what it does |\n|---|---|---|\n".to_owned();
    for (label, place, help) in others() {
        writeln!(table, "| `{label}` | {place} | {help} |").unwrap();
    }
    for binding in KEYMAP {
        let acts = if binding.acts { " **asks first**" } else { "" };
        let help = binding.help.replace('<', "&lt;");
        writeln!(
            table,
            "| `{}` | {} | {help}{acts} |",
            binding.label,
            scope(binding)
        )
        .unwrap();
    }
    table
}

fn manual() -> String {
    let mut page = String::from(
        ".TH TIMED-CONSOLE 7 \"\" \"timed\" \"TimeCoin\"\n.SH NAME\ntimed-console \\- keys of the console of timed\n\
         .SH DESCRIPTION\nCapital letters that change the node, and q, ask before they act; every other key only \
         looks.\n.SH KEYS\n",
    );
    let escape = |text: &str| text.replace('\\', "\\e").replace('-', "\\-");
    for (label, place, help) in others() {
        writeln!(page, ".TP\n.B {}\n{} ({place})", escape(label), escape(help)).unwrap();
    }
    for binding in KEYMAP {
        writeln!(
            page,
            ".TP\n.B {}\n{} ({})",
            escape(binding.label),
            escape(binding.help),
            escape(&scope(binding))
        )
        .unwrap();
    }
    page
}

#[test]
fn the_document_shows_the_screens_and_keys_there_are() {
    let file = path("docs/console.md");
    let mut document = fs::read_to_string(&file).unwrap();
    for (name, content) in blocks() {
        let mark = format!("<!-- {name} -->\n");
        let at = document.find(&mark);
        let from = at.unwrap_or_else(|| panic!("docs/console.md has no {mark}")) + mark.len();
        let length = document[from..].find("<!-- end -->").unwrap();
        if is_update() {
            document.replace_range(from..from + length, &content);
        } else {
            assert_eq!(
                &document[from..from + length],
                content,
                "docs/console.md, {name}: UPDATE_DOCS=1 writes it anew"
            );
        }
    }
    if is_update() {
        fs::write(file, document).unwrap();
    }
}

#[test]
fn the_manual_page_names_the_keys_there_are() {
    let file = path("docs/timed-console.7");
    if is_update() {
        fs::write(&file, manual()).unwrap();
    }
    assert_eq!(fs::read_to_string(file).unwrap(), manual());
}
