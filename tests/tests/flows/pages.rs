//! The pages over HTTP, as a browser without scripts uses them, from the invitation to the closed case.

use bedside_protocol::time::minutes;
use bedside_tests::clinic::{Clinic, PASSWORD};
use bedside_tests::database::Database;
use bedside_tests::http::Answer;
use bedside_tests::on_both_engines;
use bedside_tests::play::Play;
use serde_json::json;

on_both_engines!(a_sitter_lives_a_session_on_the_page_alone);

fn back(answer: &Answer, path: &str) -> String {
    assert_eq!(answer.status, 303, "{}", answer.body);
    let to = answer.header("location").unwrap().to_owned();
    assert!(to.starts_with(path), "{to}");
    assert!(answer.header("cache-control") == Some("no-store"));
    to
}

async fn a_sitter_lives_a_session_on_the_page_alone(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.invite_sitter().await;
    let page = play.sitter_page.clone().unwrap();
    let http = play.clinic.http.clone();
    let shown = http.get(&page).expect(200);
    let csp = shown.header("content-security-policy").unwrap();
    assert_eq!(
        csp,
        "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    );
    assert_eq!(shown.header("referrer-policy"), Some("no-referrer"));
    assert!(shown.body.contains("Will you sit with Robin?"));
    assert_eq!(http.head(&page).status, 200);
    let css = http.get("/assets/bedside.css").expect(200);
    assert!(
        css.header("content-type").unwrap().starts_with("text/css")
            && css.header("cache-control").unwrap().contains("max-age"),
        "{:?}",
        css.headers
    );

    let half = http
        .form(&format!("{page}/accept"), &[("is_adult", "yes")])
        .expect(422);
    assert!(
        half.body.contains("may_be_contacted-fault")
            && half
                .body
                .contains("name=\"is_adult\" value=\"yes\" required checked")
    );
    let to = back(
        &http.form(
            &format!("{page}/accept"),
            &[("is_adult", "yes"), ("may_be_contacted", "yes")],
        ),
        &page,
    );
    assert!(http.get(&to).expect(200).body.contains("Keep this link"));
    play.sitter_reads();
    let evil = http
        .with("sec-fetch-site", "cross-site")
        .form(&format!("{page}/decline"), &[]);
    assert_eq!(evil.status, 400);

    play.clinic
        .advance_to(play.planned_at - minutes(26 * 60 - 1))
        .await;
    for (item, value) in [
        ("still_on", true),
        ("changes_health", false),
        ("changes_meds", false),
    ] {
        play.tick_item(item, "yes_no", json!(value)).expect(200);
    }
    back(
        &http.form(&format!("{page}/checklist/sitter_available"), &[("value", "no")]),
        &page,
    );
    assert!(http.get(&page).body.contains("You answered no."));
    back(
        &http.form(&format!("{page}/checklist/sitter_available"), &[("value", "yes")]),
        &page,
    );
    http.form(&format!("{page}/checklist/sitter_available"), &[])
        .expect(422);
    http.form(&format!("{page}/checklist/still_on"), &[("value", "no")])
        .expect(409);
    http.form(&format!("{page}/checklist/nothing"), &[("value", "no")])
        .expect(404);
    let call = format!("/v1/sessions/{}/checklist/sitter_called", play.session);
    play.clinic
        .staff("nurse")
        .post(&call, &json!({"type": "yes_no", "value": true}))
        .expect(200);
    play.day_list().await;

    play.clinic.advance_to(play.planned_at - minutes(14)).await;
    let bad = http
        .form(
            &format!("{page}/vitals"),
            &[("sbp", "12"), ("dbp", "80"), ("hr", "x")],
        )
        .expect(422);
    assert!(bad.body.contains("value=\"12\"") && bad.body.contains("value=\"x\""));
    back(
        &http.form(
            &format!("{page}/vitals"),
            &[("sbp", "120"), ("dbp", "80"), ("hr", "70"), ("spo2", "")],
        ),
        &page,
    );
    http.form(&format!("{page}/present"), &[("code", "12")])
        .expect(422);
    let code = play.today()["session"]["sitter"]["presence_code"]
        .as_str()
        .unwrap()
        .to_owned();
    let wrong = if code == "0000" { "1111" } else { "0000" };
    let to = back(&http.form(&format!("{page}/present"), &[("code", wrong)]), &page);
    assert!(!to.contains(wrong) && http.get(&to).body.contains("That was not the code"));
    let to = back(&http.form(&format!("{page}/present"), &[("code", &code)]), &page);
    assert!(http.get(&to).body.contains("You are marked as here."));
    back(
        &http.form(&format!("{page}/checklist/sitter_fit"), &[("value", "yes")]),
        &page,
    );
    let read = |then: &'static str| {
        [
            ("lozenge_count", "2"),
            ("hold_minutes", "10"),
            ("after_hold", then),
        ]
    };
    back(
        &http.form(&format!("{page}/checklist/order_readback"), &read("swallow")),
        &page,
    );
    assert!(
        http.get(&page)
            .body
            .contains("What was chosen is not what was ordered")
    );
    http.form(&format!("{page}/checklist/order_readback"), &read("swallow")[..2])
        .expect(422);
    back(
        &http.form(&format!("{page}/checklist/order_readback"), &read("spit")),
        &page,
    );
    let order =
        json!({"type": "readback", "value": {"lozenge_count": 2, "hold_minutes": 10, "after_hold": "spit"}});
    play.phone
        .post(&play.path("/checklist/order_readback"), &order)
        .expect(200);
    play.clinic.advance_to(play.planned_at).await;
    play.phone.post(&play.path("/unlock"), &json!({})).expect(200);
    back(
        &http.form(&format!("{page}/dose"), &[("order_version", "1")]),
        &page,
    );
    play.t0 = Some(play.clinic.now());
    assert_eq!(play.state(), "dosed");

    play.to_minute(10).await;
    let c4 = play.duty("C4", 0)["id"].as_str().unwrap().to_owned();
    let form4 = format!("{page}/check-ins/{c4}");
    assert!(http.get(&page).body.contains(&form4));
    http.form(&form4, &[("answers.as_ordered", "yes")]).expect(422);
    back(
        &http.form(
            &form4,
            &[("answers.as_ordered", "yes"), ("answers.no_choking", "yes")],
        ),
        &page,
    );
    play.to_minute(16).await;
    let c5 = play.duty("C5", 0)["id"].as_str().unwrap().to_owned();
    let all = [
        ("answers.rousable", "yes"),
        ("answers.breathing_normal", "yes"),
        ("answers.safe_position", "yes"),
    ];
    // An old form for a check that is answered already changes nothing; the new one is met by its own.
    back(
        &http.form(
            &form4,
            &[("answers.as_ordered", "yes"), ("answers.no_choking", "yes")],
        ),
        &page,
    );
    assert_eq!(play.duty("C5", 0)["state"], "open");
    back(&http.form(&format!("{page}/check-ins/{c5}"), &all), &page);
    assert_eq!(play.duty("C5", 0)["state"], "met");

    // T+30 missed: the page still asks, the answer is late.
    play.to_minute(35).await;
    let c6 = play.duty("C6", 0)["id"].as_str().unwrap().to_owned();
    assert!(http.get(&page).body.contains("Please answer it now all the same"));
    let to = back(&http.form(&format!("{page}/check-ins/{c6}"), &all), &page);
    assert!(http.get(&to).body.contains("It came after its time"));

    // The nurse, by the mail's link.
    let mail = play
        .clinic
        .mailbox
        .all()
        .into_iter()
        .rfind(|mail| mail.to == play.clinic.address("nurse") && mail.text.contains("/c/"))
        .unwrap();
    let case = mail.link("/c/");
    let before = play.clinic.audit_length().await;
    let untaken = http.get(&case).expect(200).body;
    assert!(
        untaken.contains("Nobody has taken this case")
            && !untaken.contains("Robin")
            && !untaken.contains("555 0")
    );
    assert_eq!(play.clinic.audit_length().await, before);
    http.form(&format!("{case}/acknowledge"), &[("pin", "12")])
        .expect(422);
    let wrong = http
        .form(&format!("{case}/acknowledge"), &[("pin", "111112")])
        .expect(401);
    assert!(wrong.body.contains("That was not your PIN") && !wrong.body.contains("111112"));
    http.form(
        &format!("{case}/resolve"),
        &[("outcome", "reached_well"), ("note", "x")],
    )
    .expect(401);
    assert_eq!(play.case()["state"], "open");
    let taken = http.form(
        &format!("{case}/acknowledge"),
        &[("pin", &play.clinic.pin("nurse"))],
    );
    back(&taken, &case);
    let cookie = taken.header("set-cookie").unwrap().to_owned();
    assert!(
        cookie.contains("HttpOnly")
            && cookie.contains("SameSite=Strict")
            && cookie.contains(&format!("Path={case}"))
            && !cookie.contains("Secure"),
        "{cookie}"
    );
    let nurse = http.with("cookie", cookie.split(';').next().unwrap());
    let mine = nurse.get(&case).expect(200).body;
    for needed in [
        "Robin Quillfeather",
        "tel:+15550100",
        "tel:+15550101",
        "tel:+15550102",
        "12 Larch Street",
        "2 lozenges × 100 mg",
        "Late answer: all well",
    ] {
        assert!(mine.contains(needed), "{needed} {mine}");
    }
    assert!(play.clinic.audit_length().await > before + 1);
    assert!(http.get(&case).body.contains("has this case since"));
    // The backup comes second.
    let second = play.take_case("backup");
    let shown = second.show();
    assert!(
        shown.contains("Nora Nightly has this case") && !shown.contains("Robin"),
        "{shown}"
    );
    second
        .press("resolve", &[("outcome", "reached_well"), ("note", "x")])
        .expect(409);
    back(&nurse.form(&format!("{case}/contacted"), &[]), &case);
    let kept = nurse
        .form(&format!("{case}/resolve"), &[("note", "Spoke to Sam.")])
        .expect(422);
    assert!(kept.body.contains(">Spoke to Sam.</textarea>"));
    // The cookie ran out while the note was typed: nothing is lost.
    let lost = http
        .form(
            &format!("{case}/resolve"),
            &[("outcome", "reached_well"), ("note", "Spoke to Sam.")],
        )
        .expect(401);
    assert!(
        lost.body.contains("name=\"note\" value=\"Spoke to Sam.\""),
        "{}",
        lost.body
    );
    let again = http
        .form(
            &format!("{case}/acknowledge"),
            &[
                ("pin", &play.clinic.pin("nurse")),
                ("outcome", "reached_well"),
                ("note", "Spoke to Sam."),
            ],
        )
        .expect(200);
    assert!(
        again.body.contains(">Spoke to Sam.</textarea>")
            && again.body.contains("value=\"reached_well\" required checked")
    );
    back(
        &nurse.form(
            &format!("{case}/resolve"),
            &[("outcome", "reached_well"), ("note", "Spoke to Sam.")],
        ),
        &case,
    );
    assert!(nurse.get(&case).body.contains("This case is closed."));

    // Something is wrong.
    let to = back(
        &http.form(&format!("{page}/help"), &[("flag", "chest_pain")]),
        &page,
    );
    let alarm = http.get(&to).body;
    assert!(alarm.contains("What to do now") && alarm.contains("Chest pain"));

    // The worklist by log-in.
    let refused = http
        .form(
            "/login",
            &[
                ("clinic", "willow"),
                ("email", &play.clinic.address("nurse")),
                ("password", "no"),
            ],
        )
        .expect(401);
    assert!(refused.body.contains("value=\"willow\"") && !refused.body.contains("value=\"no\""));
    back(&http.get("/cases"), "/login");
    let in_ = http.form(
        "/login",
        &[
            ("clinic", "willow"),
            ("email", &play.clinic.address("nurse")),
            ("password", PASSWORD),
        ],
    );
    back(&in_, "/cases");
    let desk = http.with(
        "cookie",
        in_.header("set-cookie").unwrap().split(';').next().unwrap(),
    );
    let list = desk.get("/cases").expect(200).body;
    assert!(list.contains("1 open case") && !list.contains("Robin"));
    let at = list.find("/cases/").unwrap();
    let one = list[at..].split('"').next().unwrap().to_owned();
    assert!(desk.get(&one).expect(200).body.contains("Nobody has taken"));
    back(&desk.form(&format!("{one}/acknowledge"), &[]), &one);
    assert!(desk.get(&one).body.contains("Robin Quillfeather"));
    back(&desk.form(&format!("{one}/give-back"), &[]), &one);
    assert!(desk.get(&one).body.contains("Nobody has taken"));
    back(&desk.form(&format!("{one}/acknowledge"), &[]), &one);
    back(&desk.form(&format!("{one}/contacted"), &[]), &one);
    back(
        &desk.form(
            &format!("{one}/resolve"),
            &[("outcome", "emergency_services"), ("note", "Ambulance came.")],
        ),
        &one,
    );
    let out = desk.form("/logout", &[]);
    back(&out, "/login");
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(desk.form("/cases/nonsense/acknowledge", &[]).status, 404);

    // Leave; the link still helps.
    back(&http.form(&format!("{page}/leave"), &[]), &page);
    assert!(
        http.get(&page)
            .body
            .contains("The care team knows that you must leave.")
    );
    // Expired link.
    play.clinic
        .advance_to(play.planned_at + minutes(60 * 24 * 3))
        .await;
    let dead = http.get(&page).expect(410).body;
    assert!(dead.contains("tel:911") && dead.contains(&format!("action=\"{page}/help\"")));
    let help = http.form(&format!("{page}/help"), &[("note", "she fell")]);
    let told = http.get(&back(&help, &page)).expect(410).body;
    assert!(told.contains("the care team is being told now"));
    play.clinic.log_staff_in();
    let cases = play.cases();
    assert!(
        cases
            .iter()
            .flat_map(|case| case["signals"].as_array().unwrap())
            .any(|s| s["by"] == "unverified" && s["note"] == "she fell"),
        "{cases:?}"
    );
    // Unknown link.
    for unknown in ["/s/nothing", "/c/nothing", "/account/nothing"] {
        http.get(unknown).expect(404);
        let help = http.form(&format!("{unknown}/help"), &[]);
        assert_eq!(help.status, 303);
    }
    // Limits.
    for _ in 0..5 {
        http.form(&format!("{page}/help"), &[]);
    }
    let limited = http.form(&format!("{page}/help"), &[]);
    assert!(limited.header("location").unwrap().ends_with("done=wait"));
    // Mails.
    let mails = http.get("/mails").expect(200).body;
    let at = mails.find("/mails/").unwrap();
    let one = mails[at..].split('"').next().unwrap().to_owned();
    let mail = http.get(&one).expect(200).body;
    assert!(mail.contains("Message-ID"));
    http.get("/mails/..%2f..%2fetc%2fpasswd").expect(404);
    assert!(http.get("/").expect(200).body.contains("/mails"));
}
