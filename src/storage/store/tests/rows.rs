//! Rows 40, 41 and 45 of the table of attacks (docs/WIRE.md, "Attacks"): the disk and the process.

use std::{thread, time::Instant};

use super::*;

/// Draws from a seed.
struct Draws(u64);

impl Draws {
    fn below(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        ((self.0 >> 33) as usize) % below
    }
}

#[test]
fn dos_40_two_hundred_kills_in_the_middle_of_commits_lose_nothing_flushed() {
    const KILLS: usize = 200;
    const BLOCKS: usize = 12;
    let builder = Builder::with_blocks(BLOCKS);
    let every: Vec<usize> = (1..=BLOCKS).collect();
    let dumps = reference(&builder, &every);
    let mut draws = Draws(40);
    let (mut image, mut disk) = (MemoryBackend::default(), disk());
    let (mut kept_back, mut went_through) = (0, 0);
    for kill in 0..KILLS {
        let backend = TestBackend::over(image);
        let store = try_open(backend.clone(), &disk, builder.genesis(), patient()).unwrap();
        let from = store.reader().height().get() as usize;
        let to = (from + 1 + draws.below(3)).min(BLOCKS);
        match draws.below(2) {
            0 => backend.fail_from(draws.below(9)),
            _ => disk.fail_at(disk.log().len() + draws.below(7), Fault::Crash),
        }
        for batch in &builder.blocks[from..to] {
            store.commit(batch.clone()).unwrap();
        }
        let acknowledged = if store.flush().is_ok() { to } else { from };
        drop(store);
        let mut images = backend.after_crash();
        let survived = images.swap_remove(draws.below(images.len()));
        let survives = match draws.below(4) {
            0 => Survives::Synced,
            1 => Survives::All,
            _ => Survives::Some(draws.below(1_000) as u64),
        };
        disk = disk.after_crash(survives);
        let booted = TestBackend::over(survived);
        let store = try_open(booted.clone(), &disk, builder.genesis(), patient())
            .unwrap_or_else(|error| panic!("kill {kill}: {error}"));
        let height = store.reader().height().get() as usize;
        assert!(
            (acknowledged..=to).contains(&height),
            "kill {kill}: {acknowledged} was acknowledged, {height} is there"
        );
        drop(store);
        image = booted.after_crash().swap_remove(0);
        if height > 0 {
            assert!(
                dump(&image) == dumps[height - 1],
                "kill {kill}: trees disagree at {height}"
            );
        }
        *(if height == from {
            &mut kept_back
        } else {
            &mut went_through
        }) += 1;
        if height == BLOCKS {
            (image, disk) = (MemoryBackend::default(), super::disk());
        }
    }
    println!("{KILLS} kills: {kept_back} before the flush counted, {went_through} after");
    assert!(kept_back > 20 && went_through > 20, "{kept_back} {went_through}");
}

#[test]
fn dos_41_a_disk_that_fills_in_the_middle_of_a_flush_loses_nothing_and_goes_on_with_space() {
    let builder = Builder::with_blocks(8);
    let dumps = reference(&builder, &[4, 8]);
    let mut refused = 0;
    for call in 0..12 {
        let (backend, disk) = (TestBackend::default(), disk());
        let failures = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&failures);
        let store = Store::open_on(
            Arc::new(backend.clone()),
            Arc::new(disk.clone()),
            &blocks_dir(),
            0,
            builder.genesis(),
            patient(),
            move |event| seen.lock().unwrap().push(event),
        )
        .unwrap();
        for batch in &builder.blocks[..4] {
            store.commit(batch.clone()).unwrap();
        }
        store.flush().unwrap();
        backend.fill_disk_from(call);
        for batch in &builder.blocks[4..] {
            store.commit(batch.clone()).unwrap();
        }
        let is_full = store.flush().is_err();
        // Readers go on, and see all that is final.
        assert_eq!(store.reader().height(), Height::new(8));
        let _ = store.close();
        if is_full {
            refused += 1;
            // The node hears why, and signs nothing more (src/node/performer.rs).
            let failures = failures.lock().unwrap();
            assert!(
                failures
                    .iter()
                    .any(|event| matches!(event, StoreEvent::Failed(error) if error.is_disk_full())),
                "call {call}"
            );
        }
        // Somebody made room, and the process starts again on what the disk holds.
        let left = backend.after_crash().pop().unwrap();
        let booted = TestBackend::over(left);
        let disk = disk.after_crash(Survives::All);
        let store = try_open(booted.clone(), &disk, builder.genesis(), patient()).unwrap();
        let height = store.reader().height().get() as usize;
        assert!(height == 4 || height == 8, "call {call}: {height}");
        let at = usize::from(height == 8);
        assert!(
            dump(&booted.after_crash()[0]) == dumps[at],
            "call {call}: something was deleted"
        );
        for batch in &builder.blocks[height..] {
            store.commit(batch.clone()).unwrap();
        }
        store.flush().unwrap();
        assert!(dump(&booted.after_crash()[0]) == dumps[1], "call {call}");
    }
    assert!(refused >= 4, "{refused}");
}

#[test]
fn dos_45_a_disk_that_stalls_for_half_a_second_holds_up_no_commit_and_no_reader() {
    const STALL: Duration = Duration::from_millis(500);
    const TICK: Duration = Duration::from_millis(10);
    const BOUND: Duration = Duration::from_millis(20);
    // Another process can hold up a thread; a disk would do it every time.
    const TRIES: usize = 5;
    let builder = Builder::with_blocks(24);
    let mut seen = Vec::new();
    for _ in 0..TRIES {
        let backend = TestBackend::default();
        let store = open(backend.clone(), builder.genesis());
        let reader = store.reader();
        for batch in &builder.blocks[..4] {
            store.commit(batch.clone()).unwrap();
        }
        store.flush().unwrap();
        // Something to flush.
        store.commit(builder.blocks[4].clone()).unwrap();
        backend.stall_next(STALL);
        // What a performer and its readers do at each tick, while the writer hangs in the disk.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let (mut drift, mut commit, mut look) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        let (began, mut is_inside) = (Instant::now(), true);
        let ticking = async {
            let mut ticker = tokio::time::interval(TICK);
            ticker.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            ticker.tick().await;
            let mut last = Instant::now();
            for batch in &builder.blocks[5..] {
                ticker.tick().await;
                drift = drift.max(last.elapsed().saturating_sub(TICK));
                last = Instant::now();
                store.commit(batch.clone()).unwrap();
                commit = commit.max(last.elapsed());
                let looked = Instant::now();
                let height = batch.block.height();
                // One that is on the disk, and the one that is only final.
                assert_eq!(reader.height(), height);
                assert!(reader.header(Height::new(2)).unwrap().is_some());
                assert!(reader.header(height).unwrap().is_some());
                look = look.max(looked.elapsed());
            }
        };
        thread::scope(|scope| {
            let flushing = scope.spawn(|| store.flush());
            runtime.block_on(ticking);
            is_inside &= !flushing.is_finished();
            flushing.join().unwrap().unwrap();
        });
        assert!(began.elapsed() >= STALL, "the disk stalled");
        store.flush().unwrap();
        builder.check(&store);
        seen.push((is_inside, drift, commit, look));
        // All of it happened while the disk hung, or it says nothing.
        if is_inside && drift < BOUND && commit < BOUND && look < BOUND {
            break;
        }
    }
    println!(
        "worst drift of a {TICK:?} ticker, commit and look-up beside a disk that hangs for {STALL:?}: {seen:?}"
    );
    let is_good = |(is_inside, drift, commit, look): &(bool, Duration, Duration, Duration)| {
        *is_inside && *drift < BOUND && *commit < BOUND && *look < BOUND
    };
    assert!(seen.iter().any(is_good), "{seen:?}");
}
