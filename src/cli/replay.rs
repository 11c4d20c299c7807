//! `timed replay`: the console on what a node recorded of itself, a span of it as a file, or its facts.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use serde_json::json;

use super::{
    args::ReplayArguments,
    attach::watch,
    client::load_place,
    failure::{Code, Failure},
    output,
};
use crate::{
    config::Environment,
    console,
    control::words::{counted, date, duration, grouped},
    recorder::{Recording, export},
};

/// Events that a frame of `--once` can show.
const EVENTS_MAX: usize = 256;
/// What `--once` draws on.
const FRAME: (u16, u16) = (120, 36);

pub(super) fn replay(arguments: &ReplayArguments) -> Result<ExitCode, Failure> {
    let loaded = load_place(&arguments.place)?;
    let path: PathBuf = match &arguments.file {
        Some(file) => file.clone(),
        None => loaded.data_dir()?.recorder(),
    };
    let mut recording = Recording::open(&path)?;
    let at = |text: &Option<String>| {
        text.as_deref()
            .map(|text| {
                let end_ms = recording.moments().to_ms;
                console::moment(text, end_ms).map_err(|why| Failure::new(Code::Argument, why))
            })
            .transpose()
    };
    let (from, to, start) = (at(&arguments.from)?, at(&arguments.to)?, at(&arguments.at)?);
    if let Some(out) = &arguments.export {
        let from = from.unwrap_or(recording.moments().from_ms);
        let to = to.unwrap_or(recording.moments().to_ms);
        let snapshots = export(&recording, from, to, out)?;
        output::line(&format!(
            "{} from {} to {} in {}; open it with `timed replay {}`",
            counted(snapshots as u64, "snapshot"),
            utc(from),
            utc(to),
            out.display(),
            out.display()
        ))?;
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.info {
        return info(&recording, &path, arguments.json);
    }
    if arguments.once {
        let at_ms = start.unwrap_or(recording.moments().to_ms);
        let index = recording.index_at(at_ms);
        let status = recording.status(index)?;
        let events = recording.events(0, at_ms.max(recording.time_of(index)), EVENTS_MAX)?;
        let environment = console::Environment::read(Environment::variable);
        output::raw(&console::frame_text(
            console::Picture {
                status: Arc::new(status),
                events,
                is_recorded: true,
            },
            FRAME,
            !environment.utf8,
        ))?;
        return Ok(ExitCode::SUCCESS);
    }
    if !output::has_terminal() {
        return Err(Failure::new(
            Code::Argument,
            "stdin or stdout is no terminal; use --once, --info or --export",
        ));
    }
    let source = console::Source::Recording {
        recording,
        at_ms: start,
    };
    watch(vec![source], loaded.config.console)
}

fn info(recording: &Recording, path: &std::path::Path, as_json: bool) -> Result<ExitCode, Failure> {
    let moments = recording.moments();
    if as_json {
        let alarms = moments.marks.iter();
        let alarms = alarms.map(
            |mark| json!({ "at_ms": mark.unix_ms, "severity": mark.severity.word(), "text": mark.text }),
        );
        output::json(&json!({
            "file": path,
            "from_ms": moments.from_ms,
            "to_ms": moments.to_ms,
            "snapshots": moments.snapshots,
            "bytes": moments.bytes,
            "alarms": alarms.collect::<Vec<_>>(),
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    output::line(&path.display().to_string())?;
    output::line(&format!(
        "  from {} to {}: {}",
        utc(moments.from_ms),
        utc(moments.to_ms),
        duration(moments.to_ms - moments.from_ms)
    ))?;
    output::line(&format!(
        "  {}, {} bytes, {}",
        counted(moments.snapshots as u64, "snapshot"),
        grouped(moments.bytes),
        counted(moments.marks.len() as u64, "alarm")
    ))?;
    for mark in &moments.marks {
        output::line(&format!(
            "  {}  {}  {}",
            utc(mark.unix_ms),
            mark.severity.word(),
            crate::control::words::printable(&mark.text)
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A time in UTC, for people: date and time of day.
pub(super) fn utc(unix_ms: u64) -> String {
    let (year, month, day) = date(unix_ms / 86_400_000);
    let s = unix_ms / 1_000 % 86_400;
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}Z",
        s / 3_600,
        s / 60 % 60,
        s % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_people_write_them() {
        // 2026-11-25 00:10:00Z.
        let end = 1_795_565_400_000;
        assert_eq!(utc(end), "2026-11-25 00:10:00Z");
        let at = |text: &str| console::moment(text, end).map(utc).unwrap();
        assert_eq!(at("-30m"), "2026-11-24 23:40:00Z");
        assert_eq!(at("00:05"), "2026-11-25 00:05:00Z");
        assert_eq!(at("23:50:30"), "2026-11-24 23:50:30Z");
        assert_eq!(at("0"), "1970-01-01 00:00:00Z");
        for wrong in ["-", "-5x", "25:00", "1:2:3:4", "noon", ""] {
            assert!(console::moment(wrong, end).is_err(), "{wrong}");
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        let day = |days: u64| utc(days * 86_400_000)[..10].to_owned();
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(day(59), "1970-03-01");
        assert_eq!(day(11_016), "2000-02-29");
        assert_eq!(day(11_017), "2000-03-01");
        assert_eq!(day(20_453), "2025-12-31");
    }
}
