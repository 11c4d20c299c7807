//! Follows the final blocks of one node, and tells of each as soon as it is seen.
//!
//! `/status` is a snapshot that may be a quarter of a second old, so the next block itself is asked
//! for until it is there. A block's own stamp (when it became final on that node) is asked for as
//! well: on one machine it is exact, whatever the polling adds.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use super::target::{Silent, Target};
use crate::control::BlockView;

/// How often the next block of a node on another machine is asked for: its stamps cannot be used, so
/// half of this is what polling adds to a figure on average.
const EAGER: Duration = Duration::from_millis(5);
/// How often on this machine while transactions wait: polling adds nothing to the figures.
const STAMPED: Duration = Duration::from_millis(15);
/// How often on this machine while nobody waits.
const IDLE: Duration = Duration::from_millis(100);
/// How long to wait after a node did not answer.
const RETRY: Duration = Duration::from_millis(200);

/// What a follower tells.
#[derive(Debug)]
pub(super) enum News {
    /// A block is final on a node.
    Block {
        /// The node.
        node: usize,
        /// The block.
        block: Box<BlockView>,
        /// When it became final there, by the node's clock; only if that is ours too.
        stamp_ms: Option<u64>,
        /// When we saw it.
        seen: Instant,
    },
    /// A node stopped answering, or began to answer again.
    Answers {
        /// The node.
        node: usize,
        /// Whether it answers.
        answers: bool,
    },
}

/// Follows `target` from `height` on until nobody listens any more.
pub(super) async fn follow(
    node: usize,
    target: Target,
    mut height: u64,
    is_urgent: Arc<AtomicBool>,
    news: mpsc::Sender<News>,
) {
    let is_stamped = target.shares_our_clock();
    let mut answers = true;
    while !news.is_closed() {
        let found = target.block(height).await;
        let seen = Instant::now();
        if found.is_ok() != answers {
            answers = found.is_ok();
            if news.send(News::Answers { node, answers }).await.is_err() {
                return;
            }
        }
        let pause = match found {
            Ok(Some(block)) => {
                height += 1;
                let stamp_ms = stamp(&target, &block).await;
                let block = Box::new(block);
                let told = News::Block {
                    node,
                    block,
                    stamp_ms,
                    seen,
                };
                if news.send(told).await.is_err() {
                    return;
                }
                continue;
            }
            Ok(None) if !is_stamped => EAGER,
            Ok(None) if is_urgent.load(Ordering::Relaxed) => STAMPED,
            Ok(None) => IDLE,
            Err(Silent) => RETRY,
        };
        tokio::time::sleep(pause).await;
    }
}

/// All transactions of a block became final with it, so one of them tells for all. Of a block that
/// became final before its last start, a node only knows the block's own timestamp, which is no stamp.
async fn stamp(target: &Target, block: &BlockView) -> Option<u64> {
    if !target.shares_our_clock() {
        return None;
    }
    let view = target.transaction(*block.txids.first()?).await.ok()?;
    view.finalized_at_ms.filter(|ms| *ms > block.timestamp_ms)
}
