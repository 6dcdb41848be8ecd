//! Which messages of a claim are put together.

use bedside_protocol::duty::Lane;
use bedside_protocol::notice::{About, Notice};
use bedside_tests::database::Database;
use bedside_tests::on_both_engines;

use super::claim;
use super::sources::{invite, queue, with_case};

on_both_engines!(only_reminders_and_words_of_information_of_the_lower_lanes_are_put_together);

async fn only_reminders_and_words_of_information_of_the_lower_lanes_are_put_together(engine: Database) {
    let (bed, case) = with_case(engine).await;
    let sitter = invite(&bed).await;
    bed.database
        .raw()
        .execute("DELETE FROM outbox")
        .expect("an empty outbox");
    let kinds = [
        ("escalation", Lane::Escalation, About::Information),
        ("prompt", Lane::Session, About::Information),
        ("case", Lane::Reminder, About::Case { case, round: 1 }),
        ("invitation", Lane::Reminder, About::Invitation { sitter }),
        ("reminder", Lane::Reminder, About::Information),
    ];
    let mut notices = Vec::new();
    for (name, lane, about) in kinds {
        for number in 1..=2 {
            notices.push(Notice {
                about: about.clone(),
                ..bed.notice(&format!("{name} {number}"), lane)
            });
        }
    }
    queue(&bed, notices).await;
    let mut keys: Vec<String> = claim(&bed, "w", 20)
        .await
        .into_iter()
        .map(|row| row.row.notice.key)
        .collect();
    let bundle = keys.pop().expect("rows");
    assert!(bundle.starts_with("bundle:"), "{bundle}");
    keys.sort_unstable();
    let expected = [
        "case 1",
        "case 2",
        "escalation 1",
        "escalation 2",
        "invitation 1",
        "invitation 2",
        "prompt 1",
        "prompt 2",
    ];
    assert_eq!(keys, expected);
    let bundled = bed.sql("SELECT notice_key AS value FROM outbox WHERE state = 'bundled' ORDER BY 1");
    assert_eq!(bundled, ["reminder 1", "reminder 2"]);
}
