//! The palette: everything by its name, with completion and history. It opens the same dialogs as the
//! keys do, and can do nothing without them.

use super::{
    super::{
        Outcome,
        format::grouped,
        key::Key,
        keymap::{Action, Screen},
        model::{Act, Model, Needle, PromptKind, ToastKind},
        replay::ReplayAct,
        theme::ThemeName,
        vm,
    },
    Effect, ask, go, on_action,
    prompt::edit,
};
use crate::{
    control::{BanTarget, FleetCommand, LinkWeather, ResyncMode},
    crypto::PublicKey,
};

/// Completions that are shown.
pub(in super::super) const CANDIDATES_MAX: usize = 8;
/// Lines that are remembered.
const HISTORY_MAX: usize = 64;

/// A command of the palette.
struct Word {
    name: &'static str,
    /// What follows it, for people.
    argument: &'static str,
    help: &'static str,
    does: Does,
}

#[derive(Clone, Copy)]
enum Does {
    Show(Screen),
    Do(Action),
    Theme,
    Level,
    Goto,
    Disconnect,
    Ban,
    Unban,
    Filter,
    Find,
    Link(LinkWeather),
    Traffic,
    Replay,
    At,
    Peer { add: bool },
    Resync,
    Stop,
    Detach,
}

const fn word(name: &'static str, argument: &'static str, help: &'static str, does: Does) -> Word {
    Word {
        name,
        argument,
        help,
        does,
    }
}

#[rustfmt::skip]
const WORDS: &[Word] = &[
    word("overview", "", "is all well, and if not, what is it", Does::Show(Screen::Overview)),
    word("consensus", "", "who voted for what and when", Does::Show(Screen::Consensus)),
    word("peers", "", "who is connected", Does::Show(Screen::Peers)),
    word("mempool", "", "what waits", Does::Show(Screen::Mempool)),
    word("sync", "", "how far, how fast, from whom", Does::Show(Screen::Sync)),
    word("logs", "", "the last lines", Does::Show(Screen::Logs)),
    word("devnet", "", "nodes and links, under timed devnet", Does::Show(Screen::Devnet)),
    word("goto", "HEIGHT", "look at an earlier height", Does::Goto),
    word("filter", "TEXT", "show rows or lines that hold a text; !text inverts", Does::Filter),
    word("find", "TEXT", "find a text in the log", Does::Find),
    word("sort", "", "sort by the next column", Does::Do(Action::Sort)),
    word("reverse", "", "reverse the sort", Does::Do(Action::SortReverse)),
    word("pause", "", "hold the view, or let it go on", Does::Do(Action::Pause)),
    word("follow", "", "back to what is newest", Does::Do(Action::Follow)),
    word("zoom", "", "one panel over the whole screen, and back", Does::Do(Action::Zoom)),
    word("theme", "NAME", "night, day, ansi or mono", Does::Theme),
    word("mouse", "", "mouse on or off", Does::Do(Action::Mouse)),
    word("copy", "", "copy what is selected (OSC 52)", Does::Do(Action::Copy)),
    word("export", "", "write screen and snapshot to files", Does::Do(Action::Export)),
    word("redraw", "", "draw everything again", Does::Do(Action::Redraw)),
    word("replay", "BACK", "look back by 90s, 30m or 3h at what this node recorded", Does::Replay),
    word("at", "TIME", "what was recorded at 03:12 (UTC), or -30m", Does::At),
    word("help", "", "the keys of this screen", Does::Do(Action::Help)),
    word("ack", "", "acknowledge alarms", Does::Do(Action::Acknowledge)),
    word("level", "LEVEL", "change what the node logs…", Does::Level),
    word("ban", "PEER", "keep a peer or an address out… [1h 24h 7d 30d ever] [reason]", Does::Ban),
    word("unban", "WHOM", "let somebody in again…, or all", Does::Unban),
    word("disconnect", "PEER", "close the session with a peer…", Does::Disconnect),
    word("add", "HOST:PORT", "keep a connection to a peer…, until the next start", Does::Peer { add: true }),
    word("remove", "HOST:PORT", "stop dialling a peer…", Does::Peer { add: false }),
    word("cut", "NODE NODE", "cut the link between two nodes of the devnet", Does::Link(LinkWeather::Cut)),
    word("slow", "NODE NODE", "slow the link between two nodes", Does::Link(LinkWeather::Slow)),
    word("mend", "NODE NODE", "mend the link between two nodes", Does::Link(LinkWeather::Open)),
    word("heal", "", "mend all links of the devnet", Does::Do(Action::LinksHeal)),
    word("split", "", "split the devnet's network in two halves", Does::Do(Action::LinksSplit)),
    word("traffic", "TX/S", "how many transactions a second the devnet makes", Does::Traffic),
    word("resync", "MODE", "build the chain database anew…: reindex, snapshot or full", Does::Resync),
    word("stop", "", "stop the node…", Does::Stop),
    word("detach", "", "close the console; the node goes on", Does::Detach),
    word("quit", "", "leave: detach, stop or stay", Does::Do(Action::Leave)),
];

/// A way to go on from what is typed.
pub(in super::super) struct Candidate {
    /// The whole line.
    pub(in super::super) line: String,
    pub(in super::super) argument: &'static str,
    pub(in super::super) help: String,
}

pub(super) fn on_key(model: &mut Model, key: Key) -> Vec<Effect> {
    let Some(prompt) = &mut model.prompt else {
        return Vec::new();
    };
    match key {
        Key::Esc => model.prompt = None,
        Key::Backspace if prompt.input.value().is_empty() => model.prompt = None,
        Key::Enter => {
            let line = prompt.input.value().trim().to_owned();
            model.prompt = None;
            if line.is_empty() {
                return Vec::new();
            }
            model.history.retain(|old| *old != line);
            if model.history.len() == HISTORY_MAX {
                model.history.remove(0);
            }
            model.history.push(line.clone());
            return run(model, &line);
        }
        Key::Tab | Key::BackTab => complete(model, key == Key::Tab),
        Key::Up | Key::Down => {
            let back = match key {
                Key::Up => (prompt.back + 1).min(model.history.len()),
                _ => prompt.back.saturating_sub(1),
            };
            prompt.back = back;
            prompt.typed = None;
            let line = match back {
                0 => String::new(),
                back => model.history[model.history.len() - back].clone(),
            };
            prompt.input = line.into();
        }
        _ => {
            prompt.typed = None;
            edit(&mut prompt.input, key);
        }
    }
    Vec::new()
}

/// Puts the next completion of what was typed into the line.
fn complete(model: &mut Model, forward: bool) {
    let Some(prompt) = &model.prompt else { return };
    let now = prompt.input.value().to_owned();
    let typed = prompt.typed.clone().unwrap_or_else(|| now.clone());
    let lines: Vec<String> = candidates(model, &typed)
        .into_iter()
        .map(|candidate| candidate.line)
        .collect();
    let Some(last) = lines.len().checked_sub(1) else {
        return;
    };
    let at = lines.iter().position(|line| *line == now);
    let next = match (at, forward) {
        (None, true) => 0,
        (None, false) => last,
        (Some(at), true) if at == last => 0,
        (Some(at), true) => at + 1,
        (Some(0), false) => last,
        (Some(at), false) => at - 1,
    };
    if let Some(prompt) = &mut model.prompt {
        prompt.typed = Some(typed);
        prompt.input = lines[next].clone().into();
    }
}

/// How the line can go on, best first.
pub(in super::super) fn candidates(model: &Model, text: &str) -> Vec<Candidate> {
    let text = text.trim_start();
    let Some((name, argument)) = text.split_once(' ') else {
        return WORDS
            .iter()
            .filter(|word| word.name.starts_with(&text.to_lowercase()))
            .map(|word| Candidate {
                line: word.name.to_owned(),
                argument: word.argument,
                help: word.help.to_owned(),
            })
            .take(CANDIDATES_MAX)
            .collect();
    };
    let Some(word) = find(name) else {
        return Vec::new();
    };
    let argument = argument.trim_start().to_lowercase();
    arguments(model, word.does)
        .into_iter()
        .filter(|(value, _)| value.to_lowercase().starts_with(&argument))
        .map(|(value, help)| Candidate {
            line: format!("{} {value}", word.name),
            argument: "",
            help,
        })
        .take(CANDIDATES_MAX)
        .collect()
}

/// What may follow a command, each with a word about it.
fn arguments(model: &Model, does: Does) -> Vec<(String, String)> {
    let status = &model.shown().status;
    match does {
        Does::Theme => THEMES
            .iter()
            .map(|theme| (theme.word().to_owned(), String::new()))
            .collect(),
        Does::Level => Act::LOG_FILTERS
            .iter()
            .map(|level| ((*level).to_owned(), String::new()))
            .collect(),
        Does::Goto => vm::round::heights(status)
            .into_iter()
            .map(|height| {
                let rounds = vm::round::rounds(status, height).len();
                let help = match rounds {
                    0 | 1 => String::new(),
                    more => format!("{more} rounds"),
                };
                (height.to_string(), help)
            })
            .collect(),
        Does::Resync => ResyncMode::ALL
            .iter()
            .map(|mode| (mode.word().to_owned(), mode.meaning().to_owned()))
            .collect(),
        Does::Unban => status
            .peers
            .bans
            .iter()
            .map(|ban| (vm::peers::ban_name(status, &ban.target), ban.reason.clone()))
            .chain([("all".to_owned(), "every ban there is".to_owned())])
            .collect(),
        Does::Disconnect | Does::Ban => {
            let named = status.peers.rows.iter().map(|row| {
                let name = row.name.clone().unwrap_or_else(|| row.id.short());
                (crate::control::words::printable(&name), row.address.clone())
            });
            let mut named: Vec<(String, String)> = named.collect();
            named.sort_unstable();
            named
        }
        Does::Peer { add: false } => status
            .peers
            .missing
            .iter()
            .map(|address| (address.clone(), "not connected".to_owned()))
            .collect(),
        Does::Link(_) => {
            let nodes = model.fleet.as_ref().map_or(&[][..], |fleet| &fleet.nodes);
            nodes
                .iter()
                .map(|node| (node.name.clone(), node.state.word().to_owned()))
                .collect()
        }
        Does::Show(_)
        | Does::Do(_)
        | Does::Filter
        | Does::Find
        | Does::Traffic
        | Does::Replay
        | Does::At
        | Does::Peer { add: true }
        | Does::Stop
        | Does::Detach => Vec::new(),
    }
}

const THEMES: [ThemeName; 5] = [
    ThemeName::Auto,
    ThemeName::Night,
    ThemeName::Day,
    ThemeName::Ansi,
    ThemeName::Mono,
];

/// The command of that name, or the only one that begins so.
fn find(name: &str) -> Option<&'static Word> {
    let name = name.to_lowercase();
    let exact = WORDS.iter().find(|word| word.name == name);
    let mut begun = WORDS.iter().filter(|word| word.name.starts_with(&name));
    exact.or_else(|| begun.next().filter(|_| begun.next().is_none()))
}

fn run(model: &mut Model, line: &str) -> Vec<Effect> {
    let (name, argument) = line.split_once(' ').unwrap_or((line, ""));
    let argument = argument.trim();
    let Some(word) = find(name) else {
        model.toast(
            ToastKind::Refused,
            format!("no command is called {name}; : and Tab lists them"),
        );
        return Vec::new();
    };
    if !word.argument.is_empty() && argument.is_empty() {
        // Not a mistake: the line waits for the rest of it.
        super::prompt::begin(model, PromptKind::Palette, format!("{} ", word.name));
        return Vec::new();
    }
    match word.does {
        Does::Show(screen) => go(model, screen),
        Does::Do(action) => return on_action(model, action),
        Does::Theme => match THEMES.iter().find(|theme| theme.word() == argument) {
            Some(theme) => {
                model.theme = *theme;
                model.toast(ToastKind::Info, format!("theme {}", theme.word()));
            }
            None => refuse(model, "theme", argument, "night, day, ansi or mono"),
        },
        Does::Level => match Act::LOG_FILTERS.iter().position(|level| *level == argument) {
            Some(choice) => ask(model, Act::LogFilter { choice }),
            // The node knows its own parts and refuses what it cannot read.
            None if argument.contains('=') => {
                let filter = crate::control::words::printable(argument);
                ask(model, Act::LogRule { filter });
            }
            None => refuse(
                model,
                "level",
                argument,
                "error, warn, info, debug, trace, or such as info,timecoin::network=debug",
            ),
        },
        Does::Goto => goto(model, argument),
        Does::Disconnect => match peer_named(model, argument) {
            Some((peer, name)) => {
                go(model, Screen::Peers);
                model.peers.selected = Some(peer);
                ask(model, Act::Disconnect { peer, name });
            }
            None => refuse(model, "peer", argument, "a name of the Peers screen"),
        },
        Does::Ban => ban(model, argument),
        Does::Unban if argument == "all" => ask(model, Act::UnbanAll),
        Does::Unban => {
            let status = model.shown().status.clone();
            let found = status
                .peers
                .bans
                .iter()
                .find(|ban| vm::peers::ban_name(&status, &ban.target) == argument);
            match found {
                Some(found) => ask(
                    model,
                    Act::Unban {
                        target: found.target,
                        name: argument.to_owned(),
                    },
                ),
                None => refuse(
                    model,
                    "ban",
                    argument,
                    "whom the Peers screen lists below, or all",
                ),
            }
        }
        Does::Filter => {
            let needle = Needle::new(argument);
            match model.screen {
                Screen::Consensus => model.votes.filter = needle,
                Screen::Peers => model.peers.filter = needle,
                _ => {
                    go(model, Screen::Logs);
                    model.log.filter = needle;
                }
            }
        }
        Does::Find => {
            go(model, Screen::Logs);
            model.log.find = Needle::new(argument);
            super::moving::step(model, Action::FindPrevious);
        }
        Does::Link(weather) => return change_link(model, argument, weather),
        Does::Traffic => match argument.parse::<f64>() {
            Ok(per_s) if model.fleet.is_some() && per_s.is_finite() => {
                let command = FleetCommand::Traffic { per_s };
                return super::fleet::send(model, command, format!("traffic {per_s} tx/s"));
            }
            _ => refuse(model, "traffic", argument, "a number, under timed devnet"),
        },
        Does::Replay => match crate::console::moment::back_ms(argument) {
            Some(back_ms) => return super::session::look_back(model, back_ms),
            None => refuse(model, "time", argument, "90s, 30m or 3h"),
        },
        Does::At => return at(model, argument),
        Does::Peer { add } => {
            let address = crate::control::words::printable(argument);
            ask(model, Act::Dial { address, add });
        }
        Does::Resync => match ResyncMode::named(argument) {
            Some(mode) => return super::act::ask_resync(model, mode),
            None => refuse(model, "mode", argument, "reindex, snapshot or full"),
        },
        Does::Stop => ask(model, Act::Stop),
        Does::Detach => return vec![Effect::Exit(Outcome::Detached)],
    }
    Vec::new()
}

fn refuse(model: &mut Model, what: &str, given: &str, instead: &str) {
    let given = crate::control::words::printable(given);
    model.toast(ToastKind::Refused, format!("no {what} {given}; write {instead}"));
}

fn goto(model: &mut Model, argument: &str) {
    let digits: String = argument.chars().filter(|c| !c.is_whitespace()).collect();
    let heights = vm::round::heights(&model.shown().status);
    match digits.parse::<u64>() {
        Ok(height) if heights.contains(&height) => {
            go(model, Screen::Consensus);
            model.votes.height = Some(height);
            model.votes.round = None;
        }
        Ok(height) => {
            let known = match (heights.last(), heights.first()) {
                (Some(first), Some(last)) => format!("{} to {}", grouped(*first), grouped(*last)),
                _ => "none yet".to_owned(),
            };
            model.toast(
                ToastKind::Refused,
                format!("height {} is not remembered; {known} are", grouped(height)),
            );
        }
        Err(_) => refuse(model, "height", argument, "a number"),
    }
}

/// In a recording a jump, else the recording opened there.
fn at(model: &mut Model, argument: &str) -> Vec<Effect> {
    let now_ms = model.live.now.unix_ms;
    let end_ms = model
        .session
        .replay
        .as_ref()
        .map_or(now_ms, |replay| replay.moments.to_ms);
    match crate::console::moment::moment(argument, end_ms) {
        Ok(at_ms) if model.session.replay.is_some() => vec![Effect::Replay(ReplayAct::At(at_ms))],
        Ok(at_ms) => super::session::look_back(model, end_ms.saturating_sub(at_ms)),
        Err(why) => {
            model.toast(ToastKind::Refused, why);
            Vec::new()
        }
    }
}

fn change_link(model: &mut Model, argument: &str, weather: LinkWeather) -> Vec<Effect> {
    let pair: Vec<u16> = {
        let nodes = model.fleet.as_ref().map_or(&[][..], |fleet| &fleet.nodes);
        argument
            .split_whitespace()
            .filter_map(|name| Some(nodes.iter().position(|node| node.name == name)? as u16))
            .collect()
    };
    match pair[..] {
        [a, b] if a != b => {
            let words = format!("link {argument} {}", weather.word());
            super::fleet::weather(model, vec![(a, b)], weather, words)
        }
        _ => {
            refuse(model, "link", argument, "two names of the Devnet screen");
            Vec::new()
        }
    }
}

/// `mn-07 24h slow votes`: whom, perhaps for how long, perhaps why.
fn ban(model: &mut Model, argument: &str) {
    let (whom, rest) = argument.split_once(' ').unwrap_or((argument, ""));
    let known = peer_named(model, whom).map(|(id, name)| (BanTarget::Node(id), name));
    let given = || {
        whom.parse::<BanTarget>()
            .ok()
            .map(|target| (target, whom.to_owned()))
    };
    let Some((target, name)) = known.or_else(given) else {
        refuse(
            model,
            "peer",
            whom,
            "a name of the Peers screen, 203.0.113.7 or 203.0.113.0/24",
        );
        return;
    };
    let rest = rest.trim();
    let (first, after) = rest.split_once(' ').unwrap_or((rest, ""));
    let length = ["1h", "24h", "7d", "30d", "ever"]
        .iter()
        .position(|word| *word == first);
    let reason = match length {
        Some(_) => after.trim(),
        None => rest,
    };
    let act = Act::Ban {
        target,
        name,
        choice: length.unwrap_or(Act::BAN_DAY),
        reason: match reason {
            "" => super::BAN_REASON.to_owned(),
            reason => crate::control::words::printable(reason),
        },
    };
    go(model, Screen::Peers);
    ask(model, act);
}

fn peer_named(model: &Model, name: &str) -> Option<(PublicKey, String)> {
    let rows = &model.shown().status.peers.rows;
    rows.iter()
        .find(|row| row.name.as_deref() == Some(name))
        .or_else(|| rows.iter().find(|row| row.id.to_string().starts_with(name)))
        .map(|row| {
            let name = row.name.clone().unwrap_or_else(|| row.id.short());
            (row.id, name)
        })
}
