//! Every route and who may call it, in one table; and the application made of them.
//!
//! The extractors of [`crate::auth`] look their route up in [`ACCESS`], and the OpenAPI document shows it, so what is
//! documented is what is enforced. A test holds the table against the document, both ways.

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data};
use actix_web::{App as ActixApp, Error};
use bedside_protocol::desk::CASE_WORKERS;
use bedside_protocol::people::StaffRole;
use utoipa_actix_web::AppExt as _;

use crate::app::App;
use crate::docs;
use crate::envelope;
use crate::error::ApiError;
use crate::handlers::{
    calls, cases, clinic, courses, enrolment, hand_overs, health, help, import, instruments, licences,
    limits, login, lozenges, me, messages, patients, protocols, roster, sessions, sitting, worklist,
};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Public,
    /// The holder of the link whose token is in the path.
    Link,
    /// A patient who is logged in, for what is their own.
    Patient,
    /// A patient, also one whose log-in ran out: what is reported here is never refused.
    Reporter,
    /// Staff with one of these roles, within their clinic.
    Staff(&'static [StaffRole]),
    /// Nobody: the route is not in the table.
    Nobody,
}

/// Who looks after patients and plans their sessions.
pub const CARE: &[StaffRole] = &[StaffRole::Nurse, StaffRole::Prescriber, StaffRole::Coordinator];

/// Who answers for a patient's safety.
const CLINICIANS: &[StaffRole] = &[StaffRole::Nurse, StaffRole::Prescriber];

/// Who signs.
const PRESCRIBERS: &[StaffRole] = &[StaffRole::Prescriber];

/// Who writes the clinic's protocol. Signing is another matter.
const PROTOCOL_AUTHORS: &[StaffRole] = &[StaffRole::Nurse, StaffRole::Prescriber, StaffRole::Administrator];

/// Who takes cases.
const CASES: &[StaffRole] = &CASE_WORKERS;

/// Who reads what happened.
const TIMELINE: &[StaffRole] = &[
    StaffRole::Nurse,
    StaffRole::Prescriber,
    StaffRole::Coordinator,
    StaffRole::Manager,
    StaffRole::Auditor,
];

/// Who sees to it that mail arrives: who reads what happened, and who keeps the addresses.
const MAIL_KEEPERS: &[StaffRole] = &[
    StaffRole::Nurse,
    StaffRole::Prescriber,
    StaffRole::Coordinator,
    StaffRole::Manager,
    StaffRole::Auditor,
    StaffRole::Administrator,
];

/// Who keeps the on-call list and the roster.
pub const ROSTER: &[StaffRole] = &[
    StaffRole::Administrator,
    StaffRole::Coordinator,
    StaffRole::Manager,
];

/// Who keeps accounts.
const ADMINISTRATORS: &[StaffRole] = &[StaffRole::Administrator];

/// Who reads which licences a prescriber has.
const LICENCES: &[StaffRole] = &[
    StaffRole::Administrator,
    StaffRole::Manager,
    StaffRole::Prescriber,
];

/// All staff.
const STAFF: &[StaffRole] = &StaffRole::ALL;

/// Every route of the JSON interface: method, pattern, who.
pub const ACCESS: &[(&str, &str, Access)] = &[
    ("POST", "/v1/login", Access::Public),
    ("POST", "/v1/login/refresh", Access::Public),
    ("POST", "/v1/logout", Access::Public),
    ("POST", "/v1/account/{token}", Access::Link),
    ("POST", "/v1/me/pin", Access::Staff(STAFF)),
    ("POST", "/v1/help", Access::Public),
    // Patient
    ("GET", "/v1/me/today", Access::Patient),
    ("GET", "/v1/me/sessions", Access::Patient),
    ("GET", "/v1/me/sessions/{id}", Access::Patient),
    ("POST", "/v1/me/sessions/{id}/checklist/{item}", Access::Patient),
    ("POST", "/v1/me/sessions/{id}/sitters", Access::Patient),
    ("DELETE", "/v1/me/sessions/{id}/sitters/{sitter}", Access::Patient),
    ("POST", "/v1/me/sessions/{id}/candidates", Access::Patient),
    ("POST", "/v1/me/sessions/{id}/unlock", Access::Patient),
    ("POST", "/v1/me/sessions/{id}/dose", Access::Reporter),
    ("POST", "/v1/me/dose", Access::Reporter),
    ("POST", "/v1/me/sessions/{id}/dose/time", Access::Patient),
    ("POST", "/v1/me/sessions/{id}/check-ins/{duty}", Access::Patient),
    ("POST", "/v1/me/sessions/{id}/vitals", Access::Patient),
    ("GET", "/v1/me/instruments", Access::Patient),
    ("POST", "/v1/me/instruments/{key}", Access::Patient),
    ("POST", "/v1/me/sessions/{id}/help", Access::Reporter),
    ("POST", "/v1/me/help", Access::Reporter),
    ("GET", "/v1/me/lozenges", Access::Patient),
    ("POST", "/v1/me/lozenges", Access::Patient),
    ("GET", "/v1/me/enrolment", Access::Patient),
    ("PUT", "/v1/me/contacts", Access::Patient),
    ("POST", "/v1/me/consents/{key}", Access::Patient),
    ("POST", "/v1/me/trial-readings", Access::Patient),
    // Sitter
    ("GET", "/v1/sitting/{token}", Access::Link),
    ("POST", "/v1/sitting/{token}/accept", Access::Link),
    ("POST", "/v1/sitting/{token}/decline", Access::Link),
    ("POST", "/v1/sitting/{token}/training", Access::Link),
    ("POST", "/v1/sitting/{token}/present", Access::Link),
    ("POST", "/v1/sitting/{token}/checklist/{item}", Access::Link),
    ("POST", "/v1/sitting/{token}/vitals", Access::Link),
    ("POST", "/v1/sitting/{token}/check-ins/{duty}", Access::Link),
    ("POST", "/v1/sitting/{token}/dose", Access::Link),
    ("POST", "/v1/sitting/{token}/help", Access::Link),
    ("POST", "/v1/sitting/{token}/leave", Access::Link),
    ("POST", "/v1/sitting/{token}/release", Access::Link),
    // Care team
    ("POST", "/v1/patients", Access::Staff(CARE)),
    ("POST", "/v1/patients/import", Access::Staff(CARE)),
    ("GET", "/v1/patients", Access::Staff(CARE)),
    ("GET", "/v1/patients/{id}", Access::Staff(CARE)),
    ("PUT", "/v1/patients/{id}/comms", Access::Staff(CARE)),
    ("GET", "/v1/patients/{id}/enrolment", Access::Staff(CARE)),
    ("PUT", "/v1/patients/{id}/contacts", Access::Staff(CARE)),
    ("POST", "/v1/patients/{id}/screenings", Access::Staff(CLINICIANS)),
    ("POST", "/v1/patients/{id}/orders", Access::Staff(PRESCRIBERS)),
    ("POST", "/v1/patients/{id}/sessions", Access::Staff(CARE)),
    ("GET", "/v1/patients/{id}/lozenges", Access::Staff(CARE)),
    ("POST", "/v1/patients/{id}/lozenges", Access::Staff(CLINICIANS)),
    ("GET", "/v1/patients/{id}/limits", Access::Staff(CARE)),
    ("PUT", "/v1/patients/{id}/limits", Access::Staff(PRESCRIBERS)),
    ("GET", "/v1/patients/{id}/calls", Access::Staff(TIMELINE)),
    ("POST", "/v1/patients/{id}/calls", Access::Staff(CARE)),
    ("POST", "/v1/patients/{id}/plans/preview", Access::Staff(CARE)),
    ("POST", "/v1/patients/{id}/plans", Access::Staff(PRESCRIBERS)),
    ("GET", "/v1/patients/{id}/plans", Access::Staff(CARE)),
    ("PUT", "/v1/patients/{id}/zone", Access::Staff(CARE)),
    ("POST", "/v1/patients/{id}/hold", Access::Staff(CLINICIANS)),
    ("POST", "/v1/patients/{id}/lift", Access::Staff(CLINICIANS)),
    ("POST", "/v1/patients/{id}/reviews", Access::Staff(CLINICIANS)),
    ("POST", "/v1/sessions/{id}/move", Access::Staff(CARE)),
    ("POST", "/v1/sessions/{id}/skip", Access::Staff(CARE)),
    ("GET", "/v1/patients/{id}/scores", Access::Staff(CLINICIANS)),
    (
        "POST",
        "/v1/patients/{id}/scores/{score}/review",
        Access::Staff(PRESCRIBERS),
    ),
    (
        "POST",
        "/v1/patients/{id}/external-results",
        Access::Staff(CLINICIANS),
    ),
    ("GET", "/v1/patients/{id}/trends", Access::Staff(CLINICIANS)),
    ("GET", "/v1/patients/{id}/trends.svg", Access::Staff(CLINICIANS)),
    ("GET", "/v1/sessions/{id}/vitals", Access::Staff(CLINICIANS)),
    ("GET", "/v1/sessions/{id}/vitals.svg", Access::Staff(CLINICIANS)),
    ("GET", "/v1/sessions/{id}", Access::Staff(CASES)),
    ("GET", "/v1/sessions/{id}/timeline", Access::Staff(TIMELINE)),
    ("POST", "/v1/sessions/{id}/hold", Access::Staff(CLINICIANS)),
    ("POST", "/v1/sessions/{id}/lift", Access::Staff(CLINICIANS)),
    ("POST", "/v1/sessions/{id}/cancel", Access::Staff(CARE)),
    ("POST", "/v1/sessions/{id}/sitters", Access::Staff(CARE)),
    ("POST", "/v1/sessions/{id}/candidates", Access::Staff(CARE)),
    (
        "POST",
        "/v1/sessions/{id}/checklist/{item}/override",
        Access::Staff(PRESCRIBERS),
    ),
    (
        "DELETE",
        "/v1/sessions/{id}/sitters/{sitter}",
        Access::Staff(CARE),
    ),
    (
        "POST",
        "/v1/sessions/{id}/checklist/{item}",
        Access::Staff(CLINICIANS),
    ),
    (
        "POST",
        "/v1/sessions/{id}/check-ins/{duty}",
        Access::Staff(CLINICIANS),
    ),
    ("POST", "/v1/sessions/{id}/vitals", Access::Staff(CLINICIANS)),
    ("POST", "/v1/sessions/{id}/dose", Access::Staff(CLINICIANS)),
    ("POST", "/v1/sessions/{id}/dose/time", Access::Staff(CLINICIANS)),
    ("POST", "/v1/sessions/{id}/release", Access::Staff(CLINICIANS)),
    ("GET", "/v1/messages", Access::Staff(MAIL_KEEPERS)),
    ("GET", "/v1/sessions/{id}/messages", Access::Staff(TIMELINE)),
    ("GET", "/v1/patients/{id}/messages", Access::Staff(TIMELINE)),
    ("GET", "/v1/worklist", Access::Staff(CASES)),
    ("GET", "/v1/cases", Access::Staff(CASES)),
    ("GET", "/v1/cases/{id}", Access::Staff(CASES)),
    ("POST", "/v1/cases/{id}/acknowledge", Access::Staff(CASES)),
    ("POST", "/v1/cases/{id}/contacted", Access::Staff(CASES)),
    ("POST", "/v1/cases/{id}/resolve", Access::Staff(CASES)),
    ("POST", "/v1/cases/{id}/give-back", Access::Staff(CASES)),
    ("POST", "/v1/cases/{id}/hand-over", Access::Staff(CASES)),
    ("POST", "/v1/cases/{id}/accept", Access::Staff(CASES)),
    ("POST", "/v1/cases/{id}/decline", Access::Staff(CASES)),
    ("POST", "/v1/hand-overs", Access::Staff(CASES)),
    ("GET", "/v1/protocols", Access::Staff(STAFF)),
    ("POST", "/v1/protocols", Access::Staff(PROTOCOL_AUTHORS)),
    ("GET", "/v1/protocols/{version}", Access::Staff(STAFF)),
    ("POST", "/v1/protocols/{version}/sign", Access::Staff(CLINICIANS)),
    ("GET", "/v1/protocols/{version}/diff", Access::Staff(STAFF)),
    (
        "POST",
        "/v1/protocols/{version}/dry-run",
        Access::Staff(PROTOCOL_AUTHORS),
    ),
    ("GET", "/v1/on-call", Access::Staff(STAFF)),
    ("PUT", "/v1/on-call", Access::Staff(ROSTER)),
    ("GET", "/v1/roster", Access::Staff(STAFF)),
    ("PUT", "/v1/roster", Access::Staff(ROSTER)),
    ("POST", "/v1/roster/cover", Access::Staff(STAFF)),
    ("GET", "/v1/roster/gaps", Access::Staff(STAFF)),
    ("GET", "/v1/staff", Access::Staff(ROSTER)),
    ("GET", "/v1/staff/{id}/licences", Access::Staff(LICENCES)),
    ("PUT", "/v1/staff/{id}/licences", Access::Staff(ADMINISTRATORS)),
    // System
    ("GET", "/health/live", Access::Public),
    ("GET", "/health/ready", Access::Public),
];

/// Who may call a route.
pub fn access_of(method: &str, pattern: &str) -> Option<Access> {
    ACCESS
        .iter()
        .find(|(m, p, _)| *m == method && *p == pattern)
        .map(|(_, _, access)| *access)
}

/// The application: one for each worker thread.
pub fn application(
    app: Data<App>,
) -> ActixApp<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    >,
> {
    let (application, document) = ActixApp::new()
        .into_utoipa_app()
        .openapi(docs::outline())
        .app_data(app)
        .app_data(web::PathConfig::default().error_handler(|_, _| ApiError::NotFound.into()))
        .configure(json_routes)
        .split_for_parts();
    application
        .configure(crate::pages::register)
        .configure(health::register_head)
        .configure(|config| docs::register(config, docs::with_access(document)))
        .default_service(web::to(not_found))
        .wrap(from_fn(envelope::wrap))
}

/// The OpenAPI document.
pub fn document() -> utoipa::openapi::OpenApi {
    let (_, document) = ActixApp::new()
        .into_utoipa_app()
        .openapi(docs::outline())
        .configure(json_routes)
        .split_for_parts();
    docs::with_access(document)
}

async fn not_found() -> Result<actix_web::HttpResponse, ApiError> {
    Err(ApiError::NotFound)
}

fn json_routes(config: &mut utoipa_actix_web::service_config::ServiceConfig<'_>) {
    config
        .service(login::log_in)
        .service(login::refresh)
        .service(login::log_out)
        .service(login::set_password)
        .service(login::set_pin)
        .service(help::help_without_log_in);
    config
        .service(me::today)
        .service(me::list_sessions)
        .service(me::one_session)
        .service(me::answer_item)
        .service(me::invite_sitter)
        .service(me::remove_sitter)
        .service(me::name_candidates)
        .service(me::unlock)
        .service(me::log_dose)
        .service(me::log_dose_without_session)
        .service(me::correct_dose_time)
        .service(me::check_in)
        .service(me::measure)
        .service(me::help_in_session)
        .service(me::help)
        .service(lozenges::own_ledger)
        .service(lozenges::enter_own);
    config
        .service(enrolment::own)
        .service(enrolment::confirm_own_contacts)
        .service(enrolment::answer_text)
        .service(enrolment::try_cuff)
        .service(enrolment::of_patient)
        .service(enrolment::confirm_contacts)
        .service(enrolment::sign_screening);
    config
        .service(sitting::page)
        .service(sitting::accept)
        .service(sitting::decline)
        .service(sitting::train)
        .service(sitting::present)
        .service(sitting::answer_item)
        .service(sitting::measure)
        .service(sitting::check_in)
        .service(sitting::log_dose)
        .service(sitting::help)
        .service(sitting::leave)
        .service(sitting::release);
    config
        .service(patients::create)
        .service(import::import_patients)
        .service(patients::list)
        .service(patients::find)
        .service(patients::set_comms)
        .service(patients::sign_order)
        .service(patients::plan_session)
        .service(calls::log)
        .service(calls::list)
        .service(lozenges::ledger_of_patient)
        .service(lozenges::enter_for_patient)
        .service(limits::find)
        .service(limits::change);
    config
        .service(courses::preview)
        .service(courses::sign)
        .service(courses::find)
        .service(courses::change_zone)
        .service(courses::hold)
        .service(courses::lift)
        .service(courses::review)
        .service(courses::move_session)
        .service(courses::skip);
    config
        .service(sessions::find)
        .service(sessions::timeline)
        .service(sessions::hold)
        .service(sessions::lift)
        .service(sessions::cancel)
        .service(sessions::invite_sitter)
        .service(sessions::remove_sitter)
        .service(sessions::name_candidates)
        .service(sessions::decide_item)
        .service(sessions::answer_item)
        .service(sessions::check_in)
        .service(sessions::measure)
        .service(sessions::log_dose)
        .service(sessions::correct_dose_time)
        .service(sessions::release);
    config
        .service(instruments::own)
        .service(instruments::answer)
        .service(instruments::scores)
        .service(instruments::review)
        .service(instruments::record_external)
        .service(instruments::trends)
        .service(instruments::trends_picture)
        .service(instruments::vitals)
        .service(instruments::vitals_picture);
    config
        .service(protocols::list)
        .service(protocols::draft)
        .service(protocols::find)
        .service(protocols::sign)
        .service(protocols::diff)
        .service(protocols::play);
    config
        .service(messages::of_session)
        .service(messages::of_patient)
        .service(messages::of_clinic);
    config
        .service(worklist::list)
        .service(cases::list)
        .service(cases::find)
        .service(cases::acknowledge)
        .service(cases::contacted)
        .service(cases::resolve)
        .service(cases::give_back)
        .service(hand_overs::offer)
        .service(hand_overs::accept)
        .service(hand_overs::decline)
        .service(hand_overs::offer_all)
        .service(clinic::on_call)
        .service(clinic::set_on_call)
        .service(roster::find)
        .service(roster::set)
        .service(roster::cover)
        .service(roster::gaps)
        .service(clinic::list_staff)
        .service(licences::find)
        .service(licences::set)
        .service(health::live)
        .service(health::ready);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_documented_route_says_who_may_call_it_and_every_entry_of_the_table_is_a_route() {
        let document = serde_json::to_value(document()).unwrap();
        let mut documented = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                assert!(
                    operation["security"].is_array(),
                    "{method} {path} says nobody's role"
                );
                assert!(
                    operation["summary"].as_str().is_some_and(|text| !text.is_empty()),
                    "{method} {path}"
                );
                documented.insert((method.to_uppercase(), path.clone()));
            }
        }
        let table: BTreeSet<(String, String)> = ACCESS
            .iter()
            .map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned()))
            .collect();
        assert_eq!(table.len(), ACCESS.len(), "a route stands twice");
        assert_eq!(documented, table);
    }

    #[test]
    fn a_route_outside_the_table_is_for_nobody() {
        assert_eq!(access_of("GET", "/v1/me/today"), Some(Access::Patient));
        assert_eq!(access_of("POST", "/v1/me/today"), None);
        assert_eq!(access_of("GET", ""), None);
    }

    #[test]
    fn the_document_is_openapi_3_1_and_names_every_schema_it_uses() {
        let text = serde_json::to_string(&document()).unwrap();
        assert!(text.starts_with("{\"openapi\":\"3.1"), "{}", &text[..40]);
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        for part in text.split("#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(schemas.contains_key(name), "{name} is not described");
        }
    }
}
