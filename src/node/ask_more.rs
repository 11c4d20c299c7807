//! One question to ever more peers, until one answer will do.
//!
//! Far peers on bad lines need seconds, near ones that have nothing say so at once, and a few keep silent. So
//! some are asked, after a while some more beside them, and nobody who was asked is given up before the end.

use std::{future::Future, time::Duration};

use tokio::task::JoinSet;

use crate::crypto::NodeId;

/// How many are asked, and how fast.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// So many at once.
    pub(super) at_once: usize,
    /// As many more after each of these.
    pub(super) more_every: Duration,
    /// All is given up after this.
    pub(super) deadline: Duration,
}

/// Asks `peers` in their order. True as soon as `takes` an answer; what others answer meanwhile is dropped.
pub(super) async fn ask_more<T, F, G>(
    peers: Vec<NodeId>,
    pace: Pace,
    ask: impl Fn(NodeId) -> F,
    takes: impl Fn(NodeId, T) -> G,
) -> bool
where
    T: Send + 'static,
    F: Future<Output = Option<T>> + Send + 'static,
    G: Future<Output = bool>,
{
    let mut peers = peers.into_iter().peekable();
    let mut asked = JoinSet::new();
    let mut more = tokio::time::interval(pace.more_every);
    let give_up = tokio::time::sleep(pace.deadline);
    tokio::pin!(give_up);
    while !asked.is_empty() || peers.peek().is_some() {
        tokio::select! {
            () = &mut give_up => return false,
            _ = more.tick(), if peers.peek().is_some() => {
                for peer in peers.by_ref().take(pace.at_once) {
                    let answer = ask(peer);
                    asked.spawn(async move { (peer, answer.await) });
                }
            }
            Some(answered) = asked.join_next() => {
                if let Ok((peer, Some(answer))) = answered
                    && takes(peer, answer).await
                {
                    return true;
                }
                if asked.is_empty() {
                    more.reset_immediately();
                }
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::crypto::PublicKey;

    const PACE: Pace = Pace {
        at_once: 3,
        more_every: Duration::from_millis(500),
        deadline: Duration::from_secs(5),
    };

    fn peers(count: u8) -> Vec<NodeId> {
        (0..count).map(|n| PublicKey::from_bytes([n; 32])).collect()
    }

    /// Each peer answers after `ms` of its place; `None`: never. Gives whether one was taken, and when.
    async fn run(count: u8, ms: impl Fn(u8) -> Option<u64>, has_it: impl Fn(u8) -> bool) -> (bool, u64) {
        let began = Instant::now();
        let place = |peer: NodeId| peer.as_bytes()[0];
        let taken = ask_more(
            peers(count),
            PACE,
            |peer| {
                let wait = ms(place(peer));
                async move {
                    match wait {
                        Some(ms) => sleep(Duration::from_millis(ms)).await,
                        None => std::future::pending().await,
                    }
                    Some(())
                }
            },
            |peer, ()| std::future::ready(has_it(place(peer))),
        )
        .await;
        (taken, began.elapsed().as_millis() as u64)
    }

    #[tokio::test(start_paused = true)]
    async fn peers_that_need_longer_than_the_next_are_waited_for() {
        // Half a second each way, and all are as far.
        assert_eq!(run(4, |_| Some(1_000), |_| true).await, (true, 1_000));
        // The first that has it is asked second to last, and all others are silent.
        let ms = |n| (n == 4).then_some(900);
        assert_eq!(run(6, ms, |_| true).await, (true, 1_400));
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_have_nothing_cost_no_time() {
        assert_eq!(run(7, |_| Some(1), |n| n == 6).await, (true, 3));
        assert_eq!(run(7, |_| Some(1), |_| false).await, (false, 3));
        assert_eq!(run(0, |_| Some(1), |_| true).await, (false, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_when_nobody_says_anything() {
        assert_eq!(run(100, |_| None, |_| true).await, (false, 5_000));
    }
}
