//! Keys as the console knows them, and the parser that makes them from terminal bytes.
//!
//! The parser is our own because a console on a validator must survive a terminal that hangs up in
//! the middle of a sequence; it never blocks, never fails, and holds at most one paste.

/// One key press.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Char(char),
    Ctrl(char),
    Enter,
    Esc,
    Tab,
    BackTab,
    Backspace,
    Delete,
    Up,
    Down,
    Left,
    Right,
    Home,
    End,
    PageUp,
    PageDown,
}

/// What the terminal sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Input {
    Key(Key),
    /// Text between paste marks: never taken for keys.
    Paste(String),
    /// What the mouse did, at a column and row from 0.
    Mouse(Mouse, u16, u16),
}

/// What a mouse can do here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mouse {
    /// The left button went down.
    Press,
    /// The wheel turned away from the hand.
    WheelUp,
    /// The wheel turned towards the hand.
    WheelDown,
}

/// A paste beyond this is cut: no field of the console takes more.
const PASTE_BYTES_MAX: usize = 4_096;
/// A sequence longer than this is none.
const SEQUENCE_BYTES_MAX: usize = 32;
const PASTE_BEGIN: &[u8] = b"\x1b[200~";
const PASTE_END: &[u8] = b"\x1b[201~";

/// Turns bytes into keys, keeping what is incomplete.
#[derive(Debug, Default)]
pub(super) struct Parser {
    pending: Vec<u8>,
    paste: Option<Vec<u8>>,
}

impl Parser {
    /// Takes bytes as they came.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<Input> {
        let mut out = Vec::new();
        for byte in bytes {
            self.pending.push(*byte);
            self.step(&mut out, false);
        }
        out
    }

    /// Says that no more bytes came for a while: a lone escape is the Esc key then.
    pub(super) fn settle(&mut self) -> Vec<Input> {
        let mut out = Vec::new();
        if !self.pending.is_empty() && self.paste.is_none() {
            self.step(&mut out, true);
            self.pending.clear();
        }
        out
    }

    /// True if bytes wait for more to come.
    pub(super) fn is_waiting(&self) -> bool {
        !self.pending.is_empty() && self.paste.is_none()
    }

    fn step(&mut self, out: &mut Vec<Input>, settled: bool) {
        if let Some(paste) = &mut self.paste {
            if self.pending.ends_with(PASTE_END) {
                self.pending.truncate(self.pending.len() - PASTE_END.len());
                let room = PASTE_BYTES_MAX.saturating_sub(paste.len());
                paste.extend(self.pending.drain(..).take(room));
                let text = String::from_utf8_lossy(paste).into_owned();
                self.paste = None;
                out.push(Input::Paste(text));
            } else if self.pending.len() > PASTE_BYTES_MAX {
                let keep = self.pending.len() - PASTE_END.len();
                let room = PASTE_BYTES_MAX.saturating_sub(paste.len());
                paste.extend(self.pending.drain(..keep).take(room));
            }
            return;
        }
        match parse(&self.pending, settled) {
            Parsed::Incomplete => {
                if self.pending.len() > SEQUENCE_BYTES_MAX {
                    self.pending.clear();
                }
            }
            Parsed::Nothing => self.pending.clear(),
            Parsed::PasteBegin => {
                self.pending.clear();
                self.paste = Some(Vec::new());
            }
            Parsed::Mouse(mouse, x, y) => {
                self.pending.clear();
                out.push(Input::Mouse(mouse, x, y));
            }
            Parsed::Keys(keys) => {
                self.pending.clear();
                out.extend(keys.into_iter().map(Input::Key));
            }
        }
    }
}

enum Parsed {
    Incomplete,
    Nothing,
    PasteBegin,
    Mouse(Mouse, u16, u16),
    Keys(Vec<Key>),
}

fn one(key: Key) -> Parsed {
    Parsed::Keys(vec![key])
}

fn parse(bytes: &[u8], settled: bool) -> Parsed {
    match bytes {
        [] => Parsed::Nothing,
        [0x1b] => match settled {
            true => one(Key::Esc),
            false => Parsed::Incomplete,
        },
        [0x1b, 0x1b] => Parsed::Keys(vec![Key::Esc, Key::Esc]),
        [0x1b, b'[', rest @ ..] => parse_csi(bytes, rest),
        [0x1b, b'O'] => Parsed::Incomplete,
        [0x1b, b'O', last, ..] => cursor_key(*last).map_or(Parsed::Nothing, one),
        // Alt with a key: the key alone, so that a slipped Alt does nothing surprising.
        [0x1b, ..] => Parsed::Nothing,
        [b'\r' | b'\n', ..] => one(Key::Enter),
        [b'\t', ..] => one(Key::Tab),
        [0x7f | 0x08, ..] => one(Key::Backspace),
        [0, ..] => Parsed::Nothing,
        [control @ 0x01..=0x1a, ..] => one(Key::Ctrl(char::from(b'a' + control - 1))),
        [0x1c..=0x1f, ..] => Parsed::Nothing,
        _ => parse_utf8(bytes),
    }
}

fn parse_csi(all: &[u8], rest: &[u8]) -> Parsed {
    let Some(last) = rest.last() else {
        return Parsed::Incomplete;
    };
    if all == PASTE_BEGIN {
        return Parsed::PasteBegin;
    }
    if let Some(report) = rest.strip_prefix(b"<") {
        return match last {
            b'M' => parse_mouse(&report[..report.len() - 1]),
            b'0'..=b'9' | b';' | b'<' => Parsed::Incomplete,
            // Releases (`m`) and whatever else begins like this.
            _ => Parsed::Nothing,
        };
    }
    match last {
        // A key with modifiers (`1;5A`) is taken for the key itself.
        b'A'..=b'D' | b'F' | b'H' => cursor_key(*last).map_or(Parsed::Nothing, one),
        b'Z' => one(Key::BackTab),
        b'~' => {
            let number = rest.split(|byte| !byte.is_ascii_digit()).next().unwrap_or(&[]);
            match number {
                b"1" | b"7" => one(Key::Home),
                b"4" | b"8" => one(Key::End),
                b"3" => one(Key::Delete),
                b"5" => one(Key::PageUp),
                b"6" => one(Key::PageDown),
                _ => Parsed::Nothing,
            }
        }
        0x20..=0x3f => Parsed::Incomplete,
        // `ESC [ [` begins the function keys of the Linux console.
        b'[' if rest.len() == 1 => Parsed::Incomplete,
        _ => Parsed::Nothing,
    }
}

/// `button;column;row`, both from 1.
fn parse_mouse(report: &[u8]) -> Parsed {
    let numbers: Option<Vec<u16>> = report
        .split(|byte| *byte == b';')
        .map(|part| std::str::from_utf8(part).ok()?.parse().ok())
        .collect();
    let Some([button, column, row]) = numbers.as_deref() else {
        return Parsed::Nothing;
    };
    // Bits 2 to 4 are Shift, Alt and Ctrl.
    let mouse = match button & !0b1_1100 {
        0 => Mouse::Press,
        64 => Mouse::WheelUp,
        65 => Mouse::WheelDown,
        _ => return Parsed::Nothing,
    };
    Parsed::Mouse(mouse, column.saturating_sub(1), row.saturating_sub(1))
}

fn cursor_key(last: u8) -> Option<Key> {
    match last {
        b'A' => Some(Key::Up),
        b'B' => Some(Key::Down),
        b'C' => Some(Key::Right),
        b'D' => Some(Key::Left),
        b'H' => Some(Key::Home),
        b'F' => Some(Key::End),
        b'M' => Some(Key::Enter),
        _ => None,
    }
}

fn parse_utf8(bytes: &[u8]) -> Parsed {
    match std::str::from_utf8(bytes) {
        Ok(text) => Parsed::Keys(text.chars().filter(|c| !c.is_control()).map(Key::Char).collect()),
        Err(error) if error.error_len().is_none() && bytes.len() < 4 => Parsed::Incomplete,
        Err(_) => Parsed::Nothing,
    }
}
