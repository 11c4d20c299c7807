//! The steps of a start: timed, logged, told to whoever looks at the terminal meanwhile, and kept for
//! the screen.

use std::{sync::Arc, time::Instant};

use crate::control::StartStep;

/// Is told of a step when it begins, and once more with what it took when it is done.
pub type TellStart = Arc<dyn Fn(&str, Option<u64>) + Send + Sync>;

/// A start under way.
pub(super) struct Starting {
    tell: TellStart,
    done: Vec<StartStep>,
    current: Option<(&'static str, Instant)>,
}

impl Starting {
    pub(super) fn new(tell: TellStart) -> Self {
        Self {
            tell,
            done: Vec::new(),
            current: None,
        }
    }

    /// The step before is done, this one begins.
    pub(super) fn begin(&mut self, name: &'static str) {
        self.end();
        (self.tell)(name, None);
        self.current = Some((name, Instant::now()));
    }

    fn end(&mut self) {
        let Some((name, since)) = self.current.take() else {
            return;
        };
        let took_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(step = name, took_ms, "start step done");
        (self.tell)(name, Some(took_ms));
        self.done.push(StartStep {
            name: name.to_owned(),
            took_ms,
        });
    }

    /// All steps; the last one is done too.
    pub(super) fn finish(mut self) -> Vec<StartStep> {
        self.end();
        self.done
    }
}
