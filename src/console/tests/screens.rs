//! Whatever the size, whatever peers call themselves: a frame is drawn and steers no terminal.

use std::sync::Arc;

use super::{
    super::{
        fixture,
        key::Key,
        keymap::{KEYMAP, Screen, is_in_force},
        model::Model,
        theme::{Depth, Theme, ThemeName},
    },
    draw, frame, press, show, text,
};
use crate::control::{BackfillStatus, LogLevel, PeerRow, Status, words::printable};

const HOSTILE: &[&str] = &[
    "\u{1b}[2J\u{1b}]0;owned\u{7}",
    "\u{9b}31m\u{90}q",
    "節点節点節点節点節点節点節点節点節点節点節点節点節点節点",
    "\u{202e}gnp.exe\u{202d}\u{2066}",
    "a\u{300}\u{301}\u{302}\u{303}\u{304}\u{305}",
    "👩‍👩‍👧‍👦🏳️‍🌈",
    "\0\r\n\t\u{8}\u{7f}",
    "",
];

fn hostile() -> Status {
    let mut status = fixture::voting();
    let long = "x".repeat(300);
    let name = |n: usize| match HOSTILE.get(n) {
        Some(text) => (*text).to_owned(),
        None => long.clone(),
    };
    let consensus = Arc::make_mut(&mut status.consensus);
    for (n, row) in consensus.validators.iter_mut().enumerate() {
        row.name = name(n);
    }
    consensus.waiting_for = name(99);
    consensus.hint = name(0);
    let node = Arc::make_mut(&mut status.node);
    node.name = name(2);
    node.address = Some(name(1));
    node.network = name(0);
    let peers = Arc::make_mut(&mut status.peers);
    let template = peers.rows[0].clone();
    peers.rows = (0..300)
        .map(|n| PeerRow {
            id: fixture::key((n % 200) as u8),
            name: Some(name(n % 10)),
            agent: name(n % 9),
            address: name(n % 8),
            capabilities: vec![name(n % 7)],
            rtt_ms: Some(u32::MAX),
            rx_rate: u64::MAX / 2,
            tx_rate: u64::MAX / 2,
            ..template.clone()
        })
        .collect();
    let chain = Arc::make_mut(&mut status.chain);
    chain.height = u64::MAX;
    chain.finality_ms = vec![u32::MAX, 0, 1];
    for block in &mut chain.last_blocks {
        block.proposer = name(3);
        block.size_bytes = u64::MAX;
    }
    let pool = Arc::make_mut(&mut status.mempool);
    pool.txs = u64::MAX;
    pool.bytes = u64::MAX;
    pool.bytes_max = 1;
    pool.in_history = vec![u32::MAX; 60];
    status
}

fn models(size: (u16, u16)) -> Vec<Model> {
    [
        fixture::healthy(),
        fixture::halted(),
        fixture::empty(),
        fixture::syncing(),
        hostile(),
    ]
    .into_iter()
    .map(|status| {
        let mut model = fixture::model(status, size);
        for (seq, evil) in HOSTILE.iter().enumerate() {
            let line = fixture::line(200 + seq as u64, LogLevel::Error, evil, evil, evil);
            model.live.logs.push_back(line);
        }
        model
    })
    .collect()
}

#[test]
fn every_size_is_drawn() {
    let night = Theme::new(ThemeName::Night, Depth::TrueColour);
    let widths = [
        1, 2, 3, 4, 5, 7, 11, 19, 24, 39, 40, 41, 59, 60, 61, 79, 80, 99, 100, 101, 131, 220,
    ];
    let heights = [1, 2, 3, 4, 5, 7, 9, 10, 19, 20, 21, 24, 29, 30, 36, 50, 70];
    for width in widths {
        for height in heights {
            // The hostile one always, the others in turn: one size differs little from the next.
            for (n, mut model) in models((width, height)).into_iter().enumerate() {
                if n < 4 && !(usize::from(width + height) + n).is_multiple_of(4) {
                    continue;
                }
                for screen in Screen::ALL {
                    show(&mut model, screen);
                    draw(&model, &night, false);
                }
            }
        }
    }
}

#[test]
fn overlays_are_drawn_at_every_size() {
    for size in [(1, 1), (4, 3), (12, 5), (40, 10), (60, 20), (80, 24), (220, 70)] {
        for keys in [
            vec![Key::Char('?')],
            vec![Key::Char('q')],
            vec![Key::Char('q'), Key::Char('s')],
            vec![Key::Char('2'), Key::Enter],
            vec![Key::Char('3'), Key::Enter],
            vec![Key::Char('3'), Key::Char('D')],
            vec![Key::Char('6'), Key::Char('L')],
            vec![Key::Char('6'), Key::Char('/'), Key::Char('x')],
        ] {
            for mut model in models(size) {
                for key in &keys {
                    press(&mut model, *key);
                }
                frame(&model);
            }
        }
    }
}

#[test]
fn no_cell_holds_what_could_steer_a_terminal() {
    for mut model in models((120, 36)) {
        for screen in Screen::ALL {
            show(&mut model, screen);
            for cell in &frame(&model).content {
                assert_eq!(printable(cell.symbol()), cell.symbol());
            }
        }
    }
}

#[test]
fn the_ascii_set_is_ascii() {
    let night = Theme::new(ThemeName::Night, Depth::TrueColour);
    for mut model in models((120, 36)) {
        for screen in Screen::ALL {
            show(&mut model, screen);
            for cell in &draw(&model, &night, true).content {
                assert!(cell.symbol().is_ascii(), "{:?}", cell.symbol());
            }
        }
        press(&mut model, Key::Char('?'));
        let help = text(&draw(&model, &night, true));
        assert!(help.is_ascii());
    }
    // What the console itself draws has a twin; only text of others may become a question mark.
    let mut model = fixture::model(fixture::voting(), (120, 36));
    for screen in Screen::ALL {
        show(&mut model, screen);
        let drawn = text(&draw(&model, &night, true));
        assert!(!drawn.replace("? help", "").contains('?'), "{drawn}");
    }
}

#[test]
fn help_shows_every_key_of_its_screen() {
    for screen in Screen::ALL {
        let mut model = fixture::model(fixture::healthy(), (120, 60));
        show(&mut model, screen);
        press(&mut model, Key::Char('?'));
        let drawn = text(&frame(&model));
        for binding in KEYMAP.iter().filter(|binding| binding.scope.holds(screen)) {
            // A key that means something else here is told with that meaning only.
            if !is_in_force(binding, screen, false) {
                continue;
            }
            let start: String = binding.help.chars().take(24).collect();
            assert!(drawn.contains(&start), "{}: {start}\n{drawn}", screen.name());
        }
    }
}

#[test]
fn the_footer_always_names_help_and_the_way_out() {
    for width in [60, 80, 120, 200] {
        for screen in Screen::ALL {
            let mut model = fixture::model(fixture::healthy(), (width, 36));
            show(&mut model, screen);
            let drawn = text(&frame(&model));
            let last = drawn.lines().last().unwrap();
            assert!(last.contains("? help") && last.contains("q leave"), "{last}");
        }
    }
}

#[test]
fn stale_data_looks_stale() {
    let mut model = fixture::model(fixture::healthy(), (120, 36));
    model.live.now.mono_ms += 4_000;
    let drawn = text(&frame(&model));
    assert!(drawn.contains("stale 4.0 s"), "{drawn}");
    assert!(drawn.contains("? VALIDATING"), "{drawn}");
    assert!(
        drawn.contains("no word from the node for 4.0 s; what is shown is old"),
        "{drawn}"
    );
    model.size = (40, 10);
    let card = text(&frame(&model));
    assert!(card.contains("? VALIDATING"), "{card}");
    assert!(
        card.lines()
            .last()
            .unwrap()
            .contains("no word from the node for 4.0 s"),
        "{card}"
    );
}

#[test]
fn ten_thousand_hostile_peers_are_drawn_at_every_size() {
    let mut status = hostile();
    let peers = Arc::make_mut(&mut status.peers);
    let rows: Vec<PeerRow> = peers.rows.iter().cycle().take(10_000).cloned().collect();
    peers.rows = rows;
    let night = Theme::new(ThemeName::Night, Depth::TrueColour);
    let mut model = fixture::model(status, (1, 1));
    model.screen = Screen::Peers;
    for size in [(1, 1), (40, 10), (60, 20), (80, 24), (120, 36), (220, 70)] {
        model.size = size;
        draw(&model, &night, false);
        press(&mut model, Key::Char('s'));
        press(&mut model, Key::Char('G'));
    }
}

#[test]
fn only_what_is_shown_is_sorted_and_it_is_sorted_right() {
    let mut status = fixture::healthy();
    let peers = Arc::make_mut(&mut status.peers);
    let template = peers.rows[0].clone();
    peers.rows = (0..200_u8)
        .map(|n| PeerRow {
            id: fixture::key(n),
            name: Some(format!("peer-{:03}", u32::from(n) * 77 % 200)),
            ..template.clone()
        })
        .collect();
    let mut model = fixture::model(status, (120, 36));
    model.screen = Screen::Peers;
    let names = |model: &Model| -> Vec<String> {
        let drawn = text(&frame(model));
        let rows = drawn.lines().filter_map(|line| {
            let at = line.find("peer-")?;
            let is_row = line.starts_with(['┃', '│']) && line.contains(" in ");
            is_row.then(|| line[at..at + 8].to_owned())
        });
        rows.collect()
    };
    let top = names(&model);
    assert!(
        top.len() > 5 && top[0] == "peer-000" && top.is_sorted(),
        "{top:?}"
    );
    press(&mut model, Key::Char('G'));
    let bottom = names(&model);
    assert!(bottom.contains(&"peer-199".to_owned()), "{bottom:?}");
    press(&mut model, Key::Char('S'));
    let reversed = names(&model);
    assert!(
        reversed.contains(&"peer-199".to_owned()),
        "the cursor stays on its peer: {reversed:?}"
    );
}

#[test]
fn a_full_table_of_peers_is_quick() {
    let mut status = fixture::healthy();
    let peers = Arc::make_mut(&mut status.peers);
    let template = peers.rows[0].clone();
    peers.rows = (0..10_000_u32)
        .map(|n| PeerRow {
            name: Some(format!("peer-{n}")),
            rtt_ms: Some(n % 977),
            ..template.clone()
        })
        .collect();
    let mut model = fixture::model(status, (200, 60));
    model.screen = Screen::Peers;
    press(&mut model, Key::Char('s'));
    let begun = std::time::Instant::now();
    for _ in 0..5 {
        frame(&model);
    }
    // Unoptimised and on a busy machine; the release bench has the real limit.
    assert!(begun.elapsed().as_millis() < 2_500, "{:?}", begun.elapsed());
}

#[test]
fn devnets_of_any_number_of_nodes_are_drawn() {
    for nodes in [1_usize, 2, 9, 13, 14, 16, 31, 50] {
        let mut fleet = fixture::fleet();
        let one = fleet.nodes[1].clone();
        fleet.nodes.truncate(nodes);
        fleet.nodes.resize(nodes, one);
        if nodes > 4 {
            let link = fleet.links[0];
            fleet.links = vec![link; nodes * (nodes - 1) / 2];
        }
        for size in [
            (1, 1),
            (40, 10),
            (60, 20),
            (80, 24),
            (100, 30),
            (120, 36),
            (220, 70),
        ] {
            let mut model = fixture::model(fixture::healthy(), size);
            model.fleet = Some(Arc::new(fleet.clone()));
            model.screen = Screen::Devnet;
            let drawn = text(&frame(&model));
            if nodes == 16 && size == (80, 24) {
                assert!(drawn.contains("120 links, too many"), "{drawn}");
            }
        }
    }
}

/// A column that has no room is left out; one that is there is there whole.
#[test]
fn the_table_of_peers_is_as_wide_as_its_columns() {
    for width in 60..=220 {
        let mut model = fixture::model(fixture::healthy(), (width, 36));
        model.screen = Screen::Peers;
        let drawn = text(&frame(&model));
        let head = drawn
            .lines()
            .find(|line| line.contains("peer ") && line.contains("height"));
        let head = head.unwrap().trim_end_matches(['│', '┃', ' ']);
        assert!(
            head.ends_with("role") || head.ends_with("  up"),
            "{width}: {head}"
        );
    }
}

#[test]
fn the_sync_screen_says_how_far_old_blocks_are_here_and_what_they_wait_for() {
    let mut status = fixture::healthy();
    Arc::make_mut(&mut status.chain).height = 10_000;
    let lacking = BackfillStatus {
        lowest: 1_878,
        waits_for: "a peer that has block 1 877".to_owned(),
    };
    let line = "backfill 8 123 of 10 000, waits for a peer that has block 1 877";
    for size in [(120, 36), (80, 24)] {
        let mut model = fixture::model(status.clone(), size);
        show(&mut model, Screen::Sync);
        let drawn = text(&frame(&model));
        assert!(!drawn.contains("backfill"), "nothing was asked for:\n{drawn}");
        let mut status = status.clone();
        Arc::make_mut(&mut status.sync).backfill = Some(lacking.clone());
        let mut model = fixture::model(status, size);
        show(&mut model, Screen::Sync);
        let drawn = text(&frame(&model));
        assert!(drawn.contains(line), "{size:?}:\n{drawn}");
    }
}
