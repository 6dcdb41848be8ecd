//! A check-in that does not come: who is told, when, and what stops it.

use bedside_tests::clinic::Clinic;
use bedside_tests::database::Database;
use bedside_tests::mails::{Mail, subjects_to};
use bedside_tests::on_both_engines;
use bedside_tests::play::{PATIENT, Play, SITTER};

on_both_engines!(
    a_missed_check_climbs_the_ladder_until_it_is_taken_contacted_and_resolved,
    an_answer_within_four_minutes_is_in_time_and_nobody_is_alarmed,
    a_late_answer_annotates_the_case_and_does_not_close_it,
    a_second_miss_in_a_row_joins_the_case_and_does_not_flood,
    a_form_for_an_older_check_is_recorded_for_that_check,
);

fn escalations_to<'m>(mails: &'m [Mail], clinic: &Clinic, role: &str) -> Vec<&'m str> {
    let address = clinic.address(role);
    mails
        .iter()
        .filter(|mail| mail.to == address && mail.text.contains("/c/"))
        .map(|mail| mail.subject.as_str())
        .collect()
}

async fn a_missed_check_climbs_the_ladder_until_it_is_taken_contacted_and_resolved(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    play.answer_checks(&[(10, "C4", 0), (15, "C5", 0)]).await;
    play.clinic.mailbox.fresh();

    // T+28 and T+32: the sitter, then sitter and patient.
    play.to_minute(28).await;
    let mails = play.clinic.mailbox.fresh();
    assert_eq!((subjects_to(&mails, SITTER).len(), mails.len()), (1, 1));
    play.to_minute(32).await;
    let mails = play.clinic.mailbox.fresh();
    assert_eq!(
        (
            subjects_to(&mails, SITTER).len(),
            subjects_to(&mails, PATIENT).len(),
            mails.len()
        ),
        (1, 1, 2)
    );
    play.to_minute(33).await;
    assert!(
        play.cases().is_empty(),
        "nobody at the clinic is told before the grace is over"
    );

    // T+34: nurse and backup.
    play.to_minute(34).await;
    let case = play.case();
    assert_eq!((&case["level"], &case["state"]), (&"P1".into(), &"open".into()));
    let code = case["code"].as_str().expect("a code").to_owned();
    let mails = play.clinic.mailbox.fresh();
    for role in ["nurse", "backup"] {
        let subjects = escalations_to(&mails, &play.clinic, role);
        assert_eq!(subjects.len(), 1, "{role}");
        assert!(
            subjects[0].starts_with(&format!("[P1] Case {code} needs you by ")),
            "{}",
            subjects[0]
        );
    }
    assert_eq!(mails.len(), 2, "nobody else");

    // T+38: everybody on the rota and the prescriber. T+43 and every five minutes: all.
    play.to_minute(38).await;
    let mails = play.clinic.mailbox.fresh();
    assert_eq!(escalations_to(&mails, &play.clinic, "prescriber").len(), 1);
    assert_eq!(escalations_to(&mails, &play.clinic, "manager").len(), 0);
    play.to_minute(43).await;
    let mails = play.clinic.mailbox.fresh();
    for role in ["nurse", "backup", "prescriber", "manager", "administrator"] {
        assert_eq!(escalations_to(&mails, &play.clinic, role).len(), 1, "{role}");
    }
    play.answer_check("C7", 0, &[], Some((126, 80, 82))).expect(200);
    play.to_minute(48).await;
    assert_eq!(
        escalations_to(&play.clinic.mailbox.fresh(), &play.clinic, "manager").len(),
        1
    );

    // Taken: the page shows whom to call, nobody is mailed again, the others hear of it.
    let page = play.take_case("nurse");
    page.answer.clone().expect(303);
    let shown = page.show();
    for contact in [
        "+1 555 0100",
        "+1 555 0101",
        "+1 555 0102",
        "Robin Quillfeather",
        "12 Larch Street",
    ] {
        assert!(shown.contains(contact), "{contact} is not on {shown}");
    }
    play.to_minute(49).await;
    let mails = play.clinic.mailbox.fresh();
    assert!(mails.iter().all(|mail| !mail.text.contains("/c/")), "{mails:?}");
    assert!(
        subjects_to(&mails, &play.clinic.address("backup"))
            .iter()
            .any(|subject| subject.contains(&code))
    );

    page.press("contacted", &[]).expect(303);
    page.press("resolve", &[("outcome", "reached_well"), ("note", "")]);
    assert_eq!(play.case()["state"], "contacted", "a reason is needed");
    page.press(
        "resolve",
        &[
            ("outcome", "reached_well"),
            ("note", "Sitter had fallen asleep; both well."),
        ],
    )
    .expect(303);
    let case = play.case();
    assert_eq!(
        (&case["state"], &case["outcome"]),
        (&"resolved".into(), &"reached_well".into())
    );
    play.to_minute(59).await;
    let after = play.clinic.mailbox.fresh();
    assert!(
        after.iter().all(|mail| !mail.text.contains("/c/")),
        "nobody is told again"
    );
    assert!(
        subjects_to(&after, &play.clinic.address("manager"))
            .iter()
            .any(|subject| subject.contains(&code))
    );
    no_mail_says_what_it_must_not(&play.clinic.mailbox.all());
    play.clinic.nothing_is_left_to_send().await;
}

/// I8: what no mail may carry, whoever it is for.
fn no_mail_says_what_it_must_not(mails: &[Mail]) {
    let forbidden = [
        "Quillfeather",
        "Oldacre",
        "Robin",
        "555 010",
        "Larch",
        "ketamine",
        "lozenge",
        "dose",
        "blood",
        "126/80",
    ];
    for mail in mails {
        let words = format!("{}\n{}\n{}", mail.subject, mail.text, mail.html).to_lowercase();
        for word in forbidden {
            assert!(!words.contains(&word.to_lowercase()), "{word} in: {words}");
        }
    }
}

async fn an_answer_within_four_minutes_is_in_time_and_nobody_is_alarmed(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    play.answer_checks(&[(10, "C4", 0), (15, "C5", 0)]).await;
    play.to_minute(33).await;
    let answer = play.answer_check("C6", 0, &[], None).expect(200).json();
    assert_eq!(answer["result"], "well");
    play.to_minute(40).await;
    assert!(play.cases().is_empty());
    let duty = play.duty("C6", 0);
    assert_eq!(duty["state"], "met");
    assert!(
        duty["observed_at"].as_str() > duty["due_at"].as_str(),
        "it shows that it was late: {duty}"
    );
}

async fn a_late_answer_annotates_the_case_and_does_not_close_it(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    play.answer_checks(&[(10, "C4", 0), (15, "C5", 0)]).await;
    play.to_minute(36).await;
    let answer = play.answer_check("C6", 0, &[], None).expect(200).json();
    assert_eq!(answer["result"], "late");
    let (case, duty) = (play.case(), play.duty("C6", 0));
    assert_eq!(
        (&case["state"], &duty["state"]),
        (&"open".into(), &"missed".into())
    );
    assert_eq!(Play::causes(&case), ["missed_check_in", "late_answer"]);
    assert!(duty["observed_at"].is_string(), "both times are kept: {duty}");
    play.clinic.mailbox.fresh();
    play.to_minute(38).await;
    let mails = play.clinic.mailbox.fresh();
    assert_eq!(
        escalations_to(&mails, &play.clinic, "prescriber").len(),
        1,
        "a person closes it, not the answer"
    );
}

async fn a_second_miss_in_a_row_joins_the_case_and_does_not_flood(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    play.answer_checks(&[(10, "C4", 0), (15, "C5", 0)]).await;
    play.to_minute(50).await;
    let case = play.case();
    assert_eq!(Play::causes(&case), ["missed_check_in", "missed_check_in"]);
    let mails = play.clinic.mailbox.all();
    // T+34, T+38, T+43, T+48: once each, whatever joined meanwhile.
    assert_eq!(escalations_to(&mails, &play.clinic, "nurse").len(), 4);
}

async fn a_form_for_an_older_check_is_recorded_for_that_check(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    play.answer_checks(&[(10, "C4", 0)]).await;
    play.to_minute(29).await;
    // The page was loaded for C5; C6 is open now and must stay so.
    let answer = play.answer_check("C5", 0, &[], None).expect(200).json();
    assert_eq!(answer["result"], "late");
    assert_eq!(
        (
            play.duty("C5", 0)["state"].as_str(),
            play.duty("C6", 0)["state"].as_str()
        ),
        (Some("missed"), Some("open"))
    );
}
