//! The disk before it is full: below the floor the node signs and writes nothing more, stays up and
//! says so. What is signed must be remembered, and a full disk remembers nothing.

use std::{path::PathBuf, sync::Arc, time::Duration};

use crossbeam_channel::Sender;

use crate::engine::{Event, SigningHold};

use super::spawner::Tasks;

/// Free bytes at which the node stops signing and writing: more than log, redo file and database
/// can write before the next look.
const FLOOR_BYTES: u64 = 1_000_000_000;
/// Free bytes at which it goes on: above the floor, so that it does not come and go.
const RESUME_BYTES: u64 = 1_200_000_000;
/// Free share of the volume at which the operator is warned, in thousandths.
const WARN_PERMILLE: u64 = 100;
/// How often the volume is looked at. At 300 MB a second, which is more than this node ever writes,
/// the floor leaves three looks.
const EVERY: Duration = Duration::from_secs(1);

/// What the last look found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Floor {
    is_held: bool,
    is_warned: bool,
}

/// What follows from a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finding {
    /// Nothing new.
    Same,
    /// Little is left.
    Low,
    /// Nothing may be written any more.
    Full,
    /// There is room again.
    Room,
}

impl Floor {
    fn look(&mut self, free: u64, size: u64) -> Finding {
        let is_low = u128::from(free) * 1_000 < u128::from(size) * u128::from(WARN_PERMILLE);
        if free < FLOOR_BYTES && !self.is_held {
            self.is_held = true;
            return Finding::Full;
        }
        if free >= RESUME_BYTES && self.is_held {
            self.is_held = false;
            return Finding::Room;
        }
        let finding = if is_low && !self.is_warned {
            Finding::Low
        } else {
            Finding::Same
        };
        self.is_warned = is_low;
        finding
    }
}

/// Looks at the volume of `data_dir` until the node stops.
pub(super) async fn watch(data_dir: PathBuf, votes: Sender<Event>, tasks: Arc<Tasks>) {
    let mut floor = Floor::default();
    let mut every = tokio::time::interval(EVERY);
    loop {
        every.tick().await;
        let dir = data_dir.clone();
        let volume = tasks
            .blocking(move || rustix::fs::statvfs(&dir).ok())
            .await
            .flatten();
        let Some(volume) = volume else { continue };
        let (free, size) = (
            volume.f_bavail * volume.f_frsize,
            volume.f_blocks * volume.f_frsize,
        );
        let before = floor;
        let (finding, mb) = (floor.look(free, size), free / 1_000_000);
        let is_held = match finding {
            Finding::Same => continue,
            Finding::Low => {
                tracing::warn!(
                    free_mb = mb,
                    "less than 10 % of the data volume is free; at 1 GB this node stops signing"
                );
                continue;
            }
            Finding::Full => true,
            Finding::Room => false,
        };
        if votes
            .try_send(Event::Signing(SigningHold::DiskFloor, is_held))
            .is_err()
        {
            floor = before; // The engine is busy: said again at the next look.
        } else if is_held {
            tracing::error!(
                free_mb = mb,
                "less than 1 GB of the data volume is free: nothing is signed or written any more; free space"
            );
        } else {
            tracing::info!(free_mb = mb, "there is room on the data volume again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_the_floor_it_holds_and_goes_on_only_well_above() {
        let size = 100_000_000_000;
        let mut floor = Floor::default();
        assert_eq!(floor.look(50_000_000_000, size), Finding::Same);
        assert_eq!(floor.look(9_000_000_000, size), Finding::Low);
        assert_eq!(floor.look(8_000_000_000, size), Finding::Same, "said once");
        assert_eq!(floor.look(FLOOR_BYTES, size), Finding::Same);
        assert_eq!(floor.look(FLOOR_BYTES - 1, size), Finding::Full);
        assert_eq!(
            floor.look(RESUME_BYTES - 1, size),
            Finding::Same,
            "it does not flap"
        );
        assert_eq!(floor.look(0, size), Finding::Same);
        assert_eq!(floor.look(RESUME_BYTES, size), Finding::Room);
        assert_eq!(floor.look(50_000_000_000, size), Finding::Same);
        assert_eq!(
            floor.look(9_000_000_000, size),
            Finding::Low,
            "and again after it was well"
        );
    }

    #[test]
    fn a_small_volume_that_never_has_the_floor_is_held_from_the_start() {
        let mut floor = Floor::default();
        assert_eq!(floor.look(900_000_000, 1_000_000_000), Finding::Full);
    }
}
