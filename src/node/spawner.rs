//! Where every task of the node comes from: named, tracked, and ended together.

use std::future::Future;

use tokio::{runtime::Handle, sync::mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::network;

/// The node's tasks.
#[derive(Debug)]
pub(super) struct Tasks {
    runtime: Handle,
    tracker: TaskTracker,
    stopping: CancellationToken,
}

impl Tasks {
    pub(super) fn new(runtime: Handle) -> Self {
        Self {
            runtime,
            tracker: TaskTracker::new(),
            stopping: CancellationToken::new(),
        }
    }

    /// Starts a task that ends by itself or when [`Tasks::stop`] is called.
    pub(super) fn start(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let stopping = self.stopping.clone();
        let task = async move {
            // The task first: one that watches for the stop itself gets to say goodbye.
            tokio::select! {
                biased;
                () = task => {}
                () = stopping.cancelled() => tracing::trace!(name, "task stopped"),
            }
        };
        self.tracker.spawn_on(task, &self.runtime);
    }

    /// Runs something that blocks on a thread of its own; `None` if it panicked or the runtime ends.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        self.runtime.spawn_blocking(work).await.ok()
    }

    /// The next item of a queue, for a thread of its own; `None` once the queue closes or the node
    /// stops.
    pub(super) fn next<T>(&self, inbox: &mut mpsc::Receiver<T>) -> Option<T> {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.stopping.cancelled() => None,
                item = inbox.recv() => item,
            }
        })
    }

    /// As [`Tasks::next`] of two queues: of the second while the first is empty.
    pub(super) fn next_of<T>(
        &self,
        first: &mut mpsc::Receiver<T>,
        second: &mut mpsc::Receiver<T>,
    ) -> Option<T> {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.stopping.cancelled() => None,
                item = first.recv() => item,
                Some(item) = second.recv() => Some(item),
            }
        })
    }

    /// True once the node stops.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }

    /// Resolves once the node stops.
    pub(super) async fn stopped(&self) {
        self.stopping.cancelled().await;
    }

    /// Ends all tasks and waits for them, at most `budget`. True if all ended.
    pub(super) async fn stop(&self, budget: std::time::Duration) -> bool {
        self.stopping.cancel();
        self.tracker.close();
        tokio::time::timeout(budget, self.tracker.wait()).await.is_ok()
    }
}

impl network::Spawner for Tasks {
    /// The network's tasks end when the network is shut down, each at a packet boundary, so they
    /// are tracked but not cancelled here.
    fn spawn(&self, name: &'static str, task: network::Task) {
        tracing::trace!(name, "task starts");
        self.tracker.spawn_on(task, &self.runtime);
    }
}
