//! Laws of the wire.

mod catalogue;
mod framing;
mod handshake;
