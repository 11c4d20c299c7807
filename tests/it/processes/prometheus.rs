//! A real Prometheus that scrapes a running network with the rules that the package ships.

use std::{
    fs,
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use timecoin::rpc::client::Client;

use super::net::{Net, limit};
use crate::ops::{ops, tool};

const ALL: [u16; 4] = [0, 1, 2, 3];
/// The alerts that a lost quorum has to raise.
const WANTED: [&str; 2] = ["TimedQuorumLost", "TimedChainStalled"];

/// A Prometheus of the test's own.
struct Prometheus {
    child: Child,
    client: Client,
    dir: tempfile::TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    /// Starts it on a free port of loopback. The rules are the shipped file as it is; only how often
    /// Prometheus scrapes and evaluates is set for a test.
    fn start(mut program: Command, net: &Net) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let targets: Vec<String> = ALL.map(|node| net.layout.http(node).to_string()).to_vec();
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\n\
             rule_files: [{rules:?}]\n\
             scrape_configs:\n\
             - job_name: timed\n  static_configs: [{{targets: {targets:?}}}]\n",
            rules = ops("alerts.yml"),
        );
        let file = dir.path().join("prometheus.yml");
        fs::write(&file, config).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let output = fs::File::create(dir.path().join("output")).unwrap();
        let child = program
            .arg(format!("--config.file={}", file.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                dir.path().join("data").display()
            ))
            .arg(format!("--web.listen-address={port}"))
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        Self {
            child,
            client: Client::new(&port.to_string()).unwrap(),
            dir,
        }
    }

    /// `data` of an answer of its API, once it answers.
    fn data(&self, net: &Net, path: &str) -> Option<Value> {
        let answer: Value = net.ask(self.client.get(path))?;
        (answer["status"] == "success").then(|| answer["data"].clone())
    }

    /// Names of the alerts in `state`, with the instances that raise them.
    fn alerts(&self, net: &Net, state: &str) -> Vec<(String, String)> {
        let data = self.data(net, "/api/v1/alerts").unwrap_or_default();
        let alerts = data["alerts"].as_array().cloned().unwrap_or_default();
        let of = |alert: &Value, label: &str| alert["labels"][label].as_str().unwrap_or("").to_owned();
        alerts
            .iter()
            .filter(|alert| alert["state"] == state)
            .map(|alert| (of(alert, "alertname"), of(alert, "instance")))
            .collect()
    }

    /// Waits until `holds`, and tells how long that took.
    fn wait(&self, net: &Net, what: &str, limit: Duration, mut holds: impl FnMut(&Self) -> bool) -> Duration {
        let started = Instant::now();
        while !holds(self) {
            assert!(
                started.elapsed() < limit,
                "{what}: not within {limit:?}; firing {:?}, pending {:?}\n{}",
                self.alerts(net, "firing"),
                self.alerts(net, "pending"),
                fs::read_to_string(self.dir.path().join("output")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
        started.elapsed()
    }
}

fn targets_up(prometheus: &Prometheus, net: &Net) -> usize {
    let data = prometheus.data(net, "/api/v1/targets").unwrap_or_default();
    let targets = data["activeTargets"].as_array().cloned().unwrap_or_default();
    targets
        .iter()
        .filter(|target| target["health"] == "up" && target["lastError"] == "")
        .count()
}

#[test]
#[ignore = "waits for the `for: 1m` of the shipped rules, about two minutes: PATH=$PATH:DIR-OF-PROMETHEUS cargo test --test it -- --ignored prometheus"]
fn two_of_four_stopped_page_somebody_and_their_return_calls_it_off() {
    let Some(program) = tool("prometheus") else { return };
    let mut net = Net::started(4);
    net.wait_height(&ALL, 2, limit(20));
    let prometheus = Prometheus::start(program, &net);
    prometheus.wait(&net, "all four are scraped", limit(30), |prometheus| {
        targets_up(prometheus, &net) == ALL.len()
    });
    prometheus.wait(
        &net,
        "every rule is loaded and evaluates",
        limit(30),
        |prometheus| {
            let data = prometheus.data(&net, "/api/v1/rules").unwrap_or_default();
            let groups = data["groups"].as_array().cloned().unwrap_or_default();
            let rules: Vec<Value> = groups
                .iter()
                .flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default())
                .collect();
            let bad: Vec<&Value> = rules.iter().filter(|rule| rule["health"] == "err").collect();
            assert!(bad.is_empty(), "{bad:?}");
            rules.len() > 30 && rules.iter().all(|rule| rule["health"] == "ok")
        },
    );
    for state in ["pending", "firing"] {
        let early = prometheus.alerts(&net, state);
        assert!(
            !early.iter().any(|(name, _)| WANTED.contains(&name.as_str())),
            "{early:?}"
        );
    }

    for node in [2, 3] {
        let (_, code) = net.stop(node);
        assert_eq!(code, Some(0), "node{node}");
    }
    // On each of the two that are left: ten base timeouts and the minute that the rules ask for.
    let left: Vec<String> = [0, 1].map(|node| net.layout.http(node).to_string()).to_vec();
    let took = prometheus.wait(&net, "both alerts fire", Duration::from_secs(240), |prometheus| {
        let firing = prometheus.alerts(&net, "firing");
        WANTED.iter().all(|wanted| {
            left.iter().all(|instance| {
                firing
                    .iter()
                    .any(|(name, from)| name == wanted && from == instance)
            })
        })
    });
    println!("both fired after {} s", took.as_secs());
    assert!(
        took >= Duration::from_secs(60),
        "nothing was shortened, yet {took:?}"
    );

    for node in [2, 3] {
        net.start(node);
    }
    let took = prometheus.wait(&net, "both alerts end", limit(60), |prometheus| {
        let still = prometheus.alerts(&net, "firing");
        !still.iter().any(|(name, _)| WANTED.contains(&name.as_str()))
    });
    println!("and ended after {} s", took.as_secs());
}
