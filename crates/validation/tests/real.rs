use demur_source::{Diagnostics, Source};
use demur_validation::{ApiDocument, DocumentOptions};
use std::sync::Arc;
mod downloads;
#[test]
fn look() {
    let folder = downloads::folder();
    for name in [
        "octokit/openapi/generated/api.github.com.json",
        "figma/rest-api-spec/openapi/openapi.yaml",
        "scalar/galaxy/dist/3.1.yaml",
        "mojaloop/api-snippets/fspiop/v2_0/openapi3/openapi.yaml",
        "mojaloop/api-snippets/thirdparty/v1_0/openapi3/openapi.yaml",
        "mojaloop/api-snippets/thirdparty/v1_0/openapi3/thirdparty-dfsp-api.yaml",
        "mojaloop/api-snippets/sdk-scheme-adapter/v2_1_0/outbound/openapi.yaml",
        "mojaloop/api-snippets/fspiop/v1_1/openapi3/openapi.yaml",
    ] {
        for checks_answers in [false, true] {
            let start = std::time::Instant::now();
            let path = folder.join(name);
            let dir = path.parent().unwrap().to_owned();
            let source = Source::read(&path).unwrap();
            let mut found = Diagnostics::new();
            let mut n = 0;
            let mut read = |name: &str| {
                n += 1;
                Source::read(&dir.join(name)).map_err(|e| e.to_string())
            };
            let options = DocumentOptions { checks_answers, ..Default::default() };
            let document = ApiDocument::load_files(&source, &mut read, &options, &mut found);
            println!(
                "{name}: {:?} ops, {n} files, {:?}, {} findings",
                document.as_ref().map(|d| d.operations().len()),
                start.elapsed(),
                found.len()
            );
            for line in found.to_string().lines().filter(|l| l.contains(": error")).take(14) {
                println!("   {}", line.replace(folder.to_str().unwrap(), ""));
            }
        }
    }
    let _ = Arc::new(());
}
