//! The documents say what is true: every step the architecture names is where it says.

use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
}

/// Code spans of a document, line breaks inside them folded.
fn code_spans(text: &str) -> Vec<String> {
    let spans = text.split('`').skip(1).step_by(2);
    spans
        .map(|span| span.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn every_step_of_the_walkthroughs_is_where_it_says() {
    let text = std::fs::read_to_string(root().join("docs/ARCHITECTURE.md")).expect("the document");
    let mut steps = 0;
    for span in code_spans(&text) {
        let Some((file, function)) = span.split_once(".rs: ") else {
            continue;
        };
        let path = root().join(format!("{file}.rs"));
        let source = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{span}: {error}"));
        let heads = [format!("fn {function}("), format!("fn {function}<")];
        assert!(
            heads.iter().any(|head| source.contains(head)),
            "{span} is not there"
        );
        steps += 1;
    }
    assert!(steps > 30, "{steps} steps were found");
}

#[test]
fn every_file_and_folder_the_documents_name_exists() {
    for document in ["README.md", "docs/ARCHITECTURE.md"] {
        let text = std::fs::read_to_string(root().join(document)).expect("the document");
        for span in code_spans(&text) {
            let is_path = span.contains('/')
                && span
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
            let top = span.split('/').next().unwrap_or_default();
            let ours = [
                "api",
                "cli",
                "docs",
                "migrations",
                "protocol",
                "store",
                "tests",
                "worker",
            ]
            .contains(&top);
            if is_path && ours {
                assert!(
                    root().join(&span).exists(),
                    "{document} names {span}, which is not there"
                );
            }
        }
    }
}
