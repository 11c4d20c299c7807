//! A stretch of free ports for one devnet, held against other devnets on the same machine.
//!
//! Probing alone races: between the probe and the node's own bind, another devnet could probe the
//! same ports. So whoever takes a stretch also holds the UDP port of the same number as its first
//! TCP port; nothing else of ours uses UDP, and the kernel frees it however the process ends.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};

use super::{DevnetError, layout::NODES_MAX};

/// Stretches are looked for below the ports that the kernel hands to outgoing connections.
const LAST_PORT: u16 = 32_700;

/// Ports of one devnet: two per node.
#[derive(Debug)]
pub struct PortRange {
    base: u16,
    _lease: UdpSocket,
}

impl PortRange {
    /// The first free stretch for `nodes` nodes, from `from` on.
    ///
    /// # Errors
    /// [`DevnetError::NodeCount`], or [`DevnetError::NoPorts`] if none is free.
    pub fn find(from: u16, nodes: u16) -> Result<Self, DevnetError> {
        check_count(nodes)?;
        let count = 2 * nodes;
        let mut base = from;
        while base <= LAST_PORT.saturating_sub(count) {
            if let Some(range) = Self::take(base, count) {
                return Ok(range);
            }
            base += count;
        }
        Err(DevnetError::NoPorts {
            count,
            from,
            to: LAST_PORT,
        })
    }

    /// Exactly the stretch that begins at `base`.
    ///
    /// # Errors
    /// [`DevnetError::NodeCount`], or [`DevnetError::PortInUse`] naming the first port taken.
    pub fn exactly(base: u16, nodes: u16) -> Result<Self, DevnetError> {
        check_count(nodes)?;
        let count = 2 * nodes;
        if base.checked_add(count).is_none() {
            return Err(DevnetError::PortInUse { port: base });
        }
        if let Some(port) = (base..base + count).find(|port| !is_free(*port)) {
            return Err(DevnetError::PortInUse { port });
        }
        Self::take(base, count).ok_or(DevnetError::PortInUse { port: base })
    }

    /// The first port.
    pub fn base(&self) -> u16 {
        self.base
    }

    fn take(base: u16, count: u16) -> Option<Self> {
        let lease = UdpSocket::bind((Ipv4Addr::LOCALHOST, base)).ok()?;
        (base..base + count)
            .all(is_free)
            .then_some(Self { base, _lease: lease })
    }
}

fn check_count(nodes: u16) -> Result<(), DevnetError> {
    if nodes == 0 || nodes > NODES_MAX {
        return Err(DevnetError::NodeCount {
            nodes,
            max: NODES_MAX,
        });
    }
    Ok(())
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
