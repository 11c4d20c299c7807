//! Sessions, as people see them.

use super::*;

#[test]
fn dos_36_whatever_a_peer_calls_itself_no_control_character_is_shown() {
    let fixture = Fixture::new(4);
    let mut inputs = fixture.inputs(fixture.view(), 0);
    let mut loud = peer(1, 24_200);
    // Every control character there is, and what turns text around.
    loud.user_agent = (0..0xa0u32)
        .filter_map(char::from_u32)
        .chain(['\u{202e}', '\u{2066}', '\u{200b}'])
        .collect();
    inputs.peers = vec![loud];
    let twin = inputs.peers[0].node_id;
    inputs.twins = vec![twin];
    let status = fixture.builder().build(inputs);
    let shown = serde_json::to_string(&status.peers.rows).unwrap();
    assert!(
        !shown.contains("\\u00") && shown.chars().all(|c| !c.is_control()),
        "{shown}"
    );
    assert!(shown.contains("ABC"), "what is harmless is kept: {shown}");
    assert!(!shown.contains(['\u{202e}', '\u{2066}']), "{shown}");
    // A key in use twice is an alarm that names it.
    let alarm = status
        .alarms
        .iter()
        .find(|alarm| alarm.kind == crate::control::AlarmKind::NodeKeyTwice)
        .expect("it is told");
    assert!(alarm.text.contains(&twin.short()), "{}", alarm.text);
}

#[test]
fn sessions_show_rates_and_who_is_missing() {
    let fixture = Fixture::new(4);
    let mut builder = fixture.builder();
    let mut inputs = fixture.inputs(fixture.view(), 0);
    inputs.peers = vec![peer(1, 24_200), peer(2, 24_202), peer(3, 40_000)];
    inputs.peers[2].direction = wire::Direction::Inbound;
    inputs.peers[2].listen_address = Some(([127, 0, 0, 1], 24_204).into());
    inputs.peers.push(peer(4, 50_000));
    inputs.peers[3].direction = wire::Direction::Inbound;
    inputs.dialled = [
        "127.0.0.1:24200",
        "localhost:24202",
        "127.0.0.1:24204",
        "seed.example:24100",
    ]
    .iter()
    .map(|text| (text.parse().unwrap(), None))
    .collect();
    // Behind a proxy only the handshake tells who is there.
    let behind_proxy = Some(inputs.peers[3].node_id);
    inputs
        .dialled
        .push(("127.0.0.1:36139".parse().unwrap(), behind_proxy));
    let (peers, dialled) = (inputs.peers.clone(), inputs.dialled.clone());
    let status = builder.build(inputs);
    assert_eq!(status.peers.missing, ["seed.example:24100"]);
    assert_eq!(
        (status.peers.inbound, status.peers.outbound, status.peers.max),
        (2, 2, 10)
    );
    assert_eq!(status.peers.clock_offset_ms, Some(3));
    let row = &status.peers.rows[0];
    assert_eq!(row.agent, "timed/0.1[31m", "no control characters");
    assert_eq!(row.capabilities, ["full", "tx relay"]);
    assert_eq!((row.rtt_ms, row.rx_rate), (Some(2), 0));
    let connected = row.connected_mono_ms;

    let mut inputs = fixture.inputs(fixture.view(), 2_000);
    inputs.peers = peers;
    inputs.dialled = dialled;
    inputs.peers[0].rx_bytes = 4_096;
    inputs.peers[0].connected_ms = 2_003;
    let status = builder.build(inputs);
    assert_eq!(status.peers.rows[0].rx_rate, 2_048);
    assert_eq!(
        status.peers.rows[0].connected_mono_ms, connected,
        "it does not flicker"
    );
}

#[test]
fn who_cannot_be_dialled_is_told_where_it_was_tried() {
    let fixture = Fixture::new(4);
    let mut inputs = fixture.inputs(fixture.view(), 0);
    let address = "203.0.113.7:24100".parse().unwrap();
    inputs.reachability = crate::wire::Reachability::NotReached { address, asked: 2 };
    let warnings = fixture.builder().build(inputs).node.warnings.clone();
    assert!(
        warnings
            .iter()
            .any(|warning| warning.contains("203.0.113.7:24100 (2 peers tried)")),
        "{warnings:?}"
    );
}
