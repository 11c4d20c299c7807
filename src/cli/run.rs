//! `timed run`: everything that is needed before a node can start, in the order in which an operator
//! wants to hear of it: configuration, genesis, keys.

use std::{fs, path::Path, process::ExitCode, sync::Arc};

use super::{
    args::{InitArguments, RunArguments},
    config::load_run,
    failure::{Code, Failure},
    init::{self, genesis_of},
    output,
    passphrase::Passphrases,
    service::Service,
};
use crate::{
    chain::Genesis,
    config::{Config, DataDir, Loaded},
    crypto::{PublicKey, SecretKey},
    devnet::parent::stop_with_parent,
    signer::{
        LocalSigner, NODE_KEY_FILE, Passphrase, RemoteSigner, Signer, SignerError, Unlock,
        VALIDATOR_KEY_FILE, VALIDATOR_PUBLIC_FILE, create_private_file, open_key_file,
    },
};

/// All that a node starts from.
#[derive(Debug)]
pub(super) struct Prepared {
    /// What a reload reads again.
    pub(super) arguments: RunArguments,
    pub(super) loaded: Loaded,
    pub(super) dir: DataDir,
    pub(super) genesis: Genesis,
    pub(super) node_key: SecretKey,
    /// `None` on a node that only follows.
    pub(super) signer: Option<Arc<dyn Signer>>,
    pub(super) with_console: bool,
    /// Whether log lines also go to standard error. A devnet's nodes keep theirs in their files, which
    /// are bounded.
    pub(super) logs_to_stderr: bool,
    /// Whether the process is this node and nothing else, so that it may start again by itself.
    pub(super) may_restart: bool,
}

pub(super) fn run(arguments: &RunArguments) -> Result<ExitCode, Failure> {
    if arguments.die_with_parent {
        stop_with_parent().map_err(|error| {
            Failure::new(Code::Unexpected, format!("no thread: {error}; check `ulimit -u`"))
        })?;
    }
    // The nodes of a devnet are looked at by their parent: how many files they have open.
    if !arguments.die_with_parent {
        refuse_to_be_read();
    }
    refuse_core_dumps();
    let Some((arguments, typed)) = first_run(arguments)? else {
        return Ok(ExitCode::FAILURE);
    };
    let prepared = prepare_with(&arguments, typed)?;
    output::diagnostic(&format!(
        "{} at {}, {}",
        prepared.genesis.network,
        prepared.dir.root().display(),
        if prepared.with_console {
            "with console"
        } else {
            "headless"
        }
    ));
    Service::start(prepared)?.run(None)
}

/// Where nothing is yet and a person sits at the terminal, makes the node first; `None` if they would
/// rather not. The arguments then name what was made, and a passphrase that was typed for it is not asked
/// for again.
fn first_run(arguments: &RunArguments) -> Result<Option<(RunArguments, Option<Passphrase>)>, Failure> {
    let mut arguments = arguments.clone();
    // A configuration that was named says where everything is: what is missing then is missing.
    let asks = !arguments.headless && output::has_terminal() && arguments.chain.place.config.is_none();
    if !asks {
        return Ok(Some((arguments, None)));
    }
    let dir = load_run(&arguments)?.data_dir()?;
    if dir.keys().exists() || dir.config_file().exists() {
        return Ok(Some((arguments, None)));
    }
    let mut wanted = InitArguments {
        chain: arguments.chain.clone(),
        listen: arguments.listen.clone(),
        passphrase: arguments.passphrase.clone(),
        encrypt: arguments.passphrase.passphrase_file.is_some(),
        ..InitArguments::default()
    };
    let Some(made) = init::make(&mut wanted, true)? else {
        return Ok(None);
    };
    arguments.chain = wanted.chain;
    arguments.chain.place.data_dir = Some(made.dir.root().to_owned());
    Ok(Some((arguments, made.passphrase)))
}

/// Another process of this user could read the keys from this one's memory, or look at its files. If the
/// system does not know the call, keys are as safe as the user's other processes.
pub(super) fn refuse_to_be_read() {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// A core file would hold the keys. A service manager that forbids the call has set the limit itself.
pub(super) fn refuse_core_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _ = setrlimit(Resource::Core, none);
}

impl Prepared {
    /// The name that people see: from the configuration, from genesis, else the short key.
    pub(super) fn name(&self) -> String {
        let configured = Some(self.loaded.config.node.moniker.clone()).filter(|name| !name.is_empty());
        let key = self.signer.as_ref().map(|signer| signer.public_key());
        let in_genesis = || {
            let mut masternodes = self.genesis.masternodes.iter();
            masternodes
                .find(|node| Some(node.validator_key) == key)
                .map(|node| node.name.clone())
        };
        configured
            .or_else(in_genesis)
            .unwrap_or_else(|| self.node_key.public_key().short())
    }
}

/// Reads and checks everything, and changes nothing.
pub(super) fn prepare(arguments: &RunArguments) -> Result<Prepared, Failure> {
    prepare_with(arguments, None)
}

fn prepare_with(arguments: &RunArguments, typed: Option<Passphrase>) -> Result<Prepared, Failure> {
    let loaded = load_run(arguments)?;
    let genesis = genesis_of(&loaded.config)?;
    let dir = loaded.data_dir()?;
    refuse_empty(&dir)?;
    let named = arguments.passphrase.passphrase_file.as_deref();
    let passphrases = Passphrases::of(named, &loaded).knowing(typed);
    let node_key = open_key_file(&dir.keys().join(NODE_KEY_FILE), &passphrases)?;
    let signer = open_signer(&loaded.config, &genesis, &dir, &passphrases)?;
    let with_console = !arguments.headless && output::has_terminal();
    Ok(Prepared {
        arguments: arguments.clone(),
        with_console,
        logs_to_stderr: !with_console && !arguments.die_with_parent,
        may_restart: true,
        loaded,
        dir,
        genesis,
        node_key,
        signer,
    })
}

/// A directory that nobody initialised gets the command that does, not a list of missing files.
pub(super) fn refuse_empty(dir: &DataDir) -> Result<(), Failure> {
    if dir.keys().exists() {
        return Ok(());
    }
    Err(Failure::new(
        Code::NotInitialised,
        format!(
            "{0} holds no node; make one with `timed init --data-dir {0}` (or --non-interactive), or watch a network of your own with `timed devnet`",
            dir.root().display()
        ),
    ))
}

/// A node without a consensus key follows the chain; one whose key cannot be used does not start.
fn open_signer(
    config: &Config,
    genesis: &Genesis,
    dir: &DataDir,
    unlock: &dyn Unlock,
) -> Result<Option<Arc<dyn Signer>>, Failure> {
    let path = dir.keys().join(VALIDATOR_KEY_FILE);
    let socket = config
        .signer_socket()
        .map_err(|reason| Failure::new(Code::Config, format!("keys.signer: {reason}")))?;
    if let Some(socket) = socket {
        return open_remote(&socket, genesis, dir).map(Some);
    }
    match LocalSigner::open(&path, unlock) {
        Ok(signer) => Ok(Some(Arc::new(signer))),
        Err(SignerError::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The signer in another process. What key it holds is learned once and kept, so that the node starts
/// without it later, and notices if it is another one.
fn open_remote(socket: &Path, genesis: &Genesis, dir: &DataDir) -> Result<Arc<dyn Signer>, Failure> {
    let local = dir.keys().join(VALIDATOR_KEY_FILE);
    if local.exists() {
        return Err(Failure::new(
            Code::Config,
            format!(
                "keys.signer names a signer, and {} is here too: a key belongs in one place. Move it to the signer with its state (docs/OPERATIONS.md, \"Remote signer\"), or take keys.signer out",
                local.display()
            ),
        ));
    }
    let path = dir.keys().join(VALIDATOR_PUBLIC_FILE);
    let known = match fs::read_to_string(&path) {
        Ok(text) => Some(text.trim().parse::<PublicKey>().map_err(|error| {
            Failure::new(
                Code::KeyUnreadable,
                format!(
                    "{}: {error}; remove it, and the signer is asked again",
                    path.display()
                ),
            )
        })?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(Failure::io(&path, &error)),
    };
    let signer = RemoteSigner::open(socket, genesis.chain_id(), known)?;
    if known.is_none() {
        create_private_file(&path, format!("{}\n", signer.public_key()).as_bytes())?;
    }
    Ok(Arc::new(signer))
}
