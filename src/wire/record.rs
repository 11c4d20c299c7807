//! Where a node can be reached, said by the node itself: signed, so that nobody can move another one.

use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use bincode::{Decode, Encode};

use crate::crypto::{self, Hash256, NodeId, Signature};

use super::BoundedVec;

/// Addresses in one record.
pub const RECORD_ADDRESSES_MAX: usize = 4;
/// A record from further ahead than this, by our clock, is refused.
pub const RECORD_FUTURE_MAX_S: u64 = 600;
/// A record older than this is not passed on.
pub const RECORD_AGE_MAX_S: u64 = 7 * 24 * 3_600;
/// What the signed bytes begin with; like nothing else that a node key signs.
const TAG: &[u8] = b"timed/peer-record/1\0";

/// An address and a port; IPv4 in IPv6 clothes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Endpoint {
    /// Sixteen bytes of address.
    pub ip: [u8; 16],
    /// The port.
    pub port: u16,
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        Self {
            ip: ip.octets(),
            port: address.port(),
        }
    }
}

impl From<Endpoint> for SocketAddr {
    fn from(endpoint: Endpoint) -> Self {
        Self::new(Ipv6Addr::from(endpoint.ip).to_canonical(), endpoint.port)
    }
}

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PeerRecord {
    /// Who.
    pub node_id: NodeId,
    /// Where, best first.
    pub addresses: BoundedVec<Endpoint, RECORD_ADDRESSES_MAX>,
    /// When it was signed, in seconds since 1970. The newest record of a node counts.
    pub seq: u64,
    /// Bits of [`super::capability`].
    pub capabilities: u64,
    /// By the node key, over everything above and the genesis hash.
    pub signature: Signature,
}

impl PeerRecord {
    /// The bytes that are signed.
    pub fn signing_bytes(&self, genesis: &Hash256) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(192);
        bytes.extend_from_slice(TAG);
        bytes.extend_from_slice(genesis.as_bytes());
        bytes.extend_from_slice(self.node_id.as_bytes());
        bytes.extend_from_slice(&self.seq.to_le_bytes());
        bytes.extend_from_slice(&self.capabilities.to_le_bytes());
        bytes.push(self.addresses.len() as u8);
        for address in self.addresses.iter() {
            bytes.extend_from_slice(&address.ip);
            bytes.extend_from_slice(&address.port.to_le_bytes());
        }
        bytes
    }

    /// Whether it is signed by whom it names, for this chain.
    pub fn is_signed(&self, genesis: &Hash256) -> bool {
        crypto::verify(&self.node_id, &self.signing_bytes(genesis), &self.signature).is_ok()
    }

    /// Whether it is from further ahead than clocks may differ.
    pub fn is_from_the_future(&self, now_s: u64) -> bool {
        self.seq > now_s.saturating_add(RECORD_FUTURE_MAX_S)
    }

    /// Whether it is fresh enough to be passed on.
    pub fn is_fresh(&self, now_s: u64) -> bool {
        self.seq.saturating_add(RECORD_AGE_MAX_S) >= now_s
    }
}

/// Whether an address can be that of a peer on the internet; with `allow_private`, also of one at home.
pub fn is_dialable(address: &SocketAddr, allow_private: bool) -> bool {
    if address.port() == 0 {
        return false;
    }
    match address.ip().to_canonical() {
        IpAddr::V4(v4) => {
            let nowhere =
                v4.is_unspecified() || v4.is_multicast() || v4.is_broadcast() || v4.octets()[0] == 0;
            let shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
            let private = v4.is_loopback()
                || v4.is_private()
                || v4.is_link_local()
                || v4.is_documentation()
                || shared
                || v4.octets()[0] >= 240;
            !nowhere && (allow_private || !private)
        }
        IpAddr::V6(v6) => {
            let first = v6.segments()[0];
            let nowhere = v6.is_unspecified() || v6.is_multicast();
            let private = v6.is_loopback()
                || first & 0xfe00 == 0xfc00
                || first & 0xffc0 == 0xfe80
                || (first == 0x2001 && v6.segments()[1] == 0x0db8);
            !nowhere && (allow_private || !private)
        }
    }
}

/// The neighbourhood of an address, which one owner may hold whole: /16 of IPv4, /32 of IPv6.
pub fn address_group(ip: IpAddr) -> super::IpRange {
    match ip.to_canonical() {
        IpAddr::V4(_) => super::IpRange::containing(ip, 16),
        IpAddr::V6(_) => super::IpRange::containing(ip, 32),
    }
}

/// The network that one operator usually has, /24 or /48 of IPv6: connections from it share a limit, and
/// of a poll it gets one voice.
pub fn neighbourhood(ip: IpAddr) -> super::IpRange {
    let ip = ip.to_canonical();
    super::IpRange::containing(ip, if ip.is_ipv6() { 48 } else { 24 })
}
