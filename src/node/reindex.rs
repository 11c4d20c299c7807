//! Feeds the blocks of the old generation to the engine, as a peer would: the same checks, the same
//! queue, and nothing that trusts what the old database says beyond the blocks in it.
//!
//! A block that does not read back, or does not hold, ends the feed; peers have the rest.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use crossbeam_channel::Sender;

use crate::{
    chain::{Genesis, Height},
    crypto::NodeId,
    engine::Event,
    storage::{Store, StoreError, StoreOptions},
};

use super::{driver::Shared, verifier::Verifier};

/// Blocks handed over at once.
const BATCH_BLOCKS: u64 = 100;
/// Bytes of blocks handed over at once, and never less than one block.
const BATCH_BYTES: usize = 8 << 20;
/// Pages of the old database held in memory; each block is read once.
const CACHE_BYTES: u64 = 16 << 20;
/// How long a batch may take to become the tip before the feed gives up: the engine stands still.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often the tip is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// What the feed runs on.
pub(super) struct Reindex {
    pub(super) blocks: PathBuf,
    /// The old generation.
    pub(super) from: u64,
    /// The last block that is fed.
    pub(super) target: Height,
    pub(super) genesis: Genesis,
    pub(super) me: NodeId,
    pub(super) verifier: Arc<Verifier>,
    pub(super) shared: Arc<Shared>,
    pub(super) votes: Sender<Event>,
}

impl Reindex {
    /// Body of the thread.
    pub(super) fn run(self, is_stopping: &dyn Fn() -> bool) {
        match self.feed(is_stopping) {
            Ok(height) => tracing::info!(
                height = height.get(),
                "blocks of the old database were read to their end"
            ),
            Err(error) => tracing::warn!(
                %error,
                "the old database cannot be read any further; peers have the rest"
            ),
        }
    }

    fn feed(&self, is_stopping: &dyn Fn() -> bool) -> Result<Height, StoreError> {
        let options = StoreOptions {
            cache_bytes: CACHE_BYTES,
            ..StoreOptions::default()
        };
        let old = Store::open_generation(&self.blocks, self.from, &self.genesis, options, |_| {})?;
        let reader = old.reader();
        let last = self.target.min(reader.height());
        loop {
            let tip = self.shared.window.load().tip;
            if tip >= last || is_stopping() {
                return Ok(tip);
            }
            let (mut found, mut certificate, mut bytes) = (Vec::new(), None, 0);
            let mut height = tip.next();
            while height <= last && found.len() < BATCH_BLOCKS as usize && bytes < BATCH_BYTES {
                let Some(stored) = reader.block(height)? else {
                    break;
                };
                bytes += stored.block.body_bytes();
                certificate = stored.certificate;
                found.push(stored.block);
                height = height.next();
            }
            let blocks: Option<Vec<_>> = found
                .into_iter()
                .map(|block| self.verifier.whole_block(block))
                .collect();
            let Some(blocks) = blocks.filter(|blocks| !blocks.is_empty()) else {
                return Err(StoreError::Corrupt {
                    file: self.blocks.clone(),
                    what: format!("a block above {tip} does not hold"),
                });
            };
            let end = tip.saturating_add(blocks.len() as u64);
            let event = Event::Blocks {
                peer: self.me,
                blocks,
                certificate,
            };
            if self.votes.send(event).is_err() {
                return Ok(tip);
            }
            let handed = Instant::now();
            while self.shared.window.load().tip < end {
                if is_stopping() {
                    return Ok(tip);
                }
                if handed.elapsed() > PATIENCE {
                    return Err(StoreError::Stopped {
                        why: format!("block {} did not connect", self.shared.window.load().tip.next()),
                    });
                }
                std::thread::sleep(LOOK);
            }
        }
    }
}
