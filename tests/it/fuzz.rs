//! The corpus of the fuzz targets, replayed against their laws: what a search once found stays found.
//! The search itself: docs/TESTING.md, "Fuzzing".

use std::{fs, path::Path};

#[path = "../../fuzz/laws/mod.rs"]
mod laws;

/// Inputs of one target; a corpus that vanished would pass everything.
const INPUTS_MIN: usize = 5;

fn replay(target: &str, law: fn(&[u8])) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut paths: Vec<_> = fs::read_dir(&dir)
        .unwrap_or_else(|error| panic!("{}: {error}", dir.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort_unstable();
    assert!(paths.len() >= INPUTS_MIN, "{target}: {} inputs", paths.len());
    for path in paths {
        println!("{}", path.display());
        law(&fs::read(path).unwrap());
    }
}

#[test]
fn wire_corpus_holds() {
    replay("wire", laws::wire::holds);
}

#[test]
fn handshake_corpus_holds() {
    replay("handshake", laws::handshake::holds);
}

#[test]
fn transaction_corpus_holds() {
    replay("transaction", laws::transaction::holds);
}

#[test]
fn block_corpus_holds() {
    replay("block", laws::block::holds);
}

#[test]
fn log_corpus_holds() {
    replay("log", laws::log::holds);
}

#[test]
fn consensus_corpus_holds() {
    replay("consensus", laws::consensus::holds);
}

/// The seeds that the search began from. Writes only what is not there.
#[test]
#[ignore = "writes fuzz/corpus: cargo test --test it -- --ignored writes_the_seeds"]
fn writes_the_seeds_of_the_corpus() {
    for (target, seeds) in laws::seeds::all() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fuzz/corpus")
            .join(target);
        fs::create_dir_all(&dir).unwrap();
        for (number, seed) in seeds.into_iter().enumerate() {
            fs::write(dir.join(format!("seed-{number:02}")), seed).unwrap();
        }
    }
}
