//! Readiness is red, and says which part, when a signal would reach nobody or a record cannot be worked on.

use bedside_tests::clinic::Clinic;
use bedside_tests::database::Database;
use bedside_tests::on_both_engines;
use bedside_tests::play::Play;
use bedside_tests::smtp_server::{Script, SmtpServer};
use serde_json::json;

on_both_engines!(
    a_clinic_with_a_session_and_no_nurse_on_call_is_not_ready,
    a_case_of_which_every_mail_is_refused_is_not_ready,
    a_subject_that_fails_again_and_again_is_not_ready,
);

/// A worker leaves what failed alone for half a minute.
const SET_ASIDE: chrono::Duration = chrono::Duration::seconds(31);

const STAFF: [&str; 6] = [
    "nurse",
    "backup",
    "prescriber",
    "manager",
    "administrator",
    "coordinator",
];

fn set_on_call(clinic: &Clinic, places: &[(&str, &str)]) {
    let places = places
        .iter()
        .map(|(place, role)| json!({"place": place, "person": clinic.id(role)}));
    let list = json!({ "places": places.collect::<Vec<_>>() });
    clinic
        .staff("administrator")
        .put("/v1/on-call", &list)
        .expect(200);
}

async fn a_clinic_with_a_session_and_no_nurse_on_call_is_not_ready(engine: Database) {
    let few = [("administrator", "administrator"), ("fallback", "manager")];
    let clinic = Clinic::open(engine).await;
    set_on_call(&clinic, &few);
    assert!(
        clinic.red_parts().is_empty(),
        "without a session nobody needs to be on call"
    );
    let enough = [few[0], few[1], ("nurse", "nurse"), ("backup", "backup")];
    set_on_call(&clinic, &enough);
    let play = Play::planned(clinic).await;
    assert!(play.clinic.red_parts().is_empty());
    set_on_call(&play.clinic, &few);
    assert_eq!(play.clinic.red_parts(), ["on_call"]);
    set_on_call(&play.clinic, &enough[..3]);
    assert_eq!(play.clinic.red_parts(), ["on_call"], "the backup is missing");
    set_on_call(&play.clinic, &enough);
    assert!(play.clinic.red_parts().is_empty());
}

async fn a_case_of_which_every_mail_is_refused_is_not_ready(engine: Database) {
    let server = SmtpServer::start(Script::new());
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    play.clinic.mail_by_smtp(&server).await;
    for role in STAFF {
        server.refuse(&play.clinic.address(role), 550, "5.1.1 no such user");
    }
    play.sitter("/help", &json!({})).expect(200);
    play.clinic.cycle().await;
    assert!(play.clinic.red_parts().is_empty(), "not yet a minute");
    play.clinic.advance(2).await;
    assert_eq!(play.clinic.red_parts(), ["escalations"]);
    // Somebody takes it without a mail: it was heard.
    let id = play.case()["id"].as_str().expect("an id").to_owned();
    let path = format!("/v1/cases/{id}/acknowledge");
    play.clinic.staff("nurse").post(&path, &json!({})).expect(200);
    assert!(play.clinic.red_parts().is_empty());
}

async fn a_subject_that_fails_again_and_again_is_not_ready(engine: Database) {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    let session = play.session.clone();
    let clinic = &mut play.clinic;
    clinic.poison_session(&session);
    clinic.clocks.set_clinical(play.planned_at);
    let failing = clinic.worker.cycle().await;
    assert_eq!((failing.tick.failed, failing.tick.decided), (1, 0), "{failing:?}");
    assert!(clinic.red_parts().is_empty(), "once is no fault");
    clinic.clocks.advance_machine(SET_ASIDE);
    clinic.worker.cycle().await;
    assert_eq!(clinic.red_parts(), ["subjects"]);
    clinic.heal_session(&session);
    clinic.clocks.advance_machine(SET_ASIDE);
    clinic.cycle().await;
    assert!(clinic.red_parts().is_empty(), "it works again");
}
