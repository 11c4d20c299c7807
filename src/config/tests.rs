//! Precedence, unknown keys, and the example that is the documentation.

use std::{fs, path::Path};

use toml::Value;

use super::*;

fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn file(dir: &Path, text: &str) -> Sources {
    let path = dir.join("config.toml");
    fs::write(&path, text).unwrap();
    Sources {
        file: Some(path),
        ..Sources::default()
    }
}

fn refusal(text: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    load(&file(dir.path(), text)).unwrap_err().to_string()
}

#[test]
fn a_flag_beats_the_environment_beats_the_file_beats_the_default() {
    let dir = tempfile::tempdir().unwrap();
    let mut sources = file(
        dir.path(),
        "[shutdown]\ntimeout_s = 20\n[storage]\ncache_coins = 1000\n[mempool]\ntxs_max = 11\n",
    );
    sources.environment = env(&[
        ("TIMED_SHUTDOWN__TIMEOUT_S", "30"),
        ("TIMED_STORAGE__CACHE_COINS", "2000"),
    ]);
    sources.flags = vec![("shutdown.timeout_s", Value::Integer(40))];
    let loaded = load(&sources).unwrap();
    assert_eq!(loaded.config.shutdown.timeout_s, 40);
    assert_eq!(loaded.config.storage.cache_coins, 2000);
    assert_eq!(loaded.config.mempool.txs_max, 11);
    assert_eq!(loaded.origins["shutdown.timeout_s"], Origin::Flag);
    assert_eq!(
        loaded.origins["storage.cache_coins"],
        Origin::Environment("TIMED_STORAGE__CACHE_COINS".to_owned())
    );
    assert!(matches!(loaded.origins["mempool.txs_max"], Origin::File(_)));
    assert_eq!(loaded.origins["mempool.memory_max_mb"], Origin::Default);
}

#[test]
fn an_unknown_key_is_named_with_its_file_and_a_suggestion() {
    let error = refusal("[rpc]\nlisen = \"127.0.0.1:1\"\n");
    assert!(error.contains("`rpc.lisen`"), "{error}");
    assert!(error.contains("did you mean `rpc.listen`?"), "{error}");
    assert!(error.contains("config.toml"), "{error}");
    let wrong_section = refusal("[rpc]\ncache_coins = 5\n");
    assert!(
        wrong_section.contains("did you mean `storage.cache_coins`?"),
        "{wrong_section}"
    );
    let unknown_section = refusal("[netwrk]\nlisten = \"127.0.0.1:1\"\n");
    assert!(
        unknown_section.contains("did you mean `network`?"),
        "{unknown_section}"
    );
    let strange = refusal("[zzz]\nqqq = 1\n");
    assert!(
        strange.contains("`timed config default` lists every key"),
        "{strange}"
    );
}

#[test]
fn a_value_of_the_wrong_kind_is_named_with_what_it_must_be() {
    let error = refusal("[storage]\ncache_coins = \"many\"\n");
    assert!(
        error.contains("`storage.cache_coins`") && error.contains("a whole number"),
        "{error}"
    );
    let list = refusal("[network]\npeers = [1]\n");
    assert!(list.contains("a list of texts"), "{list}");
    let section = refusal("network = 5\n");
    assert!(section.contains("`network`"), "{section}");
    let dir = tempfile::tempdir().unwrap();
    let mut sources = file(dir.path(), "");
    sources.environment = env(&[("TIMED_NETWORK__DISCOVERY", "perhaps")]);
    let error = load(&sources).unwrap_err().to_string();
    assert!(
        error.contains("TIMED_NETWORK__DISCOVERY") && error.contains("true or false"),
        "{error}"
    );
}

#[test]
fn a_word_that_is_none_of_those_allowed_is_told_with_them() {
    let format = refusal("[telemetry]\nformat = \"yaml\"\n");
    assert!(
        format.contains("telemetry.format") && format.contains("json"),
        "{format}"
    );
    let theme = refusal("[console]\ntheme = \"pink\"\n");
    assert!(
        theme.contains("console.theme") && theme.contains("night"),
        "{theme}"
    );
}

#[test]
fn broken_toml_names_file_and_place() {
    let error = refusal("[rpc\n");
    assert!(
        error.contains("config.toml") && error.contains("line 1"),
        "{error}"
    );
    let missing = Sources {
        file: Some("/nowhere/timed.toml".into()),
        ..Sources::default()
    };
    assert!(matches!(load(&missing), Err(ConfigError::Missing { .. })));
}

#[test]
fn an_unknown_variable_is_a_warning_with_a_suggestion() {
    let dir = tempfile::tempdir().unwrap();
    let mut sources = file(dir.path(), "");
    sources.environment = env(&[("TIMED_RPC__LISTN", "x"), ("OTHER", "x")]);
    let loaded = load(&sources).unwrap();
    assert_eq!(loaded.warnings.len(), 1);
    assert!(
        loaded.warnings[0].contains("TIMED_RPC__LISTEN"),
        "{:?}",
        loaded.warnings
    );
}

#[test]
fn remote_http_needs_a_word() {
    let error = refusal("[rpc]\nlisten = \"0.0.0.0:24101\"\n");
    assert!(error.contains("rpc.allow_remote"), "{error}");
    let dir = tempfile::tempdir().unwrap();
    load(&file(
        dir.path(),
        "[rpc]\nlisten = \"0.0.0.0:24101\"\nallow_remote = true\n",
    ))
    .unwrap();
    load(&file(dir.path(), "[rpc]\nlisten = \"[::1]:24101\"\n")).unwrap();
}

#[test]
fn all_values_that_cannot_work_are_told_at_once() {
    let error = refusal(
        "[network]\nname = \"tesnet\"\nlisten = \"nowhere\"\npeers = [\"host\", \"a:1\", \"b:0\", \"[::1]:5\"]\n[storage]\ncache_coins = 0\n",
    );
    for part in [
        "did you mean `testnet`?",
        "`network.listen`",
        "`host`",
        "`b:0`",
        "`storage.cache_coins`",
    ] {
        assert!(error.contains(part), "{part} not in {error}");
    }
    assert!(!error.contains("`a:1`") && !error.contains("[::1]:5"), "{error}");
}

#[test]
fn paths_in_a_file_are_relative_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let loaded = load(&file(
        dir.path(),
        "data_dir = \".\"\n[network]\ngenesis = \"../genesis.toml\"\n",
    ))
    .unwrap();
    assert_eq!(loaded.config.data_dir, dir.path());
    assert_eq!(loaded.config.network.genesis, dir.path().join("../genesis.toml"));
    assert_eq!(loaded.data_dir().unwrap().keys(), dir.path().join("keys"));
}

#[test]
fn the_file_of_a_data_directory_is_found_by_flag_or_variable() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(CONFIG_FILE), "[mempool]\ntxs_max = 77\n").unwrap();
    let text = dir.path().to_string_lossy().into_owned();
    let by_flag = Sources {
        flags: vec![("data_dir", Value::String(text.clone()))],
        ..Sources::default()
    };
    assert_eq!(load(&by_flag).unwrap().config.mempool.txs_max, 77);
    let by_variable = Sources {
        environment: env(&[("TIMED_DATA_DIR", &text)]),
        ..Sources::default()
    };
    assert_eq!(load(&by_variable).unwrap().config.mempool.txs_max, 77);
}

#[test]
fn each_network_has_its_ports() {
    for (name, p2p, rpc) in [
        ("mainnet", 24000, 24001),
        ("testnet", 24100, 24101),
        ("devnet", 24200, 24201),
    ] {
        let mut config = Config::default();
        config.network.name = name.to_owned();
        assert_eq!(config.p2p_listen().unwrap().port(), p2p);
        assert_eq!(config.rpc_listen().unwrap().port(), rpc);
        assert!(config.rpc_listen().unwrap().ip().is_loopback());
        assert!(config.data_dir.as_os_str().is_empty());
    }
}

#[test]
fn suggestions_stay_within_two_slips() {
    let known = ["listen", "peers", "cache_coins"];
    assert_eq!(nearest("lsiten", known), Some("listen"));
    assert_eq!(nearest("cache-coins", known), Some("cache_coins"));
    assert_eq!(nearest("discovery", known), None);
}

#[test]
fn the_defaults_are_the_rooms_own() {
    let config = Config::default();
    assert_eq!(config.pool_limits(), crate::mempool::PoolLimits::default());
    assert_eq!(
        config.store_options().cache_coins,
        crate::storage::StoreOptions::default().cache_coins
    );
    assert!(config.rpc_config().is_some());
    let network = config.network_config().unwrap();
    assert_eq!(network, crate::network::NetworkConfig::new(network.listen));
}

const OF_THE_PAST: &str = "# mine\n[storage]\n  cache_utxos = 500 # few\ncache_mb = 64\n\n[telemetry]\nlevel = \"warn\"\nfile = true\n";

#[test]
fn keys_of_the_past_start_the_node_with_a_warning_that_names_the_new_ones() {
    let dir = tempfile::tempdir().unwrap();
    let mut sources = file(dir.path(), OF_THE_PAST);
    sources.environment = env(&[("TIMED_NETWORK__OUTBOUND_MAX", "8")]);
    let loaded = load(&sources).unwrap();
    assert_eq!(loaded.config.storage.cache_coins, 500);
    assert_eq!(loaded.config.telemetry.level, "warn");
    let all = loaded.warnings.join("\n");
    assert_eq!(loaded.warnings.len(), 4, "{all}");
    assert!(
        all.contains("`storage.cache_utxos` is now `storage.cache_coins`"),
        "{all}"
    );
    assert!(
        all.contains("timed config migrate") && all.contains("TIMED_NETWORK__OUTBOUND_MAX"),
        "{all}"
    );
    sources.environment = env(&[("TIMED_STORAGE__CACHE_UTXOS", "700")]);
    let loaded = load(&sources).unwrap();
    assert_eq!(loaded.config.storage.cache_coins, 700);
    assert!(
        loaded.warnings[0].contains("TIMED_STORAGE__CACHE_COINS"),
        "{:?}",
        loaded.warnings
    );
}

#[test]
fn a_migrated_file_says_the_same_in_words_of_today() {
    let dir = tempfile::tempdir().unwrap();
    let found = migrated(OF_THE_PAST).unwrap();
    assert_eq!(
        found.text,
        "# mine\n[storage]\n  cache_coins = 500 # few\n# cache_mb = 64  # `storage.cache_mb` sets nothing any more: the database sizes its own cache\n\n[telemetry]\nlevel = \"warn\"\n# file = true  # `telemetry.file` sets nothing any more: the log file is always written, within telemetry.size_max_mb\n"
    );
    assert_eq!(
        found.changes.iter().map(|change| change.0).collect::<Vec<_>>(),
        [3, 4, 8]
    );
    let [before, after] =
        [OF_THE_PAST, found.text.as_str()].map(|text| load(&file(dir.path(), text)).unwrap());
    assert_eq!(before.config, after.config);
    assert!(after.warnings.is_empty(), "{:?}", after.warnings);
    // Once is enough, and the example is of today.
    assert!(migrated(&found.text).unwrap().changes.is_empty());
    assert!(migrated(EXAMPLE).unwrap().changes.is_empty());
}

#[test]
fn a_new_name_beside_its_old_one_has_the_last_word() {
    let text = "[storage]\ncache_coins = 200\ncache_utxos = 500\n";
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(
        load(&file(dir.path(), text)).unwrap().config.storage.cache_coins,
        200
    );
    let found = migrated(text).unwrap();
    assert_eq!(found.changes.len(), 1);
    assert_eq!(
        load(&file(dir.path(), &found.text))
            .unwrap()
            .config
            .storage
            .cache_coins,
        200
    );
}

#[test]
fn what_cannot_be_rewritten_by_lines_is_left_to_its_owner() {
    for text in [
        "storage = { cache_utxos = 500 }\n",
        "[telemetry]\n\"file\" = true\n",
        "[broken",
    ] {
        assert!(migrated(text).is_err(), "{text}");
    }
    let dotted = migrated("storage.cache_utxos = 5000\nstorage.cache_mb = 5\n").unwrap();
    assert!(
        dotted
            .text
            .starts_with("storage.cache_coins = 5000\n# storage.cache_mb"),
        "{}",
        dotted.text
    );
    // What only looks like a key is text.
    let text = "[node]\nmoniker = \"file = 1\"\n";
    assert!(migrated(text).unwrap().changes.is_empty());
}

#[test]
fn no_key_of_the_past_is_one_of_today_and_each_new_name_exists() {
    let table = toml::Table::try_from(Config::default()).unwrap();
    let is_known = |key: &str| {
        let (section, name) = key.split_once('.').unwrap();
        table.get(section).and_then(|section| section.get(name)).is_some()
    };
    for old in RETIRED {
        assert!(!is_known(old.key), "{}", old.key);
        assert!(old.now.is_none_or(is_known), "{old}");
    }
}

#[test]
fn a_node_keeps_enough_blocks_to_repair_itself_and_does_not_fetch_what_it_deletes() {
    let few = refusal("[storage]\nkeep_blocks = 999\n");
    assert!(
        few.contains("`storage.keep_blocks`: 999 is less than 1000"),
        "{few}"
    );
    let both = refusal("[storage]\nkeep_blocks = 1000\n[sync]\nbackfill = true\n");
    assert!(both.contains("sync.backfill"), "{both}");
    let dir = tempfile::tempdir().unwrap();
    let loaded = load(&file(dir.path(), "[storage]\nkeep_blocks = 1000\n")).unwrap();
    assert_eq!(loaded.config.store_options().flush.keep_blocks, 1_000);
}
