//! From a connection to a session, the same for both roles; and how each outcome is counted.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use crate::{
    crypto::NodeId,
    metrics::labels::HandshakeResult,
    wire::{Goodbye, GoodbyeCode, Message, Refusal, Role},
};

use super::{
    HandshakeError,
    core::Core,
    handshake::{Established, handshake, send},
    session::Session,
};

/// Telling a refused peer why may take this long.
const REFUSAL_TIMEOUT: Duration = Duration::from_millis(500);
/// A peer without a slot should come back after this many seconds.
const NO_SLOT_RETRY_S: u32 = 30;

/// Makes a session of a connection, or counts why not. `slot` is held as long as the session.
pub(super) async fn connect<S>(
    core: &Arc<Core>,
    stream: S,
    address: SocketAddr,
    our_role: Role,
    expected: Option<NodeId>,
    slot: impl Send + 'static,
) -> Result<Arc<Session>, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let result = tokio::select! {
        result = try_connect(core, stream, address, our_role, expected, slot) => result,
        () = core.stopping.cancelled() => Err(HandshakeError::Stopping),
    };
    let metrics = &core.around.metrics.p2p.handshakes;
    match &result {
        Ok(_) => metrics.inc(HandshakeResult::Ok),
        Err(error) => {
            metrics.inc(label(error));
            tracing::debug!(%address, role = ?our_role, %error, "Handshake refused");
        }
    }
    result
}

async fn try_connect<S>(
    core: &Arc<Core>,
    stream: S,
    address: SocketAddr,
    our_role: Role,
    expected: Option<NodeId>,
    slot: impl Send + 'static,
) -> Result<Arc<Session>, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Established {
        mut stream,
        agreed,
        buffer,
    } = handshake(core, stream, our_role, expected).await?;
    match core.admit(agreed, address).await {
        Ok(session) => {
            core.run(&session, stream, buffer, slot);
            Ok(session)
        }
        Err(refused) => {
            if let Some(goodbye) = goodbye(&refused) {
                // Best effort: the peer finds out anyway.
                let _ = timeout(REFUSAL_TIMEOUT, async {
                    send(&mut stream, &Message::Goodbye(goodbye)).await?;
                    stream.shutdown().await.map_err(HandshakeError::Io)
                })
                .await;
            }
            Err(refused)
        }
    }
}

fn goodbye(refused: &HandshakeError) -> Option<Goodbye> {
    let (code, retry_after_s) = match refused {
        HandshakeError::Duplicate(_) => (GoodbyeCode::Duplicate, 0),
        HandshakeError::NoSlot => (GoodbyeCode::NoSlot, NO_SLOT_RETRY_S),
        HandshakeError::Banned => (GoodbyeCode::Banned, 0),
        HandshakeError::Paused(left) => (
            GoodbyeCode::Fault,
            u32::try_from(left.as_secs())
                .unwrap_or(u32::MAX)
                .saturating_add(1),
        ),
        _ => return None,
    };
    Some(Goodbye { code, retry_after_s })
}

fn label(error: &HandshakeError) -> HandshakeResult {
    match error {
        HandshakeError::Io(_) => HandshakeResult::Io,
        HandshakeError::Tls(_) => HandshakeResult::Tls,
        HandshakeError::Timeout(_) => HandshakeResult::Timeout,
        HandshakeError::Refused(refusal) => match refusal {
            Refusal::NotTimeCoin
            | Refusal::Version { .. }
            | Refusal::Network { .. }
            | Refusal::Genesis { .. } => HandshakeResult::WrongNetwork,
            Refusal::NotBound
            | Refusal::WrongNode { .. }
            | Refusal::UnexpectedNode { .. }
            | Refusal::Proof(_) => HandshakeResult::BadProof,
            Refusal::Ourselves | Refusal::UserAgent => HandshakeResult::Refused,
        },
        HandshakeError::Duplicate(_) => HandshakeResult::Duplicate,
        HandshakeError::Frame(_)
        | HandshakeError::Codec(_)
        | HandshakeError::Goodbye(_)
        | HandshakeError::NoSlot
        | HandshakeError::Banned
        | HandshakeError::Paused(_)
        | HandshakeError::Stopping => HandshakeResult::Refused,
    }
}
