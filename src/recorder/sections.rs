//! A snapshot as bytes, section by section, each compressed against what it was before.
//!
//! The window of the compression is 64 KB; sections of any real network are shorter, so one that
//! hardly changed costs some tens of bytes, and none at all if it did not change.

use std::sync::Arc;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::record::{Kind, PAYLOAD_MAX};
use crate::control::{Moment, Status};

/// How far back the compression looks.
const WINDOW: usize = 64 << 10;
/// Longest section that is believed.
const SECTION_MAX: usize = 16 << 20;
/// Memory that decoding a section may take.
const DECODED_MAX: usize = 64 << 20;

/// How many sections a snapshot has.
const SECTIONS: usize = 12;

fn layout() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<DECODED_MAX>()
}

pub(super) fn to_bytes<T: Serialize>(value: &T) -> Vec<u8> {
    // Plain data within the memory of this process always encodes.
    bincode::serde::encode_to_vec(value, bincode::config::standard()).unwrap_or_default()
}

pub(super) fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let (value, used) = bincode::serde::decode_from_slice(bytes, layout()).ok()?;
    (used == bytes.len()).then_some(value)
}

/// The bytes of all sections of one snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Image {
    at: Moment,
    revision: u64,
    sections: [Vec<u8>; SECTIONS],
}

/// A snapshot record.
#[derive(Serialize, Deserialize)]
struct Packed {
    at: Moment,
    revision: u64,
    /// By number: its length, and its bytes compressed against those before.
    sections: Vec<(u8, u32, Vec<u8>)>,
}

impl Image {
    /// Encodes a snapshot. Sections that are the same allocation as in `before` are taken from it.
    pub(super) fn of(status: &Status, before: Option<(&Status, &Image)>) -> Self {
        // Named one by one, so that a new section cannot be forgotten here.
        let Status {
            at,
            revision,
            node,
            chain,
            consensus,
            signing,
            peers,
            mempool,
            sync,
            resources,
            health,
            alarms,
            tasks,
            stop,
        } = status;
        fn shared<T: Serialize>(
            index: usize,
            value: &Arc<T>,
            before: Option<(&Status, &Image)>,
            old: impl Fn(&Status) -> &Arc<T>,
        ) -> Vec<u8> {
            match before {
                Some((status, image)) if Arc::ptr_eq(old(status), value) => image.sections[index].clone(),
                _ => to_bytes(value),
            }
        }
        Self {
            at: *at,
            revision: *revision,
            sections: [
                shared(0, node, before, |s| &s.node),
                shared(1, chain, before, |s| &s.chain),
                shared(2, consensus, before, |s| &s.consensus),
                to_bytes(signing),
                shared(4, peers, before, |s| &s.peers),
                shared(5, mempool, before, |s| &s.mempool),
                shared(6, sync, before, |s| &s.sync),
                shared(7, resources, before, |s| &s.resources),
                shared(8, health, before, |s| &s.health),
                shared(9, alarms, before, |s| &s.alarms),
                shared(10, tasks, before, |s| &s.tasks),
                to_bytes(stop),
            ],
        }
    }

    /// The snapshot; `None` if another version wrote it.
    pub(super) fn status(&self) -> Option<Status> {
        let [
            node,
            chain,
            consensus,
            signing,
            peers,
            mempool,
            sync,
            resources,
            health,
            alarms,
            tasks,
            stop,
        ] = &self.sections;
        Some(Status {
            at: self.at,
            revision: self.revision,
            node: from_bytes(node)?,
            chain: from_bytes(chain)?,
            consensus: from_bytes(consensus)?,
            signing: from_bytes(signing)?,
            peers: from_bytes(peers)?,
            mempool: from_bytes(mempool)?,
            sync: from_bytes(sync)?,
            resources: from_bytes(resources)?,
            health: from_bytes(health)?,
            alarms: from_bytes(alarms)?,
            tasks: from_bytes(tasks)?,
            stop: from_bytes(stop)?,
        })
    }

    /// The payload that turns `before` into this; without one, a snapshot that stands for itself.
    pub(super) fn pack(&self, before: Option<&Image>) -> (Kind, Vec<u8>) {
        let nothing = Image::default();
        let base = before.unwrap_or(&nothing);
        let sections = self
            .sections
            .iter()
            .zip(&base.sections)
            .enumerate()
            .filter(|(_, (new, old))| before.is_none() || new != old)
            .map(|(index, (new, old))| {
                let packed = lz4_flex::block::compress_with_dict(new, window(old));
                (index as u8, new.len() as u32, packed)
            })
            .collect();
        let kind = match before {
            Some(_) => Kind::Change,
            None => Kind::Key,
        };
        let packed = Packed {
            at: self.at,
            revision: self.revision,
            sections,
        };
        (kind, to_bytes(&packed))
    }

    /// What a payload turns this into; `None` if it does not fit, which only a bug or another version
    /// can cause.
    pub(super) fn unpack(&self, kind: Kind, payload: &[u8]) -> Option<Self> {
        if payload.len() > PAYLOAD_MAX {
            return None;
        }
        let packed: Packed = from_bytes(payload)?;
        let mut image = match kind {
            Kind::Key => Image::default(),
            Kind::Change => self.clone(),
            Kind::Events => return None,
        };
        image.at = packed.at;
        image.revision = packed.revision;
        for (index, length, bytes) in packed.sections {
            let length = usize::try_from(length)
                .ok()
                .filter(|length| *length <= SECTION_MAX)?;
            let place = image.sections.get_mut(usize::from(index))?;
            let mut section = vec![0; length];
            let written =
                lz4_flex::block::decompress_into_with_dict(&bytes, &mut section, window(place)).ok()?;
            if written != length {
                return None;
            }
            *place = section;
        }
        Some(image)
    }

    pub(super) fn unix_ms(&self) -> u64 {
        self.at.unix_ms
    }
}

fn window(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.len().saturating_sub(WINDOW)..]
}
