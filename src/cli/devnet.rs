//! `timed devnet`: a network of masternodes on this machine, and its files.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::Serialize;
use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
};
use tokio_util::sync::CancellationToken;

use super::{
    args::{self, DevnetArguments, DevnetCommand, RunArguments},
    failure::{Code, Failure},
    output,
    run::{Prepared, prepare},
    service::{Beside, Service},
    signals::until_signalled,
};
use crate::{
    chain::Network,
    control::{Caller, Command, words::grouped},
    devnet::{
        Desk, DevnetReport, EarlyLate, FaultKind, FaultPlan, Fleet, Layout, Links, Percentiles, PortRange,
        Progress, RunPlan, WALLETS, files, run, run_beside, traffic::TrafficPlan,
    },
};

pub(super) fn devnet(arguments: &DevnetArguments) -> Result<ExitCode, Failure> {
    match &arguments.command {
        Some(DevnetCommand::Files {
            nodes,
            dir,
            base_port,
        }) => write_files(dir, *nodes, *base_port),
        None if is_headless(arguments) => headless(arguments),
        None => watched(arguments),
    }
}

/// Whether nobody watches: because that was asked for, because what was asked for needs it, or because
/// there is no terminal.
fn is_headless(arguments: &DevnetArguments) -> bool {
    let asked = arguments.headless || arguments.json || arguments.presigned;
    asked || arguments.soak.is_some() || arguments.faults.is_some() || !output::has_terminal()
}

/// `timed devnet files`.
fn write_files(dir: &Path, nodes: u16, base_port: Option<u16>) -> Result<ExitCode, Failure> {
    let existing = files::find(dir)?.map(|layout| layout.base_port());
    let base_port = base_port.or(existing).unwrap_or(Network::Devnet.p2p_port());
    let layout = Layout::new(absolute(dir)?, nodes, base_port);
    files::write(&files::Plan::new(layout.clone()))?;
    output::line(&format!(
        "{} holds a devnet of {nodes} nodes",
        layout.dir().display()
    ))?;
    output::line(&format!("  genesis  {}", layout.genesis().display()))?;
    for node in 0..nodes {
        let name = layout.name(node);
        let (p2p, http) = (layout.p2p(node), layout.http(node));
        output::line(&format!("  {name:<8} peers {p2p}, HTTP {http}"))?;
    }
    output::line(&format!("  wallets  {WALLETS} in {}", layout.wallets().display()))?;
    output::line(&format!(
        "Start a node with: timed run --headless --config {}",
        layout.config(0).display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// The directory of a devnet; a temporary one goes when this value does.
struct Place {
    layout: Layout,
    /// Held, so that no other devnet takes the same ports.
    _ports: PortRange,
    remove: Option<PathBuf>,
}

impl Place {
    /// Finds or makes files and ports for what the arguments ask.
    fn prepare(arguments: &DevnetArguments) -> Result<Self, Failure> {
        let (dir, is_temporary) = match &arguments.dir {
            Some(dir) => (absolute(dir)?, false),
            None => (temporary_dir(), true),
        };
        let existing = files::find(&dir)?;
        let wanted = arguments.base_port.or(existing.map(|layout| layout.base_port()));
        let ports = match wanted {
            Some(base) => PortRange::exactly(base, arguments.nodes)?,
            None => PortRange::find(Network::Devnet.p2p_port(), arguments.nodes)?,
        };
        let layout = Layout::new(dir, arguments.nodes, ports.base());
        let place = Self {
            remove: (is_temporary && !arguments.keep).then(|| layout.dir().to_owned()),
            layout,
            _ports: ports,
        };
        files::write(&files::Plan::new(place.layout.clone()))?;
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(dir) = &self.remove
            && let Err(error) = fs::remove_dir_all(dir)
        {
            output::diagnostic(&format!("{}: {error}; remove it by hand", dir.display()));
        }
    }
}

/// Every node a process of its own; report at the end.
fn headless(arguments: &DevnetArguments) -> Result<ExitCode, Failure> {
    let place = Place::prepare(arguments)?;
    output::diagnostic(&format!(
        "devnet of {} nodes in {}",
        arguments.nodes,
        place.layout.dir().display()
    ));
    let plan = plan(arguments, &place.layout)?;
    let tell = |progress: Progress| output::diagnostic(&sentence(&progress));
    let ended = runtime()?.block_on(until_signalled(async |stop| run(plan, stop, tell).await))?;
    let report = match ended {
        Ok(report) => report?,
        Err(code) => return Ok(code),
    };
    if arguments.json {
        json_line(&report)?;
    } else {
        print(&report)?;
    }
    Ok(verdict(&report))
}

/// The first node in this process, with the console; the others as processes of their own.
fn watched(arguments: &DevnetArguments) -> Result<ExitCode, Failure> {
    let place = Place::prepare(arguments)?;
    let plan = plan(arguments, &place.layout)?;
    // The links stand before any node dials, and until the last one has stopped.
    let lines = runtime()?;
    let links = Links::open(lines.handle(), &place.layout)?;
    let first = RunArguments {
        chain: args::ChainPlace {
            place: args::Place {
                config: Some(place.layout.config(0)),
                ..args::Place::default()
            },
            ..args::ChainPlace::default()
        },
        peers: links.dialed_by(0),
        ..RunArguments::default()
    };
    let mut fleet = Fleet::new(&plan.program, &place.layout, 1);
    fleet.dial_through(&links, 1);
    fleet.start()?;
    let prepared = Prepared {
        may_restart: false,
        ..prepare(&first)?
    };
    let service = Service::start(prepared)?;
    let stop = CancellationToken::new();
    let (desk, handle, rates) = Desk::new(
        place.layout.clone(),
        links,
        service.handle().clone(),
        plan.traffic.rate,
    );
    let service = service.with_fleet(handle);
    let (asked, node) = (stop.clone(), service.handle().clone());
    let (report, reported) = oneshot::channel();
    let ended = service.runtime().spawn(async move {
        match run_beside(plan, &mut fleet, node.clone(), (desk, rates), asked.clone()).await {
            Ok(None) => {}
            Ok(Some(done)) => {
                let reason = "the time of the devnet is up".to_owned();
                if let Err(error) = node.send(Command::Stop { reason }, Caller::Process) {
                    tracing::warn!(%error, "the devnet's time is up, but its first node goes on");
                }
                // The receiver is there until the node has stopped.
                let _ = report.send(done);
                asked.cancelled().await;
            }
            Err(error) => {
                tracing::error!(%error, "the devnet's traffic ended");
                asked.cancelled().await;
            }
        }
        for name in fleet.stop().await {
            tracing::warn!(name, "did not stop in time and was killed");
        }
    });
    let code = service.run(Some(Beside { stop, ended }))?;
    match reported.blocking_recv() {
        Ok(report) => {
            print(&report)?;
            Ok(verdict(&report))
        }
        Err(_) => Ok(code),
    }
}

fn verdict(report: &DevnetReport) -> ExitCode {
    match report.is_good() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn plan(arguments: &DevnetArguments, layout: &Layout) -> Result<RunPlan, Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::new(Code::Unexpected, format!("cannot find this program: {error}")))?;
    Ok(RunPlan {
        layout: layout.clone(),
        program,
        traffic: TrafficPlan {
            rate: arguments.txs,
            duration: arguments.soak.or(arguments.duration),
            inputs: usize::from(arguments.inputs),
            presigned: arguments.presigned,
        },
        faults: arguments.faults.map(|every| FaultPlan {
            every,
            seed: arguments.fault_seed.unwrap_or_else(seed_of_now),
        }),
        is_soak: arguments.soak.is_some(),
    })
}

/// The driver's own runtime: two threads, so that reading answers never waits for signing.
fn runtime() -> Result<Runtime, Failure> {
    let built = Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("devnet")
        .enable_all()
        .build();
    built.map_err(|error| {
        Failure::new(
            Code::Unexpected,
            format!("no runtime: {error}; check `ulimit -u`"),
        )
    })
}

fn sentence(progress: &Progress) -> String {
    match progress {
        Progress::Ready { after } => format!("all nodes answer after {} ms", after.as_millis()),
        Progress::FirstBlock { after } => format!("first block final after {} ms", after.as_millis()),
        Progress::Settling => "waiting for what is open".to_owned(),
        Progress::Stopping => "stopping".to_owned(),
    }
}

fn print(report: &DevnetReport) -> Result<(), Failure> {
    let agree = |good: bool| if good { "agree" } else { "DISAGREE" };
    output::line(&format!(
        "{} nodes, {} s, {} blocks (height {} to {}), hashes {}, commitments {}",
        report.nodes,
        report.duration_s,
        report.blocks,
        report.height_min,
        report.height_max,
        agree(report.hashes_agree),
        agree(report.utxo_commitments_agree),
    ))?;
    output::line(&format!(
        "transactions  {} submitted, {} accepted, {} final, {} lost: {} tx/s",
        grouped(report.txs_submitted),
        grouped(report.txs_accepted),
        grouped(report.txs_final),
        report.txs_lost,
        report.tps
    ))?;
    print_finality(&report.finality_ms)?;
    output::line(&format!(
        "blocks every  p50 {} ms, p99 {} ms, {} view changes",
        report.block_interval_ms.p50, report.block_interval_ms.p99, report.view_changes
    ))?;
    for node in 0..report.rss_mb.len() {
        output::line(&format!(
            "node{node:<9} {} MB (most {} MB), {} s on a core, database {} MB",
            report.rss_mb[node], report.rss_peak_mb[node], report.cpu_s[node], report.db_mb[node]
        ))?;
    }
    if let Some(faults) = &report.faults {
        let of = |kind: FaultKind| faults.listed.iter().filter(|fault| fault.kind == kind).count();
        output::line(&format!(
            "faults        {} made and mended: {} kills, {} freezes, {} cuts, {} slow lines; seed {}",
            faults.count,
            of(FaultKind::Kill),
            of(FaultKind::Freeze),
            of(FaultKind::Cut),
            of(FaultKind::Slow),
            faults.seed
        ))?;
    }
    for (node, trend) in report.trends.iter().enumerate() {
        output::line(&format!(
            "node{node:<9} by thirds: {} MB, {} descriptors, {} threads",
            by_thirds(trend.rss_mb),
            by_thirds(trend.descriptors),
            by_thirds(trend.threads)
        ))?;
    }
    for error in &report.errors {
        output::line(&format!("error         {error}"))?;
    }
    Ok(())
}

fn by_thirds(figure: EarlyLate) -> String {
    format!("{} → {} → {}", figure.early, figure.middle, figure.late)
}

/// The line about finality that devnet and load share.
pub(super) fn print_finality(finality: &Percentiles) -> Result<(), Failure> {
    output::line(&format!(
        "finality      p50 {} ms, p95 {} ms, p99 {} ms, max {} ms",
        finality.p50, finality.p95, finality.p99, finality.max
    ))
}

/// A report as one line, for programs that read the last line.
pub(super) fn json_line(report: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(report)
        .map_err(|error| Failure::new(Code::Unexpected, format!("{error}; please report it")))?;
    output::line(&text)
}

/// A seed that differs from run to run; the report tells it.
fn seed_of_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// A name that an earlier process of the same id, killed before it could tidy up, has not used.
fn temporary_dir() -> PathBuf {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let name = format!("timed-devnet-{}-{}", std::process::id(), since.as_millis());
    std::env::temp_dir().join(name)
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::io(path, &error))
}
