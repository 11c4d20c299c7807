//! A link between two nodes that can be cut, slowed and made lossy: a TCP relay on loopback.
//!
//! A node dials the relay instead of its peer. A cut is what a broken network looks like to both
//! ends: nothing arrives and nothing is refused; bytes on the way wait, as they would for TCP's own
//! retransmission, and go on when the link is healed. Loss shows as TCP shows it: a lost segment
//! arrives later, and everything behind it waits.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    runtime::Handle,
    sync::watch,
    task::JoinSet,
    time::sleep_until,
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Bytes read at once; also what one lost segment delays.
const CHUNK_BYTES: usize = 16 * 1024;
/// Bytes that may be on the way in one direction; more wait at the sender.
const ON_THE_WAY_MAX: usize = 4 * 1024 * 1024;
/// How much later a lost segment arrives: TCP's usual first retransmission.
const RETRANSMISSION: Duration = Duration::from_millis(200);

/// What a link does to what passes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Weather {
    /// Nothing passes.
    pub is_cut: bool,
    /// Nothing passes from the node that dialled.
    pub is_cut_forth: bool,
    /// Nothing passes to the node that dialled.
    pub is_cut_back: bool,
    /// Time that everything takes at least, one way.
    pub delay: Duration,
    /// Up to so much is added to the delay, evenly spread.
    pub jitter: Duration,
    /// Share of segments that are lost and come later, 0 to 1.
    pub loss: f64,
}

/// A relay towards one address. Dropping it closes everything that passes through it.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    weather: Arc<watch::Sender<Weather>>,
    _stop: DropGuard,
}

impl Link {
    /// A link towards `target`, listening on a free port of loopback, run by `runtime`. `seed` decides
    /// which segments are late.
    ///
    /// # Errors
    /// If no port can be had.
    pub fn open(runtime: &Handle, target: SocketAddr, seed: u64) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let weather = Arc::new(watch::Sender::new(Weather::default()));
        let stop = CancellationToken::new();
        let (token, current) = (stop.clone(), weather.clone());
        runtime.spawn(async move {
            tokio::select! {
                () = token.cancelled() => {}
                () = accept(listener, target, current, seed) => {}
            }
        });
        Ok(Self {
            address,
            weather,
            _stop: stop.drop_guard(),
        })
    }

    /// What the node dials.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the weather from now on, for what is on the way too.
    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

async fn accept(
    listener: std::net::TcpListener,
    target: SocketAddr,
    weather: Arc<watch::Sender<Weather>>,
    seed: u64,
) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    let mut relays = JoinSet::new();
    let mut dice = Dice(seed);
    loop {
        tokio::select! {
            Some(_) = relays.join_next() => {}
            accepted = listener.accept() => {
                if let Ok((near, _)) = accepted {
                    let dice = Dice(dice.next());
                    relays.spawn(relay(near, target, weather.subscribe(), dice));
                }
            }
        }
    }
}

/// Relays one connection until either end closes it.
async fn relay(near: TcpStream, target: SocketAddr, weather: watch::Receiver<Weather>, mut dice: Dice) {
    let mut opening = weather.clone();
    if opening.wait_for(|weather| !weather.is_cut).await.is_err() {
        return;
    }
    let Ok(far) = TcpStream::connect(target).await else {
        return;
    };
    // Small messages must not wait for each other; without it a link would be slower than it says.
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    let back = Dice(dice.next());
    tokio::select! {
        () = pass(near_read, far_write, weather.clone(), dice, |now| now.is_cut_forth) => {}
        () = pass(far_read, near_write, weather, back, |now| now.is_cut_back) => {}
    }
}

/// Passes bytes one way, each chunk when it is due.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut weather: watch::Receiver<Weather>,
    mut dice: Dice,
    is_cut_here: impl Fn(&Weather) -> bool,
) {
    let mut on_the_way: VecDeque<(Instant, Bytes)> = VecDeque::new();
    let mut bytes_on_the_way = 0;
    let mut last_due = Instant::now();
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut is_open = true;
    while is_open || !on_the_way.is_empty() {
        let now = *weather.borrow_and_update();
        let due = on_the_way.front().map(|(due, _)| *due);
        tokio::select! {
            biased;
            changed = weather.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = sleep_until(due.unwrap_or(last_due).into()), if due.is_some() && !(now.is_cut || is_cut_here(&now)) => {
                if let Some((_, bytes)) = on_the_way.pop_front() {
                    bytes_on_the_way -= bytes.len();
                    if to.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
            }
            read = from.read(&mut buffer), if is_open && bytes_on_the_way < ON_THE_WAY_MAX => {
                match read {
                    Ok(0) | Err(_) => is_open = false,
                    Ok(length) => {
                        let due = last_due.max(Instant::now() + dice.delay(now));
                        last_due = due;
                        bytes_on_the_way += length;
                        on_the_way.push_back((due, Bytes::copy_from_slice(&buffer[..length])));
                    }
                }
            }
        }
    }
}

/// Chance from a seed (xorshift64*): the same seed gives the same weather.
#[derive(Debug, Clone, Copy)]
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        let mut x = self.0 | 1;
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.0 = x;
        x.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// From 0 up to, not including, 1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn delay(&mut self, weather: Weather) -> Duration {
        let jitter = weather.jitter.mul_f64(self.share());
        let late = match weather.loss > 0.0 && self.share() < weather.loss {
            true => RETRANSMISSION,
            false => Duration::ZERO,
        };
        weather.delay + jitter + late
    }
}
