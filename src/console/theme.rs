//! Colours, and the only file that names one. The rest of the console speaks in roles.
//!
//! Contrast figures of "night" and "day" stand in docs; the terminal's own background is never
//! painted. No state is told by colour alone: each has its glyph or word as well. The colours of states
//! were searched for the greatest distance between any two under normal sight and three kinds of
//! colour-blindness; tests/colours.rs measures it.

use ratatui::style::{Color, Modifier, Style};

/// What a piece of the screen means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Role {
    Text,
    Strong,
    Dim,
    Border,
    Focus,
    Accent,
    Ok,
    Warn,
    Err,
    Crit,
    Select,
    Button,
    Match,
    Bar,
    BarRest,
    Spark,
    VoteThis,
    VoteOther,
    VoteLate,
    VoteNone,
    VoteBad,
}

impl Role {
    pub(super) const ALL: [Role; 21] = [
        Role::Text,
        Role::Strong,
        Role::Dim,
        Role::Border,
        Role::Focus,
        Role::Accent,
        Role::Ok,
        Role::Warn,
        Role::Err,
        Role::Crit,
        Role::Select,
        Role::Button,
        Role::Match,
        Role::Bar,
        Role::BarRest,
        Role::Spark,
        Role::VoteThis,
        Role::VoteOther,
        Role::VoteLate,
        Role::VoteNone,
        Role::VoteBad,
    ];
}

/// Which set of colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ThemeName {
    /// By what the terminal can do.
    #[default]
    Auto,
    /// For dark backgrounds.
    Night,
    /// For light backgrounds.
    Day,
    /// The terminal's own sixteen colours.
    Ansi,
    /// No colour at all: weight, reverse and glyphs only.
    Mono,
}

impl ThemeName {
    /// The word in config and toasts.
    pub fn word(self) -> &'static str {
        match self {
            ThemeName::Auto => "auto",
            ThemeName::Night => "night",
            ThemeName::Day => "day",
            ThemeName::Ansi => "ansi",
            ThemeName::Mono => "mono",
        }
    }

    /// The next one for the theme key; never `Auto`.
    pub(super) fn next(self) -> Self {
        match self {
            ThemeName::Night => ThemeName::Day,
            ThemeName::Day => ThemeName::Ansi,
            ThemeName::Ansi => ThemeName::Mono,
            ThemeName::Mono | ThemeName::Auto => ThemeName::Night,
        }
    }
}

/// How many colours the terminal shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// 24 bits.
    TrueColour,
    /// The 256-colour palette.
    Indexed,
    /// Sixteen.
    #[default]
    Ansi,
    /// None (NO_COLOR, dumb terminals).
    None,
}

/// A style for every role.
#[derive(Clone, Debug)]
pub(super) struct Theme {
    styles: [Style; Role::ALL.len()],
}

impl Theme {
    /// The theme by its name, in what the terminal can show.
    pub(super) fn new(name: ThemeName, depth: Depth) -> Self {
        let style = match (name, depth) {
            (ThemeName::Mono, _) | (_, Depth::None) => mono,
            (ThemeName::Ansi, _) | (_, Depth::Ansi) => ansi,
            (ThemeName::Day, _) => day,
            (ThemeName::Night | ThemeName::Auto, _) => night,
        };
        let mut styles = Role::ALL.map(style);
        if depth == Depth::Indexed {
            for style in &mut styles {
                style.fg = style.fg.map(to_indexed);
                style.bg = style.bg.map(to_indexed);
            }
        }
        Self { styles }
    }

    /// The name that `Auto` stands for.
    pub(super) fn resolve(name: ThemeName, depth: Depth) -> ThemeName {
        match (name, depth) {
            (_, Depth::None) => ThemeName::Mono,
            (ThemeName::Auto, Depth::Ansi) => ThemeName::Ansi,
            (ThemeName::Auto, Depth::TrueColour | Depth::Indexed) => ThemeName::Night,
            (chosen, _) => chosen,
        }
    }

    /// A theme whose styles tell roles apart and nothing else, for tests that look at roles.
    #[cfg(test)]
    pub(super) fn probe() -> Self {
        Self {
            styles: Role::ALL.map(|role| Style::new().fg(Color::Indexed(role as u8))),
        }
    }

    /// The role a cell of a frame drawn with [`Theme::probe`] was given.
    #[cfg(test)]
    pub(super) fn probed(style: Style) -> Option<Role> {
        match style.fg {
            Some(Color::Indexed(index)) => Role::ALL.get(usize::from(index)).copied(),
            _ => None,
        }
    }

    pub(super) fn style(&self, role: Role) -> Style {
        self.styles[role as usize]
    }
}

const fn rgb(hex: u32) -> Color {
    Color::Rgb((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

fn night(role: Role) -> Style {
    palette(
        role,
        &Palette {
            text: rgb(0xd7_da_e0),
            dim: rgb(0x8b_93_a1),
            border: rgb(0x5b_65_77),
            accent: rgb(0x53_9b_f5),
            ok: rgb(0xb7_ee_a6),
            warn: rgb(0xf0_e4_42),
            err: rgb(0xf7_69_47),
            crit: (rgb(0xff_ff_ff), rgb(0xb3_26_1e)),
            select: rgb(0x2a_31_40),
            button: (rgb(0x11_15_1c), rgb(0x53_9b_f5)),
            found: (rgb(0x11_15_1c), rgb(0xf0_e4_42)),
            rest: rgb(0x3a_42_50),
        },
    )
}

fn day(role: Role) -> Style {
    palette(
        role,
        &Palette {
            text: rgb(0x1f_23_28),
            dim: rgb(0x59_63_6e),
            border: rgb(0x81_8b_98),
            accent: rgb(0x25_5b_e5),
            ok: rgb(0x24_85_4e),
            warn: rgb(0x96_73_00),
            err: rgb(0x7a_1a_12),
            crit: (rgb(0xff_ff_ff), rgb(0xb3_26_1e)),
            select: rgb(0xdd_e7_f5),
            button: (rgb(0xff_ff_ff), rgb(0x25_5b_e5)),
            found: (rgb(0x1f_23_28), rgb(0xf5_d9_5a)),
            rest: rgb(0xc4_cc_d6),
        },
    )
}

fn ansi(role: Role) -> Style {
    palette(
        role,
        &Palette {
            text: Color::Reset,
            dim: Color::DarkGray,
            border: Color::DarkGray,
            accent: Color::Cyan,
            ok: Color::Green,
            warn: Color::Yellow,
            err: Color::LightRed,
            crit: (Color::White, Color::Red),
            select: Color::Reset,
            button: (Color::Black, Color::Cyan),
            found: (Color::Black, Color::Yellow),
            rest: Color::DarkGray,
        },
    )
}

struct Palette {
    text: Color,
    dim: Color,
    border: Color,
    accent: Color,
    ok: Color,
    warn: Color,
    err: Color,
    crit: (Color, Color),
    select: Color,
    button: (Color, Color),
    found: (Color, Color),
    rest: Color,
}

fn palette(role: Role, colours: &Palette) -> Style {
    let fg = |colour: Color| Style::new().fg(colour);
    let pair = |(fg, bg): (Color, Color)| Style::new().fg(fg).bg(bg).add_modifier(Modifier::BOLD);
    match role {
        Role::Text => fg(colours.text),
        Role::Strong => fg(colours.text).add_modifier(Modifier::BOLD),
        Role::Dim => fg(colours.dim),
        Role::Border => fg(colours.border),
        Role::Focus => fg(colours.accent).add_modifier(Modifier::BOLD),
        Role::Accent | Role::Bar | Role::Spark => fg(colours.accent),
        Role::Ok | Role::VoteThis => fg(colours.ok),
        Role::Warn | Role::VoteOther | Role::VoteLate => fg(colours.warn),
        Role::Err => fg(colours.err),
        Role::VoteBad => fg(colours.err).add_modifier(Modifier::BOLD),
        Role::Crit => pair(colours.crit),
        Role::Select => match colours.select {
            Color::Reset => Style::new().add_modifier(Modifier::REVERSED),
            colour => Style::new().bg(colour).add_modifier(Modifier::BOLD),
        },
        Role::Button => pair(colours.button),
        Role::Match => pair(colours.found),
        Role::BarRest => fg(colours.rest),
        Role::VoteNone => fg(colours.dim),
    }
}

fn mono(role: Role) -> Style {
    let plain = Style::new();
    match role {
        Role::Text
        | Role::Accent
        | Role::Ok
        | Role::Bar
        | Role::Spark
        | Role::VoteThis
        | Role::VoteNone
        | Role::VoteLate => plain,
        Role::Strong | Role::Focus | Role::Warn | Role::Err | Role::VoteOther | Role::VoteBad => {
            plain.add_modifier(Modifier::BOLD)
        }
        Role::Dim | Role::Border | Role::BarRest => plain.add_modifier(Modifier::DIM),
        Role::Crit | Role::Button | Role::Match => plain.add_modifier(Modifier::REVERSED | Modifier::BOLD),
        Role::Select => plain.add_modifier(Modifier::REVERSED),
    }
}

/// The nearest of the 6×6×6 cube and the grey ramp.
fn to_indexed(colour: Color) -> Color {
    let Color::Rgb(r, g, b) = colour else {
        return colour;
    };
    const STEPS: [i32; 6] = [0, 95, 135, 175, 215, 255];
    let nearest = |value: u8| {
        (0..6)
            .min_by_key(|step| (STEPS[*step] - i32::from(value)).abs())
            .unwrap_or(0)
    };
    let distance = |red: i32, green: i32, blue: i32| {
        let d = |a: i32, b: u8| (a - i32::from(b)).pow(2);
        d(red, r) + d(green, g) + d(blue, b)
    };
    let (cr, cg, cb) = (nearest(r), nearest(g), nearest(b));
    let cube = (
        distance(STEPS[cr], STEPS[cg], STEPS[cb]),
        (16 + 36 * cr + 6 * cg + cb) as u8,
    );
    let grey = (0..24)
        .map(|step| {
            let level = 8 + 10 * step;
            (distance(level, level, level), (232 + step) as u8)
        })
        .min()
        .unwrap_or(cube);
    Color::Indexed(cube.min(grey).1)
}
