//! How figures read, how bytes become keys, and what the terminal's environment means.

use proptest::prelude::*;

use super::super::{
    fixture,
    format::{
        age, bytes, clock, duration, ends, fee_rate, fit, grouped, offset, pad, percent, quantile, spark,
        uptime, wrapped_in,
    },
    key::{Input, Key, Parser},
    options::Environment,
    theme::{Depth, Role, Theme, ThemeName},
    vm::{self, round},
};
use crate::control::{Moment, Phase};

#[test]
fn figures_read_as_people_read_them() {
    assert_eq!(grouped(0), "0");
    assert_eq!(grouped(999), "999");
    assert_eq!(grouped(1_284_117), "1 284 117");
    assert_eq!(duration(74), "74 ms");
    assert_eq!(duration(2_140), "2.1 s");
    assert_eq!(duration(41_000), "41 s");
    assert_eq!(duration(192_000), "3 m 12 s");
    assert_eq!(duration(7_500_000), "2 h 05 m");
    assert_eq!(duration(273_600_000), "3 d 04 h");
    assert_eq!(age(400), "0.4s");
    assert_eq!(age(61_000), "61s");
    assert_eq!(age(720_000), "12m");
    assert_eq!(age(11_220_000), "3h07");
    assert_eq!(offset(410), "+0.41 ms");
    assert_eq!(offset(4_190), "+4.1 ms");
    assert_eq!(offset(87_000), "+87 ms");
    assert_eq!(offset(1_240_000), "+1.24 s");
    assert_eq!(bytes(0), "0 B");
    assert_eq!(bytes(999), "999 B");
    assert_eq!(bytes(1_200), "1.2 KB");
    assert_eq!(bytes(612_000), "612 KB");
    assert_eq!(fee_rate(2_400), "2.4");
    assert_eq!(fee_rate(11_000), "11");
    assert_eq!(percent(81, 100), "81 %");
    assert_eq!(percent(1, 0), "—");
    assert_eq!(clock(1_795_184_527_300), "14:22:07");
    assert_eq!(uptime(274_320_000), "3d 04:12");
    assert_eq!(uptime(61_000), "00:01:01");
}

#[test]
fn quantiles_are_values_that_occurred() {
    assert_eq!(quantile(&[], 500), None);
    assert_eq!(quantile(&[7], 990), Some(7));
    let hundred: Vec<u32> = (1..=101).collect();
    assert_eq!(quantile(&hundred, 500), Some(51));
    assert_eq!(quantile(&hundred, 950), Some(96));
    assert_eq!(quantile(&hundred, 1_000), Some(101));
}

#[test]
fn text_is_cut_by_columns_and_stripped() {
    assert_eq!(fit("validator", 5), "vali…");
    assert_eq!(fit("va", 5), "va");
    assert_eq!(pad("節点一号", 6), "節点… ");
    assert_eq!(fit("\u{1b}[31mred\u{202e}", 20), "[31mred");
    assert_eq!(
        ends("timet1q7f0xk2l9w4e8s3d5h6j7k8l9z0x1c2v3b9k2e", 8, 4),
        "timet1q7…9k2e"
    );
    assert_eq!(spark(&[0, 7, 3], 2), "█▄");
}

#[test]
fn sentences_are_broken_between_words_and_keep_their_end_if_it_fits() {
    let text = "waiting for mn-04 (offline 97 s), mn-06 and mn-07";
    assert_eq!(
        wrapped_in(text, 26, 3),
        ["waiting for mn-04 (offline", "97 s), mn-06 and mn-07"]
    );
    assert_eq!(wrapped_in(text, 26, 1), ["waiting for mn-04 (offlin…"]);
    assert_eq!(wrapped_in("ab cd", 1, 2), ["…", "…"]);
    assert_eq!(wrapped_in("", 10, 2), [""]);
}

#[test]
fn bytes_become_keys() {
    let keys = |bytes: &[u8]| Parser::default().feed(bytes);
    assert_eq!(
        keys(b"aq\r\t\x7f\x03\x1a"),
        [
            Key::Char('a'),
            Key::Char('q'),
            Key::Enter,
            Key::Tab,
            Key::Backspace,
            Key::Ctrl('c'),
            Key::Ctrl('z')
        ]
        .map(Input::Key)
    );
    assert_eq!(
        keys(b"\x1b[A\x1bOB\x1b[1;5C\x1b[5~\x1b[6~\x1b[H\x1b[4~\x1b[Z\x1b[3~"),
        [
            Key::Up,
            Key::Down,
            Key::Right,
            Key::PageUp,
            Key::PageDown,
            Key::Home,
            Key::End,
            Key::BackTab,
            Key::Delete
        ]
        .map(Input::Key)
    );
    assert_eq!(
        keys("é節".as_bytes()),
        ['é', '節'].map(|c| Input::Key(Key::Char(c)))
    );
    assert_eq!(
        keys(b"\x1b[200~y\r\x1b[Aq\x1b[201~n"),
        [
            Input::Paste("y\r\u{1b}[Aq".to_owned()),
            Input::Key(Key::Char('n'))
        ]
    );
}

#[test]
fn a_lone_escape_is_the_escape_key_once_nothing_follows() {
    let mut parser = Parser::default();
    assert!(parser.feed(b"\x1b").is_empty());
    assert!(parser.is_waiting());
    assert_eq!(parser.settle(), [Input::Key(Key::Esc)]);
    assert!(!parser.is_waiting());
    // A sequence cut in two by a slow line is still one key.
    assert!(parser.feed(b"\x1b[").is_empty());
    assert_eq!(parser.feed(b"B"), [Input::Key(Key::Down)]);
}

#[test]
fn an_endless_paste_is_bounded() {
    let mut parser = Parser::default();
    parser.feed(b"\x1b[200~");
    for _ in 0..100 {
        parser.feed(&[b'x'; 1_000]);
    }
    let input = parser.feed(b"\x1b[201~");
    let [Input::Paste(text)] = &input[..] else {
        panic!("{input:?}");
    };
    assert_eq!(text.len(), 4_096);
}

proptest! {
    /// No bytes break the parser, and it never holds more than a sequence.
    #[test]
    fn any_bytes_are_survived(chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..20)) {
        let mut parser = Parser::default();
        for chunk in chunks {
            for input in parser.feed(&chunk) {
                if let Input::Key(Key::Char(c)) = input {
                    prop_assert!(!c.is_control());
                }
            }
            parser.settle();
        }
        prop_assert!(!parser.is_waiting());
    }
}

#[test]
fn the_environment_decides_colours_and_glyphs() {
    let read = |vars: &[(&str, &str)]| {
        Environment::read(|name| {
            vars.iter()
                .find(|(var, _)| *var == name)
                .map(|(_, value)| (*value).to_owned())
        })
    };
    let full = read(&[
        ("TERM", "xterm-256color"),
        ("COLORTERM", "truecolor"),
        ("LANG", "de_DE.UTF-8"),
    ]);
    assert_eq!(
        (full.depth, full.utf8, full.is_dumb),
        (Depth::TrueColour, true, false)
    );
    assert_eq!(read(&[("TERM", "xterm-256color")]).depth, Depth::Indexed);
    assert_eq!(read(&[("TERM", "xterm")]).depth, Depth::Ansi);
    assert_eq!(
        read(&[("TERM", "xterm-256color"), ("NO_COLOR", "1")]).depth,
        Depth::None
    );
    assert!(read(&[("TERM", "dumb")]).is_dumb);
    assert!(!read(&[("LANG", "de_DE.UTF-8"), ("LC_ALL", "C")]).utf8);
}

#[test]
fn without_colours_every_state_still_differs() {
    let mono = Theme::new(ThemeName::Auto, Depth::None);
    for role in Role::ALL {
        let style = mono.style(role);
        assert!(style.fg.is_none() && style.bg.is_none(), "{role:?} has a colour");
    }
    assert_ne!(mono.style(Role::Select), mono.style(Role::Text));
    assert_ne!(mono.style(Role::Crit), mono.style(Role::Warn));
    assert_ne!(mono.style(Role::Button), mono.style(Role::Text));
}

#[test]
fn only_the_theme_names_colours() {
    fn visit(dir: &std::path::Path, faults: &mut Vec<String>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, faults);
            } else if path.extension().is_some_and(|ext| ext == "rs")
                && !path.ends_with("theme.rs")
                && !path.ends_with("parts.rs")
                && !path.ends_with("colours.rs")
                && std::fs::read_to_string(&path).unwrap().contains("Color::")
            {
                faults.push(path.display().to_string());
            }
        }
    }
    let mut faults = Vec::new();
    visit(
        std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/console")),
        &mut faults,
    );
    assert!(faults.is_empty(), "{faults:?}");
}

#[test]
fn the_last_decided_round_stays_until_the_next_is_worth_watching() {
    let status = fixture::healthy();
    let view = round::shown(&status, fixture::NOW, None, None);
    assert_eq!(
        (view.height, view.is_live, view.phase),
        (1_284_117, false, Phase::Finalized)
    );
    assert_eq!(view.prepares.votes, 7);
    // Once the next one has been due for a while, it is on show.
    let due = status.consensus.due_mono_ms.unwrap();
    let at = |mono_ms| Moment {
        mono_ms,
        ..fixture::NOW
    };
    assert!(!round::shown(&status, at(due + 200), None, None).is_live);
    assert!(round::shown(&status, at(due + 400), None, None).is_live);
}

#[test]
fn the_state_word_follows_what_matters_most() {
    assert_eq!(vm::frame::state(&fixture::empty()).1, "STARTING");
    assert_eq!(vm::frame::state(&fixture::healthy()).1, "VALIDATING");
    assert_eq!(vm::frame::state(&fixture::halted()).1, "HALTED");
    assert_eq!(vm::frame::state(&fixture::syncing()).1, "SYNCING");
    let mut unsafe_to_sign = fixture::halted();
    unsafe_to_sign.signing.safety_stop = true;
    assert_eq!(vm::frame::state(&unsafe_to_sign).1, "NOT SIGNING");
}
