//! The table of operations: what each does, and the role that it requires.

use serde_json::Value as Json;

use crate::context::AdminContext;
use crate::error::Failure;
use crate::request::AdminRequest;
use crate::response::Done;
use crate::{Host, Role, commands, records};

/// An operation of the document.
pub(crate) struct AdminOperation {
    /// Its ID in the document.
    pub(crate) id: &'static str,
    /// The least role that may run it.
    pub(crate) role: Role,
    pub(crate) run: Run,
}

/// What an operation does.
pub(crate) enum Run {
    Read(fn(&AdminContext, &AdminRequest) -> Result<Json, Failure>),
    Write {
        run: fn(&dyn Host, &AdminRequest) -> Result<Done, Failure>,
        /// The parameter that names what is changed.
        target: Option<&'static str>,
        /// Whether it has the same effect if it runs again.
        is_repeatable: bool,
    },
}

use Role::{Operator, Support, Viewer};

const fn read(
    id: &'static str,
    role: Role,
    run: fn(&AdminContext, &AdminRequest) -> Result<Json, Failure>,
) -> AdminOperation {
    AdminOperation { id, role, run: Run::Read(run) }
}

const fn write(
    id: &'static str,
    role: Role,
    target: Option<&'static str>,
    run: fn(&dyn Host, &AdminRequest) -> Result<Done, Failure>,
) -> AdminOperation {
    AdminOperation { id, role, run: Run::Write { run, target, is_repeatable: true } }
}

/// One that makes something new each time it runs.
const fn make(
    id: &'static str,
    role: Role,
    target: Option<&'static str>,
    run: fn(&dyn Host, &AdminRequest) -> Result<Done, Failure>,
) -> AdminOperation {
    AdminOperation { id, role, run: Run::Write { run, target, is_repeatable: false } }
}

const ACCOUNT: Option<&str> = Some("account");
const KEY: Option<&str> = Some("key");

/// All operations, in the order of the document.
pub(crate) const OPERATIONS: &[AdminOperation] = &[
    read("listAccounts", Viewer, commands::list_accounts),
    make("createAccount", Operator, None, commands::create_account),
    read("getAccount", Viewer, commands::get_account),
    write("changePlan", Operator, ACCOUNT, commands::change_plan),
    write("deleteAccount", Operator, ACCOUNT, commands::delete_account),
    read("getStatement", Viewer, commands::get_statement),
    write("topUp", Support, ACCOUNT, commands::top_up),
    write("withdraw", Operator, ACCOUNT, commands::withdraw),
    write("refund", Support, ACCOUNT, commands::refund),
    read("listKeys", Viewer, commands::list_keys),
    make("createKey", Support, None, commands::create_key),
    read("getKey", Viewer, commands::get_key),
    make("rotateKey", Support, KEY, commands::rotate_key),
    write("disableKey", Support, KEY, commands::disable_key),
    write("enableKey", Support, KEY, commands::enable_key),
    write("revokeKey", Support, KEY, commands::revoke_key),
    read("listPlans", Viewer, records::list_plans),
    read("searchJournal", Viewer, records::search_journal),
    read("explain", Viewer, records::explain),
    read("getConfiguration", Operator, records::get_configuration),
    write("reloadConfiguration", Operator, None, commands::reload),
    read("listAudit", Operator, records::list_audit),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;

    #[test]
    fn the_document_names_every_operation_and_its_role() {
        let document = Document::load(&crate::error::contract().unwrap()).unwrap();
        let json: Json = serde_json::from_slice(&document.json).unwrap();
        let paths = json["paths"].as_object().unwrap().values();
        let documented =
            paths.flat_map(|path| path.as_object().unwrap().iter()).filter(|(name, _)| *name != "parameters");
        let documented: Vec<(String, String, bool)> = documented
            .map(|(_, operation)| {
                let text = |value: &Json| value.as_str().unwrap().to_owned();
                let takes_key = operation["parameters"].to_string().contains("idempotencyKey");
                (text(&operation["operationId"]), text(&operation["security"][0]["token"][0]), takes_key)
            })
            .collect();
        let table: Vec<(String, String, bool)> = OPERATIONS
            .iter()
            .map(|operation| {
                let is_write = matches!(operation.run, Run::Write { .. });
                (operation.id.to_owned(), operation.role.to_string(), is_write)
            })
            .collect();
        assert_eq!(documented, table);
    }
}
