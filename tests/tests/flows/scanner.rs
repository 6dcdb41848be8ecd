//! A mail scanner opens every link first. Nothing happens, and the person's own click still works.

use bedside_tests::clinic::Clinic;
use bedside_tests::database::Database;
use bedside_tests::on_both_engines;
use bedside_tests::play::Play;
use serde_json::json;

on_both_engines!(a_scanner_visits_every_link_and_changes_nothing);

async fn a_scanner_visits_every_link_and_changes_nothing(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    play.answer_checks(&[(10, "C4", 0)]).await;
    play.to_minute(20).await;
    assert_eq!(play.case()["state"], "open");
    let before = play.clinic.audit_length().await;
    let mut visited = 0;
    for mail in play.clinic.mailbox.all() {
        for prefix in ["/s/", "/c/", "/account/"] {
            if mail.text.contains(prefix) {
                let link = mail.link(prefix);
                for headers in [None, Some(("user-agent", "Mozilla/5.0 (compatible; SafeLinks)"))] {
                    let scanner = headers.map_or(play.clinic.http.clone(), |(name, value)| {
                        play.clinic.http.with(name, value)
                    });
                    scanner.head(&link);
                    let shown = scanner.get(&link);
                    assert!(!shown.body.contains("<script"), "no page acts by itself");
                    assert!(
                        !shown.body.contains("555 0100"),
                        "no page shows a number to a scanner: {}",
                        shown.body
                    );
                }
                visited += 1;
            }
        }
    }
    assert!(visited > 5, "{visited} links were visited");
    assert_eq!(play.clinic.audit_length().await, before, "nothing was recorded");
    assert_eq!(
        (
            play.case()["state"].as_str(),
            play.duty("C6", 0)["state"].as_str()
        ),
        (Some("open"), Some("open"))
    );
    // The persons' own clicks.
    play.take_case("nurse").answer.expect(303);
    play.to_minute(30).await;
    play.answer_check("C6", 0, &[], None).expect(200);
    assert_eq!(
        play.sitter("/help", &json!({})).expect(200).json()["emergency_number"],
        "911"
    );
}
