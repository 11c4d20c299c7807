//! Who is behind a user id, as the log and the events name them.

use std::fs;

/// Where the system keeps the names.
const PASSWD: &str = "/etc/passwd";
/// More than this is not read: a list of users has some kilobytes.
const PASSWD_BYTES_MAX: u64 = 1 << 20;

/// The user's name, or `uid 1000` where the system knows none.
pub(super) fn name(uid: u32) -> String {
    let is_small = fs::metadata(PASSWD).is_ok_and(|meta| meta.len() <= PASSWD_BYTES_MAX);
    let known = is_small
        .then(|| fs::read_to_string(PASSWD).ok())
        .flatten()
        .and_then(|text| name_in(&text, uid));
    known.unwrap_or_else(|| format!("uid {uid}"))
}

/// The name in a text of lines `name:password:uid:…`.
pub(super) fn name_in(text: &str, uid: u32) -> Option<String> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let id: u32 = fields.nth(1)?.parse().ok()?;
        (id == uid && !name.is_empty()).then(|| crate::control::words::printable(name))
    })
}
