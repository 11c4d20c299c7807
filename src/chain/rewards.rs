//! Rewards: who is paid when a period closes. Integers only; a function of state and block.
//!
//! The first block whose timestamp is at least a period after the epoch's start closes it: it
//! carries the reward as its first transaction, and no other block may. A halt of hours closes
//! one epoch, not many.

use std::collections::BTreeMap;

use super::{
    Address, Amount, BlockHash, CommitCertificate, EpochSet, Height, Masternode, Output, Params, Registry,
    TRANSACTION_VERSION, TimestampMs, Transaction, TransactionKind, UNITS_PER_TIME,
    state::{ChainState, Epoch},
};

/// New money per reward period, before fees.
pub const REWARD_PER_PERIOD: Amount = Amount::from_units(100 * UNITS_PER_TIME);

/// Supply never grows past this; far beyond it TOML and JSON would lose digits.
const SUPPLY_MAX: u64 = i64::MAX as u64;

impl ChainState {
    /// Whether a block with this timestamp on top of the state closes the epoch.
    pub fn closes_epoch(&self, timestamp_ms: TimestampMs, params: &Params) -> bool {
        timestamp_ms.ms_since(self.totals.epoch.start_ms) >= params.reward_period_ms
    }

    /// New money that the next reward mints: nothing once the supply is at its maximum.
    pub fn next_mint(&self) -> Amount {
        match self.totals.supply.checked_add(REWARD_PER_PERIOD) {
            Some(supply) if supply.units() <= SUPPLY_MAX => REWARD_PER_PERIOD,
            _ => Amount::ZERO,
        }
    }
}

impl Epoch {
    /// Counts the certificate that a block carries, under the set that made it. Positions outside
    /// the set are not counted; connecting refuses such certificates before.
    pub(super) fn count(&mut self, certificate: &CommitCertificate, set: &EpochSet) {
        self.certificates = self.certificates.saturating_add(1);
        for id in certificate.signers().filter_map(|signer| set.at(signer)) {
            let signed = self.signed.entry(id).or_default();
            *signed = signed.saturating_add(1);
        }
    }

    /// The epoch that follows this one with the block at `first`.
    pub(super) fn following(&self, first: Height, start_ms: TimestampMs) -> Self {
        Self {
            number: self.number.saturating_add(1),
            first,
            anchor: BlockHash::ZERO,
            start_ms,
            fees: Amount::ZERO,
            certificates: 0,
            signed: BTreeMap::new(),
        }
    }
}

/// The reward of `epoch`, whose tallies and fees include the closing block's: `pot` by tier
/// weight among the masternodes that signed at least half of the certificates, what the division
/// leaves to the proposer of the closing block. Whoever contradicted itself, or should have left
/// the set already, earns nothing.
pub fn reward_transaction(
    epoch: &Epoch,
    registry: &Registry,
    pot: Amount,
    proposer_payout: Address,
) -> Transaction {
    let half = |signed: u32| signed > 0 && u64::from(signed) * 2 >= u64::from(epoch.certificates);
    let earns = |node: &&Masternode| node.conviction.is_none() && !node.is_kept;
    let mut paid: Vec<&Masternode> = epoch
        .signed
        .iter()
        .filter(|(_, signed)| half(**signed))
        .filter_map(|(id, _)| registry.get(id))
        .filter(earns)
        .collect();
    paid.sort_unstable_by_key(|node| node.validator_key);
    let weights: u128 = paid
        .iter()
        .map(|node| u128::from(node.tier.reward_weight()))
        .sum();
    let mut rest = pot.units();
    let mut outputs = Vec::with_capacity(paid.len() + 1);
    for node in paid {
        let share = u128::from(pot.units()) * u128::from(node.tier.reward_weight()) / weights;
        // A share is at most the pot, hence fits, and the shares sum to at most the pot.
        let share = u64::try_from(share).unwrap_or(0).min(rest);
        rest -= share;
        outputs.push(Output {
            amount: Amount::from_units(share),
            address: node.payout,
        });
    }
    outputs.push(Output {
        amount: Amount::from_units(rest),
        address: proposer_payout,
    });
    outputs.retain(|output| !output.amount.is_zero());
    Transaction {
        version: TRANSACTION_VERSION,
        kind: TransactionKind::Reward { epoch: epoch.number },
        inputs: Vec::new(),
        outputs,
        valid_until_height: Height::GENESIS,
        witnesses: Vec::new(),
    }
}

/// Bytes that a reward for `masternodes` may take in a block.
pub(super) const fn reward_bytes_max(masternodes: usize) -> usize {
    64 + (masternodes + 1) * 28
}
