//! A terminal for tests: a PTY with a screen behind it that can be read, typed on, resized, frozen and
//! taken away, and a program that believes in it.

use std::{
    io::{Read, Write},
    num::NonZeroU16,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// How long a test waits for a screen before it calls it missing: generous, for machines under load.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A program and the terminal it runs on.
pub(crate) struct Term {
    pub(crate) master: Option<Box<dyn MasterPty + Send>>,
    pub(crate) writer: Option<Box<dyn Write + Send>>,
    pub(crate) child: Box<dyn Child + Send + Sync>,
    pub(crate) screen: Arc<Mutex<vt100::Parser>>,
    /// Everything the program sent.
    pub(crate) raw: Arc<Mutex<Vec<u8>>>,
    pub(crate) received: Arc<AtomicU64>,
    /// When how many bytes had come, ascending.
    pub(crate) times: Arc<Mutex<Vec<(Instant, usize)>>>,
    hang_up: Arc<AtomicBool>,
    reader: Option<thread::JoinHandle<()>>,
    /// The terminal's settings before the program touched them.
    before: String,
}

/// A command with the environment of a good terminal and nothing else.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>) -> CommandBuilder {
    let mut command = CommandBuilder::new(program);
    command.env_clear();
    command.env("TERM", "xterm-256color");
    command.env("COLORTERM", "truecolor");
    command.env("LANG", "C.UTF-8");
    command
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize {
        rows,
        cols: columns,
        pixel_width: 0,
        pixel_height: 0,
    }
}

fn positive(n: u16) -> NonZeroU16 {
    NonZeroU16::new(n).unwrap()
}

impl Term {
    /// Starts a program on a terminal of its own.
    pub(crate) fn spawn(command: CommandBuilder, columns: u16, rows: u16) -> Self {
        let pty = native_pty_system().openpty(size(columns, rows)).unwrap();
        let before = settings(pty.master.as_ref());
        let child = pty.slave.spawn_command(command).unwrap();
        drop(pty.slave);
        let parser = vt100::Parser::new(positive(rows), positive(columns), 0);
        let screen = Arc::new(Mutex::new(parser));
        let raw = Arc::new(Mutex::new(Vec::new()));
        let received = Arc::new(AtomicU64::new(0));
        let mut reader = pty.master.try_clone_reader().unwrap();
        let times = Arc::new(Mutex::new(Vec::new()));
        let (to, kept, count) = (screen.clone(), raw.clone(), received.clone());
        let stamps = times.clone();
        let hang_up = Arc::new(AtomicBool::new(false));
        let hung_up = hang_up.clone();
        let reader = thread::spawn(move || {
            let mut bytes = [0; 4_096];
            while let Ok(read) = reader.read(&mut bytes) {
                if read == 0 || hung_up.load(Ordering::Relaxed) {
                    return;
                }
                to.lock().unwrap().process(&bytes[..read]);
                let so_far = {
                    let mut kept = kept.lock().unwrap();
                    kept.extend_from_slice(&bytes[..read]);
                    kept.len()
                };
                stamps.lock().unwrap().push((Instant::now(), so_far));
                count.fetch_add(read as u64, Ordering::Relaxed);
            }
        });
        Self {
            writer: Some(pty.master.take_writer().unwrap()),
            master: Some(pty.master),
            child,
            screen,
            raw,
            received,
            times,
            hang_up,
            reader: Some(reader),
            before,
        }
    }

    /// Takes the terminal away as a dropped SSH session would: every copy of the master is closed.
    pub(crate) fn drop_terminal(&mut self) {
        self.hang_up.store(true, Ordering::Relaxed);
        // The clock of the header makes output every second, which wakes the reader.
        self.reader.take().unwrap().join().unwrap();
        self.writer = None;
        self.master = None;
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.process_id().unwrap()
    }

    pub(crate) fn keys(&mut self, keys: &str) {
        let writer = self.writer.as_mut().unwrap();
        writer.write_all(keys.as_bytes()).unwrap();
        writer.flush().unwrap();
    }

    pub(crate) fn text(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    /// Waits until the screen holds a text.
    pub(crate) fn sees(&self, text: &str) {
        self.waits(&format!("the screen to show {text:?}"), |term| {
            term.text().contains(text)
        });
    }

    /// Waits until the screen does not hold a text any more.
    pub(crate) fn loses(&self, text: &str) {
        self.waits(&format!("the screen to lose {text:?}"), |term| {
            !term.text().contains(text)
        });
    }

    pub(crate) fn waits(&self, what: &str, done: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !done(self) {
            assert!(
                begun.elapsed() < PATIENCE,
                "waited in vain for {what}; the screen:\n{}",
                self.text()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for the program to end; its exit code.
    pub(crate) fn exit_code(&mut self) -> u32 {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.exit_code();
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "the program does not end; the screen:\n{}",
                self.text()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Changes the size of the terminal.
    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        self.screen
            .lock()
            .unwrap()
            .screen_mut()
            .set_size(positive(rows), positive(columns));
        self.master.as_ref().unwrap().resize(size(columns, rows)).unwrap();
    }

    /// Sends a signal to the program.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// The terminal is the shell's again: main screen, cursor, no mouse, and its settings as they were.
    pub(crate) fn is_restored(&self) -> bool {
        let screen = self.screen.lock().unwrap();
        let screen = screen.screen();
        let now = self.master.as_ref().map(|master| settings(master.as_ref()));
        !screen.alternate_screen()
            && !screen.hide_cursor()
            && !screen.bracketed_paste()
            && screen.mouse_protocol_mode() == vt100::MouseProtocolMode::None
            && now.as_ref() == Some(&self.before)
            && self.before.contains("ICANON")
    }

    pub(crate) fn is_drawing(&self) -> bool {
        self.screen.lock().unwrap().screen().alternate_screen()
    }

    /// Escape sequences that set a colour.
    pub(crate) fn colours(&self) -> Vec<String> {
        let raw = self.raw.lock().unwrap().clone();
        let text = String::from_utf8_lossy(&raw).into_owned();
        let mut colours = Vec::new();
        for sequence in text.split("\x1b[").skip(1) {
            let Some((parameters, _)) = sequence.split_once('m') else {
                continue;
            };
            if !parameters.chars().all(|c| c.is_ascii_digit() || c == ';') {
                continue;
            }
            let is_colour = parameters
                .split(';')
                .filter_map(|parameter| parameter.parse::<u16>().ok())
                .any(|n| (30..=38).contains(&n) || (40..=48).contains(&n) || n >= 90);
            if is_colour {
                colours.push(parameters.to_owned());
            }
        }
        colours
    }
}

impl Drop for Term {
    fn drop(&mut self) {
        if self.is_alive() {
            let _ = self.child.kill();
            let begun = Instant::now();
            while self.is_alive() && begun.elapsed() < Duration::from_secs(5) {
                thread::sleep(Duration::from_millis(5));
            }
        }
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process.
pub(crate) fn signal(pid: u32, name: &str) {
    let sent = std::process::Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .status()
        .unwrap();
    assert!(sent.success(), "no signal {name} to {pid}");
}

/// Processor time of a thread of a process so far, in ns.
pub(crate) fn thread_cpu_ns(pid: u32, name: &str) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    for task in tasks.flatten() {
        let comm = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        if comm.trim() == name {
            let stat = std::fs::read_to_string(task.path().join("schedstat")).unwrap();
            return stat.split_whitespace().next().unwrap().parse().unwrap();
        }
    }
    panic!("no thread {name}");
}

/// Processor time of a process so far, in ticks of 10 ms.
pub(crate) fn cpu_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after_name = stat.rsplit(')').next().unwrap();
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

fn settings(master: &(dyn MasterPty + Send)) -> String {
    format!("{:?}", master.get_termios())
}
