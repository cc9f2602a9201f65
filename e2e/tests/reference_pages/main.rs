//! The reference pages of the examples: what the documentation of each API says is on them, every link and every
//! `doc_url` leads to a page, and a real browser finds nothing to object to.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop and say where")]

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use demur_e2e::{Gateway, Request, TestDir, installed, run};
use serde_json::Value as Json;

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files that `demur docs build` writes, by their paths.
fn site() -> &'static BTreeMap<String, String> {
    static SITE: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    SITE.get_or_init(|| {
        let folder = TestDir::empty();
        let out = folder.path().join("site");
        let config = here().join("../examples/demur.yaml");
        let arguments = ["docs", "build", out.to_str().unwrap(), "--config", config.to_str().unwrap()];
        let outcome = run(&arguments, folder.path());
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        let mut files = BTreeMap::new();
        let mut folders = vec![out.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(&out).unwrap().to_str().unwrap().to_owned();
                    files.insert(name, std::fs::read_to_string(&path).unwrap());
                }
            }
        }
        files
    })
}

/// The text of a page, without its markup.
fn text(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        let (tag, after) = after.split_once('>').unwrap_or((after, ""));
        let name: String =
            tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
        // Words end at blocks.
        if !["code", "strong", "em", "b", "i", "a", "wbr", "span"].contains(&name.as_str()) {
            text.push(' ');
        }
        rest = if name == "script" {
            after.split_once("</script>").map_or("", |(_, after)| after)
        } else {
            after
        };
    }
    text.push_str(rest);
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#x27;", "'");
    plain(&text.replace("&#x2f;", "/").replace("&amp;", "&"))
}

fn plain(text: &str) -> String {
    text.replace(['\u{2019}', '\u{2018}'], "'").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn names() -> Vec<String> {
    let entries = std::fs::read_dir(here().join("statements")).unwrap();
    let name = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let mut names: Vec<String> = entries.map(|entry| name(entry.unwrap().path())).collect();
    names.sort();
    names
}

/// `statements/API.tsv`: a page of the API, and a text of its public reference.
#[test]
fn every_statement_of_the_references_is_on_its_page() {
    let mut count = 0;
    let mut missing = Vec::new();
    for api in names() {
        let rows = std::fs::read_to_string(here().join(format!("statements/{api}.tsv"))).unwrap();
        for (page, statement) in rows.lines().map(|row| row.split_once('\t').unwrap()) {
            count += 1;
            let html = site().get(&format!("{api}/{page}")).unwrap_or_else(|| panic!("{api}/{page}"));
            if !text(html).contains(&plain(statement)) {
                missing.push(format!("{api}/{page}: {statement}"));
            }
        }
    }
    assert!(missing.is_empty(), "{} of {count}:\n{}", missing.len(), missing.join("\n"));
    assert!(count > 150 && names().len() == 5, "only {count} statements");
}

/// The files that a page refers to, relative to the root of the site, with the fragments.
fn references(path: &str, html: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for attribute in [" href=\"", " src=\""] {
        for part in html.split(attribute).skip(1) {
            let target = part.split('"').next().unwrap();
            let is_elsewhere =
                ["http://", "https://", "mailto:"].iter().any(|scheme| target.starts_with(scheme));
            if is_elsewhere {
                continue;
            }
            let (file, fragment) = target.split_once('#').unwrap_or((target, ""));
            let mut parts: Vec<&str> = path.split('/').collect();
            parts.pop();
            for part in file.split('/') {
                match part {
                    ".." => drop(parts.pop().unwrap_or_else(|| panic!("{path}: {target}"))),
                    part => parts.push(part),
                }
            }
            let file = if file.is_empty() { path.to_owned() } else { parts.join("/") };
            found.push((file, fragment.to_owned()));
        }
    }
    found
}

#[test]
fn every_link_leads_to_a_file_and_an_id() {
    let mut count = 0;
    for (path, html) in site().iter().filter(|(path, _)| path.ends_with(".html")) {
        for (file, fragment) in references(path, html) {
            count += 1;
            let target = site().get(&file).unwrap_or_else(|| panic!("{path}: no file {file}"));
            let is_state = fragment.contains('=');
            let has_id = fragment.is_empty() || is_state || target.contains(&format!("id=\"{fragment}\""));
            assert!(has_id, "{path}: {file} has no `{fragment}`");
        }
        for loaded in [
            "<link rel=\"stylesheet\" href=\"http",
            "<script src=\"http",
            "<img src=\"http",
            "style=\"",
            "<style",
        ] {
            assert!(!html.contains(loaded), "{path}: {loaded}");
        }
        let ids: Vec<&str> =
            html.split(" id=\"").skip(1).map(|part| part.split('"').next().unwrap()).collect();
        let distinct: HashSet<&&str> = ids.iter().collect();
        assert_eq!(ids.len(), distinct.len(), "{path}: an ID occurs twice: {ids:?}");
    }
    assert!(count > 3_000, "only {count} links");
}

#[test]
fn every_page_has_a_markdown_form_and_nothing_internal() {
    for (path, html) in site().iter().filter(|(path, _)| path.ends_with(".html")) {
        let markdown = site().get(&path.replace(".html", ".md")).unwrap_or_else(|| panic!("{path}"));
        assert!(markdown.starts_with("# "), "{path}");
        assert!(!markdown.contains("](@/") && !html.contains("@/"), "{path}");
        // Addresses of upstreams, accounts and settings of the operator.
        for internal in ["127.0.0.1", ":900", "acme", "limits.max", "demur.db"] {
            assert!(!html.contains(internal) && !markdown.contains(internal), "{path}: {internal}");
        }
    }
}

#[test]
fn pages_exist_in_every_language_of_the_contract() {
    let italian: Vec<&String> =
        site().keys().filter(|path| path.contains("/it/") && path.ends_with(".html")).collect();
    assert!(italian.len() > 15, "{italian:?}");
    for path in italian {
        let html = &site()[path];
        assert!(
            html.contains("<html lang=\"it\">") && html.contains("Passa al contenuto principale"),
            "{path}"
        );
        let english = path.replace("/it/", "/");
        assert!(site()[&english].contains("hreflang=\"it\"") && html.contains("hreflang=\"en\""), "{path}");
    }
    let page = site().iter().find(|(path, _)| path.ends_with("/it/errors/validation_failed.html")).unwrap().1;
    assert!(text(page).contains("Verifica dei parametri di ingresso non riuscita."));
    assert!(text(page).contains("Alcuni valori non sono validi."));
}

/// The gateway serves the pages, and each `doc_url` leads to one that shows the error.
#[test]
fn every_doc_url_resolves_at_the_gateway() {
    let gateway = Gateway::demo();
    let client = gateway.client_of_no_api();
    let mut count = 0;
    for api in names() {
        let catalogue = client.send(&Request::get(&format!("/docs/{api}/errors.json"))).json();
        for error in catalogue["errors"].as_array().unwrap() {
            let name = error["name"].as_str().unwrap();
            let path = match error["doc_url"].as_str() {
                // The host is mapped to the path of the API's pages.
                Some(url) => url.split_once("://").unwrap().1.split_once('/').unwrap().1.to_owned(),
                None => format!("errors/{name}"),
            };
            let response = client.send(&Request::get(&format!("/docs/{api}/{path}")));
            assert_eq!(response.status, 200, "{api}: {path}");
            let shown = error["code"].as_str().unwrap_or(name);
            assert!(response.text().contains(shown) || response.text().contains(name), "{api}: {path}");
            count += 1;
        }
    }
    assert!(count > 50, "only {count} errors");

    let name = &names()[0];
    let page = client.send(&Request::get(&format!("/docs/{name}/")));
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"), "{page:?}");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    let markdown = client.send(&Request::get(&format!("/docs/{name}/")).header("Accept", "text/markdown"));
    assert_eq!((markdown.status, markdown.header("content-type")), (200, "text/markdown; charset=utf-8"));
    assert!(markdown.text().starts_with("# "));
    let head = client.send(&Request::new("HEAD", &format!("/docs/{name}/")));
    assert_eq!((head.status, head.text().as_str()), (200, ""));
    let moved = client.send(&Request::get("/docs"));
    assert_eq!((moved.status, moved.header("location")), (302, "/docs/"));
    // Everything else is a request to an API, with an error in its contract.
    for request in [
        Request::post("/docs/index.html"),
        Request::get("/docs/none.html"),
        Request::get("/docs/../demur.yaml"),
        Request::get("/docs/%2e%2e/demur.yaml"),
        Request::get("/docsindex.html"),
    ] {
        let response = client.send(&request);
        assert!((400..500).contains(&response.status), "{request:?}: {response:?}");
    }
}

#[test]
fn check_rejects_a_path_that_shadows_an_operation_or_is_none() {
    for (path, message) in [
        ("/trakkr/brands", "the pages at `/trakkr/brands` shadow the operation"),
        ("/trackyard", "the pages at `/trackyard` shadow the operation"),
        ("/trakkr/brands/docs", "the pages at `/trakkr/brands/docs` shadow the operation"),
        ("docs", "`docs` is not a path for pages"),
        ("/", "`/` is not a path for pages"),
        ("/a/../b", "is not a path for pages"),
        ("/a b", "is not a path for pages"),
        ("/%64ocs", "is not a path for pages"),
    ] {
        let folder = TestDir::of_examples();
        folder.edit("docs: { path: /docs }", &format!("docs: {{ path: \"{path}\" }}"));
        let outcome = run(&["check", folder.config().to_str().unwrap()], folder.path());
        assert_eq!(outcome.code, Some(3), "{path}: {}", outcome.stderr);
        assert!(
            outcome.stderr.contains("docs-path") && outcome.stderr.contains(message),
            "{path}: {}",
            outcome.stderr
        );
    }
    for path in ["/docs", "/trakkr/docs", "/docs/"] {
        let folder = TestDir::of_examples();
        folder.edit("docs: { path: /docs }", &format!("docs: {{ path: \"{path}\" }}"));
        let outcome = run(&["check", folder.config().to_str().unwrap()], folder.path());
        assert!(!outcome.stderr.contains("docs-path"), "{path}: {}", outcome.stderr);
    }
}

#[test]
fn a_browser_finds_the_pages_accessible_and_usable_by_keyboard() {
    let gateway = Gateway::demo();
    let (chromium, folder) = (installed("chromium.sh"), installed("browser/install.sh"));
    let mut pages: Vec<String> = [
        "errors/rate_limit_exceeded.html",
        "index.html",
        "errors.html",
        "errors/invalid_param.html",
        "authentication.html",
        "limits.html",
        "search.html",
    ]
    .iter()
    .map(|page| format!("/docs/{}/{page}", names()[3]))
    .collect();
    let operation =
        site().keys().find(|path| path.contains("/operations/") && path.ends_with(".html")).unwrap();
    pages.push(format!("/docs/{operation}"));
    let italian = site().keys().find(|path| path.ends_with("/it/errors/validation_failed.html")).unwrap();
    pages.push(format!("/docs/{italian}"));
    let output = Command::new("node")
        .arg(folder.join("pages.mjs"))
        .arg(chromium)
        .arg(format!("http://{}", gateway.address()))
        .args(&pages)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let seen: Json =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"));
    let problems: Vec<&str> = seen["problems"].as_array().unwrap().iter().filter_map(Json::as_str).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert_eq!(seen["checked"], pages.len() * 3);
    let keyboard = &seen["keyboard"];
    assert_eq!(keyboard["skip"], "skip");
    assert_eq!(keyboard["filtered"], serde_json::json!(["429", "429"]), "{keyboard}");
    assert_eq!(keyboard["fragment"], "#q=429");
    assert_eq!(keyboard["first"], keyboard["opened"]);
    assert!(keyboard["facet"].as_array().unwrap().iter().all(|status| status == "401"), "{keyboard}");
    assert_eq!((&keyboard["none"], &keyboard["cleared"]), (&Json::Bool(true), &Json::from("")));
    assert!(keyboard["found"].as_u64().unwrap() > 5, "{keyboard}");
    assert_eq!(keyboard["searched"], 1);
    assert_eq!((&keyboard["tab"], &keyboard["remembered"]), (&Json::from("python"), &Json::from("python")));
    assert_eq!(keyboard["theme"], "light");
}
