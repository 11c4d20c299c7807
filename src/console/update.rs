//! The one function that changes the model: a message comes in, effects go out. Draws nothing,
//! reads no clock, touches nothing outside.

mod act;
mod fleet;
mod mouse;
mod moving;
mod overlay;
pub(super) mod palette;
mod prompt;
mod session;

use std::{path::PathBuf, sync::Arc};

use tui_input::{Input as Line, InputRequest};

use super::{
    Outcome,
    key::{Input, Key},
    keymap::{self, Action, Screen},
    model::{
        ARRIVALS_MAX, Act, Dialog, LOG_LINES_MAX, LeaveButton, Model, Needle, Overlay, PromptKind, ToastKind,
        keep, keep_events,
    },
    replay::{Replay, ReplayAct},
    session::{Link, Through},
    theme::{Depth, Theme, ThemeName},
    vm,
};
use crate::control::{
    BanTarget, Batch, Command, CommandError, Event, FleetCommand, FleetStatus, LogLevel, LogLine, Moment,
    Reply, ResyncMode, Status, words::counted,
};

pub(super) use act::STOP_WAITS_MS;

/// A second Ctrl-C within this stops the node, a third leaves at once.
const INTERRUPT_MS: u64 = 3_000;

/// What the list says of a ban by key, which asks for no words.
const BAN_REASON: &str = "by hand at the console";

/// Keys for a peer say nothing of one while the cursor is in the list of bans.
const IN_BANS: &str = "b goes back to the peers";

/// What can happen to the console.
#[derive(Debug)]
pub(super) enum Msg {
    Input(Input),
    Resize(u16, u16),
    /// A new snapshot.
    Status(Arc<Status>),
    /// How the devnet is now.
    Fleet(Arc<FleetStatus>),
    Events(Batch<Event>),
    Logs(Batch<Arc<LogLine>>),
    /// The link to the node stands, or does not.
    Link(Link),
    /// What follows belongs to another run of the node.
    Fresh,
    /// Where the recording is.
    Replay(Replay),
    /// Time went on.
    Clock(Moment),
    /// A command was answered.
    Answer(u64, Result<Reply, CommandError>),
    /// The screen was written to a file, or was not.
    Exported(Result<PathBuf, String>),
}

/// What the console asks of the world.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Effect {
    /// Ask the node; the answer comes back with the number.
    Command(u64, Command),
    /// Ask the devnet; the answer comes back with the number.
    Fleet(u64, FleetCommand),
    /// Ring, and have the terminal tell the desktop.
    Notify(String),
    /// Put text on the clipboard.
    Copy(String),
    /// Write what is on screen to files.
    Export,
    /// Have the terminal tell of the mouse, or not.
    Mouse(bool),
    /// Move in the recording.
    Replay(ReplayAct),
    /// Look at what this node recorded, from so long before now on.
    OpenReplay {
        /// How far back.
        back_ms: u64,
    },
    /// Give the terminal to the shell until it brings us back.
    Suspend,
    /// End the console.
    Exit(Outcome),
}

/// Takes a message in.
pub(super) fn update(model: &mut Model, msg: Msg) -> Vec<Effect> {
    match msg {
        Msg::Input(Input::Key(key)) => on_key(model, key),
        Msg::Input(Input::Paste(text)) => on_paste(model, &text),
        Msg::Input(Input::Mouse(mouse, x, y)) => {
            mouse::on_mouse(model, mouse, x, y);
            Vec::new()
        }
        Msg::Resize(width, height) => {
            model.size = (width, height);
            Vec::new()
        }
        Msg::Status(status) => {
            let now = model.live.now.mono_ms;
            keep(&mut model.arrivals, [now], ARRIVALS_MAX);
            model.trend.note(now, &status.peers.rows);
            let mut effects: Vec<Effect> = act::newly_critical(model, &status)
                .map(Effect::Notify)
                .into_iter()
                .collect();
            model.live.status = status;
            moving::forget_height(model);
            effects.extend(act::stop_when_safe(model));
            effects
        }
        Msg::Fleet(fleet) => {
            model.fleet = Some(fleet);
            Vec::new()
        }
        Msg::Link(link) => {
            session::on_link(model, link);
            Vec::new()
        }
        Msg::Replay(replay) => {
            model.session.replay = Some(replay);
            Vec::new()
        }
        Msg::Fresh => {
            session::on_fresh(model);
            Vec::new()
        }
        Msg::Events(batch) => {
            session::tell_of_others(model, &batch);
            keep_events(&mut model.live.events, batch.items);
            Vec::new()
        }
        Msg::Logs(batch) => {
            model.logs_missed += batch.missed;
            keep(&mut model.live.logs, batch.items, LOG_LINES_MAX);
            Vec::new()
        }
        Msg::Clock(now) => {
            model.live.now = now;
            let clock = model.clock_ms();
            model.toasts.retain(|toast| toast.until_ms > clock);
            act::stop_when_safe(model)
        }
        Msg::Answer(id, answer) => {
            on_answer(model, id, answer);
            Vec::new()
        }
        Msg::Exported(Ok(path)) => {
            model.toast(ToastKind::Done, format!("written: {}", path.display()));
            Vec::new()
        }
        Msg::Exported(Err(reason)) => {
            model.toast(ToastKind::Refused, format!("not written: {reason}"));
            Vec::new()
        }
    }
}

fn on_answer(model: &mut Model, id: u64, answer: Result<Reply, CommandError>) {
    let what = model.waiting.remove(&id).unwrap_or_default();
    match answer {
        Ok(Reply::Stopping) => {}
        Ok(Reply::Restarting) => model.toast(ToastKind::Done, format!("{what}: the node starts again")),
        Ok(Reply::Plan(plan)) => act::on_plan(model, plan),
        Ok(Reply::Done | Reply::Accepted { .. } | Reply::Judged { .. }) => model.toast(ToastKind::Done, what),
        Ok(Reply::DoneWith { consequence }) => model.toast(ToastKind::Done, format!("{what}: {consequence}")),
        Err(error) => model.toast(ToastKind::Refused, format!("{what}: {error}")),
    }
}

fn on_paste(model: &mut Model, text: &str) -> Vec<Effect> {
    // A paste goes only where text is asked for, and never into a confirmation.
    if let Some(prompt) = &mut model.prompt {
        for c in text.chars().filter(|c| !c.is_control()) {
            prompt.input.handle(InputRequest::InsertChar(c));
        }
        prompt::apply_prompt(model);
    }
    Vec::new()
}

fn on_key(model: &mut Model, key: Key) -> Vec<Effect> {
    // These two mean the same wherever one is.
    match key {
        Key::Ctrl('c') => return on_interrupt(model),
        Key::Ctrl('z') => {
            return session::suspend(model);
        }
        _ => {}
    }
    if model.live.status.stop.is_some() && model.session.through == Through::Process {
        model.toast(ToastKind::Info, "the node is stopping; ^C twice leaves at once");
        return Vec::new();
    }
    if model.overlay.is_some() {
        return overlay::on_overlay_key(model, key);
    }
    if model.prompt.is_some() {
        return prompt::on_prompt_key(model, key);
    }
    if let Some(act) = session::replay_key(model, key) {
        return vec![Effect::Replay(act)];
    }
    match keymap::lookup(model.screen, key) {
        Some(action) => on_action(model, action),
        None => Vec::new(),
    }
}

fn on_interrupt(model: &mut Model) -> Vec<Effect> {
    if let Some(effects) = session::leave(model) {
        return effects;
    }
    let now = model.live.now.mono_ms;
    let again = model
        .interrupted_ms
        .is_some_and(|at| now.saturating_sub(at) <= INTERRUPT_MS);
    model.interrupted_ms = Some(now);
    let stopping = model.stop_sent || model.live.status.stop.is_some();
    match (stopping, again) {
        (true, true) => vec![Effect::Exit(Outcome::ForceExit)],
        (true, false) => {
            model.toast(ToastKind::Info, "stopping; ^C again leaves at once");
            Vec::new()
        }
        (false, true) => act::stop(model, "operator at the console (Ctrl-C twice)"),
        (false, false) => {
            model.prompt = None;
            model.overlay = Some(Overlay::Leave {
                focus: LeaveButton::Stop,
            });
            model.toast(ToastKind::Info, "^C again within 3 s stops the node");
            Vec::new()
        }
    }
}

fn on_action(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::Disconnect | Action::Ban | Action::Sort | Action::SortReverse | Action::Find
            if model.screen == Screen::Peers && model.peers.in_bans =>
        {
            model.toast(ToastKind::Info, IN_BANS);
        }
        Action::Screen(screen) => go(model, screen),
        Action::NextScreen => go(model, neighbour(model, 1)),
        Action::PreviousScreen => go(model, neighbour(model, model.screens().len() - 1)),
        Action::Left | Action::Right if model.zoom.is_some() && model.screen.panels() > 1 => {
            let panels = model.screen.panels();
            let by = if action == Action::Right { 1 } else { panels - 1 };
            model.zoom = model.zoom.map(|at| (at + by) % panels);
        }
        Action::Up
        | Action::Down
        | Action::PageUp
        | Action::PageDown
        | Action::HalfUp
        | Action::HalfDown
        | Action::Top
        | Action::Bottom
        | Action::Left
        | Action::Right
        | Action::HeightOlder
        | Action::HeightNewer
        | Action::RoundOlder
        | Action::RoundNewer
        | Action::FindNext
        | Action::FindPrevious => moving::step(model, action),
        Action::Open => open(model),
        Action::Back => back(model),
        Action::Help => {
            model.overlay = Some(Overlay::Help {
                filter: String::new(),
                typing: false,
                scroll: 0,
            });
        }
        Action::Find => prompt::prompt(model),
        Action::Filter => {
            let text = model.log.filter.text().to_owned();
            prompt::begin(model, PromptKind::Filter, text);
        }
        Action::Target => {
            let text = model.log.target.text().to_owned();
            prompt::begin(model, PromptKind::Target, text);
        }
        Action::Sort => match model.screen {
            Screen::Consensus => model.votes.sort = model.votes.sort.next(),
            Screen::Peers => model.peers.sort = model.peers.sort.next(),
            Screen::Overview | Screen::Mempool | Screen::Sync | Screen::Logs | Screen::Devnet => {}
        },
        Action::SortReverse => match model.screen {
            Screen::Consensus => model.votes.reverse = !model.votes.reverse,
            Screen::Peers => model.peers.reverse = !model.peers.reverse,
            Screen::Overview | Screen::Mempool | Screen::Sync | Screen::Logs | Screen::Devnet => {}
        },
        Action::Pause => {
            model.held = match model.held {
                Some(_) => None,
                None => Some(model.live.clone()),
            };
            moving::forget_height(model);
        }
        Action::Follow => match model.screen {
            Screen::Logs => {
                model.held = None;
                model.log.selected = None;
            }
            Screen::Consensus => {
                model.votes.height = None;
                model.votes.round = None;
            }
            Screen::Overview | Screen::Peers | Screen::Mempool | Screen::Sync | Screen::Devnet => {}
        },
        Action::Acknowledge => return act::acknowledge(model),
        Action::Copy => return act::copy(model),
        Action::Theme => next_theme(model),
        Action::Palette => prompt::begin(model, PromptKind::Palette, String::new()),
        Action::Zoom => {
            model.zoom = match model.zoom {
                Some(_) => None,
                None => Some(0),
            };
        }
        Action::Export => return vec![Effect::Export],
        Action::Mouse => {
            model.mouse = !model.mouse;
            model.toast(
                ToastKind::Info,
                match model.mouse {
                    true => "mouse on: click tabs and rows, turn the wheel; hold Shift to select text",
                    false => "mouse off: the terminal selects text",
                },
            );
            return vec![Effect::Mouse(model.mouse)];
        }
        Action::Redraw => model.redraw = true,
        Action::Replay => return session::look_back(model, session::LOOK_BACK_MS),
        Action::Leave => {
            if let Some(effects) = session::leave(model) {
                return effects;
            }
            model.overlay = Some(Overlay::Leave {
                focus: LeaveButton::Stay,
            });
        }
        Action::LevelError => model.log.level = LogLevel::Error,
        Action::LevelWarn => model.log.level = LogLevel::Warn,
        Action::LevelInfo => model.log.level = LogLevel::Info,
        Action::LevelDebug => model.log.level = LogLevel::Debug,
        Action::LevelTrace => model.log.level = LogLevel::Trace,
        Action::Wrap => model.log.wrap = !model.log.wrap,
        Action::LogLevel => {
            let current = &model.live.status.node.log_filter;
            let choice = Act::LOG_FILTERS
                .iter()
                .position(|filter| filter == current)
                .unwrap_or(2);
            ask(model, Act::LogFilter { choice });
        }
        Action::Disconnect => {
            if let Some(row) = moving::selected_peer(model) {
                let name = row.name.clone().unwrap_or_else(|| row.id.short());
                let peer = row.id;
                ask(model, Act::Disconnect { peer, name });
            }
        }
        Action::NodeStop
        | Action::NodeKill
        | Action::NodePause
        | Action::NodeStart
        | Action::LinksCut
        | Action::LinksSlow
        | Action::LinksSplit
        | Action::LinksHeal
        | Action::TrafficUp
        | Action::TrafficDown => return fleet::on_action(model, action),
        Action::Ban => {
            if let Some(row) = moving::selected_peer(model) {
                let name = row.name.clone().unwrap_or_else(|| row.id.short());
                let act = Act::Ban {
                    target: BanTarget::Node(row.id),
                    name,
                    choice: Act::BAN_DAY,
                    reason: BAN_REASON.to_owned(),
                };
                ask(model, act);
            }
        }
        Action::Unban => match moving::selected_ban(model) {
            Some(ban) => {
                let target = ban.target;
                let name = vm::peers::ban_name(&model.shown().status, &target);
                ask(model, Act::Unban { target, name });
            }
            None => model.toast(ToastKind::Info, "nobody is banned"),
        },
        Action::Resync => return act::ask_resync(model, ResyncMode::Reindex),
        Action::Bans => model.peers.in_bans = !model.peers.in_bans,
        // Handled before the table is asked.
        Action::Interrupt | Action::Suspend => {}
    }
    Vec::new()
}

/// The next theme of those that the terminal can show.
pub(super) fn next_theme(model: &mut Model) {
    let now = Theme::resolve(model.theme, model.depth);
    match model.depth {
        Depth::None => model.toast(ToastKind::Info, "no colours here (NO_COLOR or a plain terminal)"),
        Depth::Ansi if now == ThemeName::Ansi => {
            model.theme = ThemeName::Mono;
            model.toast(ToastKind::Info, "theme mono");
        }
        Depth::Ansi => {
            model.theme = ThemeName::Ansi;
            model.toast(ToastKind::Info, "theme ansi");
        }
        Depth::Indexed | Depth::TrueColour => {
            model.theme = now.next();
            model.toast(ToastKind::Info, format!("theme {}", model.theme.word()));
        }
    }
}

fn neighbour(model: &Model, by: usize) -> Screen {
    let screens = model.screens();
    screens[(model.screen.index() + by) % screens.len()]
}

fn go(model: &mut Model, screen: Screen) {
    if !model.screens().contains(&screen) {
        model.toast(ToastKind::Info, "this screen is there under timed devnet only");
        return;
    }
    model.came_from = None;
    model.zoom = None;
    model.screen = screen;
}

fn ask(model: &mut Model, act: Act) {
    if let Some(refusal) = model.session.refusal() {
        model.toast(ToastKind::Refused, refusal);
        return;
    }
    let typed = match &act {
        Act::Ban { reason, .. } => Line::new(reason.clone()),
        _ => Line::default(),
    };
    model.overlay = Some(Overlay::Dialog(Dialog {
        act,
        on_act: false,
        on_text: false,
        typed,
    }));
}

fn open(model: &mut Model) {
    match model.screen {
        Screen::Overview => {
            model.came_from = Some(Screen::Overview);
            model.screen = Screen::Logs;
        }
        Screen::Consensus => {
            if let Some(id) = moving::selected_validator(model) {
                model.votes.selected = Some(id);
                model.overlay = Some(Overlay::Validator(id));
            }
        }
        Screen::Peers if model.peers.in_bans => model.toast(ToastKind::Info, IN_BANS),
        Screen::Peers => {
            if let Some(id) = moving::selected_peer(model).map(|row| row.id) {
                model.peers.selected = Some(id);
                model.overlay = Some(Overlay::Peer(id));
            }
        }
        Screen::Mempool | Screen::Sync | Screen::Logs | Screen::Devnet => {}
    }
}

/// One level back: what was narrowed down on this screen, then where one came from.
fn back(model: &mut Model) {
    if model.zoom.take().is_some() {
        return;
    }
    match model.screen {
        Screen::Logs if !model.log.find.is_empty() => model.log.find = Needle::default(),
        Screen::Logs if !model.log.filter.is_empty() => model.log.filter = Needle::default(),
        Screen::Logs if !model.log.target.is_empty() => model.log.target = Needle::default(),
        Screen::Consensus if model.votes.height.is_some() || model.votes.round.is_some() => {
            model.votes.height = None;
            model.votes.round = None;
        }
        Screen::Consensus if !model.votes.filter.is_empty() => model.votes.filter = Needle::default(),
        Screen::Peers if model.peers.in_bans => model.peers.in_bans = false,
        Screen::Peers if !model.peers.filter.is_empty() => model.peers.filter = Needle::default(),
        _ => match model.came_from.take() {
            Some(screen) => model.screen = screen,
            None => model.session.back = model.session.nested,
        },
    }
}

/// Words for a number of things that were left out.
pub(super) fn missed_words(missed: u64) -> String {
    format!("{} missed", counted(missed, "line"))
}
