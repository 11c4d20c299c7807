//! docs/console.md shows real screens and the real keys, and so does the manual page. After a wanted
//! change: `UPDATE_DOCS=1 cargo test --lib console::tests::docs`, then read the difference.

use std::{fmt::Write, fs, path::PathBuf};

use super::{
    super::{
        fixture,
        key::Key,
        keymap::{Binding, KEYMAP, Scope, Screen},
        model::Model,
    },
    frame, press, show, text,
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
        ("keys", keys()),
    ]
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

fn keys() -> String {
    let mut table = "| key | where | what it does |\n|---|---|---|\n".to_owned();
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
    for binding in KEYMAP {
        let escape = |text: &str| text.replace('\\', "\\e").replace('-', "\\-");
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
