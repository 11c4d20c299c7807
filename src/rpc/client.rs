//! The client that our own commands use: typed, small, HTTP/1.1 with connections kept open.
//!
//! A connection is driven by the request that uses it, so nothing is spawned and dropping a request
//! drops its connection. One that was kept open and turns out to be closed is replaced once.

use std::{io, pin::Pin, sync::Mutex, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

use super::{Accepted, BanPlan, CarriedOut, CommandJson, ErrorBody, Verdict, limits};
use crate::{
    chain::OutPoint,
    control::{
        BalanceView, Ban, BanTarget, BlockView, EvidenceView, HistoryPage, MasternodeView, OutputView, Page,
        PendingOutput, TransactionView, UtxoEntry,
        status_json::{HealthJson, PeerJson, StatusJson},
    },
    crypto::Hash256,
};

/// How long one request may take, connecting included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// Connections kept open for the next request; more are closed after use.
const IDLE_CONNECTIONS_MAX: usize = 64;

/// A node's HTTP port.
pub struct Client {
    authority: String,
    idle: Mutex<Vec<Connection>>,
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Not a URL of ours.
    #[error("`{url}` is not a node's address; write http://127.0.0.1:24101")]
    Url {
        /// What was given.
        url: String,
    },
    /// Nobody answers there.
    #[error("no node answers at {authority}: {reason}; is it running, and is --rpc right?")]
    Unreachable {
        /// Host and port.
        authority: String,
        /// What happened.
        reason: String,
    },
    /// The node refused.
    #[error("{reason} ({code})")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The stable word.
        code: String,
        /// The sentence.
        reason: String,
    },
    /// The answer is not what it should be.
    #[error("{authority} answered something else than a timed node would: {reason}; check --rpc")]
    Answer {
        /// Host and port.
        authority: String,
        /// What does not fit.
        reason: String,
    },
}

impl ClientError {
    /// The stable word of a refusal.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            Self::Url { .. } | Self::Unreachable { .. } | Self::Answer { .. } => None,
        }
    }
}

/// One request.
struct Asked<'a> {
    method: Method,
    path: &'a str,
    body: Bytes,
    cookie: Option<&'a str>,
}

type Driver = Pin<Box<dyn Future<Output = Result<(), hyper::Error>> + Send>>;

struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: Driver,
}

impl Client {
    /// A client of the node at `url`: `http://host:port`, or only `host:port`.
    ///
    /// # Errors
    /// [`ClientError::Url`] if it is neither.
    pub fn new(url: &str) -> Result<Self, ClientError> {
        let bad = || ClientError::Url { url: url.to_owned() };
        let rest = match url.split_once("://") {
            Some(("http", rest)) => rest,
            Some(_) => return Err(bad()),
            None => url,
        };
        let authority = rest.trim_end_matches('/');
        let port = authority.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
        if authority.contains('/') || !matches!(port, Some(Ok(1..))) {
            return Err(bad());
        }
        Ok(Self {
            authority: authority.to_owned(),
            idle: Mutex::default(),
        })
    }

    /// Host and port.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// `GET /status`.
    ///
    /// # Errors
    /// As every request: unreachable, refused, or an answer that does not fit.
    pub async fn status(&self) -> Result<StatusJson, ClientError> {
        self.get("/status").await
    }

    /// `GET /ready`, whatever its status code: the body says both `live` and `ready`.
    ///
    /// # Errors
    /// Unreachable, or an answer that does not fit.
    pub async fn ready(&self) -> Result<HealthJson, ClientError> {
        let (_, body) = self.exchange(Method::GET, "/ready", Bytes::new()).await?;
        self.decode(&body)
    }

    /// `GET /peers`.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub async fn peers(&self) -> Result<Vec<PeerJson>, ClientError> {
        self.get("/peers").await
    }

    /// One page of `GET /bans`.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub async fn bans(&self, page: Page) -> Result<Vec<Ban>, ClientError> {
        let Page { skip, limit } = page;
        self.get(&format!("/bans?skip={skip}&limit={limit}")).await
    }

    /// `GET /bans/plan`: what a ban would do.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub async fn ban_plan(&self, target: &BanTarget) -> Result<BanPlan, ClientError> {
        let target = target.to_string().replace(':', "%3A").replace('/', "%2F");
        self.get(&format!("/bans/plan?target={target}")).await
    }

    /// `POST /command`, with the text of the node's cookie.
    ///
    /// # Errors
    /// As [`Client::status`]; `unauthorized` if the cookie is another run's.
    pub async fn command(&self, command: &CommandJson, cookie: &str) -> Result<CarriedOut, ClientError> {
        let body = serde_json::to_vec(command).map_err(|error| self.answer_error(&error))?;
        let asked = Asked {
            method: Method::POST,
            path: "/command",
            body: Bytes::from(body),
            cookie: Some(cookie),
        };
        let (status, body) = self.exchange_as(&asked).await?;
        self.accept(status, &body)
    }

    /// `GET /blocks/{height}`.
    ///
    /// # Errors
    /// As [`Client::status`]; `not_found` above the tip.
    pub async fn block(&self, height: u64) -> Result<BlockView, ClientError> {
        self.get(&format!("/blocks/{height}")).await
    }

    /// `GET /evidence`, the first page.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub async fn evidence(&self) -> Result<Vec<EvidenceView>, ClientError> {
        self.get("/evidence").await
    }

    /// `GET /tx/{txid}`.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub async fn transaction(&self, txid: Hash256) -> Result<TransactionView, ClientError> {
        self.get(&format!("/tx/{txid}")).await
    }

    /// `GET /address/{address}/balance`.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub async fn balance(&self, address: &str) -> Result<BalanceView, ClientError> {
        self.get(&format!("/address/{address}/balance")).await
    }

    /// One page of `GET /address/{address}/utxos`, of those above `after`.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub async fn utxos(
        &self,
        address: &str,
        after: Option<OutPoint>,
        page: Page,
    ) -> Result<Vec<UtxoEntry>, ClientError> {
        let Page { skip, limit } = page;
        let after = after.map_or_else(String::new, |after| format!("&after={after}"));
        self.get(&format!(
            "/address/{address}/utxos?skip={skip}&limit={limit}{after}"
        ))
        .await
    }

    /// One page of `GET /address/{address}/pending`.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub async fn pending(&self, address: &str, page: Page) -> Result<Vec<PendingOutput>, ClientError> {
        let Page { skip, limit } = page;
        self.get(&format!("/address/{address}/pending?skip={skip}&limit={limit}"))
            .await
    }

    /// `GET /txout/{txid}/{index}`.
    ///
    /// # Errors
    /// As [`Client::status`]; `not_found` if nothing known makes it.
    pub async fn output(&self, txid: Hash256, index: u32) -> Result<OutputView, ClientError> {
        self.get(&format!("/txout/{txid}/{index}")).await
    }

    /// `GET /history` of some addresses, from below `before`.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub async fn history(
        &self,
        addresses: &[String],
        before: Option<&str>,
        limit: u32,
    ) -> Result<HistoryPage, ClientError> {
        let before = before.map_or_else(String::new, |before| format!("&before={before}"));
        let addresses = addresses.join(",");
        self.get(&format!("/history?address={addresses}&limit={limit}{before}"))
            .await
    }

    /// One page of `GET /masternodes`.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub async fn masternodes(&self, page: Page) -> Result<Vec<MasternodeView>, ClientError> {
        let Page { skip, limit } = page;
        self.get(&format!("/masternodes?skip={skip}&limit={limit}")).await
    }

    /// `GET /masternodes/{id}`, by id or consensus key.
    ///
    /// # Errors
    /// As [`Client::status`]; `not_found` if there is none.
    pub async fn masternode(&self, id_or_key: Hash256) -> Result<MasternodeView, ClientError> {
        self.get(&format!("/masternodes/{id_or_key}")).await
    }

    /// `POST /tx` with the canonical bytes of a transaction.
    ///
    /// # Errors
    /// As [`Client::status`]; refusals carry the pool's code.
    pub async fn submit(&self, transaction: &[u8]) -> Result<Hash256, ClientError> {
        let body = Bytes::from(const_hex::encode(transaction));
        let (status, body) = self.exchange(Method::POST, "/tx", body).await?;
        let accepted: Accepted = self.accept(status, &body)?;
        Ok(accepted.txid)
    }

    /// `POST /txs` with the canonical bytes of many transactions; the verdicts stand in their order.
    ///
    /// # Errors
    /// As [`Client::status`]; a refused transaction is a verdict, not an error.
    pub async fn submit_all(&self, batch: &[Vec<u8>]) -> Result<Vec<Verdict>, ClientError> {
        let mut body = String::with_capacity(batch.iter().map(|one| 2 * one.len() + 1).sum());
        for transaction in batch {
            body.push_str(&const_hex::encode(transaction));
            body.push('\n');
        }
        let (status, body) = self.exchange(Method::POST, "/txs", Bytes::from(body)).await?;
        self.accept(status, &body)
    }

    /// `GET` of any path, as text.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub async fn text(&self, path: &str) -> Result<String, ClientError> {
        let (status, body) = self.exchange(Method::GET, path, Bytes::new()).await?;
        self.refuse_unless_ok(status, &body)?;
        String::from_utf8(body.to_vec()).map_err(|error| self.answer_error(&error))
    }

    /// `GET` of any path, as JSON.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let (status, body) = self.exchange(Method::GET, path, Bytes::new()).await?;
        self.accept(status, &body)
    }

    fn accept<T: DeserializeOwned>(&self, status: u16, body: &[u8]) -> Result<T, ClientError> {
        self.refuse_unless_ok(status, body)?;
        self.decode(body)
    }

    fn refuse_unless_ok(&self, status: u16, body: &[u8]) -> Result<(), ClientError> {
        if (200..300).contains(&status) {
            return Ok(());
        }
        let refusal: ErrorBody = self.decode(body)?;
        Err(ClientError::Refused {
            status,
            code: refusal.code,
            reason: refusal.reason,
        })
    }

    fn decode<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, ClientError> {
        serde_json::from_slice(body).map_err(|error| self.answer_error(&error))
    }

    fn answer_error(&self, reason: &dyn std::fmt::Display) -> ClientError {
        ClientError::Answer {
            authority: self.authority.clone(),
            reason: reason.to_string(),
        }
    }

    fn unreachable(&self, reason: impl std::fmt::Display) -> ClientError {
        ClientError::Unreachable {
            authority: self.authority.clone(),
            reason: reason.to_string(),
        }
    }

    async fn exchange(&self, method: Method, path: &str, body: Bytes) -> Result<(u16, Bytes), ClientError> {
        self.exchange_as(&Asked {
            method,
            path,
            body,
            cookie: None,
        })
        .await
    }

    async fn exchange_as(&self, asked: &Asked<'_>) -> Result<(u16, Bytes), ClientError> {
        let attempt = async {
            let kept = self.idle.lock().ok().and_then(|mut idle| idle.pop());
            if let Some(connection) = kept
                && let Ok(answer) = self.on(connection, asked).await
            {
                return Ok(answer);
            }
            let connection = self.connect().await.map_err(|error| self.unreachable(error))?;
            self.on(connection, asked).await
        };
        match tokio::time::timeout(REQUEST_TIMEOUT, attempt).await {
            Ok(answer) => answer,
            Err(_) => Err(self.unreachable(format!("no answer within {} s", REQUEST_TIMEOUT.as_secs()))),
        }
    }

    async fn connect(&self) -> io::Result<Connection> {
        let stream = TcpStream::connect(&self.authority).await?;
        stream.set_nodelay(true)?;
        let (sender, driver) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        Ok(Connection {
            sender,
            driver: Box::pin(driver),
        })
    }

    /// One exchange on `connection`, which is kept if it can be used again.
    async fn on(&self, connection: Connection, asked: &Asked<'_>) -> Result<(u16, Bytes), ClientError> {
        let mut request = Request::builder()
            .method(asked.method.clone())
            .uri(asked.path)
            .header(header::HOST, &self.authority);
        if let Some(cookie) = asked.cookie {
            request = request.header(header::AUTHORIZATION, format!("Bearer {cookie}"));
        }
        let request = request
            .body(Full::new(asked.body.clone()))
            .map_err(|_| ClientError::Url {
                url: asked.path.to_owned(),
            })?;
        let Connection {
            mut sender,
            mut driver,
        } = connection;
        let exchange = async {
            let response = sender
                .send_request(request)
                .await
                .map_err(|error| self.unreachable(error))?;
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), limits::ANSWER_BYTES_MAX)
                .collect()
                .await;
            let body = body.map_err(|error| self.unreachable(error))?.to_bytes();
            Ok((status, body))
        };
        let mut exchange = Box::pin(exchange);
        let ended = tokio::select! {
            biased;
            answer = &mut exchange => Some(answer),
            _ = &mut driver => None,
        };
        let Some(answer) = ended else {
            // The connection ended. What it had delivered is still to be read; a request that it never
            // took is given up only when the driver, which holds the queue, is gone.
            drop(driver);
            return exchange.await;
        };
        drop(exchange);
        if answer.is_ok()
            && let Ok(mut idle) = self.idle.lock()
            && idle.len() < IDLE_CONNECTIONS_MAX
        {
            idle.push(Connection { sender, driver });
        }
        answer
    }
}
