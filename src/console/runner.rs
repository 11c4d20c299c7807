//! The loop of the console thread: wait for input, take in what is new, draw when something changed.
//!
//! Nothing dirty, no frame. After input a frame comes at once but no more than thirty a second;
//! data is drawn four times a second and the clock once.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use super::{
    Outcome, Source,
    desk::Desk,
    key::{Input, Key, Parser},
    options::Options,
    terminal::{Ready, Screen, size},
    theme::{Theme, ThemeName},
    view::Look,
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

pub(super) fn run(
    screen: &mut Screen,
    sources: &[Source],
    options: &Options,
    closing: &AtomicBool,
) -> Outcome {
    let mut desk = Desk::open(sources, options);
    match turn(screen, &mut desk, options, closing) {
        Ok(never) => match never {},
        Err(outcome) => outcome,
    }
}

/// Goes round until something ends the console.
fn turn(
    screen: &mut Screen,
    desk: &mut Desk,
    options: &Options,
    closing: &AtomicBool,
) -> Result<std::convert::Infallible, Outcome> {
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
            return Err(Outcome::Closed);
        }
        if let Some(outcome) = desk.over() {
            return Err(outcome);
        }
        let since = drawn.map_or(Duration::MAX, |at| at.elapsed());
        let wait = match (dirty.input, parser.is_waiting()) {
            (true, _) => INPUT_FRAME.saturating_sub(since),
            (false, true) => ESCAPE,
            (false, false) => LOOK,
        };
        let input = match screen.wait(wait) {
            Ready::Nothing => parser.settle(),
            Ready::Bytes(bytes) => drain(screen, &mut parser, bytes),
            Ready::Lost => return Err(Outcome::TerminalLost),
        };
        let toasts = desk.model().toasts.len();
        dirty.clock |= desk.tick(screen)?;
        // Taken only as often as it is drawn, so that the rate on screen is the rate of the screen.
        if looked.is_none_or(|at| at.elapsed() >= DATA_FRAME) && desk.news(screen)? {
            looked = Some(Instant::now());
            dirty.data = true;
        }
        dirty.input |= desk.answers(screen)?;
        dirty.input |= !input.is_empty();
        if let Some(fatal) = options.panic_on_key {
            assert!(
                !input.contains(&Input::Key(Key::Char(fatal))),
                "the key that was set to cause a panic was pressed"
            );
        }
        for input in input {
            desk.input(screen, input)?;
        }
        let area = size();
        if area != desk.model().size {
            desk.resize(screen, area)?;
            dirty.input = true;
        }
        dirty.input |= toasts != desk.model().toasts.len();

        let since = drawn.map_or(Duration::MAX, |at| at.elapsed());
        let due =
            (dirty.input && since >= INPUT_FRAME) || ((dirty.data || dirty.clock) && since >= DATA_FRAME);
        if !due {
            continue;
        }
        let name = Theme::resolve(desk.model().theme, desk.model().depth);
        let theme = match &mut painted {
            Some((of, theme)) if *of == name => theme,
            _ => &mut painted.insert((name, Theme::new(name, desk.model().depth))).1,
        };
        let look = Look {
            theme,
            ascii: options.is_ascii(),
        };
        if desk.draw(screen, &look).is_err() {
            return Err(Outcome::TerminalLost);
        }
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
