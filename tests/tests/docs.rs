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
fn every_alert_leads_to_a_paragraph_of_the_operations_page() {
    let read = |name: &str| std::fs::read_to_string(root().join(name)).expect("a document");
    let anchor = |heading: &str| -> String {
        let plain = heading.to_lowercase().replace(' ', "-");
        plain
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
            .collect()
    };
    let page = read("docs/operations.md");
    let headings = page.lines().filter(|line| line.starts_with('#'));
    let anchors: Vec<String> = headings
        .map(|line| anchor(line.trim_start_matches('#').trim()))
        .collect();
    let alerts = read("docs/monitoring/alerts.yml");
    let links: Vec<&str> = alerts
        .lines()
        .filter_map(|line| line.split_once("docs/operations.md#"))
        .map(|(_, link)| link.trim())
        .collect();
    assert!(links.len() > 10, "{links:?}");
    for link in links {
        assert!(anchors.iter().any(|known| known == link), "{link} is no heading");
    }
}

#[test]
fn every_file_and_folder_the_documents_name_exists() {
    for document in ["README.md", "docs/ARCHITECTURE.md", "docs/operations.md"] {
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
                "deploy",
                "docs",
                "migrations",
                "models",
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

#[test]
fn every_alert_says_how_long_how_grave_what_and_what_to_do() {
    let text = std::fs::read_to_string(root().join("docs/monitoring/alerts.yml")).expect("the alerts");
    let alerts: Vec<&str> = text.split("- alert: ").skip(1).collect();
    assert!(alerts.len() > 10, "{} alerts", alerts.len());
    for alert in alerts {
        for part in [
            "expr: ",
            "for: ",
            "severity: ",
            "summary: ",
            "runbook_url: docs/operations.md#",
        ] {
            assert!(alert.contains(part), "no {part} in {alert}");
        }
    }
}

/// A page must mean that somebody may be unwatched or unheard.
#[test]
fn a_faulty_audit_trail_wakes_nobody() {
    let text = std::fs::read_to_string(root().join("docs/monitoring/alerts.yml")).expect("the alerts");
    let pages = |alert: &&str| alert.contains("severity: page");
    let (pages, tickets): (Vec<&str>, Vec<&str>) = text.split("- alert: ").skip(1).partition(pages);
    let of_parts = pages.iter().filter(|alert| alert.contains("by (part)"));
    let left_out = |alert: &&str| alert.contains(r#"part!~"database|audit""#);
    assert!(of_parts.clone().count() > 0 && of_parts.copied().all(|alert| left_out(&alert)));
    assert!(
        tickets
            .iter()
            .any(|alert| alert.contains(r#"bedside_part_ok{part="audit"}"#))
    );
}

#[test]
fn the_dashboard_is_one_and_asks_for_its_data_source() {
    let text = std::fs::read_to_string(root().join("docs/monitoring/grafana-dashboard.json")).expect("it");
    let dashboard: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(dashboard["templating"]["list"][0]["type"], "datasource");
    let panels = dashboard["panels"].as_array().expect("panels");
    let mut ids = std::collections::HashSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_i64().expect("an id")), "{panel}");
        let Some(targets) = panel["targets"].as_array() else {
            assert_eq!(panel["type"], "row", "{panel}");
            continue;
        };
        for target in targets {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{panel}");
            assert!(
                target["expr"].as_str().is_some_and(|expr| !expr.is_empty()),
                "{panel}"
            );
        }
    }
    assert!(ids.len() > 20, "{} panels", ids.len());
}
