//! What waits to be sent to one peer: five bounded queues and the order in which they empty.
//!
//! Control and consensus go strictly first; blocks, transactions and state share what is left
//! 4 : 2 : 1. The unit is a packet, so an urgent message waits behind at most one packet of bulk.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::BytesMut;
use tokio::sync::Notify;

use crate::wire::{Lane, Outgoing, limits::PACKET_PAYLOAD_MAX_BYTES};

/// Bounds of one lane's queue. An empty lane takes any single message.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    messages: usize,
    bytes: usize,
}

const MIB: usize = 1024 * 1024;
/// Messages and bytes that may wait in each lane, in the order of [`Lane::ALL`]. With 1000 peers it
/// is the bytes that count; a broadcast's bytes are shared and counted by each peer.
const BOUNDS: [Bounds; Lane::COUNT] = [
    Bounds {
        messages: 16,
        bytes: MIB,
    },
    Bounds {
        messages: 1024,
        bytes: 8 * MIB,
    },
    Bounds {
        messages: 64,
        bytes: 10 * MIB,
    },
    Bounds {
        messages: 1000,
        bytes: 2 * MIB,
    },
    Bounds {
        messages: 16,
        bytes: 4 * MIB,
    },
];
/// Messages this small (Busy, NotFound) may exceed a lane's count twofold: saying "no" must not fail
/// because of too many "yes".
const SMALL_BYTES: usize = 32;
/// Packets that blocks, transactions and state may send before the next of them has its turn.
const SHARES: [(Lane, u32); 3] = [(Lane::Blocks, 4), (Lane::Tx, 2), (Lane::State, 1)];
/// A write is at most this much beyond one packet: what is small and ready leaves together.
const WRITE_TARGET_BYTES: usize = PACKET_PAYLOAD_MAX_BYTES;

/// The lane has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full(pub(super) Lane);

#[derive(Debug, Default)]
struct Queues {
    lanes: [VecDeque<Outgoing>; Lane::COUNT],
    bytes: [usize; Lane::COUNT],
    /// Position in [`SHARES`], and packets left to it.
    turn: (usize, u32),
}

/// The queues of one session.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    queues: Mutex<Queues>,
    ready: Notify,
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, Queues> {
        // The queues are consistent after every statement; a panic elsewhere does not spoil them.
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a message. A consensus message that waits already is not queued again: resends (R9) are
    /// byte-identical, and on a slow line they would pile up behind themselves.
    pub(super) fn push(&self, message: Outgoing) -> Result<(), Full> {
        let lane = message.lane();
        let bounds = BOUNDS[lane.index()];
        {
            let mut queues = self.lock();
            let waiting = &queues.lanes[lane.index()];
            if lane == Lane::Consensus && waiting.iter().any(|other| other.says_the_same(&message)) {
                return Ok(());
            }
            let count = waiting.len();
            let bytes = queues.bytes[lane.index()] + message.len();
            let messages = if message.len() <= SMALL_BYTES {
                bounds.messages * 2
            } else {
                bounds.messages
            };
            if count > 0 && (count >= messages || bytes > bounds.bytes) {
                return Err(Full(lane));
            }
            queues.bytes[lane.index()] = bytes;
            queues.lanes[lane.index()].push_back(message);
        }
        self.ready.notify_one();
        Ok(())
    }

    /// Waits until something may have been queued.
    pub(super) async fn ready(&self) {
        self.ready.notified().await;
    }

    /// Bytes that wait in all lanes.
    pub(super) fn queued_bytes(&self) -> usize {
        self.lock().bytes.iter().sum()
    }

    /// Forgets everything but the control lane: what is left of a session that closes.
    pub(super) fn keep_control_only(&self) {
        let mut queues = self.lock();
        for lane in &Lane::ALL[1..] {
            queues.lanes[lane.index()].clear();
            queues.bytes[lane.index()] = 0;
        }
    }

    /// Appends the next packets to `out`, at most a little more than one packet's worth; returns the
    /// messages completed by lane. False in `.0` if nothing waited.
    pub(super) fn fill(&self, out: &mut BytesMut, sent: &mut impl FnMut(Lane, usize)) -> bool {
        let mut queues = self.lock();
        let mut any = false;
        while out.len() < WRITE_TARGET_BYTES {
            let Some(lane) = queues.next_lane() else {
                break;
            };
            any = true;
            let Some(message) = queues.lanes[lane.index()].front_mut() else {
                break;
            };
            let len = message.len();
            if message.write_packet(out) {
                queues.lanes[lane.index()].pop_front();
                queues.bytes[lane.index()] -= len;
                sent(lane, len);
            }
        }
        any
    }
}

impl Queues {
    /// The lane that may send the next packet.
    fn next_lane(&mut self) -> Option<Lane> {
        let waits = |lane: Lane| !self.lanes[lane.index()].is_empty();
        if let Some(urgent) = [Lane::Control, Lane::Consensus]
            .into_iter()
            .find(|lane| waits(*lane))
        {
            return Some(urgent);
        }
        // Once around and back to where we are: a lane that was out of packets gets its share again.
        for _ in 0..=SHARES.len() {
            let (position, left) = self.turn;
            let (lane, _) = SHARES[position];
            if left > 0 && waits(lane) {
                self.turn.1 -= 1;
                return Some(lane);
            }
            let next = (position + 1) % SHARES.len();
            self.turn = (next, SHARES[next].1);
        }
        None
    }
}
