//! Numbers as screens show them. The only place of the console that formats one.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

pub(super) use crate::control::words::{date, duration, grouped, printable};

/// What stands where a figure is not known.
pub(super) const UNKNOWN: &str = "—";

/// `14:22:07` UTC.
pub(super) fn clock(unix_ms: u64) -> String {
    let s = unix_ms / 1_000 % 86_400;
    format!("{:02}:{:02}:{:02}", s / 3_600, s % 3_600 / 60, s % 60)
}

/// `2026-11-20` UTC.
pub(super) fn day(unix_ms: u64) -> String {
    let (year, month, day) = date(unix_ms / 86_400_000);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `2026-11-20 14:22Z`.
pub(super) fn day_and_clock(unix_ms: u64) -> String {
    let minutes = unix_ms / 60_000 % 1_440;
    format!("{} {:02}:{:02}Z", day(unix_ms), minutes / 60, minutes % 60)
}

/// `14:22:07.123` UTC.
pub(super) fn clock_ms(unix_ms: u64) -> String {
    format!("{}.{:03}", clock(unix_ms), unix_ms % 1_000)
}

/// `04:12:09`, `3d 04:12`.
pub(super) fn uptime(ms: u64) -> String {
    let s = ms / 1_000;
    match s {
        0..=86_399 => format!("{:02}:{:02}:{:02}", s / 3_600, s % 3_600 / 60, s % 60),
        _ => format!("{}d {:02}:{:02}", s / 86_400, s % 86_400 / 3_600, s % 3_600 / 60),
    }
}

/// An age in at most five columns: `0.4s`, `41s`, `12m`, `3h07`, `12d`.
pub(super) fn age(ms: u64) -> String {
    let s = ms / 1_000;
    match s {
        0..=9 => format!("{}.{}s", s, ms % 1_000 / 100),
        10..=99 => format!("{s}s"),
        100..=5_999 => format!("{}m", s / 60),
        6_000..=86_399 => format!("{}h{:02}", s / 3_600, s % 3_600 / 60),
        _ => format!("{}d", s / 86_400),
    }
}

/// A moment inside a round: `+0.41 ms`, `+4.1 ms`, `+12 ms`, `+1.24 s`.
pub(super) fn offset(us: u64) -> String {
    format!("+{}", span_us(us))
}

/// A short span: `0.41 ms`, `4.1 ms`, `12 ms`, `1.24 s`, `74 s`.
pub(super) fn span_us(us: u64) -> String {
    match us {
        0..=999 => format!("0.{:02} ms", us / 10),
        1_000..=9_999 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        10_000..=999_999 => format!("{} ms", us / 1_000),
        1_000_000..=59_999_999 => format!("{}.{:02} s", us / 1_000_000, us % 1_000_000 / 10_000),
        _ => duration(us / 1_000),
    }
}

/// Seconds with one decimal, without the unit: `0.4`, `30.0`.
pub(super) fn seconds(ms: u64) -> String {
    format!("{}.{}", ms / 1_000, ms % 1_000 / 100)
}

/// Decimal bytes for data: `612 B`, `612 KB`, `1.2 MB`, `61 MB`.
pub(super) fn bytes(n: u64) -> String {
    scaled(n, 1_000, ["B", "KB", "MB", "GB", "TB"])
}

/// Binary bytes for memory and disk: `212 MiB`, `41 GiB`.
pub(super) fn binary_bytes(n: u64) -> String {
    scaled(n, 1_024, ["B", "KiB", "MiB", "GiB", "TiB"])
}

fn scaled(n: u64, base: u64, units: [&str; 5]) -> String {
    let mut divisor = 1_u64;
    let mut unit = 0;
    while unit + 1 < units.len() && n / divisor >= base {
        divisor *= base;
        unit += 1;
    }
    let whole = n / divisor;
    match unit {
        0 => format!("{n} B"),
        _ if whole < 10 => format!("{whole}.{} {}", n % divisor * 10 / divisor, units[unit]),
        _ => format!("{whole} {}", units[unit]),
    }
}

/// A fee rate given per 1000 bytes, shown per byte: `1.0`, `2.4`, `11`.
pub(super) fn fee_rate(per_kb: u64) -> String {
    match per_kb {
        0..=9_999 => format!("{}.{}", per_kb / 1_000, per_kb % 1_000 / 100),
        _ => grouped(per_kb / 1_000),
    }
}

/// `81 %`; `—` of nothing.
pub(super) fn percent(part: u64, whole: u64) -> String {
    match whole {
        0 => UNKNOWN.to_owned(),
        _ => format!("{} %", (u128::from(part) * 100 / u128::from(whole)) as u64),
    }
}

/// A value, or `—`.
pub(super) fn or_unknown<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| UNKNOWN.to_owned(), show)
}

/// Cut to a width with `…`, control characters removed.
pub(super) fn fit(text: &str, width: usize) -> String {
    let text = printable(text);
    if text.width() <= width {
        return text;
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let w = c.width().unwrap_or(0);
        if used + w + 1 > width {
            break;
        }
        out.push(c);
        used += w;
    }
    if width > 0 {
        out.push('…');
    }
    out
}

/// Sentences in lines of a width, broken between words, control characters removed.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in printable(text).split_whitespace() {
        let last = lines.len() - 1;
        let line = &mut lines[last];
        if !line.is_empty() && line.width() + 1 + word.width() > width {
            lines.push(word.to_owned());
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines
}

/// The same in at most so many lines, each of at most `width`; what is left over is cut with `…`.
pub(super) fn wrapped_in(text: &str, width: usize, at_most: usize) -> Vec<String> {
    let lines = wrapped(text, width);
    let kept = at_most.max(1).min(lines.len());
    let (head, rest) = lines.split_at(kept - 1);
    let mut out: Vec<String> = head.iter().map(|line| fit(line, width)).collect();
    out.push(fit(&rest.join(" "), width));
    out
}

/// Cut and padded on the right to exactly a width.
pub(super) fn pad(text: &str, width: usize) -> String {
    let text = fit(text, width);
    let gap = width.saturating_sub(text.width());
    text + &" ".repeat(gap)
}

/// Cut and padded on the left to exactly a width.
pub(super) fn pad_left(text: &str, width: usize) -> String {
    let text = fit(text, width);
    " ".repeat(width.saturating_sub(text.width())) + &text
}

/// Both ends of a long id: `timet1q7f…9k2e`.
pub(super) fn ends(text: &str, head: usize, tail: usize) -> String {
    let text = printable(text);
    let chars: Vec<char> = text.chars().collect();
    if chars.len() <= head + tail + 1 {
        return text;
    }
    let head: String = chars[..head].iter().collect();
    let tail: String = chars[chars.len() - tail..].iter().collect();
    format!("{head}…{tail}")
}

/// The value below which `permille` of 1000 samples lie; `None` of none.
pub(super) fn quantile(sorted: &[u32], permille: usize) -> Option<u32> {
    let last = sorted.len().checked_sub(1)?;
    Some(sorted[(last * permille).div_ceil(1_000)])
}

/// A small picture of a row of values, scaled to its own maximum, the newest at the right end.
pub(super) fn spark(values: &[u32], width: usize) -> String {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let tail = &values[values.len().saturating_sub(width)..];
    let max = u64::from(tail.iter().copied().max().unwrap_or(0).max(1));
    tail.iter()
        .map(|value| LEVELS[(u64::from(*value) * 7 / max) as usize])
        .collect()
}
