//! The pool over a restart: written when the node stops, read when it starts.
//!
//! Losing it costs nobody anything final, so damage only means an empty pool. What is read goes the
//! way of everything else: signatures are checked, and the engine admits or refuses.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use crate::{
    chain::{SharedTransaction, Transaction},
    crypto::Hash256,
    storage::atomic_file,
};

/// Name of the file in the data directory.
const FILE: &str = "mempool.dat";
/// First bytes: what it is, and the layout's number.
const MAGIC: &[u8; 12] = b"TIMEDPOOL\0\0\x01";
/// Most bytes written or read; a pool above it is kept in part, parents first.
const BYTES_MAX: usize = 64 << 20;

/// The file of the pool under a data directory.
pub(super) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE)
}

/// Replaces the file by `transactions`, parents first. Gives how many it holds.
pub(super) fn save<'a>(
    path: &Path,
    chain_id: &Hash256,
    transactions: impl Iterator<Item = &'a SharedTransaction>,
) -> io::Result<usize> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(chain_id.as_bytes());
    let mut count = 0;
    for transaction in transactions {
        if bytes.len() + transaction.size() + 8 > BYTES_MAX {
            break;
        }
        bytes.extend_from_slice(&(transaction.size() as u32).to_le_bytes());
        bytes.extend_from_slice(&transaction.canonical_bytes());
        count += 1;
    }
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    atomic_file::write(path, &bytes)?;
    Ok(count)
}

/// The transactions in the file; none if there is no file, if it is another chain's or damaged.
pub(super) fn load(path: &Path, chain_id: &Hash256) -> io::Result<Vec<SharedTransaction>> {
    let mut bytes = Vec::new();
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened?,
    };
    file.take(BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    parse(&bytes, chain_id).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "damaged, or of another chain: left aside",
        )
    })
}

fn parse(bytes: &[u8], chain_id: &Hash256) -> Option<Vec<SharedTransaction>> {
    let (content, crc) = bytes.split_last_chunk::<4>()?;
    if bytes.len() > BYTES_MAX || crc32c::crc32c(content) != u32::from_le_bytes(*crc) {
        return None;
    }
    let mut rest = content.strip_prefix(MAGIC)?.strip_prefix(chain_id.as_bytes())?;
    let mut transactions = Vec::new();
    while !rest.is_empty() {
        let (size, after) = rest.split_first_chunk::<4>()?;
        let (one, after) = after.split_at_checked(u32::from_le_bytes(*size) as usize)?;
        transactions.push(SharedTransaction::new(Transaction::from_canonical(one).ok()?));
        rest = after;
    }
    Some(transactions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::testing::TestChain;

    #[test]
    fn what_was_saved_comes_back_in_order_and_damage_gives_nothing() {
        let chain = TestChain::new(1, 3);
        let dir = tempfile::tempdir().unwrap();
        let path = path(dir.path());
        let id = chain.chain_id;
        assert_eq!(load(&path, &id).unwrap(), vec![]);
        let paid: Vec<_> = (0..3u32)
            .map(|n| chain.transfer(&[(chain.coin(n), u64::from(n))], &[(5, 900_000)]))
            .collect();
        assert_eq!(save(&path, &id, paid.iter()).unwrap(), 3);
        assert_eq!(load(&path, &id).unwrap(), paid);
        assert!(load(&path, &Hash256::ZERO).is_err());
        let good = std::fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x40;
            assert_eq!(parse(&bad, &id), None, "byte {at}");
            assert_eq!(parse(&good[..at], &id), None, "cut at {at}");
        }
    }
}
