//! A disk that is soon full, in a mount namespace of the test's own.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs the test again in a process that may mount what it likes. `Some(true)` is that process, `Some(false)` the one that
/// has run it; `None` where the system has no such namespaces.
pub fn with_own_mounts(test: &str) -> Option<bool> {
    const WITHIN: &str = "E2E_HAS_OWN_MOUNTS";
    if std::env::var_os(WITHIN).is_some() {
        return Some(true);
    }
    let may =
        Command::new("unshare").args(["-Urm", "true"]).output().is_ok_and(|output| output.status.success());
    if !may {
        return None;
    }
    let mut again = Command::new("unshare");
    again.arg("-Urm").arg(std::env::current_exe().unwrap()).args([test, "--exact", "--nocapture"]);
    assert!(again.env(WITHIN, "1").status().unwrap().success());
    Some(false)
}

/// A disk of two megabytes. Unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts it over a folder. Only within [`with_own_mounts`].
    pub fn mount(folder: &Path) -> Self {
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "small"]).arg(folder).status();
        assert!(mount.unwrap().success());
        Self { folder: folder.to_owned() }
    }

    /// Writes until nothing goes any more.
    pub fn fill(&self) {
        let mut ballast = File::create(self.ballast()).unwrap();
        for size in [4096, 1] {
            while ballast.write_all(&vec![0; size]).and_then(|()| ballast.flush()).is_ok() {}
        }
    }

    /// Undoes [`fill`](Self::fill).
    pub fn make_room(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.folder).status();
    }
}
