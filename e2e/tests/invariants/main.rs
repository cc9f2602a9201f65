//! What must hold for every API and every response, beyond the documented cases.
//!
//! Most of it is asserted by the checking client, which every request here goes through: a response in the
//! contract, one fresh id, nothing of the upstream's in it. The tables bring about the situations, and hold
//! the log's condition and the contract's status against them, so that none of them passes for nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop, in its functions that carry no #[test] too"
)]

mod forwarding;
mod matrix;
mod passing;
mod raising;
mod shop;
mod upstream_responses;

use demur_contract::Condition;
use demur_e2e::{MockedGateway, Request, Response};

const APIS: [&str; 5] = ["trakkr", "trakkr-get-scores", "trackyard", "trackbot-pro", "trackunit"];

/// Sends a request, which must be rejected for this reason, with the status that the contract has for it.
fn assert_rejected(scripted: &MockedGateway, api: &str, condition: &str, request: &Request) -> Response {
    assert_condition(scripted, api, condition, scripted.client(api).send(request))
}

/// The response, when it came about for this reason and has the status that the contract has for it.
fn assert_condition(scripted: &MockedGateway, api: &str, condition: &str, response: Response) -> Response {
    assert!(response.status >= 400, "{api}: {response:?}");
    let logged = scripted.gateway().logged(response.header("x-request-id"));
    assert_eq!(logged["condition"], condition, "{logged}");
    let contract = scripted.client(api).contract().clone();
    let named = Condition::from_name(condition).unwrap_or_else(|| panic!("no condition `{condition}`"));
    assert_eq!(
        response.status,
        contract.entry(contract.answer(named)).status.as_u16(),
        "{api}: {response:?}"
    );
    response
}
