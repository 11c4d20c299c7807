//! `timed signer serve`: the consensus key in a process of its own.

use std::{path::Path, process::ExitCode, sync::Arc};

use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use super::{
    args::ServeArguments,
    config::load_chain,
    failure::{Code, Failure},
    init::genesis_of,
    output,
    passphrase::Passphrases,
    run::{refuse_core_dumps, refuse_to_be_read},
    service::is_journal,
};
use crate::{
    control::LogRing,
    node::signer_service::{Service, ServiceOptions},
    signer::{VALIDATOR_KEY_FILE, open_key_file},
    telemetry,
};

/// Name of the socket in the data directory, if none is named.
const SOCKET_FILE: &str = "signer.sock";

pub(super) fn serve(arguments: &ServeArguments) -> Result<ExitCode, Failure> {
    refuse_to_be_read();
    refuse_core_dumps();
    let loaded = load_chain(&arguments.chain)?;
    let genesis = genesis_of(&loaded.config)?;
    let dir = loaded.data_dir()?;
    let passphrases = Passphrases::of(arguments.passphrase.passphrase_file.as_deref(), &loaded);
    let key = open_key_file(&dir.keys().join(VALIDATOR_KEY_FILE), &passphrases)?;
    let _telemetry = telemetry::init(telemetry::Options {
        config: loaded.config.telemetry.clone(),
        directory: None,
        stderr: true,
        stderr_is_journal: is_journal(Path::new("/proc/self/fd/2")),
        ring: Arc::new(LogRing::new()),
    })?;
    let public_key = key.public_key();
    let socket = match &arguments.socket {
        Some(socket) => socket.clone(),
        None => dir.root().join(SOCKET_FILE),
    };
    let service = Service::open(ServiceOptions {
        data_dir: dir.root().to_owned(),
        socket: socket.clone(),
        key,
        chain_id: genesis.chain_id(),
        users: arguments.allow_uid.clone(),
        group: arguments.socket_gid,
        may_register: arguments.allow_registration,
    })?;
    let unexpected = |error: std::io::Error| Failure::new(Code::Unexpected, format!("signals: {error}"));
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(unexpected)?;
    output::diagnostic(&format!(
        "signs for {public_key} on {}: keys.signer = \"unix:{}\"",
        genesis.network,
        socket.display()
    ));
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(unexpected)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(unexpected)?;
        let stop = CancellationToken::new();
        let ended = async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            stop.cancel();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            run = service.run(stop.clone()) => run.map_err(Failure::from),
            () = ended => Ok(()),
        }
    })?;
    output::diagnostic("stopped; what was signed is in its log");
    Ok(ExitCode::SUCCESS)
}
