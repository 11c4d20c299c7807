//! The pool of a node whose chain stands still: what 64 clients make of one coin at once, and what a restart
//! leaves of it.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use timecoin::{
    control::TransactionState,
    crypto::Hash256,
    rpc::client::{Client, ClientError},
};
use tokio::{sync::Barrier, task::JoinSet};

use super::net::{Net, limit};

const CLIENTS: u64 = 64;

/// One node of four: it takes transactions, and nothing becomes final.
fn alone() -> Net {
    let mut net = Net::new(4);
    net.start(0);
    net
}

/// In the pool; a node that leads has it in a proposal that nobody votes for, too.
fn is_waiting(net: &Net, txid: Hash256) -> bool {
    let found = net.ask(net.client(0).transaction(txid)).unwrap();
    matches!(
        found.state,
        TransactionState::Pending | TransactionState::Proposed
    )
}

#[test]
fn of_64_clients_that_spend_one_coin_at_once_exactly_one_is_accepted_each_time() {
    const ROUNDS: u16 = 40;
    let net = alone();
    let url = net.layout.url(0);
    let clients: Vec<Arc<Client>> = (0..CLIENTS)
        .map(|_| Arc::new(Client::new(&url).unwrap()))
        .collect();
    for round in 0..ROUNDS {
        let rivals: Vec<_> = (0..CLIENTS).map(|rival| net.spend(round, rival).0).collect();
        let begin = Arc::new(Barrier::new(rivals.len()));
        let verdicts: Vec<Result<Hash256, ClientError>> = net.runtime().block_on(async {
            let mut asked = JoinSet::new();
            for (client, rival) in clients.iter().zip(&rivals) {
                let (client, begin, bytes) =
                    (Arc::clone(client), Arc::clone(&begin), rival.canonical_bytes());
                asked.spawn(async move {
                    begin.wait().await;
                    client.submit(&bytes).await
                });
            }
            asked.join_all().await
        });
        let accepted: Vec<Hash256> = verdicts
            .iter()
            .filter_map(|verdict| verdict.as_ref().ok())
            .copied()
            .collect();
        assert_eq!(accepted.len(), 1, "round {round}: {verdicts:?}");
        for refused in verdicts.iter().filter_map(|verdict| verdict.as_ref().err()) {
            assert_eq!(refused.code(), Some("double_spend"), "round {round}: {refused}");
        }
        for rival in &rivals {
            let txid = *rival.txid().as_hash();
            let is_here = is_waiting(&net, txid);
            assert_eq!(is_here, txid == accepted[0], "round {round}");
        }
    }
    net.wait("the pool holds one of each round", limit(10), |net| {
        net.status(0).mempool_txs == u64::from(ROUNDS)
    });
}

#[test]
fn what_waits_outlives_a_restart_with_its_age() {
    const WAITING: u16 = 50;
    let mut net = alone();
    let ids: BTreeSet<Hash256> = (0..WAITING)
        .map(|coin| {
            let (transaction, _) = net.spend(coin, 0);
            net.ask(net.client(0).submit(&transaction.canonical_bytes()))
                .unwrap()
        })
        .collect();
    // Shown once a second; the first of them came a moment before.
    let submitted = Instant::now();
    let age = |net: &Net| net.metric(0, "timed_mempool_oldest_age_seconds");
    net.wait("it has waited a while", limit(20), |net| age(net) >= 5.0);
    for _ in 0..2 {
        net.stop(0);
        net.start(0);
        net.wait("all of them wait again", limit(20), |net| {
            ids.iter().all(|txid| is_waiting(net, *txid))
        });
        net.wait("and as long as before", limit(10), |net| {
            age(net) + 3.0 >= submitted.elapsed().as_secs_f64()
        });
        assert_eq!(net.status(0).mempool_txs, u64::from(WAITING));
    }
}
