//! The small durable things: the lock and files replaced in one step.

use std::path::Path;

use super::{
    atomic_file,
    lock::{DataDirLock, LockError},
    test_disk::{Fault, Survives, TestDisk},
};

#[test]
fn a_second_node_is_told_who_holds_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let first = DataDirLock::acquire(dir.path()).unwrap();
    match DataDirLock::acquire(dir.path()) {
        Err(LockError::Held { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
        other => panic!("{other:?}"),
    }
    drop(first);
    DataDirLock::acquire(dir.path()).unwrap();
}

#[test]
fn a_replaced_file_is_old_or_new_after_any_crash() {
    let path = Path::new("/d/CURRENT");
    for at in 0..=5 {
        let disk = TestDisk::with_dir(Path::new("/d"));
        atomic_file::write_on(&disk, path, b"old").unwrap();
        let steps = disk.log().len();
        disk.fail_at(steps + at, Fault::Crash);
        let done = atomic_file::write_on(&disk, path, b"brand new").is_ok();
        assert_eq!(done, at == 5);
        for survives in (0..20)
            .map(Survives::Some)
            .chain([Survives::Synced, Survives::All])
        {
            let content = disk.after_crash(survives).read(path);
            assert!(
                content == b"brand new" || (!done && content == b"old"),
                "{at} {survives:?}"
            );
        }
    }
}
