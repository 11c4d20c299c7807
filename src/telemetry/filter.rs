//! The filter that can be changed while the node runs.

use std::sync::{Mutex, PoisonError};

use tracing_subscriber::{EnvFilter, Registry, reload};

use crate::control::{LogFilter, LogFilterError};

/// The filter in force, and the handle that replaces it.
pub(super) struct LiveFilter {
    text: Mutex<String>,
    handle: reload::Handle<EnvFilter, Registry>,
}

impl LiveFilter {
    pub(super) fn new(text: String, handle: reload::Handle<EnvFilter, Registry>) -> Self {
        Self {
            text: Mutex::new(text),
            handle,
        }
    }
}

impl LogFilter for LiveFilter {
    fn current(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, filter: &str) -> Result<(), LogFilterError> {
        let parsed = parse(filter)?;
        let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        self.handle.reload(parsed).map_err(|error| LogFilterError {
            filter: filter.to_owned(),
            cause: error.to_string(),
        })?;
        filter.trim().clone_into(&mut text);
        Ok(())
    }
}

/// Reads a filter. An empty one would silence everything by accident, so it is refused.
pub(super) fn parse(text: &str) -> Result<EnvFilter, LogFilterError> {
    let refuse = |cause: String| LogFilterError {
        filter: text.to_owned(),
        cause,
    };
    if text.trim().is_empty() {
        return Err(refuse("it is empty".to_owned()));
    }
    // A lone word that is no level would be taken for a target at its most verbose.
    let lone = !text.contains(['=', ',', ':', '[']);
    if lone
        && text
            .trim()
            .parse::<tracing_subscriber::filter::LevelFilter>()
            .is_err()
    {
        return Err(refuse("it is no level".to_owned()));
    }
    EnvFilter::builder()
        .parse(text.trim())
        .map_err(|error| refuse(error.to_string()))
}
