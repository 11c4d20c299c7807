//! Enough file descriptors for all the sessions that the configuration allows.
//!
//! Each session is one; the database, logs, HTTP and consoles need some beside. A node that runs out of
//! them in the night cannot open its own log, so it says so at the start instead.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{NetworkConfig, NetworkError, listener::HANDSHAKES_MAX};

/// Descriptors for everything but sessions and handshakes: database, log, HTTP, consoles, dialling.
const OTHERS: u64 = 128;

/// What has to be done to a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Enough as it is.
    Enough,
    /// The soft limit has to rise; the hard one allows it.
    Raise,
    /// Even the hard limit is too low.
    TooFew { allowed: u64 },
}

/// `None` is no limit.
fn step(soft: Option<u64>, hard: Option<u64>, needed: u64) -> Step {
    if soft.is_none_or(|soft| soft >= needed) {
        return Step::Enough;
    }
    match hard {
        Some(hard) if hard < needed => Step::TooFew { allowed: hard },
        _ => Step::Raise,
    }
}

/// How many a configuration needs.
fn needed(config: &NetworkConfig) -> u64 {
    let sessions = [
        config.inbound_max,
        config.reserved_max,
        config.outbound_max,
        config.peers.len(),
        HANDSHAKES_MAX,
    ];
    sessions
        .iter()
        .fold(OTHERS, |sum, count| sum.saturating_add(*count as u64))
}

/// Raises the soft limit if it is too low for `config`.
///
/// # Errors
/// [`NetworkError::TooFewFiles`] if the system does not allow enough.
pub(super) fn reserve(config: &NetworkConfig) -> Result<(), NetworkError> {
    let needed = needed(config);
    let limit = getrlimit(Resource::Nofile);
    let too_few = |allowed| NetworkError::TooFewFiles { needed, allowed };
    match step(limit.current, limit.maximum, needed) {
        Step::Enough => Ok(()),
        Step::TooFew { allowed } => Err(too_few(allowed)),
        Step::Raise => {
            let raised = Rlimit {
                current: Some(needed),
                maximum: limit.maximum,
            };
            setrlimit(Resource::Nofile, raised).map_err(|_| too_few(limit.current.unwrap_or(0)))?;
            tracing::info!(from = limit.current, to = needed, "limit of open files raised");
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_raised_where_it_may_and_refused_where_it_may_not() {
        assert_eq!(step(None, None, 700), Step::Enough);
        assert_eq!(step(Some(700), Some(700), 700), Step::Enough);
        assert_eq!(step(Some(256), Some(4_096), 700), Step::Raise);
        assert_eq!(step(Some(256), None, 700), Step::Raise);
        assert_eq!(step(Some(256), Some(699), 700), Step::TooFew { allowed: 699 });
    }

    #[test]
    fn a_configuration_needs_its_sessions_and_what_is_beside_them() {
        let config = NetworkConfig::new(std::net::SocketAddr::from(([127, 0, 0, 1], 0)));
        assert_eq!(needed(&config), 184 + 100 + 16 + 128 + 128);
        assert!(reserve(&config).is_ok(), "this machine allows the default");
        let limit = getrlimit(Resource::Nofile);
        assert!(limit.current.is_none_or(|soft| soft >= needed(&config)));
        let greedy = NetworkConfig {
            inbound_max: usize::MAX,
            ..config
        };
        let refused = reserve(&greedy);
        assert!(
            limit.maximum.is_none() || matches!(refused, Err(NetworkError::TooFewFiles { .. })),
            "{refused:?}"
        );
    }
}
