//! `timed signer serve`: the consensus key in a process of its own, with a guard of its own.
//!
//! It listens on one Unix socket and answers users that it was told of. What it is asked for comes field
//! by field; it computes the bytes itself, and what it signs as a validator is durable in its log before
//! the answer leaves. One thread does everything in turn, so two nodes that ask at once get one answer
//! and one refusal.

mod guard;

#[cfg(test)]
mod tests;

use std::{
    fs, io,
    os::unix::net::UnixListener as StdListener,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    crypto::{Hash256, SecretKey},
    signer::{
        SUBJECT_BYTES_MAX, Wish,
        protocol::{Answer, LENGTH_BYTES, PROTOCOL, Request, body_length, frame, parse},
    },
    sockets::{self, ListenError, Rights},
    storage::lock::DataDirLock,
};

use super::NodeError;
use guard::{Refused, SignerGuard};

/// Connections at once; a node has two. More are closed without a word.
const CLIENTS_MAX: usize = 16;
/// A node asks every half second; one that is silent for this long is gone.
const IDLE: Duration = Duration::from_secs(30);
/// How long a frame that has begun may take, and an answer to be taken.
const FRAME_LIMIT: Duration = Duration::from_secs(2);
/// After a failed accept (usually: out of file descriptors), how long to wait for some to be closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Rights of the socket: its owner, and its group if one was named.
const SOCKET_MODE: u32 = 0o600;
const SHARED_MODE: u32 = 0o660;

/// What a signer is started with.
#[derive(Debug)]
pub struct ServiceOptions {
    /// Holds `keys/` and `consensus/`; nobody else may use it.
    pub data_dir: PathBuf,
    /// Where it listens.
    pub socket: PathBuf,
    /// What it signs with.
    pub key: SecretKey,
    /// The one chain that it signs for.
    pub chain_id: Hash256,
    /// Users that may ask, besides its own.
    pub users: Vec<u32>,
    /// The group that may open the socket.
    pub group: Option<u32>,
    /// Whether it proves that the key is held, which a registration needs.
    pub may_register: bool,
}

/// Why a signer does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The directory or the log.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// Nobody knows what the key signed.
    #[error(
        "{} does not know what this key signed ({why}), and a signer cannot watch the chain; bring the state along (`timed signer state import`), or read \"Observer mode\" in docs/OPERATIONS.md: `timed signer state init --above HEIGHT`", dir.display()
    )]
    Unknown {
        /// The log.
        dir: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Another process answers on the socket.
    #[error("{} is in use by another signer; stop that one, or choose another --socket", path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// The socket cannot be made.
    #[error("{}: {source}; check the directory, its owner, and --socket", path.display())]
    Listen {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A signer that is ready to answer.
#[derive(Debug)]
pub struct Service {
    listener: StdListener,
    socket: PathBuf,
    desk: Arc<Desk>,
    _lock: DataDirLock,
}

/// What every connection shares.
#[derive(Debug)]
struct Desk {
    guard: Mutex<SignerGuard>,
    key: SecretKey,
    chain_id: Hash256,
    users: Vec<u32>,
    may_register: bool,
}

impl Service {
    /// Locks the directory, reads the log and makes the socket.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub fn open(options: ServiceOptions) -> Result<Self, ServiceError> {
        let lock = DataDirLock::acquire(&options.data_dir).map_err(NodeError::from)?;
        let log_dir = options.data_dir.join("consensus");
        super::handover::refuse_given(&log_dir)?;
        let guard = SignerGuard::open(&log_dir, options.chain_id)?;
        let listener = listen(&options.socket, options.group)?;
        let mut users = options.users;
        users.push(rustix::process::geteuid().as_raw());
        Ok(Self {
            listener,
            socket: options.socket,
            desk: Arc::new(Desk {
                guard: Mutex::new(guard),
                key: options.key,
                chain_id: options.chain_id,
                users,
                may_register: options.may_register,
            }),
            _lock: lock,
        })
    }

    /// Answers until `stop`.
    ///
    /// # Errors
    /// [`ServiceError::Listen`] if the socket cannot be waited on.
    pub async fn run(self, stop: CancellationToken) -> Result<(), ServiceError> {
        let failed = |source| ServiceError::Listen {
            path: self.socket.clone(),
            source,
        };
        let listener = UnixListener::from_std(self.listener).map_err(failed)?;
        let mut clients = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = clients.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) if clients.len() < CLIENTS_MAX => {
                        clients.spawn(serve(stream, Arc::clone(&self.desk)));
                    }
                    Ok(_) => tracing::warn!(clients = CLIENTS_MAX, "too many connections: one was closed"),
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        // Gone already is as good.
        let _ = fs::remove_file(&self.socket);
        Ok(())
    }
}

/// Makes the socket, for its owner and for the group if one was named.
fn listen(path: &Path, group: Option<u32>) -> Result<StdListener, ServiceError> {
    let mode = if group.is_some() { SHARED_MODE } else { SOCKET_MODE };
    sockets::listen(path, Rights { mode, group }).map_err(|error| match error {
        ListenError::InUse => ServiceError::InUse {
            path: path.to_owned(),
        },
        ListenError::Io(source) => ServiceError::Listen {
            path: path.to_owned(),
            source,
        },
    })
}

/// One connection, until it ends, is silent for long, or says what is no request.
async fn serve(mut stream: UnixStream, desk: Arc<Desk>) {
    let Ok(cred) = stream.peer_cred() else { return };
    if !desk.users.contains(&cred.uid()) {
        tracing::warn!(
            uid = cred.uid(),
            pid = cred.pid(),
            "a user that is not allowed was turned away"
        );
        let _ = answer(
            &mut stream,
            &Answer::refused(format!(
                "user {} may not ask here; `timed signer serve --allow-uid` names who may",
                cred.uid()
            )),
        )
        .await;
        return;
    }
    tracing::info!(uid = cred.uid(), pid = cred.pid(), "a node connected");
    let mut has_greeted = false;
    while let Some(request) = next_request(&mut stream).await {
        let reply = desk.reply(&request, has_greeted);
        has_greeted |= matches!(reply, Answer::Hello { .. });
        let is_end = !has_greeted;
        if answer(&mut stream, &reply).await.is_err() || is_end {
            break;
        }
    }
    tracing::info!(uid = cred.uid(), pid = cred.pid(), "a node disconnected");
}

async fn next_request(stream: &mut UnixStream) -> Option<Request> {
    let mut length = [0; LENGTH_BYTES];
    timeout(IDLE, stream.read_exact(&mut length)).await.ok()?.ok()?;
    let mut body = vec![0; body_length(length).ok()?];
    timeout(FRAME_LIMIT, stream.read_exact(&mut body))
        .await
        .ok()?
        .ok()?;
    parse(&body).ok()
}

async fn answer(stream: &mut UnixStream, answer: &Answer) -> io::Result<()> {
    let frame = frame(answer)?;
    match timeout(FRAME_LIMIT, stream.write_all(&frame)).await {
        Ok(written) => written,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

impl Desk {
    fn reply(&self, request: &Request, has_greeted: bool) -> Answer {
        match request {
            Request::Hello { protocol, .. } if *protocol != PROTOCOL => Answer::refused(format!(
                "it speaks version {PROTOCOL} of the signer's protocol, and the node version {protocol}; run the same version of timed on both sides"
            )),
            Request::Hello { chain_id, .. } if *chain_id != self.chain_id => Answer::refused(format!(
                "it signs for chain {}, and the node is on {chain_id}; correct --network or --genesis of one of the two",
                self.chain_id
            )),
            Request::Hello { .. } => Answer::Hello {
                public_key: self.key.public_key(),
                signed_up_to: self.guard.lock().unwrap_or_else(PoisonError::into_inner).mark(),
            },
            Request::Ping | Request::Sign(_) if !has_greeted => Answer::refused("say who you are first"),
            Request::Ping => Answer::Pong,
            Request::Sign(wish) => self.sign(wish),
        }
    }

    fn sign(&self, wish: &Wish) -> Answer {
        let signed = |key: &SecretKey| Answer::Signed(key.sign(&wish.bytes(&key.public_key())));
        let other_chain = |chain_id: &Hash256| *chain_id != self.chain_id;
        match wish {
            Wish::Vote(statement) => {
                let mut guard = self.guard.lock().unwrap_or_else(PoisonError::into_inner);
                match guard.sign(&self.key, statement) {
                    Ok(signature) => Answer::Signed(signature),
                    Err(refused) => {
                        let position = statement.position();
                        match &refused {
                            Refused::Broken { .. } | Refused::Conflict | Refused::Forgets { .. } => {
                                tracing::error!(?position, %refused, "refused to sign");
                            }
                            Refused::Below { .. } | Refused::OtherChain | Refused::Malformed => {
                                tracing::warn!(?position, %refused, "refused to sign");
                            }
                        }
                        Answer::refused(refused)
                    }
                }
            }
            Wish::Ready { chain_id, .. } | Wish::Possession { chain_id, .. } if other_chain(chain_id) => {
                Answer::refused(Refused::OtherChain)
            }
            Wish::Claim(claim) if other_chain(&claim.chain_id) => Answer::refused(Refused::OtherChain),
            Wish::Session(_) | Wish::Ready { .. } | Wish::Claim(_) => signed(&self.key),
            Wish::Possession { subject, .. } if subject.len() > SUBJECT_BYTES_MAX => {
                Answer::refused(Refused::Malformed)
            }
            Wish::Possession { .. } if !self.may_register => Answer::refused(
                "it was not told to register its key; start it with --allow-registration for as long as that takes",
            ),
            Wish::Possession { .. } => {
                tracing::warn!("a proof of possession was signed: the key can be registered with it");
                signed(&self.key)
            }
        }
    }
}
