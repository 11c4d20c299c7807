//! The references in docs/reference/ are what the code says now.

use std::{fs, path::Path};

use timecoin::cli::{Code, references};

#[test]
fn every_reference_is_what_the_code_says() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference");
    let mut differing = Vec::new();
    for (name, text) in references() {
        let written = fs::read_to_string(dir.join(format!("{name}.md"))).unwrap_or_default();
        let at = written
            .lines()
            .zip(text.lines())
            .position(|(written, now)| written != now)
            .map_or(written.lines().count().min(text.lines().count()), |line| line);
        if written != text {
            differing.push(format!("{name}.md from line {}", at + 1));
        }
    }
    assert!(
        differing.is_empty(),
        "run `cargo run -- docs --dir docs/reference`: {differing:?}"
    );
    let files = fs::read_dir(&dir).unwrap().count();
    assert_eq!(files, references().len(), "a file that nothing writes");
}

#[test]
fn every_code_and_every_key_stands_in_its_reference() {
    let references = references();
    let text = |wanted: &str| &references.iter().find(|(name, _)| *name == wanted).unwrap().1;
    for code in Code::ALL {
        assert!(text("errors").contains(code.text()) && !code.says().is_empty());
    }
    let defaults = toml::Table::try_from(timecoin::config::Config::default()).unwrap();
    let mut keys = 0;
    for (section, value) in &defaults {
        for key in value.as_table().into_iter().flatten().map(|(key, _)| key) {
            assert!(
                text("config").contains(&format!("| `{section}.{key}` |")),
                "{section}.{key}"
            );
            keys += 1;
        }
    }
    assert!(keys > 20);
}
