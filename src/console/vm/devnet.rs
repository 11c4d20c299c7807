//! The Devnet screen: the nodes, the lines between them, and what the network makes of it.

use super::{
    super::{
        format::{
            UNKNOWN, binary_bytes, duration, fit, grouped, or_unknown, pad, pad_left, spark, wrapped_in,
        },
        model::{Model, Pick},
        text::Row,
        theme::Role,
    },
    Level, Line, Panel, span, waiting_words,
};
use crate::control::{FleetNode, FleetState, FleetStatus, LinkWeather, words::counted};

/// Lines that a sentence about the network may take.
const SENTENCE_LINES_MAX: usize = 3;

fn level(state: FleetState) -> Level {
    match state {
        FleetState::Running => Level::Ok,
        FleetState::Starting | FleetState::Stopping => Level::Busy,
        FleetState::Paused => Level::Warn,
        FleetState::Down => Level::Unknown,
        FleetState::Failed => Level::Crit,
    }
}

fn weather_mark(weather: LinkWeather) -> (&'static str, Role) {
    match weather {
        LinkWeather::Open => ("●", Role::Ok),
        LinkWeather::Slow => ("◌", Role::Warn),
        LinkWeather::Cut => ("✖", Role::Err),
    }
}

/// The nodes, one row each.
pub(in super::super) fn nodes(model: &Model, width: usize, height: usize) -> Panel {
    let Some(fleet) = &model.fleet else {
        return Panel::titled(Row::new().strong("Devnet"));
    };
    let running = fleet
        .nodes
        .iter()
        .filter(|node| node.state == FleetState::Running)
        .count();
    let mut panel = Panel::titled(Row::new().strong("Nodes").dim(format!(
        "  {running} of {} run   {}",
        fleet.nodes.len(),
        fit(&fleet.dir, width.saturating_sub(30))
    )));
    panel.focused = true;
    let wide = width >= 96;
    let mut head = format!(
        "   {} {} {} {}",
        pad("node", 9),
        pad("state", 11),
        pad_left("height", 10),
        pad_left("Δ", 5)
    );
    if wide {
        head.push_str(&format!(
            "  {} {} {}  {}",
            pad_left("memory", 8),
            pad_left("cpu", 6),
            pad_left("pid", 8),
            pad("http", 16)
        ));
    }
    panel.line(Row::of(Role::Dim, head + "  note"));
    let highest = fleet.nodes.iter().filter_map(|node| node.height).max();
    let room = height.saturating_sub(1).max(1);
    let at = usize::from(model.fleet_at).min(fleet.nodes.len().saturating_sub(1));
    let first = (at + 1).saturating_sub(room);
    panel.title = panel.title.append(span(first, room, fleet.nodes.len()));
    for (number, node) in fleet.nodes.iter().enumerate().skip(first).take(room) {
        let line = Line {
            row: node_row(node, highest, wide, width),
            right: Row::new(),
            selected: number == at,
        };
        panel.pick(line, Pick::Node(number as u16));
    }
    panel
}

fn node_row(node: &FleetNode, highest: Option<u64>, wide: bool, width: usize) -> Row {
    let level = level(node.state);
    let behind = highest.zip(node.height).map(|(highest, height)| highest - height);
    let mut row = Row::new()
        .text(if node.is_here { " ▸ " } else { "   " })
        .strong(pad(&node.name, 9))
        .text(" ")
        .with(level.role(), format!("{} ", level.glyph()))
        .text(pad(node.state.word(), 9))
        .text(format!(" {}", pad_left(&or_unknown(node.height, grouped), 10)))
        .with(
            match behind {
                Some(3..) => Role::Warn,
                _ => Role::Dim,
            },
            format!(
                " {}",
                pad_left(
                    &or_unknown(behind, |behind| match behind {
                        0 => "0".to_owned(),
                        n => format!("−{}", grouped(n)),
                    }),
                    5
                )
            ),
        );
    if wide {
        row = row.text(format!(
            "  {} {}",
            pad_left(&or_unknown(node.rss_bytes, binary_bytes), 8),
            pad_left(&or_unknown(node.cpu_percent, |cpu| format!("{cpu:.0} %")), 6)
        ));
        row = row.dim(format!(
            " {}  {}",
            pad_left(&or_unknown(node.pid, |pid| pid.to_string()), 8),
            pad(&node.http, 16)
        ));
    }
    let room = width.saturating_sub(row.width() + 2);
    let role = match node.state {
        FleetState::Failed => Role::Err,
        _ => Role::Dim,
    };
    row.text("  ").with(role, fit(&node.note, room))
}

/// Who can speak with whom.
pub(in super::super) fn links(model: &Model, width: usize, height: usize) -> Panel {
    let mut panel = Panel::titled(Row::new().strong("Links"));
    let Some(fleet) = &model.fleet else {
        return panel;
    };
    let count = |weather| fleet.links.iter().filter(|link| link.weather == weather).count();
    let (cut, slow) = (count(LinkWeather::Cut), count(LinkWeather::Slow));
    panel.title = panel.title.dim(match (fleet.links.len(), cut, slow) {
        (0, ..) => "  none to change in a devnet of this size".to_owned(),
        (_, 0, 0) => "  all open".to_owned(),
        _ => format!("  {cut} cut   {slow} slow"),
    });
    if fleet.links.is_empty() {
        return panel;
    }
    let nodes = fleet.nodes.len();
    let column = 3;
    if nodes + 1 > height || 12 + nodes * column > width {
        for link in fleet
            .links
            .iter()
            .filter(|link| link.weather != LinkWeather::Open)
        {
            let (glyph, role) = weather_mark(link.weather);
            panel.line(Row::new().with(role, format!(" {glyph} ")).text(format!(
                "{} – {}  {}",
                name(fleet, link.a),
                name(fleet, link.b),
                link.weather.word()
            )));
        }
        if panel.lines.is_empty() {
            let open = counted(fleet.links.len() as u64, "link");
            panel.line(Row::of(Role::Dim, format!("{open}, too many to draw here")));
        }
        return panel;
    }
    let mut head = Row::new().text(pad("", 10));
    for node in 0..nodes {
        head = head.dim(pad_left(&node.to_string(), column));
    }
    panel.line(head);
    for one in 0..nodes as u16 {
        let mut row = Row::new().text(format!(" {}", pad(&name(fleet, one), 9)));
        for other in 0..nodes as u16 {
            let pair = (one.min(other), one.max(other));
            let link = fleet.links.iter().find(|link| (link.a, link.b) == pair);
            let (glyph, role) = link.map_or(("·", Role::Dim), |link| weather_mark(link.weather));
            row = row.text(" ".repeat(column - 1)).with(role, glyph);
        }
        panel.line(row);
    }
    panel.foot = Row::new()
        .with(Role::Ok, "●")
        .dim(" open  ")
        .with(Role::Warn, "◌")
        .dim(" slow  ")
        .with(Role::Err, "✖")
        .dim(" cut");
    panel
}

fn name(fleet: &FleetStatus, node: u16) -> String {
    fleet
        .nodes
        .get(usize::from(node))
        .map_or_else(|| node.to_string(), |node| node.name.clone())
}

/// What the first node sees of it all: is anything final, and if not, whom does it wait for?
pub(in super::super) fn network(model: &Model, width: usize) -> Panel {
    let shown = model.shown();
    let status = &*shown.status;
    let mut panel = Panel::titled(Row::new().strong("Network").dim("  as this node sees it"));
    let Some(fleet) = &model.fleet else {
        return panel;
    };
    let label = |text: &str| Row::new().dim(pad(text, 10));
    let reachable = super::online(status);
    let (n, quorum) = (status.consensus.n, status.consensus.quorum);
    let (role, verdict, word) = if n == 0 {
        (Role::Dim, UNKNOWN, UNKNOWN)
    } else if reachable < quorum {
        (Role::Err, "✖ nothing can become final", "✖ halted")
    } else if reachable == quorum && n > quorum {
        (Role::Warn, "▲ at the limit", "▲ at the limit")
    } else {
        (Role::Ok, "● enough", "● enough")
    };
    let long = format!("{reachable} of {n} reachable, {quorum} needed   ");
    let fits = long.chars().count() + verdict.chars().count() + 10 <= width;
    let (words, verdict) = match fits {
        true => (long, verdict),
        false => (format!("{reachable}/{n}, needs {quorum}  "), word),
    };
    panel.line(label("quorum").text(words).with(role, verdict));
    panel.line(
        label("final")
            .text(format!("height {}", grouped(status.chain.height)))
            .dim(status.chain.finalized.map_or_else(String::new, |at| {
                format!("   {} ago", duration(shown.now.since_ms(at)))
            })),
    );
    let pool = &status.mempool;
    panel.line(
        label("traffic")
            .strong(format!("{} tx/s", fleet.traffic_per_s))
            .dim(" asked for   ")
            .text(format!("+{}/s −{}/s  ", pool.in_per_s, pool.out_per_s))
            .with(Role::Spark, spark(&pool.in_history, 24)),
    );
    let room = width.saturating_sub(10);
    let mut sentence = |name: &str, role: Role, text: &str| {
        for (number, line) in wrapped_in(text, room, SENTENCE_LINES_MAX).into_iter().enumerate() {
            panel.line(label(if number == 0 { name } else { "" }).with(role, line));
        }
    };
    match waiting_words(status) {
        "" => sentence("waits for", Role::Dim, "nobody"),
        text => sentence(
            "waits for",
            Role::Warn,
            text.strip_prefix("waiting for ").unwrap_or(text),
        ),
    }
    if !status.consensus.hint.is_empty() {
        sentence("", Role::Accent, &format!("→ {}", status.consensus.hint));
    }
    panel
}
