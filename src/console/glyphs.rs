//! Unicode drawing, and its ASCII twin as one pass over a finished frame.
//!
//! Every glyph the console draws is one column wide in Unicode, but some are "ambiguous" and take
//! two in East-Asian terminals; hence the ASCII set. Views always draw the Unicode form.

use ratatui::buffer::Buffer;

/// Which characters to draw with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GlyphName {
    /// Unicode where the locale says UTF-8.
    #[default]
    Auto,
    /// Box drawing, bullets and blocks.
    Unicode,
    /// 7-bit only.
    Ascii,
}

/// Replaces every character beyond ASCII in a finished frame.
pub(super) fn to_ascii(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        let symbol = cell.symbol();
        if symbol.is_ascii() {
            continue;
        }
        let twin = symbol.chars().next().map_or('?', ascii);
        cell.set_char(twin);
    }
}

/// The ASCII twin of a glyph; `?` for anything the console itself never draws.
fn ascii(glyph: char) -> char {
    match glyph {
        '╭' | '╮' | '╰' | '╯' | '┏' | '┓' | '┗' | '┛' | '┼' => '+',
        '─' | '━' | '—' | '–' | '−' => '-',
        '╌' | '╾' => '.',
        '│' | '┃' | '┊' => '|',
        '●' => '#',
        '◆' => '%',
        '○' => 'o',
        '◌' => 'l',
        '·' => '.',
        '✖' => 'X',
        '✓' => 'v',
        '▲' => '!',
        '▼' => 'v',
        '★' => '*',
        '▸' => '>',
        '◂' | '◀' => '<',
        '◐' | '◍' => '~',
        '▌' | '▐' | '‖' | '▏' => '|',
        '█' => '=',
        '▒' => '-',
        '░' => '.',
        '▁' => '_',
        '▂' => '.',
        '▃' => '-',
        '▄' => '-',
        '▅' => '+',
        '▆' => '*',
        '▇' => '#',
        '⧗' => '@',
        '…' => '~',
        '→' => '>',
        '←' => '<',
        '↑' => '^',
        '↓' => 'v',
        '×' => 'x',
        '≥' => '>',
        '≤' => '<',
        '’' => '\'',
        'Δ' => 'd',
        'µ' => 'u',
        _ => '?',
    }
}
