//! Where a person acts on a devnet: carries out what the Devnet screen asks for, and tells it how the
//! nodes are. A node that somebody ended has not failed; one that ended by itself has.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

use super::{Fleet, Layout, figures::ProcessFigures, links::Links, target::Target};
use crate::control::{
    CommandError, FleetCommand, FleetHandle, FleetNode, FleetRequest, FleetState, FleetStatus, NodeHandle,
};

/// Commands that may wait: more than a hand can type before the next look.
const REQUESTS_MAX: usize = 64;
/// How often the nodes are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long a node may take to tell its height before that counts as no answer.
const ASK_LIMIT: Duration = Duration::from_millis(1_500);
/// How many looks in a row a node may leave unanswered before its height is unknown again.
const SILENT_LOOKS: u32 = 3;
/// The most traffic that can be asked for: more than one machine can sign.
const TRAFFIC_MAX: f64 = 100_000.0;

/// The devnet's side of a [`FleetHandle`].
pub struct Desk {
    layout: Layout,
    links: Links,
    /// The node in this process.
    first: NodeHandle,
    rate: watch::Sender<f64>,
    requests: mpsc::Receiver<FleetRequest>,
    publish: watch::Sender<Arc<FleetStatus>>,
    nodes: Vec<Known>,
}

/// What is known of a node beside its process.
#[derive(Debug, Clone, Default)]
struct Known {
    /// Somebody asked it to stop.
    asked_to_stop: bool,
    /// How it ended.
    end: Option<End>,
    height: Option<u64>,
    unanswered: u32,
    is_asked: bool,
    /// CPU time at the last look, and when that was.
    cpu: Option<(Instant, Duration)>,
    cpu_percent: Option<f32>,
}

#[derive(Debug, Clone)]
enum End {
    /// As somebody wanted, in these words.
    Wanted(&'static str),
    Unwanted(String),
}

impl Desk {
    /// A desk for the devnet of `first`, and what the console holds of it. `rate` is the traffic's.
    pub fn new(
        layout: Layout,
        links: Links,
        first: NodeHandle,
        rate: f64,
    ) -> (Self, FleetHandle, watch::Receiver<f64>) {
        let (commands, requests) = mpsc::channel(REQUESTS_MAX);
        let (rate, rates) = watch::channel(rate);
        let nodes = vec![Known::default(); usize::from(layout.nodes())];
        let (publish, status) = watch::channel(Arc::new(FleetStatus::default()));
        let desk = Self {
            layout,
            links,
            first,
            rate,
            requests,
            publish,
            nodes,
        };
        (desk, FleetHandle { status, commands }, rates)
    }

    /// Serves the screen and looks after the nodes until it is dropped. What went wrong by itself is
    /// added to `errors`, at most `errors_max` of it.
    pub(super) async fn serve(
        &mut self,
        fleet: &mut Fleet,
        targets: &[Target],
        errors: &mut Vec<String>,
        errors_max: usize,
    ) -> Infallible {
        let mut asks: JoinSet<(usize, Option<u64>)> = JoinSet::new();
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some(request) = self.requests.recv() => {
                    let command = format!("{:?}", request.command);
                    let outcome = self.carry_out(fleet, request.command);
                    tracing::info!(command, done = outcome.is_ok(), "devnet command");
                    // A console that went away does not undo what it asked for.
                    let _ = request.reply.send(outcome);
                    self.observe(fleet, errors, errors_max);
                }
                Some(answer) = asks.join_next() => {
                    if let Ok((node, height)) = answer {
                        self.on_height(node, height);
                    }
                }
                _ = look.tick() => {
                    for (node, target) in targets.iter().enumerate() {
                        if std::mem::replace(&mut self.nodes[node].is_asked, true) {
                            continue;
                        }
                        let target = target.clone();
                        asks.spawn(async move {
                            let asked = tokio::time::timeout(ASK_LIMIT, target.progress()).await;
                            (node, asked.ok().and_then(Result::ok).map(|progress| progress.height))
                        });
                    }
                    self.observe(fleet, errors, errors_max);
                }
            }
        }
    }

    fn on_height(&mut self, node: usize, height: Option<u64>) {
        let known = &mut self.nodes[node];
        known.is_asked = false;
        match height {
            Some(_) => {
                known.height = height;
                known.unanswered = 0;
            }
            None => {
                known.unanswered += 1;
                if known.unanswered >= SILENT_LOOKS {
                    known.height = None;
                }
            }
        }
    }

    fn carry_out(&mut self, fleet: &mut Fleet, command: FleetCommand) -> Result<(), CommandError> {
        let node = match command {
            FleetCommand::Links { links, weather } => {
                return match links.iter().all(|(a, b)| self.links.set(*a, *b, weather)) {
                    true => Ok(()),
                    false => Err(invalid(
                        "there is no such link; the Devnet screen lists what there is",
                    )),
                };
            }
            FleetCommand::Traffic { per_s } => {
                if !(0.0..=TRAFFIC_MAX).contains(&per_s) {
                    return Err(invalid("the traffic is from 0 to 100 000 a second"));
                }
                self.rate.send_replace(per_s);
                return Ok(());
            }
            FleetCommand::Start { node }
            | FleetCommand::Stop { node }
            | FleetCommand::Kill { node }
            | FleetCommand::Pause { node }
            | FleetCommand::Resume { node } => node,
        };
        let at = usize::from(node);
        let Some(process) = at
            .checked_sub(1)
            .and_then(|child| fleet.nodes_mut().get_mut(child))
        else {
            return Err(match at {
                0 => invalid("node0 runs in this process; q, s stops it and the whole devnet"),
                _ => CommandError::NotFound {
                    what: format!("node{node}"),
                },
            });
        };
        let known = &mut self.nodes[at];
        let runs = process.pid().is_some();
        let down = || invalid("it is down; r starts it");
        match command {
            FleetCommand::Start { .. } if runs => Err(invalid("it runs already")),
            FleetCommand::Start { .. } => {
                *known = Known {
                    is_asked: known.is_asked,
                    ..Known::default()
                };
                process.start().map_err(|error| invalid(&error.to_string()))
            }
            _ if !runs => Err(down()),
            FleetCommand::Stop { .. } => {
                known.asked_to_stop = true;
                process.terminate();
                Ok(())
            }
            FleetCommand::Kill { .. } => {
                known.end = Some(End::Wanted("killed"));
                process.kill();
                Ok(())
            }
            FleetCommand::Pause { .. } => {
                process.pause();
                Ok(())
            }
            FleetCommand::Resume { .. } => {
                process.resume();
                Ok(())
            }
            FleetCommand::Links { .. } | FleetCommand::Traffic { .. } => Ok(()),
        }
    }

    /// Looks at every process and tells the screen.
    fn observe(&mut self, fleet: &mut Fleet, errors: &mut Vec<String>, errors_max: usize) {
        let now = Instant::now();
        let mut nodes = vec![self.first_node(now)];
        for (child, process) in fleet.nodes_mut().iter_mut().enumerate() {
            let known = &mut self.nodes[child + 1];
            if let Some(status) = process.try_exit() {
                known.end = Some(match known.asked_to_stop {
                    true => End::Wanted("stopped in order"),
                    false => {
                        let error = process.exited(status).to_string();
                        errors.push(error.clone());
                        errors.truncate(errors_max);
                        End::Unwanted(error)
                    }
                });
                known.asked_to_stop = false;
            }
            let figures = process.figures();
            known.note_cpu(now, figures.cpu);
            let runs = process.pid().is_some();
            let (state, note) = match (&known.end, runs) {
                (Some(End::Wanted(how)), false) => (FleetState::Down, (*how).to_owned()),
                (Some(End::Unwanted(why)), false) => {
                    let line = why.lines().next().unwrap_or_default();
                    (FleetState::Failed, line.to_owned())
                }
                (None, false) => (FleetState::Down, "not started".to_owned()),
                (_, true) if process.is_paused() => (FleetState::Paused, String::new()),
                (_, true) if known.asked_to_stop => (FleetState::Stopping, String::new()),
                (_, true) if known.height.is_none() => (FleetState::Starting, String::new()),
                (_, true) => (FleetState::Running, String::new()),
            };
            if !runs {
                known.height = None;
            }
            nodes.push(FleetNode {
                name: process.name().to_owned(),
                state,
                is_here: false,
                pid: process.pid(),
                height: known.height,
                rss_bytes: runs.then_some(figures.resident_bytes),
                cpu_percent: known.cpu_percent.filter(|_| runs),
                http: self.layout.http(child as u16 + 1).to_string(),
                note,
            });
        }
        let status = FleetStatus {
            nodes,
            links: self.links.status(),
            traffic_per_s: *self.rate.borrow(),
            dir: self.layout.dir().to_string_lossy().into_owned(),
        };
        self.publish.send_if_modified(|shown| {
            let changed = **shown != status;
            if changed {
                *shown = Arc::new(status);
            }
            changed
        });
    }

    fn first_node(&mut self, now: Instant) -> FleetNode {
        let figures = ProcessFigures::of(std::process::id());
        let status = self.first.status();
        let known = &mut self.nodes[0];
        known.note_cpu(now, figures.cpu);
        FleetNode {
            name: self.layout.name(0),
            state: FleetState::Running,
            is_here: true,
            pid: Some(std::process::id()),
            height: Some(status.chain.height),
            rss_bytes: Some(figures.resident_bytes),
            cpu_percent: known.cpu_percent,
            http: self.layout.http(0).to_string(),
            note: "this process".to_owned(),
        }
    }
}

impl Known {
    fn note_cpu(&mut self, now: Instant, cpu: Duration) {
        let Some((at, before)) = self.cpu else {
            self.cpu = Some((now, cpu));
            return;
        };
        let passed = now.duration_since(at);
        // Processor time is counted in ticks; over less time a tick would look like a burst.
        if passed >= Duration::from_secs(1) {
            let used = cpu.saturating_sub(before);
            self.cpu_percent = Some((used.as_secs_f64() * 100.0 / passed.as_secs_f64()) as f32);
            self.cpu = Some((now, cpu));
        }
    }
}

fn invalid(reason: &str) -> CommandError {
    CommandError::Invalid {
        reason: reason.to_owned(),
    }
}
