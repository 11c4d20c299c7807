//! The counter between the machine and its people: plain data and nothing that acts.
//!
//! The node fills one [`Status`] and answers [`CommandRequest`]s; the console, HTTP, metrics and
//! the alarm rules read that same Status, so no two of them can ever tell a different story.
//! Nothing here opens a socket, a file or a thread, and nothing here knows the node.
//!
//! What is derived is derived here, once, by pure functions: the stall explainer ([`explain()`]),
//! the health verdict ([`assess()`]), the alarm rules ([`AlarmBook`]) and the JSON faces
//! ([`status_json`]).

mod alarms;
mod clock;
mod command;
mod consequence;
mod delta;
mod events;
mod explain;
mod fleet;
mod handle;
mod health;
mod logs;
mod masternode_view;
mod money;
mod query;
mod resync;
mod ring;
mod status;
pub mod status_json;
mod stop_advice;
pub mod words;

#[cfg(test)]
mod tests;

pub use crate::wire::{Ban, BanSource, BanTarget, ParseBanTargetError};
pub use alarms::{Alarm, AlarmBook, AlarmChange, AlarmKind, Severity, peers_severity};
pub use clock::{Clock, Moment};
pub use command::{Caller, Command, CommandError, CommandRequest, LOG_FILTER_REVERTS_MS, Reply};
pub use consequence::{BanConsequence, ban_consequence};
pub use delta::StatusDelta;
pub use events::{Event, EventKind, EventRing};
pub use explain::{Explanation, explain};
pub use fleet::{
    FleetCommand, FleetHandle, FleetLink, FleetNode, FleetRequest, FleetState, FleetStatus, LinkWeather,
};
pub use handle::{LogFilter, LogFilterError, NodeHandle, WatchGuard, Watchers};
pub use health::{CRITICAL_TICK_LIMIT_MS, assess};
pub use logs::{LogLevel, LogLine, LogRing};
pub use masternode_view::MasternodeView;
pub use money::{
    BalanceView, HISTORY_ADDRESSES_MAX, HistoryEntry, HistoryPage, HistoryPlace, OutputState, OutputView,
    PendingOutput, UtxoEntry,
};
pub use query::{
    BlockView, CertificateView, EvidenceView, HeaderView, Page, Query, QueryError, RawTransactionView,
    TransactionState, TransactionView, WaitingView,
};
pub use resync::{ResyncMode, ResyncPlan, ResyncStatus, ResyncStep};
pub use ring::{Batch, Ring};
pub use status::*;
pub use stop_advice::{StopAdvice, stop_advice};
