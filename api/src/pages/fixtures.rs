//! A session to look at in tests: brought to any state by the protocol's own rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use bedside_protocol::answering::{self, Form};
use bedside_protocol::checklist::{Actor, AnswerValue};
use bedside_protocol::course::Course;
use bedside_protocol::document::{Asks, ItemPhase, ProtocolDocument};
use bedside_protocol::dosing::{self, DoseReport};
use bedside_protocol::enrolment::{ConsentAnswer, Screening};
use bedside_protocol::id::{Ids, PersonId, SitterId};
use bedside_protocol::measuring::{self, NewReading};
use bedside_protocol::order::{AfterHold, Instruction, Order, OrderDraft};
use bedside_protocol::people::{
    Caller, Clinic, CommsStatus, EmergencyContact, OnCallPerson, OnCallPlace, Patient, StaffRole,
};
use bedside_protocol::record::{Decision, Earlier, PatientRecord, RuleContext, SessionRecord, Surroundings};
use bedside_protocol::refusal::Refusal;
use bedside_protocol::sitting::{self, Invitation};
use bedside_protocol::time::{Instant, Planned, Zone};
use bedside_protocol::vitals::Vitals;
use bedside_protocol::watch::{Watch, WatchHealth};
use bedside_protocol::{helping, planning, preparation, tick};
use chrono::Duration;
use uuid::Uuid;

use super::frame::WallClock;

/// What a dose waits for of the enrolment.
fn enrolled() -> Course {
    let signed_at = at("2026-11-01T15:00:00Z");
    let consent = |number, text: &str| ConsentAnswer {
        id: Uuid::from_u128(number).into(),
        text: text.into(),
        version: 1,
        agreed: true,
        at: signed_at,
        by: Caller::Patient { person: person(1) },
    };
    Course {
        consents: vec![
            consent(301, "consent_treatment"),
            consent(302, "consent_messages"),
        ],
        screenings: vec![Screening {
            id: Uuid::from_u128(303).into(),
            findings: Vec::new(),
            cleared: true,
            note: None,
            signed_by: person(13),
            signed_at,
        }],
        ..Course::default()
    }
}

/// A person by a small number.
pub fn person(number: u128) -> PersonId {
    Uuid::from_u128(number).into()
}

/// The nurse of the story.
pub fn nurse() -> Caller {
    Caller::Staff {
        person: person(11),
        roles: vec![StaffRole::Nurse],
    }
}

/// One session on Saturday, 2026-11-21, 2:00 PM in New York, and the present moment in it.
pub struct Story {
    /// The record as it is.
    pub record: SessionRecord,
    /// The present moment.
    pub now: Instant,
    bytes: u8,
}

impl Story {
    /// Planned two days before, nobody asked to sit yet.
    pub fn planned() -> Self {
        let now = at("2026-11-19T15:00:00Z");
        let patient = patient_record();
        let mut bytes = 0;
        let decision = in_context(&mut bytes, now, Caller::System, |context| {
            let (on, time) = ("2026-11-21".parse().unwrap(), "14:00:00".parse().unwrap());
            let planned = Planned::new(on, time, patient.patient.zone);
            planning::open_session(&patient, planned, 1, None, person(11), context)
        });
        Self {
            record: decision.after,
            now,
            bytes,
        }
    }

    /// Ben is asked.
    pub fn invited() -> Self {
        let mut story = Self::planned();
        story.apply(Caller::Patient { person: person(1) }, |record, context| {
            let invitation = Invitation {
                name: "Ben <b>Ortiz</b>".into(),
                email: "ben@example.org".into(),
                phone: "+1 212 555 0102".into(),
            };
            Ok(sitting::invite(record, invitation, context)?.0)
        });
        story
    }

    /// Ben said yes and has not read his page yet.
    pub fn not_trained() -> Self {
        let mut story = Self::invited();
        let ben = story.ben();
        story.apply(ben, |record, context| {
            sitting::accept(record, true, true, context)
        });
        story
    }

    /// Ben answers the questions about his page, all right but for some.
    pub fn train(&mut self, wrong: &[(&str, &str)]) {
        let questions = self.record.around.protocol.training.questions.iter();
        let mut answers: BTreeMap<String, String> = questions
            .map(|question| (question.key.clone(), question.right.clone()))
            .collect();
        let wrong = wrong
            .iter()
            .map(|(key, chosen)| ((*key).to_owned(), (*chosen).to_owned()));
        answers.extend(wrong);
        let ben = self.ben();
        self.apply(ben, |record, context| {
            Ok(sitting::train(record, &answers, context)?.0)
        });
    }

    /// Ben said yes and has read his page.
    pub fn accepted() -> Self {
        let mut story = Self::not_trained();
        story.train(&[]);
        story
    }

    /// Half past one on the day, the window of "I am here" still shut; the patient's list is done.
    pub fn on_the_day() -> Self {
        let mut story = Self::accepted();
        story.to("2026-11-20T18:00:00Z");
        story.patients_part(ItemPhase::DayBefore);
        story.answer(nurse(), "sitter_called", &AnswerValue::YesNo(true));
        story.to("2026-11-21T16:30:00Z");
        story.patients_part(ItemPhase::Day);
        story.to("2026-11-21T18:30:00Z");
        story
    }

    /// The patient answers all their items of a phase.
    fn patients_part(&mut self, phase: ItemPhase) {
        let protocol = self.record.around.protocol.clone();
        let own = protocol
            .checklist
            .iter()
            .filter(|item| item.phase == phase && item.actors.contains(&Actor::Patient));
        for item in own {
            let value = match &item.asks {
                Asks::YesNo { good, .. } => AnswerValue::YesNo(*good),
                Asks::Time { .. } => AnswerValue::Time(at("2026-11-21T12:00:00Z")),
                Asks::Wish | Asks::Address { .. } => AnswerValue::YesNo(true),
                Asks::Text { tell: Some(_), .. } => continue,
                _ => AnswerValue::Text("none".into()),
            };
            self.answer(Caller::Patient { person: person(1) }, &item.key, &value);
        }
    }

    /// Ten to two: the window is open.
    pub fn window_open() -> Self {
        let mut story = Self::on_the_day();
        story.to("2026-11-21T18:50:00Z");
        story
    }

    /// Everything is done and the patient unlocked the dose.
    pub fn unlocked() -> Self {
        let mut story = Self::window_open();
        let (ben, ana) = (story.ben(), Caller::Patient { person: person(1) });
        for key in ["sitter_available", "phones", "sitter_fit"] {
            story.answer(ben.clone(), key, &AnswerValue::YesNo(true));
        }
        let code = story.record.current_sitter().unwrap().presence_code.clone();
        story.apply(ben.clone(), |record, context| {
            Ok(sitting::present(record, &code, context)?.0)
        });
        story.measure(ben.clone(), 122, 78, 70);
        let instruction = story.record.order.as_ref().unwrap().content.instruction;
        story.answer(ben, "order_readback", &AnswerValue::Readback(instruction));
        story.answer(ana.clone(), "order_readback", &AnswerValue::Readback(instruction));
        story.to("2026-11-21T18:58:00Z");
        story.apply(ana, |record, context| Ok(preparation::unlock(record, context)?.0));
        story
    }

    /// The dose is logged at 2:00 PM.
    pub fn dosed() -> Self {
        let mut story = Self::unlocked();
        story.to("2026-11-21T19:00:00Z");
        let ben = story.ben();
        story.apply(ben, |record, context| {
            Ok(dosing::log_dose(record, DoseReport::default(), context).0)
        });
        story
    }

    /// As many minutes after the dose, every check up to then answered well.
    pub fn minutes_in(minutes: i64) -> Self {
        let mut story = Self::dosed();
        let until = at("2026-11-21T19:00:00Z") + Duration::minutes(minutes);
        while let Some(duty) = story.next_check().filter(|duty| duty.due_at < until) {
            story.now = duty.due_at;
            let reading = NewReading {
                vitals: Vitals {
                    sbp: 128,
                    dbp: 80,
                    hr: 76,
                    spo2: None,
                },
                with_symptom: false,
                observed_at: None,
            };
            story.check(&duty, |question| question.good, Some(reading));
        }
        story.now = until;
        story.tick();
        story
    }

    /// The worker's turn.
    pub fn tick(&mut self) {
        self.apply(Caller::System, |record, context| {
            Ok(tick::session(record, context))
        });
    }

    /// The sitter as a caller.
    pub fn ben(&self) -> Caller {
        Caller::Sitter {
            session: self.record.session.id,
            sitter: self.sitter(),
        }
    }

    /// The sitter's id.
    pub fn sitter(&self) -> SitterId {
        self.record.sitters.last().unwrap().id
    }

    /// The sitter's next open check.
    pub fn next_check(&self) -> Option<bedside_protocol::duty::Duty> {
        use bedside_protocol::duty::{DutyKind, OwedBy};
        let open = self.record.watch.open_duties();
        open.filter(|duty| matches!(duty.kind, DutyKind::CheckIn { .. }) && duty.owed_by == OwedBy::Sitter)
            .min_by_key(|duty| duty.due_at)
            .cloned()
    }

    /// The sitter answers a check.
    pub fn check(
        &mut self,
        duty: &bedside_protocol::duty::Duty,
        answer: impl Fn(&bedside_protocol::document::Question) -> bool,
        reading: Option<NewReading>,
    ) {
        let rule = dosing::check_rule_of(&self.record, duty).unwrap();
        let answers: BTreeMap<_, _> = rule
            .questions
            .iter()
            .map(|question| (question.key.clone(), answer(question)))
            .collect();
        let form = Form {
            duty: duty.id,
            answers,
            besides: bedside_protocol::check_in::Besides::default(),
            reading,
            observed_at: None,
        };
        let ben = self.ben();
        self.apply(ben, move |record, context| {
            Ok(answering::answer(record, form.clone(), context)?.0)
        });
    }

    /// Somebody answers an item.
    pub fn answer(&mut self, caller: Caller, key: &str, value: &AnswerValue) {
        self.apply(caller, |record, context| {
            Ok(preparation::answer(record, key, value.clone(), None, context)?.0)
        });
    }

    /// Somebody measures.
    pub fn measure(&mut self, caller: Caller, sbp: u32, dbp: u32, hr: u32) {
        let reading = NewReading {
            vitals: Vitals {
                sbp,
                dbp,
                hr,
                spo2: None,
            },
            with_symptom: false,
            observed_at: None,
        };
        self.apply(caller, |record, context| {
            Ok(measuring::measure(record, reading, context)?.0)
        });
    }

    /// Somebody presses a red flag.
    pub fn flag(&mut self, caller: Caller, flag: &str) {
        self.apply(caller, |record, context| {
            Ok(helping::help(record, Some(flag), None, context)?.0)
        });
    }

    /// The clock moves.
    pub fn to(&mut self, now: &str) {
        self.now = at(now);
        self.tick();
    }

    /// The patient's wall clock.
    pub fn clock(&self) -> WallClock {
        WallClock {
            zone: self.record.patient.zone,
            now: self.now,
        }
    }

    /// A rule decides.
    pub fn apply(
        &mut self,
        caller: Caller,
        rule: impl FnOnce(&SessionRecord, &mut RuleContext<'_>) -> Result<Decision<SessionRecord>, Refusal>,
    ) {
        let (record, now) = (&self.record, self.now);
        let decision = in_context(&mut self.bytes, now, caller, |context| {
            rule(record, context).unwrap()
        });
        self.record = decision.after;
    }
}

/// An instant as a test writes it.
pub fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

fn in_context<T>(
    bytes: &mut u8,
    now: Instant,
    caller: Caller,
    work: impl FnOnce(&mut RuleContext<'_>) -> T,
) -> T {
    let mut random = |slice: &mut [u8]| {
        *bytes = bytes.wrapping_add(1);
        slice.fill(*bytes);
    };
    work(&mut RuleContext {
        now,
        caller,
        ids: Ids::new(now, &mut random),
    })
}

/// Ana and her clinic.
pub fn patient_record() -> PatientRecord {
    let zone = Zone::named("America/New_York").unwrap();
    let clinic: bedside_protocol::id::ClinicId = Uuid::from_u128(100).into();
    let places = [
        (OnCallPlace::Nurse, "Nora Quinn"),
        (OnCallPlace::Backup, "Bo Lind"),
        (OnCallPlace::Prescriber, "Dr. Pia Rao"),
        (OnCallPlace::Manager, "Max Holt"),
        (OnCallPlace::Fallback, "Fay Wood"),
    ];
    PatientRecord {
        patient: Patient {
            id: person(1),
            clinic,
            name: "Ana Maria Lopez".into(),
            first_name: "Ana".into(),
            email: "ana@example.org".into(),
            phone: "+1 212 555 0101".into(),
            address: "12 Elm Street, Apt 3, Albany, NY 12203".into(),
            zone,
            emergency_contact: EmergencyContact {
                name: "Carla Lopez".into(),
                phone: "+1 518 555 0103".into(),
            },
            comms: CommsStatus::Active,
            mail_declined: false,
            version: 1,
        },
        order: Some(Order {
            id: Uuid::from_u128(200).into(),
            version: 1,
            content: OrderDraft {
                instruction: Instruction {
                    lozenge_count: 2,
                    hold_minutes: 10,
                    after_hold: AfterHold::Spit,
                },
                strength_mg: 100,
                prescribed_on: "2026-11-01".parse().unwrap(),
                expires_on: "2027-04-30".parse().unwrap(),
                refills_left: 2,
            },
            signed_by: person(13),
            signed_at: at("2026-11-01T15:00:00Z"),
            countersigned_by: None,
        }),
        course: enrolled(),
        sessions: Vec::new(),
        watch: Watch::default(),
        around: Surroundings {
            clinic: Clinic {
                id: clinic,
                slug: "demo".into(),
                name: "Demo Clinic".into(),
                zone,
                phone: "+1 212 555 0100".into(),
            },
            protocol: Arc::new(ProtocolDocument::shipped().unwrap()),
            on_call: places
                .into_iter()
                .zip(11..)
                .map(|((place, name), number)| OnCallPerson {
                    place,
                    person: person(number),
                    name: name.into(),
                    email: format!("staff{number}@example.org"),
                    reached_at: Some(at("2026-11-19T15:00:00Z")),
                })
                .collect(),
            roster: None,
            watch_health: WatchHealth {
                silent_for: Some(Duration::seconds(5)),
                gaps: Vec::new(),
            },
            other_doses: Vec::new(),
            lozenges_taken_elsewhere: Some(0),
            other_open_cases: Vec::new(),
            earlier: Earlier::default(),
            prescriber_licences: Vec::new(),
        },
    }
}
