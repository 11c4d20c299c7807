//! The two sockets and who comes through them. On a thread and a runtime of its own, so that a busy
//! node still shows itself and a busy client costs no vote its time.

use std::{
    fs, io,
    os::unix::{fs::DirBuilderExt, net::UnixListener as StdListener},
    path::Path,
    sync::{Arc, atomic::AtomicU64},
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    net::{UnixListener, UnixStream},
    runtime::Builder,
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    AttachError, CLIENTS_MAX, KEPT_FOR_ADMIN, SocketPaths,
    session::{self, Access, Session},
};
use crate::{
    control::NodeHandle,
    sockets::{self, ListenError, Rights},
};

/// Rights of the socket that takes commands: its owner only.
const ADMIN_MODE: u32 = 0o600;
/// Rights of the socket that shows: owner and group.
const READ_ONLY_MODE: u32 = 0o660;
/// Rights of a directory that is made for the sockets.
const DIR_MODE: u32 = 0o750;
/// After a failed accept (usually: out of file descriptors), how long to wait for some to be closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long clients have at the end to take the last snapshot.
const DRAIN: Duration = Duration::from_millis(500);

/// A running server. Dropping it stops it and takes its sockets away.
#[derive(Debug)]
pub struct Server {
    paths: SocketPaths,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Makes the sockets and begins to answer.
    ///
    /// # Errors
    /// [`AttachError::InUse`] if another node answers there, [`AttachError::Listen`] if a socket cannot
    /// be made, [`AttachError::Thread`].
    pub fn start(paths: SocketPaths, node: NodeHandle) -> Result<Self, AttachError> {
        let admin = listen(&paths.admin, ADMIN_MODE)?;
        let read_only = listen(&paths.read_only, READ_ONLY_MODE)?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(AttachError::Thread)?;
        let stop = CancellationToken::new();
        let token = stop.clone();
        let thread = thread::Builder::new()
            .name("timed-attach".to_owned())
            .spawn(move || runtime.block_on(serve(admin, read_only, node, token)))
            .map_err(AttachError::Thread)?;
        tracing::info!(socket = %paths.admin.display(), "console socket open");
        Ok(Self {
            paths,
            stop,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub fn paths(&self) -> &SocketPaths {
        &self.paths
    }

    /// Says goodbye to all clients, ends the thread and takes the sockets away.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.cancel();
        let Some(thread) = self.thread.take() else {
            return;
        };
        if thread.join().is_err() {
            tracing::error!("the thread of the console socket had panicked");
        }
        for path in [&self.paths.admin, &self.paths.read_only] {
            // Gone already is as good.
            let _ = fs::remove_file(path);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// Makes one socket, and its directory if need be.
fn listen(path: &Path, mode: u32) -> Result<StdListener, AttachError> {
    let failed = |source: io::Error| AttachError::Listen {
        path: path.to_owned(),
        source,
    };
    if let Some(dir) = path.parent().filter(|dir| !dir.exists()) {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(DIR_MODE)
            .create(dir)
            .map_err(failed)?;
    }
    sockets::listen(path, Rights { mode, group: None }).map_err(|error| match error {
        ListenError::InUse => AttachError::InUse {
            path: path.to_owned(),
        },
        ListenError::Io(source) => failed(source),
    })
}

async fn serve(admin: StdListener, read_only: StdListener, node: NodeHandle, stop: CancellationToken) {
    let listeners = UnixListener::from_std(admin)
        .and_then(|admin| UnixListener::from_std(read_only).map(|read_only| (admin, read_only)));
    let (admin, read_only) = match listeners {
        Ok(listeners) => listeners,
        Err(error) => {
            tracing::error!(%error, "the console socket cannot listen");
            return;
        }
    };
    let numbers = Arc::new(AtomicU64::new(1));
    let mut sessions = JoinSet::new();
    loop {
        let (accepted, access) = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = sessions.join_next() => continue,
            accepted = admin.accept() => (accepted, Access::Admin),
            accepted = read_only.accept() => (accepted, Access::ReadOnly),
        };
        match accepted {
            Ok((stream, _)) if sessions.len() < places(access) => {
                let session = Session::new(&stream, node.clone(), access, &numbers);
                let stop = stop.clone();
                sessions.spawn(async move { session.run(stream, stop).await });
            }
            Ok((stream, _)) => turn_away(&stream),
            Err(error) => {
                tracing::debug!(%error, "console socket accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop((admin, read_only));
    let drained = timeout(DRAIN, async { while sessions.join_next().await.is_some() {} }).await;
    tracing::debug!(drained = drained.is_ok(), "console socket closed");
}

/// Who may act finds a place though all who only look have taken theirs.
const fn places(access: Access) -> usize {
    match access {
        Access::Admin => CLIENTS_MAX,
        Access::ReadOnly => CLIENTS_MAX - KEPT_FOR_ADMIN,
    }
}

/// Tells a client that there are too many. A fresh socket takes so little without waiting.
fn turn_away(stream: &UnixStream) {
    tracing::debug!(
        limit = CLIENTS_MAX,
        "a client of the console socket was turned away"
    );
    if let Ok(bytes) = session::full_house() {
        let _ = stream.try_write(&bytes);
    }
}
