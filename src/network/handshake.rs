//! The handshake over a real connection: preamble, TLS, Hello. Its rules stand in
//! `wire::handshake`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::BytesMut;
use rustls::ConnectionCommon;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};
use tokio_rustls::TlsStream;

use crate::{
    crypto::NodeId,
    wire::{
        Admission, Assembler, FrameError, Gate, HELLO_EXPORTER_LABEL, Hello, HelloContext, Lane, Message,
        MessageType, PREAMBLE_BYTES, PROOF_EXPORTER_LABEL, Preamble, ProofRequest, Refusal, Role,
        StartHeader, hello_binding, limits::CLOCK_SKEW_WARN_MS,
    },
};

use super::{
    HandshakeError,
    core::Core,
    session::Agreed,
    tls::{peer_of, server_name},
};

/// Connection to session, all steps together.
pub const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(5);
/// Bytes read for a Hello at once: it is smaller.
const HELLO_READ_BYTES: usize = 2 * 1024;

/// A connection that passed the handshake.
pub(super) struct Established<S> {
    pub(super) stream: TlsStream<S>,
    pub(super) agreed: Agreed,
    /// Bytes that came right behind the Hello.
    pub(super) buffer: BytesMut,
}

/// Runs the handshake over `stream` within [`HANDSHAKE_DEADLINE`].
pub(super) async fn handshake<S>(
    core: &Core,
    stream: S,
    our_role: Role,
    expected: Option<NodeId>,
) -> Result<Established<S>, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    timeout(HANDSHAKE_DEADLINE, steps(core, stream, our_role, expected))
        .await
        .unwrap_or(Err(HandshakeError::Timeout(HANDSHAKE_DEADLINE)))
}

/// Whether `expected`, on our chain, listens at the other end: preambles and TLS, and not a word more.
pub(super) async fn probe<S>(core: &Core, stream: S, expected: NodeId) -> Result<(), HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    timeout(
        HANDSHAKE_DEADLINE,
        identify(core, stream, Role::Dialer, Some(expected)),
    )
    .await
    .unwrap_or(Err(HandshakeError::Timeout(HANDSHAKE_DEADLINE)))
    .map(|_| ())
}

/// Who is at the other end, before a word was said about more than that.
struct Identified<S> {
    stream: TlsStream<S>,
    exported: Exported,
    peer_id: NodeId,
    version: u16,
    /// The dialer's preamble and the listener's.
    preambles: [Preamble; 2],
}

async fn identify<S>(
    core: &Core,
    mut stream: S,
    our_role: Role,
    expected: Option<NodeId>,
) -> Result<Identified<S>, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let chain = &core.around.chain;
    let ours = Preamble::ours(chain);
    stream.write_all(&ours.to_bytes()).await?;
    stream.flush().await?;
    let mut bytes = [0; PREAMBLE_BYTES];
    stream.read_exact(&mut bytes).await?;
    let theirs = Preamble::from_bytes(&bytes)?;
    let version = theirs.agree(chain)?;
    let preambles = match our_role {
        Role::Dialer => [ours, theirs],
        Role::Listener => [theirs, ours],
    };

    let (stream, exported) = secure(core, stream, our_role).await?;
    let peer_id = peer_of(stream.get_ref().1)
        .ok_or_else(|| HandshakeError::Tls(std::io::Error::other("peer proved no node key")))?;
    if let Some(expected) = expected.filter(|expected| *expected != peer_id) {
        return Err(Refusal::UnexpectedNode {
            found: peer_id,
            expected,
        }
        .into());
    }
    Ok(Identified {
        stream,
        exported,
        peer_id,
        version,
        preambles,
    })
}

async fn steps<S>(
    core: &Core,
    stream: S,
    our_role: Role,
    expected: Option<NodeId>,
) -> Result<Established<S>, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Identified {
        mut stream,
        exported,
        peer_id,
        version,
        preambles: [dialer, listener],
    } = identify(core, stream, our_role, expected).await?;
    let binding = |role: Role| hello_binding(exported.hello(role), role, &dialer, &listener);
    let hello = our_hello(core, our_role, binding(our_role), exported.proof(our_role));
    send(&mut stream, &Message::Hello(hello)).await?;
    let mut buffer = BytesMut::with_capacity(HELLO_READ_BYTES);
    let hello = match receive(&mut stream, &mut buffer).await? {
        Message::Hello(hello) => hello,
        Message::Goodbye(goodbye) => return Err(HandshakeError::Goodbye(goodbye.code.name())),
        _ => return Err(HandshakeError::Frame(FrameError::NoMessage)),
    };
    let validator = hello.check(&HelloContext {
        chain: &core.around.chain,
        our_id: core.our_id,
        peer_id,
        peer_role: our_role.other(),
        binding: binding(our_role.other()),
        proof_exporter: *exported.proof(our_role.other()),
    })?;
    let clock_skew_ms = hello.unix_ms.cast_signed().wrapping_sub(unix_ms().cast_signed());
    if clock_skew_ms.unsigned_abs() > CLOCK_SKEW_WARN_MS {
        tracing::debug!(peer = %peer_id.short(), clock_skew_ms, "Peer's clock differs from ours");
    }
    Ok(Established {
        stream,
        agreed: Agreed {
            peer_id,
            our_role,
            version,
            hello,
            validator,
            clock_skew_ms,
        },
        buffer,
    })
}

/// Exporter values of one connection, by label and role.
struct Exported {
    hello: [[u8; 32]; 2],
    proof: [[u8; 32]; 2],
}

impl Exported {
    fn of<D>(connection: &ConnectionCommon<D>) -> Result<Self, rustls::Error> {
        let export = |label: &[u8], role: Role| {
            connection.export_keying_material([0; 32], label, Some(&[role.byte()]))
        };
        let both = |label: &[u8]| {
            Ok::<_, rustls::Error>([export(label, Role::Dialer)?, export(label, Role::Listener)?])
        };
        Ok(Self {
            hello: both(HELLO_EXPORTER_LABEL)?,
            proof: both(PROOF_EXPORTER_LABEL)?,
        })
    }

    fn hello(&self, role: Role) -> &[u8; 32] {
        &self.hello[usize::from(role.byte())]
    }

    fn proof(&self, role: Role) -> &[u8; 32] {
        &self.proof[usize::from(role.byte())]
    }
}

async fn secure<S>(core: &Core, stream: S, role: Role) -> Result<(TlsStream<S>, Exported), HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let other = |error: rustls::Error| HandshakeError::Tls(std::io::Error::other(error));
    match role {
        Role::Dialer => {
            let connecting = core.tls.connector().connect(server_name(), stream);
            let stream = connecting.await.map_err(HandshakeError::Tls)?;
            let exported = Exported::of(stream.get_ref().1).map_err(other)?;
            Ok((TlsStream::Client(stream), exported))
        }
        Role::Listener => {
            let accepting = core.tls.acceptor().accept(stream);
            let stream = accepting.await.map_err(HandshakeError::Tls)?;
            let exported = Exported::of(stream.get_ref().1).map_err(other)?;
            Ok((TlsStream::Server(stream), exported))
        }
    }
}

fn our_hello(core: &Core, role: Role, binding: crate::crypto::Hash256, exporter: &[u8; 32]) -> Hello {
    let tip = **core.around.tip.load();
    let request = ProofRequest {
        exporter: *exporter,
        role,
        node_id: core.our_id,
    };
    Hello {
        version: crate::wire::limits::WIRE_VERSION,
        chain_id: core.around.chain.chain_id,
        genesis_hash: core.around.chain.genesis_hash,
        node_id: core.our_id,
        binding,
        height: tip.height,
        tip_hash: tip.hash,
        finalized_height: tip.finalized_height,
        pruned_below: tip.pruned_below,
        capabilities: core.capabilities(),
        listen_port: core.listening.port(),
        user_agent: core.config.user_agent.clone(),
        unix_ms: unix_ms(),
        run_nonce: core.run_nonce,
        proof: (core.around.prove)(&request),
    }
}

/// The wall clock, in ms since 1970.
pub(super) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Sends one message before there is a session.
pub(super) async fn send<W: AsyncWrite + Unpin>(
    sink: &mut W,
    message: &Message,
) -> Result<(), HandshakeError> {
    let mut outgoing = message.encode(0)?;
    let mut out = BytesMut::new();
    while !outgoing.write_packet(&mut out) {}
    sink.write_all(&out).await?;
    sink.flush().await?;
    Ok(())
}

/// Lets in what may come first: a Hello, or a Goodbye instead.
struct Doorstep;

impl Gate for Doorstep {
    fn admit(&mut self, lane: Lane, start: &StartHeader) -> Result<Admission, FrameError> {
        let announced = start.wire_len as usize;
        match MessageType::from_wire(start.type_id) {
            Some(first @ (MessageType::Hello | MessageType::Goodbye)) if announced <= first.limit() => {
                first.check_frame(lane, start.request_id)?;
                Ok(Admission::Take(None))
            }
            _ => Err(FrameError::Oversize {
                type_id: start.type_id,
                announced,
                limit: 0,
            }),
        }
    }
}

async fn receive<R: AsyncRead + Unpin>(
    source: &mut R,
    buffer: &mut BytesMut,
) -> Result<Message, HandshakeError> {
    let mut assembler = Assembler::default();
    loop {
        if let Some(frame) = assembler.next_frame(buffer, &mut Doorstep, 0)? {
            let message_type = MessageType::from_wire(frame.type_id).ok_or(FrameError::NoMessage)?;
            return Ok(Message::decode(message_type, &frame.body)?);
        }
        buffer.reserve(HELLO_READ_BYTES);
        if source.read_buf(buffer).await? == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        }
    }
}
