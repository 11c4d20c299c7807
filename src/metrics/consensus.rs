//! Agreement: rounds, votes, evidence, the consensus log and the signer.

use super::{
    chain::FINALITY_BUCKETS,
    kinds::{Counter, CounterBy, FloatGauge, Gauge, GaugeBy, Histogram},
    labels::{PhaseLabel, ProposalResult, SignResult, VoteLabel},
    register::Registrar,
};

/// Seconds of one append and fdatasync: 0.1-0.2 ms calm, 4 ms contended; 20 ms is worth a warning.
const FSYNC_BUCKETS: &[f64] = &[
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0,
];
/// Seconds to make one signature; a remote signer has 0.5.
const SIGN_BUCKETS: &[f64] = &[0.00005, 0.0001, 0.0005, 0.001, 0.005, 0.05, 0.1, 0.5];

/// Rounds, votes, evidence, the consensus log and the signer.
#[derive(Debug)]
pub struct ConsensusMetrics {
    /// `timed_consensus_height`: the height being decided.
    pub height: Gauge,
    /// `timed_consensus_round`.
    pub round: Gauge,
    /// `timed_consensus_phase`.
    pub phase: GaugeBy<PhaseLabel>,
    /// `timed_consensus_validators`.
    pub validators: Gauge,
    /// `timed_consensus_validators_online`.
    pub validators_online: Gauge,
    /// `timed_consensus_quorum_votes`.
    pub quorum_votes: Gauge,
    /// `timed_consensus_votes`: counted in the current round.
    pub votes: GaugeBy<VoteLabel>,
    /// `timed_consensus_base_timeout_seconds`: T0 of the genesis file.
    pub base_timeout_seconds: FloatGauge,
    /// `timed_consensus_overdue_seconds`.
    pub overdue_seconds: FloatGauge,
    /// `timed_consensus_proposals_total`.
    pub proposals: CounterBy<ProposalResult>,
    /// `timed_consensus_view_changes_total`.
    pub view_changes: Counter,
    /// `timed_consensus_height_duration_seconds`: from when a block was due until it was decided.
    pub height_seconds: Histogram,
    /// `timed_consensus_deadlines_missed_total`: found by the watchdog.
    pub deadlines_missed: Counter,
    /// `timed_equivocation_evidence_total`.
    pub evidence: Counter,
    /// `timed_double_sign_prevented_total`.
    pub double_sign_prevented: Counter,
    /// `timed_wal_fsync_seconds`.
    pub wal_fsync_seconds: Histogram,
    /// `timed_wal_bytes_total`.
    pub wal_bytes: Counter,
    /// `timed_wal_errors_total`.
    pub wal_errors: Counter,
    /// `timed_validator_active`: 1 while this node is in the set.
    pub validator_active: Gauge,
    /// `timed_validator_signing`: 1 while it signs.
    pub validator_signing: Gauge,
    /// `timed_validator_last_signed_height`.
    pub last_signed_height: Gauge,
    /// `timed_validator_missed_recent`.
    pub missed_recent: Gauge,
    /// `timed_signer_requests_total`.
    pub signer_requests: CounterBy<SignResult>,
    /// `timed_signer_duration_seconds`.
    pub signer_seconds: Histogram,
}

impl ConsensusMetrics {
    pub(super) fn register(registrar: &mut Registrar) -> Self {
        Self {
            height: registrar.gauge("timed_consensus_height", "Height that is being decided"),
            round: registrar.gauge("timed_consensus_round", "Round of that height, from 0"),
            phase: registrar.gauge_by("timed_consensus_phase", "1 for the phase the round is in"),
            validators: registrar.gauge("timed_consensus_validators", "Validators in the set"),
            validators_online: registrar.gauge(
                "timed_consensus_validators_online",
                "Validators with a proven session or a recent valid message, this node included",
            ),
            quorum_votes: registrar.gauge("timed_consensus_quorum_votes", "Votes that make a quorum"),
            votes: registrar.gauge_by("timed_consensus_votes", "Votes counted in the current round"),
            base_timeout_seconds: registrar.float_gauge(
                "timed_consensus_base_timeout_seconds",
                "Time given to the first round of a height; a block overdue for ten times as long is a stall",
            ),
            overdue_seconds: registrar.float_gauge(
                "timed_consensus_overdue_seconds",
                "How long a block has been overdue; 0 while none is due",
            ),
            proposals: registrar.counter_by(
                "timed_consensus_proposals_total",
                "Proposals, by what became of them",
            ),
            view_changes: registrar.counter(
                "timed_consensus_view_changes_total",
                "Rounds that were left without a decision",
            ),
            height_seconds: registrar.histogram(
                "timed_consensus_height_duration_seconds",
                "Time from when a block was due until it was decided, without synced blocks",
                FINALITY_BUCKETS,
            ),
            deadlines_missed: registrar.counter(
                "timed_consensus_deadlines_missed_total",
                "Deadlines that the watchdog found missed; each one is a fault of this program or machine",
            ),
            evidence: registrar.counter(
                "timed_equivocation_evidence_total",
                "Proofs that a validator signed two things for one position",
            ),
            double_sign_prevented: registrar.counter(
                "timed_double_sign_prevented_total",
                "Signatures that the guard refused to make",
            ),
            wal_fsync_seconds: registrar.histogram(
                "timed_wal_fsync_seconds",
                "Time to make one write of the consensus log durable",
                FSYNC_BUCKETS,
            ),
            wal_bytes: registrar.counter("timed_wal_bytes_total", "Bytes written to the consensus log"),
            wal_errors: registrar.counter(
                "timed_wal_errors_total",
                "Failed writes of the consensus log; the node stops signing at the first",
            ),
            validator_active: registrar.gauge(
                "timed_validator_active",
                "1 while this node's key is in the validator set",
            ),
            validator_signing: registrar.gauge("timed_validator_signing", "1 while this node signs"),
            last_signed_height: registrar.gauge(
                "timed_validator_last_signed_height",
                "Last height whose certificate this node knows to hold its own signature",
            ),
            missed_recent: registrar.gauge(
                "timed_validator_missed_recent",
                "Heights among the last 100 whose certificate came without this node's vote",
            ),
            signer_requests: registrar.counter_by(
                "timed_signer_requests_total",
                "Requests to sign, by what became of them",
            ),
            signer_seconds: registrar.histogram(
                "timed_signer_duration_seconds",
                "Time to make one consensus signature",
                SIGN_BUCKETS,
            ),
        }
    }
}
