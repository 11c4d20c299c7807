//! The child nodes of a devnet together: started at once, stopped in order.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use super::{DevnetError, Layout, links::Links, process::NodeProcess};

/// How long nodes may take to stop in order before they are killed; a node's own limit is the same.
pub const STOP_LIMIT: Duration = Duration::from_secs(10);

/// Some or all nodes of a devnet, as processes. Dropping it kills them.
#[derive(Debug)]
pub struct Fleet {
    nodes: Vec<NodeProcess>,
}

impl Fleet {
    /// The nodes from `first` on, none started.
    pub fn new(program: &Path, layout: &Layout, first: u16) -> Self {
        Self {
            nodes: (first..layout.nodes())
                .map(|node| NodeProcess::new(program, layout, node))
                .collect(),
        }
    }

    /// Has every node dial through these links, from the next start on. `first` is the number of the
    /// fleet's first node.
    pub fn dial_through(&mut self, links: &Links, first: u16) {
        for (node, process) in (first..).zip(&mut self.nodes) {
            process.dial(&links.dialed_by(node));
        }
    }

    /// Starts all.
    ///
    /// # Errors
    /// The first that cannot be started; the others are killed with the fleet.
    pub fn start(&mut self) -> Result<(), DevnetError> {
        self.nodes.iter_mut().try_for_each(NodeProcess::start)
    }

    /// Waits until all answer.
    ///
    /// # Errors
    /// The first that ended or does not answer within `limit`.
    pub async fn wait_ready(&mut self, limit: Duration) -> Result<(), DevnetError> {
        let until = Instant::now() + limit;
        for node in &mut self.nodes {
            let left = until.saturating_duration_since(Instant::now());
            node.wait_ready(left).await?;
        }
        Ok(())
    }

    /// Stops all in order: asked together, waited for together, and killed if they exceed the limit.
    /// Returns the names of those that had to be killed.
    pub async fn stop(&mut self) -> Vec<String> {
        for node in &mut self.nodes {
            node.terminate();
        }
        let until = Instant::now() + STOP_LIMIT;
        let mut killed = Vec::new();
        for node in &mut self.nodes {
            let left = until.saturating_duration_since(Instant::now());
            if node.pid().is_some() && node.wait_exit(left).await.is_none() {
                node.kill();
                killed.push(node.name().to_owned());
            }
        }
        killed
    }

    /// Nodes that ended though nobody asked them to, described. Each is told once.
    pub fn unexpected_ends(&mut self) -> Vec<DevnetError> {
        self.nodes
            .iter_mut()
            .filter_map(|node| node.try_exit().map(|status| node.exited(status)))
            .collect()
    }

    /// The nodes, ascending.
    pub fn nodes(&self) -> &[NodeProcess] {
        &self.nodes
    }

    /// The nodes, ascending, to be acted on.
    pub fn nodes_mut(&mut self) -> &mut [NodeProcess] {
        &mut self.nodes
    }
}
