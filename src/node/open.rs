//! Opening a node: lock, log, database, and what the log knows that the database does not yet.
//!
//! The order is the recovery of docs/CONSENSUS.md §8: the log is the truth about what we signed and
//! about what is final; the database follows it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use crossbeam_channel::Sender;

use crate::{
    chain::{Block, BlockContext, BlockHash, Genesis, Height, Rules, connect},
    consensus::{self, Record, Recovered, ValidatorSet, judge_evidence},
    crypto::{PublicKey, Verified},
    engine::SigningHold,
    storage::{
        CommitBatch, Store, StoreEvent, StoreOptions, StoreReader,
        disk::RealDisk,
        failpoint,
        lock::DataDirLock,
        rebuild::{self, Intent},
        wal::{self, Wal},
    },
};

use super::{
    NodeError, conflict, handover,
    memory::{self, Mark, Memory},
    performer::Work,
    starting::Starting,
};

/// Blocks looked back for our own signatures, to see whether the log is an old copy.
const LOOK_BACK_BLOCKS: u64 = 100;

/// What opening gives.
pub(super) struct Opened {
    pub(super) lock: DataDirLock,
    pub(super) wal: Option<Wal>,
    /// The record of the highest position signed, or of what stands in for it.
    pub(super) mark: Option<wal::Record>,
    pub(super) store: Store,
    pub(super) recovered: Recovered,
    pub(super) tip: consensus::Tip,
    pub(super) holds: BTreeSet<SigningHold>,
    /// The rebuild of the database that goes on.
    pub(super) rebuild: Option<Intent>,
    /// True if the log holds a signature: then another node could be using this key.
    pub(super) has_signed: bool,
}

/// Who this node is, and whether it may ever sign.
#[derive(Debug, Clone, Copy)]
pub(super) struct Me {
    /// The consensus key, if there is one.
    pub(super) key: Option<PublicKey>,
    /// False on a node that was told to sign nothing, or whose key is elsewhere: it may run where the
    /// state was given away.
    pub(super) may_sign: bool,
}

/// Opens everything in `data_dir`.
///
/// # Errors
/// [`NodeError`]; nothing is changed but a torn tail of the log and an interrupted flush.
pub(super) fn open(
    data_dir: &Path,
    genesis: &Genesis,
    me: Me,
    options: StoreOptions,
    work: Sender<Work>,
    starting: &mut Starting,
) -> Result<Opened, NodeError> {
    starting.begin("lock the data directory");
    let lock = DataDirLock::acquire(data_dir)?;
    failpoint::arm(data_dir);
    let mut holds = BTreeSet::new();
    let log_dir = data_dir.join("consensus");
    if me.key.is_some() && me.may_sign {
        handover::refuse_given(&log_dir)?;
    }
    let me = me.key;
    if conflict::is_kept(&log_dir) {
        tracing::error!(
            file = %log_dir.join(conflict::CONFLICT_FILE).display(),
            "SAFETY VIOLATION of an earlier run: two certificates at one height; read the file before anything else"
        );
        holds.insert(SigningHold::SafetyViolation);
    }
    starting.begin("read the consensus log");
    let (wal, entries) = match Wal::open(&log_dir) {
        Ok((wal, recovered)) => {
            if let Some(torn) = &recovered.torn_tail {
                tracing::info!(
                    ?torn,
                    "consensus log: the last write was not finished and is cut off"
                );
            }
            (Some(wal), recovered.records)
        }
        Err(error) if error.is_missing() => match me {
            Some(_) => {
                tracing::warn!(%error, "the consensus log is missing: observer mode");
                let (wal, lost) = memory::create(&log_dir, &Record::Lost)?;
                (Some(wal), vec![lost])
            }
            None => (None, Vec::new()),
        },
        Err(error) => return Err(error.into()),
    };
    let Memory { records, mark } = Memory::read(&log_dir, entries)?;
    starting.begin("open the chain database");
    let blocks_dir = data_dir.join("blocks");
    let rebuild = rebuild::settle(&RealDisk, &blocks_dir)?;
    let report = move |event| match event {
        StoreEvent::Flushed(flushed) => {
            tracing::debug!(
                height = flushed.height.get(),
                blocks = flushed.blocks,
                operations = flushed.operations,
                took_ms = flushed.took.as_millis(),
                "storage flushed"
            );
            // Full: the next flush says the same and more.
            let _ = work.try_send(Work::Flushed(flushed.height));
        }
        StoreEvent::NoSnapshot(error) => {
            tracing::warn!(%error, "no snapshot was written; the next one is due in its turn");
        }
        StoreEvent::NotPruned(error) => {
            tracing::warn!(%error, "old blocks were not deleted; tried again after the next flush");
        }
        StoreEvent::NotTidied(error) => {
            tracing::warn!(%error, "the chain database was not tidied; tried again after the next flush");
        }
        StoreEvent::Failed(error) => {
            tracing::error!(%error, "the chain database takes no more blocks; final blocks stay in the consensus log");
            let _ = work.try_send(Work::StoreFailed);
        }
    };
    let store = match rebuild.filter(Intent::runs_on_new) {
        Some(intent) => {
            tracing::info!(
                mode = intent.origin_word(),
                generation = intent.to,
                target = intent.target.get(),
                "resync: the chain database is built anew beside the old one"
            );
            Store::open_beside(&blocks_dir, intent.to, genesis, options, report)?
        }
        None => Store::open(&blocks_dir, genesis, options, report)?,
    };
    starting.begin("replay final blocks from the log");
    replay(&store, &records, genesis, &blocks_dir)?;
    let reader = store.reader();
    let state = reader.state();
    let certificate = reader
        .header(state.tip.height)?
        .and_then(|header| header.certificate);
    let signed_on_chain = me.map_or(Ok(None), |me| last_signed_on_chain(&reader, &me))?;
    let highest = mark.as_ref().map(Mark::height);
    let is_lost = mark.as_ref().is_some_and(|mark| mark.is_lost());
    if wal.is_some() && !is_lost && signed_on_chain.is_some() && signed_on_chain > highest {
        tracing::warn!(
            on_chain = signed_on_chain.map(Height::get),
            in_log = highest.map(Height::get),
            "the consensus log is older than what the chain shows of our signatures: observer mode"
        );
        holds.insert(SigningHold::LogMissing);
    }
    let tip = consensus::Tip {
        height: state.tip.height,
        hash: state.tip.hash,
        timestamp: state.tip.timestamp_ms,
        certificate,
        decided_at: None,
    };
    let recovered = Recovered::from_records(records, tip.height, checked_before);
    Ok(Opened {
        lock,
        wal,
        has_signed: mark.is_some(),
        mark: mark.map(Mark::into_entry),
        store,
        rebuild,
        recovered,
        tip,
        holds,
    })
}

/// A body in our log was checked before we voted for it, and the log's checksums hold.
fn checked_before(block: Block) -> Option<Verified<Block>> {
    let chain_id = crate::crypto::Hash256::ZERO;
    Verified::check(
        block,
        BlockContext {
            chain_id: &chain_id,
            known: &|_| true,
        },
    )
    .ok()
}

/// Connects what the log knows as final above the database's tip.
fn replay(store: &Store, records: &[Record], genesis: &Genesis, dir: &Path) -> Result<(), NodeError> {
    let mut bodies: BTreeMap<BlockHash, &Block> = BTreeMap::new();
    let mut decided = BTreeMap::new();
    for record in records {
        match record {
            Record::Body(block) => {
                bodies.insert(block.hash(), block);
            }
            Record::Decided(certificate) => {
                decided.insert(certificate.height, certificate);
            }
            Record::Signed(_)
            | Record::Lock(_)
            | Record::RaisedTo(_)
            | Record::Lost
            | Record::Vouched(..) => {}
        }
    }
    let rules = Rules::of(genesis, judge_evidence);
    let reader = store.reader();
    let from = reader.height();
    for (height, certificate) in decided {
        if height != reader.height().next() {
            continue;
        }
        let fault = |reason: String| NodeError::Replay {
            dir: dir.to_owned(),
            height,
            reason,
        };
        let block = bodies
            .get(&certificate.block_hash)
            .and_then(|block| checked_before((*block).clone()))
            .ok_or_else(|| fault("its body is not in the log".to_owned()))?;
        let connected =
            connect(&block, &reader.state(), &reader, &rules).map_err(|error| fault(error.to_string()))?;
        let batch = CommitBatch {
            block: block.into_inner(),
            certificate: certificate.clone(),
            connected,
        };
        store.commit(batch)?;
    }
    if reader.height() > from {
        tracing::info!(
            from = from.get(),
            to = reader.height().get(),
            "replayed final blocks from the consensus log"
        );
    }
    Ok(())
}

/// The highest of the last blocks whose certificate holds our signature.
pub(super) fn last_signed_on_chain(
    reader: &StoreReader,
    me: &PublicKey,
) -> Result<Option<Height>, NodeError> {
    let state = reader.state();
    let signer_at = |height: Height| {
        let set = state.history.set_at(height)?;
        ValidatorSet::new(set.keys()).signer_of(me)
    };
    let tip = state.tip.height;
    let mut height = tip;
    while height > Height::GENESIS && tip.blocks_since(height) < LOOK_BACK_BLOCKS {
        let certificate = reader.header(height)?.and_then(|header| header.certificate);
        let signer = signer_at(height);
        let is_ours = |found: u16| Some(found) == signer;
        if certificate.is_some_and(|certificate| certificate.signers().any(is_ours)) {
            return Ok(Some(height));
        }
        height = height.saturating_sub(1);
    }
    Ok(None)
}
