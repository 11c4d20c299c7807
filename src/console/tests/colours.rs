//! States differ by their glyphs; where there are colours, they differ by colour for everybody as well:
//! CIE distances under normal sight and three simulated kinds of colour-blindness.

use ratatui::style::Color;

use super::super::theme::{Depth, Role, Theme, ThemeName};

/// Distances that TARGETS asks for at least.
const MUST: f64 = 20.0;

/// Severity 1.0 of Machado, Oliveira and Fernandes, "A physiologically-based model for simulation of
/// color vision deficiency" (2009), on linear RGB; the first is normal sight.
const SIGHTS: [(&str, [[f64; 3]; 3]); 4] = [
    ("normal", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
    (
        "protanopia",
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ],
    ),
    (
        "deuteranopia",
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ],
    ),
    (
        "tritanopia",
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ],
    ),
];

/// The roles that tell a state: busy, well, look when you can, look now, unknown.
const STATES: [Role; 5] = [Role::Accent, Role::Ok, Role::Warn, Role::Err, Role::Dim];

fn linear(colour: Color) -> [f64; 3] {
    let Color::Rgb(r, g, b) = colour else {
        panic!("{colour:?} is not a colour of a palette");
    };
    [r, g, b].map(|value| {
        let value = f64::from(value) / 255.0;
        match value <= 0.04045 {
            true => value / 12.92,
            false => ((value + 0.055) / 1.055).powf(2.4),
        }
    })
}

/// CIE 1976 L*a*b* under D65.
fn lab([r, g, b]: [f64; 3]) -> [f64; 3] {
    let f = |t: f64| match t > 0.008856 {
        true => t.cbrt(),
        false => 7.787 * t + 16.0 / 116.0,
    };
    let x = f((0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047);
    let y = f(0.2126729 * r + 0.7151522 * g + 0.0721750 * b);
    let z = f((0.0193339 * r + 0.1191920 * g + 0.9503041 * b) / 1.08883);
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

fn seen(colour: Color, sight: &[[f64; 3]; 3]) -> [f64; 3] {
    let [r, g, b] = linear(colour);
    lab(sight.map(|row| (row[0] * r + row[1] * g + row[2] * b).clamp(0.0, 1.0)))
}

fn least_distance(name: ThemeName) -> (f64, String) {
    let theme = Theme::new(name, Depth::TrueColour);
    let colour = |role: Role| theme.style(role).fg.unwrap();
    let mut least = (f64::MAX, String::new());
    for (sight, matrix) in &SIGHTS {
        for (at, one) in STATES.iter().enumerate() {
            for other in &STATES[at + 1..] {
                let (a, b) = (seen(colour(*one), matrix), seen(colour(*other), matrix));
                let distance = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                if distance < least.0 {
                    least = (distance, format!("{one:?} and {other:?}, {sight}"));
                }
            }
        }
    }
    least
}

fn luminance(colour: Color) -> f64 {
    let [r, g, b] = linear(colour);
    0.2126729 * r + 0.7151522 * g + 0.0721750 * b
}

fn contrast(a: Color, b: Color) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn states_differ_in_colour_for_everybody() {
    for (name, aim) in [(ThemeName::Night, 28.0), (ThemeName::Day, MUST)] {
        let (distance, pair) = least_distance(name);
        assert!(distance >= aim, "{}: {distance:.1} between {pair}", name.word());
    }
}

/// What has to be read stands out from the background that the theme is made for.
#[test]
fn text_can_be_read() {
    for (name, background) in [
        (ThemeName::Night, Color::Rgb(0x11, 0x15, 0x1c)),
        (ThemeName::Day, Color::Rgb(0xff, 0xff, 0xff)),
    ] {
        let theme = Theme::new(name, Depth::TrueColour);
        for role in [
            Role::Text,
            Role::Strong,
            Role::Dim,
            Role::Accent,
            Role::Ok,
            Role::Warn,
            Role::Err,
        ] {
            let found = contrast(theme.style(role).fg.unwrap(), background);
            assert!(found >= 4.3, "{} {role:?}: {found:.1}", name.word());
        }
        for role in [Role::Crit, Role::Button, Role::Match] {
            let style = theme.style(role);
            let found = contrast(style.fg.unwrap(), style.bg.unwrap());
            assert!(found >= 4.3, "{} {role:?}: {found:.1}", name.word());
        }
    }
}
