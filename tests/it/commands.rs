//! What the documents tell an operator to type is there: each command, and each flag behind it. And each
//! message that people search for has its heading.

use std::{collections::BTreeMap, fs, path::Path};

use timecoin::cli::references;

/// Commands that are for those who build the program, and not in the reference.
const HIDDEN: [&str; 3] = ["docs", "man", "help"];

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Documents for operators, with their names.
fn documents() -> Vec<(String, String)> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let mut names: Vec<String> = fs::read_dir(docs)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".md"))
        .map(|name| format!("docs/{name}"))
        .collect();
    names.extend(["README.md", "DEPLOYMENT.md", "TROUBLESHOOTING.md", "CHANGELOG.md"].map(str::to_owned));
    names.sort();
    names
        .into_iter()
        .map(|name| {
            let text = read(&name);
            // What a list of missing things names is missing.
            let end = text.find("\n## Not built yet").unwrap_or(text.len());
            (name, text[..end].to_owned())
        })
        .collect()
}

/// Pieces of a document that can be typed: lines of blocks, and what stands between backticks.
fn typed(text: &str) -> Vec<String> {
    let (mut found, mut prose, mut is_block) = (Vec::new(), String::new(), false);
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_block = !is_block;
        } else if is_block {
            // Behind two spaces stands what the line does.
            let line = line.split("  #").next().unwrap_or(line);
            found.push(line.replace("sudo -u timed ", ""));
        } else {
            prose.push_str(line);
            prose.push(' ');
        }
    }
    found.extend(prose.split('`').skip(1).step_by(2).map(str::to_owned));
    found
}

#[test]
fn every_command_and_flag_that_a_document_names_exists() {
    let references = references();
    let cli = &references.iter().find(|(name, _)| *name == "cli").unwrap().1;
    let commands: BTreeMap<&str, &str> = cli
        .split("\n## ")
        .skip(1)
        .map(|section| section.split_once('\n').unwrap_or((section, "")))
        .collect();
    assert!(commands.len() > 40);
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for (name, text) in documents() {
        // A screen that is shown has the program's name in its head.
        for piece in typed(&text).into_iter().filter(|piece| !piece.contains('⧗')) {
            let Some(at) = piece.find("timed ").filter(|at| {
                let before = piece[..*at].chars().next_back();
                before.is_none_or(|c| c.is_whitespace() || c == '(' || c == '/')
            }) else {
                continue;
            };
            let is_word = |word: &str| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
            let mut path = "timed".to_owned();
            let mut words = piece[at..].split_whitespace().skip(1).peekable();
            while let Some(word) = words
                .peek()
                .filter(|word| is_word(word) && !word.starts_with('-'))
            {
                let next = format!("{path} {word}");
                if !commands.contains_key(next.as_str()) {
                    break;
                }
                path = next;
                words.next();
            }
            let has_children = commands
                .keys()
                .any(|known| known.starts_with(&format!("{path} ")));
            let next = words.peek().copied().unwrap_or("");
            if HIDDEN.contains(&next) {
                continue;
            }
            if has_children && !next.is_empty() && is_word(next) && !next.starts_with('-') {
                wrong.push(format!("{name}: `{path} {next}` in `{piece}`"));
                continue;
            }
            seen += 1;
            for flag in words.filter(|word| word.starts_with("--")) {
                let flag: String = flag
                    .chars()
                    .take_while(|c| c.is_ascii_lowercase() || *c == '-')
                    .collect();
                if flag.len() > 2 && !commands[path.as_str()].contains(&flag) {
                    wrong.push(format!("{name}: `{path}` has no {flag}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen > 150, "{seen} commands were looked at");
}

/// What operators of other nodes of this network read in their logs, and type into a search.
const SEARCHED: [&str; 7] = [
    "Failed to bind port",
    "No blocks produced for 5 minutes",
    "Only 1 masternodes active (minimum 3 required)",
    "No peers connected",
    "Peer sync timeout",
    "Memory usage increasing",
    "Block production halted",
];

#[test]
fn every_message_that_people_search_for_is_a_heading() {
    let text = read("TROUBLESHOOTING.md");
    for message in SEARCHED {
        assert!(
            text.lines()
                .any(|line| line.starts_with("## ") && line.contains(message)),
            "{message}"
        );
    }
}
