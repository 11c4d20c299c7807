//! config.example.toml is the documentation of every key, so it must be the defaults.

use std::{fs, path::Path};

use timecoin::config::Config;
use toml::Table;

#[test]
fn the_example_is_the_defaults_and_names_every_key() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.example.toml");
    let text = fs::read_to_string(path).unwrap();
    let example: Table = text.parse().unwrap();
    let default = Table::try_from(Config::default()).unwrap();
    assert_eq!(example, default);
    let parsed: Config = toml::from_str(&text).unwrap();
    assert_eq!(parsed, Config::default());
    let mut before = "";
    for line in text.lines().filter(|line| !line.is_empty()) {
        let is_setting = line.contains(" = ") && !line.starts_with('#');
        assert!(!is_setting || before.starts_with('#'), "`{line}` has no comment");
        before = line;
    }
}
