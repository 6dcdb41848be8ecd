//! Before anything is planned: contacts, consents, questionnaires, the cuff, the package, and a clinician's screening.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Map, Value, json};

use super::Theatre;
use crate::demo::cast::{self, PRIYA, patient};
use crate::demo::http::Phone;

/// Lozenges in the package: enough for the series.
const PACKAGE: u32 = 12;

/// Settles every item of the enrolment, each by whom it is owed.
pub fn enrol(theatre: &Theatre, jordan: &mut Phone, priya: &mut Phone, id: &str) -> Result<()> {
    let stage = &theatre.stage;
    let asked = jordan.get("/v1/me/enrolment")?;
    let contacts = json!({
        "phone": patient::PHONE, "address": patient::ADDRESS, "region": patient::REGION, "zone": cast::ZONE,
        "language": "en",
        "emergency_contact": {"name": patient::CONTACT_NAME, "phone": patient::CONTACT_PHONE},
        "emergency_room": {"name": patient::EMERGENCY_ROOM.0, "address": patient::EMERGENCY_ROOM.1},
    });
    jordan.put("/v1/me/contacts", &asked["version"], &contacts)?;
    for text in asked["texts"].as_array().context("the texts to answer")? {
        let key = text["key"].as_str().context("a text has a key")?;
        let answer = json!({"version": text["version"], "agreed": true});
        jordan.post(&format!("/v1/me/consents/{key}"), &answer)?;
    }
    stage.tell(
        patient::FIRST_NAME,
        "confirms address and numbers, and consents to treatment at home and to e-mail",
    );

    let instruments = jordan.get("/v1/me/instruments")?;
    for instrument in instruments["instruments"].as_array().context("instruments")? {
        if instrument["due"]["why"] == "before_first_dose" {
            answer(jordan, &instrument["form"])?;
        }
    }
    jordan.post("/v1/me/trial-readings", &json!({"sbp": 124, "dbp": 79, "hr": 72}))?;
    let package = json!({"kind": "received", "count": PACKAGE, "sealed": true, "locked": true});
    jordan.post("/v1/me/lozenges", &package)?;
    stage.tell(
        patient::FIRST_NAME,
        &format!("answers three questionnaires, tries the cuff and counts {PACKAGE} lozenges"),
    );

    let seen = priya.get(&format!("/v1/patients/{id}/enrolment"))?;
    let list = seen["screening_list"].as_array().context("a list")?.iter();
    let findings: Vec<Value> = list
        .map(|point| json!({"point": point["key"], "present": false}))
        .collect();
    priya.post(
        &format!("/v1/patients/{id}/screenings"),
        &json!({"findings": findings, "cleared": true}),
    )?;
    stage.tell(
        PRIYA.first_name(),
        "signs the screening: nothing speaks against it",
    );
    let seen = jordan.get("/v1/me/enrolment")?;
    ensure!(
        seen["may_be_planned"] == true,
        "something of the enrolment is open: {seen}"
    );
    Ok(())
}

/// A questionnaire answered with the least, "right now" left out, which is asked only after a yes.
fn answer(jordan: &mut Phone, form: &Value) -> Result<()> {
    let key = form["key"].as_str().context("a form has a key")?;
    let mut answers = Map::new();
    for item in form["items"].as_array().context("a form has items")? {
        let name = item["key"].as_str().context("an item has a key")?;
        if key == "safety" {
            if name != "q5" {
                answers.insert(name.to_owned(), json!(false));
            }
        } else {
            answers.insert(name.to_owned(), json!(0));
        }
    }
    jordan.post(
        &format!("/v1/me/instruments/{key}"),
        &json!({ "answers": answers }),
    )?;
    Ok(())
}
