//! JSON-RPC over loopback: what is answered, and that everything else is refused as documented.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, header};
use serde_json::{Value, json};

use super::{
    App, Config, Server,
    access::access,
    buckets::Buckets,
    limits,
    methods::{Kind, METHODS, Scope},
    server::Peer,
    tests::{Fixture, config, run},
    tokens,
};
use crate::control::{Command, CommandError, Reply};

/// A server with a cookie and a file for tokens.
struct Door {
    fixture: Fixture,
    server: Server,
    cookie: String,
    tokens: PathBuf,
    _dir: tempfile::TempDir,
}

impl Door {
    fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let fixture = Fixture::start();
        let cookie = dir.path().join(".cookie");
        let tokens = dir.path().join("tokens.json");
        let config = Config {
            cookie: Some(cookie.clone()),
            tokens: Some(tokens.clone()),
            ..config("127.0.0.1:0")
        };
        let server = Server::start(config, fixture.handle.clone(), fixture.metrics.clone()).unwrap();
        Self {
            fixture,
            server,
            cookie: std::fs::read_to_string(cookie).unwrap(),
            tokens,
            _dir: dir,
        }
    }

    fn post(&self, token: &str, body: &str) -> (u16, Value) {
        post(self.server.address(), token, body.as_bytes())
    }

    /// The answer to one call with the parameters given.
    fn call(&self, token: &str, method: &str, params: Value) -> Value {
        let body = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
        let (status, answer) = self.post(token, &body.to_string());
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["id"], 7);
        answer
    }

    fn fault(&self, token: &str, method: &str, params: Value) -> (i64, String) {
        let answer = self.call(token, method, params);
        let number = answer["error"]["code"].as_i64();
        (
            number.unwrap_or_else(|| panic!("no fault: {answer}")),
            answer["error"]["data"]["code"].as_str().unwrap().to_owned(),
        )
    }
}

fn post(to: SocketAddr, token: &str, body: &[u8]) -> (u16, Value) {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let authorization = match token {
        "" => String::new(),
        token => format!("Authorization: Bearer {token}\r\n"),
    };
    let head = format!(
        "POST /rpc HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{authorization}Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

#[test]
fn looking_and_submitting_need_nothing_on_this_machine() {
    let door = Door::open();
    assert_eq!(door.call("", "getblockcount", json!([]))["result"], 0);
    assert_eq!(door.call("", "getblock", json!([5]))["result"]["height"], 5);
    assert_eq!(
        door.call("", "getblock", json!({ "height": 5 }))["result"]["height"],
        5
    );
    let header = door.call("", "getblockheader", json!(["07".repeat(32)]));
    assert_eq!(header["result"]["height"], 7, "by its hash too: {header}");
    assert_eq!(door.fault("", "getblockheader", json!([8])).0, -5);
    assert_eq!(door.fault("", "getblock", json!(["ff".repeat(32)])).0, -5);
    assert_eq!(door.fault("", "getblock", json!(["not a hash"])).0, -32_602);
    let rights = door.call("", "getrpcinfo", json!([]));
    assert_eq!(rights["result"]["scope"], "submit");
    let named = rights["result"]["methods"].as_array().unwrap();
    assert!(named.contains(&json!("getsyncinfo")) && !named.contains(&json!("stop")));
    let finality = door.call("", "gettransactionfinality", json!(["ab".repeat(32)]));
    assert_eq!(finality["result"]["state"], "final");
    let status = door.call("", "getstatus", Value::Null);
    assert_eq!(status["result"]["name"], "node0");
    let help = door.call("", "help", json!([]));
    assert_eq!(help["result"].as_array().unwrap().len(), METHODS.len());
}

#[test]
fn every_method_of_the_table_is_answered() {
    let mut door = Door::open();
    let (done, told) = std::sync::mpsc::channel::<()>();
    let mut commands = door.fixture.take_commands();
    let node = std::thread::spawn(move || {
        run(async {
            let mut seen = Vec::new();
            while told.try_recv() != Err(std::sync::mpsc::TryRecvError::Disconnected) {
                let next = tokio::time::timeout(Duration::from_millis(50), commands.recv()).await;
                if let Ok(Some(request)) = next {
                    let reply = match &request.command {
                        Command::SubmitTransaction { .. } => Reply::Accepted {
                            txid: crate::crypto::Hash256::ZERO,
                        },
                        _ => Reply::Done,
                    };
                    seen.push(request.command.clone());
                    let _ = request.reply.send(Ok(reply));
                }
            }
            seen
        })
    });
    let address = {
        use crate::{
            chain::{Address, Network},
            crypto::SecretKey,
        };
        Address::of(&SecretKey::from_seed(&[1; 32]).public_key()).to_text(Network::Devnet)
    };
    for method in METHODS {
        let mut params = serde_json::Map::new();
        for parameter in method.parameters.iter().filter(|parameter| parameter.required) {
            let value = match (parameter.kind, parameter.name) {
                (Kind::Number | Kind::Block, _) => json!(1),
                (Kind::Text, "mode") => json!("reindex"),
                (Kind::Text, "network") => json!("devnet"),
                (Kind::Text, "address") if method.name != "addnode" => json!(address),
                (Kind::Text, "address") => json!("203.0.113.7:24100"),
                (Kind::Text, "target") => json!("203.0.113.7"),
                (Kind::Text, "command") => json!("add"),
                (Kind::Text, "hex") => json!("00ff"),
                (Kind::Text, "filter") => json!("debug"),
                (Kind::Text, _) => json!("ab".repeat(32)),
            };
            params.insert(parameter.name.to_owned(), value);
        }
        let answer = door.call(&door.cookie, method.name, params.into());
        // What the fixture does not have is said in the method's own words.
        let number = answer["error"]["code"].as_i64();
        assert!(
            matches!(number, None | Some(-5 | -8 | -28)),
            "{}: {answer}",
            method.name
        );
    }
    drop(done);
    let acts = METHODS
        .iter()
        .filter(|method| method.scope != Scope::Read)
        .count();
    assert_eq!(node.join().unwrap().len(), acts);
}

#[test]
fn changing_the_node_needs_the_cookie_or_a_token_of_that_scope() {
    let mut door = Door::open();
    assert_eq!(
        door.fault("", "stop", json!([])),
        (-32_001, "wrong_scope".to_owned())
    );
    let [reader, admin] = [("grafana", Scope::Read), ("desk", Scope::Admin)]
        .map(|(name, scope)| tokens::add(&door.tokens, name, scope, 1).unwrap());
    assert_eq!(
        door.fault(&reader, "sendrawtransaction", json!(["00"])).0,
        -32_001
    );
    assert_eq!(door.fault(&reader, "stop", json!([])).0, -32_001);
    assert!(
        door.fixture.take_commands().try_recv().is_err(),
        "nothing reached the node"
    );

    let (status, answer) = door.post("timed_nobody", r#"{"id":1,"method":"uptime"}"#);
    assert_eq!((status, &answer["code"]), (401, &json!("unauthorized")));
    assert_eq!(door.call(&admin, "uptime", json!([]))["id"], 7);

    // A token that was revoked is refused within a second.
    tokens::revoke(&door.tokens, "desk").unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    while door.post(&admin, r#"{"id":1,"method":"uptime"}"#).0 != 401 {
        assert!(Instant::now() < until, "still accepted");
        std::thread::sleep(Duration::from_millis(50));
    }
    let text = std::fs::read_to_string(&door.tokens).unwrap();
    assert!(!text.contains(&reader) && text.contains("grafana"), "hashes only");
}

#[test]
fn a_refusal_of_the_node_keeps_its_word() {
    let mut door = Door::open();
    let mut commands = door.fixture.take_commands();
    let node = std::thread::spawn(move || {
        run(async {
            let request = commands.recv().await.unwrap();
            let refused = CommandError::Refused {
                code: "double_spend".to_owned(),
                reason: "another transaction spends it".to_owned(),
            };
            request.reply.send(Err(refused)).unwrap();
        });
    });
    let fault = door.fault("", "sendrawtransaction", json!(["00ff"]));
    assert_eq!(fault, (-26, "double_spend".to_owned()));
    node.join().unwrap();
}

#[test]
fn callers_elsewhere_need_a_token_and_never_change_the_node() {
    let fixture = Fixture::start();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens.json");
    let config = Config {
        tokens: Some(file.clone()),
        ..config("127.0.0.1:0")
    };
    let token = tokens::add(&file, "far", Scope::Admin, 1).unwrap();
    let app = App::new(config, None, fixture.handle.clone(), fixture.metrics.clone());
    let far = Peer("203.0.113.7:999".parse().unwrap());
    let mut headers = HeaderMap::new();
    run(async {
        let refused = access(&app, &far, &headers).await.unwrap_err();
        assert_eq!(refused.into_body().code, "unauthorized");
        let bearer = format!("Bearer {token}");
        headers.insert(header::AUTHORIZATION, bearer.parse().unwrap());
        let let_in = access(&app, &far, &headers).await.unwrap();
        assert_eq!(let_in.scope, Scope::Submit, "admin only from this machine");
        // Guessing is told to wait; the right token is still heard.
        headers.insert(header::AUTHORIZATION, "Bearer guess".parse().unwrap());
        for _ in 0..limits::FAILURES_PER_MINUTE as u32 {
            let refused = access(&app, &far, &headers).await.unwrap_err();
            assert_eq!(refused.into_body().code, "unauthorized");
        }
        let refused = access(&app, &far, &headers).await.unwrap_err();
        assert_eq!(refused.into_body().code, "too_many_failures");
        headers.insert(header::AUTHORIZATION, bearer.parse().unwrap());
        assert!(access(&app, &far, &headers).await.is_ok());
    });
}

#[test]
fn what_is_no_call_is_refused_with_the_standard_numbers() {
    let door = Door::open();
    let number = |body: &str| {
        let (status, answer) = door.post("", body);
        (status, answer["error"]["code"].as_i64().unwrap_or(0))
    };
    assert_eq!(number("{"), (400, -32_700));
    assert_eq!(number("[]"), (400, -32_600));
    assert_eq!(number("7"), (200, -32_600));
    assert_eq!(number(r#"{"id":1}"#), (200, -32_600));
    assert_eq!(number(r#"{"id":{},"method":"uptime"}"#), (200, -32_600));
    assert_eq!(number(r#"{"id":1,"method":"getinfo"}"#), (200, -32_601));
    for params in [r#"["x"]"#, "[1,2]", "[-1]", "7", r#"{"size":1}"#, "{}"] {
        let body = format!(r#"{{"id":1,"method":"getblock","params":{params}}}"#);
        assert_eq!(number(&body), (200, -32_602), "{params}");
    }
    assert_eq!(door.fault("", "getblock", json!([8])).0, -5);
    assert_eq!(door.fault("", "gettransactionfinality", json!(["x"])).0, -8);
    assert_eq!(door.fault("", "getbalance", json!(["x"])).0, -8);
    // Deep nesting is an error of the parser, not of the stack.
    assert_eq!(number(&"[".repeat(100_000)), (400, -32_700));
    // A notification wants no answer.
    assert_eq!(door.post("", r#"{"method":"uptime"}"#).0, 204);
}

#[test]
fn a_batch_is_answered_in_order_and_has_a_bound() {
    let door = Door::open();
    let (status, answer) = door.post(
        "",
        r#"[{"id":"a","method":"uptime"},{"method":"uptime"},{"id":"b","method":"nothing"}]"#,
    );
    assert_eq!(status, 200);
    let ids: Vec<&Value> = answer.as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!(ids, [&json!("a"), &json!("b")]);
    let calls = |count: usize| format!("[{}]", vec![r#"{"id":1,"method":"uptime"}"#; count].join(","));
    assert_eq!(door.post("", &calls(limits::CALLS_IN_BATCH_MAX)).0, 200);
    assert_eq!(door.post("", &calls(limits::CALLS_IN_BATCH_MAX + 1)).0, 400);
}

#[test]
fn an_oversized_body_and_a_foreign_host_are_refused() {
    let door = Door::open();
    let ask = |host: &str, length: usize| {
        let mut stream = TcpStream::connect(door.server.address()).unwrap();
        let request = format!(
            "POST /rpc HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    // It is refused by what it announces; nothing of it is read.
    let answer = ask("localhost", limits::BODY_BYTES_MAX + 1);
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    let answer = ask("evil.example", 0);
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
}

#[test]
fn a_flood_of_calls_is_cut_off_and_others_are_still_heard() {
    let door = Door::open();
    let calls = vec![r#"{"id":1,"method":"uptime"}"#; limits::CALLS_IN_BATCH_MAX].join(",");
    let body = format!("[{calls}]");
    let codes: Vec<u16> = (0..40).map(|_| door.post("", &body).0).collect();
    assert_eq!(codes[0], 200);
    assert!(codes.contains(&429), "{codes:?}");
    // The operator's own calls have a budget of their own.
    assert_eq!(door.call(&door.cookie, "uptime", json!([]))["id"], 7);
}

#[test]
fn tokens_have_plain_unique_names_and_a_private_file() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens.json");
    let token = tokens::add(&file, "a", Scope::Read, 5).unwrap();
    assert!(token.starts_with("timed_") && token.len() == 70);
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    for name in ["", "a b", "ä", "a", &"x".repeat(65)] {
        assert!(tokens::add(&file, name, Scope::Read, 5).is_err(), "{name}");
    }
    assert!(tokens::revoke(&file, "b").is_err());
    let [only] = tokens::read(&file).unwrap().try_into().unwrap();
    assert_eq!(
        (only.name.as_str(), only.scope, only.created_ms),
        ("a", Scope::Read, 5)
    );
    std::fs::write(&file, "{").unwrap();
    assert!(tokens::read(&file).is_err());
}

#[test]
fn a_bucket_gives_its_burst_and_refills_with_time() {
    let start = Instant::now();
    let mut buckets = Buckets::new(100.0, 200.0);
    let taken = (0..1_000).filter(|_| buckets.take(1, 1.0, start)).count();
    assert_eq!(taken, 200);
    assert!(buckets.take(2, 1.0, start), "others are not concerned");
    let later = start + Duration::from_millis(500);
    let taken = (0..1_000).filter(|_| buckets.take(1, 1.0, later)).count();
    assert_eq!(taken, 50);
}

#[test]
fn callers_are_remembered_up_to_a_bound() {
    let start = Instant::now();
    let mut buckets = Buckets::new(1.0, 2.0);
    for caller in 0..limits::CALLERS_MAX {
        assert!(buckets.take(caller, 1.0, start));
    }
    assert!(!buckets.take(limits::CALLERS_MAX, 1.0, start));
    let later = start + Duration::from_secs(1);
    assert!(buckets.take(limits::CALLERS_MAX, 1.0, later));
    assert_eq!(buckets.left.len(), 1);
}

#[test]
fn each_method_is_counted_under_its_name_and_what_does_not_exist_under_one() {
    use crate::metrics::labels::{Label, RpcMethod};
    let counted: Vec<&str> = RpcMethod::ALL.iter().map(|method| method.as_str()).collect();
    let table: Vec<&str> = METHODS
        .iter()
        .map(|method| method.name)
        .chain(["unknown"])
        .collect();
    assert_eq!(counted, table);

    let door = Door::open();
    let to = door.server.address();
    let batch = json!([
        { "jsonrpc": "2.0", "id": 1, "method": "getblockcount" },
        { "jsonrpc": "2.0", "id": 2, "method": "getblock", "params": ["high"] },
        { "jsonrpc": "2.0", "id": 3, "method": "unknown" },
        { "jsonrpc": "2.0", "id": 4, "method": "a\"} 1\n" },
        { "jsonrpc": "2.0", "id": 5, "method": 7 },
        "no call",
    ]);
    let (status, _) = post(to, "", batch.to_string().as_bytes());
    assert_eq!(status, 200);
    let rpc = &door.fixture.metrics.rpc;
    let counts = |method| (rpc.calls.get(method), rpc.call_errors.get(method));
    assert_eq!(counts(RpcMethod::GetBlockCount), (1, 0));
    assert_eq!(counts(RpcMethod::GetBlock), (1, 1));
    assert_eq!(counts(RpcMethod::Unknown), (4, 4));
}
