//! A masternode as people look it up: how it stands, why, since when, and what would help.

use serde::{Deserialize, Serialize};

use crate::{
    chain::{ChainState, Masternode, Network, SILENT_EPOCHS_MAX, Standing, Tier},
    crypto::{Hash256, PublicKey},
};

/// An item of `GET /masternodes`, and `GET /masternodes/{id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MasternodeView {
    /// Its name for the chain: the id of its registration.
    pub id: Hash256,
    /// Its name for people, if genesis gave it one; else the short id.
    pub name: String,
    /// Consensus key.
    pub validator_id: PublicKey,
    /// The consensus key of the next period, if it changes.
    pub next_validator_id: Option<PublicKey>,
    /// Its tier.
    pub tier: Tier,
    /// How it stands.
    pub standing: Standing,
    /// The reward period since which it stands so.
    pub since_period: u64,
    /// Why it stands so.
    pub reason: String,
    /// What its operator can do; empty if nothing needs to be done.
    pub remedy: String,
    /// Where its rewards go.
    pub payout: String,
    /// Who may change it.
    pub owner: String,
    /// Where it can be reached, if it told.
    pub service: Option<String>,
    /// The output locked for it, as `txid:index`.
    pub collateral: Option<String>,
    /// The block that registered it; 0 for genesis.
    pub registered_height: u64,
    /// Periods in a row in which it signed nothing.
    pub silent_periods: u32,
    /// Certificates of the current period that hold its signature.
    pub signed: u32,
    /// Certificates of the current period.
    pub certificates: u32,
    /// The next height whose first round it leads, as the set stands.
    pub next_turn: Option<u64>,
    /// The last final height and the current reward period, which all of this is true at.
    pub height: u64,
    /// See `height`.
    pub period: u64,
}

impl MasternodeView {
    /// `node` as it stands in `state`.
    pub fn of(node: &Masternode, state: &ChainState, network: Network) -> Self {
        let epoch = &state.totals.epoch;
        let (reason, remedy) = explain(node, epoch.number);
        Self {
            id: *node.id.as_hash(),
            name: match node.name.is_empty() {
                true => node.id.short(),
                false => node.name.clone(),
            },
            validator_id: node.validator_key,
            next_validator_id: node.next.key,
            tier: node.tier,
            standing: node.standing,
            since_period: node.since,
            reason,
            remedy: remedy.to_owned(),
            payout: node.payout.to_text(network),
            owner: node.owner.to_text(network),
            service: node.service.map(|service| service.to_string()),
            collateral: node.collateral.map(|coin| coin.to_string()),
            registered_height: node.registered.0.get(),
            silent_periods: node.silent,
            signed: epoch.signed.get(&node.id).copied().unwrap_or(0),
            certificates: epoch.certificates,
            next_turn: next_turn(node, state),
            height: state.tip.height.get(),
            period: epoch.number,
        }
    }
}

/// The next height that it leads in round 0: (height mod n) is its place in the set.
fn next_turn(node: &Masternode, state: &ChainState) -> Option<u64> {
    let set = state.history.current();
    let place = set.members.iter().position(|(_, id)| *id == node.id)? as u64;
    let (n, next) = (set.members.len() as u64, state.tip.height.next().get());
    let wait = (place + n - next % n) % n;
    Some(next + wait)
}

fn explain(node: &Masternode, period: u64) -> (String, &'static str) {
    match node.standing {
        Standing::Active if node.is_kept => (
            "it should have left the set, which would then be too small: it votes, unpaid".to_owned(),
            "register another masternode, so that this one can leave",
        ),
        Standing::Active if node.conviction.is_some() => (
            "it contradicted itself; it is jailed when this period ends".to_owned(),
            "register anew with another consensus key",
        ),
        Standing::Active if node.is_leaving => (
            "its owner ended it; it leaves when this period ends".to_owned(),
            "",
        ),
        Standing::Active if node.silent > 0 => (
            format!(
                "nothing of it stood in any certificate for {} of {SILENT_EPOCHS_MAX} periods",
                node.silent
            ),
            "start its node, and see `timed status` there",
        ),
        Standing::Active => ("it votes".to_owned(), ""),
        Standing::Pending if node.ready_in == Some(period) => (
            "its node is there; it joins when this period ends, or with a later one if many wait".to_owned(),
            "",
        ),
        Standing::Pending => (
            "its node has not said yet that it is there".to_owned(),
            "start its node with this consensus key and let it catch up; it says so by itself",
        ),
        Standing::Inactive => (
            format!("it signed nothing for {SILENT_EPOCHS_MAX} periods"),
            "start its node, then `timed masternode update --return`",
        ),
        Standing::Jailed => (
            match &node.conviction {
                Some(conviction) => format!(
                    "its key signed contradicting messages at height {} (evidence {})",
                    conviction.height,
                    conviction.evidence.short()
                ),
                None => "its key signed contradicting messages".to_owned(),
            },
            "find out why two nodes had this key; `timed masternode deregister` frees the collateral, then register anew with another key",
        ),
        Standing::Deregistered => ("its owner ended it; its collateral is free".to_owned(), ""),
    }
}
