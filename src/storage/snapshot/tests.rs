//! A snapshot is taken whole and proved, or not at all.

use super::*;
use crate::{
    chain::{Amount, testing::TestChain},
    crypto::Signature,
    storage::{CommitBatch, FlushOptions, Store, StoreOptions, disk::RealDisk, memory::MemoryBackend},
};

struct World {
    chain: TestChain,
    dir: tempfile::TempDir,
    tip: Block,
}

impl World {
    /// A chain of four blocks with more than two pages of coins, of which a snapshot was written.
    fn new() -> Self {
        let mut chain = TestChain::new(4, 2_300);
        let dir = tempfile::tempdir().unwrap();
        let options = StoreOptions {
            flush: FlushOptions {
                snapshot_every: 4,
                ..FlushOptions::default()
            },
            ..StoreOptions::default()
        };
        let disk = Arc::new(RealDisk);
        let backend = Arc::new(MemoryBackend::default());
        let store = Store::open_on(backend, disk, dir.path(), 0, &chain.genesis, options, |_| {}).unwrap();
        let mut tip = None;
        for height in 1..=5 {
            let spend = chain.transfer(
                &[(chain.coin(height), u64::from(height))],
                &[(7, 1_000), (8, 2_000)],
            );
            let block = chain.assemble(1_000, vec![spend.clone()]).block.into_inner();
            let connected = chain.extend(1_000, vec![spend]);
            let certificate = CommitCertificate {
                height: block.header.height,
                round: 0,
                block_hash: connected.hash,
                signatures: vec![(0, Signature::from_bytes([1; 64]))],
            };
            if height == 4 {
                tip = Some(block.clone());
            }
            store
                .commit(CommitBatch {
                    block,
                    certificate,
                    connected,
                })
                .unwrap();
        }
        store.close().unwrap();
        Self {
            chain,
            dir,
            tip: tip.unwrap(),
        }
    }

    fn manifest(&self) -> SnapshotManifest {
        Snapshots::new(self.dir.path()).newest().expect("it was written")
    }

    /// All pages, as a server gives them.
    fn pages(&self) -> Vec<(CoinPage, Option<OutPoint>)> {
        let (served, manifest) = (Snapshots::new(self.dir.path()), self.manifest());
        let (height, hash) = (manifest.header.height, manifest.header.hash());
        let (mut pages, mut cursor) = (Vec::new(), None);
        loop {
            let (items, next) = served.page(height, &hash, cursor).unwrap();
            assert!(items.len() <= limits::UTXO_PAGE_MAX);
            pages.push((items, next));
            match next {
                Some(next) => cursor = Some(next),
                None => return pages,
            }
        }
    }
}

fn loader(manifest: SnapshotManifest) -> (Arc<MemoryBackend>, SnapshotLoader) {
    let backend = Arc::new(MemoryBackend::default());
    (Arc::clone(&backend), SnapshotLoader::on(backend, manifest))
}

#[test]
fn a_node_opens_on_a_snapshot_with_the_same_state_and_goes_on() {
    let world = World::new();
    let (manifest, pages) = (world.manifest(), world.pages());
    assert_eq!((manifest.header.height, pages.len()), (Height::new(4), 3));
    let (backend, mut loader) = loader(manifest.clone());
    for (items, next) in &pages {
        assert!(loader.next().is_some());
        loader.add(items, *next).unwrap();
    }
    assert_eq!((loader.next(), loader.progress()), (None, (3, 3)));
    loader.finish(&world.chain.genesis, &world.tip).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions::default();
    let disk = Arc::new(RealDisk);
    let store = Store::open_on(
        backend,
        disk,
        dir.path(),
        0,
        &world.chain.genesis,
        options,
        |_| {},
    )
    .unwrap();
    let reader = store.reader();
    assert_eq!(reader.height(), Height::new(4));
    assert_eq!(reader.pruned_below(), Height::new(4));
    assert_eq!(
        reader.state().commitment.digest(),
        manifest.header.utxo_commitment
    );
    assert_eq!(reader.block(Height::new(4)).unwrap().unwrap().block, world.tip);
    assert_eq!(reader.block(Height::new(3)).unwrap(), None, "it never had that");
    let mut sum = CoinSum::default();
    let mut after = None;
    while let Some((last, _)) = {
        let page = reader.coins(after).unwrap();
        page.iter().for_each(|(outpoint, coin)| sum.add(outpoint, coin));
        page.last().copied()
    } {
        after = Some(last);
    }
    assert!(reader.state().is_made_of(&sum));
}

#[test]
fn dos_27_an_altered_omitted_or_repeated_page_is_refused_and_the_right_one_taken() {
    let world = World::new();
    let (manifest, pages) = (world.manifest(), world.pages());
    let (first, second) = (&pages[0], &pages[1]);
    let mut altered = first.0.clone();
    altered[10].1.output.amount = Amount::from_units(999_999_999);
    let mut short = first.0.clone();
    short.pop();
    let mut doubled = first.0.clone();
    doubled[11] = doubled[10];
    let mut shuffled = first.0.clone();
    shuffled.swap(3, 4);
    let (_, mut loader) = loader(manifest);
    let lies: [(&CoinPage, Option<OutPoint>); 8] = [
        (&altered, first.1),
        (&short, short.last().map(|(last, _)| *last)),
        (&doubled, first.1),
        (&shuffled, first.1),
        (&second.0, second.1),
        (&first.0, None),
        (&first.0, Some(world.chain.coin(1))),
        (&Vec::new(), None),
    ];
    for (items, next) in lies {
        assert!(matches!(loader.add(items, next), Err(LoadError::Page)));
        assert_eq!(loader.progress().0, 0, "nothing of it is kept");
    }
    // Another peer has it right, and the end is the same.
    for (items, next) in &pages {
        loader.add(items, *next).unwrap();
        assert!(matches!(loader.add(items, *next), Err(LoadError::Page)), "twice");
    }
    loader.finish(&world.chain.genesis, &world.tip).unwrap();
}

#[test]
fn dos_28_pages_that_agree_with_a_lying_manifest_never_become_a_database() {
    let world = World::new();
    let honest = world.manifest();
    let mut pages = world.pages();
    // All peers give one coin more money, consistently.
    pages[1].0[5].1.output.amount = Amount::from_units(5);
    let hashes: Vec<Hash256> = pages.iter().map(|(items, _)| page_hash(items)).collect();
    let lying = SnapshotManifest {
        pages: BoundedVec::new(hashes).unwrap(),
        ..honest.clone()
    };
    let (backend, mut loading) = loader(lying);
    for (items, next) in &pages {
        loading.add(items, *next).unwrap();
    }
    let ended = loading.finish(&world.chain.genesis, &world.tip);
    assert!(matches!(ended, Err(LoadError::Manifest { .. })), "{ended:?}");
    assert_eq!(
        backend.get(Table::Meta, schema::META_TIP).unwrap(),
        None,
        "it does not open"
    );
    // A state that promises what the coins make is not what the header commits to.
    let mut parts: Vec<Vec<u8>> = honest.state.iter().cloned().collect();
    let mut tip: schema::StoredState = schema::decode(&parts[2]).unwrap();
    tip.totals.supply = Amount::from_units(1);
    parts[2] = schema::encode(&tip);
    let lying = SnapshotManifest {
        state: BoundedVec::new(parts).unwrap(),
        ..honest
    };
    let (_, mut loading) = loader(lying);
    for (items, next) in &world.pages() {
        loading.add(items, *next).unwrap();
    }
    let ended = loading.finish(&world.chain.genesis, &world.tip);
    assert!(matches!(ended, Err(LoadError::Manifest { .. })), "{ended:?}");
}

#[test]
fn only_the_newest_two_are_kept() {
    let world = World::new();
    let dir = world.dir.path().join(DIR);
    for height in [1, 2, 3] {
        fs::write(dir.join(format!("{height}.manifest")), b"").unwrap();
        fs::write(dir.join(format!("{height}.pages")), b"").unwrap();
    }
    forget_old(&dir).unwrap();
    assert_eq!(heights(&dir), [3, 4]);
    assert!(!dir.join("2.pages").exists());
}

#[test]
fn a_state_too_large_for_a_snapshot_is_refused_before_a_coin_is_read() {
    let world = World::new();
    let (manifest, pages) = (world.manifest(), world.pages());
    let (backend, mut loader) = loader(manifest.clone());
    for (items, next) in &pages {
        loader.add(items, *next).unwrap();
    }
    loader.finish(&world.chain.genesis, &world.tip).unwrap();
    // A coin that nobody could decode: whoever reads it fails.
    backend
        .apply(&[Op::put(Table::Utxos, vec![0; 36], vec![1])])
        .unwrap();
    let (dir, height) = (tempfile::tempdir().unwrap(), manifest.header.height);
    let export = |most| export_up_to(backend.as_ref(), dir.path(), height, most);
    export(manifest.coins - 1).unwrap();
    assert_eq!(fs::read_dir(dir.path().join(DIR)).unwrap().count(), 0);
    assert!(export(manifest.coins).is_err(), "one more is let in, and read");
}
