//! SIGHUP on a real node: what can change changes, and a configuration that is wrong changes nothing.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use super::net::{Net, limit, run_timed};

#[test]
fn sighup_reloads_peers_and_log_filter_and_refuses_what_is_invalid() {
    let mut net = Net::new(2);
    // Neither knows the other's address at first.
    for node in 0..2 {
        net.edit_config(node, |config| {
            config["network"]["peers"] = toml::Value::Array(Vec::new());
        });
    }
    net.start_all();
    assert_eq!(net.status(0).peers, 0);
    let pid = Pid::from_raw(net.node(0).pid().unwrap().try_into().unwrap()).unwrap();
    let whole = fs::read_to_string(net.layout.config(0)).unwrap();

    fs::write(net.layout.config(0), "[network]\npears = []\n").unwrap();
    kill_process(pid, Signal::HUP).unwrap();
    net.wait("the wrong one is refused", limit(20), |net| {
        net.log(0).contains("configuration not reloaded")
    });

    fs::write(net.layout.config(0), whole).unwrap();
    let other = net.layout.p2p(1).to_string();
    net.edit_config(0, |config| {
        config["network"]["peers"] = toml::Value::Array(vec![other.into()]);
        let telemetry = config
            .entry("telemetry")
            .or_insert_with(|| toml::Table::new().into());
        telemetry
            .as_table_mut()
            .unwrap()
            .insert("level".to_owned(), "info,timecoin::network=debug".into());
    });
    kill_process(pid, Signal::HUP).unwrap();
    net.wait("the new peer is connected", limit(20), |net| {
        net.status(0).peers == 1
    });
    net.wait("it is said", limit(20), |net| {
        net.log(0).contains("SIGHUP: configuration reloaded")
    });
    let dir = net.layout.node_dir(0);
    let (code, level, err) = run_timed(&["log", "level", "--data-dir", dir.to_str().unwrap()]);
    assert_eq!((code, level.trim()), (0, "info,timecoin::network=debug"), "{err}");
    net.wait_height(&[0, 1], 1, limit(20));
}
