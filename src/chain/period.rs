//! The end of a reward period: who leaves the validator set, who joins it, what changes.
//!
//! Run once by the block that closes the period, after its reward was computed. What it decides
//! counts from the next height on.

use super::{
    EpochSet, Height, Masternode, MasternodeId, NextValues, Params, Standing, registry::RegistryWork,
    state::Epoch,
};

/// Periods in a row without a signature after which a masternode leaves the set.
pub const SILENT_EPOCHS_MAX: u32 = 6;
/// Of a set of n at most max(1, n / this) join at once: those who joined and turn out to be absent
/// must not be able to halt the chain.
const JOIN_SHARE: usize = 4;
/// Most validators in a set, as consensus bounds it.
const SET_MAX: usize = 4_096;

/// Why a masternode leaves the set, in the order in which they go while not all can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Leave {
    Jailed,
    Deregistered,
    Inactive,
}

impl Leave {
    const fn standing(self) -> Standing {
        match self {
            Self::Jailed => Standing::Jailed,
            Self::Deregistered => Standing::Deregistered,
            Self::Inactive => Standing::Inactive,
        }
    }
}

/// Ends `closing`; gives the set of the period `next`, whose first height is `first`.
pub(super) fn turn(
    work: &mut RegistryWork,
    closing: &Epoch,
    set: &EpochSet,
    first: Height,
    params: &Params,
) -> EpochSet {
    let next = closing.number.saturating_add(1);
    let mut nodes: Vec<Masternode> = work.registry().iter().cloned().collect();
    nodes.sort_unstable_by_key(|node| (node.registered, node.id));
    for node in &nodes {
        age(work, node, closing);
    }
    let size = join(work, &nodes, set.members.len(), closing.number, next);
    leave(work, size, next, params);
    change(work);
    EpochSet {
        epoch: next,
        first,
        members: members(work),
    }
}

/// Counts silence, and forgets those who have been gone for a whole period.
fn age(work: &mut RegistryWork, node: &Masternode, closing: &Epoch) {
    match node.standing {
        Standing::Active if closing.certificates > 0 => {
            let is_silent = closing.signed.get(&node.id).copied().unwrap_or(0) == 0;
            let silent = if is_silent {
                node.silent.saturating_add(1)
            } else {
                0
            };
            if silent != node.silent {
                work.change(&node.id, |node| node.silent = silent);
            }
        }
        // Whoever was convicted stays, so that its key is never registered again.
        Standing::Deregistered if node.conviction.is_none() => work.put(node.id, None),
        Standing::Active
        | Standing::Pending
        | Standing::Inactive
        | Standing::Jailed
        | Standing::Deregistered => {}
    }
}

/// Those whose nodes are there join, in the order of their registration; gives the size of the set.
fn join(work: &mut RegistryWork, nodes: &[Masternode], size: usize, closing: u64, next: u64) -> usize {
    let places = (size / JOIN_SHARE).max(1).min(SET_MAX.saturating_sub(size));
    let ready = nodes.iter().filter(|node| {
        node.standing == Standing::Pending
            && node.ready_in == Some(closing)
            && !node.is_leaving
            && node.conviction.is_none()
    });
    let joining: Vec<MasternodeId> = ready.take(places).map(|node| node.id).collect();
    for id in &joining {
        work.change(id, |node| {
            node.standing = Standing::Active;
            node.since = next;
            node.silent = 0;
            node.ready_in = None;
        });
    }
    size + joining.len()
}

fn wants_to_leave(node: &Masternode) -> Option<Leave> {
    if node.conviction.is_some() {
        Some(Leave::Jailed)
    } else if node.is_leaving {
        Some(Leave::Deregistered)
    } else if node.standing == Standing::Active && node.silent >= SILENT_EPOCHS_MAX {
        Some(Leave::Inactive)
    } else {
        None
    }
}

/// Whoever has to go goes, unless the set would become smaller than the network allows: then it
/// stays and votes, unpaid, until another one has joined.
fn leave(work: &mut RegistryWork, mut size: usize, next: u64, params: &Params) {
    let least = usize::try_from(params.min_masternodes)
        .unwrap_or(usize::MAX)
        .max(1);
    let mut leaving: Vec<(Leave, (Height, u32), MasternodeId)> = work
        .registry()
        .iter()
        .filter_map(|node| Some((wants_to_leave(node)?, node.registered, node.id)))
        .collect();
    leaving.sort_unstable();
    let stays = |node: &&Masternode| node.is_kept && wants_to_leave(node).is_none();
    let staying: Vec<MasternodeId> = work.registry().iter().filter(stays).map(|node| node.id).collect();
    for id in staying {
        work.change(&id, |node| node.is_kept = false);
    }
    for (why, _, id) in leaving {
        let Some(node) = work.registry().get(&id) else {
            continue;
        };
        let (is_member, was_kept) = (node.standing == Standing::Active, node.is_kept);
        // The owner's end of a jailed one only frees its collateral.
        let frees = node.is_leaving && node.collateral.is_some();
        if is_member && size <= least {
            if !was_kept {
                work.change(&id, |node| node.is_kept = true);
            }
            continue;
        }
        size -= usize::from(is_member);
        if node.standing != why.standing() || frees {
            work.change(&id, |node| {
                if node.standing != why.standing() {
                    node.standing = why.standing();
                    node.since = next;
                }
                node.is_kept = false;
                node.ready_in = None;
                if node.is_leaving {
                    node.collateral = None;
                }
            });
        }
    }
}

/// What owners asked for takes effect.
fn change(work: &mut RegistryWork) {
    let changing: Vec<MasternodeId> = work
        .registry()
        .iter()
        .filter(|node| node.next != NextValues::default())
        .map(|node| node.id)
        .collect();
    for id in changing {
        work.change(&id, |node| {
            let next = std::mem::take(&mut node.next);
            // A jailed one keeps the key that it was jailed for; nobody takes the other one for it.
            node.validator_key = next.key.unwrap_or(node.validator_key);
            node.service = next.service.or(node.service);
            node.payout = next.payout.unwrap_or(node.payout);
        });
    }
}

fn members(work: &RegistryWork) -> Vec<(crate::crypto::PublicKey, MasternodeId)> {
    let active = work
        .registry()
        .iter()
        .filter(|node| node.standing == Standing::Active);
    let mut members: Vec<_> = active.map(|node| (node.validator_key, node.id)).collect();
    members.sort_unstable();
    members
}
