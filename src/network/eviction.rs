//! Who gives up an inbound slot when all are taken and somebody new comes.
//!
//! A full node that takes nobody new can be kept full by whoever came first. So the youngest of the
//! neighbourhood that holds most slots makes room, but never those whom an attacker cannot easily
//! imitate: who has been here longest, whose line is shortest, who proved to be a masternode (these are
//! not even candidates). An attacker can take slots from others like himself, and from newcomers.

use std::{collections::BTreeMap, net::IpAddr};

use tokio::time::Instant;

use crate::{crypto::NodeId, wire::IpRange};

/// The lowest round trips that are protected: distance cannot be forged downwards.
const LOWEST_RTT: usize = 8;

/// An inbound session that may be asked to make room.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) node_id: NodeId,
    pub(super) ip: IpAddr,
    pub(super) since: Instant,
    /// `None` before the first pong.
    pub(super) rtt_min_us: Option<u64>,
    /// Fault points: who has some goes before those who have none.
    pub(super) points: u32,
}

/// The neighbourhood that a session counts for: /24, or /48 of IPv6.
fn group(ip: IpAddr) -> IpRange {
    let width = if ip.is_ipv6() { 48 } else { 24 };
    IpRange::containing(ip, width)
}

/// Who makes room; `None` if all are protected.
pub(super) fn choose(mut candidates: Vec<Candidate>) -> Option<NodeId> {
    candidates.sort_unstable_by_key(|one| (one.rtt_min_us.unwrap_or(u64::MAX), one.node_id));
    let measured = candidates.iter().filter(|one| one.rtt_min_us.is_some()).count();
    candidates.drain(..measured.min(LOWEST_RTT));
    // The longer-lived half of what is left, rounded up.
    candidates.sort_unstable_by_key(|one| (one.since, one.node_id));
    candidates.drain(..candidates.len().div_ceil(2));
    let mut slots: BTreeMap<IpRange, usize> = BTreeMap::new();
    for one in &candidates {
        *slots.entry(group(one.ip)).or_default() += 1;
    }
    candidates
        .into_iter()
        .max_by_key(|one| {
            let crowd = slots.get(&group(one.ip)).copied().unwrap_or(0);
            (one.points, crowd, one.since, one.node_id)
        })
        .map(|one| one.node_id)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::crypto::PublicKey;

    fn candidate(n: u8, ip: [u8; 4], age_s: u64, rtt_us: Option<u64>) -> Candidate {
        Candidate {
            node_id: PublicKey::from_bytes([n; 32]),
            ip: IpAddr::from(ip),
            since: Instant::now() + Duration::from_secs(100_000 - age_s),
            rtt_min_us: rtt_us,
            points: 0,
        }
    }

    #[test]
    fn the_youngest_of_the_largest_crowd_makes_room_and_the_proven_stay() {
        // Twelve old ones from everywhere, eight with short lines, and an attacker's thirty, younger
        // each time, from one network.
        let mut all: Vec<Candidate> = (0..12)
            .map(|n| candidate(n, [10 + n, 1, 1, 1], 10_000, Some(90_000)))
            .collect();
        all.extend((12..20).map(|n| candidate(n, [10 + n, 1, 1, 1], 10, Some(1_000))));
        all.extend((20..50).map(|n| candidate(n, [99, 9, 9, n], 100 - u64::from(n), Some(50_000))));
        let mut gone = Vec::new();
        for _ in 20..50 {
            let node = choose(all.clone()).expect("not all are protected");
            gone.push(node.as_bytes()[0]);
            all.retain(|one| one.node_id != node);
        }
        assert_eq!(gone[0], 49, "the newest of the crowd goes first");
        assert!(gone.iter().all(|n| *n >= 20), "{gone:?}");
    }

    #[test]
    fn who_has_faults_goes_first_and_few_are_all_protected() {
        let mut all: Vec<Candidate> = (0..30).map(|n| candidate(n, [10, n, 1, 1], 50, None)).collect();
        all[29].since += Duration::from_secs(1);
        all[28].since += Duration::from_secs(1);
        all[28].points = 5;
        assert_eq!(choose(all).unwrap().as_bytes()[0], 28);
        let few: Vec<Candidate> = (0..8).map(|n| candidate(n, [10, n, 1, 1], 50, Some(9))).collect();
        assert_eq!(choose(few), None);
        assert_eq!(choose(vec![candidate(1, [10, 0, 0, 1], 5, None)]), None);
    }
}
