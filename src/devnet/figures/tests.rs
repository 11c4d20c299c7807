//! Reading `/proc`.

use super::*;

#[test]
fn this_process_has_used_memory_and_time() {
    let figures = ProcessFigures::of(std::process::id());
    assert!(figures.resident_bytes > 100_000);
    assert!(figures.resident_peak_bytes >= figures.resident_bytes / 2);
}

#[test]
fn time_is_read_behind_a_name_with_spaces() {
    let stat = "42 (a (strange) name) S 1 42 42 0 -1 4194560 1 0 0 0 120 30 0 0 20 0 1 0 9 9 9";
    assert_eq!(cpu_of(stat), Duration::from_millis(1500));
    assert_eq!(cpu_of(""), Duration::ZERO);
}

#[test]
fn memory_is_read_in_kib() {
    let status = "Name:\ttimed\nVmHWM:\t  2048 kB\nVmRSS:\t    1024 kB\n";
    assert_eq!(kib_of(status, "VmRSS:"), 1024);
    assert_eq!(kib_of(status, "VmHWM:"), 2048);
    assert_eq!(kib_of(status, "VmSwap:"), 0);
}
