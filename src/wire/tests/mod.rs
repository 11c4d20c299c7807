//! Laws of the wire.

mod framing;
mod handshake;
