//! Trouble for a devnet under load: every so often one node is killed, frozen, cut off or slowed, for a
//! while, and mended again.
//!
//! One node at a time, so that a quorum of four stays; which one, how and for how long comes from a
//! seed, so that a run can be had again. No fault begins that could not end before the traffic does.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use super::{FaultReport, Fleet, Links, keeper::Round, report};
use crate::control::LinkWeather;
use serde::Serialize;

/// Faults that a report lists; all are counted.
const LISTED_MAX: usize = 2_000;
/// How long a node may take to answer after it was killed.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// When to make trouble.
#[derive(Debug, Clone, Copy)]
pub struct FaultPlan {
    /// From the beginning of one fault to that of the next.
    pub every: Duration,
    /// Decides who, how and how long.
    pub seed: u64,
}

/// What is done to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// SIGKILL, and a start afterwards.
    Kill,
    /// SIGSTOP, with its connections open.
    Freeze,
    /// Every link of it carries nothing.
    Cut,
    /// Every link of it takes a second each way, and loses some.
    Slow,
}

/// One fault that was made and mended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fault {
    /// Seconds after the traffic began.
    pub at_s: f64,
    /// The node, from 0.
    pub node: u16,
    /// What was done to it.
    pub kind: FaultKind,
    /// How long it lasted, seconds; a killed node's start included.
    pub lasted_s: f64,
}

/// Faults of a run, and who makes them.
#[derive(Debug)]
pub(super) struct Injector {
    plan: FaultPlan,
    links: Links,
    dice: u64,
    begun: Instant,
    /// No fault lasts beyond this.
    until: Option<Instant>,
    count: u64,
    listed: Vec<Fault>,
}

impl Injector {
    /// For traffic that begins now and lasts `duration`.
    pub(super) fn new(plan: FaultPlan, links: Links, duration: Option<Duration>) -> Self {
        let begun = Instant::now();
        Self {
            dice: plan.seed,
            plan,
            links,
            begun,
            until: duration.map(|duration| begun + duration),
            count: 0,
            listed: Vec::new(),
        }
    }

    /// What was made and mended so far.
    pub(super) fn report(&self) -> FaultReport {
        FaultReport {
            seed: self.plan.seed,
            count: self.count,
            listed: self.listed.clone(),
        }
    }

    /// Makes trouble until it is dropped, and looks after the nodes meanwhile.
    pub(super) async fn serve(&mut self, fleet: &mut Fleet, round: &mut Round<'_>) -> Infallible {
        loop {
            let next = Instant::now() + self.plan.every;
            let (node, kind, lasting) = self.draw(fleet.nodes().len());
            let fits = self
                .until
                .is_none_or(|until| Instant::now() + self.plan.every + lasting * 2 < until);
            // The first one too comes after a time of peace.
            round.watch(fleet, next).await;
            if !fits {
                continue;
            }
            let at = Instant::now();
            self.begin(fleet, node, kind);
            round.watch(fleet, at + lasting).await;
            self.end(fleet, node, kind, round).await;
            self.count += 1;
            if self.listed.len() < LISTED_MAX {
                self.listed.push(Fault {
                    at_s: report::seconds(at - self.begun),
                    node,
                    kind,
                    lasted_s: report::seconds(at.elapsed()),
                });
            }
        }
    }

    /// Who is next, how, and for how long: between a fiftieth and a half of the time between faults.
    fn draw(&mut self, nodes: usize) -> (u16, FaultKind, Duration) {
        let node = self.roll(nodes.max(1) as u64) as u16;
        let kind = match self.roll(4) {
            0 => FaultKind::Kill,
            1 => FaultKind::Freeze,
            2 => FaultKind::Cut,
            _ => FaultKind::Slow,
        };
        let share = 0.02 + self.roll(1_000) as f64 / 1_000.0 * 0.48;
        (node, kind, self.plan.every.mul_f64(share))
    }

    /// Splitmix64, down to `0..sides`.
    fn roll(&mut self, sides: u64) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    fn begin(&mut self, fleet: &mut Fleet, node: u16, kind: FaultKind) {
        match (kind, fleet.nodes_mut().get_mut(usize::from(node))) {
            (FaultKind::Kill, Some(process)) => process.kill(),
            (FaultKind::Freeze, Some(process)) => process.pause(),
            (FaultKind::Cut, _) => self.weather(fleet.nodes().len(), node, LinkWeather::Cut),
            (FaultKind::Slow, _) => self.weather(fleet.nodes().len(), node, LinkWeather::Slow),
            (FaultKind::Kill | FaultKind::Freeze, None) => {}
        }
    }

    async fn end(&mut self, fleet: &mut Fleet, node: u16, kind: FaultKind, round: &mut Round<'_>) {
        match (kind, fleet.nodes_mut().get_mut(usize::from(node))) {
            (FaultKind::Kill, Some(process)) => {
                let started = process.start();
                let ready = match started {
                    Ok(()) => process.wait_ready(READY_LIMIT).await,
                    Err(error) => Err(error),
                };
                if let Err(error) = ready {
                    round.note(error.to_string());
                }
            }
            (FaultKind::Freeze, Some(process)) => process.resume(),
            (FaultKind::Cut | FaultKind::Slow, _) => {
                self.weather(fleet.nodes().len(), node, LinkWeather::Open);
            }
            (FaultKind::Kill | FaultKind::Freeze, None) => {}
        }
    }

    fn weather(&mut self, nodes: usize, node: u16, weather: LinkWeather) {
        for other in (0..nodes as u16).filter(|other| *other != node) {
            self.links.set(node, other, weather);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn injector(seed: u64) -> Injector {
        let plan = FaultPlan {
            every: Duration::from_secs(30),
            seed,
        };
        Injector::new(plan, Links::default(), None)
    }

    #[test]
    fn one_seed_gives_one_row_of_faults_and_every_kind_and_node_comes_up() {
        let (mut one, mut same, mut other) = (injector(7), injector(7), injector(8));
        let row = |injector: &mut Injector| (0..200).map(|_| injector.draw(4)).collect::<Vec<_>>();
        let drawn = row(&mut one);
        assert_eq!(drawn, row(&mut same));
        assert_ne!(drawn, row(&mut other));
        for node in 0..4 {
            assert!(drawn.iter().any(|(drawn, ..)| *drawn == node));
        }
        for kind in [
            FaultKind::Kill,
            FaultKind::Freeze,
            FaultKind::Cut,
            FaultKind::Slow,
        ] {
            assert!(drawn.iter().any(|(_, drawn, _)| *drawn == kind));
        }
        assert!(drawn.iter().all(|(_, _, lasting)| {
            (Duration::from_millis(599)..=Duration::from_secs(15)).contains(lasting)
        }));
    }
}
