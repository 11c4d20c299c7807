//! Errors: those of starting the server, and the one shape that every refused request gets.

use std::{io, net::SocketAddr, path::PathBuf};

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use crate::control::{CommandError, QueryError};

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// Somebody else has the port.
    #[error(
        "{listen} (HTTP) is in use by another program, maybe another timed; choose another with --rpc-listen or rpc.listen, or stop that program"
    )]
    PortInUse {
        /// The address.
        listen: SocketAddr,
    },
    /// The address cannot be listened at.
    #[error("cannot listen at {listen} (HTTP): {source}; correct --rpc-listen or rpc.listen")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// The token for commands cannot be written.
    #[error("cannot write {}: {source}; check the disk and who owns the directory", path.display())]
    Cookie {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// No thread or runtime.
    #[error("cannot start the HTTP thread: {0}; check the limits of the user (`ulimit -u`)")]
    Thread(io::Error),
}

/// The body of every refusal: `{code, reason}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// A stable word for programs.
    pub code: String,
    /// A sentence for people.
    pub reason: String,
}

/// A refusal on its way out.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    body: ErrorBody,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &str, reason: impl Into<String>) -> Self {
        Self {
            status,
            body: ErrorBody {
                code: code.to_owned(),
                reason: reason.into(),
            },
        }
    }

    pub(super) fn bad_request(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", reason)
    }

    pub(super) fn not_found(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", reason)
    }

    pub(super) fn too_large() -> Self {
        let reason = format!(
            "a request body has at most {} bytes",
            super::limits::BODY_BYTES_MAX
        );
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", reason)
    }

    pub(super) fn busy(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", reason)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}

impl Refusal {
    /// The HTTP status.
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// The body alone, as a part of an answer.
    pub(super) fn into_body(self) -> ErrorBody {
        self.body
    }
}

impl From<QueryError> for Refusal {
    fn from(error: QueryError) -> Self {
        let reason = error.to_string();
        match error {
            QueryError::Invalid(_) => Self::bad_request(reason),
            QueryError::Storage(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "storage", reason),
        }
    }
}

impl From<CommandError> for Refusal {
    fn from(error: CommandError) -> Self {
        let reason = error.to_string();
        match error {
            CommandError::Busy => Self::busy(reason),
            CommandError::Stopping => Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", reason),
            CommandError::NotFound { .. } => Self::not_found(reason),
            CommandError::Invalid { .. } => Self::bad_request(reason),
            CommandError::Refused { code, .. } => Self::new(StatusCode::UNPROCESSABLE_ENTITY, &code, reason),
        }
    }
}
