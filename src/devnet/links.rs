//! All links of a devnet: every node dials every other through a relay of its own, so that the line
//! between any two can be cut or slowed, both ways at once.

use std::{collections::BTreeMap, time::Duration};

use tokio::runtime::Handle;

use super::{
    DevnetError, Layout,
    error::io_error,
    link::{Link, Weather},
};
use crate::control::{FleetLink, LinkWeather};

/// Most nodes that get links: their number grows with the square of it, and each is a port and a task.
pub const LINKED_NODES_MAX: u16 = 16;

/// A bad line: what passes takes a second each way, and some of it more.
const SLOW: Weather = Weather {
    is_cut: false,
    is_cut_forth: false,
    is_cut_back: false,
    delay: Duration::from_millis(1_000),
    jitter: Duration::from_millis(100),
    loss: 0.01,
};

/// The links of a devnet. Dropping them closes everything that passes.
#[derive(Debug, Default)]
pub struct Links {
    /// By dialing and dialed node.
    relays: BTreeMap<(u16, u16), Link>,
    /// By pair, the lower number first.
    weather: BTreeMap<(u16, u16), LinkWeather>,
}

impl Links {
    /// Opens a relay for each direction of each pair, run by `runtime`; none in a larger devnet than
    /// [`LINKED_NODES_MAX`].
    ///
    /// # Errors
    /// If there are no ports for them.
    pub fn open(runtime: &Handle, layout: &Layout) -> Result<Self, DevnetError> {
        let mut links = Self::default();
        let nodes = layout.nodes();
        if nodes > LINKED_NODES_MAX {
            return Ok(links);
        }
        for from in 0..nodes {
            for to in (0..nodes).filter(|to| *to != from) {
                let seed = (u64::from(from) << 16) | (u64::from(to) + 1);
                let link =
                    Link::open(runtime, layout.p2p(to), seed).map_err(io_error(layout.dir().to_owned()))?;
                links.relays.insert((from, to), link);
                links
                    .weather
                    .insert((from.min(to), from.max(to)), LinkWeather::Open);
            }
        }
        Ok(links)
    }

    /// Whom a node dials; empty if there are no links.
    pub fn dialed_by(&self, node: u16) -> Vec<String> {
        self.relays
            .iter()
            .filter(|((from, _), _)| *from == node)
            .map(|(_, link)| link.address().to_string())
            .collect()
    }

    /// Changes a pair, both ways. False if there is no such pair.
    pub fn set(&mut self, one: u16, other: u16, weather: LinkWeather) -> bool {
        let Some(known) = self.weather.get_mut(&(one.min(other), one.max(other))) else {
            return false;
        };
        *known = weather;
        let passing = match weather {
            LinkWeather::Open => Weather::default(),
            LinkWeather::Slow => SLOW,
            LinkWeather::Cut => Weather {
                is_cut: true,
                ..Weather::default()
            },
        };
        for pair in [(one, other), (other, one)] {
            if let Some(link) = self.relays.get(&pair) {
                link.set(passing);
            }
        }
        true
    }

    /// Every pair and how it is.
    pub fn status(&self) -> Vec<FleetLink> {
        self.weather
            .iter()
            .map(|((a, b), weather)| FleetLink {
                a: *a,
                b: *b,
                weather: *weather,
            })
            .collect()
    }
}
