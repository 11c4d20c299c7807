//! One connection to a node, from the client's side. Commands that ask once use it directly; the
//! console's [`super::Link`] keeps one alive.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt,
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};

use super::{
    AttachError,
    frame::{self, FRAME_MAX, FrameReader},
    protocol::{About, Hello, Notice, Request, Subscribe},
    session,
};
use crate::control::{Command, CommandError, Reply};

/// How long a node has to say hello. One that is stopped in a debugger never does.
const HELLO: Duration = Duration::from_secs(5);
/// How long a node has to answer a command.
const ANSWER: Duration = Duration::from_secs(10);
/// How long the socket may take nothing of a small request.
const UNWRITABLE: Duration = Duration::from_secs(5);

/// A node that has introduced itself.
pub struct Connection {
    hello: Hello,
    reader: FrameReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    asked: u64,
}

impl Connection {
    /// Connects and exchanges hellos.
    ///
    /// # Errors
    /// [`AttachError::Unreachable`] if nobody listens, [`AttachError::NotTimed`] if it is something else,
    /// [`AttachError::Protocol`] if the node speaks another protocol, [`AttachError::Silent`].
    pub async fn open(path: &Path) -> Result<Self, AttachError> {
        let path: PathBuf = path.to_owned();
        let opening = async {
            let stream = UnixStream::connect(&path)
                .await
                .map_err(|source| AttachError::Unreachable {
                    path: path.clone(),
                    source,
                })?;
            let (reader, writer) = stream.into_split();
            let mut reader = FrameReader::new(reader, FRAME_MAX);
            let not_timed = || AttachError::NotTimed { path: path.clone() };
            let bytes = match reader.next().await {
                Ok(Some(bytes)) => bytes,
                Ok(None) | Err(AttachError::TooLong { .. }) => return Err(not_timed()),
                Err(error) => return Err(error),
            };
            let hello = match Hello::from_frame(&bytes) {
                Ok(hello) => hello,
                Err(AttachError::Malformed { .. }) => return Err(not_timed()),
                Err(error) => return Err(error),
            };
            let mut connection = Self {
                hello,
                reader,
                writer,
                asked: 0,
            };
            let ours = session::hello(About::default()).to_frame()?;
            if let Err(error) = write(&mut connection.writer, &ours).await {
                // A node that turned us away has said why before it closed.
                return Err(match connection.next().await {
                    Err(closed @ AttachError::Closed { .. }) => closed,
                    Ok(_) | Err(_) => error,
                });
            }
            Ok(connection)
        };
        match timeout(HELLO, opening).await {
            Ok(opened) => opened,
            Err(_) => Err(silent(HELLO)),
        }
    }

    /// What the node said of itself.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Says what shall be shown. Once.
    ///
    /// # Errors
    /// [`AttachError::Io`] if the connection broke.
    pub async fn subscribe(&mut self, wanted: Subscribe) -> Result<(), AttachError> {
        self.send(&Request::Subscribe(wanted)).await
    }

    /// Sends a request.
    ///
    /// # Errors
    /// [`AttachError::Io`] if the connection broke.
    pub async fn send(&mut self, request: &Request) -> Result<(), AttachError> {
        write(&mut self.writer, &frame::encode(request)?).await
    }

    /// What the node says next. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`AttachError::Closed`] if it lets us go, [`AttachError::Io`] if the connection broke,
    /// [`AttachError::Malformed`] if it says what this program does not know.
    pub async fn next(&mut self) -> Result<Notice, AttachError> {
        let Some(bytes) = self.reader.next().await? else {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        };
        match frame::decode(&bytes)? {
            Notice::Bye { reason } => Err(AttachError::Closed {
                reason: crate::control::words::printable(&reason),
            }),
            notice => Ok(notice),
        }
    }

    /// Sends a command and waits for what comes of it; whatever else the node says meanwhile is
    /// handed to `aside`.
    ///
    /// # Errors
    /// As [`Connection::next`], and [`AttachError::Silent`].
    pub async fn ask(
        &mut self,
        command: Command,
        mut aside: impl FnMut(Notice),
    ) -> Result<Result<Reply, CommandError>, AttachError> {
        self.asked += 1;
        let id = self.asked;
        self.send(&Request::Command { id, command }).await?;
        let answered = async {
            loop {
                match self.next().await? {
                    Notice::Reply { id: of, outcome } if of == id => return Ok(outcome),
                    other => aside(other),
                }
            }
        };
        match timeout(ANSWER, answered).await {
            Ok(answered) => answered,
            Err(_) => Err(silent(ANSWER)),
        }
    }
}

fn silent(after: Duration) -> AttachError {
    AttachError::Silent {
        seconds: after.as_secs(),
    }
}

async fn write(writer: &mut OwnedWriteHalf, bytes: &[u8]) -> Result<(), AttachError> {
    match timeout(UNWRITABLE, writer.write_all(bytes)).await {
        Ok(written) => Ok(written?),
        Err(_) => Err(silent(UNWRITABLE)),
    }
}
