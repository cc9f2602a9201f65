//! Files that are watched: those that the configuration refers to, in folders that are swapped, written in pieces.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use super::{DOCUMENT, Scene, folder, upstream};

const WATCH: &str = "reload: { watch: true, settle: 300ms }\n";

fn watched() -> (demur_e2e::Upstream, demur_e2e::TestDir) {
    let upstream = upstream("first");
    let folder = folder(&upstream);
    folder.edit("demur: 2\n", &format!("demur: 2\n{WATCH}"));
    (upstream, folder)
}

#[test]
fn a_changed_document_is_loaded() {
    let (upstream, folder) = watched();
    let scene = Scene::serve(upstream, folder);
    let key = scene.key("acme", "open");
    scene.folder().write("openapi.yaml", &DOCUMENT.replace("/items:", "/things:"));
    let logged = scene.gateway.logged_times("config reloaded", 1);
    assert_eq!(logged["trigger"], "watch");
    assert_eq!(scene.get("/things", &key).status, 200);
}

/// A Kubernetes ConfigMap: the files are links into `..data`, a link to a folder, which is replaced as a whole.
#[test]
fn follows_a_swap_of_the_folder_that_links_lead_to() {
    let (upstream, folder) = watched();
    let path = folder.path().to_owned();
    let move_into = |version: &str, names: [&str; 2]| {
        fs::create_dir(path.join(version)).unwrap();
        for name in names {
            fs::copy(path.join(name), path.join(version).join(name)).unwrap();
        }
    };
    let names = ["demur.yaml", "openapi.yaml"];
    move_into("..v1", names);
    symlink("..v1", path.join("..data")).unwrap();
    for name in names {
        fs::remove_file(path.join(name)).unwrap();
        symlink(format!("..data/{name}"), path.join(name)).unwrap();
    }
    let scene = Scene::serve(upstream, folder);
    for version in 2..4 {
        let next = format!("..v{version}");
        move_into(&next, names);
        let text = fs::read_to_string(path.join("demur.yaml")).unwrap();
        let text =
            text.replace(&format!("requests: {},", version + 1), &format!("requests: {},", version + 2));
        fs::write(path.join(&next).join("demur.yaml"), text).unwrap();
        symlink(&next, path.join("..tmp")).unwrap();
        fs::rename(path.join("..tmp"), path.join("..data")).unwrap();
        let logged = scene.gateway.logged_times("config reloaded", version - 1);
        assert!(logged["changes"].as_str().unwrap().contains(&format!("-> `{}`", version + 2)), "{logged}");
    }
}

/// Half of a file is not a mistake: it is waited for until nothing changes any more.
#[test]
fn waits_until_writes_have_settled() {
    let (upstream, folder) = watched();
    folder.edit("settle: 300ms", "settle: 5s");
    let scene = Scene::serve(upstream, folder);
    let text = fs::read_to_string(scene.folder().config()).unwrap().replace("requests: 3,", "requests: 4,");
    for end in (1..=6).map(|part| text.len() * part / 6) {
        fs::write(scene.folder().config(), &text[..end]).unwrap();
        std::thread::sleep(Duration::from_millis(50));
    }
    scene.gateway.logged_times("config reloaded", 1);
    assert!(!scene.gateway.log().contains("config reload rejected"), "{}", scene.gateway.log());
}

/// A mistake is reported once, and its correction is loaded.
#[test]
fn a_mistake_is_corrected_in_the_file_that_has_it() {
    let (upstream, folder) = watched();
    let scene = Scene::serve(upstream, folder);
    scene.folder().edit("openapi: openapi.yaml", "openapi: next.yaml");
    let logged = scene.gateway.logged_times("config reload rejected", 1);
    assert!(logged["reason"].as_str().unwrap().contains("next.yaml"), "{logged}");
    scene.folder().write("next.yaml", DOCUMENT);
    scene.gateway.logged_times("config reloaded", 1);
    assert_eq!(scene.gateway.log().matches("config reload rejected").count(), 1);
}
