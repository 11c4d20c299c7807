//! Every label value that a scrape can contain.
//!
//! Enums, so that the number of series is known here and cannot be grown from outside. To add a
//! value, add a line; it is exported at zero from then on.

/// An enum whose values label the series of one metric.
pub trait Label: Copy + 'static {
    /// The label's name.
    const NAME: &'static str;
    /// Every value, in order of index.
    const ALL: &'static [Self];

    /// The value as scraped.
    fn as_str(self) -> &'static str;

    /// Position in [`Label::ALL`].
    fn index(self) -> usize;

    /// The value that is scraped as `text`.
    fn named(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|value| value.as_str() == text)
    }
}

macro_rules! label {
    ($(#[$doc:meta])* $name:ident = $label:literal { $($(#[$value_doc:meta])* $value:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$value_doc])* #[doc = concat!("`", $text, "`")] $value,)+
        }

        impl Label for $name {
            const NAME: &'static str = $label;
            const ALL: &'static [Self] = &[$(Self::$value,)+];

            fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $text,)+
                }
            }

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

label! {
    /// What the node is, as a whole.
    NodeState = "state" {
        Starting = "starting",
        Syncing = "syncing",
        Ready = "ready",
        Degraded = "degraded",
        Stalled = "stalled",
        Stopping = "stopping",
    }
}

label! {
    /// The loops that must tick for the node to be alive.
    Loop = "task" {
        Consensus = "consensus",
        Network = "p2p",
        Storage = "storage",
    }
}

label! {
    /// The checks behind `/health` and `/ready`, by the names they bear there.
    HealthCheck = "check" {
        ConsensusLoop = "consensus_loop",
        NetworkLoop = "network_loop",
        StorageLoop = "storage_loop",
        SigningSafe = "signing_safe",
        Quorum = "quorum",
        Finality = "finality",
        Sync = "sync",
        Peers = "peers",
        Votes = "votes",
        NotStopping = "not_stopping",
    }
}

label! {
    /// How grave a log line is; routine lines are not counted.
    LogLevelLabel = "level" {
        Error = "error",
        Warn = "warn",
    }
}

label! {
    /// Where a block came from.
    BlockSource = "source" {
        Consensus = "consensus",
        Sync = "sync",
    }
}

label! {
    /// Where the round stands.
    PhaseLabel = "phase" {
        Idle = "idle",
        Propose = "propose",
        Prepare = "prepare",
        Commit = "commit",
        ViewChange = "view_change",
    }
}

label! {
    /// The kinds of vote.
    VoteLabel = "vote" {
        Prepare = "prepare",
        Commit = "commit",
        ViewChange = "view_change",
    }
}

label! {
    /// What became of a proposal.
    ProposalResult = "result" {
        Made = "made",
        Accepted = "accepted",
        Rejected = "rejected",
        Missed = "missed",
    }
}

label! {
    /// What became of a request to sign.
    SignResult = "result" {
        Ok = "ok",
        RefusedDoubleSign = "refused_double_sign",
        Error = "error",
    }
}

label! {
    /// Who dialed.
    Direction = "direction" {
        Inbound = "inbound",
        Outbound = "outbound",
    }
}

label! {
    /// How a handshake ended.
    HandshakeResult = "result" {
        Ok = "ok",
        Timeout = "timeout",
        Tls = "tls",
        WrongNetwork = "wrong_network",
        BadProof = "bad_proof",
        Duplicate = "duplicate",
        Refused = "refused",
        Io = "io",
    }
}

label! {
    /// Why a session ended.
    DisconnectReason = "reason" {
        Closed = "closed",
        Timeout = "timeout",
        Protocol = "protocol",
        SlowReader = "slow_reader",
        Replaced = "replaced",
        Banned = "banned",
        Operator = "operator",
        Shutdown = "shutdown",
    }
}

label! {
    /// Messages by the lane they travel in (docs/WIRE.md, "Lanes").
    LaneLabel = "lane" {
        Control = "control",
        Consensus = "consensus",
        Transactions = "transactions",
        Blocks = "blocks",
        Bulk = "bulk",
    }
}

label! {
    /// Why a message was dropped before anybody looked at it.
    DropReason = "reason" {
        RateLimit = "rate_limit",
        Oversize = "oversize",
        Malformed = "malformed",
        QueueFull = "queue_full",
    }
}

label! {
    /// Why a transaction was refused: the codes of `mempool::Refusal`, and `malformed` for bytes
    /// that are no transaction.
    RejectReason = "reason" {
        Malformed = "malformed",
        TooLarge = "too_large",
        Duplicate = "duplicate",
        DoubleSpend = "double_spend",
        MissingInputs = "missing_inputs",
        FeeTooLow = "fee_too_low",
        PoolFull = "pool_full",
        Immature = "immature",
        BadSignature = "bad_signature",
        Dust = "dust",
        Expired = "expired",
        ChainTooLong = "chain_too_long",
        Invalid = "invalid",
        Unavailable = "unavailable",
    }
}

label! {
    /// HTTP routes; whatever is not one of them is `unknown`.
    Route = "route" {
        Index = "/",
        Health = "/health",
        Ready = "/ready",
        Status = "/status",
        Metrics = "/metrics",
        MetricsJson = "/metrics.json",
        Block = "/blocks/{height}",
        Evidence = "/evidence",
        Peers = "/peers",
        Bans = "/bans",
        BanPlan = "/bans/plan",
        Command = "/command",
        Rpc = "/rpc",
        SubmitTx = "/tx",
        SubmitTxs = "/txs",
        Tx = "/tx/{txid}",
        Balance = "/address/{address}/balance",
        Utxos = "/address/{address}/utxos",
        Pending = "/address/{address}/pending",
        TxOut = "/txout/{txid}/{index}",
        History = "/history",
        Masternodes = "/masternodes",
        Masternode = "/masternodes/{id}",
        Unknown = "unknown",
    }
}

label! {
    /// Classes of HTTP answers.
    CodeClass = "code" {
        Ok = "ok",
        ClientError = "client_error",
        ServerError = "server_error",
    }
}

label! {
    /// Why a request was turned away before it was handled.
    RpcReject = "reason" {
        Host = "host",
        Unauthorized = "unauthorized",
        Scope = "scope",
        RateLimit = "rate_limit",
        Oversize = "oversize",
        Busy = "busy",
        Timeout = "timeout",
    }
}

label! {
    /// Methods of JSON-RPC (a test compares them with the table); whatever else was asked for is `unknown`.
    RpcMethod = "method" {
        Help = "help",
        Uptime = "uptime",
        GetVersion = "getversion",
        GetRpcInfo = "getrpcinfo",
        GetNodeInfo = "getnodeinfo",
        GetStatus = "getstatus",
        GetHealth = "gethealth",
        GetBlockchainInfo = "getblockchaininfo",
        GetBlockCount = "getblockcount",
        GetBestBlockHash = "getbestblockhash",
        GetBlockHash = "getblockhash",
        GetBlockHeader = "getblockheader",
        GetBlock = "getblock",
        GetRawTransaction = "getrawtransaction",
        GetTransactionFinality = "gettransactionfinality",
        GetBalance = "getbalance",
        ListUnspent = "listunspent",
        ListPending = "listpending",
        ListTransactions = "listtransactions",
        GetTxOut = "gettxout",
        GetTxOutSetInfo = "gettxoutsetinfo",
        GetMempoolInfo = "getmempoolinfo",
        GetRawMempool = "getrawmempool",
        GetMempoolEntry = "getmempoolentry",
        GetNetworkInfo = "getnetworkinfo",
        GetConnectionCount = "getconnectioncount",
        GetPeerInfo = "getpeerinfo",
        ListBanned = "listbanned",
        GetConsensusInfo = "getconsensusinfo",
        GetSyncInfo = "getsyncinfo",
        GetMasternodeList = "getmasternodelist",
        GetMasternodeStatus = "getmasternodestatus",
        ListEvidence = "listevidence",
        SendRawTransaction = "sendrawtransaction",
        Stop = "stop",
        SetBan = "setban",
        ClearBanned = "clearbanned",
        AddNode = "addnode",
        DisconnectNode = "disconnectnode",
        PlanResync = "planresync",
        Resync = "resync",
        CancelResync = "cancelresync",
        SetLogLevel = "setloglevel",
        Unknown = "unknown",
    }
}
