//! Answering a form: what is refused, what is kept, whom it is told to, and what the screen says first.
//!
//! A refusal never hides help: when what was sent speaks of death or of a red flag, the emergency words come first, also
//! in the refusal. What is told and the score itself are one decision.

use serde_json::json;

use super::due::{Due, SoFar, due, not_too_soon};
use super::external::{ExternalDraft, ExternalResult};
use super::{
    Answers, Band, Form, Given, InstrumentKey, Score, check, external, form, item9, lists, safety, total,
};
use crate::case::{Cause, Level};
use crate::desk::at_patients_desk;
use crate::document::{InstrumentRules, OwnList, ProtocolDocument};
use crate::helping::ShowNow;
use crate::id::{ExternalResultId, PersonId, ScoreId, ScoreReviewId};
use crate::instruments::item9::ScoreReview;
use crate::people::Caller;
use crate::record::{Decision, Fact, PatientRecord, RuleContext};
use crate::refusal::{Fault, Refusal};
use crate::time::{Instant, minutes};

/// What came of a form that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sending {
    /// It is kept.
    Kept(Answered),
    /// It is refused, and who must hear of it has heard: a safety answer is never lost to what was left out beside it.
    RefusedAndTold(Refusal),
}

/// A form as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Of what.
    pub instrument: InstrumentKey,
    /// The answers.
    pub answers: Answers,
    /// When it was answered, by the device.
    pub observed_at: Option<Instant>,
}

/// What became of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The score that was kept.
    pub score: ScoreId,
    /// The sum, where the instrument has one.
    pub total: Option<u32>,
    /// The sum's band.
    pub band: Option<&'static Band>,
    /// What the screen says before anything else.
    pub show_now: Option<ShowNow>,
    /// What is asked at once, in the same flow.
    pub ask_next: Option<InstrumentKey>,
    /// Whether the care team hears of it.
    pub clinic_told: bool,
}

/// A patient's doses, earliest first.
pub fn doses_of(record: &PatientRecord) -> Vec<Instant> {
    let doses = record.sessions.iter().filter_map(|session| session.dose.as_ref());
    let mut doses: Vec<Instant> = doses.map(|dose| dose.taken_at).collect();
    doses.sort_unstable();
    doses
}

fn so_far<'r>(record: &'r PatientRecord, doses: &'r [Instant]) -> SoFar<'r> {
    let to_come = record
        .sessions
        .iter()
        .filter(|session| session.state.is_before_dose());
    SoFar {
        scores: &record.course.scores,
        doses,
        next_session: to_come.map(|session| session.planned.at).min(),
        zone: record.patient.zone,
    }
}

/// What a patient is asked at `now` and later, most pressing first.
pub fn due_of(record: &PatientRecord, now: Instant) -> Vec<Due> {
    let doses = doses_of(record);
    due(so_far(record, &doses), &record.around.protocol.instruments, now)
}

/// Takes a form: the score, the case it opens or joins, and what the screen shows are one decision. One that is refused and
/// has an answer in it that calls for a person is a decision too: the care team is told.
pub fn answer(
    record: &PatientRecord,
    sent: Sent,
    context: &mut RuleContext<'_>,
) -> Result<(Decision<PatientRecord>, Sending), Refusal> {
    let doses = doses_of(record);
    let (id, now, by) = (context.ids.fresh(), context.now, context.caller.clone());
    let instrument = sent.instrument;
    let followed = follow(
        sent,
        so_far(record, &doses),
        &record.course.score_reviews,
        &record.around.protocol,
        (id, now, by),
    );
    let followed = match followed {
        Ok(followed) => followed,
        Err(unkept) => return tell_unkept(record, instrument, *unkept, context),
    };
    let score = &followed.score;
    let answered = Answered {
        score: id,
        total: score.total,
        band: score.total.and_then(|total| score.instrument.band(total)),
        show_now: followed.show_now,
        ask_next: followed.ask_next,
        clinic_told: followed
            .tell
            .as_ref()
            .is_some_and(|(_, cause)| !cause.only_joins()),
    };
    let (mut decision, ()) = at_patients_desk(record, context, |desk| {
        desk.fact(
            "instrument.answered",
            json!({"score": id, "instrument": score.instrument, "total": score.total}),
        );
        if let Some((level, cause)) = followed.tell {
            desk.signal(level, cause, None);
        }
    });
    decision.after.course.scores.push(followed.score);
    Ok((decision, Sending::Kept(answered)))
}

/// A form that is not kept. Sent again and again with the same answers it is told once, as long as the case is open.
fn tell_unkept(
    record: &PatientRecord,
    instrument: InstrumentKey,
    unkept: Unkept,
    context: &mut RuleContext<'_>,
) -> Result<(Decision<PatientRecord>, Sending), Refusal> {
    let Some(level) = unkept.level else {
        return Err(unkept.refusal);
    };
    let cause = Cause::UnkeptAnswer {
        instrument,
        answers: unkept.answers,
    };
    let open = record.watch.open_case();
    let known = open.is_some_and(|case| case.signals.iter().any(|signal| signal.what == cause));
    let (decision, ()) = at_patients_desk(record, context, |desk| {
        if !known {
            desk.signal(level, cause, None);
        }
    });
    Ok((decision, Sending::RefusedAndTold(unkept.refusal)))
}

/// A clinician has seen a score.
pub fn review(
    record: &PatientRecord,
    score: ScoreId,
    by: PersonId,
    note: &str,
    context: &mut RuleContext<'_>,
) -> Result<(Decision<PatientRecord>, ScoreReviewId), Refusal> {
    if !record.course.scores.iter().any(|known| known.id == score) {
        return Err(Refusal::NotFound);
    }
    let review = ScoreReview {
        id: context.ids.fresh(),
        score,
        by,
        at: context.now,
        note: note.to_owned(),
    };
    let id = review.id;
    let mut decision = Decision::unchanged(record);
    decision.facts.push(Fact::new(
        "instrument.reviewed",
        json!({"review": id, "score": score}),
    ));
    decision.after.course.score_reviews.push(review);
    Ok((decision, id))
}

/// Records a result of an instrument that was asked elsewhere.
pub fn record_external(
    record: &PatientRecord,
    draft: ExternalDraft,
    by: PersonId,
    context: &mut RuleContext<'_>,
) -> Result<(Decision<PatientRecord>, ExternalResultId), Refusal> {
    external::check(&draft, record.around.clinic.zone.date_of(context.now))?;
    let result = ExternalResult {
        id: context.ids.fresh(),
        content: draft,
        by,
        at: context.now,
    };
    let id = result.id;
    let mut decision = Decision::unchanged(record);
    decision
        .facts
        .push(Fact::new("instrument.external_recorded", json!({ "result": id })));
    decision.after.course.external_results.push(result);
    Ok((decision, id))
}

/// What follows from a form that is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// The score to keep.
    pub score: Score,
    /// What the care team hears, if anything.
    pub tell: Option<(Level, Cause)>,
    /// What the screen says before anything else.
    pub show_now: Option<ShowNow>,
    /// What is asked at once, in the same flow.
    pub ask_next: Option<InstrumentKey>,
}

/// A form that is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unkept {
    /// Everything that is wrong with it.
    pub refusal: Refusal,
    /// How urgent what it says is, if somebody must hear of it.
    pub level: Option<Level>,
    /// The answers that the questions take.
    pub answers: Answers,
}

/// Takes a form or says everything that is wrong with it.
pub fn follow(
    sent: Sent,
    so_far: SoFar<'_>,
    reviews: &[ScoreReview],
    protocol: &ProtocolDocument,
    (id, now, by): (ScoreId, Instant, Caller),
) -> Result<Followed, Box<Unkept>> {
    let rules = &protocol.instruments;
    let form = form(sent.instrument, rules);
    let back_to = now - minutes(rules.report_back_days.saturating_mul(24 * 60));
    let observed_at = sent.observed_at.unwrap_or(now).min(now).max(back_to);
    // What speaks of death is taken whenever it is said.
    let waits = sent.instrument != InstrumentKey::Phq9 || item9::of(&sent.answers) == 0;
    let accepted = accept(&form, &sent.answers).and_then(|()| {
        if waits {
            not_too_soon(so_far, sent.instrument, rules, observed_at)
        } else {
            Ok(())
        }
    });
    let followed = match sent.instrument {
        InstrumentKey::Phq9 => after_phq9(id, &sent.answers, so_far, reviews, protocol),
        InstrumentKey::Gad7 => After::default(),
        InstrumentKey::Safety => after_safety(id, &sent.answers, so_far, reviews, protocol),
        InstrumentKey::SideEffects => after_list(id, &sent, &rules.side_effects, protocol),
        InstrumentKey::Monthly => after_list(id, &sent, &rules.monthly, protocol),
    };
    if let Err(refusal) = accepted {
        let of_form = |(key, given): (&String, &Given)| {
            let item = form.items.iter().find(|item| item.key == key)?;
            let called_for = given.number() > 0 && item.asks.takes(*given).is_ok();
            called_for.then(|| (key.clone(), *given))
        };
        let answers: Answers = sent.answers.iter().filter_map(of_form).collect();
        // Words that nobody takes for an answer alarm nobody; and what is told at a level below this hour waits for the form.
        let level = followed.tell.as_ref().map(|(level, _)| *level);
        let level = level.filter(|level| *level >= Level::P2 && speaks_of_danger(&sent, &answers, rules));
        let refusal = match refusal {
            Refusal::Invalid(mut faults) if followed.show_now.is_some() => {
                let words = &protocol.words.not_watched;
                faults.0.insert(0, Fault::new("answers", words));
                Refusal::Invalid(faults)
            }
            refusal => refusal,
        };
        return Err(Box::new(Unkept {
            refusal,
            level,
            answers,
        }));
    }
    Ok(Followed {
        score: Score {
            id,
            instrument: sent.instrument,
            total: total(&form, &sent.answers),
            answers: sent.answers,
            observed_at,
            claimed_at: sent.observed_at.filter(|claimed| *claimed != observed_at),
            received_at: now,
            by,
        },
        tell: followed.tell,
        show_now: followed.show_now,
        ask_next: followed.ask_next,
    })
}

/// Whether what the questions take, of what was sent, still calls for a person: item 9, or an answer on an own list.
fn speaks_of_danger(sent: &Sent, answers: &Answers, rules: &InstrumentRules) -> bool {
    let listed =
        |list: &OwnList| lists::judge(list, answers).is_some_and(|telling| telling.level >= Level::P2);
    match sent.instrument {
        InstrumentKey::Phq9 => item9::of(answers) > 0,
        InstrumentKey::Safety => !answers.is_empty(),
        InstrumentKey::Gad7 => false,
        InstrumentKey::SideEffects => listed(&rules.side_effects),
        InstrumentKey::Monthly => listed(&rules.monthly),
    }
}

fn accept(form: &Form<'_>, answers: &Answers) -> Result<(), Refusal> {
    let checked = match form.key {
        InstrumentKey::Safety => safety::check(answers),
        _ => check(form, answers),
    };
    checked.map_err(Refusal::Invalid)
}

#[derive(Default)]
struct After {
    tell: Option<(Level, Cause)>,
    show_now: Option<ShowNow>,
    ask_next: Option<InstrumentKey>,
}

fn show(words: &str, protocol: &ProtocolDocument) -> ShowNow {
    ShowNow {
        words: words.to_owned(),
        emergency_number: protocol.words.emergency_number.clone(),
    }
}

fn after_phq9(
    id: ScoreId,
    answers: &Answers,
    so_far: SoFar<'_>,
    reviews: &[ScoreReview],
    protocol: &ProtocolDocument,
) -> After {
    let (answer, baseline) = (item9::of(answers), item9::baseline(so_far.scores, reviews));
    let Some(level) = item9::judge(answer, baseline, &protocol.instruments) else {
        return After::default();
    };
    let cause = Cause::Item9 {
        score: id,
        answer,
        baseline,
    };
    After {
        tell: Some((level, cause)),
        show_now: Some(show(&protocol.words.not_watched, protocol)),
        ask_next: Some(InstrumentKey::Safety),
    }
}

fn after_safety(
    id: ScoreId,
    answers: &Answers,
    so_far: SoFar<'_>,
    reviews: &[ScoreReview],
    protocol: &ProtocolDocument,
) -> After {
    let level = safety::judge(answers, so_far.scores, reviews, &protocol.instruments);
    let screen = safety::screen(answers);
    let words = match screen {
        safety::Screen::Negative => None,
        safety::Screen::Positive => Some(show(&protocol.words.not_watched, protocol)),
        safety::Screen::Acute => Some(show(&protocol.words.patient_emergency, protocol)),
    };
    let cause = Cause::SafetyAnswer {
        score: id,
        questions: safety::yeses(answers),
    };
    After {
        tell: Some((level.unwrap_or(Level::Info), cause)),
        show_now: words,
        ask_next: safety::still_to_ask(answers).then_some(InstrumentKey::Safety),
    }
}

fn after_list(id: ScoreId, sent: &Sent, list: &OwnList, protocol: &ProtocolDocument) -> After {
    let Some(telling) = lists::judge(list, &sent.answers) else {
        return After::default();
    };
    let cause = Cause::ListAnswer {
        score: id,
        list: sent.instrument,
        items: telling.items,
    };
    let flag = telling.advice.is_some();
    After {
        tell: Some((telling.level, cause)),
        show_now: flag.then(|| show(&protocol.words.patient_emergency, protocol)),
        ask_next: None,
    }
}
