//! A halt height: all stand still at one block, serve it to whoever comes late, and go on from there.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use super::net::{Net, TIMED, limit};

const ALL: [u16; 4] = [0, 1, 2, 3];
const HALT: u64 = 6;

fn halt_at(net: &Net, height: Option<u64>) {
    for node in ALL {
        net.edit_config(node, |config| {
            let section = config.entry("node").or_insert_with(|| toml::Table::new().into());
            let section = section.as_table_mut().unwrap();
            match height {
                Some(height) => drop(section.insert("halt_height".to_owned(), (height as i64).into())),
                None => drop(section.remove("halt_height")),
            }
        });
    }
}

fn stands(net: &Net, node: u16) -> bool {
    net.try_status(node).is_some_and(|status| {
        status.height == HALT && !status.signing && status.signing_reason.contains("halt height reached")
    })
}

#[test]
fn all_stand_still_at_the_halt_height_serve_it_and_go_on_when_told() {
    let mut net = Net::with(4, |params| params.block_interval_ms = 300);
    halt_at(&net, Some(HALT));
    let (late, first) = (3, [0, 1, 2]);
    for node in first {
        net.node(node).start().unwrap();
    }
    for node in first {
        net.start(node);
    }
    net.wait("three stand at the halt height", limit(20), |net| {
        first.iter().all(|node| stands(net, *node))
    });
    net.start(late);
    net.wait("the fourth comes to it, and no further", limit(20), |net| {
        stands(net, late)
    });

    // There is work, and nobody does it.
    let (bytes, txid) = net.transfer();
    assert_eq!(net.ask(net.client(0).submit(&bytes)), Some(txid));
    let mut watch = Command::new(TIMED)
        .args(["status", "--watch=250ms", "--json", "--config"])
        .arg(net.layout.config(0))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    for line in lines.take(8) {
        let seen: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        assert_eq!(seen["status"]["height"], HALT, "{seen}");
        assert_eq!(
            (&seen["health"]["live"], &seen["health"]["ready"]),
            (&true.into(), &false.into())
        );
    }
    // Nobody reads it any more: that ends it, in order.
    assert!(watch.wait().unwrap().success());
    for node in ALL {
        assert_eq!(net.health_status(node), Some(200), "a restart would help nobody");
        assert!(net.block(node, HALT).is_some() && net.block(node, HALT + 1).is_none());
        let warned = net.status(node).warnings;
        assert!(
            warned
                .iter()
                .any(|warning| warning.contains("halts after block 6")),
            "{warned:?}"
        );
    }
    for node in ALL {
        assert_eq!(net.stop(node).1, Some(0));
    }
    net.check_logs();
    halt_at(&net, None);
    net.start_all();
    net.wait("the transaction that waited is final", limit(20), |net| {
        net.is_final(2, txid)
    });
    net.wait_height(&ALL, HALT + 2, limit(20));
    net.check_again(&ALL);
    net.check_no_evidence(&ALL);
    for node in ALL {
        net.stop(node);
    }
    net.check_logs();
}
