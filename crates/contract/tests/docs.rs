//! `docs/reference/conditions.md` is made of the table of conditions. `DEMUR_UPDATE_DOCS=1` writes it anew.

#![allow(clippy::unwrap_used, reason = "a test says what failed by failing")]

use std::fmt::Write;
use std::path::Path;

use demur_contract::{Condition, DENIAL_PARAMS};

fn page() -> String {
    let mut page = String::from(
        "# Conditions\n\n\
         A name for each way in which a request can fail. A contract claims them with `on:`, by a leaf or by a\n\
         branch (`credential`, `param.invalid`); the deepest claim wins. What nobody claims gets the status,\n\
         title and retry class of this table, in the contract's own format.\n\n\
         *Upstream* says whether the API behind may raise it by name.\n\n\
         | condition | status | retry | upstream | title |\n|---|---|---|---|---|\n",
    );
    for condition in Condition::all().filter(|condition| condition.is_listed()) {
        let usual = condition.usual();
        let status = if usual.status == 0 { "–".to_owned() } else { usual.status.to_string() };
        let upstream = if condition.upstream_may_raise() { "yes" } else { "" };
        writeln!(
            page,
            "| `{}` | {status} | {} | {upstream} | {} |",
            usual.name,
            usual.retry.as_str(),
            usual.title
        )
        .unwrap();
    }
    page.push_str("| `upstream.refused.STATUS` | that 4xx | by status | yes | The service behind refused the request |\n");
    page.push_str(
        "\n## Parameters\n\n\
         What the gateway's own refusals give along. A message may name them (`{limit}`), and a format may show them\n\
         (`$params.limit`); what a condition does not give is left out. Parameters of violations (`{param}`, `{value}`,\n\
         `{limit}`, …) are in [contract.md](contract.md).\n\n\
         | parameter | conditions | meaning |\n|---|---|---|\n",
    );
    for param in DENIAL_PARAMS {
        let on: Vec<String> = param.on.iter().map(|condition| format!("`{condition}`")).collect();
        writeln!(page, "| `{}` | {} | {} |", param.name, on.join(", "), param.meaning).unwrap();
    }
    page
}

#[test]
fn the_page_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/conditions.md");
    if std::env::var_os("DEMUR_UPDATE_DOCS").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), page(), "run it with DEMUR_UPDATE_DOCS=1");
}
