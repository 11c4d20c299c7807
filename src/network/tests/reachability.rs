//! Dialling back: whoever asks is dialled where it is seen, and only its own key counts as it.

use tokio::time::Instant;

use super::*;
use crate::wire::{GetReachable, NotFound, Reachability};

/// A core that tells others to dial the port of `external`.
fn asker(seed: u8, external: SocketAddr) -> (Arc<Core>, Inboxes) {
    let config = NetworkConfig {
        external: Some(external),
        ..open_config()
    };
    core_with(around(seed), config)
}

/// On this machine every address is a private one.
fn open_config() -> NetworkConfig {
    NetworkConfig {
        allow_private: true,
        ..config(loopback(24_200), &[])
    }
}

async fn asked(external: SocketAddr, helper: NetworkConfig) -> Reachability {
    let (asker, _ours) = asker(1, external);
    let (helper, _theirs) = core_with(around(2), helper);
    let (session, other) = join(&asker, &helper, pipe()).await;
    let (session, _other) = (session.unwrap(), other.unwrap());
    asker.ask_whether_reached(&session).await;
    asker.reach.verdict(Instant::now())
}

#[tokio::test]
async fn a_peer_dials_back_and_only_the_askers_own_key_counts() {
    let (home, _inboxes) = network(around(1), &[]).await;
    assert_eq!(
        asked(home.listening(), open_config()).await,
        Reachability::Reached
    );
    assert_eq!(home.peer_count(), 0, "it is no session");

    let (stranger, _inboxes) = network(around(3), &[]).await;
    let unreached = |address| Reachability::NotReached { address, asked: 1 };
    let address = stranger.listening();
    assert_eq!(asked(address, open_config()).await, unreached(address));

    let closed = std::net::TcpListener::bind(loopback(0))
        .unwrap()
        .local_addr()
        .unwrap();
    assert_eq!(asked(closed, open_config()).await, unreached(closed));
}

#[tokio::test]
async fn nobody_is_made_to_knock_at_a_private_address_or_often() {
    let (home, _inboxes) = network(around(1), &[]).await;
    let strict = config(loopback(24_200), &[]);
    assert_eq!(
        asked(home.listening(), strict).await,
        Reachability::Unknown,
        "it declined"
    );

    let (asker, _ours) = asker(1, home.listening());
    let (helper, _theirs) = core_with(around(2), open_config());
    let (session, other) = join(&asker, &helper, pipe()).await;
    let (session, _other) = (session.unwrap(), other.unwrap());
    for _ in 0..2 {
        asker.ask_whether_reached(&session).await;
    }
    // The third within five minutes is answered Busy, and costs points.
    asker.ask_whether_reached(&session).await;
    eventually("the flood is noted", || {
        helper.standings.points(&id(1), Instant::now()) > 0
    })
    .await;
    // Whom we dialled ourselves asks in vain: it knows that it is reached.
    let answer = {
        use crate::network::requests::Waiter;
        let (caller, answer) = tokio::sync::oneshot::channel();
        let question = Message::GetReachable(GetReachable { port: 1 });
        let theirs = helper.session(&id(1)).unwrap();
        theirs.ask(&question, Waiter::Caller(caller)).unwrap();
        timeout(PATIENCE, answer).await.unwrap().unwrap().unwrap()
    };
    assert_eq!(answer.message, Message::NotFound(NotFound));
}
