//! Arguments, exit codes, and commands on real directories.

use std::{collections::HashSet, fs, path::Path};

use clap::{CommandFactory, Parser};

use super::{
    args::{Arguments, Command},
    failure::{Code, Failure},
    init::init,
    keys::keys,
    payment::{Order, Spendable, build},
    run::prepare,
};
use crate::{
    chain::{Address, Amount, DUST, INPUTS_MAX, OutPoint, TxId},
    config::{Sources, load},
    crypto::{Hash256, SecretKey},
    signer::{VALIDATOR_KEY_FILE, WalletFile},
};

fn parse(line: &str) -> Arguments {
    Arguments::try_parse_from(line.split_whitespace()).unwrap()
}

fn run_init(dir: &Path, more: &str) -> Result<(), Failure> {
    let arguments = parse(&format!(
        "timed init --non-interactive --data-dir {} {more}",
        dir.display()
    ));
    let Some(Command::Init(arguments)) = arguments.command else {
        panic!("not init")
    };
    init(&arguments).map(|_| ())
}

fn code(result: Result<impl std::fmt::Debug, Failure>) -> Code {
    result.unwrap_err().code()
}

#[test]
fn the_argument_definitions_are_consistent() {
    Arguments::command().debug_assert();
}

#[test]
fn no_command_means_run() {
    let bare = parse("timed --headless --peer a:1 --peer b:2 -v");
    assert!(bare.command.is_none() && bare.run.headless);
    let named = parse("timed run --headless --peer a:1 --peer b:2 -v");
    let Some(Command::Run(run)) = named.command else {
        panic!("not run")
    };
    assert_eq!(run.flags(), bare.run.flags());
    let loaded = load(&Sources {
        flags: run.flags(),
        ..Sources::default()
    })
    .unwrap();
    assert_eq!(loaded.config.network.peers, ["a:1", "b:2"]);
    assert_eq!(loaded.config.telemetry.level, "info,timecoin=debug");
}

#[test]
fn every_flag_sets_a_key_that_exists() {
    let all = "timed --config c --data-dir /d --network devnet --genesis g --listen 1.2.3.4:5 --external-address 203.0.113.7:8 --rpc-listen 127.0.0.1:6 --peer a:1 --observer --halt-height 9 --log-level warn --log-format json";
    let mut arguments = parse(all);
    arguments.run.chain.place.config = None;
    let config = load(&Sources {
        flags: arguments.run.flags(),
        ..Sources::default()
    })
    .unwrap()
    .config;
    assert_eq!(config.network.name, "devnet");
    assert_eq!(config.network.listen, "1.2.3.4:5");
    assert!(config.node.observer);
    assert_eq!(config.node.halt_height, 9);
    assert_eq!(config.network.external_address, "203.0.113.7:8");
}

#[test]
fn codes_are_unique_and_end_in_their_exit_status_family() {
    let texts: HashSet<&str> = Code::ALL.iter().map(|code| code.text()).collect();
    assert_eq!(texts.len(), Code::ALL.len());
    for code in Code::ALL {
        let family: u8 = code.text()[3..5].parse().unwrap();
        assert_eq!(family.max(1), code.exit_code(), "{code:?}");
    }
}

#[test]
fn init_makes_a_directory_that_run_accepts_and_never_overwrites() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("node");
    run_init(&dir, "--network testnet --moniker alpha").unwrap();
    for path in [
        "config.toml",
        "keys/node.key",
        "keys/validator.key",
        "keys/wallet.key.json",
        "consensus",
    ] {
        assert!(dir.join(path).exists(), "{path}");
    }
    let run = parse(&format!("timed --headless --data-dir {}", dir.display())).run;
    let prepared = prepare(&run).unwrap();
    assert_eq!(prepared.loaded.config.node.moniker, "alpha");
    assert!(prepared.signer.is_some() && !prepared.with_console);
    assert_eq!(prepared.dir.root(), dir);
    assert_ne!(
        prepared.signer.unwrap().public_key(),
        prepared.node_key.public_key()
    );

    let before = fs::read(dir.join("keys/validator.key")).unwrap();
    assert_eq!(
        code(run_init(&dir, "--network testnet")),
        Code::AlreadyInitialised
    );
    assert_eq!(fs::read(dir.join("keys/validator.key")).unwrap(), before);
}

#[test]
fn a_new_validator_key_is_refused_over_an_old_one() {
    let home = tempfile::tempdir().unwrap();
    run_init(home.path(), "").unwrap();
    let Some(Command::Keys(command)) = parse(&format!(
        "timed keys generate validator --data-dir {}",
        home.path().display()
    ))
    .command
    else {
        panic!("not keys")
    };
    assert_eq!(code(keys(&command)), Code::AlreadyInitialised);
    // Its log has signed nothing, so it may serve the next key.
    fs::remove_file(home.path().join("keys").join(VALIDATOR_KEY_FILE)).unwrap();
    keys(&command).unwrap();
}

#[test]
fn an_empty_directory_is_told_of_init_and_a_bad_key_of_chmod() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let run = parse(&format!("timed --headless --data-dir {}", home.path().display())).run;
    let failure = prepare(&run).unwrap_err();
    assert_eq!(failure.code(), Code::NotInitialised);
    assert!(
        failure.to_string().starts_with("error[TD-6403]: ") && failure.to_string().contains("timed init")
    );

    run_init(home.path(), "").unwrap();
    let key = home.path().join("keys/validator.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let failure = prepare(&run).unwrap_err();
    assert_eq!((failure.code(), failure.exit_code()), (Code::KeyPermissions, 67));
    assert!(failure.to_string().contains("chmod 600"));
    fs::remove_file(&key).unwrap();
    assert!(prepare(&run).unwrap().signer.is_none());
    fs::remove_file(home.path().join("keys/node.key")).unwrap();
    assert_eq!(code(prepare(&run)), Code::KeyMissing);
}

#[test]
fn a_devnet_needs_a_genesis_and_a_foreign_one_is_refused() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(code(run_init(home.path(), "--network devnet")), Code::Genesis);
    let testnet = crate::chain::Genesis::builtin(crate::chain::Network::Testnet)
        .unwrap()
        .unwrap();
    let file = home.path().join("genesis.toml");
    fs::write(&file, testnet.to_toml()).unwrap();
    let with_file = format!("--network devnet --genesis {}", file.display());
    assert_eq!(code(run_init(home.path(), &with_file)), Code::Genesis);
    assert!(
        !home.path().join("keys").exists(),
        "a refused init leaves nothing behind"
    );
}

fn utxo(index: u32, amount: u64) -> Spendable {
    Spendable {
        outpoint: OutPoint::new(TxId::from_bytes([1; 32]), index),
        amount: Amount::from_units(amount),
        owner: 0,
        is_final: true,
    }
}

fn pay(amount: u64, fee: Option<u64>, coins: &[Spendable]) -> Result<super::payment::Signed, Failure> {
    let to = Address::from_bytes([9; 20]);
    build(
        Order::transfer(to, Amount::from_units(amount), fee.map(Amount::from_units)),
        coins,
        Amount::ZERO,
        &[&SecretKey::from_seed(&[4; 32]), &SecretKey::from_seed(&[5; 32])],
        &Hash256::from_bytes([2; 32]),
    )
}

#[test]
fn change_that_waits_is_spent_only_when_final_money_is_not_enough() {
    let waits = Spendable {
        is_final: false,
        ..utxo(7, 900_000)
    };
    let inputs = |amount| {
        pay(amount, None, &[waits, utxo(1, 50_000)])
            .unwrap()
            .transaction
            .inputs
    };
    assert_eq!(inputs(40_000), [utxo(1, 0).outpoint]);
    assert_eq!(inputs(60_000), [waits.outpoint], "then the largest of all");
    assert_eq!(inputs(930_000).len(), 2);
}

#[test]
fn several_wallets_pay_together_and_the_first_gets_the_change() {
    let second = Spendable {
        owner: 1,
        ..utxo(1, 70_000)
    };
    let signed = pay(100_000, None, &[utxo(0, 60_000), second]).unwrap();
    let key = |seed: u8| SecretKey::from_seed(&[seed; 32]).public_key();
    let signers: Vec<_> = signed
        .transaction
        .witnesses
        .iter()
        .map(|one| one.public_key)
        .collect();
    assert_eq!(signers, [key(5), key(4)]);
    assert_eq!(signed.transaction.outputs[1].address, Address::of(&key(4)));
    let nobodys = Spendable {
        owner: 2,
        ..utxo(1, 700_000)
    };
    assert_eq!(code(pay(100_000, None, &[nobodys])), Code::Argument);
}

#[test]
fn a_payment_balances_and_pays_for_its_size() {
    let signed = pay(
        100_000,
        None,
        &[utxo(0, 40_000), utxo(1, 90_000), utxo(2, 50_000)],
    )
    .unwrap();
    let transaction = &signed.transaction;
    assert_eq!(transaction.inputs.len(), 2, "the largest first");
    let out: u64 = transaction
        .outputs
        .iter()
        .map(|output| output.amount.units())
        .sum();
    assert_eq!(out + signed.fee.units(), 140_000);
    assert_eq!(signed.fee.units(), 2 * transaction.canonical_size() as u64);
    assert_eq!(transaction.witnesses.len(), 2);
}

#[test]
fn dust_change_goes_to_the_fee() {
    let signed = pay(1_000, Some(100), &[utxo(0, 1_100 + DUST.units() - 1)]).unwrap();
    assert_eq!(signed.transaction.outputs.len(), 1);
    assert_eq!(signed.fee.units(), 100 + DUST.units() - 1);
    let with_change = pay(1_000, Some(100), &[utxo(0, 1_100 + DUST.units())]).unwrap();
    assert_eq!(with_change.transaction.outputs.len(), 2);
}

#[test]
fn what_cannot_be_paid_is_said() {
    assert_eq!(code(pay(1_000_000, None, &[utxo(0, 5_000)])), Code::Funds);
    assert_eq!(
        code(pay(DUST.units() - 1, None, &[utxo(0, 5_000)])),
        Code::Argument
    );
    assert_eq!(code(pay(u64::MAX, Some(1), &[utxo(0, 5_000)])), Code::Argument);
    let many: Vec<Spendable> = (0..INPUTS_MAX as u32 + 5)
        .map(|index| utxo(index, 1_000))
        .collect();
    assert_eq!(
        code(pay(1_000 * (INPUTS_MAX as u64 + 1), Some(0), &many)),
        Code::Funds
    );
}

#[test]
fn a_wallet_of_another_network_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("w.key.json");
    let key = SecretKey::from_seed(&[4; 32]);
    let address = Address::of(&key.public_key());
    use crate::chain::Network::{Devnet, Mainnet};
    WalletFile::create(&path, &key, "devnet", &address.to_text(Devnet)).unwrap();
    assert_eq!(
        super::wallet::address_of(&path, None).unwrap(),
        address.to_text(Devnet)
    );
    assert_eq!(
        code(super::wallet::address_of(&path, Some(Mainnet))),
        Code::Argument
    );
    let lying = home.path().join("l.key.json");
    WalletFile::create(&lying, &key, "devnet", "timed1other").unwrap();
    assert_eq!(code(super::wallet::address_of(&lying, None)), Code::KeyUnreadable);
}

#[test]
fn durations_and_rates_are_read_with_their_units() {
    use super::args::units::{duration, rate};
    use std::time::Duration;
    for (text, ms) in [
        ("250ms", 250),
        ("30s", 30_000),
        ("1.5m", 90_000),
        ("2h", 7_200_000),
        ("7", 7_000),
    ] {
        assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
    }
    for text in ["", "s", "-1s", "5d", "1e9h", "NaN"] {
        assert!(duration(text).is_err(), "{text}");
    }
    assert_eq!(
        (rate("500"), rate("0.5"), rate("100/s")),
        (Ok(500.0), Ok(0.5), Ok(100.0))
    );
    for text in ["", "-1", "NaN", "1e12", "5/m"] {
        assert!(rate(text).is_err(), "{text}");
    }
}

#[test]
fn devnet_files_is_a_command_of_its_own_and_devnet_has_defaults() {
    let Some(Command::Devnet(bare)) = parse("timed devnet").command else {
        panic!("not devnet")
    };
    assert_eq!((bare.nodes, bare.txs, bare.command.is_none()), (4, 5.0, true));
    let line = "timed devnet files --nodes 3 --dir d --base-port 26000";
    let Some(Command::Devnet(files)) = parse(line).command else {
        panic!("not devnet")
    };
    assert!(files.command.is_some());
}

#[test]
fn what_looks_like_a_secret_is_cut_from_a_dump() {
    let secrets = super::debug::secrets("__cookie__:0123");
    let digits = "ab".repeat(32);
    let text = format!(
        "a __cookie__:0123 b\nBearer {digits} c\ntimed_{digits} timed_mempool_txs d\n-----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY-----\n\"-----BEGIN PRIVATE KEY-----\\nMC4\\n-----END PRIVATE KEY-----\"\ne\n"
    );
    assert_eq!(
        secrets.cut_from(&text),
        "a <cut> b\nBearer <cut> c\ntimed_<cut> timed_mempool_txs d\n<cut>\n<cut>\n<cut>\ne\n"
    );
}

#[test]
fn a_process_with_keys_leaves_no_core_and_is_read_by_nobody() {
    use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};
    super::run::refuse_to_be_read();
    super::run::refuse_core_dumps();
    assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    assert_eq!(getrlimit(Resource::Core).current, Some(0));
    // What it asks of itself it still gets.
    assert!(fs::read_dir("/proc/self/fd").unwrap().count() > 0);
    assert!(fs::metadata("/proc/self/fd/2").is_ok() && std::env::current_exe().is_ok());
}

#[test]
fn a_diff_shows_only_what_is_not_the_default() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("node");
    run_init(&dir, "--network testnet --moniker alpha").unwrap();
    let arguments = parse(&format!(
        "timed config diff --data-dir {} --observer",
        dir.display()
    ));
    let Some(Command::Config(super::args::ConfigCommand::Diff { run, .. })) = arguments.command else {
        panic!("not diff")
    };
    let mut keys: Vec<_> = super::config::differing(&run)
        .unwrap()
        .origins
        .into_keys()
        .collect();
    keys.sort();
    assert_eq!(keys, ["data_dir", "node.moniker", "node.observer"]);
}
