//! What transactions may do to the registry, judged on the chain.
//!
//! The pool, the proposer and the voter all ask [`judge`]; what can be judged of a transaction alone
//! is in [`super::verify`], and its signatures are checked there too.

use super::{
    Address, BlockHash, HISTORY_EPOCHS, Height, History, Masternode, MasternodeChange, MasternodeId,
    NextValues, OutPoint, OwnerChange, REGISTRY_MAX, Ready, Registration, Registry, SharedTransaction,
    Standing, Tier, Transaction, TransactionKind, registry::RegistryWork,
};
use crate::crypto::PublicKey;

/// Why a transaction may not change the registry so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// Another masternode holds the key, will hold it, was jailed for it, or voted with it lately.
    #[error(
        "consensus key {0} belongs to a masternode already, voted in one of the last {HISTORY_EPOCHS} periods, or was jailed: generate another"
    )]
    KeyTaken(PublicKey),
    /// No place is left.
    #[error("the registry holds {REGISTRY_MAX} masternodes and takes no more")]
    Full,
    /// There is no such masternode.
    #[error("there is no masternode {0}")]
    Unknown(MasternodeId),
    /// No input is signed by its owner's key.
    #[error("masternode {id} belongs to {owner:?}: spend at least one output of that address")]
    NotOwner {
        /// The masternode.
        id: MasternodeId,
        /// Whose it is.
        owner: Address,
    },
    /// It does not stand so that this could be done.
    #[error("masternode {id} is {}: {what}", standing.name())]
    Standing {
        /// The masternode.
        id: MasternodeId,
        /// How it stands.
        standing: Standing,
        /// What does not go.
        what: &'static str,
    },
    /// The word that a node is there names another key or an older block.
    #[error("masternode {0}: the word that its node is there is not of this period, or of another key")]
    NotReady(MasternodeId),
    /// Its node said so already in this period.
    #[error("masternode {0} has said already that its node is there")]
    ReadyAlready(MasternodeId),
    /// An input is locked for a masternode.
    #[error("input {input} is locked for masternode {id}: deregister it first")]
    Locked {
        /// Which input.
        input: usize,
        /// For whom.
        id: MasternodeId,
    },
}

/// What the registry is judged in.
#[derive(Debug, Clone, Copy)]
pub struct RegistryContext<'a> {
    /// The masternodes.
    pub registry: &'a Registry,
    /// The sets of the last periods: a key that voted in one may still be convicted.
    pub history: &'a History,
    /// Number of the current period.
    pub epoch: u64,
    /// The block that the current period grows on.
    pub anchor: BlockHash,
}

/// Whether `transaction` may do to the registry what it says, and spend what it spends.
///
/// # Errors
/// The first [`RegistryError`] found.
pub fn judge(transaction: &Transaction, context: RegistryContext<'_>) -> Result<(), RegistryError> {
    let registry = context.registry;
    for (input, outpoint) in transaction.inputs.iter().enumerate() {
        if let Some(id) = registry.locked_for(outpoint) {
            return Err(RegistryError::Locked { input, id });
        }
    }
    match &transaction.kind {
        TransactionKind::Transfer | TransactionKind::Reward { .. } => Ok(()),
        TransactionKind::RegisterMasternode(registration) => {
            check_free(context, None, &registration.consensus_key)?;
            if registry.len() >= REGISTRY_MAX {
                return Err(RegistryError::Full);
            }
            Ok(())
        }
        TransactionKind::UpdateMasternode(update) => {
            let node = known(registry, &update.id)?;
            match &update.change {
                MasternodeChange::Owner(change) => {
                    check_owner(transaction, node)?;
                    check_change(context, node, change)
                }
                MasternodeChange::Ready(ready) => check_ready(node, ready, context),
            }
        }
        TransactionKind::DeregisterMasternode { id } => {
            let node = known(registry, id)?;
            check_owner(transaction, node)?;
            if node.is_leaving || node.standing == Standing::Deregistered {
                return Err(refuse(node, "it is leaving already"));
            }
            Ok(())
        }
    }
}

fn known<'a>(registry: &'a Registry, id: &MasternodeId) -> Result<&'a Masternode, RegistryError> {
    registry.get(id).ok_or(RegistryError::Unknown(*id))
}

fn refuse(node: &Masternode, what: &'static str) -> RegistryError {
    RegistryError::Standing {
        id: node.id,
        standing: node.standing,
        what,
    }
}

/// A key that voted lately may still turn out to have contradicted itself: whoever took it over would share
/// it with the convicted. Only the masternode that it was goes back to it.
fn check_free(
    context: RegistryContext<'_>,
    for_whom: Option<MasternodeId>,
    key: &PublicKey,
) -> Result<(), RegistryError> {
    let mut voted = context.history.sets().filter_map(|set| set.member(key));
    let is_held = context.registry.holder(key).is_some();
    match is_held || voted.any(|id| Some(id) != for_whom) {
        true => Err(RegistryError::KeyTaken(*key)),
        false => Ok(()),
    }
}

/// The witness's signature covers the whole transaction, and connecting demands that its key be that
/// of the coin it spends: so this is the owner's word.
fn check_owner(transaction: &Transaction, node: &Masternode) -> Result<(), RegistryError> {
    let is_owner = transaction
        .witnesses
        .iter()
        .any(|witness| Address::of(&witness.public_key) == node.owner);
    match is_owner {
        true => Ok(()),
        false => Err(RegistryError::NotOwner {
            id: node.id,
            owner: node.owner,
        }),
    }
}

fn check_change(
    context: RegistryContext<'_>,
    node: &Masternode,
    change: &OwnerChange,
) -> Result<(), RegistryError> {
    match node.standing {
        Standing::Active | Standing::Pending | Standing::Inactive => {}
        Standing::Jailed | Standing::Deregistered => {
            return Err(refuse(node, "nothing about it changes any more"));
        }
    }
    if change.returns && node.standing != Standing::Inactive {
        return Err(refuse(node, "only an inactive one returns"));
    }
    match &change.consensus_key {
        Some((key, _)) => check_free(context, Some(node.id), key),
        None => Ok(()),
    }
}

fn check_ready(node: &Masternode, ready: &Ready, context: RegistryContext<'_>) -> Result<(), RegistryError> {
    if node.standing != Standing::Pending || node.is_leaving || node.conviction.is_some() {
        return Err(refuse(
            node,
            "only a pending one waits for the word that it is there",
        ));
    }
    if node.ready_in == Some(context.epoch) {
        return Err(RegistryError::ReadyAlready(node.id));
    }
    if ready.consensus_key != node.validator_key || ready.block != context.anchor {
        return Err(RegistryError::NotReady(node.id));
    }
    Ok(())
}

/// Does what [`judge`] allowed. `place` is where the transaction stands.
pub(super) fn apply(
    work: &mut RegistryWork,
    transaction: &SharedTransaction,
    place: (Height, u32),
    epoch: u64,
) {
    match &transaction.kind {
        TransactionKind::Transfer | TransactionKind::Reward { .. } => {}
        TransactionKind::RegisterMasternode(registration) => {
            if let Some(node) = registered(transaction, registration, place, epoch) {
                work.put(node.id, Some(node));
            }
        }
        TransactionKind::UpdateMasternode(update) => match &update.change {
            MasternodeChange::Owner(change) => work.change(&update.id, |node| {
                let key = change.consensus_key.map(|(key, _)| key);
                node.next.key = key.or(node.next.key);
                node.next.service = change.service.or(node.next.service);
                node.next.payout = change.payout.or(node.next.payout);
                if change.returns {
                    node.standing = Standing::Pending;
                    node.since = epoch;
                    node.silent = 0;
                }
            }),
            MasternodeChange::Ready(_) => work.change(&update.id, |node| node.ready_in = Some(epoch)),
        },
        TransactionKind::DeregisterMasternode { id } => work.change(id, |node| node.is_leaving = true),
    }
}

/// `None` only for what was never checked alone.
fn registered(
    transaction: &SharedTransaction,
    registration: &Registration,
    place: (Height, u32),
    epoch: u64,
) -> Option<Masternode> {
    let output = transaction.outputs.get(registration.collateral_output as usize)?;
    Some(Masternode {
        id: MasternodeId::of_registration(transaction.txid()),
        registered: place,
        name: String::new(),
        validator_key: registration.consensus_key,
        next: NextValues::default(),
        service: registration.service,
        payout: registration.payout,
        owner: output.address,
        tier: Tier::of_collateral(output.amount)?,
        collateral: Some(OutPoint::new(transaction.txid(), registration.collateral_output)),
        standing: Standing::Pending,
        since: epoch,
        silent: 0,
        ready_in: None,
        is_leaving: false,
        is_kept: false,
        conviction: None,
    })
}
