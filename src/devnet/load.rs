//! Load on any one node, from one wallet: `timed load`.

use std::{path::PathBuf, time::Duration};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    DevnetError, LoadReport,
    coins::Purse,
    funds, presigned,
    target::Target,
    traffic::{self, TrafficPlan},
};
use crate::{chain::Network, crypto::SecretKey, rpc::client::Client};

/// Coins that are split off the wallet before the load begins: half a second of it, so that slow
/// blocks do not starve it, within these bounds.
const COINS_MIN: usize = 16;
const COINS_MAX: usize = 10_000;

/// What to load, and how.
#[derive(Debug, Clone)]
pub struct LoadPlan {
    /// The node's URL.
    pub rpc: String,
    /// Key files of the wallets that pay, at least one.
    pub wallets: Vec<PathBuf>,
    /// Transactions per second.
    pub rate: f64,
    /// For how long; `None` until it is stopped.
    pub duration: Option<Duration>,
    /// Coins that a transaction spends.
    pub inputs: usize,
    /// Whether everything is signed before it begins.
    pub presigned: bool,
}

/// Runs the load.
///
/// # Errors
/// [`DevnetError`] if the node does not answer, or the wallet cannot pay; what happens to single
/// transactions stands in the report.
pub async fn load(plan: LoadPlan, stop: CancellationToken) -> Result<LoadReport, DevnetError> {
    let status = Client::new(&plan.rpc)?.status().await?;
    let network: Network = status.network.parse().map_err(|_| DevnetError::Prepare {
        reason: format!(
            "the node is on network `{}`, which is unknown here",
            status.network
        ),
    })?;
    let keys = plan
        .wallets
        .iter()
        .map(|wallet| funds::read_wallet(wallet, network));
    let keys = keys.collect::<Result<Vec<SecretKey>, _>>()?;
    let target = Target::http(&plan.rpc)?;
    let mut purse = Purse::new(status.chain_id, keys, 1, plan.inputs);
    funds::fill(&mut purse, &target, network, 1).await?;
    let traffic_plan = TrafficPlan {
        rate: plan.rate,
        duration: plan.duration,
        inputs: plan.inputs,
        presigned: plan.presigned,
    };
    if plan.presigned {
        let seen = presigned::run(traffic_plan, vec![target], purse, stop).await?;
        return Ok(LoadReport::new(seen));
    }
    let wanted = (plan.rate * plan.inputs.max(1) as f64 / 2.0) as usize;
    funds::split(&mut purse, &target, wanted.clamp(COINS_MIN, COINS_MAX)).await?;
    let height = target
        .progress()
        .await
        .map_or(status.height, |progress| progress.height);
    let rates = watch::channel(plan.rate).1;
    let seen = traffic::run(traffic_plan, rates, vec![target], purse, height, stop).await;
    Ok(LoadReport::new(seen))
}
