//! A volume that fills up under a running masternode: it gives no vote it could not remember, deletes
//! nothing, goes on when there is room, and starts cleanly after it was stopped on a full disk.
//!
//! Takes a small volume of its own, which only root can make: elsewhere the tests say so and end, unless
//! `TIMED_NEED_MOUNT` is set. Root without a volume is a failure: nothing would have been tested.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::net::{Net, limit};

/// Above the floor of 1 GB and what it goes on at again, with room for a chain.
const SIZE_MB: u64 = 1_500;

/// A mounted volume, unmounted in the end.
struct Volume(PathBuf);

impl Volume {
    /// Mounts a volume in memory at `at`, which keeps its files; `None` where that is not allowed.
    fn mount_under(at: &Path) -> Option<Self> {
        let aside = at.with_extension("aside");
        fs::rename(at, &aside).unwrap();
        fs::create_dir(at).unwrap();
        let mounted = run(Command::new("mount")
            .args(["-t", "tmpfs", "-o"])
            .arg(format!("size={SIZE_MB}m"))
            .arg("none")
            .arg(at));
        let volume = mounted.then(|| Self(at.to_owned()));
        let is_root = fs::metadata("/proc/self").is_ok_and(|found| found.uid() == 0);
        if volume.is_none() {
            assert!(
                !is_root && std::env::var_os("TIMED_NEED_MOUNT").is_none(),
                "no volume can be mounted: nothing was tested"
            );
            println!("no volume can be mounted here (that takes root): nothing was tested");
        }
        assert!(run(Command::new("cp").arg("-a").arg(aside.join(".")).arg(at)));
        volume
    }

    /// Leaves so many megabytes free.
    fn leave_free(&self, mb: u64) {
        let mut ballast = File::create(self.ballast()).unwrap();
        let megabyte = vec![7_u8; 1 << 20];
        while free_mb(&self.0) > mb {
            ballast.write_all(&megabyte).unwrap();
        }
    }

    /// Takes what is left, to the last byte that can be had.
    fn fill(&self) {
        let mut ballast = File::options().append(true).open(self.ballast()).unwrap();
        for piece in [1 << 20, 4_096] {
            while ballast.write_all(&vec![7_u8; piece]).is_ok() {}
        }
    }

    /// Takes all that is left at once, faster than anybody can look.
    fn take_all(&self) {
        let file = File::options().append(true).open(self.ballast()).unwrap();
        let held = file.metadata().unwrap().len();
        let volume = rustix::fs::statvfs(&self.0).unwrap();
        // The node writes meanwhile, so there may be a little less already; and what is asked for in vain is
        // taken for a moment all the same, and given back, which looks as if there were room again.
        let mut free = (volume.f_bavail * volume.f_frsize).saturating_sub(16 << 20);
        while rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), held, free).is_err() {
            free = free.checked_sub(64 << 10).expect("nothing could be taken");
        }
        drop(file);
        self.fill();
    }

    fn make_room(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        run(Command::new("umount").arg("--lazy").arg(&self.0));
    }
}

fn run(command: &mut Command) -> bool {
    command.status().is_ok_and(|status| status.success())
}

fn free_mb(at: &Path) -> u64 {
    let volume = rustix::fs::statvfs(at).unwrap();
    (volume.f_bavail * volume.f_frsize) >> 20
}

/// Files of the chain and of the consensus log, by name.
fn files(dir: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for room in ["blocks", "consensus", "keys"] {
        for entry in fs::read_dir(dir.join(room)).unwrap() {
            names.push(format!("{room}/{}", entry.unwrap().file_name().to_string_lossy()));
        }
    }
    names.sort_unstable();
    names
}

/// With room again, nothing of the stopped node is gone, and it comes up and signs.
fn comes_back_whole(net: &mut Net, full: u16, volume: &Volume, before: &[String], catches_up: Duration) {
    let after = files(&net.layout.node_dir(full));
    let gone: Vec<_> = before.iter().filter(|name| !after.contains(name)).collect();
    assert!(gone.is_empty(), "deleted on a full disk: {gone:?}");
    net.check_logs();

    volume.make_room();
    net.start(full);
    let goal = net.height(0) + 1;
    let all: Vec<u16> = net.all().collect();
    net.wait_height(&all, goal, catches_up);
    let mut at = goal;
    net.wait("it signs again", limit(60), |net| {
        at += u64::from(net.block(0, at + 1).is_some());
        net.block(0, at).is_some_and(|block| net.has_signed(&block, full))
    });
}

#[test]
fn a_full_disk_gets_no_vote_loses_no_file_and_starts_cleanly_with_room() {
    let (all, others, full) = ([0, 1, 2, 3], [0, 1, 2], 3_u16);
    let mut net = Net::new(4);
    let dir = net.layout.node_dir(full);
    let Some(volume) = Volume::mount_under(&dir) else {
        return;
    };
    net.start_all();
    net.wait_height(&all, 2, limit(20));
    let reason = |net: &Net| net.try_status(full).map(|status| status.signing_reason);
    // Below the floor: it says so, gives no vote, and the others go on without it.
    volume.leave_free(600);
    net.wait("it stops signing", limit(20), |net| {
        reason(net).is_some_and(|reason| reason.contains("disk almost full"))
    });
    assert_eq!(net.health_status(full), Some(503));
    let held = net.height(0);
    // What was signed before the look is in certificates for a moment.
    net.wait_height(&others, held + 4, limit(30));
    for height in held + 3..=held + 4 {
        let block = net.block(0, height).unwrap();
        assert!(!net.has_signed(&block, full), "a vote at height {height}");
    }
    // To the last byte, while it runs and while it ends.
    volume.fill();
    let before = files(&dir);
    net.wait_height(&others, held + 6, limit(30));
    assert!(net.try_status(full).is_some(), "it stays up");
    net.stop(full);
    comes_back_whole(&mut net, full, &volume, &before, limit(30));
    net.check(&all);
    net.check_no_evidence(&all);
    net.kill_all();
    net.check_logs();
}

#[test]
fn a_disk_that_is_full_from_one_moment_to_the_next_costs_no_vote_and_no_file() {
    let (all, others, full) = ([0, 1, 2, 3], [0, 1, 2], 3_u16);
    let mut net = Net::new(4);
    let dir = net.layout.node_dir(full);
    let Some(volume) = Volume::mount_under(&dir) else {
        return;
    };
    net.start_all();
    volume.leave_free(1_300);
    let load = net.load(0, 50.0);
    net.wait_height(&all, 3, limit(30));
    assert_eq!(net.health_status(full), Some(200));
    // From well above the floor to nothing: the log meets the full disk before anybody looked at it.
    let before = files(&dir);
    volume.take_all();
    net.wait("it says that it is not well", limit(20), |net| {
        net.health_status(full) == Some(503)
    });
    // It stands where it stood: what it signed is of the height that it works at, or was on its way.
    let status = net.status(full);
    assert!(!status.signing, "{}", status.signing_reason);
    let stood = status.height;
    net.wait_height(&others, stood + 6, limit(30));
    for height in stood + 3..=stood + 6 {
        let block = net.block(0, height).unwrap();
        assert!(
            !net.has_signed(&block, full),
            "a vote at height {height}, and it stood at {stood}: {}",
            net.log(full)
        );
    }
    net.stop(full);
    comes_back_whole(&mut net, full, &volume, &before, limit(60));
    let report = net.finish(load);
    assert_eq!(report.lost, 0, "{report:?}");
    net.check(&all);
    net.check_no_evidence(&all);
    net.kill_all();
    net.check_logs();
}
