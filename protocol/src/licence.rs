//! The prescriber's licence: by state or region, with a last day, held against where the patient is (FEATURES D9).
//!
//! Whether a missing one is passed over, shown or stops orders, plans and doses is data of the protocol document.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::document::Unlicensed;
use crate::enrolment::contacts_of;
use crate::record::{PatientRecord, SessionRecord, Surroundings};
use crate::refusal::Fault;
use crate::time::Instant;

/// Most licences of one prescriber.
pub const LICENCES_MAX: usize = 100;

/// A licence to prescribe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Licence {
    /// The state or region (ISO 3166-2), such as `US-NY`.
    pub region: String,
    /// Its last day.
    pub expires_on: NaiveDate,
}

/// Why a prescriber is not licensed where the patient is, in words for the care team; `None` when they are.
pub fn missing(licences: &[Licence], region: Option<&str>, on: NaiveDate) -> Option<String> {
    let Some(region) = region else {
        return Some("the patient's state is not known".to_owned());
    };
    let mut of_region = licences
        .iter()
        .filter(|licence| licence.region == region)
        .peekable();
    if of_region.peek().is_none() {
        return Some(format!("no licence of the prescriber for {region} is recorded"));
    }
    let last = of_region.map(|licence| licence.expires_on).max()?;
    (on > last).then(|| format!("the prescriber's licence for {region} ended on {last}"))
}

/// What is to be shown to who signs an order or a plan for this patient with these licences.
pub fn warning(record: &PatientRecord, licences: &[Licence], now: Instant) -> Option<String> {
    let found = of_signer(record, licences, now)?;
    (record.around.protocol.licence.unlicensed == Unlicensed::Warn).then_some(found)
}

/// What keeps who has these licences from signing an order or a plan for this patient.
pub fn fault(record: &PatientRecord, licences: &[Licence], now: Instant) -> Option<Fault> {
    let found = of_signer(record, licences, now)?;
    (record.around.protocol.licence.unlicensed == Unlicensed::Block).then(|| Fault::new("licence", found))
}

fn of_signer(record: &PatientRecord, licences: &[Licence], now: Instant) -> Option<String> {
    let region = contacts_of(&record.course).map(|contacts| contacts.region.as_str());
    missing(licences, region, record.patient.zone.date_of(now))
}

/// Why who signed the order in force is not licensed where the patient is at the time of the dose; `None` when they are, when
/// nothing is signed and where nobody asks.
pub fn missing_at_dose(record: &SessionRecord, now: Instant) -> Option<(Unlicensed, String)> {
    let Surroundings {
        protocol,
        prescriber_licences,
        ..
    } = &record.around;
    let rule = protocol.licence.unlicensed;
    if rule == Unlicensed::Ignore || record.order.is_none() {
        return None;
    }
    let region = contacts_of(&record.course).map(|contacts| contacts.region.as_str());
    let on = record.patient.zone.date_of(record.session.planned.at.max(now));
    missing(prescriber_licences, region, on).map(|found| (rule, found))
}
