//! The same content for programs: `errors.json` and `llms.txt`.

use demur_contract::Contract;
use serde_json::{Value, json};

use super::api::{ApiPages, origin};
use super::content::Content;
use super::error_page::summary;

/// The whole catalogue of one API in one language.
pub(crate) fn errors_json(api: &ApiPages<'_>, original: &Contract) -> Value {
    let about = original.about();
    let errors: Vec<Value> = api
        .errors
        .iter()
        .map(|error| {
            let entry = error.entry;
            let own = api.contract.entry(error.id);
            let mut conditions: Vec<&str> = error.cells.iter().map(|(_, cell)| &*cell.condition).collect();
            conditions.sort_unstable();
            conditions.dedup();
            let mut operations: Vec<&str> = error.cells.iter().map(|(operation, _)| &*operation.id).collect();
            operations.dedup();
            let example = error.example.map(|cell| {
                json!({ "status": cell.answer.status, "headers": cell.answer.headers, "body": api.body(error, original) })
            });
            json!({
                "name": entry.name,
                "code": entry.code,
                "status": entry.status.as_u16(),
                "type": entry.kind,
                "title": own.title.to_string(),
                "message": own.message.to_string(),
                "user_message": own.user_message.as_ref().map(ToString::to_string),
                "doc_url": entry.doc_url,
                "page": api.error_page(&entry.name),
                "origin": origin(error).as_str(),
                "retry": {
                    "class": entry.retry.class.as_str(),
                    "default_delay": entry.retry.default_delay.map(|delay| delay.as_secs()),
                    "attempts": entry.retry.attempts,
                },
                "description": entry.docs.description,
                "cause": entry.docs.cause,
                "fix": entry.docs.fix,
                "links": entry.docs.links,
                "since": entry.docs.since,
                "deprecated": entry.docs.deprecated,
                "replaced_by": entry.docs.replaced_by,
                "same_as": entry.same_as,
                "conditions": conditions,
                "operations": operations,
                "example": example,
            })
        })
        .collect();
    let pairs = |list: &[(String, String)]| -> Value {
        list.iter()
            .map(|(name, text)| (name.clone(), Value::from(text.clone())))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    json!({
        "api": api.settings.name,
        "title": api.title(),
        "contract": original.name(),
        "language": api.contract.locale(),
        "content_type": original.content_type(),
        "request_id": original.request_id().header,
        "statuses": about.statuses.iter().map(|(status, text)| (status.to_string(), Value::from(text.clone())))
            .collect::<serde_json::Map<_, _>>(),
        "statuses_closed": about.statuses_closed,
        "types": pairs(&about.types),
        "members": pairs(&about.members),
        "errors": errors,
    })
}

/// The pages of one API with a summary of each, for language models.
pub(crate) fn llms_txt(api: &ApiPages<'_>, pages: &[Content]) -> String {
    let mut text = format!("# {}\n\n> {}\n\n", api.title(), api.t("handle.lede"));
    let (mut errors, mut others) = (String::new(), String::new());
    for page in pages {
        let file = page.path.replace(".html", ".md");
        let to = if page.path.starts_with("errors/") { &mut errors } else { &mut others };
        to.push_str(&format!("- [{}]({file}): {}\n", page.title, summary(page)));
    }
    text.push_str(&format!(
        "## {}\n\n{others}\n## {}\n\n{errors}\n- [errors.json](errors.json)\n",
        api.t("reference"),
        api.t("errors")
    ));
    text
}
