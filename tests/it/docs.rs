//! What the documents promise about the code: rules and sections that the code cites exist, tables
//! that repeat the code equal it, and files that are named are there.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use timecoin::wire::{Kind, MessageType};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn files(dir: &Path, extension: &str, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, extension, out);
        } else if path.extension().is_some_and(|found| found == extension) {
            out.push(path);
        }
    }
}

fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    files(&root().join("src"), "rs", &mut found);
    let with_text = |path: PathBuf| {
        let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        (name, fs::read_to_string(&path).unwrap())
    };
    found.into_iter().map(with_text).collect()
}

fn documents() -> Vec<(String, String)> {
    let mut found = Vec::new();
    files(&root().join("docs"), "md", &mut found);
    let beside = [
        "README.md",
        "CONTRIBUTING.md",
        "DEPLOYMENT.md",
        "TROUBLESHOOTING.md",
        "CHANGELOG.md",
    ];
    found.extend(beside.map(|name| root().join(name)));
    let with_text = |path: PathBuf| {
        let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        (name, fs::read_to_string(&path).unwrap())
    };
    found.into_iter().map(with_text).collect()
}

/// The numbers that follow `mark` in the comments of `text`: `R7` gives 7, `§8` gives 8.
fn cited(text: &str, mark: char) -> impl Iterator<Item = String> + '_ {
    let comments = text
        .lines()
        .filter_map(|line| line.split_once("//").map(|(_, rest)| rest));
    comments.flat_map(move |comment| {
        comment.match_indices(mark).filter_map(move |(at, _)| {
            let before = comment[..at].chars().next_back();
            let number: String = comment[at + mark.len_utf8()..]
                .chars()
                .take_while(char::is_ascii_digit)
                .collect();
            let is_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
            (!number.is_empty() && !is_word).then_some(number)
        })
    })
}

#[test]
fn every_rule_and_section_that_the_code_cites_exists() {
    let text = read("docs/CONSENSUS.md");
    let rules: BTreeSet<String> = (0..=10).map(|rule| rule.to_string()).collect();
    for rule in &rules {
        assert!(
            text.contains(&format!("- **R{rule} ")),
            "docs/CONSENSUS.md has no rule R{rule}"
        );
    }
    let sections: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("## ")?.split_once(' '))
        .map(|(number, _)| number.to_owned())
        .collect();
    for (path, source) in sources() {
        let in_consensus = path.starts_with("src/consensus") || path.starts_with("src/engine");
        for rule in cited(&source, 'R').filter(|_| in_consensus) {
            assert!(
                rules.contains(&rule),
                "{path} cites R{rule}, which docs/CONSENSUS.md does not have"
            );
        }
        for section in cited(&source, '§') {
            assert!(
                sections.contains(&section),
                "{path} cites §{section}, which docs/CONSENSUS.md does not have"
            );
        }
    }
}

#[test]
fn the_catalogue_in_the_document_is_the_catalogue_in_the_code() {
    let text = read("docs/WIRE.md");
    let rows: Vec<&str> = text
        .lines()
        .skip_while(|line| *line != "| id | message | lane | limit | kind | says |")
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert_eq!(rows.len(), MessageType::ALL.len());
    for (row, message) in rows.iter().zip(MessageType::ALL) {
        let kind = match message.kind() {
            Kind::Notice => "notice",
            Kind::Request(_) => "request",
            Kind::Response => "answer",
            Kind::Either => "either",
        };
        let expected = format!(
            "| {} | {} | {:?} | {} | {kind} | ",
            message.id(),
            message.name(),
            message.lane(),
            message.limit()
        );
        assert!(
            row.starts_with(&expected),
            "docs/WIRE.md has `{row}`, the code `{expected}`"
        );
    }
}

/// Ids that are kept for messages of the design must not be those of messages that exist.
#[test]
fn ids_that_are_kept_free_are_free() {
    let text = read("docs/WIRE.md");
    let wire = text
        .rsplit_once("Ids ")
        .and_then(|(_, rest)| rest.split_once(" are kept"));
    let (listed, _) = wire.expect("docs/WIRE.md says which ids are kept");
    let record = read("docs/adr/0026-messages-that-are-not-there.md");
    let (_, rest) = record
        .split_once("**Kept free**: ")
        .expect("ADR 26 says them too");
    let (sentence, _) = rest.split_once(". ").unwrap();
    let ranges = |text: &str| -> BTreeSet<u16> {
        let words = text.split(|c: char| !(c.is_ascii_digit() || c == '–' || c == '/'));
        let ranges = words.filter(|word| word.starts_with(|c: char| c.is_ascii_digit()));
        let ends = ranges.map(|range| {
            let (first, last) = range.split_once(['–', '/']).unwrap_or((range, range));
            (first.parse::<u16>().unwrap(), last.parse::<u16>().unwrap())
        });
        ends.flat_map(|(first, last)| first..=last).collect()
    };
    let kept = ranges(listed);
    assert!(!kept.is_empty());
    assert_eq!(kept, ranges(sentence), "docs/WIRE.md and ADR 26");
    for id in kept {
        assert_eq!(MessageType::from_wire(id), None, "{id} is kept free and used");
    }
}

#[test]
fn every_file_that_a_document_names_exists() {
    let mut faults = Vec::new();
    for (name, text) in documents() {
        for word in text.split(['`', '(', ')', ' ', '\n', ',', ';']) {
            let path = word.trim_end_matches(['.', ':', '"']);
            let is_ours = ["src/", "tests/", "docs/", "benches/", "assets/"]
                .iter()
                .any(|dir| path.starts_with(dir));
            let is_a_name = path.chars().all(|c| c.is_alphanumeric() || "/_-.".contains(c));
            if is_ours && is_a_name && !root().join(path).exists() {
                faults.push(format!("{name} names {path}"));
            }
        }
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split([')', '#']).next().unwrap_or("");
            let from = root().join(&name);
            let is_file = !target.is_empty() && !target.contains("://");
            if is_file && !from.parent().unwrap().join(target).exists() {
                faults.push(format!("{name} links to {target}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_layer_table_in_the_document_is_the_one_that_is_enforced() {
    let text = read("docs/ARCHITECTURE.md");
    let exists = |room: &str| root().join("src").join(room).is_dir();
    let enforced: Vec<(&str, BTreeSet<&str>)> = crate::tidy::LAYERS
        .iter()
        .filter(|(room, _)| exists(room))
        .map(|(room, may)| {
            (
                *room,
                may.split_whitespace().filter(|used| exists(used)).collect(),
            )
        })
        .collect();
    let rows = text
        .lines()
        .skip_while(|line| *line != "| # | room | may use | kind |")
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let mut written: Vec<(&str, BTreeSet<&str>)> = Vec::new();
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let (room, may) = (cells[2], cells[3]);
        let mut used = BTreeSet::new();
        for word in may.split(' ').filter(|word| *word != "–") {
            match word.split_once('–') {
                Some((first, last)) => {
                    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
                    used.extend(written[first - 1..last].iter().map(|(room, _)| *room));
                }
                None => {
                    used.insert(word);
                }
            }
        }
        written.push((room, used));
    }
    assert_eq!(written, enforced);
}

#[test]
fn every_document_that_the_code_cites_exists() {
    let mut faults = Vec::new();
    for (path, source) in sources() {
        for (at, _) in source.match_indices(".md") {
            let before = &source[..at];
            let start = before
                .rfind(|c: char| !(c.is_alphanumeric() || "/_-.".contains(c)))
                .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
            let cited = &source[start..at + 3];
            if !root().join(cited).exists() {
                faults.push(format!("{path} cites {cited}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
