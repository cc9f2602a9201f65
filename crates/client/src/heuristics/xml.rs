//! The XML errors of AWS: `<Error><Code/><Message/><RequestId/></Error>`, alone or within `<ErrorResponse>`.
//!
//! Not an XML parser: only the texts of these elements are needed, and a body may be truncated.

use super::found::{HeuristicMatch, shortened};

pub(super) fn error(body: &[u8]) -> Option<HeuristicMatch> {
    let text = std::str::from_utf8(body).ok()?.trim_start();
    if !text.starts_with('<') || !text.contains("<Error") {
        return None;
    }
    let code = element(text, "Code")?;
    Some(HeuristicMatch {
        code: Some(code),
        kind: element(text, "Type"),
        message: element(text, "Message").unwrap_or_default(),
        param: element(text, "ArgumentName"),
        request_id: element(text, "RequestId").or_else(|| element(text, "RequestID")),
        ..HeuristicMatch::default()
    })
}

/// The text of the first element with this name; `None` if it has elements itself.
fn element(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (content, _) = rest.split_once(&format!("</{name}>"))?;
    if content.contains('<') {
        return None;
    }
    let unescaped =
        content.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    Some(shortened(&unescaped.replace("&amp;", "&"))).filter(|text| !text.is_empty())
}
