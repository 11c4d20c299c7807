//! Whoever searches the documentation for an error code finds a heading.

use std::{fs, path::Path};

use timecoin::cli::Code;

#[test]
fn every_error_code_has_its_heading_and_every_heading_its_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/troubleshooting.md");
    let text = fs::read_to_string(path).unwrap();
    let headings: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.text()).collect();
    assert_eq!(headings, codes);
}
