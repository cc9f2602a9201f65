//! The guides show the files that their tests use: each YAML block equals a file beside them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::fs;
use std::path::Path;

#[test]
fn every_yaml_block_is_a_file_of_the_guides() {
    let guides = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/how-to");
    let files: Vec<String> = fs::read_dir(guides.join("tea"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let mut blocks = 0;
    for guide in ["protect-an-axum-service.md", "call-an-api.md", "change-an-error-format.md"] {
        let text = fs::read_to_string(guides.join(guide)).unwrap();
        for block in text.split("```yaml\n").skip(1) {
            let block = block.split("```").next().unwrap();
            assert!(files.iter().any(|file| file == block), "{guide} shows what is no file:\n{block}");
            blocks += 1;
        }
    }
    assert_eq!(blocks, files.len(), "every file is shown once");
}
