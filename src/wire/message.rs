//! The catalogue: every message that nodes exchange, with its number, lane and limit.
//!
//! Numbers are forever: a message that changes its fields gets a new one. An unknown number is
//! skipped and counted, so that a newer peer can say more than we understand.

use bytes::Bytes;

use crate::{
    chain::Block,
    consensus::{ConsensusMessage, Evidence, Step, ViewChange},
};

use super::{
    CodecError, FrameError, Hello, KeyCall, KeyHeld, Lane, Outgoing, codec,
    limits::{self, DECODED_GROWTH_MAX},
    payload::*,
    snapshot::*,
};

const KIB: usize = 1024;

/// How a message relates to requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Said without being asked; carries no request id.
    Notice,
    /// Asks; carries a request id that the answer repeats. The type of the answer.
    Request(MessageType),
    /// Answers; fatal if nothing was asked.
    Response,
    /// A notice without a request id, a response with one.
    Either,
}

macro_rules! catalogue {
    ($($(#[$doc:meta])* $id:literal $name:ident($payload:ty), $lane:ident, $limit:expr, $kind:expr;)+) => {
        /// The type of a message, by its number on the wire.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum MessageType {
            $($(#[$doc])* $name = $id,)+
        }

        impl MessageType {
            /// Every type, ascending by number.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The type with that number, if this version knows it.
            pub fn from_wire(id: u16) -> Option<Self> {
                match id {
                    $($id => Some(Self::$name),)+
                    _ => None,
                }
            }

            /// The name, as in the catalogue.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }

            /// The lane it travels in.
            pub const fn lane(self) -> Lane {
                match self {
                    $(Self::$name => Lane::$lane,)+
                }
            }

            /// Most bytes of its body.
            pub const fn limit(self) -> usize {
                match self {
                    $(Self::$name => $limit,)+
                }
            }

            /// How it relates to requests.
            pub const fn kind(self) -> Kind {
                match self {
                    $(Self::$name => $kind,)+
                }
            }
        }

        /// One message.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Message {
            $($(#[$doc])* $name($payload),)+
        }

        impl Message {
            /// Its type.
            pub const fn message_type(&self) -> MessageType {
                match self {
                    $(Self::$name(_) => MessageType::$name,)+
                }
            }

            /// The bytes of its body, to be shared by all sessions that it goes to.
            ///
            /// # Errors
            /// [`CodecError`] if a field does not encode; ours always do.
            pub fn encode_body(&self) -> Result<Bytes, CodecError> {
                match self {
                    $(Self::$name(payload) => codec::encode(payload),)+
                }
            }

            fn decode_body(message_type: MessageType, body: &[u8]) -> Result<Self, CodecError> {
                match message_type {
                    $(MessageType::$name => {
                        codec::decode::<$payload, { $limit * DECODED_GROWTH_MAX }>(body).map(Self::$name)
                    })+
                }
            }
        }
    };
}

catalogue! {
    /// Facts about the sender; the first message each way, and never again.
    1 Hello(Hello), Control, KIB, Kind::Notice;
    /// Keep-alive.
    2 Ping(Ping), Control, 32, Kind::Notice;
    /// Answer to a ping, by its nonce.
    3 Pong(Pong), Control, 32, Kind::Notice;
    /// The session ends.
    4 Goodbye(Goodbye), Control, 64, Kind::Notice;
    /// Answer to any request: not now.
    5 Busy(Busy), Blocks, 32, Kind::Response;
    /// Answer to any request: not here.
    6 NotFound(NotFound), Blocks, 32, Kind::Response;
    /// What the sender's clock shows, beside each ping.
    7 Clock(Clock), Control, 32, Kind::Notice;
    /// Does anybody else have this consensus key?
    8 KeyCall(KeyCall), Consensus, 64, Kind::Notice;
    /// Another process has it.
    9 KeyHeld(KeyHeld), Consensus, 256, Kind::Notice;
    /// Where others can be reached, please.
    10 GetPeers(GetPeers), State, 16, Kind::Request(MessageType::Peers);
    /// Where others can be reached; unasked, where the sender itself is.
    11 Peers(Peers), State, 32 * KIB, Kind::Either;
    /// A page of the registry, please.
    12 GetMasternodes(GetMasternodes), State, 64, Kind::Request(MessageType::Masternodes);
    /// A page of the registry.
    13 Masternodes(Masternodes), State, 256 * KIB, Kind::Response;
    /// Can you dial me?
    14 GetReachable(GetReachable), State, 16, Kind::Request(MessageType::Reachable);
    /// Whether the asker was dialled, and where.
    15 Reachable(Reachable), State, 32, Kind::Response;
    /// Where are you?
    20 GetStatus(GetStatus), Blocks, 16, Kind::Request(MessageType::Status);
    /// Here I am; also said to a peer that is behind (docs/CONSENSUS.md R10).
    21 Status(Status), Blocks, 320 * KIB, Kind::Either;
    /// Consecutive blocks, please.
    22 GetBlocks(GetBlocks), Blocks, 64, Kind::Request(MessageType::Blocks);
    /// Consecutive blocks.
    23 Blocks(Blocks), Blocks, limits::MESSAGE_MAX_BYTES, Kind::Response;
    /// One block, please: consensus waits for it.
    24 GetBlockByHash(GetBlockByHash), Consensus, 64, Kind::Request(MessageType::BlockByHash);
    /// One block.
    25 BlockByHash(BlockByHash), Consensus, limits::BLOCK_MESSAGE_MAX_BYTES, Kind::Response;
    /// A leader's proposal, its transactions as ids.
    29 CompactProposal(CompactProposal), Consensus, 1536 * KIB, Kind::Notice;
    /// A leader's proposal.
    30 PrePrepare(Proposal), Consensus, limits::BLOCK_MESSAGE_MAX_BYTES + 512 * KIB, Kind::Notice;
    /// A PREPARE.
    31 Prepare(Prepare), Consensus, 256, Kind::Notice;
    /// A COMMIT.
    32 Commit(Commit), Consensus, 256, Kind::Notice;
    /// A VIEW-CHANGE with its lock.
    33 ViewChange(ViewChange), Consensus, 320 * KIB, Kind::Notice;
    /// A decided height.
    34 Decided(Decided), Consensus, limits::BLOCK_MESSAGE_MAX_BYTES, Kind::Notice;
    /// Two messages that no honest validator signs both.
    37 Evidence(Evidence), Consensus, 256 * KIB, Kind::Notice;
    /// Transactions of a block under vote, please.
    38 GetBlockTxs(GetBlockTxs), Consensus, 32 * KIB, Kind::Request(MessageType::BlockTxs);
    /// Transactions of a block under vote.
    39 BlockTxs(BlockTxs), Consensus, limits::BLOCK_MESSAGE_MAX_BYTES, Kind::Response;
    /// Transactions are to be had.
    40 TxInv(TxInv), Tx, 32 * KIB, Kind::Notice;
    /// Transactions, please.
    41 GetTxs(GetTxs), Tx, 4 * KIB, Kind::Request(MessageType::Txs);
    /// Transactions.
    42 Txs(Txs), Tx, 1024 * KIB, Kind::Either;
    /// The newest snapshot, please.
    50 GetSnapshotInfo(GetSnapshotInfo), State, 16, Kind::Request(MessageType::SnapshotInfo);
    /// The newest snapshot.
    51 SnapshotInfo(SnapshotInfo), State, 2 * KIB * KIB, Kind::Response;
    /// A page of coins, please.
    52 GetUtxoSetPage(GetUtxoSetPage), State, 128, Kind::Request(MessageType::UtxoSetPage);
    /// A page of coins.
    53 UtxoSetPage(UtxoSetPage), State, 128 * KIB, Kind::Response;
}

impl MessageType {
    /// The number on the wire.
    pub const fn id(self) -> u16 {
        self as u16
    }

    /// Checks a frame's request id and lane against the type.
    ///
    /// # Errors
    /// [`FrameError::WrongLane`] or [`FrameError::RequestId`].
    pub fn check_frame(self, lane: Lane, request_id: u64) -> Result<(), FrameError> {
        if lane != self.lane() {
            return Err(FrameError::WrongLane {
                type_id: self.id(),
                lane: lane as u8,
            });
        }
        let fits = match self.kind() {
            Kind::Notice => request_id == 0,
            Kind::Request(_) | Kind::Response => request_id != 0,
            Kind::Either => true,
        };
        if fits {
            Ok(())
        } else {
            Err(FrameError::RequestId {
                type_id: self.id(),
                request_id,
            })
        }
    }

    /// True if a frame of this type with that request id answers something.
    pub const fn is_response(self, request_id: u64) -> bool {
        match self.kind() {
            Kind::Response => true,
            Kind::Either => request_id != 0,
            Kind::Notice | Kind::Request(_) => false,
        }
    }
}

impl Message {
    /// The lane it travels in.
    pub const fn lane(&self) -> Lane {
        self.message_type().lane()
    }

    /// The number of its type.
    pub const fn type_id(&self) -> u16 {
        self.message_type().id()
    }

    /// The type of the answer, if this asks for one.
    pub const fn answer(&self) -> Option<MessageType> {
        match self.message_type().kind() {
            Kind::Request(answer) => Some(answer),
            Kind::Notice | Kind::Response | Kind::Either => None,
        }
    }

    /// The height of its sender's tip, if only a node with that tip says this: who votes at a height
    /// has its parent. Nothing that is in it has been checked.
    pub fn implied_height(&self) -> Option<u64> {
        let at = match self {
            Self::Prepare(vote) | Self::Commit(vote) => vote.height,
            Self::PrePrepare(proposal) => proposal.message.height,
            Self::CompactProposal(proposal) => proposal.message.height,
            Self::ViewChange(change) => change.header.height,
            Self::Decided(decided) => return Some(decided.certificate.height.get()),
            Self::Status(status) => return Some(status.height.get()),
            _ => return None,
        };
        Some(at.get().saturating_sub(1))
    }

    /// Most bytes that an answer to this may have.
    pub fn answer_limit(&self) -> usize {
        let of_type = self.answer().map_or(0, MessageType::limit);
        match self {
            // One block always comes, however little was asked for.
            Self::GetBlocks(get) => {
                of_type.min((get.max_bytes as usize).max(limits::BLOCK_MESSAGE_MAX_BYTES) + 320 * KIB)
            }
            _ => of_type,
        }
    }

    /// Ready to be cut into packets.
    ///
    /// # Errors
    /// [`CodecError`] if it does not encode, [`CodecError::Limit`] if it is over its type's limit.
    pub fn encode(&self, request_id: u64) -> Result<Outgoing, CodecError> {
        let body = self.encode_body()?;
        if body.len() > self.message_type().limit() {
            return Err(CodecError::Limit);
        }
        Outgoing::new(self.lane(), self.type_id(), request_id, body).map_err(|_| CodecError::Limit)
    }

    /// Reads the body of a message of type `message_type`.
    ///
    /// # Errors
    /// [`CodecError`]; the session cannot go on after one.
    pub fn decode(message_type: MessageType, body: &[u8]) -> Result<Self, CodecError> {
        let message = Self::decode_body(message_type, body)?;
        let step = match &message {
            Self::Prepare(vote) => Some((vote.step, Step::Prepare)),
            Self::Commit(vote) => Some((vote.step, Step::Commit)),
            _ => None,
        };
        match step {
            Some((step, expected)) if step != expected => Err(CodecError::Malformed(
                "vote whose step is not its message type's".to_owned(),
            )),
            _ => Ok(message),
        }
    }

    /// The wire message of a consensus message; a PRE-PREPARE needs its block, and only it.
    pub fn from_consensus(message: ConsensusMessage, block: Option<Block>) -> Option<Self> {
        Some(match message {
            ConsensusMessage::PrePrepare(message) => Self::PrePrepare(Proposal {
                message,
                block: block?,
            }),
            ConsensusMessage::ViewChange(message) => Self::ViewChange(message),
            ConsensusMessage::Vote(vote) => match vote.step {
                Step::Prepare => Self::Prepare(vote),
                Step::Commit => Self::Commit(vote),
                Step::ViewChange | Step::PrePrepare => return None,
            },
        })
    }

    /// The consensus message in this one, if it is one, with the block that came along.
    ///
    /// # Errors
    /// The message itself if it is none.
    pub fn into_consensus(self) -> Result<(ConsensusMessage, Option<Block>), Box<Self>> {
        Ok(match self {
            Self::PrePrepare(Proposal { message, block }) => {
                (ConsensusMessage::PrePrepare(message), Some(block))
            }
            Self::Prepare(vote) | Self::Commit(vote) => (ConsensusMessage::Vote(vote), None),
            Self::ViewChange(message) => (ConsensusMessage::ViewChange(message), None),
            other => return Err(Box::new(other)),
        })
    }
}
