//! `docs/reference/conditions.md` is generated from the condition table. `DEMUR_UPDATE_DOCS=1` updates it.

#![allow(clippy::unwrap_used, reason = "a test says what failed by failing")]

use std::fmt::Write;
use std::path::Path;

use demur_contract::{Condition, DENIAL_PARAMS};

fn page() -> String {
    let mut page = String::from(
        "# Conditions\n\n\
         A condition is the name of one way in which a request can fail. An error of a contract claims conditions under\n\
         `on`, by name or by branch (`credential`, `param.invalid`); the most specific claim wins. For a condition that no\n\
         error claims, clients get the status, title and retry class of this table, in the contract's own format.\n\n\
         The column *upstream* shows whether an upstream can raise the condition by name.\n\n\
         | condition | status | retry | upstream | title |\n|---|---|---|---|---|\n",
    );
    for condition in Condition::all().filter(|condition| condition.is_listed()) {
        let defaults = condition.defaults();
        let status = if defaults.status == 0 { "–".to_owned() } else { defaults.status.to_string() };
        let upstream = if condition.upstream_may_raise() { "yes" } else { "" };
        writeln!(
            page,
            "| `{}` | {status} | {} | {upstream} | {} |",
            defaults.name,
            defaults.retry.as_str(),
            defaults.title
        )
        .unwrap();
    }
    page.push_str("| `upstream.refused.STATUS` | that 4xx | by status | yes | that of the status |\n");
    page.push_str(
        "\n## Statuses of the upstream\n\n\
         An upstream's error response that names no error of the contract is mapped by its status, in this order:\n\n\
         1. An error claims `upstream.refused.STATUS`.\n\
         2. The status has an equivalent condition in this table, and an error with this status claims it, or any 4xx error\n   \
         claims it by its full name.\n\
         3. An error claims `upstream.refused`. A claim on `upstream` does not cover it.\n\
         4. The derived error of the equivalent condition, if it has this status; else one that keeps the status, with its\n   \
         usual title.\n\n\
         | status | condition |\n|---|---|\n",
    );
    let refused = |status| demur_contract::RejectedStatus::new(status).unwrap();
    for status in 400..500 {
        if let Some(condition) = refused(status).equivalent() {
            writeln!(page, "| {status} | `{condition}` |").unwrap();
        }
    }
    page.push_str(
        "| 401, 402, 407 | `upstream.failed`: they are about the gateway's account at the upstream. On operations without a \
         key, 401 and 402 are `upstream.refused` |\n\
         | 502 | `upstream.unreachable` |\n| 503 | `upstream.unavailable` |\n| 504 | `upstream.timeout` |\n\
         | any other 5xx | `upstream.failed` |\n\n\
         `demur check` prints the result for each API.\n",
    );
    page.push_str(
        "\n`upstream.refused.STATUS` is a 4xx response of the upstream itself, such as `upstream.refused.422`: the service\n\
         rejected the request. A claim of `upstream.refused` covers all statuses. `client.gone` is a client that closed its\n\
         connection before the response was complete. It has no response; it only appears in the access log (event\n\
         `request aborted`).\n",
    );
    page.push_str(
        "\n## Parameters\n\n\
         The gateway sets these parameters when it rejects a request. A message can use them (`{limit}`), and a format can\n\
         show them (`$params.limit`); a parameter that a condition does not have is omitted. The parameters of violations\n\
         (`{param}`, `{value}`, `{limit}`, …) are in [The contract file](contract.md#texts).\n\n\
         | parameter | conditions | meaning |\n|---|---|---|\n",
    );
    for param in DENIAL_PARAMS {
        let on: Vec<String> = param.on.iter().map(|condition| format!("`{condition}`")).collect();
        writeln!(page, "| `{}` | {} | {} |", param.name, on.join(", "), param.meaning).unwrap();
    }
    page
}

#[test]
fn conditions_page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/conditions.md");
    if std::env::var_os("DEMUR_UPDATE_DOCS").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), page(), "run it with DEMUR_UPDATE_DOCS=1");
}
