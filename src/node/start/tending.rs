//! The standing tasks of a node that belong to no room of their own.

use std::{sync::Arc, time::Duration};

use crossbeam_channel::Sender;

use super::{
    super::{
        bodies::Bodies, clock::NodeClock, facts::Facts, gossip::Gossip, sessions::LiveSessions,
        spawner::Tasks,
    },
    Event, Network, PeerEvent,
};

/// How often peers' claimed heights are passed on to the engine.
const HEIGHTS_EVERY: Duration = Duration::from_millis(500);
/// How often ids are announced.
const ANNOUNCE_EVERY: Duration = Duration::from_millis(50);
/// How often our own submissions are looked through for those that nobody else is known to have.
const REBROADCAST_EVERY: Duration = Duration::from_secs(10);

/// Sessions that come and go are told to the engine and to people. None of these is ever lost.
pub(super) async fn watch_peers(
    mut events: tokio::sync::mpsc::Receiver<PeerEvent>,
    votes: Sender<Event>,
    facts: Arc<Facts>,
    tasks: Arc<Tasks>,
) {
    let mut live = LiveSessions::default();
    while let Some(event) = events.recv().await {
        for told in live.translate(event, &facts) {
            if let Err(crossbeam_channel::TrySendError::Full(told)) = votes.try_send(told) {
                let votes = votes.clone();
                let _ = tasks.blocking(move || votes.send(told)).await;
            }
        }
    }
}

/// Ids of what came lately go out together.
pub(super) async fn announce(gossip: Arc<Gossip>, bodies: Arc<Bodies>) {
    let mut every = tokio::time::interval(ANNOUNCE_EVERY);
    loop {
        every.tick().await;
        gossip.announce(|txid| bodies.contains(txid));
    }
}

/// Our own submissions go out again until somebody else is seen to have them.
pub(super) async fn rebroadcast(gossip: Arc<Gossip>, bodies: Arc<Bodies>, clock: NodeClock) {
    let mut every = tokio::time::interval(REBROADCAST_EVERY);
    loop {
        every.tick().await;
        let ours = bodies.ours_unseen(clock.mono());
        if !ours.is_empty() {
            gossip.relay(ours, None, true);
        }
    }
}

/// Keep-alives carry heights; the engine asks for blocks when somebody claims more than it has.
pub(super) async fn heartbeat(network: Network, bulk: Sender<Event>, tasks: Arc<Tasks>) {
    let mut every = tokio::time::interval(HEIGHTS_EVERY);
    loop {
        tokio::select! {
            biased;
            () = tasks.stopped() => {
                tracing::info!("Heartbeat task shutting down gracefully");
                return;
            }
            _ = every.tick() => {}
        }
        // One event for all, and all of them: after an answer that did not come a claim counts for
        // nothing until it is repeated. Full: half a second later again.
        let peers = network.peers();
        let preferred = peers.iter().map(|peer| peer.node_id);
        let preferred = preferred.filter(|peer| network.is_preferred(peer)).collect();
        let _ = bulk.try_send(Event::PeersPreferred(preferred));
        let claims = peers.into_iter();
        let claims = claims.map(|peer| (peer.node_id, crate::chain::Height::new(peer.height)));
        let _ = bulk.try_send(Event::PeerHeights(claims.collect()));
    }
}
