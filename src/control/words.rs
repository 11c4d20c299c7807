//! How numbers read in sentences: the one place that groups digits and words durations.

/// Digits in groups of three, separated by a space: `1 284 117`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// A duration in the shortest honest form: `74 ms`, `2.1 s`, `41 s`, `3 m 12 s`, `2 h 05 m`, `3 d 04 h`.
pub fn duration(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        0 => format!("{ms} ms"),
        1..=9 => format!("{}.{} s", s, ms % 1000 / 100),
        10..=119 => format!("{s} s"),
        120..=3_599 => format!("{} m {:02} s", s / 60, s % 60),
        3_600..=86_399 => format!("{} h {:02} m", s / 3_600, s % 3_600 / 60),
        _ => format!("{} d {:02} h", s / 86_400, s % 86_400 / 3_600),
    }
}

/// Year, month and day of a number of days since 1970-01-01.
pub fn date(days: u64) -> (u64, u64, u64) {
    // Years that begin in March put the leap day at their end (Howard Hinnant, "chrono-compatible
    // low-level date algorithms").
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + 400 * era + u64::from(month <= 2);
    (year, month, day)
}

/// A noun with its number: `1 validator`, `2 validators`.
pub fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number))
}

/// Names in a sentence: `a`, `a and b`, `a, b and 2 more`.
pub fn listed(names: &[String], at_most: usize) -> String {
    match names {
        [] => String::new(),
        [only] => only.clone(),
        _ if names.len() <= at_most => {
            let (last, rest) = names.split_last().map_or(("", names), |(l, r)| (l.as_str(), r));
            format!("{} and {last}", rest.join(", "))
        }
        _ => format!(
            "{} and {} more",
            names[..at_most].join(", "),
            names.len() - at_most
        ),
    }
}

/// Text from a peer or a file with every control character removed, so that it can steer no
/// terminal: C0, DEL, C1, and the Unicode marks that reorder or hide what follows.
pub fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| {
            !c.is_control()
                && !matches!(
                    *c,
                    '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
                )
        })
        .collect()
}
