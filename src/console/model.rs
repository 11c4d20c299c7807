//! Everything the console remembers. Only [`super::update`] changes it; views only read it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use ratatui::layout::Rect;
use tui_input::Input;

use super::{
    keymap::Screen,
    session::Session,
    theme::{Depth, ThemeName},
    trend::Trend,
};
use crate::{
    control::{
        BanTarget, Command, Event, EventKind, FleetStatus, LogLevel, LogLine, LogRing, Moment, ResyncMode,
        ResyncPlan, Status,
    },
    crypto::PublicKey,
};

/// Events kept for the Events panel.
pub(super) const EVENTS_MAX: usize = 256;
/// Toasts shown at once.
pub(super) const TOASTS_MAX: usize = 3;
/// How long a toast stays.
pub(super) const TOAST_MS: u64 = 4_000;
/// How long a refusal stays: it says why, and what to do instead.
pub(super) const REFUSED_MS: u64 = 10_000;
/// A snapshot older than this is called stale: a node that runs tells of itself four times a second.
pub(super) const STALE_MS: u64 = 3_000;
/// Arrivals of snapshots kept to tell their rate.
pub(super) const ARRIVALS_MAX: usize = 8;

/// What is on show: one moment of the node.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown {
    pub(super) status: Arc<Status>,
    /// Oldest first.
    pub(super) events: VecDeque<Event>,
    /// Oldest first, ascending by `seq`.
    pub(super) logs: VecDeque<Arc<LogLine>>,
    /// Now, by the node's clock.
    pub(super) now: Moment,
}

/// The whole state of the console.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    /// What the console looks through.
    pub(super) session: Session,
    pub(super) screen: Screen,
    /// Where Esc leads back to after a jump.
    pub(super) came_from: Option<Screen>,
    pub(super) overlay: Option<Overlay>,
    pub(super) prompt: Option<Prompt>,
    pub(super) live: Shown,
    /// The held view while paused.
    pub(super) held: Option<Shown>,
    pub(super) votes: VotesState,
    pub(super) peers: TableState,
    pub(super) log: LogState,
    pub(super) events_scroll: usize,
    /// The panel that has the whole screen, by its place among the screen's panels.
    pub(super) zoom: Option<usize>,
    /// Whether to ring when an alarm becomes critical.
    pub(super) notify: bool,
    /// Whether the terminal tells of the mouse.
    pub(super) mouse: bool,
    /// What the last frame has where, for the mouse.
    pub(super) spots: Vec<(Rect, Spot)>,
    /// Lines that were typed into the palette, oldest first.
    pub(super) history: Vec<String>,
    /// The devnet that the node belongs to, if it does.
    pub(super) fleet: Option<Arc<FleetStatus>>,
    /// The node that the cursor of the Devnet screen is on.
    pub(super) fleet_at: u16,
    /// Round trips of the peers lately.
    pub(super) trend: Trend,
    pub(super) toasts: Vec<Toast>,
    pub(super) theme: ThemeName,
    pub(super) depth: Depth,
    pub(super) size: (u16, u16),
    /// Rows that a list on show has, as the last frame drew it; paging moves by it.
    pub(super) page: usize,
    /// When the last snapshots came, by the console's clock.
    pub(super) arrivals: VecDeque<u64>,
    /// When Ctrl-C was last pressed.
    pub(super) interrupted_ms: Option<u64>,
    /// Whether a stop was asked for here.
    pub(super) stop_sent: bool,
    /// Commands that wait for an answer, with the words for their toast.
    pub(super) waiting: BTreeMap<u64, String>,
    pub(super) next_command: u64,
    /// Log lines that were gone before they could be read.
    pub(super) logs_missed: u64,
    /// Milliseconds since the console was opened.
    pub(super) own_ms: u64,
    /// Clears the screen before the next frame.
    pub(super) redraw: bool,
}

impl Model {
    /// What to draw: the held view while paused, else the live one.
    pub(super) fn shown(&self) -> &Shown {
        self.held.as_ref().unwrap_or(&self.live)
    }

    /// The screens there are, in the order of their tabs.
    pub(super) fn screens(&self) -> &'static [Screen] {
        match self.fleet {
            Some(_) => &Screen::ALL,
            None => &Screen::ALL[..Screen::ALL.len() - 1],
        }
    }

    /// How many snapshots per second came lately; `None` until that is known.
    pub(super) fn rate_hz(&self) -> Option<u64> {
        let first = *self.arrivals.front()?;
        let last = *self.arrivals.back()?;
        let span = last.saturating_sub(first);
        let steps = self.arrivals.len() as u64 - 1;
        (span > 0).then(|| (steps * 1_000 + span / 2) / span)
    }

    /// How long ago the last snapshot came.
    pub(super) fn stale_ms(&self) -> u64 {
        self.arrivals
            .back()
            .map_or(0, |last| self.live.now.mono_ms.saturating_sub(*last))
    }

    /// For how long nothing has come from a node that should tell of itself: it is frozen, or a link is
    /// that nobody has noticed. `None` while it tells, and where nothing can come.
    pub(super) fn silent_ms(&self) -> Option<u64> {
        let waits = self.session.replay.is_none() && self.session.lost.is_none();
        Some(self.stale_ms()).filter(|ms| waits && *ms > STALE_MS)
    }

    /// Whether what is on show is what the node last said, and may not hold any more.
    pub(super) fn is_old(&self) -> bool {
        self.session.lost.is_some() || self.silent_ms().is_some()
    }

    /// The clock that toasts live by: the node's where it goes on, our own where a recording stands still.
    pub(super) fn clock_ms(&self) -> u64 {
        match self.session.replay {
            Some(_) => self.own_ms,
            None => self.live.now.mono_ms,
        }
    }

    pub(super) fn toast(&mut self, kind: ToastKind, text: impl Into<String>) {
        let text = text.into();
        self.toasts.retain(|toast| toast.text != text);
        if self.toasts.len() == TOASTS_MAX {
            self.toasts.remove(0);
        }
        let stays_ms = match kind {
            ToastKind::Refused => REFUSED_MS,
            ToastKind::Info | ToastKind::Done => TOAST_MS,
        };
        self.toasts.push(Toast {
            kind,
            text,
            until_ms: self.clock_ms() + stays_ms,
        });
    }
}

/// A short message that goes away by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Toast {
    pub(super) kind: ToastKind,
    pub(super) text: String,
    pub(super) until_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ToastKind {
    Info,
    Done,
    Refused,
}

/// What lies over the screen.
#[derive(Clone, Debug)]
pub(super) enum Overlay {
    Help {
        filter: String,
        typing: bool,
        scroll: usize,
    },
    Leave {
        focus: LeaveButton,
    },
    Dialog(Dialog),
    /// A stop that was confirmed and waits until no block would be late for it.
    StopWaits {
        since_ms: u64,
    },
    /// Details of one validator.
    Validator(PublicKey),
    /// Details of one peer.
    Peer(PublicKey),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeaveButton {
    Stay,
    Detach,
    Stop,
}

impl LeaveButton {
    pub(super) const ALL: [LeaveButton; 3] = [LeaveButton::Stay, LeaveButton::Detach, LeaveButton::Stop];
}

/// A question before an act.
#[derive(Clone, Debug)]
pub(super) struct Dialog {
    pub(super) act: Act,
    /// True while the button that acts has the focus; Cancel has it first.
    pub(super) on_act: bool,
    /// True while the cursor is in a line of text that belongs to the act, such as the reason of a ban.
    pub(super) on_text: bool,
    /// What was typed: the network's name for the tier that asks for it, or that line of text.
    pub(super) typed: Input,
}

impl Dialog {
    /// Whether Enter may act: the network's name stands there if it must, and the act can be done.
    pub(super) fn may_act(&self, network: &str) -> bool {
        let confirmed = !self.act.is_typed() || (!network.is_empty() && self.typed.value() == network);
        confirmed && self.act.is_possible()
    }
}

/// An act that asks first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Tier 2: stop the node.
    Stop,
    /// Tier 1: close a session.
    Disconnect { peer: PublicKey, name: String },
    /// Tier 1: keep a node out. `choice` is an index into [`Act::BAN_LENGTHS`].
    Ban {
        target: BanTarget,
        name: String,
        choice: usize,
        reason: String,
    },
    /// Tier 1: let somebody in again.
    Unban { target: BanTarget, name: String },
    /// Tier 2: let everybody in again.
    UnbanAll,
    /// Tier 2: build the database anew. The plan comes from the node, and nothing can be done before it.
    Resync {
        mode: ResyncMode,
        plan: Option<Box<ResyncPlan>>,
    },
    /// Tier 1: go back to the old database.
    CancelResync,
    /// Tier 1: change what the node logs. Index into [`Act::LOG_FILTERS`].
    LogFilter { choice: usize },
    /// Tier 1: the same by a filter that was written out.
    LogRule { filter: String },
    /// Tier 1: keep a connection to a peer, or stop dialling it.
    Dial { address: String, add: bool },
    /// Tier 1: end or freeze a node of the devnet.
    Node { node: u16, name: String, fate: Fate },
}

/// What can be done to a node of a devnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Stop,
    Kill,
    Pause,
}

impl Fate {
    pub(super) fn word(self) -> &'static str {
        match self {
            Fate::Stop => "Stop",
            Fate::Kill => "Kill",
            Fate::Pause => "Freeze",
        }
    }
}

impl Act {
    /// The filters the dialog offers.
    pub(super) const LOG_FILTERS: [&'static str; 5] = ["error", "warn", "info", "debug", "trace"];

    /// How long a ban may last, in words and seconds.
    pub(super) const BAN_LENGTHS: [(&'static str, Option<u64>); 5] = [
        ("1 h", Some(3_600)),
        ("24 h", Some(Command::BAN_SECONDS)),
        ("7 d", Some(604_800)),
        ("30 d", Some(2_592_000)),
        ("for ever", None),
    ];
    /// The one that a new question begins with: a day.
    pub(super) const BAN_DAY: usize = 1;

    /// Whether it can be done at all, once it is confirmed.
    pub(super) fn is_possible(&self) -> bool {
        match self {
            Act::Resync { plan, .. } => plan.as_ref().is_some_and(|plan| plan.obstacle.is_none()),
            _ => true,
        }
    }

    /// Whether the name of the network must be typed.
    pub(super) fn is_typed(&self) -> bool {
        match self {
            Act::Stop | Act::UnbanAll | Act::Resync { .. } => true,
            Act::CancelResync => false,
            Act::Disconnect { .. }
            | Act::Ban { .. }
            | Act::Unban { .. }
            | Act::LogFilter { .. }
            | Act::LogRule { .. }
            | Act::Dial { .. }
            | Act::Node { .. } => false,
        }
    }
}

/// A line being typed at the foot of the screen.
#[derive(Clone, Debug)]
pub(super) struct Prompt {
    pub(super) kind: PromptKind,
    pub(super) input: Input,
    /// What was typed before Tab began to offer completions of it.
    pub(super) typed: Option<String>,
    /// How far back in the history it is, from 1.
    pub(super) back: usize,
}

/// A place that can be clicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    Screen(Screen),
    Pick(Pick),
}

/// A row that can be selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pick {
    Validator(PublicKey),
    Peer(PublicKey),
    Line(u64),
    Node(u16),
    Ban(BanTarget),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PromptKind {
    /// Rows of the table on show.
    Rows,
    Find,
    Filter,
    Target,
    /// A command by its name.
    Palette,
}

impl PromptKind {
    pub(super) fn label(self) -> &'static str {
        match self {
            PromptKind::Rows | PromptKind::Filter => "filter",
            PromptKind::Find => "find",
            PromptKind::Target => "target",
            PromptKind::Palette => "command",
        }
    }
}

/// A text that rows must hold, or with a leading `!` must not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Needle {
    text: String,
}

impl Needle {
    pub(super) fn new(text: &str) -> Self {
        Self {
            text: text.trim().to_lowercase(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.trim_start_matches('!').is_empty()
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn passes(&self, parts: &[&str]) -> bool {
        if self.is_empty() {
            return true;
        }
        match self.text.strip_prefix('!') {
            Some(not) => !holds(parts, not),
            None => holds(parts, &self.text),
        }
    }
}

fn holds(parts: &[&str], text: &str) -> bool {
    parts.iter().any(|part| {
        part.as_bytes()
            .windows(text.len())
            .any(|window| window.eq_ignore_ascii_case(text.as_bytes()))
            || (!text.is_ascii() && part.to_lowercase().contains(text))
    })
}

/// Where the vote matrix looks and how it is sorted.
#[derive(Clone, Debug, Default)]
pub(super) struct VotesState {
    pub(super) selected: Option<PublicKey>,
    pub(super) sort: VoteSort,
    pub(super) reverse: bool,
    pub(super) filter: Needle,
    /// An earlier height; `None` follows.
    pub(super) height: Option<u64>,
    /// A round of it; `None` is its last.
    pub(super) round: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum VoteSort {
    #[default]
    Index,
    Name,
    Prepare,
    Commit,
    Silent,
}

impl VoteSort {
    pub(super) fn next(self) -> Self {
        match self {
            VoteSort::Index => VoteSort::Name,
            VoteSort::Name => VoteSort::Prepare,
            VoteSort::Prepare => VoteSort::Commit,
            VoteSort::Commit => VoteSort::Silent,
            VoteSort::Silent => VoteSort::Index,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            VoteSort::Index => "index",
            VoteSort::Name => "name",
            VoteSort::Prepare => "prepare",
            VoteSort::Commit => "commit",
            VoteSort::Silent => "silent",
        }
    }
}

/// Selection and order of the peer table.
#[derive(Clone, Debug, Default)]
pub(super) struct TableState {
    pub(super) selected: Option<PublicKey>,
    pub(super) sort: PeerSort,
    pub(super) reverse: bool,
    pub(super) filter: Needle,
    /// The cursor is in the list of bans.
    pub(super) in_bans: bool,
    /// The ban it is on.
    pub(super) ban: Option<BanTarget>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum PeerSort {
    #[default]
    Name,
    Rtt,
    Height,
    Traffic,
    Up,
}

impl PeerSort {
    pub(super) fn next(self) -> Self {
        match self {
            PeerSort::Name => PeerSort::Rtt,
            PeerSort::Rtt => PeerSort::Height,
            PeerSort::Height => PeerSort::Traffic,
            PeerSort::Traffic => PeerSort::Up,
            PeerSort::Up => PeerSort::Name,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            PeerSort::Name => "name",
            PeerSort::Rtt => "rtt",
            PeerSort::Height => "height",
            PeerSort::Traffic => "traffic",
            PeerSort::Up => "up",
        }
    }
}

/// What the Logs screen shows.
#[derive(Clone, Debug)]
pub(super) struct LogState {
    /// The least grave level shown.
    pub(super) level: LogLevel,
    pub(super) target: Needle,
    pub(super) filter: Needle,
    pub(super) find: Needle,
    /// The selected line by its `seq`; `None` follows the newest.
    pub(super) selected: Option<u64>,
    pub(super) wrap: bool,
    /// Columns scrolled to the right.
    pub(super) right: usize,
}

impl Default for LogState {
    fn default() -> Self {
        Self {
            level: LogLevel::Trace,
            target: Needle::default(),
            filter: Needle::default(),
            find: Needle::default(),
            selected: None,
            wrap: false,
            right: 0,
        }
    }
}

impl LogState {
    /// Whether a line is shown.
    pub(super) fn shows(&self, line: &LogLine) -> bool {
        line.level <= self.level
            && self.target.passes(&[&line.target])
            && self.filter.passes(&[&line.message, &line.fields])
    }

    /// Whether a line is a match of what is looked for.
    pub(super) fn finds(&self, line: &LogLine) -> bool {
        !self.find.is_empty() && self.find.passes(&[&line.message, &line.fields, &line.target])
    }
}

/// Adds events to the bounded queue. Blocks that became final in round 0 and their proposals leave first
/// while they have more than half of it: on a quick chain they would push out all that is worth a look.
pub(super) fn keep_events(queue: &mut VecDeque<Event>, events: impl IntoIterator<Item = Event>) {
    for event in events {
        if queue.len() >= EVENTS_MAX {
            let routine = queue.iter().filter(|event| is_routine(event)).count();
            let leaves_routine = routine > EVENTS_MAX / 2;
            let at = queue.iter().position(|event| is_routine(event) == leaves_routine);
            queue.remove(at.unwrap_or(0));
        }
        queue.push_back(event);
    }
}

/// Whether an event only says that the chain goes on.
pub(super) fn is_routine(event: &Event) -> bool {
    matches!(
        event.kind,
        EventKind::Final { round: 0, .. } | EventKind::Proposed { round: 0, .. }
    )
}

/// Adds to a bounded queue, the oldest leaving.
pub(super) fn keep<T>(queue: &mut VecDeque<T>, items: impl IntoIterator<Item = T>, max: usize) {
    for item in items {
        if queue.len() == max {
            queue.pop_front();
        }
        queue.push_back(item);
    }
}

/// Log lines the console keeps: what the ring holds.
pub(super) const LOG_LINES_MAX: usize = LogRing::LINES_MAX;
