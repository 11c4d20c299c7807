//! Resync of a running node: what it would cost, its beginning, its end, and giving it up.
//!
//! A resync begins with a durable intent and an ordered stop; the process then starts again and runs
//! on the new generation, which the ordinary ways fill: blocks of peers, or those of the old
//! generation ([`super::reindex`]). Once the new one durably holds the block that was the old one's
//! tip, it takes its place. What the key has signed is in the consensus log, which is no part of
//! this: nothing is signed twice, however often it begins anew.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::watch;

use crate::{
    chain::{BlockHash, Height},
    control::{CommandError, Moment, ResyncMode, ResyncPlan, ResyncStatus, ResyncStep},
    storage::{
        Store, StoreError, StoreReader,
        disk::RealDisk,
        rebuild::{self, Intent, Origin},
    },
};

/// Free space that a rebuild takes, as a multiple of the old database in tenths: both stand beside
/// each other, and a fresh one is a little larger until it is compacted.
const SPACE_TENTHS: u64 = 12;
/// Free space below which nothing is begun, however small the database is.
const SPACE_MIN_BYTES: u64 = 256 << 20;

/// What a plan is made of.
#[derive(Debug, Clone, Default)]
pub struct PlanFacts {
    /// Name of the network.
    pub network: String,
    /// Height of the database.
    pub height: u64,
    /// Lowest block that it holds a body of.
    pub pruned_below: u64,
    /// Bytes of the database.
    pub db_bytes: u64,
    /// Free bytes beside it.
    pub free_bytes: Option<u64>,
    /// Sessions that could serve; `None` while the node is stopped.
    pub peers: Option<usize>,
    /// What stands against it anyway.
    pub obstacle: Option<String>,
}

/// What a resync of `mode` would do to a node of which `facts` are known.
pub fn plan(mode: ResyncMode, facts: &PlanFacts) -> ResyncPlan {
    let needed_bytes = (facts.db_bytes / 10 * SPACE_TENTHS).max(SPACE_MIN_BYTES);
    ResyncPlan {
        mode,
        network: facts.network.clone(),
        height: facts.height,
        db_bytes: facts.db_bytes,
        free_bytes: facts.free_bytes,
        needed_bytes,
        // Nothing has measured how fast this machine judges these blocks, and no figure is better than
        // a guessed one.
        votes_stop_ms: None,
        obstacle: facts
            .obstacle
            .clone()
            .or_else(|| obstacle(mode, facts, needed_bytes)),
        consequences: consequences(mode, facts),
    }
}

fn obstacle(mode: ResyncMode, facts: &PlanFacts, needed_bytes: u64) -> Option<String> {
    if facts.free_bytes.is_some_and(|free| free < needed_bytes) {
        return Some(format!(
            "{} MiB are free and {} MiB are needed; free some, or stop the node and run `timed resync --mode full --delete-first`, which gives the old database up before the new one is whole",
            facts.free_bytes.unwrap_or(0) >> 20,
            needed_bytes >> 20,
        ));
    }
    if mode == ResyncMode::Reindex && facts.pruned_below > 1 {
        return Some(format!(
            "blocks below {} are not held here, so they cannot be judged again; use mode snapshot or full",
            facts.pruned_below
        ));
    }
    if mode != ResyncMode::Reindex && facts.peers == Some(0) {
        return Some(
            "no peer is connected that could serve it; wait for one, or use mode reindex".to_owned(),
        );
    }
    None
}

fn consequences(mode: ResyncMode, facts: &PlanFacts) -> Vec<String> {
    let mut lines = vec![
        match mode {
            ResyncMode::Reindex | ResyncMode::Full => format!(
                "this node casts no vote until it has judged {} blocks again and is at the tip",
                facts.height
            ),
            ResyncMode::Snapshot => {
                "this node casts no vote from the end of the download until it is at the tip".to_owned()
            }
        },
        "balances and heights shown here start again and grow with it".to_owned(),
    ];
    if mode == ResyncMode::Snapshot {
        lines.push(
            "blocks below the snapshot are no longer held here: this node cannot serve them, nor look up their transactions, unless sync.backfill fetches them again"
                .to_owned(),
        );
    }
    if mode != ResyncMode::Reindex {
        lines.push("evidence that only this node stored is not fetched again".to_owned());
    }
    lines.push(
        "the old database stays beside it until the new one is whole; until then this can be cancelled"
            .to_owned(),
    );
    lines.push("keys, consensus log, configuration and bans are not touched".to_owned());
    lines
}

/// The origin of a mode.
pub fn origin(mode: ResyncMode) -> Origin {
    match mode {
        ResyncMode::Reindex => Origin::OldBlocks,
        ResyncMode::Snapshot => Origin::Snapshot,
        ResyncMode::Full => Origin::Peers,
    }
}

fn mode_of(origin: Origin) -> ResyncMode {
    match origin {
        Origin::OldBlocks => ResyncMode::Reindex,
        Origin::Snapshot => ResyncMode::Snapshot,
        Origin::Peers => ResyncMode::Full,
    }
}

/// Free bytes of the file system that holds `dir`.
pub fn free_bytes(dir: &Path) -> Option<u64> {
    let volume = rustix::fs::statvfs(dir).ok()?;
    Some(volume.f_bavail * volume.f_frsize)
}

/// The resync of a running node.
pub(super) struct Resync {
    blocks: PathBuf,
    network: String,
    store: Arc<Store>,
    reader: StoreReader,
    since: Moment,
    /// False in a process that is more than this node, such as a devnet.
    may_restart: bool,
    under_way: Mutex<Option<Intent>>,
    wants_restart: AtomicBool,
    /// Somebody is switching.
    is_ending: AtomicBool,
    /// Pages of the snapshot that came, and all of them.
    pages: Mutex<Option<(u64, u64)>>,
    /// Where a stop is asked for.
    ask_stop: Mutex<Option<watch::Sender<Option<String>>>>,
}

impl Resync {
    /// Of the node whose database is in `blocks`, with what was under way when it started.
    pub(super) fn new(
        blocks: PathBuf,
        network: String,
        store: Arc<Store>,
        since: Moment,
        may_restart: bool,
        under_way: Option<Intent>,
    ) -> Self {
        Self {
            blocks,
            network,
            reader: store.reader(),
            store,
            since,
            may_restart,
            under_way: Mutex::new(under_way),
            wants_restart: AtomicBool::new(false),
            is_ending: AtomicBool::new(false),
            pages: Mutex::new(None),
            ask_stop: Mutex::new(None),
        }
    }

    fn intent(&self) -> std::sync::MutexGuard<'_, Option<Intent>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells where a stop is asked for.
    pub(super) fn stop_at(&self, ask_stop: watch::Sender<Option<String>>) {
        *self.ask_stop.lock().unwrap_or_else(PoisonError::into_inner) = Some(ask_stop);
    }

    /// What was noted takes another start.
    pub(super) fn start_again(&self, reason: &str) {
        self.wants_restart.store(true, Ordering::Release);
        let ask_stop = self.ask_stop.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ask_stop) = ask_stop.as_ref() {
            ask_stop.send_if_modified(|asked| asked.replace(reason.to_owned()).is_none());
        }
    }

    /// Another page of the snapshot is in.
    pub(super) fn on_page(&self, progress: (u64, u64)) {
        *self.pages.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress);
    }

    /// An operator stops the node: what was noted waits for the next start.
    pub(super) fn stay_down(&self) {
        self.wants_restart.store(false, Ordering::Release);
    }

    /// True once the process shall start again after its stop.
    pub(super) fn wants_restart(&self) -> bool {
        self.wants_restart.load(Ordering::Acquire)
    }

    /// What is shown of it.
    pub(super) fn status(&self) -> Option<ResyncStatus> {
        let intent = (*self.intent())?;
        Some(ResyncStatus {
            mode: mode_of(intent.origin),
            step: ResyncStep::Building,
            target: intent.target.get(),
            since: self.since,
            pages: *self.pages.lock().unwrap_or_else(PoisonError::into_inner),
            can_cancel: intent.from.is_some() && !(intent.delete_first && intent.runs_on_new()),
        })
    }

    /// What it would do. Blocks on the disk.
    pub(super) fn plan(&self, mode: ResyncMode, peers: usize) -> ResyncPlan {
        let state = self.reader.state();
        let obstacle = match (*self.intent(), self.may_restart) {
            (Some(intent), _) => Some(format!(
                "a resync ({}) is under way already; wait for it, or cancel it",
                mode_of(intent.origin)
            )),
            (None, false) => Some(
                "this node shares its process with others; run it by `timed run` to resync it".to_owned(),
            ),
            (None, true) => None,
        };
        let facts = PlanFacts {
            network: self.network.clone(),
            height: state.tip.height.get(),
            pruned_below: self.reader.pruned_below().get(),
            db_bytes: self.store.stats().map_or(0, |stats| stats.size_bytes),
            free_bytes: free_bytes(&self.blocks),
            peers: Some(peers),
            obstacle,
        };
        plan(mode, &facts)
    }

    /// Notes durably that it shall be done; the caller stops the node in order. Blocks on the disk.
    pub(super) fn begin(&self, mode: ResyncMode, peers: usize) -> Result<(), CommandError> {
        if let Some(reason) = self.plan(mode, peers).obstacle {
            return Err(CommandError::Invalid { reason });
        }
        let tip = self.reader.state().tip;
        rebuild::begin(
            &RealDisk,
            &self.blocks,
            origin(mode),
            (tip.height, tip.hash),
            false,
        )
        .map_err(refused)?;
        self.wants_restart.store(true, Ordering::Release);
        Ok(())
    }

    /// Notes durably that it is given up; the caller stops the node in order. Blocks on the disk.
    pub(super) fn cancel(&self) -> Result<(), CommandError> {
        if !self.may_restart {
            return Err(CommandError::Invalid {
                reason: "this node shares its process with others; run it by `timed run`".to_owned(),
            });
        }
        rebuild::cancel(&RealDisk, &self.blocks).map_err(refused)?;
        self.wants_restart.store(true, Ordering::Release);
        Ok(())
    }

    /// True if a database that durably holds everything up to `height` is whole, for the first time.
    pub(super) fn is_due(&self, height: Height) -> bool {
        let under_way = *self.intent();
        under_way.is_some_and(|intent| intent.runs_on_new() && height >= intent.target)
            && !self.is_ending.swap(true, Ordering::AcqRel)
    }

    /// The database durably holds everything up to `height`: perhaps that ends it.
    pub(super) fn on_flushed(&self, height: Height) -> Result<(), ResyncError> {
        let mut under_way = self.intent();
        let Some(intent) = under_way.filter(|intent| intent.runs_on_new() && height >= intent.target) else {
            return Ok(());
        };
        let found = match self.reader.header(intent.target) {
            Ok(found) => found.map(|stored| stored.header.hash()),
            // A snapshot begins above it.
            Err(_) => None,
        };
        let differs = |found: &BlockHash| !intent.target_hash.is_zero() && *found != intent.target_hash;
        if let Some(found) = found.filter(differs) {
            return Err(ResyncError::OtherChain {
                height: intent.target,
                old: intent.target_hash,
                new: found,
            });
        }
        rebuild::finish(&RealDisk, &self.blocks, &intent)?;
        *under_way = None;
        tracing::info!(
            mode = intent.origin_word(),
            height = height.get(),
            "resync complete: the new database is in use and the old one is deleted"
        );
        Ok(())
    }
}

fn refused(error: StoreError) -> CommandError {
    CommandError::Invalid {
        reason: error.to_string(),
    }
}

/// Why a rebuild that reached its target did not take the old one's place.
#[derive(Debug, thiserror::Error)]
pub(super) enum ResyncError {
    /// The file system refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another certified block stands where the old database's tip was.
    #[error(
        "block {height} is {new} in the new database and {old} in the old one, and both were certified; both databases are kept: do not restart, and report it"
    )]
    OtherChain {
        /// Where.
        height: Height,
        /// What the old one holds.
        old: BlockHash,
        /// What the new one holds.
        new: BlockHash,
    },
}
