//! One course of events with the same inputs and clocks gives the same time line on both engines, byte for byte; ids and case codes,
//! which are drawn at random, by the order in which they appear.

use bedside_tests::clinic::Clinic;
use bedside_tests::database::Database;
use bedside_tests::play::Play;
use serde_json::json;

/// A session with a bit of everything: prepared, dosed, a check missed, the case taken and closed, a pressure to measure again,
/// a late answer, help, release, the evening.
async fn played(engine: Database) -> String {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    play.answer_checks(&[(10, "C4", 0)]).await;
    // Nobody answers at T+15; the rota hears; the nurse takes the case, and the sitter answers late.
    play.to_minute(24).await;
    let page = play.take_case("nurse");
    play.clinic.advance(1).await;
    page.press("contacted", &[]);
    play.answer_check("C5", 0, &[], None).expect(200);
    play.clinic.advance(1).await;
    page.press(
        "resolve",
        &[("outcome", "reached_well"), ("note", "the telephone was silent")],
    );
    play.answer_checks(&[(30, "C6", 0)]).await;
    play.to_minute(45).await;
    play.answer_check("C7", 0, &[], Some((184, 100, 90))).expect(200);
    play.to_minute(50).await;
    let again = json!({"sbp": 150, "dbp": 90, "hr": 88});
    play.sitter("/vitals", &again).expect(200);
    play.answer_checks(&[(60, "C8", 0)]).await;
    play.clinic.advance(1).await;
    play.sitter("/help", &json!({})).expect(200);
    play.clinic.advance(2).await;
    let page = play.take_case("nurse");
    play.clinic.advance(1).await;
    page.press(
        "resolve",
        &[("outcome", "reached_well"), ("note", "pressed by mistake")],
    );
    play.answer_checks(&[(75, "C8", 1), (90, "C9", 0), (105, "C9b", 0)])
        .await;
    play.to_minute(118).await;
    play.sitter("/vitals", &json!({"sbp": 124, "dbp": 80, "hr": 76}))
        .expect(200);
    play.answer_checks(&[(120, "C10", 0)]).await;
    play.to_minute(8 * 60).await;
    play.clinic.advance(16 * 60).await;
    let path = format!("/v1/sessions/{}/timeline", play.session);
    play.clinic.staff("nurse").get(&path).expect(200).body
}

/// The same text with every id and case code in place of itself by the order of its first appearance.
fn without_chance(text: &str) -> String {
    let is_id = |word: &str| word.len() == 36 && uuid::Uuid::try_parse(word).is_ok();
    let mut codes: Vec<String> = Vec::new();
    for part in text.split("\"code\":\"").skip(1) {
        codes.extend(part.get(..4).map(str::to_owned));
    }
    let mut seen: Vec<&str> = Vec::new();
    let mut place_of = |word| {
        seen.iter().position(|known| *known == word).unwrap_or_else(|| {
            seen.push(word);
            seen.len() - 1
        })
    };
    let mut out = String::with_capacity(text.len());
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let mut rest = text;
    while let Some(start) = rest.find(is_word) {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let word = &rest[..end];
        if is_id(word) || codes.iter().any(|code| code == word) {
            out.push('#');
            out.push_str(&place_of(word).to_string());
        } else {
            out.push_str(word);
        }
        rest = &rest[end..];
    }
    out + rest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(sqlite_only, ignore = "BEDSIDE_TEST_SQLITE_ONLY=1")]
async fn both_engines_give_the_same_time_line_byte_for_byte() {
    let sqlite = without_chance(&played(Database::Sqlite).await);
    let postgres = without_chance(&played(Database::Postgres).await);
    assert!(
        sqlite.matches("\"at\"").count() > 100,
        "a short time line proves little: {sqlite}"
    );
    let by_line = |text: &str| text.replace("},{", "},\n{");
    for (one, other) in by_line(&sqlite).lines().zip(by_line(&postgres).lines()) {
        assert_eq!(one, other, "SQLite, then PostgreSQL");
    }
    assert_eq!(sqlite, postgres);
}

/// So it is no accident of one run that they are the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_engine_gives_the_same_time_line_twice() {
    let once = without_chance(&played(Database::Sqlite).await);
    assert_eq!(once, without_chance(&played(Database::Sqlite).await));
}

#[test]
fn ids_and_codes_are_named_by_the_order_of_their_appearance() {
    let (one, other) = (
        "01936f2e-0000-7000-8000-000000000001",
        "01936f2e-0000-7000-8000-000000000002",
    );
    let text =
        format!(r#"[{{"id":"{one}","code":"7F3K"}},{{"about":"{other}","by":"staff:{one}","says":"7F3K"}}]"#);
    assert_eq!(
        without_chance(&text),
        r##"[{"id":"#0","code":"#1"},{"about":"#2","by":"staff:#0","says":"#1"}]"##
    );
}
