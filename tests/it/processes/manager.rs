//! A service manager of the tests' own: what the real binary says to its socket.

use std::{
    os::unix::net::UnixDatagram,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::net::{Net, limit};

/// One service under it.
pub(crate) struct Manager {
    child: Child,
    socket: UnixDatagram,
    all: String,
    _dir: tempfile::TempDir,
}

impl Drop for Manager {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Manager {
    /// Starts `command` with a watchdog of 2 s.
    pub(crate) fn start(mut command: Command) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify.sock");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let child = command
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", "2000000")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            child,
            socket,
            all: String::new(),
            _dir: dir,
        }
    }

    fn next(&mut self) -> Option<String> {
        let mut buffer = [0; 4_096];
        let len = self.socket.recv(&mut buffer).ok()?;
        let text = String::from_utf8_lossy(&buffer[..len]).into_owned();
        self.all.push_str(&text);
        self.all.push('\n');
        Some(text)
    }

    /// Reads datagrams until one holds a line that begins with `wanted`.
    pub(crate) fn hear(&mut self, wanted: &str) {
        let until = Instant::now() + limit(20);
        while Instant::now() < until {
            if self
                .next()
                .is_some_and(|text| text.lines().any(|line| line.starts_with(wanted)))
            {
                return;
            }
        }
        panic!("{wanted} was not said within the limit; heard:\n{}", self.all);
    }

    /// Listens for `time`, in which no line may begin with `unwanted`.
    #[cfg(any(debug_assertions, feature = "failpoints"))]
    pub(crate) fn must_not_hear(&mut self, unwanted: &str, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            let said = self.next().unwrap_or_default();
            assert!(
                !said.lines().any(|line| line.starts_with(unwanted)),
                "{unwanted} was said; heard:\n{}",
                self.all
            );
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// What a manager does to a service whose pings stay away.
    #[cfg(any(debug_assertions, feature = "failpoints"))]
    pub(crate) fn abort(mut self) -> std::process::ExitStatus {
        self.signal(Signal::ABORT);
        self.child.wait().unwrap()
    }

    /// Stops it in order.
    pub(crate) fn stop(mut self) {
        self.signal(Signal::TERM);
        self.hear("STOPPING=1");
        assert!(self.all.contains("EXTEND_TIMEOUT_USEC="), "{}", self.all);
        assert!(self.child.wait().unwrap().success());
    }
}

#[test]
fn a_service_manager_hears_ready_pings_status_and_stop() {
    let net = Net::new(1);
    let mut command = Command::new(env!("CARGO_BIN_EXE_timed"));
    command
        .args(["run", "--headless", "--config"])
        .arg(net.layout.config(0));
    let mut manager = Manager::start(command);
    manager.hear("READY=1");
    // Ready means that it answers.
    assert!(net.try_status(0).is_some(), "{}", manager.all);
    for _ in 0..2 {
        manager.hear("WATCHDOG=1");
    }
    assert!(manager.all.contains("STATUS=Height "), "{}", manager.all);
    manager.stop();
}
