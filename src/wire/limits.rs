//! Every number that bounds what a peer can make this node do, in one place.
//!
//! A limit is checked before memory is reserved for what it bounds. Raising one of them raises what
//! a stranger may cost us; the comment of each says what.

/// Version of the wire format that this program speaks.
pub const WIRE_VERSION: u16 = 1;
/// Oldest version that it still understands. Two nodes talk if their ranges overlap.
pub const WIRE_VERSION_MIN: u16 = 1;
/// First bytes of every connection: tells a TimeCoin node from a stray HTTP client.
pub const MAGIC: [u8; 4] = *b"TIME";

/// Most payload bytes of one packet. A vote waits behind at most one packet of bulk: 13 ms on a
/// 10 Mbit/s line.
pub const PACKET_PAYLOAD_MAX_BYTES: usize = 16 * 1024;
/// Bytes before every packet's payload: length, lane, flags.
pub const PACKET_HEADER_BYTES: usize = 4;
/// Further header bytes of a message's first packet: type, request id, two lengths.
pub const START_HEADER_BYTES: usize = 18;
/// Largest packet as it travels, the first of a message included.
pub const PACKET_MAX_BYTES: usize = PACKET_HEADER_BYTES + START_HEADER_BYTES + PACKET_PAYLOAD_MAX_BYTES;

/// Largest message of any kind. Nothing larger is ever announced without closing the session.
pub const MESSAGE_MAX_BYTES: usize = 10 * 1024 * 1024;
/// A decoded value may take this many times its encoded size in memory before decoding gives up:
/// the fields of a struct are padded, and lists are reserved by their length in memory.
pub const DECODED_GROWTH_MAX: usize = 4;

/// All sessions together may hold this many bytes of half-received and queued messages.
pub const REASSEMBLY_BUDGET_BYTES: usize = 32 * 1024 * 1024;
/// What one session may hold of it. A single message of any kind always fits; beside it only what keeps its
/// sender below this, so that one masternode's proposals never keep out those of the others.
pub const REASSEMBLY_PEER_BYTES: usize = 10 * 1024 * 1024;
/// Part of the budget that only proven masternodes may take, for proposals: a flood of strangers
/// cannot keep a proposal out.
pub const REASSEMBLY_RESERVED_BYTES: usize = 8 * 1024 * 1024;
/// Part of the budget that strangers may take with what nobody asked them for: a few who begin large
/// messages and never end them must not keep out the answers that we wait for.
pub const REASSEMBLY_UNASKED_BYTES: usize = 8 * 1024 * 1024;
/// The largest message that a stranger may say unasked: transactions, or a decision with a block of
/// [`super::MessageType::Decided`] below a mebibyte. Proposals come from masternodes.
pub const UNASKED_MAX_BYTES: usize = 1024 * 1024 + 256 * 1024;
/// Answers above one packet that wait to be sent to all sessions together. Beyond it a question is
/// answered Busy: whoever asks and reads slowly takes no memory of ours.
pub const SENDING_BUDGET_BYTES: usize = 64 * 1024 * 1024;
/// Part of that which only answers to masternodes may take.
pub const SENDING_RESERVED_BYTES: usize = 16 * 1024 * 1024;
/// How long a peer may take what waits for it at less than [`REASSEMBLY_MIN_BYTES_PER_S`].
pub const SENDING_DEADLINE_MS: u64 = 30_000;
/// Messages up to one packet need no permit: they travel in one packet, so that at most one of them a session
/// is half received, in the buffer that it is read into.
pub const REASSEMBLY_FREE_BYTES: usize = PACKET_PAYLOAD_MAX_BYTES;
/// A message must be complete this long after its first packet, plus its size at the lowest rate.
pub const REASSEMBLY_DEADLINE_MS: u64 = 30_000;
/// Lowest rate at which a peer may send a message that it began.
pub const REASSEMBLY_MIN_BYTES_PER_S: u64 = 16 * 1024;

/// Longest user agent in a Hello.
pub const USER_AGENT_MAX_BYTES: usize = 64;
/// A clock further away than this from ours is worth a warning to the operator.
pub const CLOCK_SKEW_WARN_MS: u64 = 60_000;

/// Blocks that one GetBlocks may ask for.
pub const BLOCKS_PER_REQUEST_MAX: usize = 100;
/// Bytes of blocks that one GetBlocks may ask for.
pub const BLOCKS_BYTES_MAX: u32 = 8 * 1024 * 1024;
/// Room that one block's answer gets beyond what was asked for: header, certificate, framing, and
/// the one block that a responder sends even when it is larger than asked.
pub const BLOCK_MESSAGE_MAX_BYTES: usize = 4 * 1024 * 1024 + 256 * 1024;
/// Transaction ids in one TxInv.
pub const TX_INV_MAX: usize = 1000;
/// Transactions of one block, hence ids in a proposal by id.
pub const BLOCK_TXS_MAX: usize = 20_000;
/// Transactions of a proposal that a validator may lack and still ask for one by one; beyond it the
/// whole block is cheaper.
pub const BLOCK_TXS_MISSING_MAX: usize = 5_000;
/// Transactions in one GetTxs or Txs.
pub const TXS_MAX: usize = 100;
/// Peer records in one answer.
pub const PEERS_PER_ANSWER_MAX: usize = 100;
/// Peer records that may come without being asked for: a node tells of itself, and of few others.
pub const PEERS_UNASKED_MAX: usize = 10;
/// Masternodes on one page.
pub const MASTERNODES_PAGE_MAX: usize = 500;

/// Coins on one page of a snapshot.
pub const UTXO_PAGE_MAX: usize = 1000;
/// Pages of one snapshot: a larger state is not served so.
pub const SNAPSHOT_PAGES_MAX: usize = 16_000;
/// Parts of a snapshot's state beside its coins.
pub const SNAPSHOT_PARTS_MAX: usize = 8;

/// Requests that may be open to one peer. A caller beyond that is told to wait.
pub const REQUESTS_OPEN_MAX: usize = 64;
/// Requests of one session that may wait to be served, those of consensus not counted. A node asks no more of
/// a peer at once: ten pages of transactions, three ranges of blocks, a status and a page.
pub const REQUESTS_WAITING_MAX: usize = 16;
/// Messages of unknown type that a peer may send in a minute.
pub const UNKNOWN_PER_MINUTE_MAX: u32 = 10;

const _: () = assert!(PACKET_PAYLOAD_MAX_BYTES <= u16::MAX as usize);
const _: () = assert!(REASSEMBLY_RESERVED_BYTES < REASSEMBLY_BUDGET_BYTES);
const _: () = assert!(MESSAGE_MAX_BYTES <= REASSEMBLY_PEER_BYTES);
const _: () = assert!(2 * REASSEMBLY_PEER_BYTES < REASSEMBLY_BUDGET_BYTES);
// The largest block finds room beside another one, and twice itself left.
const _: () = assert!(4 * BLOCK_MESSAGE_MAX_BYTES < REASSEMBLY_BUDGET_BYTES - REASSEMBLY_RESERVED_BYTES);
const _: () = assert!(
    REASSEMBLY_UNASKED_BYTES + MESSAGE_MAX_BYTES <= REASSEMBLY_BUDGET_BYTES - REASSEMBLY_RESERVED_BYTES
);
const _: () = assert!(BLOCKS_BYTES_MAX as usize + 256 * 1024 < MESSAGE_MAX_BYTES);
const _: () = assert!(WIRE_VERSION_MIN <= WIRE_VERSION);
