//! What must hold for any bytes at all, one law per file. Fuzz targets search for bytes that break
//! one; the ordinary tests replay the corpus against the same functions (tests/it/fuzz.rs).

pub(crate) mod block;
pub(crate) mod consensus;
pub(crate) mod handshake;
pub(crate) mod log;
pub(crate) mod seeds;
pub(crate) mod transaction;
pub(crate) mod wire;

/// Bytes taken apart from the front; at the end there are only zeros.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn u8(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_le_bytes([self.u8(), self.u8()])
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        u64::from(self.u8()) % bound.max(1)
    }

    pub(crate) fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }
}
