//! What is installed: the Debian package in a clean root, under the command line of its unit; the unit, by systemd's own
//! tools; and the files for containers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop and say where")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use demur_e2e::{Program, TestDir, installed, run};
use serde_json::Value as Json;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().parent().unwrap().join("demur")
}

/// The command after a key of the unit, as words.
fn command_of(unit: &str, key: &str) -> Vec<String> {
    let line = unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    line.unwrap_or_else(|| panic!("no {key}")).split(' ').map(str::to_owned).collect()
}

#[test]
fn debian_package_serves_from_a_clean_root() {
    let folder = TestDir::empty();
    let mut command = Command::new(root().join("dist/debian.sh"));
    // The binary of the tests is large.
    command.arg(binary()).arg(folder.path()).env("DPKG_DEB_OPTIONS", "-Zgzip -z1");
    let made = command.output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let package = String::from_utf8(made.stdout).unwrap();
    let installed = folder.path().join("root");
    let unpacked = Command::new("dpkg-deb").arg("-x").arg(package.trim()).arg(&installed).output().unwrap();
    assert!(unpacked.status.success(), "{unpacked:?}");
    let control = Command::new("dpkg-deb").arg("--field").arg(package.trim()).output().unwrap();
    let control = String::from_utf8(control.stdout).unwrap();
    assert!(control.contains("Package: demur\n") && control.contains("Version: 0."), "{control}");

    let unit = fs::read_to_string(installed.join("usr/lib/systemd/system/demur.service")).unwrap();
    let serve = command_of(&unit, "ExecStart");
    assert_eq!(serve[0], "/usr/bin/demur");
    let mode = fs::metadata(installed.join(&serve[0][1..])).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
    // The root is another one, and so are the ports.
    let configuration = installed.join(&serve.last().unwrap()[1..]);
    let text = fs::read_to_string(&configuration).unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let text =
        text.replace("/var/lib/demur", data.to_str().unwrap()).replace(":8080", ":0").replace(":9901", ":0");
    fs::write(&configuration, text).unwrap();
    let mut arguments: Vec<String> = serve[1..].to_vec();
    *arguments.last_mut().unwrap() = configuration.display().to_string();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut program = Program::start(&[&["--format", "json"], &arguments[..]].concat(), folder.path());
    let ready: Json = serde_json::from_str(&program.line()).unwrap();
    assert!(ready["operations"].as_str().unwrap().starts_with("http://127.0.0.1:"), "{ready}");
    // The command of ExecReload.
    let mut reload = command_of(&unit, "ExecReload");
    *reload.last_mut().unwrap() = configuration.display().to_string();
    let reload: Vec<&str> = reload[1..].iter().map(String::as_str).collect();
    assert_eq!(run(&reload, folder.path()).code, Some(0));
}

#[test]
fn systemd_accepts_the_unit_and_finds_it_hardened() {
    let analyze = installed("systemd.sh");
    let folder = TestDir::empty();
    let unit = fs::read_to_string(root().join("dist/systemd/demur.service")).unwrap();
    let file = folder.path().join("demur.service");
    // The binary must be there.
    fs::write(&file, unit.replace("/usr/bin/demur", binary().to_str().unwrap())).unwrap();
    let socket = folder.path().join("demur.socket");
    fs::copy(root().join("dist/systemd/demur.socket"), &socket).unwrap();
    let verified = Command::new(&analyze).arg("verify").args([&file, &socket]).output().unwrap();
    // The units of another root have links that it wonders about.
    let said = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success() && !said.contains("/demur."), "{verified:?}");
    // A threshold in tenths: 2.0 is what systemd calls OK.
    let mut command = Command::new(&analyze);
    command.args(["security", "--offline=true", "--threshold=20", "--no-pager"]).arg(&file);
    let judged = command.output().unwrap();
    assert!(judged.status.success(), "{judged:?}");
}

/// What the binary is made of: with licenses, checksums of the lock file and dependencies, and nothing of the tests.
#[test]
fn bill_of_materials_lists_what_is_linked() {
    let made = Command::new("python3").arg(root().join("dist/sbom.py")).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let bill: Json = serde_json::from_slice(&made.stdout).unwrap();
    assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&"CycloneDX".into(), &"1.6".into()));
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let components: Vec<&Json> =
        bill["components"].as_array().unwrap().iter().chain([&bill["metadata"]["component"]]).collect();
    let text = |component: &Json, member: &str| component[member].as_str().unwrap().to_owned();
    for component in &components {
        let (name, version) = (text(component, "name"), text(component, "version"));
        let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
        let (_, entry) = lock.split_once(&entry).unwrap_or_else(|| panic!("{name} {version} is not locked"));
        let entry = entry.split("[[package]]").next().unwrap();
        match component["hashes"][0]["content"].as_str() {
            Some(checksum) => assert!(entry.contains(checksum), "{component}"),
            None => assert!(name.starts_with("demur"), "{component}"),
        }
        assert!(component["licenses"][0]["expression"].is_string(), "{component}");
    }
    let names: Vec<String> = components.iter().map(|component| text(component, "name")).collect();
    for linked in ["demur-cli", "demur-engine", "demur-sqlite", "libsqlite3-sys", "rustls", "tokio"] {
        assert!(names.iter().any(|name| name == linked), "{linked}");
    }
    for of_tests in ["demur-e2e", "insta", "proptest", "rcgen", "serde_derive"] {
        assert!(!names.iter().any(|name| name == of_tests), "{of_tests}");
    }
    let references: Vec<String> = components.iter().map(|component| text(component, "bom-ref")).collect();
    let dependencies = bill["dependencies"].as_array().unwrap();
    let refers = |reference: &Json| references.iter().any(|known| reference == known.as_str());
    assert!(dependencies.iter().all(|of| refers(&of["ref"])));
    assert!(dependencies.iter().flat_map(|of| of["dependsOn"].as_array().unwrap()).all(refers));
    assert_eq!(dependencies.len(), components.len());
}

/// The configuration in the manifest is valid, and its times fit together.
#[test]
fn kubernetes_manifest_has_a_valid_configuration() {
    let text = fs::read_to_string(root().join("dist/kubernetes/demur.yaml")).unwrap();
    let mut documents = text.split("\n---\n").map(|text| {
        let source = demur_source::Source::new("demur.yaml", text);
        demur_source::parse(&source).unwrap_or_else(|found| panic!("{found}")).to_json()
    });
    let map = documents.next().unwrap();
    let folder = TestDir::empty();
    for (name, text) in map["data"].as_object().unwrap() {
        folder
            .write(name, &text.as_str().unwrap().replace("/var/lib/demur", folder.path().to_str().unwrap()));
    }
    let checked = run(&["check", "--strict"], folder.path());
    assert_eq!(checked.code, Some(0), "{checked:?}");
    let effective = run(&["check", "--print-effective", "--format", "json"], folder.path());
    let effective: Json = serde_json::from_str(&effective.stdout).unwrap();
    let seconds = |name: &str| -> u64 {
        let text = effective["limits"][name].as_str().unwrap();
        text.strip_suffix('s').unwrap().parse().unwrap()
    };
    let pod = documents.next().unwrap()["spec"]["template"]["spec"].clone();
    let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert!(grace > seconds("shutdown_delay") + seconds("shutdown_timeout"), "{grace}");
    let container = &pod["containers"][0];
    let ports = container["ports"].as_array().unwrap();
    for (name, key) in [("http", "listen"), ("operations", "operations_listener")] {
        let port = ports.iter().find(|port| port["name"] == name).unwrap()["containerPort"].as_u64().unwrap();
        assert!(effective[key].as_str().unwrap().ends_with(&format!(":{port}")), "{key}");
    }
    for (probe, path) in [("livenessProbe", "/health/live"), ("readinessProbe", "/health/ready")] {
        assert_eq!(container[probe]["httpGet"]["path"], path);
    }
}
