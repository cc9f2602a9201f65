//! The script `errors.sh` in the demo's folder: it shows every documented error of the example APIs.

use std::fmt::Write;

use demur_examples::{DocumentedError, ERRORS, STORE_ERRORS};

use super::page::fill_in;
use super::samples::Sample;

/// The name of the script.
pub(crate) const NAME: &str = "errors.sh";

const START: &str = r#"#!/bin/sh
# Shows every documented error of the example APIs while the demo runs. With the argument `store`: those that need a broken
# store. That overwrites the demo's database, so start the demo again afterwards.
cd "$(dirname "$0")" || exit 1
show() {
  command=$(cat)
  printf '\n# %s: %s\n$ %s\n' "$1" "$2" "$command"
  eval "$command -sS"
  echo
}
if [ "$1" = store ]; then
for file in demur.db demur.db-wal demur.db-shm; do
  yes garbage | head -c "$(wc -c < $file)" | dd of=$file conv=notrunc 2> /dev/null
done
"#;

/// The script, with the addresses and keys of this run.
pub(crate) fn script(gateway: &str, keys: &[Sample]) -> String {
    let shown = |errors: &[DocumentedError]| {
        let mut lines = String::new();
        for DocumentedError { api, name, command } in errors {
            let command = fill_in(command, gateway, keys);
            // Writing to a `String` never fails.
            let _ = writeln!(lines, "show {api} {name} <<'END'\n{command}\nEND");
        }
        lines
    };
    format!("{START}{}exit\nfi\n{}", shown(STORE_ERRORS), shown(ERRORS))
}
