//! `POST /rpc`: JSON-RPC 2.0, one call or a batch. This file knows the envelope; `calls` answers.
//!
//! Whoever may not call at all, or too often, is refused by the HTTP status. What is wrong with a call is
//! said in its own answer, with Bitcoin's number where there is one and a word for programs in `data.code`.

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use super::{
    App,
    access::{self, Access},
    calls,
    error::Refusal,
    limits,
    methods::{self, Kind, Method},
    server::Peer,
};
use crate::{
    crypto::Hash256,
    metrics::labels::{Label, RpcMethod, RpcReject},
};

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) number: i32,
    pub(super) code: String,
    pub(super) message: String,
}

impl Fault {
    pub(super) const PARSE: i32 = -32_700;
    pub(super) const REQUEST: i32 = -32_600;
    pub(super) const METHOD: i32 = -32_601;
    pub(super) const PARAMETERS: i32 = -32_602;
    pub(super) const INTERNAL: i32 = -32_603;
    /// The caller may not call this.
    pub(super) const FORBIDDEN: i32 = -32_001;
    /// What was named is not there.
    pub(super) const NOT_FOUND: i32 = -5;
    /// A parameter is of the right kind and cannot be used.
    pub(super) const INVALID: i32 = -8;
    /// The pool refused a transaction.
    pub(super) const REJECTED: i32 = -26;
    /// The node is busy, stopping, or its storage cannot answer.
    pub(super) const UNAVAILABLE: i32 = -28;

    pub(super) fn new(number: i32, code: &str, message: impl Into<String>) -> Self {
        Self {
            number,
            code: code.to_owned(),
            message: message.into(),
        }
    }
}

/// The parameters of one call, checked against the table.
#[derive(Debug)]
pub(super) struct Given(Map<String, Value>);

impl Given {
    /// A text that the table requires, or the empty one.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.get(name).and_then(Value::as_str).unwrap_or("")
    }

    /// A number, if it was given.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.0.get(name).and_then(Value::as_u64)
    }
}

pub(super) async fn serve(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let access = access::access(&app, &peer, &headers).await?;
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Refusal::too_large(),
        _ => Refusal::bad_request("the body could not be read"),
    })?;
    let parsed = match parse(&body) {
        Ok(value) => value,
        Err(why) => {
            let fault = Fault::new(Fault::PARSE, "parse", why);
            return Ok((StatusCode::BAD_REQUEST, Json(answer(&Value::Null, Err(fault)))).into_response());
        }
    };
    let calls = match parsed {
        Value::Array(calls) if calls.is_empty() || calls.len() > limits::CALLS_IN_BATCH_MAX => {
            let fault = Fault::new(
                Fault::REQUEST,
                "batch",
                format!("a batch has 1 to {} calls", limits::CALLS_IN_BATCH_MAX),
            );
            return Ok((StatusCode::BAD_REQUEST, Json(answer(&Value::Null, Err(fault)))).into_response());
        }
        Value::Array(calls) => (calls, true),
        call => (vec![call], false),
    };
    let (calls, is_batch) = calls;
    if !app.doorman.admits(&access.caller, calls.len()) {
        app.metrics.rpc.rejected.inc(RpcReject::RateLimit);
        return Err(Refusal::new(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limited",
            format!(
                "more than {} calls a second; slow down, or ask several things in a batch",
                limits::CALLS_PER_SECOND
            ),
        ));
    }
    // As text at once: a value takes several times the memory of what it says.
    let (mut answers, mut bytes): (Vec<String>, usize) = (Vec::new(), 0);
    for call in calls {
        let id = call.get("id").cloned();
        let method = named(&call);
        app.metrics.rpc.calls.inc(method);
        let outcome = if bytes > limits::ANSWER_BYTES_MAX {
            Err(Fault::new(
                Fault::UNAVAILABLE,
                "answer_too_large",
                "the answers before this one are too long; ask in smaller batches",
            ))
        } else {
            one(&app, &peer, &access, call).await
        };
        if outcome.is_err() {
            app.metrics.rpc.call_errors.inc(method);
        }
        // A call without an id wants no answer; one that cannot be read gets one all the same.
        let id = match (id, &outcome) {
            (Some(id), _) => id,
            (None, Err(fault)) if fault.number == Fault::REQUEST => Value::Null,
            (None, _) => continue,
        };
        let told = answer(&id, outcome).to_string();
        bytes += told.len();
        answers.push(told);
    }
    let text = match (is_batch, answers.is_empty()) {
        (_, true) => return Ok(StatusCode::NO_CONTENT.into_response()),
        (false, false) => answers.concat(),
        (true, false) => format!("[{}]", answers.join(",")),
    };
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}

/// The method of a call as it is counted: nobody can make a series by asking for what is not there.
fn named(call: &Value) -> RpcMethod {
    let name = call.get("method").and_then(Value::as_str);
    name.and_then(RpcMethod::named).unwrap_or(RpcMethod::Unknown)
}

fn parse(body: &[u8]) -> Result<Value, String> {
    let marks = body.iter().filter(|byte| matches!(byte, b'{' | b'[' | b','));
    if marks.count() > limits::JSON_MARKS_MAX {
        return Err(format!(
            "more than {} brackets and commas",
            limits::JSON_MARKS_MAX
        ));
    }
    serde_json::from_slice(body).map_err(|error| format!("not JSON: {error}"))
}

fn answer(id: &Value, outcome: Result<Value, Fault>) -> Value {
    match outcome {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(fault) => json!({
            "jsonrpc": "2.0",
            "id": id,
            "error": { "code": fault.number, "message": fault.message, "data": { "code": fault.code } },
        }),
    }
}

async fn one(app: &App, peer: &Peer, access: &Access, call: Value) -> Result<Value, Fault> {
    let malformed = |what: &str| Err(Fault::new(Fault::REQUEST, "request", what));
    let Value::Object(mut call) = call else {
        return malformed("a call is an object with jsonrpc, id, method and params");
    };
    match call.get("id") {
        None | Some(Value::Null | Value::String(_) | Value::Number(_)) => {}
        Some(_) => return malformed("an id is text or a number"),
    }
    let Some(Value::String(name)) = call.remove("method") else {
        return malformed("`method` is missing; `help` lists all");
    };
    let Some(method) = methods::find(&name) else {
        let name = crate::control::words::printable(&name);
        let name: String = name.chars().take(64).collect();
        return Err(Fault::new(
            Fault::METHOD,
            "unknown_method",
            format!("there is no method `{name}`; `help` lists all"),
        ));
    };
    if access.scope < method.scope {
        app.metrics.rpc.rejected.inc(RpcReject::Scope);
        return Err(Fault::new(
            Fault::FORBIDDEN,
            "wrong_scope",
            format!(
                "`{}` needs the scope {}, this caller has {}; use a token of that scope, or the cookie on the node's machine",
                method.name,
                method.scope.word(),
                access.scope.word()
            ),
        ));
    }
    let given = parameters(method, call.remove("params"))?;
    calls::call(app, peer, access, method, given).await
}

/// Named or positional parameters as the table wants them.
fn parameters(method: &Method, params: Option<Value>) -> Result<Given, Fault> {
    let wrong = |what: String| Fault::new(Fault::PARAMETERS, "parameters", what);
    let named = match params {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(named)) => named,
        Some(Value::Array(values)) if values.len() > method.parameters.len() => {
            return Err(wrong(format!(
                "`{}` takes at most {} parameters",
                method.name,
                method.parameters.len()
            )));
        }
        Some(Value::Array(values)) => {
            let names = method
                .parameters
                .iter()
                .map(|parameter| parameter.name.to_owned());
            names.zip(values).filter(|(_, value)| !value.is_null()).collect()
        }
        Some(_) => return Err(wrong("`params` is a list or an object".to_owned())),
    };
    for name in named.keys() {
        if !method.parameters.iter().any(|parameter| parameter.name == name) {
            let name: String = crate::control::words::printable(name).chars().take(64).collect();
            return Err(wrong(format!("`{}` has no parameter `{name}`", method.name)));
        }
    }
    for parameter in method.parameters {
        let fits = match (named.get(parameter.name), parameter.kind) {
            (None, _) => !parameter.required,
            (Some(value), Kind::Text) => value.is_string(),
            (Some(value), Kind::Number) => value.is_u64(),
            (Some(value), Kind::Block) => {
                value.is_u64() || value.as_str().is_some_and(|text| text.parse::<Hash256>().is_ok())
            }
        };
        if !fits {
            return Err(wrong(format!(
                "`{}` wants {} as `{}`",
                method.name,
                parameter.kind.word(),
                parameter.name
            )));
        }
    }
    Ok(Given(named))
}
