//! Consoles that look through a socket, at several nodes, or at a recording.

use std::sync::Arc;

use super::{
    super::{
        Outcome, fixture,
        key::Key,
        keymap::{self, KEYMAP, REPLAY},
        model::{Model, Overlay},
        nodes,
        replay::{Replay, ReplayAct},
        session::{Link, Lost, Through},
        source::Source,
        update::{Effect, Msg, update},
        vm,
    },
    frame, text,
};
use crate::{
    control::{AlarmKind, Batch, Event, EventKind, Moment, Severity, Status},
    recorder::{self, Mark, Moments, Recording},
};

fn press(model: &mut Model, keys: &[Key]) -> Vec<Effect> {
    keys.iter().flat_map(|key| super::press(model, *key)).collect()
}

fn attached() -> Model {
    let mut model = fixture::model(fixture::voting(), (120, 36));
    model.session.through = Through::Socket;
    let link = Link::Up {
        read_only: false,
        me: "socket op #1".to_owned(),
    };
    update(&mut model, Msg::Link(link));
    model
}

fn lost() -> Lost {
    Lost {
        for_s: 12,
        retry_s: 2,
        reason: "the connection broke".to_owned(),
    }
}

fn done_by(seq: u64, caller: &str) -> Msg {
    let event = Event {
        seq,
        at: Moment::default(),
        kind: EventKind::Command {
            caller: caller.to_owned(),
            command: "ban mn-07".to_owned(),
            outcome: "done".to_owned(),
        },
    };
    Msg::Events(Batch {
        items: vec![event],
        missed: 0,
        next: seq + 1,
    })
}

#[test]
fn leaving_an_attached_console_asks_nothing() {
    for key in [Key::Char('q'), Key::Ctrl('c')] {
        let effects = press(&mut attached(), &[key]);
        assert_eq!(effects, [Effect::Exit(Outcome::Detached)]);
    }
    assert_eq!(press(&mut attached(), &[Key::Ctrl('z')]), [Effect::Suspend]);
    let mut inside = fixture::model(fixture::voting(), (120, 36));
    assert_eq!(press(&mut inside, &[Key::Char('q')]), []);
    assert!(matches!(inside.overlay, Some(Overlay::Leave { .. })));
    assert_eq!(press(&mut inside, &[Key::Ctrl('z')]), []);
}

#[test]
fn where_nothing_can_be_changed_no_key_asks_for_it() {
    let read_only = |model: &mut Model| model.session.read_only = true;
    let recording = |model: &mut Model| model.session.through = Through::Recording;
    let gone = |model: &mut Model| model.session.lost = Some(lost());
    let cases: [&dyn Fn(&mut Model); 3] = [&read_only, &recording, &gone];
    for prepare in cases {
        for binding in KEYMAP {
            for key in binding.keys {
                let mut model = attached();
                prepare(&mut model);
                if let keymap::Scope::On(screens) = binding.scope {
                    model.screen = screens[0];
                }
                let mut effects = press(&mut model, &[*key]);
                if !matches!(model.overlay, None | Some(Overlay::Help { .. })) {
                    effects.extend(press(&mut model, &[Key::Char('y'), Key::Tab, Key::Enter]));
                }
                let asks = effects.iter().any(|effect| matches!(effect, Effect::Command(..)));
                assert!(!asks, "{} sent a command", binding.label);
            }
        }
    }
}

#[test]
fn a_lost_link_is_told_and_the_last_frame_stays() {
    let mut model = attached();
    update(&mut model, Msg::Link(Link::Down(lost())));
    let screen = text(&frame(&model));
    assert!(screen.contains("✖ disconnected 12 s, retry in 2 s"), "{screen}");
    assert!(screen.contains("Round"), "{screen}");
    press(&mut model, &[Key::Char('3')]);
    assert!(text(&frame(&model)).contains("Peers"), "input is not live");
    let link = Link::Up {
        read_only: true,
        me: String::new(),
    };
    update(&mut model, Msg::Link(link));
    let screen = text(&frame(&model));
    assert!(!screen.contains("disconnected"), "{screen}");
    assert!(
        screen.contains("connected again") && screen.contains("read only"),
        "{screen}"
    );
}

#[test]
fn what_others_do_is_told_and_ones_own_is_not() {
    let toasts = |model: &Model| {
        model
            .toasts
            .iter()
            .map(|toast| toast.text.clone())
            .collect::<Vec<_>>()
    };
    let mut model = attached();
    model.live.events.clear();
    // From before the console was opened.
    update(&mut model, done_by(0, "socket other #2"));
    assert_eq!(toasts(&model), Vec::<String>::new());
    update(&mut model, done_by(1, "socket op #1"));
    assert_eq!(toasts(&model), Vec::<String>::new());
    update(&mut model, done_by(2, "socket other #2"));
    assert_eq!(toasts(&model), ["socket other #2: ban mn-07: done"]);
}

#[test]
fn another_run_of_the_node_begins_with_empty_lists() {
    let mut model = attached();
    assert!(!model.live.events.is_empty() && !model.live.logs.is_empty());
    update(&mut model, Msg::Fresh);
    assert!(model.live.events.is_empty() && model.live.logs.is_empty());
}

#[test]
fn several_nodes_have_a_row_each() {
    let mut gone = attached();
    update(&mut gone, Msg::Link(Link::Down(lost())));
    let mut new = attached();
    new.live.status = Arc::new(Status::default());
    let halted = fixture::model(fixture::halted(), (120, 36));
    let models = [attached(), gone, new, halted];
    let rows: Vec<(&Model, String)> = models
        .iter()
        .map(|model| (model, "/run/a.sock".to_owned()))
        .collect();
    let panel = nodes::panel(&rows, 1, 110, 20);
    let lines: Vec<String> = panel.lines.iter().map(|line| line.row.plain()).collect();
    assert_eq!(lines.len(), 5);
    for (line, words) in lines[1..]
        .iter()
        .zip(["VALIDATING", "GONE 12 s", "CONNECTING", "HALTED"])
    {
        assert!(line.contains(words), "{line}");
    }
    assert!(lines[3].contains("/run/a.sock"), "{}", lines[3]);
    assert!(panel.lines[2].selected && !panel.lines[1].selected);
    // However little room there is.
    for width in 0..130 {
        for height in 0..8 {
            let panel = nodes::panel(&rows, 3, width, height);
            assert!(panel.lines.iter().any(|line| line.selected));
        }
    }
    for (keys, _, _, action) in nodes::KEYS {
        for key in *keys {
            assert_eq!(nodes::lookup(*key), Some(*action));
        }
    }
}

fn replay(at_ms: u64) -> Replay {
    let mark = |unix_ms, severity| Mark {
        unix_ms,
        severity,
        text: "stalled".to_owned(),
    };
    Replay {
        moments: Arc::new(Moments {
            from_ms: 1_000_000,
            to_ms: 2_000_000,
            snapshots: 1_000,
            bytes: 1,
            marks: vec![mark(1_250_000, Severity::Crit), mark(1_500_000, Severity::Warn)],
        }),
        at_ms,
        playing: true,
        speed: 10,
        trouble: None,
    }
}

#[test]
fn the_time_bar_shows_where_one_is_and_where_alarms_were() {
    let row = vm::timebar::row(&replay(2_000_000), 100).plain();
    assert!(row.starts_with(" ▶ ×10  1970-01-01 00:33:20Z ━"), "{row}");
    assert!(row.contains("at its end"), "{row}");
    let (crit, warn, cursor) = (
        row.find('✖').unwrap(),
        row.find('▲').unwrap(),
        row.find('●').unwrap(),
    );
    assert!(crit < warn && warn < cursor, "{row}");
    let early = vm::timebar::row(&replay(1_000_000), 100).plain();
    assert!(
        early.contains("before the end") && early.find('●') < early.find('✖'),
        "{early}"
    );
    for width in 0..200 {
        for at in [0, 1_000_000, 1_777_777, u64::MAX] {
            vm::timebar::row(&replay(at), width);
        }
    }
    let mut still = replay(1_000_000);
    still.moments = Arc::new(Moments::default());
    vm::timebar::row(&still, 80);
}

#[test]
fn keys_of_a_recording_come_first_and_no_key_has_two_meanings_there() {
    let mut model = attached();
    model.session.through = Through::Recording;
    let mut seen = Vec::new();
    for binding in REPLAY {
        for key in binding.keys {
            assert!(!seen.contains(key), "{key:?} twice");
            seen.push(*key);
            assert_eq!(press(&mut model, &[*key]), [Effect::Replay(binding.act)]);
        }
        let help = vm::help::panel(&model, "", false, 0, 100, 100);
        let shown = help
            .lines
            .iter()
            .any(|line| line.row.plain().contains(binding.help));
        assert!(shown, "{} is not in the help", binding.label);
    }
    // Elsewhere they mean what they mean.
    let mut live = attached();
    assert!(
        !press(&mut live, &[Key::Char(' ')])
            .iter()
            .any(|effect| matches!(effect, Effect::Replay(_)))
    );
    assert!(matches!(
        press(&mut attached(), &[Key::Char('r')])[..],
        [Effect::OpenReplay { .. }]
    ));
}

fn moment(second: u64) -> Status {
    let mut status = fixture::voting();
    status.at = Moment {
        unix_ms: 1_795_564_800_000 + second * 1_000,
        mono_ms: 50_000 + second * 1_000,
    };
    status.revision = second + 1;
    Arc::make_mut(&mut status.chain).height = second;
    status
}

#[test]
fn a_recording_is_walked_through_as_it_happened() {
    let dir = tempfile::tempdir().unwrap();
    let moments: Vec<(Status, Vec<Event>)> = (0..180)
        .map(|second| {
            let status = moment(second);
            let event = |kind| Event {
                seq: second,
                at: status.at,
                kind,
            };
            let events = match second {
                30 | 100 => vec![event(EventKind::AlarmRaised {
                    kind: AlarmKind::FinalityStalled,
                    severity: Severity::Crit,
                    text: "stalled".to_owned(),
                })],
                _ => Vec::new(),
            };
            (status, events)
        })
        .collect();
    recorder::record(dir.path(), &moments).unwrap();
    let source = Source::Recording {
        recording: Recording::open(dir.path()).unwrap(),
        at_ms: None,
    };
    let mut feed = source.open();
    let mut model = Model {
        session: source.session(),
        size: (120, 36),
        ..Model::default()
    };
    let first = feed.now().mono_ms;
    assert_eq!(first, 50_000 + 179_000, "the first frame knows the time already");
    let mut go = |act: Option<ReplayAct>, model: &mut Model| {
        if let Some(act) = act {
            feed.replay(act);
        }
        for message in feed.news() {
            update(model, message);
        }
        let now = feed.now();
        update(model, Msg::Clock(now));
        model.live.status.chain.height
    };
    assert_eq!(go(None, &mut model), 179);
    assert_eq!(model.live.events.len(), 2);
    assert_eq!(go(Some(ReplayAct::StepBack), &mut model), 178);
    assert_eq!(go(Some(ReplayAct::MinuteBack), &mut model), 118);
    assert_eq!(go(Some(ReplayAct::Start), &mut model), 0);
    assert!(model.live.events.is_empty());
    // To a little before the alarm, so that one sees it come.
    assert_eq!(go(Some(ReplayAct::NextAlarm), &mut model), 28);
    for _ in 0..2 {
        go(Some(ReplayAct::StepOn), &mut model);
    }
    assert_eq!(model.live.events.len(), 1);
    assert_eq!(go(Some(ReplayAct::NextAlarm), &mut model), 98);
    go(Some(ReplayAct::NextAlarm), &mut model);
    assert!(model.session.replay.as_ref().unwrap().trouble.is_some());
    assert_eq!(go(Some(ReplayAct::PreviousAlarm), &mut model), 28);
    assert_eq!(model.live.now.mono_ms, 50_000 + 28_000);
    let screen = text(&frame(&model));
    assert!(
        screen.contains("REPLAY") && screen.contains("before the end"),
        "{screen}"
    );
    assert!(!screen.contains("stale"), "{screen}");
    assert_eq!(
        press(&mut model, &[Key::Char('q')]),
        [Effect::Exit(Outcome::Detached)]
    );
    // Opened from a live console, it leads back there.
    model.session.nested = true;
    assert_eq!(press(&mut model, &[Key::Esc]), []);
    assert!(model.session.back);
}

#[test]
fn a_moment_of_a_recording_is_named_as_people_name_it() {
    let mut model = attached();
    model.session.through = Through::Recording;
    let end_ms = 1_795_565_400_000;
    let mut state = replay(end_ms);
    let mut moments = Moments::clone(&state.moments);
    (moments.from_ms, moments.to_ms) = (end_ms - 7_200_000, end_ms);
    state.moments = Arc::new(moments);
    update(&mut model, Msg::Replay(state));
    let mut at = |line: &str| {
        let keys: Vec<Key> = format!(":at {line}").chars().map(Key::Char).collect();
        press(&mut model, &keys);
        press(&mut model, &[Key::Enter])
    };
    let half_an_hour = end_ms - 1_800_000;
    assert_eq!(at("-30m"), [Effect::Replay(ReplayAct::At(half_an_hour))]);
    // 2026-11-25 00:10:00Z is its end.
    assert_eq!(at("00:05"), [Effect::Replay(ReplayAct::At(end_ms - 300_000))]);
    assert!(at("noon").is_empty());
    assert!(model.toasts.last().unwrap().text.contains("is no moment"));
}

#[test]
fn a_node_that_says_nothing_is_stale_in_the_list_and_its_note_is_read_at_80_columns() {
    let mut frozen = attached();
    update(&mut frozen, Msg::Status(Arc::new(fixture::healthy())));
    frozen.live.now.mono_ms += 12_000;
    let halted = fixture::model(fixture::halted(), (80, 24));
    let models = [(&frozen, "a".to_owned()), (&halted, "b".to_owned())];
    let panel = nodes::panel(&models, 1, 76, 20);
    let lines: Vec<String> = panel.lines.iter().map(|line| line.row.plain()).collect();
    assert!(
        lines[1].contains("STALE 12 s") && lines[1].contains("no word"),
        "{lines:?}"
    );
    assert!(
        lines[2].contains("HALTED") && lines[2].contains("stalled 94 s"),
        "{lines:?}"
    );
    assert!(lines.last().unwrap().contains("Silent: mn-04"), "{lines:?}");
}

#[test]
fn only_a_new_critical_alarm_rings_and_only_where_it_was_asked_for() {
    let rings = |notify: bool| {
        let mut model = fixture::model(fixture::healthy(), (80, 24));
        model.notify = notify;
        let first = update(&mut model, Msg::Status(Arc::new(fixture::halted())));
        let again = update(&mut model, Msg::Status(Arc::new(fixture::halted())));
        (first, again)
    };
    assert_eq!(rings(false), (vec![], vec![]));
    let (first, again) = rings(true);
    assert!(
        matches!(&first[..], [Effect::Notify(line)] if line.starts_with("timed mn-03: stalled 94 s")),
        "{first:?}"
    );
    assert_eq!(again, []);
}

#[test]
fn a_quick_chain_does_not_drown_what_happened() {
    let mut model = attached();
    let at = model.live.now;
    let block = |seq: u64| Event {
        seq,
        at,
        kind: EventKind::Final {
            height: seq,
            hash: fixture::healthy().chain.hash,
            round: 0,
            txs: 1,
            votes: 7,
            n: 7,
            finality_ms: Some(80),
        },
    };
    let timeout = |seq: u64| Event {
        seq,
        at,
        kind: EventKind::Timeout {
            height: seq,
            round: 0,
            phase: crate::control::Phase::PrePrepare,
            after_ms: 400,
        },
    };
    model.live.events.clear();
    let events = (1..=2_000).map(|seq| if seq == 100 { timeout(seq) } else { block(seq) });
    let batch = Batch {
        next: 2_001,
        missed: 0,
        items: events.collect(),
    };
    update(&mut model, Msg::Events(batch));
    let screen = text(&frame(&model));
    assert!(screen.contains("timeout"), "{screen}");
    assert!(screen.contains("2 000  255 blocks  p50 80 ms"), "{screen}");
}
