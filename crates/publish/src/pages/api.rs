//! What the pages of one API in one language share.

use std::collections::HashMap;

use demur_admission::Plan;
use demur_contract::{Condition, Contract, ErrorEntry, ErrorId, ErrorOrigin, Problem, RetryClass};
use demur_engine::settings::{ApiSettings, Scheme};
use demur_matrix::{Cause, CauseKind, Cell, ContractMatrix, EXAMPLE_REQUEST_ID, OperationMatrix};

use super::markdown::code_link;
use super::names::{FileNames, class_of};
use super::texts::Texts;

/// One API in one language, for the functions that make its pages.
pub(crate) struct ApiPages<'a> {
    pub(crate) settings: &'a ApiSettings,
    pub(crate) plans: &'a [Plan],
    /// The contract in the language of the pages.
    pub(crate) contract: &'a Contract,
    pub(crate) matrix: &'a ContractMatrix,
    pub(crate) texts: Texts,
    pub(crate) error_files: FileNames,
    pub(crate) operation_files: FileNames,
    pub(crate) errors: Vec<ErrorView<'a>>,
    by_name: HashMap<&'a str, usize>,
}

/// An error that is published.
pub(crate) struct ErrorView<'a> {
    pub(crate) id: ErrorId,
    pub(crate) entry: &'a ErrorEntry,
    /// Where it occurs, but for internal operations.
    pub(crate) cells: Vec<(&'a OperationMatrix, &'a Cell)>,
    /// An example; one of a request that matches no operation if it occurs nowhere else.
    pub(crate) example: Option<&'a Cell>,
}

impl<'a> ApiPages<'a> {
    pub(crate) fn new(
        settings: &'a ApiSettings,
        plans: &'a [Plan],
        contract: &'a Contract,
        matrix: &'a ContractMatrix,
    ) -> Self {
        let mut by_error: HashMap<&str, Vec<(&OperationMatrix, &Cell)>> = HashMap::new();
        for operation in matrix.operations.iter().filter(|operation| !operation.internal) {
            for cell in &operation.cells {
                by_error.entry(&cell.error).or_default().push((operation, cell));
            }
        }
        let unmatched: HashMap<&str, &Cell> =
            matrix.unmatched.iter().map(|cell| (cell.error.as_str(), cell)).collect();
        let mut error_files = FileNames::default();
        let mut errors = Vec::new();
        for (id, entry) in contract.entries() {
            let cells = by_error.remove(entry.name.as_str()).unwrap_or_default();
            let example = example(&cells, entry).or(unmatched.get(&*entry.name).copied());
            // A declared error has a page even where nothing raises it.
            let is_declared = entry.source == demur_contract::EntrySource::Declared;
            if example.is_some() || is_declared {
                error_files.add(&entry.name);
                errors.push(ErrorView { id, entry, cells, example });
            }
        }
        let by_name = errors.iter().enumerate().map(|(index, error)| (&*error.entry.name, index)).collect();
        let mut operation_files = FileNames::default();
        for operation in matrix.operations.iter().filter(|operation| !operation.internal) {
            operation_files.add(&operation.id);
        }
        let texts = Texts::of(contract.locale());
        Self { settings, plans, contract, matrix, texts, error_files, operation_files, errors, by_name }
    }

    pub(crate) fn title(&self) -> &str {
        self.contract.about().title.as_deref().unwrap_or(&self.settings.name)
    }

    pub(crate) fn error(&self, name: &str) -> Option<&ErrorView<'a>> {
        self.errors.get(*self.by_name.get(name)?)
    }

    pub(crate) fn error_page(&self, name: &str) -> String {
        format!("errors/{}.html", self.error_files.of(name))
    }

    pub(crate) fn operation_page(&self, id: &str) -> String {
        format!("operations/{}.html", self.operation_files.of(id))
    }

    /// A link to the page of an error, with the code that a client sees.
    pub(crate) fn error_link(&self, name: &str) -> String {
        match self.error(name) {
            Some(error) => code_link(shown_name(error.entry), &self.error_page(name)),
            None => super::markdown::code(name),
        }
    }

    /// The causes of these cells for clients, each once: those of limits before those of failed authentication. The matrix
    /// is in English, and so are they: in another language the error's own words have to do.
    pub(crate) fn causes<'c>(&self, cells: impl Iterator<Item = &'c Cell>, max: usize) -> Vec<String> {
        if self.contract.locale().split('-').next() != Some("en") {
            return Vec::new();
        }
        let mut cells: Vec<&Cell> = cells.collect();
        cells.sort_by_key(|cell| cell.condition == Condition::CredentialThrottled.name());
        let mut causes: Vec<String> = Vec::new();
        for (cell, cause) in cells.iter().flat_map(|cell| cell.causes.iter().map(move |cause| (*cell, cause)))
        {
            if let Some(text) = public_cause(cell, cause)
                && causes.len() < max
                && !causes.contains(&text)
            {
                causes.push(text);
            }
        }
        causes
    }

    /// What an error means, in one sentence: its cause in the contract, or its message.
    pub(crate) fn meaning(&self, error: &ErrorView<'_>) -> String {
        let is_translated = self.contract.locale() != self.settings.contract.locale();
        match &error.entry.docs.cause {
            Some(cause) if !is_translated => cause.clone(),
            _ => super::markdown::escape(&self.contract.entry(error.id).message.to_string()),
        }
    }

    /// The operations that are published.
    pub(crate) fn operations(&self) -> impl Iterator<Item = &'a OperationMatrix> + use<'a> {
        self.matrix.operations.iter().filter(|operation| !operation.internal)
    }

    pub(crate) fn t(&self, key: &str) -> String {
        self.texts.get(key).to_owned()
    }

    pub(crate) fn retry_text(&self, class: RetryClass) -> String {
        self.t(&format!("retry.{}", class.as_str()))
    }

    /// The name of the header with the request ID, in the usual case.
    pub(crate) fn id_header(&self) -> String {
        let name = &self.contract.request_id().header;
        let capital = |part: &str| {
            let mut letters = part.chars();
            letters
                .next()
                .map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
                .unwrap_or_default()
        };
        name.split('-').map(capital).collect::<Vec<_>>().join("-")
    }

    /// The header of the key, and what precedes the key in it.
    pub(crate) fn key_header(&self) -> (String, String) {
        match &self.settings.authentication.scheme {
            Scheme::Authorization(name) => ("Authorization".to_owned(), format!("{name} ")),
            Scheme::Field(name) => (name.to_string(), String::new()),
        }
    }

    /// The members that lead to the code in a body of this error.
    pub(crate) fn code_path(&self, error: &ErrorView<'_>) -> Vec<String> {
        let body = error.example.and_then(|cell| serde_json::from_str(&cell.answer.body).ok());
        let (Some(body), Some(code)) = (body, &error.entry.code) else { return Vec::new() };
        let mut path = Vec::new();
        if find(&body, code, &mut path) { path } else { Vec::new() }
    }

    /// The body of the example in the language of these pages: the matrix is in that of the contract.
    pub(crate) fn body(&self, error: &ErrorView<'_>, original: &Contract) -> Option<String> {
        let cell = error.example?;
        if self.contract.locale() == original.locale() {
            return Some(cell.answer.body.clone());
        }
        // A client reads everything that varies from the original, and it is rendered again.
        let response = demur_contract::ResponseView::new(cell.answer.status, cell.answer.body.as_bytes());
        let mut problem = match original.parse(&response) {
            demur_contract::ParseResult::Exact(parsed) if parsed.violations.is_empty() => Problem {
                params: parsed
                    .problem
                    .params
                    .into_iter()
                    .map(|(name, value)| (name.into_owned().into(), value))
                    .collect(),
                ..Problem::new(error.id, String::new())
            },
            _ => Problem::new(error.id, String::new()),
        };
        problem.request_id = format!("{}{EXAMPLE_REQUEST_ID:032x}", self.contract.request_id().prefix).into();
        let condition = Condition::from_name(&cell.condition).filter(|condition| condition.is_violation());
        if let Some(condition) = condition {
            problem.violations = vec![self.violation(condition, cell)].into();
        }
        let mut body = Vec::new();
        self.contract.render(&problem, &mut body);
        String::from_utf8(body).ok()
    }

    /// The violation of a cell's example.
    fn violation(&self, condition: Condition, cell: &Cell) -> demur_contract::Violation {
        let operation =
            self.matrix.operations.iter().find(|operation| cell.id.contains(&format!("/{}/", operation.id)));
        let declared = operation.and_then(|operation| self.settings.document.operation(&operation.id));
        let possible = declared.map(|declared| self.settings.document.possible_violations(declared));
        let known = possible.into_iter().flatten().find(|possible| possible.violation.condition == condition);
        known.map(|possible| possible.violation).unwrap_or(demur_contract::Violation {
            condition,
            location: demur_contract::Location::Query,
            param: String::new(),
            pointer: String::new(),
            value: None,
            limit: None,
            allowed: Vec::new(),
        })
    }
}

/// The cell whose answer is the example: of a condition that usually has this status, and none that only an attacker meets.
fn example<'a>(cells: &[(&'a OperationMatrix, &'a Cell)], entry: &ErrorEntry) -> Option<&'a Cell> {
    let rank = |cell: &Cell| {
        let condition = Condition::from_name(&cell.condition);
        let is_usual = condition.is_none_or(|condition| condition.defaults().status == entry.status.as_u16());
        (cell.condition == Condition::CredentialThrottled.name(), !is_usual)
    };
    cells.iter().map(|(_, cell)| *cell).min_by_key(|cell| rank(cell))
}

fn find(value: &serde_json::Value, code: &str, path: &mut Vec<String>) -> bool {
    let Some(members) = value.as_object() else { return false };
    for (name, member) in members {
        path.push(name.clone());
        if member.as_str() == Some(code) || find(member, code, path) {
            return true;
        }
        path.pop();
    }
    false
}

/// What clients know an error by: its code, or its name if it has none.
pub(crate) fn shown_name(entry: &ErrorEntry) -> &str {
    match &entry.code {
        // Several errors may share one code.
        Some(code) if entry.name.ends_with(code.as_str()) || entry.name == *code => code,
        _ => &entry.name,
    }
}

/// A cause as clients may read it. What only the operator can see or change has none: stores, settings, the upstream.
pub(crate) fn public_cause(cell: &Cell, cause: &Cause) -> Option<String> {
    let condition = Condition::from_name(&cell.condition);
    let text = match cause.kind {
        CauseKind::Gateway => {
            let is_of_client = |condition: &Condition| condition.origin() == ErrorOrigin::Client;
            condition.filter(is_of_client)?.defaults().title
        }
        CauseKind::Plan if cause.name.is_none() => return None,
        CauseKind::Authentication
        | CauseKind::Grant
        | CauseKind::Plan
        | CauseKind::Feature
        | CauseKind::Limit
        | CauseKind::Credits
        | CauseKind::Schema
        | CauseKind::Idempotency => &cause.text,
        _ => return None,
    };
    let mut letters = text.chars();
    let first = letters.next()?;
    Some(format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

/// The class of an error, which has a colour.
pub(crate) fn class(entry: &ErrorEntry) -> &'static str {
    class_of(entry.status.as_u16())
}

/// Whose fault an error is.
pub(crate) fn origin(error: &ErrorView<'_>) -> ErrorOrigin {
    let condition = error.example.and_then(|cell| Condition::from_name(&cell.condition));
    match condition {
        Some(condition)
            if error.entry.status.as_u16() >= 500 || condition.origin() == ErrorOrigin::Client =>
        {
            condition.origin()
        }
        _ if error.entry.status.as_u16() >= 500 => ErrorOrigin::Upstream,
        _ => ErrorOrigin::Client,
    }
}
