//! What a client can make this server hold or wait for.

use std::time::Duration;

/// Bytes of a request body. A transaction has at most 100 kB, so 200 kB in hex.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Calls in one JSON-RPC batch.
pub const CALLS_IN_BATCH_MAX: usize = 50;

/// Brackets and commas in a JSON-RPC body; a full batch has some hundreds. Each may begin a value, which
/// takes far more memory than its text.
pub const JSON_MARKS_MAX: usize = 4_096;

/// JSON-RPC calls a second of one caller, in the long run.
pub const CALLS_PER_SECOND: f64 = 100.0;

/// JSON-RPC calls of one caller at once.
pub const CALLS_BURST: f64 = 200.0;

/// Wrong tokens a minute from one address, before it is told to wait.
pub const FAILURES_PER_MINUTE: f64 = 5.0;

/// Callers that are remembered; more are refused until some have been idle. Each takes about 100 bytes.
pub const CALLERS_MAX: usize = 1_024;

/// Transactions in one `POST /txs`: 5 ms of signatures.
pub const BATCH_MAX: usize = 500;

/// Open connections; more wait in the kernel's queue. Each holds a few KiB.
pub const CONNECTIONS_MAX: usize = 256;

/// Requests being handled; more are answered 503 at once. Health, readiness and metrics are not
/// counted: they wait for nothing, and a crowd must not make the node look dead.
pub const REQUESTS_IN_FLIGHT_MAX: usize = 64;

/// Look-ups that block on storage at the same time; also the threads that may exist for them.
pub const LOOKUPS_MAX: usize = 8;

/// How long a handler may take.
pub const HANDLER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a client may take to send the head of a request; also ends idle connections.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How long an answer may lie unread before its connection is cut: its place is wanted by others.
pub const UNREAD_TIMEOUT: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 30 });

/// How long open requests may go on once the server was told to stop.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Items of a list when the client names no limit.
pub const PAGE_DEFAULT: u32 = 100;

/// Bytes of an answer that the client reads: a block of 20 000 txids has 1.4 MB.
pub const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
