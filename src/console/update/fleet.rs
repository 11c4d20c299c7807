//! The keys of the Devnet screen. What ends or freezes a node asks first, as everywhere; links and traffic
//! change at once, since a devnet is for trying things and one key mends all links.

use std::sync::Arc;

use super::{
    super::{
        keymap::Action,
        model::{Act, Fate, Model, ToastKind},
    },
    Effect, ask,
};
use crate::control::{FleetCommand, FleetState, FleetStatus, LinkWeather};

/// Steps of the traffic, in transactions per second.
const TRAFFIC: [f64; 12] = [
    0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0,
];

pub(super) fn on_action(model: &mut Model, action: Action) -> Vec<Effect> {
    let Some(fleet) = model.fleet.clone() else {
        return Vec::new();
    };
    let at = model.fleet_at;
    let Some(node) = fleet.nodes.get(usize::from(at)).cloned() else {
        return Vec::new();
    };
    let end = |model: &mut Model, fate| {
        if node.is_here {
            model.toast(
                ToastKind::Info,
                format!(
                    "{} is this process; q, s stops it and the whole devnet",
                    node.name
                ),
            );
        } else if !node.state.has_process() {
            model.toast(ToastKind::Info, format!("{} is down; r starts it", node.name));
        } else {
            let name = node.name.clone();
            ask(model, Act::Node { node: at, name, fate });
        }
        Vec::new()
    };
    match action {
        Action::NodeStop => end(model, Fate::Stop),
        Action::NodeKill => end(model, Fate::Kill),
        Action::NodePause if node.state == FleetState::Paused => send(
            model,
            FleetCommand::Resume { node: at },
            format!("{} goes on", node.name),
        ),
        Action::NodePause => end(model, Fate::Pause),
        Action::NodeStart => send(
            model,
            FleetCommand::Start { node: at },
            format!("{} started", node.name),
        ),
        Action::LinksCut => change_links(model, &fleet, at, LinkWeather::Cut),
        Action::LinksSlow => change_links(model, &fleet, at, LinkWeather::Slow),
        Action::LinksSplit => {
            let half = fleet.nodes.len() as u16 / 2;
            let links = fleet
                .links
                .iter()
                .filter(|link| link.a < half && link.b >= half)
                .map(|link| (link.a, link.b))
                .collect();
            let names = |from: u16, to: u16| {
                let names: Vec<&str> = (from..to)
                    .filter_map(|n| Some(fleet.nodes.get(usize::from(n))?.name.as_str()))
                    .collect();
                names.join(" ")
            };
            let all = fleet.nodes.len() as u16;
            let words = format!("split: {} | {}", names(0, half), names(half, all));
            weather(model, links, LinkWeather::Cut, words)
        }
        Action::LinksHeal => {
            let links = fleet.links.iter().map(|link| (link.a, link.b)).collect();
            weather(model, links, LinkWeather::Open, "all links mended".to_owned())
        }
        Action::TrafficUp | Action::TrafficDown => {
            let now = fleet.traffic_per_s;
            let per_s = match action {
                Action::TrafficUp => TRAFFIC.into_iter().find(|step| *step > now),
                _ => TRAFFIC.into_iter().rev().find(|step| *step < now),
            };
            match per_s {
                Some(per_s) => send(
                    model,
                    FleetCommand::Traffic { per_s },
                    format!("traffic {per_s} tx/s"),
                ),
                None => Vec::new(),
            }
        }
        _ => Vec::new(),
    }
}

/// All links of a node; back to open if they are all so already.
fn change_links(model: &mut Model, fleet: &FleetStatus, node: u16, to: LinkWeather) -> Vec<Effect> {
    let own: Vec<_> = fleet
        .links
        .iter()
        .filter(|link| link.a == node || link.b == node)
        .collect();
    let done = own.iter().all(|link| link.weather == to);
    let to = if done { LinkWeather::Open } else { to };
    let name = fleet
        .nodes
        .get(usize::from(node))
        .map_or_else(String::new, |node| node.name.clone());
    let links = own.iter().map(|link| (link.a, link.b)).collect();
    weather(model, links, to, format!("links of {name} {}", to.word()))
}

/// Changes links that are named.
pub(super) fn weather(
    model: &mut Model,
    links: Vec<(u16, u16)>,
    weather: LinkWeather,
    words: String,
) -> Vec<Effect> {
    if links.is_empty() {
        model.toast(ToastKind::Info, "this devnet has no links to change");
        return Vec::new();
    }
    send(model, FleetCommand::Links { links, weather }, words)
}

/// What was asked for counts at once for the keys that follow; the next word of the devnet is what holds.
fn foresee(model: &mut Model, command: &FleetCommand) {
    let Some(fleet) = &mut model.fleet else { return };
    let fleet = Arc::make_mut(fleet);
    match command {
        FleetCommand::Traffic { per_s } => fleet.traffic_per_s = *per_s,
        FleetCommand::Links { links, weather } => {
            for link in &mut fleet.links {
                if links.contains(&(link.a, link.b)) || links.contains(&(link.b, link.a)) {
                    link.weather = *weather;
                }
            }
        }
        FleetCommand::Start { .. }
        | FleetCommand::Stop { .. }
        | FleetCommand::Kill { .. }
        | FleetCommand::Pause { .. }
        | FleetCommand::Resume { .. } => {}
    }
}

pub(super) fn send(model: &mut Model, command: FleetCommand, words: String) -> Vec<Effect> {
    foresee(model, &command);
    let id = model.next_command;
    model.next_command += 1;
    model.waiting.insert(id, words);
    vec![Effect::Fleet(id, command)]
}
