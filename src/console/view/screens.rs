//! Where the panels of each screen stand, in full and in compact size.

use ratatui::layout::Rect;

use super::{
    super::{
        keymap::Screen,
        model::{Model, Shown},
        text::Row,
        theme::Role,
        vm::{self, Panel},
    },
    canvas::Canvas,
};

/// Draws the screen into the body. Returns how many rows its list has.
pub(super) fn draw(model: &Model, canvas: &mut Canvas<'_>, body: Rect, full: bool) -> usize {
    if let Some(at) = model.zoom {
        return zoomed(model, canvas, body, at);
    }
    match (model.screen, full) {
        (Screen::Overview, true) => overview(model, canvas, body),
        (Screen::Overview, false) => overview_compact(model, canvas, body),
        (Screen::Consensus, true) => consensus(model, canvas, body),
        (Screen::Consensus, false) => consensus_compact(model, canvas, body),
        (Screen::Peers, full) => peers(model, canvas, body, full),
        (Screen::Mempool, _) => mempool(model, canvas, body),
        (Screen::Sync, _) => sync(model, canvas, body),
        (Screen::Logs, _) => logs(model, canvas, body),
        (Screen::Devnet, _) => devnet(model, canvas, body),
    }
}

type Make<'a> = Box<dyn Fn(usize, usize) -> Panel + 'a>;

/// The panels of a screen, the most important first.
fn panels(model: &Model) -> Vec<Make<'_>> {
    let shown = model.shown();
    let panels: Vec<Make<'_>> = match model.screen {
        Screen::Overview => vec![
            Box::new(|w, _| round_or_start(shown, w)),
            Box::new(|w, _| vm::overview::health(shown, "Health", w, true)),
            Box::new(|w, h| vm::overview::finality(shown, w, h)),
            Box::new(|w, _| vm::overview::mempool(shown, w, true)),
            Box::new(|w, h| vm::overview::blocks(shown, w, h)),
            Box::new(|w, h| vm::overview::events(shown, model.events_scroll, w, h, true)),
            Box::new(|w, h| vm::overview::alarms(shown, w, h)),
        ],
        Screen::Consensus => vec![
            Box::new(|w, h| vm::consensus::votes(model, w, h)),
            Box::new(|w, h| vm::consensus::timeline(model, w, h)),
            Box::new(|w, h| vm::consensus::rounds(model, w, h)),
            Box::new(|w, _| vm::consensus::quorum(model, w)),
            Box::new(|w, _| vm::consensus::timeouts(model, w)),
        ],
        Screen::Peers => vec![
            Box::new(|w, h| vm::peers::table(model, w, h)),
            Box::new(|w, _| vm::peers::selected(model, w)),
            Box::new(|w, h| vm::peers::bans(model, w, h)),
        ],
        Screen::Mempool => vec![
            Box::new(|w, _| vm::mempool::pressure(shown, w)),
            Box::new(|w, h| vm::mempool::rates(shown, w, h)),
            Box::new(|w, h| vm::mempool::ages(shown, w, h)),
            Box::new(|w, h| vm::mempool::flow(shown, w, h)),
            Box::new(|_, _| vm::mempool::fees(shown)),
            Box::new(|w, h| vm::mempool::cheapest(shown, w, h)),
        ],
        Screen::Sync => vec![
            Box::new(|w, _| vm::sync::progress(shown, w)),
            Box::new(|w, h| vm::sync::sources(shown, w, h)),
            Box::new(|w, _| vm::sync::tip(shown, w)),
            Box::new(|w, _| vm::sync::forks(shown, w)),
        ],
        Screen::Logs => vec![Box::new(|w, h| vm::logs::lines(model, w, h))],
        Screen::Devnet => vec![
            Box::new(|w, h| vm::devnet::nodes(model, w, h)),
            Box::new(|w, h| vm::devnet::links(model, w, h)),
            Box::new(|w, _| vm::devnet::network(model, w)),
        ],
    };
    debug_assert_eq!(panels.len(), model.screen.panels());
    panels
}

/// The lines of the screen's first panel, for terminals without room for borders.
pub(super) fn bare(model: &Model, width: usize, height: usize) -> Vec<Row> {
    let panels = panels(model);
    let Some(make) = panels.first() else {
        return Vec::new();
    };
    let lines = make(width.saturating_sub(1), height).lines;
    let bare = |line: crate::console::vm::Line| match line.selected {
        true => Row::new().with(Role::Focus, "▌").append(line.row),
        false => Row::new().text(" ").append(line.row),
    };
    lines.into_iter().take(height).map(bare).collect()
}

/// One panel over the whole body.
fn zoomed(model: &Model, canvas: &mut Canvas<'_>, body: Rect, at: usize) -> usize {
    let panels = panels(model);
    let at = at % panels.len().max(1);
    place(canvas, body, |w, h| {
        let mut panel = panels[at](w, h);
        panel.focused = true;
        panel.foot = Row::new().with(Role::Accent, "z").dim(" back");
        if panels.len() > 1 {
            panel.foot =
                panel
                    .foot
                    .with(Role::Accent, "   ← →")
                    .dim(format!(" panel {} of {}", at + 1, panels.len()));
        }
        panel
    });
    inside(body).1.saturating_sub(3)
}

/// Columns inside a panel: border and one space at each side.
fn inside(area: Rect) -> (usize, usize) {
    (
        usize::from(area.width).saturating_sub(4),
        usize::from(area.height).saturating_sub(2),
    )
}

/// Heights from the top; the one given as 0 takes what is left.
fn rows<const N: usize>(area: Rect, heights: [u16; N]) -> [Rect; N] {
    let rest = heights.iter().position(|height| *height == 0).unwrap_or(N);
    rows_or_none(area, heights, rest)
}

/// Heights from the top; the one at `flexible` takes what is left, others of 0 are not there.
fn rows_or_none<const N: usize>(area: Rect, heights: [u16; N], flexible: usize) -> [Rect; N] {
    let fixed: u16 = heights.iter().sum();
    let rest = area.height.saturating_sub(fixed);
    let mut y = area.y;
    let mut at = 0;
    heights.map(|height| {
        let height = if at == flexible { rest } else { height };
        at += 1;
        let height = height.min(area.bottom().saturating_sub(y));
        let row = Rect::new(area.x, y, area.width, height);
        y += height;
        row
    })
}

/// Two columns, the left one as wide as asked for.
fn columns(area: Rect, left: u16) -> (Rect, Rect) {
    let left = left.min(area.width);
    (
        Rect::new(area.x, area.y, left, area.height),
        Rect::new(area.x + left, area.y, area.width - left, area.height),
    )
}

fn place(canvas: &mut Canvas<'_>, area: Rect, make: impl FnOnce(usize, usize) -> Panel) {
    let (width, height) = inside(area);
    if area.height > 2 && area.width > 4 {
        canvas.panel(area, &make(width, height));
    }
}

/// Rows for a panel with its border, between two bounds; the upper one counts where they contradict.
fn tall(panel: &Panel, at_least: u16, at_most: u16) -> u16 {
    let wanted = u16::try_from(panel.lines.len() + 2).unwrap_or(u16::MAX);
    wanted.max(at_least).min(at_most)
}

fn round_or_start(shown: &Shown, width: usize) -> Panel {
    match vm::overview::is_starting(shown) {
        true => vm::overview::start(shown, width),
        false => vm::overview::round(shown, width),
    }
}

fn overview(model: &Model, canvas: &mut Canvas<'_>, body: Rect) -> usize {
    let shown = model.shown();
    let chart = 9 + (body.height.saturating_sub(33) / 3).min(6);
    let beside = 44.min(body.width / 2);
    let round_width = usize::from(body.width - beside).saturating_sub(4);
    let round = round_or_start(shown, round_width);
    let alarms = vm::overview::alarms(shown, usize::from(body.width).saturating_sub(4), 5);
    let heights = [tall(&round, 9, 12), chart, 0, tall(&alarms, 3, 7)];
    let [top, middle, lists, alarms] = rows(body, heights);
    let (left, health) = columns(top, top.width - beside);
    place(canvas, left, |_, _| round);
    place(canvas, health, |w, _| {
        vm::overview::health(shown, "Health", w, true)
    });
    let (finality, mempool) = columns(middle, middle.width / 2);
    place(canvas, finality, |w, h| vm::overview::finality(shown, w, h));
    place(canvas, mempool, |w, _| vm::overview::mempool(shown, w, true));
    let (blocks, events) = columns(lists, lists.width / 2);
    place(canvas, blocks, |w, h| vm::overview::blocks(shown, w, h));
    place(canvas, events, |w, h| {
        vm::overview::events(shown, model.events_scroll, w, h, true)
    });
    place(canvas, alarms, |w, h| vm::overview::alarms(shown, w, h));
    inside(events).1
}

fn overview_compact(model: &Model, canvas: &mut Canvas<'_>, body: Rect) -> usize {
    let shown = model.shown();
    let width = usize::from(body.width).saturating_sub(4);
    let round = match vm::overview::is_starting(shown) {
        true => vm::overview::start(shown, width),
        false => vm::overview::round_compact(shown, width, body.height >= 18),
    };
    // Events need three rows to say anything; where there are fewer, the middle gets them.
    let [top, middle, events] = match body.height {
        0..18 => rows(body, [8, 0, 0]),
        _ => rows(body, [tall(&round, 7, 9), 8, 0]),
    };
    place(canvas, top, |_, _| round);
    let (health, mempool) = columns(middle, middle.width / 2);
    place(canvas, health, |w, _| {
        vm::overview::health(shown, "Node", w, false)
    });
    place(canvas, mempool, |w, _| vm::overview::mempool(shown, w, false));
    // What is wrong now comes before what happened.
    place(canvas, events, |w, h| match shown.status.alarms.is_empty() {
        true => vm::overview::events(shown, model.events_scroll, w, h, false),
        false => vm::overview::alarms(shown, w, h),
    });
    inside(events).1
}

fn consensus(model: &Model, canvas: &mut Canvas<'_>, body: Rect) -> usize {
    let (middle, timeline) = match consensus_rows(model, body) {
        Some(heights) => heights,
        None => return consensus_compact(model, canvas, body),
    };
    let [votes, middle, timeline] = rows_or_none(body, [0, middle, timeline], 0);
    place(canvas, votes, |w, h| vm::consensus::votes(model, w, h));
    let (quorum, timeouts) = columns(middle, middle.width / 2);
    place(canvas, quorum, |w, _| vm::consensus::quorum(model, w));
    place(canvas, timeouts, |w, _| vm::consensus::timeouts(model, w));
    place(canvas, timeline, |w, h| vm::consensus::timeline(model, w, h));
    inside(votes).1.saturating_sub(3)
}

/// Heights of the middle and of the timeline that leave every validator its row, up to ten of them, with
/// what the height waits for. `None` where even the timeline alone is too much.
fn consensus_rows(model: &Model, body: Rect) -> Option<(u16, u16)> {
    let width = usize::from(body.width).saturating_sub(4);
    let wanted = vm::consensus::votes_wanted(model, width) as u16 + 2;
    [(8, 10), (0, 10), (0, 8)]
        .into_iter()
        .find(|(middle, timeline)| body.height >= wanted + middle + timeline)
}

fn consensus_compact(model: &Model, canvas: &mut Canvas<'_>, body: Rect) -> usize {
    let wanted = vm::consensus::rounds_wanted(model).min(4) as u16;
    let [votes, rounds] = rows(body, [0, 4 + wanted]);
    place(canvas, votes, |w, h| vm::consensus::votes(model, w, h));
    place(canvas, rounds, |w, h| vm::consensus::rounds(model, w, h));
    inside(votes).1.saturating_sub(3)
}

fn peers(model: &Model, canvas: &mut Canvas<'_>, body: Rect, full: bool) -> usize {
    let known = model.shown().status.peers.bans.len() as u16;
    // Small screens show the bans in place of the peers, when asked for.
    if !full && model.peers.in_bans {
        let [summary, bans] = rows(body, [1, 0]);
        canvas.put(summary, &vm::peers::summary(model, usize::from(summary.width)));
        place(canvas, bans, |w, h| vm::peers::bans(model, w, h));
        return inside(bans).1.saturating_sub(1);
    }
    let (detail, listed) = match full {
        true => (vm::peers::DETAIL_ROWS as u16 + 2, known.clamp(1, 5) + 3),
        false => (0, 0),
    };
    let above = Rect {
        height: body.height - detail - listed,
        ..body
    };
    let [summary, table] = rows(above, [1, 0]);
    canvas.put(summary, &vm::peers::summary(model, usize::from(summary.width)));
    place(canvas, table, |w, h| vm::peers::table(model, w, h));
    let below = Rect::new(body.x, table.bottom(), body.width, detail);
    place(canvas, below, |w, _| vm::peers::selected(model, w));
    let bans = Rect::new(body.x, below.bottom(), body.width, listed);
    place(canvas, bans, |w, h| vm::peers::bans(model, w, h));
    inside(table).1.saturating_sub(1)
}

fn mempool(model: &Model, canvas: &mut Canvas<'_>, body: Rect) -> usize {
    let shown = model.shown();
    // Of the charts the one of the last minute goes first, of the panels that of the cheapest.
    let (lowest, more) = match body.height {
        0..16 => (0, 0),
        16..30 => (4, 0),
        _ => (5, 7 + (body.height - 30).min(6) / 3),
    };
    let above = Rect {
        height: body.height - lowest - more,
        ..body
    };
    let [pressure, charts] = rows(above, [6, 0]);
    place(canvas, pressure, |w, _| vm::mempool::pressure(shown, w));
    let (rates, ages) = columns(charts, charts.width - 34.min(charts.width / 2));
    place(canvas, rates, |w, h| vm::mempool::rates(shown, w, h));
    place(canvas, ages, |w, h| vm::mempool::ages(shown, w, h));
    let middle = Rect::new(body.x, charts.bottom(), body.width, more);
    let (flow, fees) = columns(middle, middle.width - 34.min(middle.width / 2));
    place(canvas, flow, |w, h| vm::mempool::flow(shown, w, h));
    place(canvas, fees, |_, _| vm::mempool::fees(shown));
    let bottom = Rect::new(body.x, middle.bottom(), body.width, lowest);
    place(canvas, bottom, |w, h| vm::mempool::cheapest(shown, w, h));
    1
}

fn sync(model: &Model, canvas: &mut Canvas<'_>, body: Rect) -> usize {
    let shown = model.shown();
    let (tip, forks) = match body.height {
        0..18 => (0, (body.height / 3).min(6)),
        18..30 => (0, 7),
        _ => (8, 7),
    };
    let [progress, sources, tip, forks] = rows_or_none(body, [6, 0, tip, forks], 1);
    place(canvas, progress, |w, _| vm::sync::progress(shown, w));
    place(canvas, sources, |w, h| vm::sync::sources(shown, w, h));
    place(canvas, tip, |w, _| vm::sync::tip(shown, w));
    place(canvas, forks, |w, _| vm::sync::forks(shown, w));
    1
}

fn devnet(model: &Model, canvas: &mut Canvas<'_>, body: Rect) -> usize {
    let count = model.fleet.as_ref().map_or(0, |fleet| fleet.nodes.len()) as u16;
    let wanted = (count + 3).min(body.height / 2);
    let [nodes, rest] = rows(body, [wanted, 0]);
    place(canvas, nodes, |w, h| vm::devnet::nodes(model, w, h));
    // The matrix is as wide as its columns; the sentence about the network needs the rest.
    let (links, network) = columns(rest, (14 + 3 * count).clamp(34, 62).min(rest.width / 2));
    let words = vm::devnet::network(model, inside(network).0);
    let wanted = tall(&words, (count + 3).max(7), 16).min(rest.height);
    // What is too little for the events is left to those above.
    let used = match rest.height - wanted {
        0..=3 => rest.height,
        _ => wanted,
    };
    let cut = |area: Rect| Rect { height: used, ..area };
    place(canvas, cut(links), |w, h| vm::devnet::links(model, w, h));
    place(canvas, cut(network), |_, _| words);
    let events = Rect::new(rest.x, rest.y + used, rest.width, rest.height - used);
    if events.height > 3 {
        place(canvas, events, |w, h| {
            vm::overview::events(model.shown(), 0, w, h, false)
        });
    }
    inside(nodes).1.saturating_sub(1)
}

fn logs(model: &Model, canvas: &mut Canvas<'_>, body: Rect) -> usize {
    let [status, lines] = rows(body, [1, 0]);
    let (left, right) = vm::logs::status_row(model, usize::from(status.width));
    canvas.spread(status, &left, &right);
    place(canvas, lines, |w, h| vm::logs::lines(model, w, h));
    inside(lines).1
}
