//! Every key of the console. This one table feeds dispatch, footer and help; a key that does not
//! stand here does nothing.

use super::{key::Key, replay::ReplayAct};

/// A screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Screen {
    #[default]
    Overview,
    Consensus,
    Peers,
    Mempool,
    Sync,
    Logs,
    /// Only where the node belongs to a devnet of this process.
    Devnet,
}

impl Screen {
    /// In the order of their tabs.
    pub(super) const ALL: [Screen; 7] = [
        Screen::Overview,
        Screen::Consensus,
        Screen::Peers,
        Screen::Mempool,
        Screen::Sync,
        Screen::Logs,
        Screen::Devnet,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Screen::Overview => "Overview",
            Screen::Consensus => "Consensus",
            Screen::Peers => "Peers",
            Screen::Mempool => "Mempool",
            Screen::Sync => "Sync",
            Screen::Logs => "Logs",
            Screen::Devnet => "Devnet",
        }
    }

    /// For narrow tab rows.
    pub(super) fn short_name(self) -> &'static str {
        match self {
            Screen::Overview => "Over",
            Screen::Consensus => "Cons",
            Screen::Peers => "Peers",
            Screen::Mempool => "Pool",
            Screen::Sync => "Sync",
            Screen::Logs => "Logs",
            Screen::Devnet => "Dev",
        }
    }

    /// How many panels it has, for the zoom to go through.
    pub(super) fn panels(self) -> usize {
        match self {
            Screen::Overview => 7,
            Screen::Consensus => 5,
            Screen::Mempool => 6,
            Screen::Sync => 4,
            Screen::Peers => 3,
            Screen::Logs => 1,
            Screen::Devnet => 3,
        }
    }

    pub(super) fn index(self) -> usize {
        Self::ALL.iter().position(|screen| *screen == self).unwrap_or(0)
    }
}

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Screen(Screen),
    NextScreen,
    PreviousScreen,
    Up,
    Down,
    PageUp,
    PageDown,
    HalfUp,
    HalfDown,
    Top,
    Bottom,
    Left,
    Right,
    Open,
    Back,
    Help,
    Find,
    FindNext,
    FindPrevious,
    Filter,
    Sort,
    SortReverse,
    Pause,
    Follow,
    Acknowledge,
    Copy,
    Theme,
    Redraw,
    Replay,
    Leave,
    Interrupt,
    Suspend,
    HeightOlder,
    HeightNewer,
    RoundOlder,
    RoundNewer,
    LevelError,
    LevelWarn,
    LevelInfo,
    LevelDebug,
    LevelTrace,
    Target,
    Wrap,
    LogLevel,
    Disconnect,
    Ban,
    Unban,
    Bans,
    Resync,
    Palette,
    Zoom,
    Export,
    Mouse,
    NodeStop,
    NodeKill,
    NodePause,
    NodeStart,
    LinksCut,
    LinksSlow,
    LinksSplit,
    LinksHeal,
    TrafficUp,
    TrafficDown,
}

/// Where a binding holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Everywhere.
    All,
    /// On these screens; they come before [`Scope::All`].
    On(&'static [Screen]),
}

impl Scope {
    pub(super) fn holds(self, screen: Screen) -> bool {
        match self {
            Scope::All => true,
            Scope::On(screens) => screens.contains(&screen),
        }
    }
}

/// One line of the table.
pub(super) struct Binding {
    pub(super) scope: Scope,
    pub(super) keys: &'static [Key],
    /// How the keys are written in footer and help.
    pub(super) label: &'static str,
    pub(super) action: Action,
    /// What it does, for help.
    pub(super) help: &'static str,
    /// The word in the footer; empty keeps it out of there.
    pub(super) footer: &'static str,
    /// True if it leads to a dialog that can change the node.
    pub(super) acts: bool,
}

const TABLES: &[Screen] = &[Screen::Consensus, Screen::Peers];
const LOGS: &[Screen] = &[Screen::Logs];
const CONSENSUS: &[Screen] = &[Screen::Consensus];
const EVERY: &[Screen] = &Screen::ALL;
const MOVING: &[Screen] = &[
    Screen::Overview,
    Screen::Consensus,
    Screen::Peers,
    Screen::Logs,
    Screen::Devnet,
];
const RESYNC: &[Screen] = &[Screen::Overview, Screen::Sync];
const DEVNET: &[Screen] = &[Screen::Devnet];

const fn view(
    scope: Scope,
    keys: &'static [Key],
    label: &'static str,
    action: Action,
    help: &'static str,
    footer: &'static str,
) -> Binding {
    Binding {
        scope,
        keys,
        label,
        action,
        help,
        footer,
        acts: false,
    }
}

const fn act(
    scope: Scope,
    keys: &'static [Key],
    label: &'static str,
    action: Action,
    help: &'static str,
    footer: &'static str,
) -> Binding {
    Binding {
        scope,
        keys,
        label,
        action,
        help,
        footer,
        acts: true,
    }
}

/// The table, in the order of the footer: what helps most on a screen comes first.
#[rustfmt::skip]
pub(super) const KEYMAP: &[Binding] = &[
    // On some screens.
    view(Scope::On(TABLES), &[Key::Char('s')], "s", Action::Sort, "sort by the next column", "sort"),
    view(Scope::On(TABLES), &[Key::Char('S')], "S", Action::SortReverse, "reverse the sort", ""),
    view(Scope::On(TABLES), &[Key::Char('/')], "/", Action::Find, "show rows that hold a text; !text those that do not", "filter"),
    view(Scope::On(CONSENSUS), &[Key::Enter], "Enter", Action::Open, "look at the validator", "validator"),
    view(Scope::On(CONSENSUS), &[Key::Char('[')], "[", Action::HeightOlder, "one height back", ""),
    view(Scope::On(CONSENSUS), &[Key::Char(']')], "]", Action::HeightNewer, "one height on", "height"),
    view(Scope::On(CONSENSUS), &[Key::Char('{')], "{", Action::RoundOlder, "one round back", ""),
    view(Scope::On(CONSENSUS), &[Key::Char('}')], "}", Action::RoundNewer, "one round on", "round"),
    view(Scope::On(&[Screen::Peers]), &[Key::Enter], "Enter", Action::Open, "look at the peer", "detail"),
    act(Scope::On(&[Screen::Peers]), &[Key::Char('B')], "B", Action::Ban, "ban the peer…", "ban"),
    act(Scope::On(&[Screen::Peers]), &[Key::Char('U')], "U", Action::Unban, "lift the ban that is selected…", "unban"),
    view(Scope::On(&[Screen::Peers]), &[Key::Char('b')], "b", Action::Bans, "to the list of bans, and back", "bans"),
    act(Scope::On(&[Screen::Peers]), &[Key::Char('D')], "D", Action::Disconnect, "disconnect the peer…", "disconnect"),
    view(Scope::On(LOGS), &[Key::Char('f')], "f", Action::Follow, "follow the newest line", "follow"),
    view(Scope::On(LOGS), &[Key::Char('/')], "/", Action::Find, "find a text", "find"),
    view(Scope::On(LOGS), &[Key::Char('n')], "n", Action::FindNext, "next match, towards newer", ""),
    view(Scope::On(LOGS), &[Key::Char('N')], "N", Action::FindPrevious, "previous match, towards older", "next"),
    view(Scope::On(LOGS), &[Key::Char('&')], "&", Action::Filter, "show lines that hold a text; !text those that do not", "filter"),
    view(Scope::On(LOGS), &[Key::Char('T')], "T", Action::Target, "show lines of a target", "target"),
    view(Scope::On(LOGS), &[Key::Char('e')], "e", Action::LevelError, "show errors only", ""),
    view(Scope::On(LOGS), &[Key::Char('w')], "w", Action::LevelWarn, "show warnings and graver", ""),
    view(Scope::On(LOGS), &[Key::Char('i')], "i", Action::LevelInfo, "show outcomes and graver", ""),
    view(Scope::On(LOGS), &[Key::Char('d')], "d", Action::LevelDebug, "show steps and graver", ""),
    view(Scope::On(LOGS), &[Key::Char('t')], "t", Action::LevelTrace, "show everything", "level"),
    view(Scope::On(LOGS), &[Key::Char('W')], "W", Action::Wrap, "wrap long lines", "wrap"),
    act(Scope::On(RESYNC), &[Key::Char('R')], "R", Action::Resync, "build the chain database anew…, or give that up…", "resync"),
    act(Scope::On(LOGS), &[Key::Char('L')], "L", Action::LogLevel, "change what the node logs…", "log level"),
    act(Scope::On(DEVNET), &[Key::Char('K')], "K", Action::NodeKill, "kill the node, as a power cut would…", "kill"),
    act(Scope::On(DEVNET), &[Key::Char('X')], "X", Action::NodeStop, "stop the node in order…", "stop"),
    act(Scope::On(DEVNET), &[Key::Char('P')], "P", Action::NodePause, "freeze the node…, or let it go on", "freeze"),
    view(Scope::On(DEVNET), &[Key::Char('r')], "r", Action::NodeStart, "start the node again", "start"),
    view(Scope::On(DEVNET), &[Key::Char('c')], "c", Action::LinksCut, "cut all links of the node, or mend them", "cut"),
    view(Scope::On(DEVNET), &[Key::Char('u')], "u", Action::LinksHeal, "mend all links", "mend"),
    view(Scope::On(DEVNET), &[Key::Char('w')], "w", Action::LinksSlow, "slow all links of the node, or mend them", "slow"),
    view(Scope::On(DEVNET), &[Key::Char('v')], "v", Action::LinksSplit, "split the network in two halves", "split"),
    view(Scope::On(DEVNET), &[Key::Char('+'), Key::Char('=')], "+", Action::TrafficUp, "more traffic", "traffic"),
    view(Scope::On(DEVNET), &[Key::Char('-')], "-", Action::TrafficDown, "less traffic", ""),
    view(Scope::On(&[Screen::Overview]), &[Key::Enter], "Enter", Action::Open, "the events' place in the log", "logs"),
    view(Scope::On(CONSENSUS), &[Key::Char('f')], "f", Action::Follow, "back to the live height", "follow"),
    // Everywhere.
    view(Scope::On(MOVING), &[Key::Char('j'), Key::Down], "j ↓", Action::Down, "down", ""),
    view(Scope::On(MOVING), &[Key::Char('k'), Key::Up], "k ↑", Action::Up, "up", ""),
    view(Scope::On(EVERY), &[Key::Char('h'), Key::Left], "h ←", Action::Left, "left; the panel before, while zoomed", ""),
    view(Scope::On(EVERY), &[Key::Char('l'), Key::Right], "l →", Action::Right, "right; the next panel, while zoomed", ""),
    view(Scope::On(MOVING), &[Key::Char('g'), Key::Home], "g", Action::Top, "first", ""),
    view(Scope::On(MOVING), &[Key::Char('G'), Key::End], "G", Action::Bottom, "last", ""),
    view(Scope::On(MOVING), &[Key::PageUp], "PgUp", Action::PageUp, "a page up", ""),
    view(Scope::On(MOVING), &[Key::PageDown], "PgDn", Action::PageDown, "a page down", ""),
    view(Scope::On(MOVING), &[Key::Ctrl('u')], "^u", Action::HalfUp, "half a page up", ""),
    view(Scope::On(MOVING), &[Key::Ctrl('d')], "^d", Action::HalfDown, "half a page down", ""),
    view(Scope::All, &[Key::Char('1')], "1", Action::Screen(Screen::Overview), "Overview", ""),
    view(Scope::All, &[Key::Char('2')], "2", Action::Screen(Screen::Consensus), "Consensus", ""),
    view(Scope::All, &[Key::Char('3')], "3", Action::Screen(Screen::Peers), "Peers", ""),
    view(Scope::All, &[Key::Char('4')], "4", Action::Screen(Screen::Mempool), "Mempool", ""),
    view(Scope::All, &[Key::Char('5')], "5", Action::Screen(Screen::Sync), "Sync", ""),
    view(Scope::All, &[Key::Char('6')], "6", Action::Screen(Screen::Logs), "Logs", ""),
    view(Scope::All, &[Key::Char('7')], "7", Action::Screen(Screen::Devnet), "Devnet, under timed devnet", ""),
    view(Scope::All, &[Key::Tab], "Tab", Action::NextScreen, "next screen", "next"),
    view(Scope::All, &[Key::BackTab], "S-Tab", Action::PreviousScreen, "previous screen", ""),
    view(Scope::All, &[Key::Char('p'), Key::Char(' ')], "p", Action::Pause, "hold the view; the node goes on", "pause"),
    view(Scope::All, &[Key::Char('a')], "a", Action::Acknowledge, "acknowledge alarms", "ack"),
    view(Scope::All, &[Key::Char('r')], "r", Action::Replay, "look back: replay what this node recorded", "replay"),
    view(Scope::All, &[Key::Char('y')], "y", Action::Copy, "copy (OSC 52)", "copy"),
    view(Scope::All, &[Key::Char(':')], ":", Action::Palette, "commands by name; Tab completes, ↑ repeats", "commands"),
    view(Scope::All, &[Key::Char('z')], "z", Action::Zoom, "one panel over the whole screen, and back", "zoom"),
    view(Scope::All, &[Key::Char('x')], "x", Action::Export, "write screen and snapshot to <data>/exports", ""),
    view(Scope::All, &[Key::Char('m')], "m", Action::Mouse, "mouse on or off; off keeps the terminal's selection", ""),
    view(Scope::All, &[Key::Char('t')], "t", Action::Theme, "next theme", ""),
    view(Scope::All, &[Key::Ctrl('l')], "^L", Action::Redraw, "draw everything again", ""),
    view(Scope::All, &[Key::Esc], "Esc", Action::Back, "back one level; never leaves", ""),
    view(Scope::All, &[Key::Char('?')], "?", Action::Help, "this help", "help"),
    act(Scope::All, &[Key::Char('q')], "q", Action::Leave, "leave: detach, stop or stay", "leave"),
    act(Scope::All, &[Key::Ctrl('c')], "^C", Action::Interrupt, "stop dialog; twice within 3 s stops the node", ""),
    view(Scope::All, &[Key::Ctrl('z')], "^Z", Action::Suspend, "does nothing here: it would stop the validator", ""),
];

/// One line of the keys that only hold in a recording, where they come before all others.
pub(super) struct ReplayBinding {
    pub(super) keys: &'static [Key],
    /// How the keys are written in footer and help.
    pub(super) label: &'static str,
    pub(super) act: ReplayAct,
    /// What it does, for help.
    pub(super) help: &'static str,
    /// The word in the footer; empty keeps it out of there.
    pub(super) footer: &'static str,
}

const fn replay(
    keys: &'static [Key],
    label: &'static str,
    act: ReplayAct,
    help: &'static str,
    footer: &'static str,
) -> ReplayBinding {
    ReplayBinding {
        keys,
        label,
        act,
        help,
        footer,
    }
}

/// The keys of a recording.
#[rustfmt::skip]
pub(super) const REPLAY: &[ReplayBinding] = &[
    replay(&[Key::Char(' ')], "Space", ReplayAct::PlayPause, "play, and stand still", "play"),
    replay(&[Key::Char('.')], ".", ReplayAct::StepOn, "the next snapshot", ""),
    replay(&[Key::Char(',')], ",", ReplayAct::StepBack, "the snapshot before", "step"),
    replay(&[Key::Char('>')], ">", ReplayAct::MinuteOn, "a minute on", ""),
    replay(&[Key::Char('<')], "<", ReplayAct::MinuteBack, "a minute back", "minute"),
    replay(&[Key::Char('L')], "L", ReplayAct::HourOn, "an hour on", ""),
    replay(&[Key::Char('H')], "H", ReplayAct::HourBack, "an hour back; :at 03:12 goes anywhere", "hour"),
    replay(&[Key::Char('+'), Key::Char('=')], "+", ReplayAct::Faster, "faster, up to 60 times", ""),
    replay(&[Key::Char('-')], "-", ReplayAct::Slower, "slower", "speed"),
    replay(&[Key::Char('a')], "a", ReplayAct::NextAlarm, "to the next alarm", "alarm"),
    replay(&[Key::Char('A')], "A", ReplayAct::PreviousAlarm, "to the alarm before", ""),
    replay(&[Key::Char('(')], "(", ReplayAct::Start, "to the beginning", ""),
    replay(&[Key::Char(')')], ")", ReplayAct::End, "to the end", "ends"),
];

/// Whether a binding does on a screen what it says: its key may mean something else there, or in a
/// recording.
pub(super) fn is_in_force(binding: &Binding, screen: Screen, in_recording: bool) -> bool {
    binding.keys.first().is_some_and(|key| {
        lookup(screen, *key) == Some(binding.action) && !(in_recording && lookup_replay(*key).is_some())
    })
}

/// What a key does in a recording.
pub(super) fn lookup_replay(key: Key) -> Option<ReplayAct> {
    REPLAY
        .iter()
        .find(|binding| binding.keys.contains(&key))
        .map(|binding| binding.act)
}

/// What a key does on a screen.
pub(super) fn lookup(screen: Screen, key: Key) -> Option<Action> {
    let bound = |binding: &&Binding| binding.keys.contains(&key);
    KEYMAP
        .iter()
        .filter(|binding| matches!(binding.scope, Scope::On(_)) && binding.scope.holds(screen))
        .find(bound)
        .or_else(|| {
            KEYMAP
                .iter()
                .filter(|binding| binding.scope == Scope::All)
                .find(bound)
        })
        .map(|binding| binding.action)
}
