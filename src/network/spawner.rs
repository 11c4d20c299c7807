//! Where tasks come from: the program's supervisor, which knows them all by name.

use std::{future::Future, pin::Pin};

/// A task, ready to run.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send + 'static>>;

/// Starts tasks. Every task of this room ends by itself after [`super::Network::shutdown`].
pub trait Spawner: Send + Sync {
    /// Starts `task` under `name`; names repeat, one per session.
    fn spawn(&self, name: &'static str, task: Task);
}
