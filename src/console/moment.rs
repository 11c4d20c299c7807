//! Moments as people write them: how far before the end, a time of day, or seconds since 1970. One reader for
//! the palette and the command line.

const DAY_MS: u64 = 86_400_000;
/// Further back than this is a slip of the finger: a recording keeps a day.
const BACK_MS_MAX: f64 = 30.0 * 86_400_000.0;

/// `90s`, `30m`, `3h`, `2d`, with or without a minus before it; a bare number is seconds. In ms.
pub(super) fn back_ms(text: &str) -> Option<u64> {
    let text = text.strip_prefix('-').unwrap_or(text);
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit_ms = match unit {
        "ms" => 1.0,
        "s" | "" => 1_000.0,
        "m" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        _ => return None,
    };
    let ms = number.parse::<f64>().ok()? * unit_ms;
    (0.0..=BACK_MS_MAX).contains(&ms).then_some(ms as u64)
}

/// A moment: `-30m` before the end, `03:12` or `03:12:45` in UTC as it last was before the end, or seconds since
/// 1970. In ms since 1970.
///
/// # Errors
/// What may be written instead.
pub fn moment(text: &str, end_ms: u64) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no moment; write -30m (before the end), 03:12 (UTC) or unix seconds");
    if text.starts_with('-') {
        return Ok(end_ms.saturating_sub(back_ms(text).ok_or_else(wrong)?));
    }
    if text.contains(':') {
        let parts: Vec<u64> = text
            .split(':')
            .map(|part| part.parse().map_err(|_| wrong()))
            .collect::<Result<_, _>>()?;
        let of_day_s = match parts.as_slice() {
            [hour, minute] if *hour < 24 && *minute < 60 => (hour * 60 + minute) * 60,
            [hour, minute, second] if *hour < 24 && *minute < 60 && *second < 60 => {
                (hour * 60 + minute) * 60 + second
            }
            _ => return Err(wrong()),
        };
        let today = end_ms / DAY_MS * DAY_MS + of_day_s * 1_000;
        // Before the end: 23:50 asked at 00:10 is yesterday's.
        return Ok(match today > end_ms {
            true => today.saturating_sub(DAY_MS),
            false => today,
        });
    }
    text.parse::<u64>()
        .ok()
        .and_then(|s| s.checked_mul(1_000))
        .ok_or_else(wrong)
}
