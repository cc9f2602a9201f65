//! Metrics: their counts, their labels, and what Prometheus says of them.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use demur_e2e::{Request, installed};

use super::{Scene, value, wait_for};

/// What `promtool` says of a text: nothing if all is well.
fn checked_by_promtool(metrics: &str) -> String {
    let mut tool = Command::new(installed("prometheus.sh"))
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    tool.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let output = tool.wait_with_output().unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { said } else { format!("{}: {said}", output.status) }
}

#[test]
fn requests_and_rejections_are_counted() {
    let scene = Scene::start("");
    let (open, free) = (scene.key("acme", "open"), scene.key("other", "free"));
    for _ in 0..3 {
        assert_eq!(scene.get("/items", &open), 200);
    }
    assert_eq!(scene.get("/items/201", &open), 201);
    assert_eq!(scene.get("/items/503", &open), 503);
    assert_eq!(scene.get("/pay", &open), 200);
    let limited = (0..8).filter(|_| scene.get("/items", &free) == 429).count();
    assert_eq!(limited, 3);
    assert_eq!(scene.client.send(&Request::get("/items")).status, 401);
    assert_eq!(scene.client.send(&Request::get("/nowhere")).status, 404);
    let duration = |error: &str, status: &str, route: &str| {
        let error = if error.is_empty() { String::new() } else { format!("error_type=\"{error}\",") };
        format!(
            "http_server_request_duration_seconds_count{{api=\"shop\",{error}http_request_method=\"GET\",\
             http_response_status_code=\"{status}\",http_route=\"{route}\",url_scheme=\"http\"}}"
        )
    };
    let rejections = |condition: &str, error: &str, origin: &str| {
        format!(
            "demur_rejections_total{{api=\"shop\",condition=\"{condition}\",error_type=\"{error}\",\
             origin=\"{origin}\"}}"
        )
    };
    let metrics = wait_for(
        &scene,
        &[
            (&duration("", "200", "/shop/items"), 8.0),
            (&duration("", "200", "/shop/pay"), 1.0),
            (&duration("", "201", "/shop/items/{id}"), 1.0),
            (&duration("upstream_unavailable", "503", "/shop/items/{id}"), 1.0),
            (&duration("rate_exceeded", "429", "/shop/items"), 3.0),
            (&rejections("rate.exceeded", "rate_exceeded", "client"), 3.0),
            (&rejections("credential.missing", "credential_missing", "client"), 1.0),
            // Eleven requests have reached the upstream.
            ("demur_upstream_duration_seconds_count{api=\"shop\"}", 11.0),
            ("http_server_active_requests{http_request_method=\"GET\"}", 0.0),
            ("demur_upstream_active_requests{api=\"shop\"}", 0.0),
            ("demur_upstream_connects_total{api=\"shop\",result=\"failed\"}", 0.0),
            ("demur_store_available", 1.0),
            ("demur_ledger_open_holds", 0.0),
        ],
    );
    assert!(value(&metrics, "demur_ledger_transactions_total{result=\"committed\"}") >= 2.0);
    assert_eq!(checked_by_promtool(&metrics), "");
}

#[test]
fn reloads_are_counted_and_keep_the_counts() {
    let scene = Scene::start("");
    let key = scene.key("acme", "open");
    assert_eq!(scene.get("/items", &key), 200);
    scene.folder.edit("requests: 5", "requests: 6");
    scene.folder.result(&["reload"]);
    scene.folder.edit("requests: 6", "requests: -6");
    assert_eq!(scene.folder.run(&["reload"]).code, Some(1));
    assert_eq!(scene.get("/items", &key), 200);
    let requests = "http_server_request_duration_seconds_count{api=\"shop\",http_request_method=\"GET\",\
                    http_response_status_code=\"200\",http_route=\"/shop/items\",url_scheme=\"http\"}";
    wait_for(
        &scene,
        &[
            ("demur_config_generation", 2.0),
            ("demur_config_reloads_total{result=\"accepted\"}", 1.0),
            ("demur_config_reloads_total{result=\"rejected\"}", 1.0),
            (requests, 2.0),
        ],
    );
}

/// Every metric is documented, and what dashboard and alerts use is there.
#[test]
fn documents_dashboard_and_alerts_name_what_there_is() {
    let scene = Scene::start("");
    scene.folder.edit("requests: 5, per: 1h", "requests: 1, per: 1h, shadow: true");
    scene.folder.result(&["reload"]);
    let key = scene.key("acme", "free");
    for path in ["/items", "/items", "/nowhere"] {
        scene.get(path, &key);
    }
    let not_enforced = "demur_would_reject_total{api=\"shop\",condition=\"rate.exceeded\",\
                        error_type=\"rate_exceeded\"}";
    let metrics = wait_for(&scene, &[(not_enforced, 1.0)]);
    let names: BTreeSet<&str> =
        metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |file: &str| std::fs::read_to_string(root.join(file)).unwrap();
    let pattern = regex::Regex::new(r"\b(demur|http_server|process)_[a-z_]+\b").unwrap();
    let named = |text: &str| -> BTreeSet<String> {
        let ends = ["_bucket", "_count", "_sum"];
        let base = |name: &str| match ends.iter().find_map(|end| name.strip_suffix(end)) {
            Some(base) if names.contains(base) => base.to_owned(),
            _ => name.to_owned(),
        };
        pattern.find_iter(text).map(|found| base(found.as_str())).collect()
    };
    let documented = named(&read("docs/reference/metrics.md"));
    for name in &names {
        assert!(documented.contains(*name), "{name} is not documented");
    }
    for file in ["docs/reference/metrics.md", "dist/prometheus/alerts.yaml", "dist/grafana/demur.json"] {
        let used = named(&read(file));
        let unknown: Vec<_> = used.iter().filter(|name| !names.contains(name.as_str())).collect();
        assert!(unknown.is_empty(), "{file} names {unknown:?}");
        assert!(used.len() > 8, "{file}: {used:?}");
    }
    let rules = root.join("dist/prometheus/alerts.yaml");
    let checked =
        Command::new(installed("prometheus.sh")).args(["check", "rules"]).arg(&rules).output().unwrap();
    assert!(checked.status.success(), "{checked:?}");
    // Each alert is in the runbook.
    let runbook = read("docs/help/runbook.md");
    for alert in read("dist/prometheus/alerts.yaml").lines().filter_map(|line| line.split_once("- alert: ")) {
        assert!(runbook.contains(&format!("## {}", alert.1)), "{} is not in the runbook", alert.1);
    }
}

/// Random paths, keys, methods and statuses make no new series beyond those that the configuration and the registries
/// allow, and no key or account is in any of them.
#[test]
fn the_number_of_series_is_bounded_and_none_names_a_caller() {
    let scene = Scene::start("");
    let key = scene.key("acme-account", "open");
    let series = |metrics: &str| -> BTreeSet<String> {
        let lines = metrics.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
    };
    let flood = |from: u32| {
        for number in from..from + 60 {
            let methods = ["GET", "PUT", "DELETE", "BREW", "ZAP", "X-1", "PATCH"];
            let method = methods[number as usize % methods.len()];
            let method = if number % 13 == 0 { format!("M{number}") } else { method.to_owned() };
            scene.client.send(&Request::new(&method, &format!("/random/{number}/{}", number * 7)).key(&key));
            scene.client.send(&Request::get("/items").key(&format!("shp_{number}guess{number}")));
            // Statuses that nobody has registered.
            scene.client.send(&Request::get(&format!("/items/{}", 220 + number % 60)).key(&key));
            scene.client.send(&Request::get(&format!("/items/{}", 430 + number % 60)).key(&key));
        }
    };
    // A request is counted when its response has ended, which the client may see before.
    let all_of = |requests: f64| loop {
        let metrics = scene.metrics();
        let counts =
            metrics.lines().filter(|line| line.starts_with("http_server_request_duration_seconds_count"));
        let counted: f64 = counts.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum();
        if counted >= requests {
            assert_eq!(counted, requests);
            return metrics;
        }
    };
    flood(0);
    let first = all_of(240.0);
    flood(1000);
    flood(5000);
    let last = all_of(720.0);
    let (before, after) = (series(&first), series(&last));
    assert!(after.len() < 900, "{}", after.len());
    let new: Vec<_> = after.difference(&before).collect();
    assert_eq!(new, Vec::<&String>::new());
    for secret in ["acme-account", "guess", &key, "random", "shp_"] {
        assert!(!last.contains(secret), "{secret}");
    }
    assert_eq!(checked_by_promtool(&last), "");
}
