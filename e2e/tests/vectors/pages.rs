//! The links to documentation in responses, followed at the gateway.

use demur_contract::{ParseResult, ResponseView};
use demur_e2e::{Request, Response, contract};

use crate::world::World;

/// Follows the link of a response to the page of its error, if its format has one. The host is mapped to the path of the
/// reference pages. `Err` says what is wrong.
pub(crate) fn of(world: &World, api: &str, response: &Response) -> Option<Result<String, String>> {
    let contract = contract(api);
    let parsed = contract.parse(&ResponseView::new(response.status, &response.body));
    let error = match parsed {
        ParseResult::Exact(parsed) => parsed.problem.error,
        ParseResult::Ambiguous { candidates } => candidates[0],
        ParseResult::Unknown { .. } => return None,
    };
    let entry = contract.entry(error);
    let url = entry.doc_url.as_deref().filter(|url| response.text().contains(url))?;
    let (_, path) = url.split_once("://")?.1.split_once('/')?;
    let page = world.demo.client_of_no_api().send(&Request::get(&format!("/docs/{api}/{path}")));
    let shows = page.status == 200 && page.text().contains(entry.code.as_ref().unwrap_or(&entry.name));
    Some(if shows { Ok(url.to_owned()) } else { Err(format!("{url}: {}", page.status)) })
}
