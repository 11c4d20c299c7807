//! What the console is told at its start, and whether there is a terminal to draw on at all.

use std::{io::IsTerminal, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{Depth, GlyphName, ThemeName};
use crate::control::FleetHandle;

/// The `[console]` section of the config.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `auto`, `night`, `day`, `ansi` or `mono`.
    pub theme: ThemeName,
    /// `auto`, `unicode` or `ascii`.
    pub glyphs: GlyphName,
    /// Whether the terminal rings and is sent a notification (OSC 9) when an alarm becomes critical.
    pub notify: bool,
}

/// What the process environment says about the terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// How many colours it shows.
    pub depth: Depth,
    /// Whether its locale is UTF-8.
    pub utf8: bool,
    /// Whether its background is light, where it says so (COLORFGBG).
    pub is_light: bool,
    /// True for `TERM=dumb` or none at all.
    pub is_dumb: bool,
}

impl Environment {
    /// Reads it through the caller's eyes: only the config room reads variables.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| get(name).filter(|value| !value.is_empty());
        let term = set("TERM").unwrap_or_default();
        let colours = set("COLORTERM").unwrap_or_default();
        let depth = if set("NO_COLOR").is_some() {
            Depth::None
        } else if colours.contains("truecolor") || colours.contains("24bit") || term.contains("direct") {
            Depth::TrueColour
        } else if term.contains("256") {
            Depth::Indexed
        } else {
            Depth::Ansi
        };
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(set)
            .unwrap_or_default()
            .to_lowercase();
        Self {
            depth,
            utf8: locale.contains("utf-8") || locale.contains("utf8"),
            is_light: set("COLORFGBG").is_some_and(|colours| is_light(&colours)),
            is_dumb: term.is_empty() || term == "dumb",
        }
    }
}

/// `foreground;background` or `foreground;default;background`, as numbers of the terminal's palette: white and
/// the bright colours but dark grey are light.
fn is_light(colours: &str) -> bool {
    colours
        .rsplit(';')
        .next()
        .and_then(|background| background.parse::<u8>().ok())
        .is_some_and(|background| matches!(background, 7 | 9..=15))
}

/// Called with `true` when the console has taken the terminal and with `false` when it gave it back.
pub type OnTerminal = Box<dyn Fn(bool) + Send>;

/// How a console is started.
#[derive(Default)]
pub struct Options {
    /// Theme and glyphs.
    pub config: Config,
    /// What the terminal can do.
    pub environment: Environment,
    /// Told when the terminal is taken and given back; shuts the log's way to stderr meanwhile.
    pub on_terminal: Option<OnTerminal>,
    /// The socket that leads back to the node in this process, for the line that is said on leaving.
    pub socket: Option<PathBuf>,
    /// The devnet that the node belongs to; its screen is there only with it.
    pub fleet: Option<FleetHandle>,
    /// Panics when this key is pressed. For the test that shows what happens then; never set otherwise.
    pub panic_on_key: Option<char>,
}

impl Options {
    pub(super) fn tell(&self, taken: bool) {
        if let Some(on_terminal) = &self.on_terminal {
            on_terminal(taken);
        }
    }

    /// The theme to begin with: a light terminal that says so gets the light one, unless somebody chose.
    pub(super) fn theme(&self) -> ThemeName {
        let shows_both = matches!(self.environment.depth, Depth::TrueColour | Depth::Indexed);
        match self.config.theme {
            ThemeName::Auto if self.environment.is_light && shows_both => ThemeName::Day,
            chosen => chosen,
        }
    }

    pub(super) fn is_ascii(&self) -> bool {
        match self.config.glyphs {
            GlyphName::Auto => !self.environment.utf8,
            GlyphName::Unicode => false,
            GlyphName::Ascii => true,
        }
    }
}

/// Why there is no console. None of these is an error of the node: it runs headless.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoScreen {
    /// Output goes to a file or a pipe.
    #[error("stdin or stdout is not a terminal")]
    NotATerminal,
    /// The terminal cannot place text.
    #[error("the terminal is dumb (TERM)")]
    Dumb,
    /// There is no source.
    #[error("there is no node to look at")]
    Nothing,
    /// The terminal refused.
    #[error("the terminal cannot be used: {0}")]
    Terminal(String),
}

/// Whether a console can be drawn here.
///
/// # Errors
/// Why not, for the one log line of a headless start.
pub fn can_draw(environment: &Environment) -> Result<(), NoScreen> {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Err(NoScreen::NotATerminal);
    }
    if environment.is_dumb {
        return Err(NoScreen::Dumb);
    }
    Ok(())
}
