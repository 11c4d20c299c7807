//! The server's thread: bind first, so that the caller learns of a taken port at once, then serve
//! until told to stop.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use socket2::SockRef;
use tokio::{runtime::Builder, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{App, Config, RpcError, cookie::Cookie, limits, router};
use crate::{control::NodeHandle, metrics::Metrics};

/// After a failed accept (usually: out of file descriptors), how long to wait for some to be closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who sent a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

/// A running HTTP server. Dropping it stops it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Binds and begins to answer.
    ///
    /// # Errors
    /// [`RpcError::PortInUse`] or [`RpcError::Listen`] if the address cannot be had,
    /// [`RpcError::Thread`] if the system gives no thread.
    pub fn start(config: Config, node: NodeHandle, metrics: Arc<Metrics>) -> Result<Self, RpcError> {
        let listen = config.listen;
        let bound = TcpListener::bind(listen).and_then(|listener| {
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        });
        let (listener, address) = bound.map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => RpcError::PortInUse { listen },
            _ => RpcError::Listen { listen, source },
        })?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(limits::LOOKUPS_MAX)
            .thread_name("timed-http")
            .enable_all()
            .build()
            .map_err(RpcError::Thread)?;
        let cookie = config.cookie.as_deref().map(|path| {
            Cookie::create(path).map_err(|source| RpcError::Cookie {
                path: path.to_owned(),
                source,
            })
        });
        let cookie = cookie.transpose()?;
        let stop = CancellationToken::new();
        let token = stop.clone();
        let router = router(App::new(config, cookie, node, metrics));
        let thread = thread::Builder::new()
            .name("timed-http".to_owned())
            .spawn(move || {
                runtime.block_on(serve(listener, router, token));
                // A look-up that storage never answers must not hold up the stop.
                runtime.shutdown_background();
            })
            .map_err(RpcError::Thread)?;
        Ok(Self {
            address,
            stop,
            thread: Some(thread),
        })
    }

    /// Where it listens; the real port if the configured one was 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, lets open requests finish for a moment, and ends the thread.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the HTTP thread had panicked");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "HTTP cannot listen");
            return;
        }
    };
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < limits::CONNECTIONS_MAX => match accepted {
                Ok((stream, peer)) => {
                    // Small answers are written at once; a failure only makes them later.
                    let _ = stream.set_nodelay(true);
                    // The kernel cuts who leaves answers unread; nobody else would notice.
                    let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(limits::UNREAD_TIMEOUT));
                    let service = TowerToHyperService::new(router.clone().layer(Extension(Peer(peer))));
                    let connection = http1::Builder::new()
                        .timer(TokioTimer::new())
                        .header_read_timeout(limits::HEAD_TIMEOUT)
                        .serve_connection(TokioIo::new(stream), service);
                    let connection = graceful.watch(connection);
                    connections.spawn(async move {
                        if let Err(error) = connection.await {
                            tracing::debug!(%peer, %error, "HTTP connection ended");
                        }
                    });
                }
                Err(error) => {
                    tracing::debug!(%error, "HTTP accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    let drained = timeout(limits::DRAIN_TIMEOUT, graceful.shutdown()).await.is_ok();
    tracing::debug!(drained, "HTTP stopped");
    connections.abort_all();
}
