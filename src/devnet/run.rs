//! A whole devnet from start to report.

use std::{
    convert::Infallible,
    path::PathBuf,
    time::{Duration, Instant},
};

use tokio::{runtime::Handle, sync::watch};
use tokio_util::sync::CancellationToken;

use super::{
    Desk, DevnetError, DevnetReport, Fleet, Layout,
    coins::Purse,
    error::io_error,
    faults::{FaultPlan, Injector},
    figures::{ProcessFigures, directory_bytes},
    funds,
    keeper::{ERRORS_MAX, Keeper},
    layout::WALLETS,
    links::{LINKED_NODES_MAX, Links},
    presigned,
    report::{self, Interval},
    target::Target,
    traffic::{self, Seen, TrafficPlan},
    trend::Trends,
};
use crate::{
    chain::{Genesis, Network},
    control::NodeHandle,
    crypto::SecretKey,
};

/// How long all nodes together may take to answer: a node replays its log first.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// How often the first block is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The devnet to run.
#[derive(Debug, Clone)]
pub struct RunPlan {
    /// Where its files are; they exist.
    pub layout: Layout,
    /// The binary that nodes run.
    pub program: PathBuf,
    /// The traffic.
    pub traffic: TrafficPlan,
    /// Trouble beside it; only where all nodes are processes of their own.
    pub faults: Option<FaultPlan>,
    /// Whether nodes are looked at all the time, to see whether they grow.
    pub is_soak: bool,
}

/// What there is to tell while a devnet comes up.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// All nodes answer.
    Ready {
        /// How long that took.
        after: Duration,
    },
    /// The first block is final on the first node.
    FirstBlock {
        /// How long that took, from the start of the processes.
        after: Duration,
    },
    /// Traffic has ended; what is open is waited for.
    Settling,
    /// The nodes are being stopped.
    Stopping,
}

/// Runs a devnet whose nodes are all processes of their own, until the plan's time is up or `stop` is
/// cancelled; then stops all nodes in order.
///
/// # Errors
/// [`DevnetError`] if it does not come up. What goes wrong later stands in the report.
pub async fn run(
    plan: RunPlan,
    stop: CancellationToken,
    tell: impl Fn(Progress),
) -> Result<DevnetReport, DevnetError> {
    let started = Instant::now();
    let mut fleet = Fleet::new(&plan.program, &plan.layout, 0);
    // Faults need lines that can be cut; without them nodes dial each other as they would anywhere.
    let links = match plan.faults {
        Some(_) if plan.layout.nodes() > LINKED_NODES_MAX => {
            return Err(DevnetError::TooManyForFaults {
                nodes: plan.layout.nodes(),
                max: LINKED_NODES_MAX,
            });
        }
        Some(_) => {
            let links = Links::open(&Handle::current(), &plan.layout)?;
            fleet.dial_through(&links, 0);
            links
        }
        None => Links::default(),
    };
    fleet.start()?;
    tokio::select! {
        ready = fleet.wait_ready(READY_LIMIT) => ready?,
        () = stop.cancelled() => {}
    }
    tell(Progress::Ready {
        after: started.elapsed(),
    });
    let targets: Vec<Target> = (0..plan.layout.nodes())
        .map(|node| Target::http(&plan.layout.url(node)))
        .collect::<Result<_, _>>()?;
    let mut keeper = Keeper::Watch {
        injector: plan
            .faults
            .map(|faults| Injector::new(faults, links, plan.traffic.duration)),
        trends: plan.is_soak.then(Trends::default),
    };
    let report = drive(&plan, &mut fleet, targets, &mut keeper, started, &stop, &tell).await;
    tell(Progress::Stopping);
    let killed = fleet.stop().await;
    let mut report = report?;
    report.errors.extend(
        killed
            .into_iter()
            .map(|name| format!("{name} did not stop in time and was killed")),
    );
    Ok(report)
}

/// Drives a devnet whose first node runs in this process, behind `first`, and whose other nodes are
/// `fleet`'s, for whoever acts on it at `desk`; the caller has started them all and stops them all. Gives the report when the plan's time
/// is up, and nothing when `stop` is cancelled before: then all nodes stop, and nothing is waited for.
///
/// # Errors
/// As [`run`].
pub async fn run_beside(
    plan: RunPlan,
    fleet: &mut Fleet,
    first: NodeHandle,
    desk: (Desk, watch::Receiver<f64>),
    stop: CancellationToken,
) -> Result<Option<DevnetReport>, DevnetError> {
    let started = Instant::now();
    let others = (1..plan.layout.nodes()).map(|node| Target::http(&plan.layout.url(node)));
    let targets: Vec<Target> = std::iter::once(Ok(Target::Local(first)))
        .chain(others)
        .collect::<Result<_, _>>()?;
    let mut keeper = Keeper::Desk(desk.0, desk.1);
    let driven = async {
        fleet.wait_ready(READY_LIMIT).await?;
        drive(&plan, fleet, targets, &mut keeper, started, &stop, &|_| {}).await
    };
    tokio::select! {
        biased;
        () = stop.cancelled() => Ok(None),
        report = driven => report.map(Some),
    }
}

async fn drive(
    plan: &RunPlan,
    fleet: &mut Fleet,
    targets: Vec<Target>,
    keeper: &mut Keeper,
    started: Instant,
    stop: &CancellationToken,
    tell: &impl Fn(Progress),
) -> Result<DevnetReport, DevnetError> {
    let before = lowest(&targets).await;
    // With a desk the traffic may begin later, if somebody asks for it.
    let shares = if plan.traffic.presigned { 1 } else { targets.len() };
    let purse = match plan.traffic.rate > 0.0 || keeper.is_desk() {
        true => fund(plan, &targets[0], shares).await?,
        false => Purse::new(Default::default(), Vec::new(), shares, 1),
    };
    let own = keeper.is_desk().then(std::process::id);
    let rates = match keeper {
        Keeper::Desk(_, rates) => rates.clone(),
        Keeper::Watch { .. } => watch::channel(plan.traffic.rate).1,
    };
    let mut errors = Vec::new();
    let mut first_block = None;
    let seen = tokio::select! {
        seen = make_traffic(plan, rates, targets.clone(), purse, before, stop) => seen?,
        never = keeper.serve(fleet, &targets, &mut errors) => match never {},
        never = tell_the_first_block(&targets[0], before + 1, started, &mut first_block, tell) => match never {},
        never = tell_the_end(plan, stop, tell) => match never {},
    };
    errors.extend(fleet.unexpected_ends().iter().map(ToString::to_string));
    let machine = machine_figures(plan, fleet, own);
    let view_changes = most_view_changes(&targets).await;
    let (faults, trends) = match keeper {
        Keeper::Desk(..) => (None, Vec::new()),
        Keeper::Watch { injector, trends } => (
            injector.as_ref().map(Injector::report),
            trends.as_ref().map(Trends::trends).unwrap_or_default(),
        ),
    };
    for (node, trend) in trends.iter().enumerate() {
        let grown = trend.growth();
        errors.extend(grown.iter().map(|growth| format!("node{node}: {growth}")));
    }
    Ok(DevnetReport {
        first_block_ms: first_block
            .filter(|_| before == 0)
            .map(|after| report::seconds(after) * 1_000.0),
        view_changes,
        faults,
        trends,
        ..make_report(plan, seen, before, machine, errors)
    })
}

async fn make_traffic(
    plan: &RunPlan,
    rates: watch::Receiver<f64>,
    targets: Vec<Target>,
    purse: Purse,
    before: u64,
    stop: &CancellationToken,
) -> Result<Seen, DevnetError> {
    if plan.traffic.presigned {
        return presigned::run(plan.traffic, targets, purse, stop.clone()).await;
    }
    Ok(traffic::run(plan.traffic, rates, targets, purse, before, stop.clone()).await)
}

/// Tells when the first block is final, and how long after `started` that was.
async fn tell_the_first_block(
    target: &Target,
    height: u64,
    started: Instant,
    first_block: &mut Option<Duration>,
    tell: &impl Fn(Progress),
) -> Infallible {
    while !matches!(target.block(height).await, Ok(Some(_))) {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let after = started.elapsed();
    *first_block = Some(after);
    tell(Progress::FirstBlock { after });
    std::future::pending().await
}

/// Tells when the traffic's time is up.
async fn tell_the_end(plan: &RunPlan, stop: &CancellationToken, tell: &impl Fn(Progress)) -> Infallible {
    match plan.traffic.duration {
        Some(duration) => tokio::select! {
            () = tokio::time::sleep(duration) => {}
            () = stop.cancelled() => {}
        },
        None => stop.cancelled().await,
    }
    tell(Progress::Settling);
    std::future::pending().await
}

/// Height of the lowest node that answers.
async fn lowest(targets: &[Target]) -> u64 {
    let mut lowest = None;
    for target in targets {
        if let Ok(progress) = target.progress().await {
            lowest = Some(lowest.map_or(progress.height, |least: u64| least.min(progress.height)));
        }
    }
    lowest.unwrap_or(0)
}

async fn most_view_changes(targets: &[Target]) -> u64 {
    let mut most = 0;
    for target in targets {
        if let Ok(progress) = target.progress().await {
            most = most.max(progress.view_changes);
        }
    }
    most
}

/// A purse with the coins of all the devnet's wallets.
async fn fund(plan: &RunPlan, target: &Target, shares: usize) -> Result<Purse, DevnetError> {
    let path = plan.layout.genesis();
    let text = std::fs::read_to_string(&path).map_err(io_error(path))?;
    let chain_id = Genesis::from_toml(&text)?.chain_id();
    let mut keys: Vec<SecretKey> = (0..WALLETS)
        .map(|wallet| funds::read_wallet(&plan.layout.wallet(wallet), Network::Devnet))
        .collect::<Result<_, _>>()?;
    if plan.traffic.presigned {
        keys.extend(presigned::more_keys(&chain_id));
    }
    let mut purse = Purse::new(chain_id, keys, shares, plan.traffic.inputs);
    funds::fill(&mut purse, target, Network::Devnet, shares).await?;
    Ok(purse)
}

/// Process figures and size of the database, by node.
fn machine_figures(plan: &RunPlan, fleet: &Fleet, own: Option<u32>) -> Vec<(ProcessFigures, u64)> {
    let figures = own
        .map(ProcessFigures::of)
        .into_iter()
        .chain(fleet.nodes().iter().map(|node| node.figures()));
    (0..plan.layout.nodes())
        .zip(figures)
        .map(|(node, figures)| {
            let blocks = plan.layout.node_dir(node).join("blocks");
            (figures, directory_bytes(&blocks))
        })
        .collect()
}

fn make_report(
    plan: &RunPlan,
    seen: Seen,
    before: u64,
    machine: Vec<(ProcessFigures, u64)>,
    mut errors: Vec<String>,
) -> DevnetReport {
    let tps = report::tps(&seen);
    let heights = seen.agreement.heights();
    let height_min = heights.iter().min().copied().unwrap_or(0);
    let height_max = heights.iter().max().copied().unwrap_or(0);
    errors.extend(seen.agreement.conflicts().iter().cloned());
    for (node, height) in heights.iter().enumerate() {
        if *height == before && height_max > before {
            errors.push(format!(
                "node{node} showed no block, so its chain could not be compared"
            ));
        }
    }
    let compared = heights
        .iter()
        .all(|height| *height > before || height_max == before);
    errors.extend(
        seen.counts
            .refused
            .iter()
            .map(|(reason, count)| format!("{count} transactions refused: {reason}")),
    );
    errors.truncate(ERRORS_MAX);
    let intervals = seen.agreement.intervals();
    let of_each = |figure: fn(&(ProcessFigures, u64)) -> f64| machine.iter().map(figure).collect();
    DevnetReport {
        nodes: plan.layout.nodes(),
        duration_s: report::seconds(seen.elapsed),
        blocks: height_min.saturating_sub(before),
        height_min,
        height_max,
        hashes_agree: compared && seen.agreement.hashes_agree(),
        utxo_commitments_agree: compared && seen.agreement.commitments_agree(),
        txs_submitted: seen.counts.submitted,
        txs_accepted: seen.counts.accepted,
        txs_final: seen.counts.made_final,
        txs_lost: seen.lost,
        tps,
        signatures_per_s: seen.signatures_per_s,
        ratio: seen.signatures_per_s.map(|limit| {
            let needed = tps * f64::from(plan.layout.nodes()) * plan.traffic.inputs.max(1) as f64;
            needed / limit
        }),
        finality_ms: seen.counts.finality.percentiles(),
        block_interval_ms: Interval {
            p50: intervals.quantile_ms(0.50),
            p99: intervals.quantile_ms(0.99),
        },
        view_changes: 0,
        rss_mb: of_each(|(figures, _)| report::megabytes(figures.resident_bytes)),
        rss_peak_mb: of_each(|(figures, _)| report::megabytes(figures.resident_peak_bytes)),
        cpu_s: of_each(|(figures, _)| report::seconds(figures.cpu)),
        db_mb: of_each(|(_, bytes)| report::megabytes(*bytes)),
        first_block_ms: None,
        faults: None,
        trends: Vec::new(),
        errors,
    }
}
