//! The matrix of the example configuration: complete, deterministic, and true to the contracts.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use demur_admission::Plan;
use demur_contract::{Condition, ParseResult, ResponseView};
use demur_engine::Api;
use demur_engine::settings::{Origins, WebSocket};
use demur_matrix::{Cell, ContractMatrix, Matrix, OperationMatrix};
use demur_source::Source;
use serde_json::Value as Json;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn load() -> (Vec<Arc<Api>>, Vec<Plan>) {
    let folder = root().join("examples");
    let source = Source::read(&folder.join("demur.yaml")).unwrap();
    let (settings, _) = demur_config::load_service(&source, &folder).unwrap();
    (settings.apis.into_iter().map(Api::new).collect(), settings.plans)
}

fn examples() -> &'static (Vec<Arc<Api>>, Vec<Plan>, Matrix) {
    static EXAMPLES: OnceLock<(Vec<Arc<Api>>, Vec<Plan>, Matrix)> = OnceLock::new();
    EXAMPLES.get_or_init(|| {
        let (apis, plans) = load();
        let matrix = Matrix::build(&apis, &plans);
        (apis, plans, matrix)
    })
}

fn contract(number: usize) -> &'static ContractMatrix {
    &examples().2.apis[number].contracts[0]
}

fn operation<'m>(contract: &'m ContractMatrix, id: &str) -> &'m OperationMatrix {
    contract.operations.iter().find(|operation| operation.id == id).unwrap_or_else(|| panic!("{id}"))
}

fn cells(contract: &ContractMatrix) -> impl Iterator<Item = &Cell> {
    contract.operations.iter().flat_map(|operation| &operation.cells).chain(&contract.unmatched)
}

fn json(matrix: &Matrix) -> String {
    let mut out = Vec::new();
    matrix.to_json(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn every_answer_is_parsed_as_its_error() {
    let (apis, _, matrix) = examples();
    let mut count = 0;
    for (api, of_api) in apis.iter().zip(&matrix.apis) {
        for (contract, of_contract) in api.settings().contracts().zip(&of_api.contracts) {
            for cell in cells(of_contract) {
                let header = |name: &str| cell.answer.headers.get(name).map(String::as_str);
                let response = ResponseView {
                    headers: &header,
                    ..ResponseView::new(cell.answer.status, cell.answer.body.as_bytes())
                };
                let name = |error| contract.entry(error).name.as_str();
                let names: Vec<&str> = match contract.parse(&response) {
                    ParseResult::Exact(parsed) => vec![name(parsed.problem.error)],
                    ParseResult::Ambiguous { candidates } => {
                        candidates.iter().map(|candidate| name(*candidate)).collect()
                    }
                    ParseResult::Unknown { .. } => Vec::new(),
                };
                assert!(names.contains(&cell.error.as_str()), "{}: {names:?}", cell.id);
                assert!(!cell.causes.is_empty(), "{}", cell.id);
                count += 1;
            }
        }
    }
    assert!(count > 700, "only {count} cells");
}

#[test]
fn every_condition_occurs_or_is_absent_for_a_reason() {
    for of_contract in examples().2.apis.iter().flat_map(|api| &api.contracts) {
        for operation in &of_contract.operations {
            let present: HashSet<&str> = operation.cells.iter().map(|cell| &*cell.condition).collect();
            let absent: HashSet<&str> = operation.absent.iter().map(|absent| &*absent.condition).collect();
            assert!(present.is_disjoint(&absent), "{}", operation.id);
            for condition in Condition::all().filter(|condition| condition.is_listed()) {
                let is_known = present.contains(condition.name()) || absent.contains(condition.name());
                assert!(is_known, "{}: {condition}", operation.id);
            }
            assert!(operation.absent.iter().all(|absent| !absent.reason.is_empty()));
        }
    }
}

#[test]
fn ids_are_unique_and_the_json_is_deterministic() {
    let (apis, plans, matrix) = examples();
    let mut ids = BTreeSet::new();
    for cell in matrix.apis.iter().flat_map(|api| &api.contracts).flat_map(cells) {
        assert!(ids.insert(&cell.id), "{}", cell.id);
    }
    let (other_apis, other_plans) = load();
    assert!(json(matrix) == json(&Matrix::build(&other_apis, &other_plans)));
    assert!(json(matrix) == json(&Matrix::build(apis, plans)));
}

#[test]
fn json_is_valid_under_the_published_schema() {
    let schema = std::fs::read_to_string(root().join("docs/schema/matrix.json")).unwrap();
    let validator = jsonschema::draft7::new(&serde_json::from_str::<Json>(&schema).unwrap()).unwrap();
    let value: Json = serde_json::from_str(&json(&examples().2)).unwrap();
    let mistakes: Vec<String> =
        validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(mistakes.is_empty(), "{mistakes:?}");
}

/// By the position of the API in the example configuration: operation, condition, error, and a part of a cause.
const PRESENT: &[(usize, &str, &str, &str, &str)] = &[
    (0, "listScores", "credential.missing", "missing_authorization", "no `Authorization: Bearer`"),
    (0, "listScores", "credential.expired", "api_key_expired", "expired"),
    (0, "listScores", "param.missing", "missing_param", "`brand` in the query"),
    (0, "listScores", "param.invalid.maximum", "invalid_param", "`limit` in the query is too large (100)"),
    (0, "listScores", "permission.resource", "permission_denied", "does not cover the resource"),
    (0, "listScores", "quota.exceeded", "daily_limit_exceeded", "the plan `daily` allows 2 requests a day"),
    (
        0,
        "listScores",
        "rate.exceeded",
        "rate_limit_exceeded",
        "the plan `limited` allows 3 requests in 2 seconds",
    ),
    (0, "createBrand", "body.invalid_json", "invalid_json", "not valid JSON"),
    (0, "createBrand", "param.invalid.length.empty", "invalid_param", "`name` in the body"),
    (0, "showReport", "upstream.timeout", "timeout", "in time"),
    (0, "showReport", "upstream.refused.404", "not_found", "404"),
    (1, "getScores", "brand_access_denied", "brand_access_denied", "the rule `brand-is-owned`"),
    (1, "getScores", "date_range_validation_error", "date_range_validation_error", "cannot be evaluated"),
    (1, "getScores", "store.unavailable.keys", "authentication_error", "store of keys"),
    (2, "searchTracks", "credits.exhausted", "out_of_credits", "the operation costs 1 credit"),
    (2, "similarTracks", "plan.required", "forbidden", "the plan `free` lacks the feature `similarity`"),
    (2, "showUsage", "permission.operation", "forbidden_admin", "the scope `admin`"),
    (3, "listShipments", "param.invalid.minimum", "validation_failed", "`page` in the query"),
    (3, "showAnalytics", "plan.inactive", "payment_required", "the plan `lapsed` is not active"),
    (4, "createGroup", "param.invalid.length.empty", "constraint_violation", "`name` in the body"),
];

#[test]
fn cells_name_error_and_cause() {
    for (api, id, condition, error, cause) in PRESENT {
        let contract = contract(*api);
        let cell = operation(contract, id).cells.iter().find(|cell| cell.condition == *condition);
        let cell = cell.unwrap_or_else(|| panic!("{id}: {condition}"));
        assert_eq!(cell.error, *error, "{id}: {condition}");
        let texts: Vec<&str> = cell.causes.iter().map(|cause| &*cause.text).collect();
        assert!(texts.iter().any(|text| text.contains(cause)), "{id}: {condition}: {texts:?}");
    }
}

/// Operation, condition, and a part of the reason.
const ABSENT: &[(usize, &str, &str, &str)] = &[
    (0, "listScores", "body.invalid_json", "takes no JSON body"),
    (0, "listScores", "credits.exhausted", "costs no credits"),
    (0, "listScores", "plan.required", "requires no feature"),
    (0, "listScores", "param.invalid.enum", "no keyword"),
    (1, "getLastUpdate", "brand_access_denied", "no rule raises it"),
    (0, "listScores", "resource.method_not_allowed", "other methods"),
    (0, "listScores", "client.gone", "no response"),
    (0, "listScores", "request.upgrade_required", "does not serve WebSocket"),
    (0, "listScores", "permission.origin", "does not serve WebSocket"),
    (2, "showMe", "credits.held", "costs no credits"),
];

#[test]
fn absent_conditions_name_the_reason() {
    for (api, id, condition, reason) in ABSENT {
        let operation = operation(contract(*api), id);
        let absent = operation.absent.iter().find(|absent| absent.condition == *condition);
        let absent = absent.unwrap_or_else(|| panic!("{id}: {condition}"));
        assert!(absent.reason.contains(reason), "{id}: {condition}: {}", absent.reason);
    }
}

#[test]
fn websocket_has_conditions_of_its_own() {
    let folder = root().join("examples");
    let source = Source::read(&folder.join("demur.yaml")).unwrap();
    let (mut settings, _) = demur_config::load_service(&source, &folder).unwrap();
    let of_api = &mut settings.apis[0];
    let index = of_api.document.operation("listScores").unwrap().index();
    let origins = Origins::These(Vec::new());
    of_api.operations[index].websocket = Some(WebSocket { origins, ..WebSocket::default() });
    let apis: Vec<Arc<Api>> = settings.apis.into_iter().map(Api::new).collect();
    let matrix = Matrix::build(&apis, &settings.plans);
    let operation = operation(&matrix.apis[0].contracts[0], "listScores");
    for (condition, cause) in [
        ("request.upgrade_required", "is not 13"),
        ("request.upgrade_rejected", "another protocol than WebSocket"),
        ("permission.origin", "not in `websocket.origins`"),
    ] {
        let cell = operation.cells.iter().find(|cell| cell.condition == condition);
        let cell = cell.unwrap_or_else(|| panic!("{condition}"));
        assert!(cell.causes[0].text.contains(cause), "{condition}: {:?}", cell.causes);
    }
}

#[test]
fn answers_have_the_headers_of_the_gateway() {
    let row = |api: usize, id: &str, condition: &str| {
        let cell = operation(contract(api), id).cells.iter().find(|cell| cell.condition == condition);
        cell.unwrap_or_else(|| panic!("{condition}")).answer.clone()
    };
    let limited = row(2, "searchTracks", "rate.exceeded");
    assert_eq!((limited.status, limited.headers["retry-after"].as_str()), (429, "1"));
    assert_eq!(limited.headers["x-ratelimit-remaining"], "0");
    let unknown = row(0, "listScores", "credential.unknown");
    assert!(unknown.headers["www-authenticate"].starts_with("Bearer realm="));
    for answer in [&limited, &unknown] {
        assert!(answer.headers["x-request-id"].starts_with("req_"));
        assert_eq!(answer.headers["cache-control"], "no-store");
    }
    let unmatched = &contract(4).unmatched;
    assert_eq!(unmatched.last().unwrap().answer.headers["allow"], "GET, HEAD");
}
