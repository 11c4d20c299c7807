//! What nodes say to each other, and in which bytes.
//!
//! Bytes become [`Frame`]s in the [`Assembler`], frames become [`Message`]s in [`message`], each
//! step under limits that are checked before memory is reserved. Nothing here touches a socket or a
//! clock: room `network` brings both. The layout of bytes stands in [`packet`], the table of messages in
//! [`message`]; `tests/` hold their golden bytes.

mod assembler;
mod ban;
mod budget;
pub mod codec;
mod compression;
mod error;
mod fault;
mod handshake;
mod key_call;
mod lane;
pub mod limits;
mod message;
mod packet;
mod payload;
mod peer;
mod record;
mod snapshot;

#[cfg(test)]
mod tests;

/// Proof that a validator contradicted itself; defined by consensus, carried by us.
pub use crate::consensus::Evidence;
pub use assembler::{Admission, Assembler, Frame, Gate};
pub use ban::{BAN_REASON_MAX, Ban, BanSource, BanTarget, IpRange, ParseBanTargetError};
pub use budget::{Budget, Permit, Purpose, Share};
pub use codec::BoundedVec;
pub use compression::{COMPRESS_MIN_BYTES, inflate, is_compressible};
pub use error::{CodecError, FrameError};
pub use fault::{Fault, Severity};
pub use handshake::{
    ChainIdentity, HELLO_EXPORTER_LABEL, Hello, HelloContext, LocalTip, MasternodeProof, PREAMBLE_BYTES,
    PROOF_EXPORTER_LABEL, Preamble, ProofRequest, Refusal, Role, capability, hello_binding,
    keep_new_connection,
};
pub use key_call::{KeyCall, KeyClaim, KeyHeld};
pub use lane::Lane;
pub use message::{Kind, Message, MessageType};
pub use packet::{FLAG_COMPRESSED, FLAG_END, FLAG_START, Outgoing, PacketHeader, StartHeader};
pub use payload::*;
pub use peer::{Direction, PeerInfo, Reachability};
pub use record::{
    Endpoint, PeerRecord, RECORD_ADDRESSES_MAX, RECORD_AGE_MAX_S, RECORD_FUTURE_MAX_S, address_group,
    is_dialable, neighbourhood,
};
pub use snapshot::{GetSnapshotInfo, GetUtxoSetPage, SnapshotInfo, SnapshotManifest, UtxoSetPage};
