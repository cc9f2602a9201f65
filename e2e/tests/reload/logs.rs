//! Log files after a rotation.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use rustix::process::Signal;

use super::{Scene, folder, upstream};

#[test]
fn signals_reopen_the_access_log() {
    let upstream = upstream("first");
    let folder = folder(&upstream);
    folder.edit("plans:", "access_log: { requests: all, output: access.log }\nplans:");
    let scene = Scene::serve(upstream, folder);
    let key = scene.key("acme", "open");
    let path = scene.folder().path().join("access.log");
    for (round, signal) in [Signal::USR1, Signal::HUP].into_iter().enumerate() {
        scene.get("/items", &key);
        while !fs::read_to_string(&path).unwrap().contains("/items") {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let rotated = path.with_extension(format!("{round}"));
        fs::rename(&path, &rotated).unwrap();
        scene.gateway.signal(signal);
        // A line makes it open the file, once the signal has come.
        while fs::metadata(&path).is_err() {
            scene.get("/items", &key);
        }
        scene.gateway.logged_times("access log reopened", round + 1);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::read_to_string(&rotated).unwrap().contains("/items"));
    }
    // A link that someone has put there is not followed.
    let victim = scene.folder().path().join("victim");
    fs::remove_file(&path).unwrap();
    symlink(&victim, &path).unwrap();
    scene.gateway.signal(Signal::USR1);
    while !scene.gateway.log().contains("access log not reopened") {
        scene.get("/items", &key);
    }
    assert!(!victim.exists());
}
