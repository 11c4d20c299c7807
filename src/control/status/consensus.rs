//! What is being agreed on: the round, every vote of it, and who is missing.
//!
//! Words as in docs/CONSENSUS.md: PP is the PRE-PREPARE, PR a PREPARE, CM a COMMIT, VC a VIEW-CHANGE.
//! Offsets are microseconds since the start of the round they belong to, on the monotonic clock.

use serde::{Deserialize, Serialize};

use super::super::Moment;
use crate::crypto::{Hash256, PublicKey};

/// How many heights [`ValidatorRow::history`] holds at most.
pub const HISTORY_HEIGHTS: usize = 20;
/// A vote is late if it came this much after its quorum was complete. On a healthy network the last
/// vote always comes a little after the quorum, and that is no news.
pub const LATE_AFTER_MS: u64 = 100;
/// How many events one [`RoundTrace`] holds at most; later ones are not kept.
pub const TRACE_EVENTS_MAX: usize = 256;

/// The phase of the current round as operators know it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// No proposal accepted in this round.
    #[default]
    PrePrepare,
    /// PREPARE sent, no quorum of them.
    Prepare,
    /// COMMIT sent.
    Commit,
    /// The height is decided.
    Finalized,
}

impl Phase {
    /// The word in `/status`, on screen and in logs.
    pub fn word(self) -> &'static str {
        match self {
            Phase::PrePrepare => "PrePrepare",
            Phase::Prepare => "Prepare",
            Phase::Commit => "Commit",
            Phase::Finalized => "Finalized",
        }
    }
}

/// The height in progress.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConsensusStatus {
    /// Whether the set is large enough and a quorum of it is connected.
    pub activated: bool,
    /// The height being decided: tip + 1.
    pub height: u64,
    /// Its current round.
    pub round: u32,
    /// Phase of that round.
    pub phase: Phase,
    /// Sub-state: round > 0 and its timer is not armed, so a quorum of view changes is awaited.
    pub view_changing: bool,
    /// When the current round began.
    pub round_started: Moment,
    /// The round timer.
    pub timer: TimerStatus,
    /// Index of the leader of this round in `validators`; `None` while the set is unknown.
    pub leader: Option<u16>,
    /// True if this node leads this round.
    pub is_our_turn: bool,
    /// In how many heights this node leads round 0 next (0 = this one); `None` if it never does.
    pub we_lead_in: Option<u64>,
    /// Validators in the set.
    pub n: u32,
    /// Votes that decide.
    pub quorum: u32,
    /// Byzantine validators tolerated.
    pub f: u32,
    /// The genesis minimum of validators.
    pub min_masternodes: u32,
    /// Ascending by index.
    pub validators: Vec<ValidatorRow>,
    /// Digest accepted in this round.
    pub digest: Option<Hash256>,
    /// Transactions in the accepted proposal.
    pub proposal_txs: Option<u32>,
    /// Bytes of the accepted proposal.
    pub proposal_bytes: Option<u64>,
    /// PREPAREs of this round.
    pub prepares: Tally,
    /// COMMITs of this round.
    pub commits: Tally,
    /// VIEW-CHANGEs for this round or a higher one.
    pub view_changes: Tally,
    /// The height a lock is held at, as (round, digest).
    pub lock: Option<(u32, Hash256)>,
    /// Rounds of this height so far.
    pub current: HeightTrace,
    /// Rounds of heights before it, newest first: the last 8, and up to 8 older ones that took more than
    /// round 0.
    pub previous: Vec<HeightTrace>,
    /// The last hundred heights.
    pub stats: RoundStats,
    /// Views changed since the process began.
    pub view_changes_total: u64,
    /// Proofs of equivocation held.
    pub evidence_total: u64,
    /// Our own votes that came too late or not at all, among the last 100 heights.
    pub own_missed: u32,
    /// The same, without a break up to the last height.
    pub own_missed_in_row: u32,
    /// When the next block is due (R0): a moment ahead on an idle chain, a past one while deciding.
    pub due_mono_ms: Option<u64>,
    /// How long a block has been due: 0 while none is.
    pub overdue_ms: u64,
    /// `proposal_timeout_ms` of the genesis.
    pub t0_ms: u64,
    /// `view_change_timeout_ms` of the genesis.
    pub tmax_ms: u64,
    /// Target time between blocks on an idle chain, from the genesis.
    pub block_interval_ms: u64,
    /// What the 5 s watchdog found.
    pub watchdog: WatchdogStatus,
    /// One sentence: what this height waits for and whom. Empty when it waits for nobody.
    /// Filled from [`super::super::explain`].
    pub waiting_for: String,
    /// One sentence: what would help. Empty when nothing needs to.
    pub hint: String,
}

/// The round timer (docs/CONSENSUS.md §5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerStatus {
    /// Whether it runs.
    pub armed: bool,
    /// Its whole length in this round.
    pub total_ms: u64,
    /// When it fires, on the monotonic clock; `None` while not armed.
    pub deadline_mono_ms: Option<u64>,
}

/// How many votes there are, and since when they suffice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Votes for the accepted digest (for view changes: all that count for entering the round).
    pub votes: u32,
    /// Votes of this round for another digest.
    pub other: u32,
    /// When the quorum was complete, as an offset into the round.
    pub quorum_at_us: Option<u64>,
}

/// One validator of the set and what it did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValidatorRow {
    /// Position in the set of this height.
    pub index: u16,
    /// Its consensus key.
    pub id: PublicKey,
    /// The name people use: from genesis or registry, else the short id.
    pub name: String,
    /// True for this node itself.
    pub is_self: bool,
    /// A session with proof, or a valid message within 2 × Tmax that came after its last session
    /// closed. Always true for this node itself.
    pub online: bool,
    /// When something valid last came from it, on the monotonic clock; `None` if never in this run.
    pub last_seen_mono_ms: Option<u64>,
    /// The last height whose certificate holds its signature.
    pub last_signed_height: Option<u64>,
    /// How many heights in a row it has now been missing from.
    pub silent_heights: u32,
    /// Its PRE-PREPARE mark: whether it showed a proposal of this round (a PREPARE implies it).
    pub pre_prepare: VoteCell,
    /// Its PREPARE of this round.
    pub prepare: VoteCell,
    /// Its COMMIT of this round.
    pub commit: VoteCell,
    /// Its VIEW-CHANGE for this round or a higher one.
    pub view_change: VoteCell,
    /// The last heights, oldest first, at most [`HISTORY_HEIGHTS`].
    pub history: Vec<HeightMark>,
    /// True if evidence against it is held.
    pub has_evidence: bool,
}

/// While a height waits, everybody repeats its messages twice a second (docs/CONSENSUS.md R9). Who has
/// not been heard for this long then is away, whatever `online` says for the calm times.
pub const QUIET_AFTER_MS: u64 = 3_000;
/// Missing from so many heights in a row, a validator is silent.
pub const SILENT_HEIGHTS: u32 = 3;

impl ConsensusStatus {
    /// Whether a validator can be counted on now: online, and, if it is silent or the height has waited
    /// for [`QUIET_AFTER_MS`], heard within that time. A frozen process keeps its sessions for most of a
    /// minute.
    pub fn is_reachable(&self, row: &ValidatorRow, at: Moment) -> bool {
        let is_doubtful = self.overdue_ms >= QUIET_AFTER_MS || row.silent_heights >= SILENT_HEIGHTS;
        if row.is_self || !row.online || !is_doubtful {
            return row.is_self || row.online;
        }
        row.last_seen_mono_ms
            .is_some_and(|seen| at.mono_ms.saturating_sub(seen) < QUIET_AFTER_MS)
    }

    /// How many validators can be counted on now.
    pub fn reachable(&self, at: Moment) -> u32 {
        self.validators
            .iter()
            .filter(|row| self.is_reachable(row, at))
            .count() as u32
    }
}

/// What a validator sent of one kind in this round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoteCell {
    /// The mark.
    pub mark: Mark,
    /// When it came, as an offset into the round.
    pub offset_us: Option<u64>,
    /// The digest it names, where that is another one than ours.
    pub other: Option<Hash256>,
}

/// How a vote stands to what we accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mark {
    /// Nothing yet.
    #[default]
    None,
    /// For the accepted block (for a view change: sent).
    ThisBlock,
    /// For another block.
    OtherBlock,
    /// For the accepted block, more than [`LATE_AFTER_MS`] after the quorum was complete.
    Late,
    /// Two that contradict each other.
    Equivocated,
}

/// What a validator did at one past height.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HeightMark {
    /// Its COMMIT was in time.
    Signed,
    /// Its COMMIT came more than [`LATE_AFTER_MS`] after the quorum.
    Late,
    /// No COMMIT.
    Missed,
    /// It contradicted itself.
    Equivocated,
}

/// The rounds of one height.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HeightTrace {
    /// The height.
    pub height: u64,
    /// Ascending by round; the last one may be under way.
    pub rounds: Vec<RoundTrace>,
}

/// What happened in one round. Votes that come after the decision still belong here, until the
/// next height's proposal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoundTrace {
    /// The round.
    pub round: u32,
    /// Name of its leader.
    pub leader: String,
    /// When it began.
    pub started: Moment,
    /// T(r).
    pub timeout_ms: u64,
    /// How long it took; `None` while under way.
    pub took_us: Option<u64>,
    /// How it ended; `None` while under way.
    pub end: Option<RoundEnd>,
    /// PREPAREs that came.
    pub prepares: u32,
    /// COMMITs that came.
    pub commits: u32,
    /// VIEW-CHANGEs for it that came.
    pub view_changes: u32,
    /// Ascending by offset, at most [`TRACE_EVENTS_MAX`].
    pub events: Vec<TraceEvent>,
}

/// How a round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RoundEnd {
    /// Its block was decided.
    Decided,
    /// The timer fired.
    TimedOut,
    /// Left before the timer: the leader was provably bad or gone, or a higher round was joined.
    ViewChanged,
    /// The height was decided by another round or by a certificate from a peer.
    Overtaken,
}

/// One thing that happened in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceEvent {
    /// When, since the start of the round.
    pub offset_us: u64,
    /// What.
    pub kind: TraceKind,
    /// Whose, as an index in the set; `None` for things of our own machine.
    pub validator: Option<u16>,
}

/// Kinds of things that happen in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TraceKind {
    /// A PRE-PREPARE came.
    PrePrepare,
    /// A PREPARE for our block came.
    Prepare,
    /// A PREPARE for another block came.
    PrepareOther,
    /// A COMMIT for our block came.
    Commit,
    /// A COMMIT for another block came.
    CommitOther,
    /// A VIEW-CHANGE came.
    ViewChange,
    /// The quorum of PREPAREs was complete.
    Prepared,
    /// Decided.
    Decided,
    /// The round timer was armed.
    TimerArmed,
    /// The round timer fired.
    TimerFired,
}

/// How the last heights went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundStats {
    /// Heights counted, at most 100.
    pub heights: u32,
    /// Decided in round 0.
    pub round0: u32,
    /// Decided in round 1.
    pub round1: u32,
    /// Decided in a later round.
    pub later: u32,
    /// Round timers that fired in those heights.
    pub timeouts: u32,
    /// Leaders whose rounds failed most, as (name, times), most first, at most 3.
    pub worst_leaders: Vec<(String, u32)>,
}

/// What the 5 s watchdog found: it verifies that no deadline was missed, and drives nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchdogStatus {
    /// Times it looked.
    pub checks: u64,
    /// Deadlines found missed.
    pub missed_total: u64,
    /// When it last found one, on the monotonic clock.
    pub last_missed_mono_ms: Option<u64>,
    /// How late that one was.
    pub last_late_ms: u64,
}

/// Whether this node signs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningStatus {
    /// Whether it would sign a vote now.
    pub signing: bool,
    /// Why not, in one sentence; empty while it signs.
    pub reason: String,
    /// True if it stopped for safety: two certificates, fsync error, disk floor, doppelganger,
    /// execution mismatch. `/health` is 503 then.
    pub safety_stop: bool,
    /// Contradicting signatures that the guard refused to make.
    pub double_sign_prevented_total: u64,
}
