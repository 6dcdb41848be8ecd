//! The prescriber's licence against where the patient is: what is missing, and what follows by the protocol's setting.

use std::sync::Arc;

use bedside_protocol::document::{ProtocolDocument, Unlicensed};
use bedside_protocol::gate;
use bedside_protocol::licence::{self, Licence, missing};
use bedside_protocol::record::PatientRecord;

use crate::play::Play;
use crate::support::{at, enrolled, patient_record};

const NOW: &str = "2026-11-24T14:00:00Z";

fn licences(of: &[(&str, &str)]) -> Vec<Licence> {
    let licence = |(region, expires_on): &(&str, &str)| Licence {
        region: (*region).to_owned(),
        expires_on: expires_on.parse().unwrap(),
    };
    of.iter().map(licence).collect()
}

/// Licences by state with their last day, the patient's state, the day, and whether the prescriber is licensed.
type Row = (
    &'static [(&'static str, &'static str)],
    Option<&'static str>,
    &'static str,
    bool,
);

#[test]
fn a_licence_is_for_its_state_and_until_its_last_day() {
    #[rustfmt::skip]
    let table: &[Row] = &[
        (&[],                                             Some("US-NY"), "2026-11-24", false),
        (&[("US-NY", "2026-11-24")],                      Some("US-NY"), "2026-11-24", true),
        (&[("US-NY", "2026-11-23")],                      Some("US-NY"), "2026-11-24", false),
        (&[("US-NJ", "2027-11-24")],                      Some("US-NY"), "2026-11-24", false),
        (&[("US-NJ", "2027-01-01"), ("US-NY", "2027-01-01")], Some("US-NY"), "2026-11-24", true),
        (&[("US-NY", "2027-01-01")],                      None,          "2026-11-24", false),
    ];
    for (of, region, on, licensed) in table {
        let found = missing(&licences(of), *region, on.parse().unwrap());
        assert_eq!(found.is_none(), *licensed, "{of:?} {region:?} {on}: {found:?}");
    }
}

fn with_rule(mut record: PatientRecord, unlicensed: Unlicensed) -> PatientRecord {
    let mut document = ProtocolDocument::clone(&record.around.protocol);
    document.licence.unlicensed = unlicensed;
    record.around.protocol = Arc::new(document);
    record
}

#[test]
fn the_setting_says_whether_it_is_passed_over_told_or_refused() {
    assert_eq!(
        ProtocolDocument::shipped().unwrap().licence.unlicensed,
        Unlicensed::Warn
    );
    let text = include_str!("../../documents/default-1.json");
    let before = ProtocolDocument::parse(text).unwrap();
    assert_eq!(before.licence.unlicensed, Unlicensed::Ignore);
    #[rustfmt::skip]
    let table = [
        // setting, warned, refused
        (Unlicensed::Ignore, false, false),
        (Unlicensed::Warn,   true,  false),
        (Unlicensed::Block,  false, true),
    ];
    for (rule, warned, refused) in table {
        let record = with_rule(enrolled(patient_record(), at(NOW)), rule);
        let (none, good) = (Vec::new(), licences(&[("US-NY", "2027-01-01")]));
        assert_eq!(
            licence::warning(&record, &none, at(NOW)).is_some(),
            warned,
            "{rule:?}"
        );
        assert_eq!(
            licence::fault(&record, &none, at(NOW)).is_some(),
            refused,
            "{rule:?}"
        );
        assert!(licence::warning(&record, &good, at(NOW)).is_none());
        assert!(licence::fault(&record, &good, at(NOW)).is_none());
        // Nobody knows where the patient is: that is told too.
        let nowhere = with_rule(patient_record(), rule);
        assert_eq!(
            licence::warning(&nowhere, &good, at(NOW)).is_some(),
            warned,
            "{rule:?}"
        );
    }
}

#[test]
fn the_gate_is_shut_by_the_setting_alone_and_opens_with_the_licence() {
    let locked = |play: &Play| {
        let reasons = gate::reasons(&play.record, play.now);
        reasons.iter().any(|reason| reason.code.name() == "licence")
    };
    for (rule, shut) in [
        (Unlicensed::Ignore, false),
        (Unlicensed::Warn, false),
        (Unlicensed::Block, true),
    ] {
        let mut play = Play::ready();
        let mut document = ProtocolDocument::clone(&play.record.around.protocol);
        document.licence.unlicensed = rule;
        play.record.around.protocol = Arc::new(document);
        assert_eq!(locked(&play), shut, "{rule:?}");
        let seen = licence::missing_at_dose(&play.record, play.now);
        assert_eq!(seen.is_some(), rule != Unlicensed::Ignore);
        // Good on the day of the dose is good; a day less is not.
        play.record.around.prescriber_licences = licences(&[("US-NY", "2026-11-28")]);
        assert!(!locked(&play));
        play.record.around.prescriber_licences = licences(&[("US-NY", "2026-11-27")]);
        assert_eq!(locked(&play), shut, "{rule:?}");
    }
}
