//! The pages about what a client needs and may use: authentication, limits, plans.

use demur_contract::{Condition, LimitHeaders};
use demur_engine::settings::{Scheme, TokenSettings};

use super::api::ApiPages;
use super::block::{Block, Row, section, table, text};
use super::content::Content;
use super::error_page::example_path;
use super::markdown::{code, code_link, escape};

/// How to send a key or a token, and the error for each state of it.
pub(crate) fn authentication(api: &ApiPages<'_>) -> Content {
    let authentication = &api.settings.authentication;
    let mut blocks = Vec::new();
    if let Some(operation) = api.operations().find(|operation| operation.method == "GET") {
        let url = example_path(api, &operation.id).unwrap_or_else(|| operation.path.clone());
        let request = |scheme: &Scheme, variable: &str| {
            let header = match scheme {
                Scheme::Authorization(name) => format!("Authorization: {name} {variable}"),
                Scheme::Field(name) => format!("{name}: {variable}"),
            };
            let text = format!("curl -H \"{header}\" \\\n  \"$API_URL{url}\"\n");
            Block::Code { caption: api.t("request"), text }
        };
        let mut send: Vec<Block> =
            authentication.key_schemes().map(|scheme| request(scheme, "$API_KEY")).collect();
        send.push(text(api.t("auth.secret")));
        if let Some(name) = &authentication.query {
            send.push(text(api.texts.with("auth.query", &[("name", &code(name))])));
        }
        blocks.push(section("send", api.t("auth.send"), send));
        if let Some(tokens) = &authentication.tokens {
            let send = vec![request(&tokens.scheme, "$TOKEN"), text(token_text(api, tokens))];
            blocks.push(section("token", api.t("auth.token.send"), send));
        }
    }
    let mut rows: Vec<Row> = Vec::new();
    let roots = ["credential", "permission", "plan"];
    for error in &api.errors {
        for (_, cell) in &error.cells {
            let condition = Condition::from_name(&cell.condition);
            if !condition.is_some_and(|condition| roots.iter().any(|root| condition.covered_by(root))) {
                continue;
            }
            let causes = api.causes(std::iter::once(*cell), 1);
            let cause = causes.into_iter().next().unwrap_or_else(|| api.meaning(error));
            if !rows.iter().any(|row| row.cells.first() == Some(&cause)) {
                let status = error.entry.status.to_string();
                rows.push(Row::of([cause, status, api.error_link(&error.entry.name)]));
            }
        }
    }
    if !rows.is_empty() {
        let head = [api.t("auth.key"), api.t("status"), api.t("error")];
        let (attempts, per) = authentication.failures;
        let values = [("n", attempts.to_string()), ("s", per.as_secs().to_string())];
        let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let throttle = text(api.texts.with("auth.throttle", &values));
        blocks.push(section(
            "states",
            api.t("auth.states"),
            vec![table(&[&head[0], &head[1], &head[2]], rows), throttle],
        ));
    }
    let prefixes: Vec<String> =
        authentication.prefixes.all().map(|prefix| code(&format!("{prefix}_"))).collect();
    let form = api.texts.with("auth.form.text", &[("prefix", &prefixes.join(", "))]);
    blocks.push(section("form", api.t("auth.form"), vec![text(form)]));
    let anonymous: Vec<String> = api
        .operations()
        .filter(|operation| {
            let declared = api.settings.document.operation(&operation.id);
            declared.is_some_and(|it| {
                api.settings.operations.get(it.index()).is_some_and(|policy| policy.anonymous)
            })
        })
        .map(|operation| code_link(&operation.id, &api.operation_page(&operation.id)))
        .collect();
    if !anonymous.is_empty() {
        blocks.push(text(api.texts.with("auth.anonymous", &[("list", &anonymous.join(", "))])));
    }
    Content::plain("authentication.html", api.t("auth"), api.t("auth.lede"), blocks)
}

/// Which tokens are accepted.
fn token_text(api: &ApiPages<'_>, tokens: &TokenSettings) -> String {
    let policy = &tokens.policy;
    let listed = |names: Vec<String>| names.iter().map(|name| code(name)).collect::<Vec<_>>().join(", ");
    let algorithms = listed(policy.algorithms.iter().map(ToString::to_string).collect());
    let (issuer, audience) = (code(&policy.issuer), listed(policy.audiences.clone()));
    let values = [("issuer", &*issuer), ("audience", &*audience), ("algorithms", &*algorithms)];
    api.texts.with("auth.token.text", &values)
}

/// Rates, quotas, and the headers about them.
pub(crate) fn limits(api: &ApiPages<'_>) -> Content {
    let none = api.t("nolimit");
    let mut blocks = Vec::new();
    let rows = api.plans.iter().filter(|plan| plan.active).map(|plan| {
        let rates: Vec<String> = plan
            .rates
            .iter()
            .filter(|rate| !rate.shadow)
            .map(|rate| {
                let per = rate.per.as_secs_f64();
                let per = if per == 1.0 { "s".to_owned() } else { format!("{per} s") };
                format!("{} / {per}", rate.requests)
            })
            .collect();
        let bursts: Vec<String> =
            plan.rates.iter().filter(|rate| !rate.shadow).map(|rate| rate.burst.to_string()).collect();
        let or_none = |parts: Vec<String>| if parts.is_empty() { none.clone() } else { parts.join(", ") };
        let quota = plan.quota.as_ref().filter(|quota| !quota.shadow).map(|quota| quota.requests.to_string());
        let slots = plan.concurrency.filter(|limit| !limit.shadow).map(|limit| limit.slots.to_string());
        let name = format!("**{}**", escape(&plan.name));
        Row::of([
            name,
            or_none(rates),
            or_none(bursts),
            quota.unwrap_or_else(|| none.clone()),
            slots.unwrap_or_else(|| none.clone()),
        ])
    });
    let head = ["plan", "rate", "burst", "quota", "concurrent"].map(|key| api.t(key));
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    blocks.push(section("plans", api.t("limits"), vec![table(&head, rows.collect())]));
    let kinds = [
        (Condition::RateExceeded, "rate"),
        (Condition::RateConcurrency, "concurrent"),
        (Condition::QuotaExceeded, "quota"),
        (Condition::CredentialThrottled, "auth"),
    ];
    let rows: Vec<Row> = kinds
        .iter()
        .filter_map(|(condition, key)| {
            let cells = api.errors.iter().flat_map(|error| &error.cells);
            let (_, cell) = cells.into_iter().find(|(_, cell)| cell.condition == condition.name())?;
            let retry = cell
                .answer
                .headers
                .get("retry-after")
                .map(|seconds| code(&format!("retry-after: {seconds}")));
            Some(Row::of([api.t(key), api.error_link(&cell.error), retry.unwrap_or_default()]))
        })
        .collect();
    if !rows.is_empty() {
        let head = [api.t("limit"), api.t("error"), api.t("delay")];
        blocks.push(section("which", api.t("which"), vec![table(&[&head[0], &head[1], &head[2]], rows)]));
    }
    blocks.push(section("headers", api.t("headers"), vec![headers(api)]));
    let lede = if api.plans.iter().any(|plan| !plan.rates.is_empty() || plan.quota.is_some()) {
        "limits.lede"
    } else {
        "limits.none"
    };
    Content::plain("limits.html", api.t("limits"), api.t(lede), blocks)
}

fn headers(api: &ApiPages<'_>) -> Block {
    let mut rows = vec![
        Row::of([code("Retry-After"), api.t("on.rejected"), api.t("header.retry")]),
        Row::of([code(&api.id_header()), api.t("on.every"), api.t("header.id")]),
    ];
    let mut add = |name: &str| rows.push(Row::of([code(name), api.t("on.every"), api.t("header.limit")]));
    for headers in api.contract.limit_headers() {
        match headers {
            LimitHeaders::Limits(names) => {
                [&names.limit, &names.remaining, &names.reset]
                    .into_iter()
                    .flatten()
                    .for_each(|name| add(name));
            }
            LimitHeaders::Ietf => ["RateLimit", "RateLimit-Policy"].into_iter().for_each(&mut add),
            LimitHeaders::ShouldRetry(name)
            | LimitHeaders::ShouldRetryAtOnce(name)
            | LimitHeaders::RetryAfterMillis(name) => add(name),
        }
    }
    let head = [api.t("header"), api.t("where"), api.t("meaning")];
    table(&[&head[0], &head[1], &head[2]], rows)
}

/// What plans include, and what operations cost.
pub(crate) fn plans(api: &ApiPages<'_>) -> Content {
    let none = api.t("zero");
    let rows = api.plans.iter().map(|plan| {
        let features: Vec<String> = plan.features.iter().map(|feature| code(feature)).collect();
        let credits =
            plan.credits.as_ref().map_or_else(|| none.clone(), |credits| credits.amount.to_string());
        let state = if plan.active { String::new() } else { format!(" ({})", api.t("inactive")) };
        let features = if features.is_empty() { none.clone() } else { features.join(" ") };
        Row::of([format!("**{}**{state}", escape(&plan.name)), features, credits])
    });
    let head = [api.t("plan"), api.t("features"), api.t("credits")];
    let mut blocks_of = vec![table(&[&head[0], &head[1], &head[2]], rows.collect())];
    if let Some(credits) = api.plans.iter().find_map(|plan| plan.credits.as_ref()) {
        let zone = credits.zone.iana_name().unwrap_or("UTC");
        let values = [("day", credits.grant_day.to_string()), ("zone", zone.to_owned())];
        let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        blocks_of.push(text(api.texts.with("grant", &values)));
    }
    let cost = api.operations().filter_map(|operation| {
        let declared = api.settings.document.operation(&operation.id)?;
        let policy = api.settings.operations.get(declared.index())?;
        let counts = policy.cost.map_or(1, |cost| cost.get());
        let credits = if policy.credits == 0 { none.clone() } else { policy.credits.to_string() };
        let needs: Vec<String> = policy.feature.iter().chain(&policy.scope).map(|name| code(name)).collect();
        Some(Row::of([
            code_link(&operation.id, &api.operation_page(&operation.id)),
            code(&format!("{} {}", operation.method, operation.path)),
            counts.to_string(),
            credits,
            needs.join(" "),
        ]))
    });
    let of_cost = ["operation", "request", "counts", "creditcost", "feature"].map(|key| api.t(key));
    let of_cost: Vec<&str> = of_cost.iter().map(String::as_str).collect();
    let blocks = vec![
        section("plans", api.t("plans"), blocks_of),
        section("cost", api.t("cost"), vec![table(&of_cost, cost.collect())]),
    ];
    Content::plain("plans.html", api.t("plans"), api.t("plans.lede"), blocks)
}
