//! The laws of the house, as tests: who may import whom, what a pure room never names, and what no
//! file holds. docs/ARCHITECTURE.md states them in words.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Each room with the rooms it may use. A room that is not listed does not exist.
pub(crate) const LAYERS: &[(&str, &str)] = &[
    ("crypto", ""),
    ("chain", "crypto"),
    ("consensus", "crypto chain"),
    ("mempool", "crypto chain"),
    ("sync", "crypto chain consensus"),
    ("wire", "crypto chain consensus sync"),
    ("engine", "crypto chain consensus mempool sync wire"),
    ("metrics", ""),
    ("storage", "crypto chain consensus wire metrics"),
    ("network", "crypto wire metrics"),
    ("signer", "crypto chain consensus wire"),
    ("sockets", ""),
    ("control", "crypto chain consensus wire"),
    ("telemetry", "control"),
    (
        "node",
        "crypto chain consensus mempool sync wire engine metrics storage network signer sockets control",
    ),
    ("rpc", "crypto chain control metrics"),
    ("attach", "crypto chain control sockets"),
    ("recorder", "control"),
    ("console", "crypto chain consensus control attach recorder"),
    (
        "config",
        "crypto chain consensus mempool sync wire engine metrics storage network signer sockets control telemetry node rpc attach recorder console",
    ),
    (
        "devnet",
        "config node control chain crypto rpc attach signer storage",
    ),
    (
        "cli",
        "crypto chain consensus mempool sync wire engine metrics storage network signer sockets control telemetry node rpc attach recorder console config devnet",
    ),
];

/// Rooms that compute only.
const PURE: &[&str] = &[
    "crypto",
    "chain",
    "consensus",
    "mempool",
    "sync",
    "wire",
    "engine",
];

/// Tests of pure rooms that attack, from many threads or with a look at the time: what they test does neither.
const ATTACKS: &[&str] = &["mempool/attack_tests.rs", "wire/tests/framing.rs"];

/// What a pure room never names.
const IMPURE_WORDS: &[&str] = &[
    "tokio::",
    "std::net",
    "std::fs",
    "std::thread",
    "sled::",
    "Instant::now",
    "SystemTime::now",
    "getrandom",
    "rand::",
];

/// A word that only the named path prefixes may hold (relative to `src/`).
const ONLY_IN: &[(&str, &[&str])] = &[
    ("sled::", &["storage/sled"]),
    ("ratatui::", &["console/"]),
    ("crossterm::", &["console/"]),
    ("env::var", &["config/"]),
    ("tokio::spawn", &["node/supervisor"]),
];

struct Source {
    path: String,
    room: String,
    text: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files
        .into_iter()
        .map(|path| {
            let relative = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
            let room = relative
                .split('/')
                .next()
                .unwrap()
                .trim_end_matches(".rs")
                .to_owned();
            Source {
                text: fs::read_to_string(&path).unwrap(),
                path: relative,
                room,
            }
        })
        .collect()
}

fn collect(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, out);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            out.push(path);
        }
    }
}

fn is_test_file(path: &str) -> bool {
    path.ends_with("tests.rs") || path.contains("/tests/") || path.contains("test_")
}

/// The code lines of a file: comments are free to name anything.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(n, line)| (n + 1, line.split("//").next().unwrap_or("")))
        .filter(|(_, line)| !line.trim().is_empty())
}

/// The rooms named by `crate::…` paths in a line, grouped imports included.
fn rooms_named(text: &str) -> Vec<(usize, String)> {
    let joined: Vec<(usize, &str)> = code(text).collect();
    let mut named = Vec::new();
    for (index, (number, line)) in joined.iter().enumerate() {
        for (at, _) in line.match_indices("crate::") {
            let rest = &line[at + 7..];
            if let Some(group) = rest.strip_prefix('{') {
                // A grouped import: take the first word of each top-level item up to the matching brace.
                let mut depth = 1;
                let mut word = String::new();
                let mut fresh = true;
                let tail = joined[index + 1..].iter().map(|(_, next)| *next);
                'group: for part in std::iter::once(group).chain(tail) {
                    for c in part.chars() {
                        match c {
                            '{' => depth += 1,
                            '}' => depth -= 1,
                            ',' if depth == 1 => fresh = true,
                            _ => {}
                        }
                        if depth == 0 {
                            break 'group;
                        }
                        if depth == 1 && fresh && (c.is_alphanumeric() || c == '_') {
                            word.push(c);
                        } else if !word.is_empty() {
                            named.push((*number, std::mem::take(&mut word)));
                            fresh = false;
                        }
                    }
                }
                if !word.is_empty() {
                    named.push((*number, word));
                }
            } else {
                let word: String = rest
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                named.push((*number, word));
            }
        }
    }
    named
}

#[test]
fn rooms_use_only_what_their_layer_allows() {
    let mut faults = Vec::new();
    for source in sources() {
        if source.room == "lib" || source.room == "main" {
            continue;
        }
        let Some((_, allowed)) = LAYERS.iter().find(|(room, _)| *room == source.room) else {
            faults.push(format!(
                "{}: room `{}` is not in the layer table",
                source.path, source.room
            ));
            continue;
        };
        for (line, used) in rooms_named(&source.text) {
            let known = LAYERS.iter().any(|(room, _)| *room == used);
            if known && used != source.room && !allowed.split(' ').any(|room| room == used) {
                faults.push(format!(
                    "{}:{line}: `{}` may not use `{used}`",
                    source.path, source.room
                ));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn pure_rooms_touch_nothing_of_the_world() {
    let mut faults = Vec::new();
    for source in sources()
        .iter()
        .filter(|source| PURE.contains(&source.room.as_str()))
        .filter(|source| !ATTACKS.contains(&source.path.as_str()))
    {
        for (line, text) in code(&source.text) {
            for word in IMPURE_WORDS {
                if text.contains(word) {
                    faults.push(format!("src/{}:{line}: a pure room names `{word}`", source.path));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn some_words_have_one_home() {
    let mut faults = Vec::new();
    for source in sources().iter().filter(|source| !is_test_file(&source.path)) {
        for (line, text) in code(&source.text) {
            for (word, homes) in ONLY_IN {
                if text.contains(word) && !homes.iter().any(|home| source.path.starts_with(home)) {
                    faults.push(format!(
                        "src/{}:{line}: `{word}` belongs in {homes:?}",
                        source.path
                    ));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for_and_leaves_nothing_to_fix() {
    let marks = [concat!("FIX", "ME"), concat!("TO", "DO"), concat!("XX", "X")];
    let mut faults = Vec::new();
    for source in sources() {
        if !source.text.starts_with("//!") {
            faults.push(format!(
                "src/{}: does not begin with its purpose (`//!`)",
                source.path
            ));
        }
        for (number, line) in source.text.lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark)) {
                faults.push(format!("src/{}:{}: {line}", source.path, number + 1));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_layer_reader_sees_grouped_and_nested_imports() {
    let text = "use crate::{\n    chain::{Block, Height},\n    node,\n};\nfn f() { crate::rpc::serve() } // crate::cli";
    let named: Vec<String> = rooms_named(text).into_iter().map(|(_, room)| room).collect();
    assert_eq!(named, ["chain", "node", "rpc"]);
}
