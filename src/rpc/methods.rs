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
    /// Which block: its height, or its hash as text.
    Block,
}

impl Kind {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Block => "height or hash",
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

/// A block, by its height or its hash.
const HEIGHT: Parameter = Parameter {
    name: "height",
    kind: Kind::Block,
    required: true,
};

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
    method("getrpcinfo", Scope::Read, &[], "Who the caller is to this node, its `scope`, the `methods` it may call, and the limits."),
    method("getnodeinfo", Scope::Read, &[], "`name`, `version`, `mode`, ids, `memory_bytes`, `cpu_ms`, `open_files`, `threads`, disk and database sizes, `log_sync_p99_us`, `warnings`."),
    method("getstatus", Scope::Read, &[], "The body of `GET /status`."),
    method("gethealth", Scope::Read, &[], "The body of `GET /health`."),
    method("getblockchaininfo", Scope::Read, &[], "`chain`, `chain_id`, `blocks`, `bestblockhash`, `utxo_commitment`, `blocks_behind`, `initialblockdownload`, `warnings`. What it calls best is final."),
    method("getblockcount", Scope::Read, &[], "Height of the last final block."),
    method("getbestblockhash", Scope::Read, &[], "Hash of the last final block."),
    method("getblockhash", Scope::Read, &[number("height")], "Hash of the final block of a height."),
    method("getblockheader", Scope::Read, &[HEIGHT], "A final block without its transactions: `height`, `hash`, `prev_hash`, `proposer`, `created_round`, `timestamp_ms`, `utxo_commitment`, `certificate`. Also of blocks below a snapshot that the node began with, as far as it holds them."),
    method("getblock", Scope::Read, &[HEIGHT], "The body of `GET /blocks/{height}`."),
    method("getrawtransaction", Scope::Read, &[text("txid")], "`hex` of one that waits or is final, as `POST /tx` takes it, and the `height` of its block."),
    method("gettransactionfinality", Scope::Read, &[text("txid")], "The body of `GET /tx/{txid}`."),
    method("getbalance", Scope::Read, &[text("address")], "What an address owns in final blocks, in base units, and what waits."),
    method("listunspent", Scope::Read, &[text("address"), SKIP, LIMIT, maybe(text("after"))], "Its unspent outputs by id, a page of those above the output `after` (`txid:index`; of a long list, the last one of the page before). `state` says whether the pool already spends one."),
    method("listpending", Scope::Read, &[text("address"), SKIP, LIMIT], "What waiting transactions pay to it, a page of them."),
    method("listtransactions", Scope::Read, &[text("addresses"), maybe(text("before")), LIMIT], "The body of `GET /history`; several addresses stand between commas."),
    method("gettxout", Scope::Read, &[text("txid"), number("n")], "The body of `GET /txout/{txid}/{index}`: an output that is spent is told too; null if nothing known makes it."),
    method("gettxoutsetinfo", Scope::Read, &[], "`height`, `bestblock`, `txouts`, `supply` (base units), `utxo_commitment`, `disk_size`."),
    method("getmempoolinfo", Scope::Read, &[], "`size`, `bytes`, `usage`, `maxmempool`, `max_count`, `minfee`, `oldest_age_ms`."),
    method("getrawmempool", Scope::Read, &[SKIP, LIMIT], "Ids of what waits, the longest first, a page of them."),
    method("getmempoolentry", Scope::Read, &[text("txid")], "One that waits: `bytes`, `age_ms`, `fee`, `inputs`, `outputs`, `depends`, `proposed`."),
    method("getnetworkinfo", Scope::Read, &[], "`version`, `node_id`, `listen`, `connections`, `connections_in`, `connections_out`, `connections_max`, `not_connected` (configured peers), `banned`, `clock_offset_ms`, `minfee`, `warnings`."),
    method("getconnectioncount", Scope::Read, &[], "Sessions."),
    method("getpeerinfo", Scope::Read, &[], "The body of `GET /peers`."),
    method("listbanned", Scope::Read, &[SKIP, LIMIT], "Who is kept out and why, a page of them."),
    method("getconsensusinfo", Scope::Read, &[], "`height` being decided, `round`, `phase`, `round_elapsed_ms`, `deadline_in_ms`, `overdue_ms`, `last_block_age_ms`, `proposer`, `is_our_turn`, `votes` (`have` and `need` of each kind), `online`, `validators`, `quorum`, `view_changes`, `waiting_for`, `hint`, `missing_validators` (who cannot be counted on, and when they were last heard), `signing`, `signing_reason`."),
    method("getsyncinfo", Scope::Read, &[], "`state`, `current`, `target`, `blocks_behind`, `blocks_per_s`, `eta_ms`, `sources`, `in_flight`, `stalled_because`, `snapshot_pages`, `resync`, `backfill` (`lowest` block that is here, and what it `waits_for`)."),
    method("getmasternodelist", Scope::Read, &[SKIP, LIMIT], "Masternodes of every standing, a page of them."),
    method("getmasternodestatus", Scope::Read, &[text("id")], "One, by its id or consensus key."),
    method("listevidence", Scope::Read, &[SKIP, LIMIT], "Proofs of equivocation, a page of them."),
    method("sendrawtransaction", Scope::Submit, &[text("hex")], "Puts a transaction into the pool; its id."),
    method("stop", Scope::Admin, &[maybe(text("reason"))], "Stops the node in order."),
    method("setban", Scope::Admin, &[text("target"), text("command"), maybe(number("seconds")), maybe(text("reason"))], "`add` keeps a node id, address or network out (0 seconds: for ever; without it a day), `remove` lets it in again; what follows from it."),
    method("clearbanned", Scope::Admin, &[], "Lifts all bans."),
    method("addnode", Scope::Admin, &[text("address"), text("command")], "`add` keeps a connection until the next start, `remove` dials it no more."),
    method("disconnectnode", Scope::Admin, &[text("node_id")], "Closes the session with a peer."),
    method("planresync", Scope::Admin, &[text("mode")], "What a resync by `reindex`, `snapshot` or `full` would do and cost; changes nothing."),
    method("resync", Scope::Admin, &[text("mode"), text("network")], "Builds the chain database anew; the node stops in order and starts again by itself. `network` is its name, as a confirmation."),
    method("cancelresync", Scope::Admin, &[], "Gives up a resync that is under way."),
    method("setloglevel", Scope::Admin, &[text("filter")], "Changes what is logged, for ten minutes."),
];

/// The method of that name.
pub fn find(name: &str) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.name == name)
}
