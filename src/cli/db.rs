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
    chain::{CoinSum, Height, check_body},
    control::words::grouped,
    node::NodeError,
    storage::{Store, StoreError, StoreOptions, StoreReader, lock::DataDirLock, schema},
};

/// A line of progress after this many blocks.
const TELL_EVERY: u64 = 10_000;

pub(super) fn db(command: &DbCommand) -> Result<ExitCode, Failure> {
    let (DbCommand::Check(arguments) | DbCommand::Stats(arguments) | DbCommand::Version(arguments)) = command;
    let loaded = load_chain(&arguments.chain)?;
    let dir = loaded.data_dir()?;
    let _lock = DataDirLock::acquire(dir.root())?;
    let genesis = genesis_of(&loaded.config)?;
    let blocks = dir.root().join("blocks");
    let damaged = |error: StoreError| Failure::from(NodeError::from(error));
    let store = Store::open(&blocks, &genesis, StoreOptions::default(), |_| {}).map_err(damaged)?;
    let reader = store.reader();
    match command {
        DbCommand::Version(arguments) => version(arguments)?,
        DbCommand::Stats(arguments) => stats(arguments, &store).map_err(damaged)??,
        DbCommand::Check(_) => {
            let checked = check(&reader).map_err(damaged)??;
            output::line(&checked)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn version(arguments: &DbArguments) -> Result<(), Failure> {
    match arguments.json {
        true => output::json(&json!({ "layout": schema::SCHEMA })),
        false => output::line(&format!("layout {}", schema::SCHEMA)),
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

/// Every block hangs on the one before it and is named by its certificate, every body is its
/// header's, and the coins are exactly those that the tip's header commits to. Signatures are not
/// checked again: `timed resync --mode reindex` does that.
fn check(reader: &StoreReader) -> Result<Result<String, Failure>, StoreError> {
    let state = reader.state();
    let wrong = |what: String| {
        Ok(Err(Failure::new(
            Code::Database,
            format!("{what}; run `timed resync`, and keep a copy of blocks/ if you report it"),
        )))
    };
    let (mut height, mut hash) = (state.tip.height, state.tip.hash);
    let lowest = reader.pruned_below().max(Height::new(1));
    let mut blocks = 0_u64;
    while height >= lowest {
        let Some(stored) = reader.block(height)? else {
            return wrong(format!("block {height} is missing"));
        };
        if stored.block.hash() != hash || stored.block.height() != height {
            return wrong(format!("block {height} is not the parent of the one above it"));
        }
        let certificate = stored.certificate.as_ref();
        if !certificate.is_some_and(|found| found.block_hash == hash && found.height == height) {
            return wrong(format!("block {height} has no certificate of its own"));
        }
        if let Err(error) = check_body(&stored.block) {
            return wrong(format!(
                "the body of block {height} is not its header's ({error})"
            ));
        }
        (height, hash) = (height.saturating_sub(1), stored.block.header.prev_hash);
        blocks += 1;
        if blocks.is_multiple_of(TELL_EVERY) {
            output::diagnostic(&format!("{} blocks hold, down to {height}", grouped(blocks)));
        }
    }
    let mut sum = CoinSum::default();
    let mut after = None;
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
        return wrong(format!(
            "{} coins are not the {} that block {} commits to",
            grouped(sum.count()),
            grouped(state.totals.utxo_count),
            state.tip.height
        ));
    }
    Ok(Ok(format!(
        "whole: {} blocks, {} coins, commitment {}",
        grouped(blocks),
        grouped(sum.count()),
        state.commitment.digest()
    )))
}
