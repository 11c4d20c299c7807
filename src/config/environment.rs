//! The environment. Nothing else in the program looks at it.

use super::layers::PREFIX;

/// What the process was started with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// Every `TIMED_*` variable, sorted by name.
    pub settings: Vec<(String, String)>,
}

impl Environment {
    /// Reads the process environment. Variables that are not UTF-8 are as good as absent.
    pub fn read() -> Self {
        let mut settings: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with(PREFIX))
            .collect();
        settings.sort();
        Self { settings }
    }

    /// One variable by name, for rooms that ask about the terminal (`TERM`, `NO_COLOR`, `LANG`).
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the environment"
    )]
    pub fn variable(name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}
