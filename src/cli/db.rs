//! `timed db`: what the chain database of a stopped node says of itself, and whether it is true.

use std::process::ExitCode;

use serde_json::json;

use super::{
    args::{DbArguments, DbCommand},
    config::load_chain,
    failure::{Code, Failure},
    init::genesis_of,
    output,
};
use crate::{
    chain::{Block, CoinSum, Height, check_body},
    control::words::grouped,
    crypto::Hash256,
    node::NodeError,
    storage::{
        SnapshotFile, Store, StoreError, StoreOptions, StoreReader, lock::DataDirLock, schema, txid_prefix,
    },
};

/// A line of progress after this many blocks.
const TELL_EVERY: u64 = 10_000;
/// Transactions that are compared with the index at once, some 24 bytes each: the lists of their heights are
/// read whole each time.
const STANDING_MAX: usize = 2_000_000;

pub(super) fn db(command: &DbCommand) -> Result<ExitCode, Failure> {
    let arguments = command.arguments();
    let loaded = load_chain(&arguments.chain)?;
    let dir = loaded.data_dir()?;
    let _lock = DataDirLock::acquire(dir.root())?;
    let genesis = genesis_of(&loaded.config)?;
    let blocks = dir.root().join("blocks");
    let damaged = |error: StoreError| Failure::from(NodeError::from(error));
    let store = Store::open(&blocks, &genesis, StoreOptions::default(), |_| {}).map_err(damaged)?;
    let reader = store.reader();
    match command {
        DbCommand::Version(_) => version(arguments)?,
        DbCommand::Stats(_) => stats(arguments, &store).map_err(damaged)??,
        DbCommand::Check(_) => checked(arguments, check(&reader).map_err(damaged)??)?,
        DbCommand::Snapshot(_) => snapshot(arguments, store.write_snapshot().map_err(damaged)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn version(arguments: &DbArguments) -> Result<(), Failure> {
    match arguments.json {
        true => output::json(&json!({ "layout": schema::SCHEMA })),
        false => output::line(&format!("layout {}", schema::SCHEMA)),
    }
}

fn snapshot(arguments: &DbArguments, written: Option<SnapshotFile>) -> Result<(), Failure> {
    let Some(written) = written else {
        return Err(Failure::new(
            Code::Argument,
            "there is nothing to write a snapshot of: no block is final yet, or there are more coins than one holds; run the node until it has blocks",
        ));
    };
    let file = written.manifest.display();
    match arguments.json {
        true => output::json(&json!({
            "height": written.height.get(),
            "hash": written.hash.to_string(),
            "coins": written.coins,
            "bytes": written.bytes,
            "file": file.to_string(),
        })),
        false => output::line(&format!(
            "snapshot of block {}, {}: {} coins, {} bytes, {file} and its pages",
            grouped(written.height.get()),
            written.hash,
            grouped(written.coins),
            grouped(written.bytes),
        )),
    }
}

fn checked(arguments: &DbArguments, checked: Checked) -> Result<(), Failure> {
    match arguments.json {
        true => output::json(&json!({
            "whole": true,
            "blocks": checked.blocks,
            "bodies_from": checked.lowest.get(),
            "transactions": checked.transactions,
            "coins": checked.coins,
            "utxo_commitment": checked.commitment.to_string(),
        })),
        false => output::line(&format!(
            "whole: {} blocks from {} on, {} transactions, {} coins, commitment {}",
            grouped(checked.blocks),
            grouped(checked.lowest.get()),
            grouped(checked.transactions),
            grouped(checked.coins),
            checked.commitment,
        )),
    }
}

fn stats(arguments: &DbArguments, store: &Store) -> Result<Result<(), Failure>, StoreError> {
    let (stats, reader) = (store.stats()?, store.reader());
    let live_bytes = store.live_bytes()?;
    let state = reader.state();
    let facts = json!({
        "height": state.tip.height.get(),
        "hash": state.tip.hash.to_string(),
        "utxo_commitment": state.commitment.digest().to_string(),
        "coins": state.totals.utxo_count,
        "transactions": state.totals.transactions,
        "bodies_from": reader.pruned_below().get().max(1),
        "bytes": stats.size_bytes,
        "live_bytes": live_bytes,
    });
    if arguments.json {
        return Ok(output::json(&facts));
    }
    Ok(output::raw(&format!(
        "height        {}\nhash          {}\ncommitment    {}\ncoins         {}\ntransactions  {}\nbodies from   {}\nsize          {} MiB for {} MiB of data\n",
        grouped(state.tip.height.get()),
        state.tip.hash,
        state.commitment.digest(),
        grouped(state.totals.utxo_count),
        grouped(state.totals.transactions),
        grouped(reader.pruned_below().get().max(1)),
        grouped(stats.size_bytes >> 20),
        grouped(live_bytes >> 20),
    )))
}

/// What was found whole.
struct Checked {
    blocks: u64,
    lowest: Height,
    transactions: u64,
    coins: u64,
    commitment: Hash256,
}

/// Every block hangs on the one before it and is named by its certificate, every body is its
/// header's, hashes and transactions are found where they stand, and the coins are exactly those that the
/// tip's header commits to, each once under its address. Signatures are not checked again: `timed resync
/// --mode reindex` does that.
fn check(reader: &StoreReader) -> Result<Result<Checked, Failure>, StoreError> {
    let state = reader.state();
    let lowest = reader.pruned_below().max(Height::new(1));
    let blocks = match check_blocks(reader, lowest)? {
        Ok(found) => found,
        Err(what) => return Ok(Err(wrong(&what))),
    };
    let coins = match check_coins(reader)? {
        Ok(found) => found,
        Err(what) => return Ok(Err(wrong(&what))),
    };
    Ok(Ok(Checked {
        blocks: blocks.0,
        lowest,
        transactions: blocks.1,
        coins,
        commitment: state.commitment.digest(),
    }))
}

fn wrong(what: &str) -> Failure {
    Failure::new(
        Code::Database,
        format!("{what}; run `timed resync`, and keep a copy of blocks/ if you report it"),
    )
}

/// Blocks from the tip down to `lowest`, with the indexes that lead to them; gives how many blocks and
/// transactions there are, or what is wrong.
fn check_blocks(reader: &StoreReader, lowest: Height) -> Result<Result<(u64, u64), String>, StoreError> {
    let tip = reader.state().tip;
    let (mut height, mut hash) = (tip.height, tip.hash);
    let (mut blocks, mut transactions) = (0_u64, 0_u64);
    let mut standing = Standing::default();
    while height >= lowest {
        let Some(stored) = reader.block(height)? else {
            return Ok(Err(format!("block {height} is missing")));
        };
        if stored.block.hash() != hash || stored.block.height() != height {
            return Ok(Err(format!(
                "block {height} is not the parent of the one above it"
            )));
        }
        let certificate = stored.certificate.as_ref();
        if !certificate.is_some_and(|found| found.block_hash == hash && found.height == height) {
            return Ok(Err(format!("block {height} has no certificate of its own")));
        }
        if let Err(error) = check_body(&stored.block) {
            return Ok(Err(format!(
                "the body of block {height} is not its header's ({error})"
            )));
        }
        if reader.height_of(&hash)? != Some(height) {
            return Ok(Err(format!("the index does not lead to block {height}")));
        }
        transactions += stored.block.transactions.len() as u64;
        standing.add(&stored.block);
        if (standing.0.len() >= STANDING_MAX || height == lowest)
            && let Some(wrong) = standing.compare(reader)?
        {
            return Ok(Err(wrong));
        }
        (height, hash) = (height.saturating_sub(1), stored.block.header.prev_hash);
        blocks += 1;
        if blocks.is_multiple_of(TELL_EVERY) {
            output::diagnostic(&format!("{} blocks hold, down to {height}", grouped(blocks)));
        }
    }
    Ok(Ok((blocks, transactions)))
}

/// Transactions of some neighbouring blocks: where each stands, and the first bytes of its id.
#[derive(Default)]
struct Standing(Vec<(schema::TransactionPosition, u64)>);

impl Standing {
    fn add(&mut self, block: &Block) {
        let height = block.height();
        let places = (0..).zip(&block.transactions).map(|(position, transaction)| {
            let place = schema::TransactionPosition { height, position };
            (place, txid_prefix(&transaction.txid()))
        });
        self.0.extend(places);
    }

    /// What is wrong with the index of these blocks, if anything is; begins anew.
    fn compare(&mut self, reader: &StoreReader) -> Result<Option<String>, StoreError> {
        let mut blocks = std::mem::take(&mut self.0);
        blocks.sort_unstable_by_key(|(place, _)| (place.height, place.position));
        let (Some((first, _)), Some((last, _))) = (blocks.first(), blocks.last()) else {
            return Ok(None);
        };
        let index = reader.indexed(first.height, last.height)?;
        let differs = blocks.iter().zip(&index).find(|(block, index)| block != index);
        let at = differs.map(|(block, _)| block.0);
        // As far as both go they are the same: the rest of the longer one is wrong.
        let at = at.or_else(|| {
            let rest = if blocks.len() > index.len() {
                &blocks
            } else {
                &index
            };
            rest.get(blocks.len().min(index.len())).map(|(place, _)| *place)
        });
        Ok(at.map(|place| {
            format!(
                "the index does not lead to transaction {} of block {}",
                place.position, place.height
            )
        }))
    }
}

/// All coins against the commitment, and the address index against the coins; gives how many there are,
/// or what is wrong.
fn check_coins(reader: &StoreReader) -> Result<Result<u64, String>, StoreError> {
    let state = reader.state();
    let (mut sum, mut after) = (CoinSum::default(), None);
    loop {
        let page = reader.coins(after)?;
        for (outpoint, coin) in &page {
            sum.add(outpoint, coin);
        }
        match page.last() {
            Some((last, _)) => after = Some(*last),
            None => break,
        }
    }
    if !state.is_made_of(&sum) {
        return Ok(Err(format!(
            "{} coins are not the {} that block {} commits to",
            grouped(sum.count()),
            grouped(state.totals.utxo_count),
            state.tip.height
        )));
    }
    let (mut indexed, mut after) = (0_u64, None);
    loop {
        let page = reader.addresses(after)?;
        for (address, outpoint, coin) in &page {
            if coin.output.address != *address || reader.utxo(outpoint)? != Some(*coin) {
                return Ok(Err(format!(
                    "the address index holds {outpoint}, which is no coin of that address"
                )));
            }
        }
        indexed += page.len() as u64;
        match page.last() {
            Some((address, outpoint, _)) => after = Some((*address, *outpoint)),
            None => break,
        }
    }
    // Each of its entries is another coin, so as many entries as coins are all of them.
    if indexed != sum.count() {
        return Ok(Err(format!(
            "the address index holds {} coins of {}",
            grouped(indexed),
            grouped(sum.count())
        )));
    }
    Ok(Ok(indexed))
}
