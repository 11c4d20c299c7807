//! Wallets from a shell: payments in a row, what waits and what can be spent, several keys, and the history
//! that comes to the balance.

use std::path::Path;

use serde_json::Value;
use timecoin::{
    chain::{Address, Network, UNITS_PER_TIME},
    crypto::SecretKey,
    signer::WalletFile,
};

use super::net::{Net, run_timed};

/// Runs `timed … --rpc URL [--json]` and gives what it printed.
fn timed(net: &Net, what: &[&str]) -> String {
    let url = net.layout.url(0);
    let (code, out, errors) = run_timed(&[what, &["--rpc", &url]].concat());
    assert_eq!(code, 0, "{what:?}: {errors}");
    out.trim().to_owned()
}

fn json(net: &Net, what: &[&str]) -> Value {
    serde_json::from_str(&timed(net, &[what, &["--json"]].concat())).unwrap()
}

/// A wallet file with a key of its own; its path and address.
fn wallet(dir: &Path, seed: u8) -> (String, String) {
    let path = dir.join(format!("{seed}.key.json"));
    let key = SecretKey::from_seed(&[seed; 32]);
    let address = Address::of(&key.public_key()).to_text(Network::Devnet);
    WalletFile::create(&path, &key, "devnet", &address).unwrap();
    (path.display().to_string(), address)
}

fn send(net: &Net, wallets: &[&str], to: &str, amount: &str, more: &[&str]) -> String {
    let mut what = vec!["tx", "send", "--to", to, "--amount", amount];
    for wallet in wallets {
        what.extend(["--wallet", *wallet]);
    }
    timed(net, &[&what, more].concat())
}

fn amount(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no amount: {value}"))
}

#[test]
fn payments_in_a_row_spend_different_money_and_the_history_comes_to_the_balance() {
    let mut net = Net::started(4);
    let dir = tempfile::tempdir().unwrap();
    let (first, first_address) = wallet(dir.path(), 1);
    let (second, second_address) = wallet(dir.path(), 2);
    let rich = net.layout.wallet(0).display().to_string();
    // One coin for the first wallet; then nothing becomes final for a while.
    send(&net, &[&rich], &first_address, "10", &["--wait-final"]);
    net.stop(2);
    net.stop(3);
    let paid: Vec<String> = ["1", "2"]
        .iter()
        .map(|amount| send(&net, &[&first], &second_address, amount, &[]))
        .collect();
    assert_ne!(paid[0], paid[1]);
    let balance = json(&net, &["wallet", "balance", "--wallet", &first]);
    let total = &balance["total"];
    assert_eq!(amount(&total["amount"]), 10 * UNITS_PER_TIME);
    assert_eq!(amount(&total["pending_out"]), 10 * UNITS_PER_TIME);
    assert_eq!(amount(&total["spendable"]), 0);
    let change = amount(&total["pending_in"]);
    assert!(
        (6 * UNITS_PER_TIME..7 * UNITS_PER_TIME).contains(&change),
        "{change}"
    );
    let text = timed(&net, &["wallet", "utxos", "--wallet", &first]);
    assert!(
        text.contains(", spent by ") && text.contains("unconfirmed"),
        "{text}"
    );
    let owned = json(
        &net,
        &["wallet", "utxos", "--wallet", &first, "--wallet", &second],
    );
    assert_eq!(owned["addresses"][0]["utxos"][0]["spent_by"], paid[0].as_str());
    // Whoever leads proposes it, and two of four decide nothing.
    let state = owned["addresses"][0]["utxos"][0]["state"].as_str().unwrap();
    assert!(["locked", "proposed"].contains(&state), "{state}");
    assert_eq!(owned["addresses"][1]["pending"].as_array().unwrap().len(), 2);
    // What others pay is not ours before it is final.
    let url = net.layout.url(0);
    let (code, _, errors) = run_timed(&[
        "tx",
        "send",
        "--to",
        &first_address,
        "--amount",
        "2.5",
        "--wallet",
        &second,
        "--rpc",
        &url,
    ]);
    assert!(code != 0 && errors.contains("on their way"), "{errors}");

    net.start(2);
    net.start(3);
    for txid in &paid {
        timed(&net, &["tx", "show", txid, "--wait-final"]);
    }
    // Both wallets together pay what neither has.
    send(&net, &[&second, &first], &first_address, "8", &["--wait-final"]);
    let both = ["--wallet", first.as_str(), "--wallet", second.as_str()];
    let owned = amount(&json(&net, &[&["wallet", "balance"], &both[..]].concat())["total"]["amount"]);
    let history = json(&net, &[&["wallet", "history"], &both[..]].concat());
    assert_eq!(amount(&history["balance"]), owned);
    let entries = history["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 4);
    assert_eq!(amount(&entries[0]["balance"]), owned);
    let (oldest, fees) = (
        &entries[3],
        entries.iter().filter_map(|entry| entry["fee"].as_u64()),
    );
    assert_eq!(amount(&oldest["balance"]), 10 * UNITS_PER_TIME);
    assert_eq!(owned, 10 * UNITS_PER_TIME - fees.sum::<u64>());
    let text = timed(
        &net,
        &["wallet", "history", "--address", &second_address, "--limit", "2"],
    );
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(text.lines().nth(1).unwrap().contains(" transfer "), "{text}");
    let older = timed(
        &net,
        &["wallet", "history", "--address", &second_address, "--skip", "2"],
    );
    assert!(older.lines().count() == 2 && older.contains("+1 "), "{older}");

    let (txid, index) = (entries[3]["txid"].as_str().unwrap(), 0);
    let output = net
        .ask(net.client(0).output(txid.parse().unwrap(), index))
        .unwrap();
    assert_eq!(serde_json::to_value(output.state).unwrap(), "spent");
    // All nodes tell the same supply, wherever one asks.
    let supply = net.status(0).supply.unwrap();
    assert!(supply >= net.genesis().supply().units());
    assert!(timed(&net, &["status"]).contains("supply      "));
    assert!(net.metric(0, "timed_supply_coins") > 0.0);
    net.check(&[0, 1, 2, 3]);
}
