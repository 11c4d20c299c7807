//! What a ban would do to this node, as it stands this second: the same sentence in the dialog, in the
//! reply and on the command line.

use super::Status;
use crate::{crypto::PublicKey, wire::BanTarget};

/// What a ban would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BanConsequence {
    /// The sessions it closes, by network key.
    pub sessions: Vec<PublicKey>,
    /// How many of them belong to validators that can be counted on.
    pub validators_lost: u32,
    /// Validators that stay reachable, this node included if it is one.
    pub reachable: u32,
    /// Validators in the set.
    pub n: u32,
    /// Votes that decide.
    pub quorum: u32,
}

/// What banning `target` would do.
pub fn ban_consequence(status: &Status, target: &BanTarget) -> BanConsequence {
    let hit: Vec<_> = status
        .peers
        .rows
        .iter()
        .filter(|row| match target {
            BanTarget::Node(id) => *id == row.id,
            BanTarget::Range(range) => row
                .address
                .parse::<core::net::SocketAddr>()
                .is_ok_and(|address| range.contains(address.ip())),
        })
        .collect();
    let consensus = &status.consensus;
    // Who is silent is not counted any more, and cannot be lost twice.
    let there = consensus
        .validators
        .iter()
        .filter(|row| consensus.is_reachable(row, status.at));
    let (mut reachable, mut lost) = (0u32, 0u32);
    for validator in there {
        let goes = !validator.is_self && hit.iter().any(|row| row.validator == Some(validator.id));
        if goes {
            lost += 1;
        } else {
            reachable += 1;
        }
    }
    BanConsequence {
        sessions: hit.iter().map(|row| row.id).collect(),
        validators_lost: lost,
        reachable,
        n: consensus.n,
        quorum: consensus.quorum,
    }
}

impl BanConsequence {
    /// Whether finality stops that goes on now.
    pub fn halts(&self) -> bool {
        self.reachable < self.quorum && self.reachable + self.validators_lost >= self.quorum
    }

    /// In words.
    pub fn sentence(&self) -> String {
        let closes = match self.sessions.len() {
            0 => "no session is closed".to_owned(),
            1 => "closes 1 session".to_owned(),
            many => format!("closes {many} sessions"),
        };
        if self.validators_lost == 0 {
            return match self.sessions.len() {
                0 => closes,
                _ => format!("{closes}, none of a validator that is online"),
            };
        }
        let verdict = if self.halts() {
            ": finality halts"
        } else if self.reachable < self.quorum {
            ": finality has halted already"
        } else if self.reachable == self.quorum {
            ": at the limit"
        } else {
            ""
        };
        format!(
            "{closes}; reachable {} of {} after ban, quorum {}{verdict}",
            self.reachable, self.n, self.quorum
        )
    }
}
