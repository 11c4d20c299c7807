//! A service manager of the test's own: what the real binary says to its socket.

use std::{
    os::unix::net::UnixDatagram,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::net::{Net, limit};

struct Reaped(Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads datagrams until one holds a line that begins with `wanted`.
fn heard(socket: &UnixDatagram, wanted: &str, all: &mut String) {
    let until = Instant::now() + limit(20);
    let mut buffer = [0; 4_096];
    while Instant::now() < until {
        let Ok(len) = socket.recv(&mut buffer) else {
            continue;
        };
        let text = String::from_utf8_lossy(&buffer[..len]).into_owned();
        all.push_str(&text);
        all.push('\n');
        if text.lines().any(|line| line.starts_with(wanted)) {
            return;
        }
    }
    panic!("{wanted} was not said within the limit; heard:\n{all}");
}

#[test]
fn a_service_manager_hears_ready_pings_status_and_stop() {
    let net = Net::new(1);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify.sock");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_timed"))
        .args(["run", "--headless", "--config"])
        .arg(net.layout.config(0))
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "2000000")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut child = Reaped(child);
    let mut all = String::new();
    heard(&socket, "READY=1", &mut all);
    // Ready means that it answers.
    assert!(net.try_status(0).is_some(), "{all}");
    for _ in 0..2 {
        heard(&socket, "WATCHDOG=1", &mut all);
    }
    assert!(all.contains("STATUS=Height "), "{all}");
    let pid = rustix::process::Pid::from_raw(child.0.id().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    heard(&socket, "STOPPING=1", &mut all);
    assert!(all.contains("EXTEND_TIMEOUT_USEC="), "{all}");
    assert!(child.0.wait().unwrap().success());
}
