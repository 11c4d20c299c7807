//! Crime: nothing at all. A validator that is up, listed and counted on, and says not a word: its
//! rounds have to be left, and without it every other vote is needed.

use super::Crime;

/// Whether a mind with these crimes ever says anything.
pub(super) fn is_mute(crimes: &[Crime]) -> bool {
    crimes.is_empty() || crimes == [Crime::Silent]
}
