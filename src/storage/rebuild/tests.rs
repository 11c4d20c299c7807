//! A rebuild that ends anywhere leaves the old generation or the new one, whole.

use super::*;
use crate::storage::disk::RealDisk;

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    /// Generation 0 in use, with a file in it.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let place = Self { dir };
        place.fill(0);
        generation::publish(&RealDisk, place.blocks(), 0).unwrap();
        place
    }

    fn blocks(&self) -> &Path {
        self.dir.path()
    }

    fn fill(&self, generation: u64) {
        let dir = generation::dir(self.blocks(), generation);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("db"), [generation as u8; 64]).unwrap();
    }

    fn is_whole(&self, generation: u64) -> bool {
        let file = generation::dir(self.blocks(), generation).join("db");
        fs::read(file).is_ok_and(|bytes| bytes == [generation as u8; 64])
    }

    fn begin(&self, origin: Origin, delete_first: bool) -> Intent {
        let target = (Height::new(1_000), BlockHash::from_bytes([7; 32]));
        begin(&RealDisk, self.blocks(), origin, target, delete_first).unwrap()
    }

    fn settle(&self) -> Option<Intent> {
        settle(&RealDisk, self.blocks()).unwrap()
    }

    fn current(&self) -> u64 {
        generation::current(&RealDisk, self.blocks()).unwrap().unwrap()
    }
}

#[test]
fn an_intent_reads_back_and_a_damaged_one_is_refused() {
    let place = Place::new();
    let intent = place.begin(Origin::Snapshot, true);
    assert_eq!((intent.from, intent.to), (Some(0), 1));
    assert_eq!(read(&RealDisk, place.blocks()).unwrap(), Some(intent));
    let path = place.blocks().join(INTENT_FILE);
    let text = fs::read_to_string(&path).unwrap();
    for damaged in [text.replace("1000", "1001"), text[..40].to_owned(), String::new()] {
        fs::write(&path, damaged).unwrap();
        let error = read(&RealDisk, place.blocks()).unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    }
}

#[test]
fn only_one_rebuild_at_a_time() {
    let place = Place::new();
    place.begin(Origin::Peers, false);
    let again = begin(
        &RealDisk,
        place.blocks(),
        Origin::OldBlocks,
        (Height::GENESIS, BlockHash::ZERO),
        false,
    );
    assert!(matches!(again, Err(StoreError::Busy { .. })));
}

/// What had happened on disk when the process ended: each state that the steps pass through.
#[test]
fn dos_43_a_crash_at_any_step_leaves_one_generation_whole() {
    for step in 0..7 {
        let place = Place::new();
        let intent = place.begin(Origin::Peers, false); // step 0: the intent is durable
        if step >= 1 {
            fs::create_dir_all(generation::dir(place.blocks(), 1)).unwrap(); // an empty new generation
        }
        if step >= 2 {
            place.fill(1); // filled
        }
        if step >= 3 {
            generation::publish(&RealDisk, place.blocks(), intent.to).unwrap(); // switched
        }
        if step >= 4 {
            fs::remove_file(generation::dir(place.blocks(), 0).join("db")).unwrap(); // half deleted
        }
        if step >= 5 {
            fs::remove_dir_all(generation::dir(place.blocks(), 0)).unwrap();
        }
        if step >= 6 {
            fs::remove_file(place.blocks().join(INTENT_FILE)).unwrap();
        }
        let goes_on = place.settle();
        if step < 3 {
            assert_eq!(goes_on, Some(intent), "step {step}");
            assert!(place.is_whole(0), "step {step}");
            assert_eq!(place.current(), 0);
            place.fill(1);
            finish(&RealDisk, place.blocks(), &intent).unwrap();
        } else {
            assert_eq!(goes_on, None, "step {step}");
        }
        assert_eq!(place.current(), 1, "step {step}");
        assert!(place.is_whole(1), "step {step}");
        assert_eq!(generation::present(&RealDisk, place.blocks()).unwrap(), [1]);
        assert_eq!(place.settle(), None);
    }
}

#[test]
fn a_cancelled_rebuild_goes_back_and_leaves_nothing() {
    let place = Place::new();
    place.begin(Origin::OldBlocks, false);
    place.fill(1);
    cancel(&RealDisk, place.blocks()).unwrap();
    assert_eq!(place.settle(), None);
    assert!(place.is_whole(0));
    assert_eq!(generation::present(&RealDisk, place.blocks()).unwrap(), [0]);
    assert!(!place.blocks().join(INTENT_FILE).exists());
    assert!(cancel(&RealDisk, place.blocks()).is_err(), "nothing to cancel");
}

#[test]
fn what_was_given_up_for_room_cannot_be_gone_back_to() {
    let place = Place::new();
    place.begin(Origin::Peers, true);
    assert!(place.settle().is_some());
    assert!(!place.is_whole(0), "it goes at the next start");
    assert!(matches!(
        cancel(&RealDisk, place.blocks()),
        Err(StoreError::Busy { .. })
    ));
}

#[test]
fn without_a_snapshot_the_blocks_of_peers_are_fetched() {
    let place = Place::new();
    let intent = place.begin(Origin::Snapshot, false);
    place.fill(1);
    without_snapshot(&RealDisk, place.blocks(), &intent).unwrap();
    let goes_on = place.settle().unwrap();
    assert!(goes_on.runs_on_new() && goes_on.origin == Origin::Peers);
    assert!(!place.is_whole(1), "half a snapshot is no beginning");
    assert!(place.is_whole(0));
}

#[test]
fn a_snapshot_is_run_on_only_once_it_is_whole() {
    let place = Place::new();
    let intent = place.begin(Origin::Snapshot, true);
    assert!(!intent.runs_on_new());
    place.settle();
    assert!(place.is_whole(0), "until then the old one serves");
    let intent = loaded(&RealDisk, place.blocks(), &intent).unwrap();
    assert!(intent.runs_on_new());
    assert_eq!(place.settle(), Some(intent));
    assert!(!place.is_whole(0));
}
