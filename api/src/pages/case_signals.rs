//! The signals of a case in words, for whoever took it.

use bedside_protocol::case::{Cause, Signal};
use bedside_protocol::checklist::AnswerValue;
use bedside_protocol::document::{CheckRule, InstrumentRules};
use bedside_protocol::dosing::check_rule_of;
use bedside_protocol::id::DutyId;
use bedside_protocol::instruments::{self, Answers, InstrumentKey, safety};
use bedside_protocol::people::Caller;
use bedside_protocol::record::SessionRecord;

use super::case_view::About;
use super::frame::{WallClock, bad_answer};

/// One signal: what happened, who said so, and what they typed. What a patient answered is said only to who may see it.
pub fn signal_text(about: About<'_>, signal: &Signal, clock: WallClock, sees_answers: bool) -> String {
    if signal.tells_answers() && !sees_answers {
        return "The patient answered something that is for a nurse or a prescriber to read".to_owned();
    }
    let what = cause_text(about, &signal.what, clock);
    let by = said_by(&signal.by)
        .map(|by| format!(" ({by})"))
        .unwrap_or_default();
    let note = signal
        .note
        .as_ref()
        .map(|note| format!(": \u{201c}{note}\u{201d}"))
        .unwrap_or_default();
    format!("{what}{by}{note}")
}

fn said_by(caller: &Caller) -> Option<&'static str> {
    match caller {
        Caller::Patient { .. } => Some("the patient said so"),
        Caller::Sitter { .. } => Some("the sitter said so"),
        Caller::Staff { .. } => Some("the care team said so"),
        Caller::Unverified { .. } => Some("unverified: somebody with an old link or an expired log-in"),
        Caller::System => None,
    }
}

fn cause_text(about: About<'_>, cause: &Cause, clock: WallClock) -> String {
    let session = about.session();
    let protocol = &about.around().protocol;
    match cause {
        Cause::MissedCheckIn { duty, rule, in_a_row } => {
            let text = protocol
                .check_rule(rule)
                .map_or(rule.as_str(), |rule| rule.text.as_str());
            let due = due_text(about, *duty, clock);
            let row = if *in_a_row > 1 {
                format!(", {in_a_row} in a row")
            } else {
                String::new()
            };
            format!("Check not answered: {text}{due}{row}")
        }
        Cause::LateTwice { owed, in_a_row, duty } => {
            let text = protocol
                .check_rule(owed)
                .map_or_else(|| spaced(owed), |rule| rule.text.clone());
            let due = due_text(about, *duty, clock);
            format!("Late again, {in_a_row} in a row: {text}{due}")
        }
        Cause::BadAnswer { check_in, questions } => {
            let answer = session.and_then(|record| record.check_ins.iter().find(|it| it.id == *check_in));
            let rule = answer.and_then(|answer| protocol.check_rule(&answer.rule));
            let said = bad_answers(rule, questions);
            let listed = side_effects_text(&protocol.instruments, questions);
            let said: Vec<String> = [said, listed]
                .into_iter()
                .filter(|text| !text.is_empty())
                .collect();
            format!("Answered not well: {}", said.join("; "))
        }
        Cause::RedFlag { flag } => {
            let text = protocol
                .red_flag(flag)
                .map_or(flag.as_str(), |flag| flag.text.as_str());
            format!("Something is wrong: {text}")
        }
        Cause::Help => "Asked for help".to_owned(),
        Cause::UnplannedDose { reasons } => {
            format!("Dose outside a ready session: {}", spaced(&reasons.join(", ")))
        }
        Cause::OutdatedOrder { shown, signed } => {
            let version =
                |version: &Option<u32>| version.map_or("none".to_owned(), |version| version.to_string());
            format!(
                "Dose by order version {}, signed is {}",
                version(shown),
                version(signed)
            )
        }
        Cause::SitterLeft => "The sitter must leave or has left".to_owned(),
        Cause::SitterGone => "There is no sitter any more: withdrew or was removed".to_owned(),
        Cause::Vitals { reading, .. } => {
            let reading = session.and_then(|record| record.readings.iter().find(|it| it.id == *reading));
            reading.map_or_else(
                || "A reading over a limit".to_owned(),
                |reading| {
                    let vitals = &reading.vitals;
                    let oxygen = vitals
                        .spo2
                        .map(|spo2| format!(", oxygen {spo2} %"))
                        .unwrap_or_default();
                    let symptom = if reading.with_symptom {
                        ", with a symptom"
                    } else {
                        ""
                    };
                    format!(
                        "Reading over a limit: {}/{} mmHg, pulse {}{oxygen}{symptom}",
                        vitals.sbp, vitals.dbp, vitals.hr
                    )
                },
            )
        }
        Cause::VitalsMissing { duty } => {
            format!(
                "Blood pressure and pulse were asked for and did not come{}",
                due_text(about, *duty, clock)
            )
        }
        Cause::NotReleased { after_minutes } => {
            format!("Not released {after_minutes} minutes after the dose")
        }
        Cause::TakenAndNotLogged => {
            "The dose was unlocked and none was logged: taken and not logged?".to_owned()
        }
        Cause::WatchDown { from, to, .. } => format!(
            "Our watch was down from {} to {}: please call",
            clock.at_24h(*from),
            clock.at_24h(*to)
        ),
        Cause::UnsafeAnswer { item } => {
            let text = protocol
                .item(item)
                .map_or(item.as_str(), |item| item.text.as_str());
            format!("In the preparation, answered against: {text}")
        }
        Cause::AddressChanged => {
            "The patient is at another address today: look up the local dispatcher's number, and the zone"
                .to_owned()
        }
        Cause::PrivateWord { item } => {
            // Shown also when it was taken back since: somebody may have stood beside them.
            let said = session.into_iter().flat_map(|record| record.answers.iter().rev());
            let text = said
                .filter(|answer| answer.item == *item)
                .find_map(|answer| match &answer.value {
                    AnswerValue::Text(text) => Some(text.as_str()),
                    _ => None,
                });
            format!(
                "For the clinic only, the patient wrote: {}",
                text.unwrap_or_default()
            )
        }
        Cause::NoAnswer { owed, .. } => format!("No answer to: {}", spaced(owed)),
        Cause::ZoneChanged {
            left,
            too_near,
            unstaffed,
        } => {
            let left = match left.len() {
                0 => String::new(),
                count => format!(
                    ", but {count} whose preparation has begun or would have begun: agree on the time with the patient"
                ),
            };
            let near = match too_near.len() {
                0 => String::new(),
                count => format!("; {count} too near to another session or dose now"),
            };
            let unstaffed = match unstaffed.len() {
                0 => String::new(),
                count => format!("; {count} at a time for which somebody is missing on call"),
            };
            format!(
                "The patient is in another time zone: sessions keep their local time{left}{near}{unstaffed}"
            )
        }
        Cause::ConsentWithdrawn { text } => {
            let text = protocol
                .enrolment
                .item(text)
                .map_or(text.as_str(), |item| item.text.as_str());
            format!("The patient took back their consent: {text}. Their planned sessions do not open")
        }
        Cause::ReviewDue => "A clinician's review is due before the dose of this session".to_owned(),
        Cause::CourseHeld => {
            "The session falls into a hold of the course: move it or leave it out".to_owned()
        }
        Cause::SitterOnPatientsDevice => "The sitter's answer came from the patient's own device".to_owned(),
        Cause::LateAnswer {
            duty,
            observed_at,
            all_well,
        } => {
            let well = if *all_well { "all well" } else { "not all well" };
            format!(
                "Late answer: {well} at {}{}",
                clock.at_24h(*observed_at),
                due_text(about, *duty, clock)
            )
        }
        Cause::CountDiffers { expected, counted } => {
            format!("Lozenges were counted: {counted}. By the ledger there should be {expected}")
        }
        Cause::LozengesLost { count } => format!("Lozenges are lost or stolen: {count}"),
        Cause::Item9 { answer, baseline, .. } => {
            let known = baseline.map_or_else(
                || "no answer was reviewed before".to_owned(),
                |baseline| format!("reviewed before: {baseline}"),
            );
            format!("PHQ-9 item 9 (thoughts of death or self-harm): {answer} of 3; {known}")
        }
        Cause::SafetyAnswer { questions, .. } => safety_text(questions),
        Cause::ListAnswer { list, items, .. } => list_text(&protocol.instruments, *list, items),
        Cause::UnkeptAnswer { instrument, answers } => {
            unkept_text(&protocol.instruments, *instrument, answers)
        }
        Cause::Undeliverable { .. } => "A message to one of the care team could not be delivered".to_owned(),
    }
}

fn safety_text(questions: &[String]) -> String {
    if questions.is_empty() {
        return "Safety questions: no to all".to_owned();
    }
    let form = safety::form();
    let said = form
        .items
        .iter()
        .filter(|item| questions.iter().any(|key| key == item.key));
    let said: Vec<&str> = said.map(|item| item.text).collect();
    format!("Safety questions, yes to: {}", said.join(" "))
}

fn list_text(rules: &InstrumentRules, list: InstrumentKey, items: &[String]) -> String {
    let form = instruments::form(list, rules);
    let text = |key: &String| {
        let mut listed = form.items.iter();
        listed
            .find(|item| item.key == key)
            .map_or(key.clone(), |item| item.text.to_owned())
    };
    let said: Vec<String> = items.iter().map(text).collect();
    format!("{}: {}", form.title, said.join("; "))
}

fn side_effects_text(rules: &InstrumentRules, questions: &[String]) -> String {
    let form = instruments::form(InstrumentKey::SideEffects, rules);
    let said = form
        .items
        .iter()
        .filter(|item| questions.iter().any(|key| key == item.key));
    let said: Vec<&str> = said.map(|item| item.text).collect();
    said.join("; ")
}

fn unkept_text(rules: &InstrumentRules, instrument: InstrumentKey, answers: &Answers) -> String {
    let form = instruments::form(instrument, rules);
    let said = form.items.iter().filter_map(|item| {
        let answer = answers.get(item.key)?;
        Some(format!("{}: {}", item.text, answer.number()))
    });
    let said: Vec<String> = said.collect();
    format!(
        "{} was sent with something missing and not kept. Answered: {}",
        form.title,
        said.join("; ")
    )
}

fn spaced(text: &str) -> String {
    text.replace(['-', '_'], " ")
}

fn due_text(about: About<'_>, duty: DutyId, clock: WallClock) -> String {
    let Some(duty) = about.watch().duty(duty) else {
        return String::new();
    };
    let of = about
        .session()
        .and_then(|record: &SessionRecord| check_rule_of(record, duty));
    let named = of.map_or_else(String::new, |rule| format!(" {}", rule.key));
    format!(" (check{named} was due at {})", clock.at_24h(duty.due_at))
}

fn bad_answers(rule: Option<&CheckRule>, questions: &[String]) -> String {
    let Some(rule) = rule else {
        return questions.join(", ");
    };
    let said: Vec<_> = rule
        .questions
        .iter()
        .filter(|question| questions.contains(&question.key))
        .map(bad_answer)
        .collect();
    said.join("; ")
}
