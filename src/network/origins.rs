//! Where connections come from: how many each address and each neighbourhood has, and how fast they come.
//!
//! Asked before any cryptography. Loopback is exempt: who is on this machine has better ways to harm it.
//! Rates are by neighbourhood and not for the whole node: a cap on all newcomers would let one attacker
//! keep out everybody; against many at once stand the slots and the bound on handshakes under way.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::wire::{IpRange, neighbourhood};

use super::quota::Bucket;

/// Connections that one neighbourhood (/24, or /48 of IPv6) may have at one time.
pub(super) const PER_GROUP_MAX: usize = 8;
/// New connections a second from one address, and how many at once: a node that restarts.
const IP_RATE: (f64, f64) = (0.2, 5.0);
/// New connections a second from one neighbourhood: twenty a minute.
const GROUP_RATE: (f64, f64) = (12.0 / 60.0, 8.0);
/// Origins without a connection that are remembered for their rate. With more, those whose buckets are
/// full again are forgotten, and then all of them: without a connection they hold nothing.
const ORIGINS_MAX: usize = 16_384;
/// A bucket is full again after this.
const FORGET_AFTER: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Origin {
    connections: usize,
    bucket: Bucket,
    last: Instant,
}

/// Connections and their rates, by address and by neighbourhood.
#[derive(Debug, Default)]
pub(super) struct Origins(HashMap<IpRange, Origin>);

impl Origins {
    fn may_connect(&mut self, range: IpRange, max: usize, (rate, burst): (f64, f64), now: Instant) -> bool {
        let origin = self.0.entry(range).or_insert_with(|| Origin {
            connections: 0,
            bucket: Bucket::new(rate, burst, now),
            last: now,
        });
        origin.last = now;
        origin.connections < max && origin.bucket.take(1.0, now)
    }

    fn make_room(&mut self, now: Instant) {
        if self.0.len() < ORIGINS_MAX {
            return;
        }
        let is_recent = |origin: &Origin| now.saturating_duration_since(origin.last) < FORGET_AFTER;
        self.0
            .retain(|_, origin| origin.connections > 0 || is_recent(origin));
        if self.0.len() >= ORIGINS_MAX {
            self.0.retain(|_, origin| origin.connections > 0);
        }
    }

    /// How many are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// One connection's place in the counts; gives it back when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    ranges: [IpRange; 2],
    origins: Arc<Mutex<Origins>>,
}

impl Slot {
    /// A place for a connection from `ip`, of which there may be `per_ip_max`; `None` if there are too
    /// many or they come too fast.
    pub(super) fn take(
        origins: &Arc<Mutex<Origins>>,
        ip: IpAddr,
        per_ip_max: usize,
        now: Instant,
    ) -> Option<Self> {
        let ip = ip.to_canonical();
        let ranges = [IpRange::containing(ip, 128), neighbourhood(ip)];
        let mut counts = origins.lock().unwrap_or_else(PoisonError::into_inner);
        counts.make_room(now);
        let is_exempt = ip.is_loopback();
        let may = is_exempt
            || (counts.may_connect(ranges[0], per_ip_max, IP_RATE, now)
                && counts.may_connect(ranges[1], PER_GROUP_MAX.max(per_ip_max), GROUP_RATE, now));
        if !may {
            return None;
        }
        for range in ranges {
            let fresh = || Origin {
                connections: 0,
                bucket: Bucket::new(0.0, 0.0, now),
                last: now,
            };
            // Only a loopback address is not there yet, and nobody asks its bucket.
            counts.0.entry(range).or_insert_with(fresh).connections += 1;
        }
        drop(counts);
        Some(Self {
            ranges,
            origins: Arc::clone(origins),
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut counts = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        for range in &self.ranges {
            if let Some(origin) = counts.0.get_mut(range) {
                origin.connections = origin.connections.saturating_sub(1);
            }
        }
    }
}
