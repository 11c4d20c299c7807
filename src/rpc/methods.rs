//! The table of JSON-RPC methods: name, scope and parameters of each, in one place. The dispatcher checks
//! calls against it, `help` answers from it, and docs/reference/rpc.md is written from it.
//!
//! Names are Bitcoin's where the meaning is the same. To add a method: a line here, an arm in `calls`.

use serde::Serialize;

/// What a caller may do. Each scope includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Look.
    Read,
    /// Submit transactions.
    Submit,
    /// Change the node.
    Admin,
}

impl Scope {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Submit => "submit",
            Self::Admin => "admin",
        }
    }
}

/// What a parameter has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A whole number, not negative.
    Number,
}

impl Kind {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
        }
    }
}

/// One parameter of a method.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Its name; in a list of parameters its place counts instead.
    pub name: &'static str,
    /// What it has to be.
    pub kind: Kind,
    /// Whether a call without it is refused.
    pub required: bool,
}

/// One method.
#[derive(Debug, Clone, Copy)]
pub struct Method {
    /// Its name.
    pub name: &'static str,
    /// What its caller has to be allowed to.
    pub scope: Scope,
    /// Its parameters, in their order.
    pub parameters: &'static [Parameter],
    /// What it answers or does.
    pub says: &'static str,
}

const fn text(name: &'static str) -> Parameter {
    Parameter {
        name,
        kind: Kind::Text,
        required: true,
    }
}

const fn number(name: &'static str) -> Parameter {
    Parameter {
        name,
        kind: Kind::Number,
        required: true,
    }
}

const fn maybe(parameter: Parameter) -> Parameter {
    Parameter {
        required: false,
        ..parameter
    }
}

const SKIP: Parameter = maybe(number("skip"));
const LIMIT: Parameter = maybe(number("limit"));

const fn method(
    name: &'static str,
    scope: Scope,
    parameters: &'static [Parameter],
    says: &'static str,
) -> Method {
    Method {
        name,
        scope,
        parameters,
        says,
    }
}

/// Every method, by scope and then by subject.
#[rustfmt::skip]
pub const METHODS: &[Method] = &[
    method("help", Scope::Read, &[maybe(text("method"))], "This table; with a name, that method."),
    method("uptime", Scope::Read, &[], "Seconds since the node began."),
    method("getversion", Scope::Read, &[], "`version`, `network`."),
    method("getstatus", Scope::Read, &[], "The body of `GET /status`."),
    method("gethealth", Scope::Read, &[], "The body of `GET /health`."),
    method("getblockchaininfo", Scope::Read, &[], "`chain`, `chain_id`, `blocks`, `bestblockhash`, `utxo_commitment`, `blocks_behind`, `initialblockdownload`, `warnings`. What it calls best is final."),
    method("getblockcount", Scope::Read, &[], "Height of the last final block."),
    method("getbestblockhash", Scope::Read, &[], "Hash of the last final block."),
    method("getblockhash", Scope::Read, &[number("height")], "Hash of the final block of a height."),
    method("getblock", Scope::Read, &[number("height")], "The body of `GET /blocks/{height}`. Takes a height: there is one final block of each."),
    method("gettransactionfinality", Scope::Read, &[text("txid")], "The body of `GET /tx/{txid}`."),
    method("getbalance", Scope::Read, &[text("address")], "What an address owns in final blocks, in base units."),
    method("listunspent", Scope::Read, &[text("address"), SKIP, LIMIT], "Its unspent outputs, a page of them."),
    method("getmempoolinfo", Scope::Read, &[], "`size`, `bytes`, `usage`, `maxmempool`, `max_count`, `minfee`, `oldest_age_ms`."),
    method("getconnectioncount", Scope::Read, &[], "Sessions."),
    method("getpeerinfo", Scope::Read, &[], "The body of `GET /peers`."),
    method("listbanned", Scope::Read, &[SKIP, LIMIT], "Who is kept out and why, a page of them."),
    method("getconsensusinfo", Scope::Read, &[], "`height` being decided, `round`, `phase`, `online`, `validators`, `quorum`, `view_changes`, `waiting_for`, `signing`, `signing_reason`."),
    method("getmasternodelist", Scope::Read, &[SKIP, LIMIT], "Masternodes of every standing, a page of them."),
    method("getmasternodestatus", Scope::Read, &[text("id")], "One, by its id or consensus key."),
    method("listevidence", Scope::Read, &[SKIP, LIMIT], "Proofs of equivocation, a page of them."),
    method("sendrawtransaction", Scope::Submit, &[text("hex")], "Puts a transaction into the pool; its id."),
    method("stop", Scope::Admin, &[maybe(text("reason"))], "Stops the node in order."),
    method("setban", Scope::Admin, &[text("target"), text("command"), maybe(number("seconds")), maybe(text("reason"))], "`add` keeps a node id, address or network out (0 seconds: for ever; without it a day), `remove` lets it in again; what follows from it."),
    method("clearbanned", Scope::Admin, &[], "Lifts all bans."),
    method("addnode", Scope::Admin, &[text("address"), text("command")], "`add` keeps a connection until the next start, `remove` dials it no more."),
    method("disconnectnode", Scope::Admin, &[text("node_id")], "Closes the session with a peer."),
    method("setloglevel", Scope::Admin, &[text("filter")], "Changes what is logged, for ten minutes."),
];

/// The method of that name.
pub fn find(name: &str) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.name == name)
}
