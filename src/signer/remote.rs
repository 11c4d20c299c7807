//! The consensus key in another process, on a Unix socket.
//!
//! Two connections: one for votes alone, so that nothing delays them, one for everything else. The
//! engine only ever uses a connection that is there; a thread of its own makes new ones, asks every
//! second whether the signer lives, and so knows of a loss when nothing has to be signed.

use std::{
    io,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use super::{
    Signer, SignerError, Wish,
    protocol::{Answer, PROTOCOL, Request, ask},
};
use crate::crypto::{Hash256, PublicKey, Signature};

/// How long a signature may take; then the node abstains.
const SIGN_LIMIT: Duration = Duration::from_millis(500);
/// How long the signer has to say who it is. Longer: it may wait for a disk.
const HELLO_LIMIT: Duration = Duration::from_secs(2);
/// How often the connections are looked after, and the signer is asked whether it lives.
const TEND_EVERY: Duration = Duration::from_millis(500);

/// Signs through another process.
#[derive(Debug)]
pub struct RemoteSigner {
    link: Arc<Link>,
}

#[derive(Debug)]
struct Link {
    socket: PathBuf,
    chain_id: Hash256,
    key: PublicKey,
    votes: Mutex<Option<UnixStream>>,
    others: Mutex<Option<UnixStream>>,
    lack: Mutex<Option<String>>,
    has_ended: AtomicBool,
}

impl RemoteSigner {
    /// The signer at `socket`. With a known key it need not answer yet; without, it has to say which
    /// it holds.
    ///
    /// # Errors
    /// [`SignerError::Unknown`] if no key is known and nobody answers; [`SignerError::Unavailable`] if
    /// there is no thread for it.
    pub fn open(socket: &Path, chain_id: Hash256, known: Option<PublicKey>) -> Result<Self, SignerError> {
        let key = match known {
            Some(key) => key,
            None => {
                connect(socket, chain_id)
                    .map_err(|reason| SignerError::Unknown {
                        socket: socket.to_owned(),
                        reason,
                    })?
                    .1
            }
        };
        let link = Arc::new(Link {
            socket: socket.to_owned(),
            chain_id,
            key,
            votes: Mutex::default(),
            others: Mutex::default(),
            lack: Mutex::new(Some("not asked yet".to_owned())),
            has_ended: AtomicBool::new(false),
        });
        link.tend();
        let tended = Arc::clone(&link);
        thread::Builder::new()
            .name("signer-link".to_owned())
            .spawn(move || tended.run())
            .map_err(|error| SignerError::Unavailable {
                reason: format!("no thread for it: {error}"),
            })?;
        Ok(Self { link })
    }
}

impl Signer for RemoteSigner {
    fn public_key(&self) -> PublicKey {
        self.link.key
    }

    fn sign(&self, wish: &Wish) -> Result<Signature, SignerError> {
        let line = match wish {
            Wish::Vote(_) => &self.link.votes,
            Wish::Session(_) | Wish::Ready { .. } | Wish::Possession { .. } | Wish::Claim(_) => {
                &self.link.others
            }
        };
        match self.link.ask(line, &Request::Sign(wish.clone())) {
            Ok(Answer::Signed(signature)) => Ok(signature),
            Ok(Answer::Refused { reason }) => Err(SignerError::Refused { reason }),
            Ok(Answer::Hello { .. } | Answer::Pong) => Err(SignerError::Unavailable {
                reason: "it answered something else than what was asked".to_owned(),
            }),
            Err(reason) => Err(SignerError::Unavailable { reason }),
        }
    }

    fn lack(&self) -> Option<String> {
        held(&self.link.lack).clone()
    }

    fn holds_key(&self) -> bool {
        false
    }
}

impl Drop for RemoteSigner {
    fn drop(&mut self) {
        self.link.has_ended.store(true, Ordering::Relaxed);
    }
}

impl Link {
    fn run(&self) {
        while !self.has_ended.load(Ordering::Relaxed) {
            thread::sleep(TEND_EVERY);
            self.tend();
        }
    }

    /// Makes what connection is missing, asks whether the signer lives, and notes what is wrong.
    fn tend(&self) {
        let state = self
            .ensure(&self.votes)
            .and_then(|()| self.ensure(&self.others))
            .and_then(|()| self.ask(&self.others, &Request::Ping).map(drop));
        if state.is_err() {
            // The same process stands behind both.
            *held(&self.votes) = None;
            *held(&self.others) = None;
        }
        *held(&self.lack) = state.err();
    }

    fn ensure(&self, line: &Mutex<Option<UnixStream>>) -> Result<(), String> {
        if held(line).is_some() {
            return Ok(());
        }
        // Not under the lock: this may wait, and the engine must not.
        let (stream, key) = connect(&self.socket, self.chain_id)?;
        if key != self.key {
            return Err(format!(
                "it holds key {key}, and this node is {}; correct keys.signer, or remove keys/{} if the key was changed on purpose",
                self.key,
                super::VALIDATOR_PUBLIC_FILE
            ));
        }
        *held(line) = Some(stream);
        Ok(())
    }

    /// One question and its answer; a connection that fails is not used again.
    fn ask(&self, line: &Mutex<Option<UnixStream>>, request: &Request) -> Result<Answer, String> {
        let mut line = held(line);
        let Some(stream) = line.as_mut() else {
            return Err(held(&self.lack)
                .clone()
                .unwrap_or_else(|| "the connection was lost".to_owned()));
        };
        ask(stream, request).map_err(|error| {
            *line = None;
            said(&error)
        })
    }
}

/// A connection on which both sides know who they are.
fn connect(socket: &Path, chain_id: Hash256) -> Result<(UnixStream, PublicKey), String> {
    let greeted = UnixStream::connect(socket).and_then(|mut stream| {
        stream.set_write_timeout(Some(HELLO_LIMIT))?;
        stream.set_read_timeout(Some(HELLO_LIMIT))?;
        let hello = Request::Hello {
            protocol: PROTOCOL,
            chain_id,
        };
        let answer = ask(&mut stream, &hello)?;
        stream.set_write_timeout(Some(SIGN_LIMIT))?;
        stream.set_read_timeout(Some(SIGN_LIMIT))?;
        Ok((stream, answer))
    });
    match greeted {
        Ok((stream, Answer::Hello { public_key, .. })) => Ok((stream, public_key)),
        Ok((_, Answer::Refused { reason })) => Err(reason),
        Ok((_, Answer::Signed(_) | Answer::Pong)) => Err("it does not greet".to_owned()),
        Err(error) => Err(format!("{}: {}", socket.display(), said(&error))),
    }
}

fn said(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "no answer in time".to_owned(),
        io::ErrorKind::UnexpectedEof => "it closed the connection".to_owned(),
        _ => error.to_string(),
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is inside is replaced in one step; a panic elsewhere does not spoil it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
