//! Who looks after the nodes while traffic is made: somebody at a desk, or nobody but a watch that
//! notes who ends by itself, how each node grows, and makes the trouble that was asked for.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use tokio::{sync::watch, time::sleep};

use super::{Desk, Fleet, Target, faults::Injector, trend::Trends};

/// How often nodes are looked after.
const WATCH_EVERY: Duration = Duration::from_millis(250);
/// Errors that are kept.
pub(super) const ERRORS_MAX: usize = 32;

/// Who looks after the nodes.
pub(super) enum Keeper {
    /// A console acts on them; the receiver has the traffic's rate.
    Desk(Desk, watch::Receiver<f64>),
    /// Nobody is there.
    Watch {
        /// Who makes trouble.
        injector: Option<Injector>,
        /// How nodes grow.
        trends: Option<Trends>,
    },
}

impl Keeper {
    /// Whether somebody is there, and the first node in this process.
    pub(super) fn is_desk(&self) -> bool {
        matches!(self, Self::Desk(..))
    }

    /// Looks after the nodes until it is dropped.
    pub(super) async fn serve(
        &mut self,
        fleet: &mut Fleet,
        targets: &[Target],
        errors: &mut Vec<String>,
    ) -> Infallible {
        match self {
            Self::Desk(desk, _) => desk.serve(fleet, targets, errors, ERRORS_MAX).await,
            Self::Watch { injector, trends } => {
                let mut round = Round { errors, trends };
                if let Some(injector) = injector {
                    return injector.serve(fleet, &mut round).await;
                }
                loop {
                    round.look(fleet);
                    sleep(WATCH_EVERY).await;
                }
            }
        }
    }
}

/// A watchman's round and where he writes down what he saw.
pub(super) struct Round<'a> {
    errors: &'a mut Vec<String>,
    trends: &'a mut Option<Trends>,
}

impl Round<'_> {
    /// Looks at every node once.
    pub(super) fn look(&mut self, fleet: &mut Fleet) {
        for error in fleet.unexpected_ends() {
            self.note(error.to_string());
        }
        if let Some(trends) = self.trends {
            let pids: Vec<Option<u32>> = fleet.nodes().iter().map(|node| node.pid()).collect();
            trends.look(&pids, Instant::now());
        }
    }

    /// Looks at all nodes again and again until a moment.
    pub(super) async fn watch(&mut self, fleet: &mut Fleet, until: Instant) {
        loop {
            self.look(fleet);
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            sleep(left.min(WATCH_EVERY)).await;
        }
    }

    /// Writes down what went wrong.
    pub(super) fn note(&mut self, error: String) {
        if self.errors.len() < ERRORS_MAX {
            self.errors.push(error);
        }
    }
}
