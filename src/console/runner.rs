//! The loop of the console thread: wait for input, take in what is new, draw when something changed.
//!
//! Nothing dirty, no frame. After input a frame comes at once but no more than thirty a second;
//! data is drawn four times a second and the clock once.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use super::{
    Outcome, Source, export,
    fleet::FleetFeed,
    key::{Input, Key, Parser},
    model::Model,
    options::Options,
    source::Feed,
    terminal::{Ready, Screen, size, suspend},
    theme::{Theme, ThemeName},
    update::{Effect, Msg, update},
    view::{self, Look},
};

/// The least time between frames after input.
const INPUT_FRAME: Duration = Duration::from_millis(33);
/// The least time between frames for data; a little under a quarter second, so that a snapshot that
/// comes early is not held back for the next.
const DATA_FRAME: Duration = Duration::from_millis(220);
/// How often new data is looked for while no key is pressed. Bounds how old what is drawn can be.
const LOOK: Duration = Duration::from_millis(50);
/// How long after an escape byte the rest of its sequence may take.
const ESCAPE: Duration = Duration::from_millis(25);

/// What has changed since the last frame.
#[derive(Default)]
struct Dirty {
    input: bool,
    data: bool,
    clock: bool,
}

pub(super) fn run(screen: &mut Screen, source: &Source, options: &Options, closing: &AtomicBool) -> Outcome {
    let mut feed = source.open();
    let mut model = Model {
        session: source.session(),
        theme: options.config.theme,
        depth: options.environment.depth,
        size: size(),
        ..Model::default()
    };
    let mut fleet = options.fleet.clone().map(FleetFeed::open);
    let mut parser = Parser::default();
    let mut painted: Option<(ThemeName, Theme)> = None;
    let mut drawn: Option<Instant> = None;
    let mut looked: Option<Instant> = None;
    let mut dirty = Dirty {
        input: true,
        ..Dirty::default()
    };
    loop {
        if closing.load(Ordering::Relaxed) {
            return Outcome::Closed;
        }
        if feed.is_over() {
            return match model.live.status.stop {
                Some(_) => Outcome::StopRequested,
                None => Outcome::Closed,
            };
        }
        let since = drawn.map_or(Duration::MAX, |at| at.elapsed());
        let wait = match (dirty.input, parser.is_waiting()) {
            (true, _) => INPUT_FRAME.saturating_sub(since),
            (false, true) => ESCAPE,
            (false, false) => LOOK,
        };
        let mut messages = Vec::new();
        let input = match screen.wait(wait) {
            Ready::Nothing => parser.settle(),
            Ready::Bytes(bytes) => drain(screen, &mut parser, bytes),
            Ready::Lost => return Outcome::TerminalLost,
        };
        let now = feed.now();
        if now.unix_ms / 1_000 != model.live.now.unix_ms / 1_000 {
            dirty.clock = true;
        }
        messages.push(Msg::Clock(now));
        // Taken only as often as it is drawn, so that the rate on screen is the rate of the screen.
        if looked.is_none_or(|at| at.elapsed() >= DATA_FRAME) {
            let news = feed.news();
            if !news.is_empty() {
                looked = Some(Instant::now());
                dirty.data = true;
                messages.extend(news);
            }
        }
        if let Some(fleet) = &mut fleet {
            let news = fleet.news();
            dirty.data |= !news.is_empty();
            messages.extend(news);
        }
        let answers = feed.answers();
        dirty.input |= !answers.is_empty();
        messages.extend(answers);
        dirty.input |= !input.is_empty();
        if let Some(fatal) = options.panic_on_key {
            assert!(
                !input.contains(&Input::Key(Key::Char(fatal))),
                "the key that was set to cause a panic was pressed"
            );
        }
        messages.extend(input.into_iter().map(Msg::Input));
        let area = size();
        if area != model.size {
            messages.push(Msg::Resize(area.0, area.1));
            dirty.input = true;
        }
        let toasts = model.toasts.len();
        if let Some(outcome) = take_in(&mut model, feed.as_mut(), fleet.as_mut(), screen, messages) {
            return outcome;
        }
        dirty.input |= toasts != model.toasts.len();

        let since = drawn.map_or(Duration::MAX, |at| at.elapsed());
        let due =
            (dirty.input && since >= INPUT_FRAME) || ((dirty.data || dirty.clock) && since >= DATA_FRAME);
        if !due {
            continue;
        }
        let name = Theme::resolve(model.theme, model.depth);
        let theme = match &mut painted {
            Some((of, theme)) if *of == name => theme,
            _ => &mut painted.insert((name, Theme::new(name, model.depth))).1,
        };
        let look = Look {
            theme,
            ascii: options.is_ascii(),
        };
        let clear = std::mem::take(&mut model.redraw);
        let mut drawing = view::Drawn::default();
        let frame = screen.draw(model.size, clear, |buffer| {
            drawing = view::draw(&model, &look, buffer)
        });
        if frame.is_err() {
            return Outcome::TerminalLost;
        }
        model.page = drawing.page;
        model.spots = drawing.spots;
        drawn = Some(Instant::now());
        dirty = Dirty::default();
    }
}

/// Takes everything that has been typed before the next frame.
fn drain(screen: &Screen, parser: &mut Parser, bytes: Vec<u8>) -> Vec<Input> {
    /// A terminal that sends without end must not keep us from drawing.
    const READS_MAX: usize = 16;
    let mut input = parser.feed(&bytes);
    for _ in 0..READS_MAX {
        match screen.wait(Duration::ZERO) {
            Ready::Bytes(more) => input.extend(parser.feed(&more)),
            Ready::Nothing | Ready::Lost => break,
        }
    }
    input
}

/// Updates the model and carries out what it asks for.
fn take_in(
    model: &mut Model,
    feed: &mut dyn Feed,
    mut fleet: Option<&mut FleetFeed>,
    screen: &mut Screen,
    messages: Vec<Msg>,
) -> Option<Outcome> {
    let mut queue = std::collections::VecDeque::from(messages);
    while let Some(message) = queue.pop_front() {
        for effect in update(model, message) {
            match effect {
                Effect::Command(id, command) => queue.extend(feed.send(id, command)),
                Effect::Fleet(id, command) => {
                    if let Some(fleet) = fleet.as_deref_mut() {
                        queue.extend(fleet.send(id, command));
                    }
                }
                Effect::Copy(text) => {
                    if screen.copy(&text).is_err() {
                        return Some(Outcome::TerminalLost);
                    }
                }
                Effect::Mouse(on) => {
                    if screen.mouse(on).is_err() {
                        return Some(Outcome::TerminalLost);
                    }
                }
                Effect::Export => {
                    queue.push_back(Msg::Exported(export::write(model, &screen.text())));
                }
                Effect::Suspend => {
                    suspend(screen);
                    model.redraw = true;
                    // Giving the terminal back switched it off.
                    model.mouse = false;
                }
                Effect::Exit(outcome) => return Some(outcome),
            }
        }
    }
    None
}
