//! The environment, read once at start. Nothing else in the program looks at it.

use super::layers::PREFIX;

/// What the process was started with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// Every `TIMED_*` variable, sorted by name.
    pub settings: Vec<(String, String)>,
    /// `NO_COLOR` is set and not empty.
    pub no_color: bool,
    /// `TERM`.
    pub term: Option<String>,
    /// `COLORTERM`.
    pub colorterm: Option<String>,
    /// `LC_ALL`, else `LC_CTYPE`, else `LANG`.
    pub locale: Option<String>,
}

impl Environment {
    /// Reads the process environment. Variables that are not UTF-8 are as good as absent.
    pub fn read() -> Self {
        let text = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let mut settings: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with(PREFIX))
            .collect();
        settings.sort();
        Self {
            settings,
            no_color: text("NO_COLOR").is_some(),
            term: text("TERM"),
            colorterm: text("COLORTERM"),
            locale: text("LC_ALL")
                .or_else(|| text("LC_CTYPE"))
                .or_else(|| text("LANG")),
        }
    }
}
