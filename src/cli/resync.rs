//! `timed resync`: begin, look at or give up a resync. A node that is stopped finds what is noted at its
//! next start; one that runs is asked over HTTP and starts again by itself. The work itself is done by the
//! node, so that it serves and shows it meanwhile.

use std::{
    io::{BufRead, stdin},
    path::PathBuf,
    process::ExitCode,
};

use super::{
    args::ResyncArguments,
    client::{block_on, client_of, cookie_of},
    config::load_chain,
    failure::{Code, Failure},
    init::genesis_of,
    output,
};
use crate::{
    chain::{BlockHash, Height},
    config::{Config, DataDir},
    control::{ResyncMode, ResyncPlan, words::grouped},
    node::{
        NodeError,
        resync::{PlanFacts, free_bytes, origin, plan},
    },
    rpc::CommandJson,
    storage::{
        Store, StoreOptions,
        disk::RealDisk,
        lock::{DataDirLock, LockError},
        rebuild,
    },
};

/// Longest line that is read as a confirmation.
const TYPED_MAX: u64 = 256;

pub(super) fn resync(arguments: &ResyncArguments) -> Result<ExitCode, Failure> {
    let loaded = load_chain(&arguments.chain)?;
    let dir = loaded.data_dir()?;
    let blocks = dir.root().join("blocks");
    let _lock = match DataDirLock::acquire(dir.root()) {
        Ok(lock) => lock,
        Err(LockError::Held { .. }) => return ask_the_running(arguments, &loaded.config, &dir),
        Err(error) => return Err(error.into()),
    };
    if arguments.cancel {
        rebuild::cancel(&RealDisk, &blocks).map_err(refused)?;
        rebuild::settle(&RealDisk, &blocks).map_err(refused)?;
        output::line("the resync is given up; the node starts on the old database")?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(intent) = rebuild::settle(&RealDisk, &blocks).map_err(refused)? {
        return Err(Failure::new(
            Code::Refused,
            format!(
                "a resync ({}) up to block {} is under way; start the node and it goes on, or give it up with `timed resync --cancel`",
                intent.origin_word(),
                intent.target
            ),
        ));
    }
    let genesis = genesis_of(&loaded.config)?;
    let found = look(&blocks, &genesis);
    let mut facts = PlanFacts {
        network: genesis.network.name().to_owned(),
        free_bytes: free_bytes(dir.root()),
        ..PlanFacts::default()
    };
    let mut tip = (Height::GENESIS, BlockHash::ZERO);
    match found {
        Ok(found) => {
            tip = found.tip;
            facts = PlanFacts {
                height: found.tip.0.get(),
                pruned_below: found.pruned_below,
                db_bytes: found.db_bytes,
                ..facts
            };
        }
        Err(error) if arguments.mode == ResyncMode::Full => {
            output::diagnostic(&format!("the old database does not open: {error}"));
        }
        Err(error) => {
            facts.obstacle = Some(format!(
                "the old database does not open ({error}); use --mode full"
            ));
        }
    }
    let mut plan = plan(arguments.mode, &facts);
    if arguments.delete_first {
        plan.consequences.insert(
            0,
            "the old database is deleted before the new one is whole: this cannot be cancelled".to_owned(),
        );
        let room = facts.free_bytes.map(|free| free + facts.db_bytes);
        if facts.obstacle.is_none() && room >= Some(plan.needed_bytes) && arguments.mode == ResyncMode::Full {
            plan.obstacle = None;
        }
        if arguments.mode != ResyncMode::Full {
            plan.obstacle =
                Some("--delete-first takes --mode full: the other modes read the old database".to_owned());
        }
    }
    match arguments.json {
        true => output::json(&plan)?,
        false => show(&plan)?,
    }
    if let Some(obstacle) = plan.obstacle {
        return Err(Failure::new(Code::Refused, obstacle));
    }
    if arguments.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    if !arguments.yes && !confirmed(&plan.network)? {
        output::diagnostic("nothing was changed");
        return Ok(ExitCode::FAILURE);
    }
    rebuild::begin(
        &RealDisk,
        &blocks,
        origin(arguments.mode),
        tip,
        arguments.delete_first,
    )
    .map_err(refused)?;
    output::line("written; start the node and it builds the new database (`timed run`)")?;
    Ok(ExitCode::SUCCESS)
}

/// The same, done by the node that runs in `dir`.
fn ask_the_running(arguments: &ResyncArguments, config: &Config, dir: &DataDir) -> Result<ExitCode, Failure> {
    if arguments.delete_first {
        return Err(Failure::new(
            Code::Refused,
            "--delete-first gives up the database that the node runs on; stop it first",
        ));
    }
    let (client, cookie) = (client_of(config)?, cookie_of(dir)?);
    let tell =
        |command: CommandJson| block_on(async { Ok(client.command(&command, &cookie).await?.consequence) });
    if arguments.cancel {
        output::line(&tell(CommandJson::CancelResync)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mode = arguments.mode;
    let consequence = tell(CommandJson::PlanResync { mode })?;
    match arguments.json {
        true => output::json(&serde_json::json!({ "schema": 1, "mode": mode, "consequence": consequence }))?,
        false => output::line(&format!(
            "resync {mode} of the node that runs: {}\n  {consequence}",
            mode.meaning()
        ))?,
    }
    if arguments.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    let network = genesis_of(config)?.network.name().to_owned();
    if !arguments.yes && !confirmed(&network)? {
        output::diagnostic("nothing was changed");
        return Ok(ExitCode::FAILURE);
    }
    output::line(&tell(CommandJson::Resync { mode, network })?)?;
    Ok(ExitCode::SUCCESS)
}

fn refused(error: crate::storage::StoreError) -> Failure {
    match error {
        crate::storage::StoreError::Busy { what } => Failure::new(Code::Refused, what),
        other => NodeError::from(other).into(),
    }
}

struct Found {
    tip: (Height, BlockHash),
    pruned_below: u64,
    db_bytes: u64,
}

/// What the database says of itself.
fn look(
    blocks: &std::path::Path,
    genesis: &crate::chain::Genesis,
) -> Result<Found, crate::storage::StoreError> {
    let store = Store::open(blocks, genesis, StoreOptions::default(), |_| {})?;
    let reader = store.reader();
    let state = reader.state();
    Ok(Found {
        tip: (state.tip.height, state.tip.hash),
        pruned_below: reader.pruned_below().get(),
        db_bytes: store.stats()?.size_bytes,
    })
}

fn show(plan: &ResyncPlan) -> Result<(), Failure> {
    let mib = |bytes: u64| format!("{} MiB", grouped(bytes >> 20));
    output::line(&format!("resync {}: {}", plan.mode, plan.mode.meaning()))?;
    output::line(&format!("  network        {}", plan.network))?;
    output::line(&format!("  height         {}", grouped(plan.height)))?;
    output::line(&format!("  database       {}", mib(plan.db_bytes)))?;
    let free = plan.free_bytes.map_or_else(|| "unknown".to_owned(), mib);
    output::line(&format!("  free / needed  {free} / {}", mib(plan.needed_bytes)))?;
    let stop = plan.votes_stop_ms.map_or_else(
        || "unknown".to_owned(),
        |ms| format!("about {} s", grouped(ms.div_ceil(1_000))),
    );
    output::line(&format!("  no votes for   {stop}"))?;
    for consequence in &plan.consequences {
        output::line(&format!("  - {consequence}"))?;
    }
    Ok(())
}

fn confirmed(network: &str) -> Result<bool, Failure> {
    if !output::has_terminal() {
        return Err(Failure::new(
            Code::Argument,
            "nobody is here to confirm it; add --yes, or --dry-run to only look",
        ));
    }
    output::diagnostic(&format!("type {network} to go on"));
    let mut typed = String::new();
    std::io::Read::take(stdin().lock(), TYPED_MAX)
        .read_line(&mut typed)
        .map_err(|error| Failure::io(&PathBuf::from("standard input"), &error))?;
    Ok(typed.trim() == network)
}
