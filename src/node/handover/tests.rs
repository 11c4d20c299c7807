//! A state that travels is never lowered, never taken for another's, and never in two places.

use std::fs;

use super::*;
use crate::{
    chain::{BlockHash, testing::TestChain},
    consensus::{ConsensusMessage, Vote},
    crypto::Signature,
    storage::wal::Wal,
};

struct Place {
    dir: tempfile::TempDir,
    genesis: Genesis,
}

const KEY: PublicKey = PublicKey::from_bytes([7; 32]);

impl Place {
    /// A directory whose key signed a COMMIT at each of `heights`; without any it is one without a log.
    fn new(heights: &[u64]) -> Self {
        let place = Self {
            dir: tempfile::tempdir().unwrap(),
            genesis: TestChain::new(4, 1).genesis,
        };
        if !heights.is_empty() {
            drop(Wal::create(&place.log()).unwrap());
        }
        heights.iter().for_each(|height| place.sign(*height));
        place
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("consensus")
    }

    fn sign(&self, height: u64) {
        let (mut wal, _) = Wal::open(&self.log()).unwrap();
        let vote = Vote {
            step: Step::Commit,
            height: Height::new(height),
            round: Round::ZERO,
            digest: BlockHash::from_bytes([1; 32]),
            signer: 0,
            signature: Signature::from_bytes([0; 64]),
        };
        memory::append(&mut wal, &Record::Signed(ConsensusMessage::Vote(vote))).unwrap();
    }

    fn export(&self, name: &str) -> Result<PathBuf, HandoverError> {
        let target = self.dir.path().join(name);
        let options = StoreOptions::default();
        export(self.dir.path(), &self.genesis, KEY, options, &target).map(|_| target)
    }

    fn import(&self, file: &Path) -> Result<Imported, HandoverError> {
        let state = StateFile::read(file)?;
        import(self.dir.path(), &self.genesis, KEY, &state, false)
    }

    fn mark(&self) -> Option<Height> {
        let (_, found) = Wal::open(&self.log()).unwrap();
        let mark = Memory::read(&self.log(), found.records).unwrap().mark;
        mark.map(|mark| mark.height())
    }

    fn may_start(&self) -> bool {
        refuse_given(&self.log()).is_ok()
    }
}

#[test]
fn what_is_exported_is_given_away_and_arrives_once() {
    let (old, new) = (Place::new(&[3, 9]), Place::new(&[]));
    let file = old.export("state").unwrap();
    assert!(!old.may_start(), "the old place would sign on");
    assert_eq!(
        fs::metadata(&file)
            .map(|found| std::os::unix::fs::PermissionsExt::mode(&found.permissions()))
            .unwrap()
            & 0o777,
        0o600
    );
    // The export was lost: the same one is written again, whatever is done to the log meanwhile.
    old.sign(50);
    let again = old.export("again").unwrap();
    assert_eq!(fs::read(&file).unwrap(), fs::read(again).unwrap());
    assert!(matches!(
        old.export("again"),
        Err(HandoverError::Key(SignerError::Exists { .. }))
    ));

    let imported = new.import(&file).unwrap();
    assert_eq!(
        (imported.signs_above, imported.raised, imported.taken_back),
        (9, true, false)
    );
    assert!(new.may_start());
    assert_eq!(new.mark(), Some(Height::new(9)));
    assert!(
        !new.import(&file).unwrap().raised,
        "the second time says nothing new"
    );
}

#[test]
fn an_import_never_lowers_the_mark() {
    let (low, high) = (Place::new(&[4]), Place::new(&[20]));
    let file = low.export("state").unwrap();
    let imported = high.import(&file).unwrap();
    assert_eq!((imported.signs_above, imported.raised), (20, false));
    assert_eq!(high.mark(), Some(Height::new(20)));
    let file = high.export("state").unwrap();
    let other = Place::new(&[7]);
    assert!(other.import(&file).unwrap().raised);
    assert_eq!(other.mark(), Some(Height::new(20)));
}

#[test]
fn its_own_export_comes_back_only_with_a_promise_and_a_newer_one_without() {
    let (old, new) = (Place::new(&[5]), Place::new(&[]));
    let file = old.export("state").unwrap();
    assert!(matches!(old.import(&file), Err(HandoverError::OwnExport { .. })));
    assert!(!old.may_start());
    new.import(&file).unwrap();
    new.sign(8);
    let back = new.export("state").unwrap();
    let imported = old.import(&back).unwrap();
    assert!(imported.taken_back && imported.raised && old.may_start());
    assert_eq!(old.mark(), Some(Height::new(8)));
    assert!(!new.may_start(), "only one of the two may sign");

    let file = old.export("second").unwrap();
    let state = StateFile::read(&file).unwrap();
    let imported = import(old.dir.path(), &old.genesis, KEY, &state, true).unwrap();
    assert!(imported.taken_back && old.may_start());
    // An export of earlier days knows too little.
    old.sign(30);
    old.export("third").unwrap();
    assert!(matches!(
        old.import(&back),
        Err(HandoverError::Older {
            file: 8,
            given: 30,
            ..
        })
    ));
    assert!(!old.may_start());
}

#[test]
fn a_state_that_nobody_knows_is_neither_exported_nor_made_up_by_a_file() {
    let lost = Place::new(&[]);
    assert!(matches!(lost.export("state"), Err(HandoverError::Unknown { .. })));
    begin_lost(lost.dir.path()).unwrap();
    assert!(matches!(lost.export("state"), Err(HandoverError::Unknown { .. })));
    assert!(lost.may_start(), "a refused export gives nothing away");
    let other = Place::new(&[5]);
    let file = other.export("state").unwrap();
    assert!(matches!(lost.import(&file), Err(HandoverError::Lost { .. })));
    assert!(
        begin_lost(Place::new(&[2]).dir.path()).is_err(),
        "a log that holds something"
    );
}

#[test]
fn a_key_that_never_signed_listens_where_it_arrives() {
    let new_key = Place::new(&[]);
    drop(Wal::create(&new_key.log()).unwrap());
    let file = new_key.export("state").unwrap();
    let place = Place::new(&[]);
    assert_eq!(place.import(&file).unwrap().signs_above, 0);
    assert_eq!(
        place.mark(),
        Some(Height::GENESIS),
        "a mark makes it listen before it signs"
    );
}

#[test]
fn another_chain_another_key_and_a_locked_place_are_refused() {
    let place = Place::new(&[5]);
    let file = place.export("state").unwrap();
    let state = StateFile::read(&file).unwrap();
    let target = Place::new(&[2]);
    let other = PublicKey::from_bytes([8; 32]);
    let refused = import(target.dir.path(), &target.genesis, other, &state, false);
    assert!(matches!(refused, Err(HandoverError::OtherKey { .. })));
    let mut genesis = target.genesis.clone();
    genesis.params.block_interval_ms += 1;
    let refused = import(target.dir.path(), &genesis, KEY, &state, false);
    assert!(matches!(refused, Err(HandoverError::OtherChain { .. })));
    let _lock = DataDirLock::acquire(target.dir.path()).unwrap();
    assert!(matches!(
        target.import(&file),
        Err(HandoverError::Node(NodeError::Lock(_)))
    ));
    assert!(matches!(
        target.export("out"),
        Err(HandoverError::Node(NodeError::Lock(_)))
    ));
    assert_eq!(target.mark(), Some(Height::new(2)));
}

#[test]
fn a_changed_cut_or_foreign_file_says_what_to_do() {
    let place = Place::new(&[5]);
    let file = place.export("state").unwrap();
    let text = fs::read_to_string(&file).unwrap();
    let read = |text: &str| {
        fs::write(&file, text).unwrap();
        StateFile::read(&file).unwrap_err().to_string()
    };
    for changed in [
        text.replace("\"height\": 5", "\"height\": 4"),
        text.replace("COMMIT", "PREPARE"),
        text[..text.len() / 2].to_owned(),
        String::new(),
        text.replace("signing state", "shopping list"),
        text.replacen('{', "{ \"more\": 1,", 1),
        " ".repeat(20_000),
    ] {
        assert!(read(&changed).contains("export it there again"), "{changed}");
    }
    assert!(
        read(&text.replace("\"schema\": 1", "\"schema\": 0")).contains("export it again with this version")
    );
    assert!(read(&text.replace("\"schema\": 1", "\"schema\": 2")).contains("the version that wrote it"));
    assert!(
        StateFile::read(Path::new("/nowhere"))
            .unwrap_err()
            .to_string()
            .contains("timed signer state export")
    );
    // A damaged mark does not let the place sign.
    fs::write(place.log().join(GIVEN_FILE), "").unwrap();
    assert!(!place.may_start());
    let said = place.export("more").unwrap_err().to_string();
    assert!(
        said.contains("given-away.json")
            && said.contains("leave this copy off")
            && !said.contains("export it there"),
        "{said}"
    );
}
