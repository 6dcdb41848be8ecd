//! What a sitter reads in each state; the pages are left in a folder for a look where `BEDSIDE_PAGES` names one.

use askama::Template as _;
use bedside_protocol::checklist::{Actor, AnswerValue};
use bedside_protocol::dosing::{self, DoseReport};
use bedside_protocol::order::{AfterHold, Instruction};
use bedside_protocol::people::Caller;
use bedside_protocol::refusal::Refusal;
use bedside_protocol::sitting;

use super::fixtures::{Story, at, person};
use super::form::{Entered, Fields};
use super::sitter_running::Release;
use super::sitter_view::{SitterPage, Stage, page};
use crate::views::{next_steps, release};

fn shown(story: &Story, entered: &Entered) -> SitterPage {
    page(
        &story.record,
        story.sitter(),
        story.clock(),
        "/s/token",
        None,
        entered,
    )
    .unwrap()
}

fn html(name: &str, story: &Story, entered: &Entered) -> String {
    let html = shown(story, entered).render().unwrap();
    super::keep_for_a_look(name, &html);
    html
}

fn fresh() -> Entered {
    Entered::default()
}

#[test]
fn an_invited_sitter_reads_what_is_asked_and_nothing_of_the_patient_but_the_first_name() {
    let page = html("sitter-invited", &Story::invited(), &fresh());
    assert!(page.contains("Will you sit with Ana?"));
    assert!(page.contains("Saturday, November 21, from 1:45 PM until about 6:00 PM"));
    for hidden in ["Lopez", "Elm", "555 0101", "100 mg", "ana@"] {
        assert!(!page.contains(hidden), "{hidden}");
    }
    assert!(!page.contains(" checked"), "nothing is ticked beforehand");
}

#[test]
fn a_refused_acceptance_comes_back_with_the_fault_beside_its_box_and_the_other_box_still_ticked() {
    let fields = Fields::of(&[("may_be_contacted", "yes")]);
    let entered = Entered::refused(
        "accept",
        fields,
        &Refusal::invalid("is_adult", "a sitter must be 18 or older"),
    );
    let page = html("sitter-accept-fault", &Story::invited(), &entered);
    assert!(page.contains("id=\"is_adult-fault\">A sitter must be 18 or older."));
    assert!(page.contains("name=\"may_be_contacted\" value=\"yes\" required checked"));
}

#[test]
fn every_page_of_a_sitter_shows_the_numbers_the_list_and_the_way_to_it() {
    let mut declined = Story::invited();
    let ben = declined.ben();
    declined.apply(ben, sitting::decline);
    let stories = [
        ("sitter-invited", Story::invited()),
        ("sitter-declined", declined),
        ("sitter-accepted", Story::accepted()),
        ("sitter-on-the-day", Story::on_the_day()),
        ("sitter-window", Story::window_open()),
        ("sitter-unlocked", Story::unlocked()),
        ("sitter-dosed", Story::dosed()),
        ("sitter-running", Story::minutes_in(20)),
    ];
    for (name, story) in &stories {
        let page = html(name, story, &fresh());
        for needed in [
            "href=\"tel:911\"",
            "href=\"tel:988\"",
            "href=\"#wrong\"",
            "Not watched live",
            "value=\"chest_pain\"",
        ] {
            assert!(page.contains(needed), "{name}: {needed}");
        }
        assert!(
            !page.contains("<script") && !page.contains("style=") && !page.contains("http"),
            "{name}"
        );
    }
}

#[test]
fn before_the_window_only_what_is_open_can_be_answered_and_the_rest_says_from_when() {
    let story = Story::on_the_day();
    let Stage::Preparing(preparing) = shown(&story, &fresh()).stage else {
        panic!()
    };
    let open: Vec<_> = preparing.open.iter().map(|step| step.key.as_str()).collect();
    assert_eq!(open, ["sitter_available", "phones", "vitals_pre"]);
    assert_eq!(preparing.later.len(), 3);
    assert_eq!(preparing.later[0].1, "1:45 PM");
    assert!(preparing.dose.is_none() && preparing.dose_late.is_none());
}

#[test]
fn a_wrong_read_back_shows_the_order_again_and_what_happened() {
    let mut story = Story::window_open();
    let wrong = Instruction {
        lozenge_count: 2,
        hold_minutes: 10,
        after_hold: AfterHold::Swallow,
    };
    story.answer(story.ben(), "order_readback", &AnswerValue::Readback(wrong));
    let page = html("sitter-readback-wrong", &story, &fresh());
    assert!(page.contains("What was chosen is not what was ordered"));
    assert!(page.contains("SPIT IT OUT"));
    // The choices stand in one order whatever was ordered, and none is chosen.
    let of = |value: &str| {
        page.find(&format!("name=\"hold_minutes\" value=\"{value}\""))
            .unwrap()
    };
    assert!(of("5") < of("10") && of("10") < of("15"));
    assert!(!page.contains(" checked"));
}

#[test]
fn a_wrong_code_is_said_beside_the_field_and_too_many_say_until_when() {
    let mut story = Story::window_open();
    let ben = story.ben();
    let right = story.record.current_sitter().unwrap().presence_code.clone();
    let wrong = if right == "0000" { "1111" } else { "0000" };
    story.apply(ben.clone(), |record, context| {
        Ok(sitting::present(record, wrong, context)?.0)
    });
    assert!(html("sitter-code-wrong", &story, &fresh()).contains("id=\"code-fault\">That was not the code."));
    for _ in 0..4 {
        story.apply(ben.clone(), |record, context| {
            Ok(sitting::present(record, wrong, context)?.0)
        });
    }
    let page = html("sitter-code-blocked", &story, &fresh());
    assert!(page.contains("try again at 2:00 PM") && !page.contains(&right));
}

#[test]
fn an_unlocked_dose_is_the_first_thing_on_the_page() {
    let page = html("sitter-unlocked", &Story::unlocked(), &fresh());
    let dose = page.find("The lozenge is in the mouth now").unwrap();
    assert!(page.find("SPIT IT OUT").unwrap() < dose && dose < page.find("Until about").unwrap());
}

#[test]
fn a_dose_that_was_opened_and_not_logged_is_asked_about_first() {
    let mut story = Story::unlocked();
    story.to("2026-11-21T19:30:00Z");
    let page = html("sitter-not-logged", &story, &fresh());
    assert!(page.contains("<h1>Has Ana taken the lozenge?</h1>") && page.contains("name=\"minutes_ago\""));
    assert!(!page.contains("The lozenge is in the mouth now"));
}

#[test]
fn the_one_button_answers_every_question_explicitly_and_its_form_is_for_that_check_alone() {
    let story = Story::minutes_in(13);
    let duty = story.next_check().unwrap();
    let page = html("sitter-check", &story, &fresh());
    assert!(page.contains("All three are well"));
    assert!(page.contains(&format!("action=\"/s/token/check-ins/{}\"", duty.id)));
    assert!(page.contains("type=\"hidden\" name=\"answers.rousable\" value=\"yes\""));
    assert!(!page.contains(" checked"));
}

#[test]
fn a_check_that_asks_for_a_reading_has_its_fields_in_the_same_form() {
    let page = html("sitter-check-vitals", &Story::minutes_in(44), &fresh());
    assert!(page.contains("name=\"vitals.sbp\"") && page.contains("All three are well"));
}

#[test]
fn a_reading_that_cannot_be_comes_back_with_its_fault_and_every_value_and_choice() {
    let story = Story::minutes_in(44);
    let duty = story.next_check().unwrap();
    let fields = Fields::of(&[
        ("answers.rousable", "yes"),
        ("answers.breathing_normal", "no"),
        ("vitals.sbp", "12"),
        ("vitals.dbp", "80"),
        ("vitals.hr", "70"),
    ]);
    let refusal = Refusal::MeasureAgain(bedside_protocol::refusal::Faults(vec![
        bedside_protocol::refusal::Fault::new("vitals.sbp", "must be from 60 to 260; please measure again"),
    ]));
    let entered = Entered::refused(format!("check-ins/{}", duty.id), fields, &refusal);
    let page = html("sitter-check-fault", &story, &entered);
    assert!(page.contains("Must be from 60 to 260; please measure again."));
    assert!(
        page.contains("name=\"vitals.sbp\" value=\"12\"")
            && page.contains("name=\"vitals.dbp\" value=\"80\"")
    );
    assert!(page.contains("name=\"answers.breathing_normal\" value=\"no\" required checked"));
    assert!(page.contains("<details open>"));
}

#[test]
fn a_missed_check_is_still_asked_for_and_says_that_the_care_team_knows() {
    let mut story = Story::minutes_in(13);
    let missed = story.next_check().unwrap();
    story.to("2026-11-21T19:20:00Z");
    let page = html("sitter-check-missed", &story, &fresh());
    assert!(page.contains(&missed.id.to_string()));
    assert!(page.contains("the care team has been told. Please answer it now all the same."));
}

#[test]
fn what_the_sitter_reported_says_what_to_do_and_what_the_patient_pressed_stays_out_of_sight() {
    let mut story = Story::minutes_in(20);
    story.flag(Caller::Patient { person: person(1) }, "wants_to_die");
    let page = shown(&story, &fresh());
    assert!(page.alarm.is_none());
    story.flag(story.ben(), "chest_pain");
    let page = html("sitter-alarm", &story, &fresh());
    assert!(page.contains("2:20 PM: Chest pain"));
    assert!(page.find("What to do now").unwrap() < page.find("Nothing to answer").unwrap());
    assert!(!page.contains("2:20 PM: Wants to die"));
}

#[test]
fn a_bad_answer_brings_the_emergency_words_to_the_top() {
    let mut story = Story::minutes_in(13);
    let duty = story.next_check().unwrap();
    story.check(&duty, |question| question.key != "breathing_normal", None);
    let page = html("sitter-bad-answer", &story, &fresh());
    assert!(page.contains("Breathing normally?\u{201d} No"));
    assert!(page.contains("The care team is being told."));
}

#[test]
fn release_is_asked_question_by_question_not_before_its_time_and_thanks_when_done() {
    let mut story = Story::minutes_in(118);
    let early = html("sitter-before-release", &story, &fresh());
    assert!(early.contains("Not before 4:00 PM") && !early.contains("Ready to be released?"));
    story.to("2026-11-21T21:00:00Z");
    let page = html("sitter-release", &story, &fresh());
    assert!(page.contains("Two hours: ready to be released?") && !page.contains("well</button>"));
    let duty = story.next_check().unwrap();
    story.check(&duty, |question| question.key != "walks_steadily", None);
    let again = html("sitter-release-again", &story, &fresh());
    assert!(again.contains("action=\"/s/token/release\""));
    story.to("2026-11-21T21:15:00Z");
    let duty = story.next_check().unwrap();
    story.check(&duty, |question| question.good, None);
    assert!(html("sitter-released", &story, &fresh()).contains("Thank you. Ana is released."));
}

#[test]
fn a_high_reading_asks_for_another_and_a_sitter_who_left_reads_what_follows() {
    let mut story = Story::minutes_in(50);
    let ben = story.ben();
    story.measure(ben.clone(), 184, 100, 90);
    assert!(html("sitter-recheck", &story, &fresh()).contains("measure again at 2:55 PM"));
    story.apply(ben, sitting::leave);
    assert!(html("sitter-left", &story, &fresh()).contains("The care team knows that you must leave."));
}

#[test]
fn a_second_dose_moves_the_time_of_the_release_on_the_page_and_for_the_phones() {
    let mut story = Story::minutes_in(110);
    let release_from = |story: &Story| {
        let Stage::Running(running) = shown(story, &fresh()).stage else {
            panic!()
        };
        let Release::From(from) = running.release else {
            panic!()
        };
        (from, release(&story.record, story.now).unwrap().open_at)
    };
    let told_for = |story: &Story, at| {
        let next = next_steps(&story.record, Actor::Sitter, story.now);
        next.iter()
            .any(|step| step.what == "release_opens" && step.at == at)
    };
    let (first, second) = (at("2026-11-21T21:00:00Z"), at("2026-11-21T22:50:00Z"));
    assert_eq!(release_from(&story), ("4:00 PM".to_owned(), first));
    assert!(told_for(&story, first));
    let ben = story.ben();
    story.apply(ben, |record, context| {
        Ok(dosing::log_dose(record, DoseReport::default(), context).0)
    });
    assert_eq!(release_from(&story), ("5:50 PM".to_owned(), second));
    assert!(!told_for(&story, first));
}

#[test]
fn a_sitter_reads_the_page_first_and_after_wrong_answers_the_parts_that_hold_the_right_ones() {
    let mut story = Story::not_trained();
    let page = html("sitter-training", &story, &fresh());
    for part in &story.record.around.protocol.training.page {
        assert!(
            page.contains(&format!("<h3>{}</h3>", part.heading)),
            "{}",
            part.heading
        );
    }
    assert!(page.contains("action=\"/s/token/training\"") && page.contains("Read this first"));
    assert!(!page.contains(" checked"), "nothing is chosen beforehand");
    story.train(&[("stay", "hour")]);
    let page = html("sitter-training-again", &story, &fresh());
    assert!(page.contains("Read this again") && page.contains("One answer was not right"));
    assert!(page.contains("<h3>How long you stay</h3>") && !page.contains("<h3>The lozenge</h3>"));
    assert!(
        page.contains("name=\"answers.red_flags\""),
        "all are answered once more"
    );
    story.train(&[]);
    let page = html("sitter-trained", &story, &fresh());
    assert!(!page.contains("/s/token/training"));
    assert!(page.contains("You read this on"), "it can be read again");
}

#[test]
fn a_form_that_lacks_an_answer_comes_back_with_what_was_chosen() {
    let fields = Fields::of(&[("answers.stay", "released")]);
    let refusal = Refusal::invalid("answers.red_flags", "choose one");
    let entered = Entered::refused("training", fields, &refusal);
    let page = html("sitter-training-fault", &Story::not_trained(), &entered);
    assert!(
        page.contains("id=\"training-red_flags-fault\">Choose one."),
        "{page}"
    );
    assert!(page.contains("name=\"answers.stay\" value=\"released\" required checked"));
}

#[test]
fn an_order_that_is_not_the_same_as_last_time_is_said_above_everything() {
    let mut story = Story::window_open();
    let words = "The order is not the same as last time";
    assert!(!html("sitter-window", &story, &fresh()).contains(words));
    story.record.around.earlier.order_version = Some(7);
    assert!(html("sitter-order-changed", &story, &fresh()).contains(words));
}

#[test]
fn what_the_clinic_decided_is_said_and_not_asked() {
    let mut story = Story::window_open();
    let prescriber = Caller::Staff {
        person: person(13),
        roles: vec![bedside_protocol::people::StaffRole::Prescriber],
    };
    assert!(html("sitter-window", &story, &fresh()).contains("/checklist/sitter_fit"));
    let until = story.now + chrono::Duration::minutes(30);
    story.apply(prescriber, |record, context| {
        bedside_protocol::overriding::decide(record, "sitter_fit", "spoke to Ben", until, context)
    });
    let page = html("sitter-decided", &story, &fresh());
    assert!(page.contains("The clinic decided that this need not be done."));
    assert!(!page.contains("spoke to Ben"), "the reason is the clinic's");
}
