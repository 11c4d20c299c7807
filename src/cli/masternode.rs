//! `timed masternode`: register, change and end a masternode, and see how masternodes stand.
//!
//! Registering takes two secrets: the wallet's key, which locks the collateral and owns the masternode
//! from then on, and the consensus key, which proves here that it is held and signs votes later.
//! Neither leaves this process.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::json;

use super::{
    args::{
        DeregisterArguments, MasternodeCommand, PaymentArguments, Question, RegisterArguments,
        UpdateArguments,
    },
    client::{block_on, client, load_place},
    failure::{Code, Failure},
    output,
    passphrase::Passphrases,
    payer::{Payer, Sent},
    payment::Order,
};
use crate::{
    chain::{
        Amount, MasternodeChange, MasternodeId, MasternodeUpdate, Output, OwnerChange, Registration,
        ServiceAddress, TransactionKind,
    },
    config::Loaded,
    control::{MasternodeView, Page, words::counted},
    crypto::{Hash256, PublicKey, Signature},
    signer::{LocalSigner, RemoteSigner, Signer, VALIDATOR_KEY_FILE, Wish},
};

/// Pages of the registry that `list` reads: all that there can be.
const PAGES_MAX: u32 = 10;

pub(super) fn masternode(command: &MasternodeCommand) -> Result<ExitCode, Failure> {
    match command {
        MasternodeCommand::Register(arguments) => register(arguments),
        MasternodeCommand::Update(arguments) => update(arguments),
        MasternodeCommand::Deregister(arguments) => deregister(arguments),
        MasternodeCommand::List { question } => list(question),
        MasternodeCommand::Status { question, id } => status(question, id.as_deref()),
    }
}

/// The owner of a masternode.
async fn owner(
    payment: &PaymentArguments,
    wallet: &Path,
    passphrases: &Passphrases,
) -> Result<Payer, Failure> {
    Payer::open(&payment.question, &[wallet.to_owned()], passphrases).await
}

/// Where the passphrases of wallet and consensus key come from.
pub(super) fn passphrases(payment: &PaymentArguments) -> Result<Passphrases, Failure> {
    let loaded = load_place(&payment.question.asked.place)?;
    Ok(Passphrases::of(
        payment.passphrase.passphrase_file.as_deref(),
        &loaded,
    ))
}

fn amount(text: &str) -> Result<Amount, Failure> {
    text.parse()
        .map_err(|error| Failure::new(Code::Argument, format!("`{text}` is {error}")))
}

fn service(text: Option<&String>) -> Result<Option<ServiceAddress>, Failure> {
    let parse = |text: &String| {
        text.parse::<SocketAddr>().map(ServiceAddress::from).map_err(|_| {
            Failure::new(
                Code::Argument,
                format!("--service {text} is no address; write ip:port, such as 203.0.113.7:24000"),
            )
        })
    };
    text.map(parse).transpose()
}

/// The consensus key's proof that it is held, for `subject`.
fn prove(signer: &dyn Signer, chain_id: &Hash256, subject: &[u8]) -> Result<(PublicKey, Signature), Failure> {
    let key = signer.public_key();
    let proof = signer.sign(&Wish::Possession {
        chain_id: *chain_id,
        subject: subject.to_vec(),
    })?;
    Ok((key, proof))
}

/// The consensus key in `file`, or the data directory's; `None` if a signer holds it.
fn validator_key(
    payment: &PaymentArguments,
    file: Option<&PathBuf>,
    passphrases: &Passphrases,
) -> Result<Option<LocalSigner>, Failure> {
    let path = match file {
        Some(path) => path.clone(),
        None => {
            let loaded = load_place(&payment.question.asked.place)?;
            if signer_socket(&loaded)?.is_some() {
                return Ok(None);
            }
            loaded.data_dir()?.keys().join(VALIDATOR_KEY_FILE)
        }
    };
    Ok(Some(LocalSigner::open(&path, passphrases)?))
}

fn signer_socket(loaded: &Loaded) -> Result<Option<PathBuf>, Failure> {
    let socket = loaded.config.signer_socket();
    socket.map_err(|reason| Failure::new(Code::Config, format!("keys.signer: {reason}")))
}

/// The signer of the configured node, on the chain that its wallet pays on.
fn remote_signer(payment: &PaymentArguments, chain_id: &Hash256) -> Result<RemoteSigner, Failure> {
    let loaded = load_place(&payment.question.asked.place)?;
    let socket = signer_socket(&loaded)?.unwrap_or_default();
    Ok(RemoteSigner::open(&socket, *chain_id, None)?)
}

fn register(arguments: &RegisterArguments) -> Result<ExitCode, Failure> {
    let passphrases = passphrases(&arguments.payment)?;
    let fee = arguments.payment.fee.as_deref().map(amount).transpose()?;
    let signer = validator_key(&arguments.payment, arguments.validator_key.as_ref(), &passphrases)?;
    let service = service(arguments.service.as_ref())?;
    block_on(async {
        let payer = owner(&arguments.payment, &arguments.wallet, &passphrases).await?;
        let address = payer.address();
        let (consensus_key, proof) = match &signer {
            Some(signer) => prove(signer, &payer.chain_id, address.as_bytes())?,
            None => {
                let signer = remote_signer(&arguments.payment, &payer.chain_id)?;
                prove(&signer, &payer.chain_id, address.as_bytes())?
            }
        };
        let registration = Registration {
            consensus_key,
            service,
            payout: payer.address_or_own(arguments.payout.as_ref(), "--payout")?,
            collateral_output: 0,
            proof,
        };
        let order = Order {
            kind: TransactionKind::RegisterMasternode(Box::new(registration)),
            outputs: vec![Output {
                amount: arguments.tier.tier().collateral(),
                address,
            }],
            fee,
        };
        let sent = payer.send(order, arguments.payment.wait_final).await?;
        report(arguments.payment.question.json, sent.txid, &sent)?;
        if !arguments.payment.question.json {
            output::diagnostic(
                "start its node with this consensus key: once it has caught up it asks to join, and it joins with a reward period",
            );
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn update(arguments: &UpdateArguments) -> Result<ExitCode, Failure> {
    let passphrases = passphrases(&arguments.payment)?;
    let fee = arguments.payment.fee.as_deref().map(amount).transpose()?;
    let id = masternode_id(&arguments.id)?;
    let service = service(arguments.service.as_ref())?;
    let signer = arguments
        .new_validator_key
        .as_ref()
        .map(|path| LocalSigner::open(path, &passphrases));
    let signer = signer.transpose()?;
    block_on(async {
        let payer = owner(&arguments.payment, &arguments.wallet, &passphrases).await?;
        let prove = |signer: &LocalSigner| prove(signer, &payer.chain_id, id.as_bytes());
        let payout = match &arguments.payout {
            Some(_) => Some(payer.address_or_own(arguments.payout.as_ref(), "--payout")?),
            None => None,
        };
        let change = OwnerChange {
            consensus_key: signer.as_ref().map(prove).transpose()?,
            service,
            payout,
            returns: arguments.returns,
        };
        if change.is_empty() {
            return Err(Failure::new(
                Code::Argument,
                "nothing to change; name --new-validator-key, --service, --payout or --return",
            ));
        }
        let order = Order {
            kind: TransactionKind::UpdateMasternode(Box::new(MasternodeUpdate {
                id,
                change: MasternodeChange::Owner(change),
            })),
            outputs: Vec::new(),
            fee,
        };
        let sent = payer.send(order, arguments.payment.wait_final).await?;
        report(arguments.payment.question.json, *id.as_hash(), &sent)?;
        Ok(ExitCode::SUCCESS)
    })
}

fn deregister(arguments: &DeregisterArguments) -> Result<ExitCode, Failure> {
    let passphrases = passphrases(&arguments.payment)?;
    let fee = arguments.payment.fee.as_deref().map(amount).transpose()?;
    let id = masternode_id(&arguments.id)?;
    block_on(async {
        let payer = owner(&arguments.payment, &arguments.wallet, &passphrases).await?;
        let order = Order {
            kind: TransactionKind::DeregisterMasternode { id },
            outputs: Vec::new(),
            fee,
        };
        let sent = payer.send(order, arguments.payment.wait_final).await?;
        report(arguments.payment.question.json, *id.as_hash(), &sent)?;
        if !arguments.payment.question.json {
            output::diagnostic(
                "it leaves with this reward period, and its collateral is free in the next one",
            );
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn report(as_json: bool, id: Hash256, sent: &Sent) -> Result<(), Failure> {
    let Sent { txid, fee, height } = sent;
    if as_json {
        return output::json(&json!({
            "schema": 1, "txid": txid, "masternode": id, "fee": fee.units(), "height": height,
        }));
    }
    output::line(&txid.to_string())?;
    if let Some(height) = height {
        output::diagnostic(&format!("final at height {height}, fee {fee} TIME"));
    }
    Ok(())
}

fn masternode_id(text: &str) -> Result<MasternodeId, Failure> {
    text.parse().map_err(|_| {
        Failure::new(
            Code::Argument,
            format!("`{text}` is no masternode id: 64 hex digits, as `timed masternode list` shows"),
        )
    })
}

fn list(question: &Question) -> Result<ExitCode, Failure> {
    let client = client(&question.asked)?;
    let all = block_on(async {
        let mut all: Vec<MasternodeView> = Vec::new();
        for page in 0..PAGES_MAX {
            let found = client
                .masternodes(Page::new(page * Page::LIMIT_MAX, Page::LIMIT_MAX))
                .await?;
            let is_last = found.len() < Page::LIMIT_MAX as usize;
            all.extend(found);
            if is_last {
                break;
            }
        }
        Ok(all)
    })?;
    if question.json {
        output::json(&all)?;
        return Ok(ExitCode::SUCCESS);
    }
    output::line(&format!(
        "{:<64}  {:<16} {:<6} {:<12} {}",
        "id", "name", "tier", "standing", "why"
    ))?;
    for node in &all {
        output::line(&format!(
            "{:<64}  {:<16} {:<6} {:<12} {}",
            node.id.to_string(),
            node.name,
            node.tier.name(),
            node.standing.name(),
            node.reason
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn status(question: &Question, id: Option<&str>) -> Result<ExitCode, Failure> {
    let client = client(&question.asked)?;
    let view = block_on(async {
        let wanted: Hash256 = match id {
            Some(text) => *masternode_id(text)?.as_hash(),
            None => {
                let own = client.status().await?.validator_id.ok_or_else(|| {
                    Failure::new(
                        Code::NotFound,
                        "this node has no consensus key; name a masternode id",
                    )
                })?;
                Hash256::from_bytes(*own.as_bytes())
            }
        };
        match client.masternode(wanted).await {
            Err(error) if error.code() == Some("not_found") => Err(Failure::new(
                Code::NotFound,
                format!(
                    "no masternode has the id or consensus key {wanted}; `timed masternode register` makes one"
                ),
            )),
            found => Ok(found?),
        }
    })?;
    if question.json {
        output::json(&view)?;
        return Ok(ExitCode::SUCCESS);
    }
    for line in lines(&view) {
        output::line(&line)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn lines(view: &MasternodeView) -> Vec<String> {
    let since = view.period.saturating_sub(view.since_period);
    let since = match since {
        0 => "this reward period".to_owned(),
        since => format!("{} ago", counted(since, "reward period")),
    };
    let turn = view.next_turn.map_or_else(
        || "never, as things stand".to_owned(),
        |height| format!("height {height}, {} on", counted(height - view.height, "block")),
    );
    let mut lines = vec![
        format!("masternode   {} ({})", view.name, view.id),
        format!("standing     {} since {since}", view.standing.name()),
        format!("why          {}", view.reason),
    ];
    if !view.remedy.is_empty() {
        lines.push(format!("what to do   {}", view.remedy));
    }
    lines.extend([
        format!("next turn    {turn}"),
        format!(
            "signed       {} of {} certificates of this period",
            view.signed, view.certificates
        ),
        format!("tier         {}", view.tier.name()),
        format!("validator    {}", view.validator_id),
        format!("payout       {}", view.payout),
        format!("owner        {}", view.owner),
    ]);
    lines.extend(view.collateral.iter().map(|coin| format!("collateral   {coin}")));
    lines.extend(
        view.service
            .iter()
            .map(|service| format!("service      {service}")),
    );
    lines.extend(
        view.next_validator_id
            .iter()
            .map(|key| format!("next key     {key}, with the next reward period")),
    );
    lines
}
