//! Options of every TCP connection.

use socket2::SockRef;
use tokio::net::TcpStream;

/// Unsent bytes that the system may hold for one connection. More would stand before a vote that
/// comes after them; what is under way to the peer is not counted, so long lines stay full.
const UNSENT_MAX_BYTES: u32 = 128 * 1024;

/// Prepares a connection for small urgent messages among bulk. Best effort: a connection without
/// these options works, only slower.
pub(super) fn tune(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let socket = SockRef::from(stream);
    #[cfg(any(
        target_os = "linux",
        target_os = "android",
        target_vendor = "apple",
        target_os = "freebsd"
    ))]
    let _ = socket.set_tcp_notsent_lowat(UNSENT_MAX_BYTES);
    #[cfg(not(any(
        target_os = "linux",
        target_os = "android",
        target_vendor = "apple",
        target_os = "freebsd"
    )))]
    let _ = socket.set_send_buffer_size(UNSENT_MAX_BYTES as usize);
}
