//! How durations, rates and lengths of bans are written.

use std::time::Duration;

/// Longest duration of a run: more is a typing error.
const DURATION_MAX: Duration = Duration::from_secs(30 * 86_400);
/// Longest ban with an end.
const BAN_SECONDS_MAX: u64 = 3_650 * 86_400;
/// Highest rate of traffic: far above what one machine can sign.
const RATE_MAX: f64 = 1_000_000.0;

/// `250ms`, `30s`, `5m`, `2h`; a bare number is seconds.
pub(in crate::cli) fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let ms = match unit {
        "ms" => 1.0,
        "s" | "" => 1_000.0,
        "m" => 60_000.0,
        "h" => 3_600_000.0,
        _ => return Err(format!("`{unit}` is no unit of time; write 250ms, 30s, 5m or 2h")),
    };
    let number: f64 = number
        .parse()
        .map_err(|_| "write a number and a unit, such as 30s".to_owned())?;
    Duration::try_from_secs_f64(number * ms / 1_000.0)
        .ok()
        .filter(|duration| *duration <= DURATION_MAX)
        .ok_or_else(|| "a duration is between 0 and 30 days".to_owned())
}

/// `100`, `0.5` or `100/s`.
pub(in crate::cli) fn rate(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix("/s").unwrap_or(text);
    number
        .parse()
        .ok()
        .filter(|rate| (0.0..=RATE_MAX).contains(rate))
        .ok_or_else(|| format!("a rate is a number of transactions per second, from 0 to {RATE_MAX}"))
}

/// Seconds of a ban; 0 for ever.
pub(in crate::cli) fn ban_length(text: &str) -> Result<u64, String> {
    if text == "ever" {
        return Ok(0);
    }
    let length = match text.strip_suffix('d').map(str::parse::<u64>) {
        Some(Ok(days)) => days.checked_mul(86_400),
        Some(Err(_)) => None,
        None => Some(duration(text)?.as_secs()),
    };
    length
        .filter(|seconds| (1..=BAN_SECONDS_MAX).contains(seconds))
        .ok_or_else(|| "a ban lasts from 1s to 3650d, or `ever`".to_owned())
}
