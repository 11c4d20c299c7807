//! The handshake as pure steps: what each end sends, and what it must find in what it got.
//!
//! ```text
//! dialer                                 listener
//!   preamble (24 B, plain)  ⇄  preamble          step 0: readable refusals only
//!   ════════ TLS 1.3, node keys both ways ═════   step 1: identity
//!   Hello                   ⇄  Hello             step 2: facts, bound to this connection
//! ```
//!
//! A Hello carries a value derived from the TLS exporter, the sender's role and both preambles as
//! the sender saw them. Hence a preamble edited on the way, a replayed Hello and a reflected one
//! all fail at both ends. The optional masternode proof is a signature by the consensus key over
//! the exporter, the role and the node id, in a domain of its own.

use bincode::{Decode, Encode};

use crate::{
    chain::Network,
    crypto::{self, Hash256, HashWriter, NodeId, PublicKey, Signature},
};

use super::limits::*;

/// Bytes of a preamble.
pub const PREAMBLE_BYTES: usize = 24;
/// Label of the exporter value that binds a Hello to its connection.
pub const HELLO_EXPORTER_LABEL: &[u8] = b"EXPORTER-timed/hello/1";
/// Label of the exporter value that a masternode proof signs.
pub const PROOF_EXPORTER_LABEL: &[u8] = b"EXPORTER-timed/mn-session/1";

/// Which end of a connection one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Role {
    /// The end that opened the connection.
    Dialer,
    /// The end that accepted it.
    Listener,
}

impl Role {
    /// The byte that stands for the role in what is signed and exported.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Dialer => 0,
            Self::Listener => 1,
        }
    }

    /// The role of the other end.
    pub const fn other(self) -> Self {
        match self {
            Self::Dialer => Self::Listener,
            Self::Listener => Self::Dialer,
        }
    }
}

/// Which chain a node is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainIdentity {
    /// The network's number; tells "another network" from "another genesis of the same one".
    pub chain_id: u32,
    /// Hash of the genesis block.
    pub genesis_hash: Hash256,
}

impl ChainIdentity {
    /// The chain of `network` that begins with `genesis_hash`.
    pub const fn new(network: Network, genesis_hash: Hash256) -> Self {
        Self {
            chain_id: match network {
                Network::Mainnet => 1,
                Network::Testnet => 2,
                Network::Devnet => 3,
            },
            genesis_hash,
        }
    }
}

fn network_name(chain_id: u32) -> String {
    let all = Network::ALL.into_iter();
    all.map(|network| (ChainIdentity::new(network, Hash256::ZERO).chain_id, network))
        .find(|(id, _)| *id == chain_id)
        .map_or_else(
            || format!("number {chain_id}"),
            |(_, network)| network.name().to_owned(),
        )
}

/// What a node knows about its own chain, as it tells peers. Hints to them, never evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LocalTip {
    /// Height of the last block.
    pub height: u64,
    /// Its hash.
    pub hash: Hash256,
    /// Height up to which everything is final.
    pub finalized_height: u64,
    /// Lowest height whose body the node still serves.
    pub pruned_below: u64,
    /// Validators of the next height; not told, but what each peer may say of votes depends on it.
    pub validators: usize,
}

/// The plain first bytes of a connection. Exists so that operators read "peer is on another chain"
/// instead of a TLS error; the Hello binds what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preamble {
    /// Version that the sender prefers.
    pub version: u16,
    /// Oldest version that it understands.
    pub version_min: u16,
    /// The network's number.
    pub chain_id: u32,
    /// First eight bytes of the genesis hash.
    pub genesis_prefix: [u8; 8],
    /// No flag is defined yet; senders write zero, receivers ignore it.
    pub flags: u32,
}

impl Preamble {
    /// The preamble of this program on `chain`.
    pub fn ours(chain: &ChainIdentity) -> Self {
        let mut genesis_prefix = [0; 8];
        genesis_prefix.copy_from_slice(&chain.genesis_hash.as_bytes()[..8]);
        Self {
            version: WIRE_VERSION,
            version_min: WIRE_VERSION_MIN,
            chain_id: chain.chain_id,
            genesis_prefix,
            flags: 0,
        }
    }

    /// As it travels.
    pub fn to_bytes(&self) -> [u8; PREAMBLE_BYTES] {
        let mut out = [0; PREAMBLE_BYTES];
        out[..4].copy_from_slice(&MAGIC);
        out[4..6].copy_from_slice(&self.version.to_le_bytes());
        out[6..8].copy_from_slice(&self.version_min.to_le_bytes());
        out[8..12].copy_from_slice(&self.chain_id.to_le_bytes());
        out[12..20].copy_from_slice(&self.genesis_prefix);
        out[20..].copy_from_slice(&self.flags.to_le_bytes());
        out
    }

    /// Reads what [`Preamble::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`Refusal::NotTimeCoin`] if the magic is another's.
    pub fn from_bytes(bytes: &[u8; PREAMBLE_BYTES]) -> Result<Self, Refusal> {
        if bytes[..4] != MAGIC {
            return Err(Refusal::NotTimeCoin);
        }
        let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let mut genesis_prefix = [0; 8];
        genesis_prefix.copy_from_slice(&bytes[12..20]);
        Ok(Self {
            version: half(4),
            version_min: half(6),
            chain_id: word(8),
            genesis_prefix,
            flags: word(20),
        })
    }

    /// The highest version that both ends speak, if the peer is on `chain`.
    ///
    /// # Errors
    /// [`Refusal::Version`], [`Refusal::Network`] or [`Refusal::Genesis`].
    pub fn agree(&self, chain: &ChainIdentity) -> Result<u16, Refusal> {
        let version = self.version.min(WIRE_VERSION);
        if version < self.version_min.max(WIRE_VERSION_MIN) {
            return Err(Refusal::Version {
                theirs: self.version,
                ours: WIRE_VERSION,
            });
        }
        if self.chain_id != chain.chain_id {
            return Err(Refusal::Network {
                theirs: self.chain_id,
                ours: chain.chain_id,
            });
        }
        if self.genesis_prefix != chain.genesis_hash.as_bytes()[..8] {
            return Err(Refusal::Genesis {
                theirs: const_hex::encode(self.genesis_prefix),
                ours: chain.genesis_hash,
            });
        }
        Ok(version)
    }
}

/// Why two nodes do not talk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The other end does not speak this protocol at all.
    #[error("the other end is not a TimeCoin node; check the address and port")]
    NotTimeCoin,
    /// No common version.
    #[error("peer speaks wire version {theirs}, we speak {ours}; update the older of the two")]
    Version {
        /// The peer's version.
        theirs: u16,
        /// Ours.
        ours: u16,
    },
    /// Another network.
    #[error("peer is on network {}, we are on {}; check --network on both", network_name(*.theirs), network_name(*.ours))]
    Network {
        /// The peer's network number.
        theirs: u32,
        /// Ours.
        ours: u32,
    },
    /// The same network with another genesis.
    #[error("genesis mismatch: peer has {theirs}, we have {ours}; give both nodes the same genesis file")]
    Genesis {
        /// The peer's genesis hash, in hex; its first eight bytes if that is all it told.
        theirs: String,
        /// Ours.
        ours: Hash256,
    },
    /// The Hello does not belong to this connection.
    #[error("hello is not bound to this connection: somebody on the way edits or replays traffic")]
    NotBound,
    /// The Hello names another node than the key that opened the session.
    #[error("hello names node {named}, but the session belongs to {proven}")]
    WrongNode {
        /// The node id in the Hello.
        named: NodeId,
        /// The node id that TLS proved.
        proven: NodeId,
    },
    /// The node at this address is not the one that the configuration names.
    #[error("node at this address is {found}, expected {expected}; correct the peer's entry")]
    UnexpectedNode {
        /// Who answered.
        found: NodeId,
        /// Who should have.
        expected: NodeId,
    },
    /// We have connected to ourselves.
    #[error("connected to ourselves; remove this address from the peers")]
    Ourselves,
    /// The masternode proof does not verify.
    #[error("masternode proof by {0} does not verify")]
    Proof(PublicKey),
    /// The user agent is too long or not printable.
    #[error("user agent is longer than {max} bytes or not printable ascii", max = USER_AGENT_MAX_BYTES)]
    UserAgent,
}

/// What a node can do for its peers, as bits of [`Hello::capabilities`].
pub mod capability {
    /// Keeps the chain and serves it.
    pub const FULL: u64 = 1;
    /// Runs a masternode.
    pub const MASTERNODE: u64 = 1 << 1;
    /// Serves snapshots.
    pub const SNAPSHOT: u64 = 1 << 2;
    /// Understands compressed messages.
    pub const COMPRESSION: u64 = 1 << 3;
    /// Relays transactions.
    pub const TX_RELAY: u64 = 1 << 4;
    /// Has dropped old bodies.
    pub const PRUNED: u64 = 1 << 5;
    /// Takes proposals whose transactions stand as ids.
    pub const COMPACT: u64 = 1 << 6;
    /// Dials back to whoever asks it to.
    pub const DIALS_BACK: u64 = 1 << 7;
    /// Passes on who else has a key.
    pub const KEY_CALLS: u64 = 1 << 8;
}

/// A signature by a consensus key that says "this session is mine".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct MasternodeProof {
    /// The consensus key.
    pub key: PublicKey,
    /// Over [`ProofRequest::signing_bytes`].
    pub signature: Signature,
}

/// What a masternode proof signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct ProofRequest {
    /// Exporter value of the session under [`PROOF_EXPORTER_LABEL`].
    pub exporter: [u8; 32],
    /// The prover's end of the connection.
    pub role: Role,
    /// The prover's node id.
    pub node_id: NodeId,
}

impl ProofRequest {
    /// The bytes to sign; their prefix belongs to nothing else that the consensus key signs.
    pub fn signing_bytes(&self) -> Vec<u8> {
        let mut out = b"timed/mn-session/1\0".to_vec();
        out.extend_from_slice(&self.exporter);
        out.push(self.role.byte());
        out.extend_from_slice(self.node_id.as_bytes());
        out
    }
}

/// The first message each way inside TLS.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Hello {
    /// Wire version that the sender prefers.
    pub version: u16,
    /// The network's number.
    pub chain_id: u32,
    /// Hash of the genesis block.
    pub genesis_hash: Hash256,
    /// The sender's node id; equal to its TLS key.
    pub node_id: NodeId,
    /// Ties this Hello to this connection, role and both preambles.
    pub binding: Hash256,
    /// Height of the sender's last block.
    pub height: u64,
    /// Its hash.
    pub tip_hash: Hash256,
    /// Height up to which the sender has everything final.
    pub finalized_height: u64,
    /// Lowest height whose body the sender serves.
    pub pruned_below: u64,
    /// Bits of [`capability`].
    pub capabilities: u64,
    /// Port on which the sender listens; zero if it does not.
    pub listen_port: u16,
    /// Program and version: printable ASCII.
    pub user_agent: String,
    /// The sender's clock, milliseconds since 1970.
    pub unix_ms: u64,
    /// Random, new for every start of the program: tells a restarted peer, whose old connection is
    /// dead, from one that dialled twice.
    pub run_nonce: u64,
    /// Present if the sender runs a masternode.
    pub proof: Option<MasternodeProof>,
}

/// What a Hello is bound to. Both ends must come to the same value from what they saw.
pub fn hello_binding(exporter: &[u8; 32], sender: Role, dialer: &Preamble, listener: &Preamble) -> Hash256 {
    HashWriter::new("timed/hello/1")
        .bytes(exporter)
        .bytes(&[sender.byte()])
        .bytes(&dialer.to_bytes())
        .bytes(&listener.to_bytes())
        .finish()
}

/// What the receiving end knows about the connection when a Hello comes.
#[derive(Debug, Clone, Copy)]
pub struct HelloContext<'a> {
    /// Our chain.
    pub chain: &'a ChainIdentity,
    /// Our node id.
    pub our_id: NodeId,
    /// The peer's node id, as TLS proved it.
    pub peer_id: NodeId,
    /// The peer's end of the connection.
    pub peer_role: Role,
    /// The binding that the peer's Hello must carry.
    pub binding: Hash256,
    /// The exporter value that the peer's masternode proof must sign.
    pub proof_exporter: [u8; 32],
}

impl Hello {
    /// Judges a Hello; the answer is the consensus key that it proved, if it proved one.
    ///
    /// # Errors
    /// The [`Refusal`], the most telling one first.
    pub fn check(&self, context: &HelloContext<'_>) -> Result<Option<PublicKey>, Refusal> {
        if self.node_id != context.peer_id {
            return Err(Refusal::WrongNode {
                named: self.node_id,
                proven: context.peer_id,
            });
        }
        if self.node_id == context.our_id {
            return Err(Refusal::Ourselves);
        }
        if self.chain_id != context.chain.chain_id {
            return Err(Refusal::Network {
                theirs: self.chain_id,
                ours: context.chain.chain_id,
            });
        }
        if self.genesis_hash != context.chain.genesis_hash {
            return Err(Refusal::Genesis {
                theirs: self.genesis_hash.to_string(),
                ours: context.chain.genesis_hash,
            });
        }
        if self.binding != context.binding {
            return Err(Refusal::NotBound);
        }
        if self.user_agent.len() > USER_AGENT_MAX_BYTES
            || !self
                .user_agent
                .bytes()
                .all(|byte| byte == b' ' || byte.is_ascii_graphic())
        {
            return Err(Refusal::UserAgent);
        }
        let Some(proof) = &self.proof else {
            return Ok(None);
        };
        let request = ProofRequest {
            exporter: context.proof_exporter,
            role: context.peer_role,
            node_id: self.node_id,
        };
        crypto::verify(&proof.key, &request.signing_bytes(), &proof.signature)
            .map(|()| Some(proof.key))
            .map_err(|_| Refusal::Proof(proof.key))
    }
}

/// Of two connections between the same two nodes, the one that stays is the one dialled by the
/// smaller node id. Both ends decide alike. Between two dialled by the same end, the newer stays:
/// nobody dials a peer that it believes to have.
pub fn keep_new_connection(
    existing_dialer: &NodeId,
    new_dialer: &NodeId,
    our_id: &NodeId,
    peer_id: &NodeId,
) -> bool {
    existing_dialer == new_dialer || new_dialer == our_id.min(peer_id)
}
