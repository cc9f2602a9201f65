//! Public generators of clients keep two errors of one status apart, in what `demur openapi` writes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop and say where")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use demur_e2e::{TestDir, installed, run};

/// Writes the document of an example whose errors have a code at the top.
fn written(folder: &TestDir) -> PathBuf {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/demur.yaml");
    let path = folder.path().join("written.json");
    let fixed = ["openapi", "--config", config.to_str().unwrap(), "--api", "trackunit"];
    let more = ["--unions", "closed", "--output", path.to_str().unwrap()];
    let outcome = run(&[&fixed[..], &more].concat(), folder.path());
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    path
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

const USE: &str = r#"
import type { paths } from "./written";

type Rejected = paths["/groups"]["post"]["responses"][429]["content"]["application/json"];

export function limit(error: Rejected): string {
  switch (error.code) {
    case "rate_exceeded":
      return "rate";
    case "quota_exceeded":
      return "quota";
    default: {
      const none: never = error;
      return none;
    }
  }
}

const errors = [{ code: "quota_exceeded" }, { code: "rate_exceeded" }] as Rejected[];
console.log(errors.map(limit).join(" "));
"#;

#[test]
fn openapi_typescript_keeps_errors_of_one_status_apart() {
    let (folder, tools) = (TestDir::empty(), installed("generators/install.sh"));
    let document = written(&folder);
    let types = folder.path().join("written.ts");
    let generated = Command::new(tools.join("node_modules/.bin/openapi-typescript"))
        .arg(&document)
        .arg("--output")
        .arg(&types)
        .output()
        .unwrap();
    assert!(generated.status.success(), "{}", said(&generated));
    folder.write("package.json", r#"{"type": "module"}"#);
    let compile = |text: &str| {
        folder.write("use.ts", text);
        Command::new(tools.join("node_modules/.bin/tsc"))
            .args(["--strict", "--target", "es2022", "--module", "es2022", "--moduleResolution", "bundler"])
            .args(["--lib", "es2022,dom", "--skipLibCheck"])
            .arg(folder.path().join("use.ts"))
            .output()
            .unwrap()
    };
    let compiled = compile(USE);
    assert!(compiled.status.success(), "{}", said(&compiled));
    let ran = Command::new("node").arg(folder.path().join("use.js")).output().unwrap();
    assert_eq!(said(&ran).trim(), "quota rate");
    // A code that is none of this status, and a code that is not handled, are errors of the compiler.
    for (old, new) in [
        ("case \"rate_exceeded\"", "case \"not_found\""),
        ("case \"quota_exceeded\":\n      return \"quota\";", ""),
    ] {
        let broken = compile(&USE.replacen(old, new, 1));
        assert!(!broken.status.success(), "{new}");
    }
}

#[test]
fn datamodel_code_generator_keeps_errors_of_one_status_apart() {
    let (folder, tools) = (TestDir::empty(), installed("generators/install.sh"));
    let document = written(&folder);
    let generated = Command::new(tools.join("python/bin/datamodel-codegen"))
        .args(["--input-file-type", "openapi", "--output-model-type", "pydantic_v2.BaseModel", "--input"])
        .arg(&document)
        .arg("--output")
        .arg(folder.path().join("models.py"))
        .output()
        .unwrap();
    assert!(generated.status.success(), "{}", said(&generated));
    let ran = Command::new(tools.join("python/bin/python"))
        .arg(tools.join("apart.py"))
        .arg(folder.path())
        .arg(&document)
        .output()
        .unwrap();
    assert_eq!(said(&ran).trim(), "rate_exceeded RateExceededError\nquota_exceeded QuotaExceededError");
}
