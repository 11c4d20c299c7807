//! One or several consoles behind one terminal: each source has its own model and goes on while
//! another one is looked at.

use std::time::Instant;

use super::{
    Outcome, Source, export,
    fleet::FleetFeed,
    key::{Input, Key},
    keymap,
    model::{Model, ToastKind},
    nodes::{self, NodesAction},
    options::Options,
    source::Feed,
    terminal::{self, Screen},
    update::{Effect, Msg, next_theme, update},
    view::{self, Look},
};

use crate::recorder::{self, Recording};

/// One console at one source.
struct Seat {
    feed: Box<dyn Feed>,
    model: Model,
    label: String,
}

/// All of them, and which one is looked at.
pub(super) struct Desk {
    seats: Vec<Seat>,
    /// `None` shows the list; with a single source there is none.
    open: Option<usize>,
    selected: usize,
    /// How many sources there are; behind them stands the recording that is looked at, if any.
    nodes: usize,
    /// Where the way back from that recording leads.
    live: usize,
    /// The devnet that the node in this process belongs to.
    fleet: Option<FleetFeed>,
    opened: Instant,
    /// Whether the keys of the list lie over it.
    help: bool,
    /// Clears the screen before the next frame.
    redraw: bool,
}

impl Desk {
    /// Opens the sources, of which there is at least one.
    pub(super) fn open(sources: &[Source], options: &Options) -> Self {
        let nested = sources.len() > 1;
        let size = terminal::size();
        let seats = sources
            .iter()
            .map(|part| {
                let mut session = part.session();
                session.nested = nested;
                Seat {
                    feed: part.open(),
                    label: part.label(),
                    model: Model {
                        session,
                        theme: options.theme(),
                        notify: options.config.notify,
                        depth: options.environment.depth,
                        size,
                        ..Model::default()
                    },
                }
            })
            .collect();
        Self {
            seats,
            open: (!nested).then_some(0),
            selected: 0,
            nodes: sources.len(),
            live: 0,
            fleet: options.fleet.clone().map(FleetFeed::open),
            opened: Instant::now(),
            help: false,
            redraw: false,
        }
    }

    /// How a console ends whose node has left this process.
    pub(super) fn over(&self) -> Option<Outcome> {
        let seat = self.seats.iter().find(|seat| seat.feed.is_over())?;
        Some(match seat.model.live.status.stop {
            Some(_) => Outcome::StopRequested,
            None => Outcome::Closed,
        })
    }

    /// The model that is looked at; with the list open, that of the selected row.
    pub(super) fn model(&self) -> &Model {
        &self.seats[self.at()].model
    }

    fn at(&self) -> usize {
        self.open.unwrap_or(self.selected)
    }

    /// Lets time go on. True if a clock that is on show ticked.
    pub(super) fn tick(&mut self, screen: &mut Screen) -> Result<bool, Outcome> {
        let mut ticked = false;
        for at in 0..self.seats.len() {
            let now = self.seats[at].feed.now();
            self.seats[at].model.own_ms = self.opened.elapsed().as_millis() as u64;
            ticked |= now.unix_ms / 1_000 != self.seats[at].model.live.now.unix_ms / 1_000;
            self.take_in(at, screen, vec![Msg::Clock(now)])?;
        }
        Ok(ticked)
    }

    /// Takes what the sources have brought. True if there was anything.
    pub(super) fn news(&mut self, screen: &mut Screen) -> Result<bool, Outcome> {
        let mut any = false;
        for at in 0..self.seats.len() {
            let mut news = self.seats[at].feed.news();
            if at == 0
                && let Some(fleet) = &mut self.fleet
            {
                news.extend(fleet.news());
            }
            any |= !news.is_empty();
            self.take_in(at, screen, news)?;
        }
        Ok(any)
    }

    /// Takes answers to commands. True if there were any.
    pub(super) fn answers(&mut self, screen: &mut Screen) -> Result<bool, Outcome> {
        let mut any = false;
        for at in 0..self.seats.len() {
            let answers = self.seats[at].feed.answers();
            any |= !answers.is_empty();
            self.take_in(at, screen, answers)?;
        }
        Ok(any)
    }

    /// The terminal has another size.
    pub(super) fn resize(&mut self, screen: &mut Screen, (width, height): (u16, u16)) -> Result<(), Outcome> {
        for at in 0..self.seats.len() {
            self.take_in(at, screen, vec![Msg::Resize(width, height)])?;
        }
        Ok(())
    }

    /// Takes a key or a paste.
    pub(super) fn input(&mut self, screen: &mut Screen, input: Input) -> Result<(), Outcome> {
        let Some(at) = self.open else {
            return match input {
                Input::Key(key) => self.on_list_key(screen, key),
                Input::Paste(_) | Input::Mouse(..) => Ok(()),
            };
        };
        self.take_in(at, screen, vec![Msg::Input(input)])?;
        if std::mem::take(&mut self.seats[at].model.session.back) {
            self.go_back(at);
        }
        Ok(())
    }

    /// From a recording to what it is of, from a node to the list.
    fn go_back(&mut self, at: usize) {
        let (theme, mouse) = (self.seats[at].model.theme, self.seats[at].model.mouse);
        for seat in &mut self.seats {
            seat.model.theme = theme;
            seat.model.mouse = mouse;
        }
        self.redraw = true;
        if at >= self.nodes {
            self.seats.truncate(self.nodes);
            self.open = Some(self.live);
        } else if self.nodes > 1 {
            self.selected = at;
            self.open = None;
        }
    }

    /// Opens what the node on show has recorded.
    fn look_back(&mut self, at: usize, back_ms: u64) {
        let model = &self.seats[at].model;
        let dir = model.live.status.node.data_dir.join(recorder::DIRECTORY);
        let recording = match Recording::open(&dir) {
            Ok(recording) => recording,
            Err(error) => {
                self.seats[at].model.toast(ToastKind::Refused, error.to_string());
                return;
            }
        };
        let at_ms = recording.moments().to_ms.saturating_sub(back_ms);
        let source = Source::Recording {
            recording,
            at_ms: Some(at_ms),
        };
        let mut session = source.session();
        session.nested = true;
        let seat = Seat {
            feed: source.open(),
            label: String::new(),
            model: Model {
                session,
                theme: model.theme,
                depth: model.depth,
                size: model.size,
                screen: match model.screen {
                    // Nodes and links are not recorded.
                    keymap::Screen::Devnet => keymap::Screen::Overview,
                    other => other,
                },
                mouse: model.mouse,
                ..Model::default()
            },
        };
        self.seats.truncate(self.nodes);
        self.seats.push(seat);
        self.live = at;
        self.open = Some(self.nodes);
        self.redraw = true;
    }

    fn on_list_key(&mut self, screen: &mut Screen, key: Key) -> Result<(), Outcome> {
        // Any key closes the help and does what it does.
        let had_help = std::mem::take(&mut self.help);
        match nodes::lookup(key) {
            Some(NodesAction::Help) => self.help = !had_help,
            Some(NodesAction::Theme) => {
                next_theme(&mut self.seats[self.selected].model);
                let theme = self.seats[self.selected].model.theme;
                for seat in &mut self.seats {
                    seat.model.theme = theme;
                }
                self.redraw = true;
            }
            Some(NodesAction::Up) => self.selected = self.selected.saturating_sub(1),
            Some(NodesAction::Down) => self.selected = (self.selected + 1).min(self.nodes - 1),
            Some(NodesAction::Open) => self.open = Some(self.selected),
            Some(NodesAction::Leave) => return Err(Outcome::Detached),
            Some(NodesAction::Redraw) => self.redraw = true,
            Some(NodesAction::Suspend) => {
                terminal::suspend(screen);
                self.redraw = true;
            }
            None => {}
        }
        Ok(())
    }

    /// Updates one model and carries out what it asks for.
    fn take_in(&mut self, at: usize, screen: &mut Screen, messages: Vec<Msg>) -> Result<(), Outcome> {
        let mut back_ms = None;
        let seat = &mut self.seats[at];
        let mut queue = std::collections::VecDeque::from(messages);
        while let Some(message) = queue.pop_front() {
            for effect in update(&mut seat.model, message) {
                match effect {
                    Effect::Command(id, command) => queue.extend(seat.feed.send(id, command)),
                    Effect::Fleet(id, command) => {
                        if let Some(fleet) = &mut self.fleet {
                            queue.extend(fleet.send(id, command));
                        }
                    }
                    Effect::Mouse(on) => screen.mouse(on).map_err(|_| Outcome::TerminalLost)?,
                    Effect::Export => {
                        queue.push_back(Msg::Exported(export::write(&seat.model, &screen.text())));
                    }
                    Effect::Notify(text) => screen.notify(&text).map_err(|_| Outcome::TerminalLost)?,
                    Effect::Copy(text) => screen.copy(&text).map_err(|_| Outcome::TerminalLost)?,
                    Effect::Replay(act) => {
                        seat.feed.replay(act);
                        queue.extend(seat.feed.news());
                    }
                    Effect::OpenReplay { back_ms: back } => back_ms = Some(back),
                    Effect::Suspend => {
                        terminal::suspend(screen);
                        seat.model.redraw = true;
                        // Giving the terminal back switched it off.
                        seat.model.mouse = false;
                    }
                    Effect::Exit(outcome) => return Err(outcome),
                }
            }
        }
        if let Some(back_ms) = back_ms {
            self.look_back(at, back_ms);
        }
        Ok(())
    }

    /// Draws what is looked at.
    pub(super) fn draw(&mut self, screen: &mut Screen, look: &Look<'_>) -> std::io::Result<()> {
        let Some(at) = self.open else {
            let models: Vec<(&Model, String)> = self
                .seats
                .iter()
                .take(self.nodes)
                .map(|seat| (&seat.model, seat.label.clone()))
                .collect();
            let clear = std::mem::take(&mut self.redraw);
            let size = models[self.selected].0.size;
            let (selected, help) = (self.selected, self.help);
            return screen.draw(size, clear, |buffer| {
                view::nodes::draw(&models, selected, help, look, buffer)
            });
        };
        let model = &mut self.seats[at].model;
        let clear = std::mem::take(&mut model.redraw) | std::mem::take(&mut self.redraw);
        let mut drawing = view::Drawn::default();
        screen.draw(model.size, clear, |buffer| {
            drawing = view::draw(model, look, buffer)
        })?;
        model.page = drawing.page;
        model.spots = drawing.spots;
        Ok(())
    }
}
