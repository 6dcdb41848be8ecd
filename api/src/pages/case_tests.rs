//! What the care team reads of a case in each state.

use askama::Template as _;
use bedside_protocol::case::Outcome;
use bedside_protocol::desk::CaseWorkers;
use bedside_protocol::draft::Draft;
use bedside_protocol::id::CaseId;
use bedside_protocol::refusal::Refusal;

use super::case_view::{About, Reader, Way, page};
use super::fixtures::{Story, nurse, person};
use super::form::{Entered, Fields};

const PERSONAL: [&str; 6] = ["Ana", "Lopez", "Elm", "555", "Ben", "Chest pain"];

fn case_story() -> (Story, CaseId) {
    let mut story = Story::minutes_in(34);
    story.flag(story.ben(), "chest_pain");
    let case = story.record.watch.open_case().unwrap().id;
    story.to("2026-11-21T19:37:00Z");
    (story, case)
}

fn take(story: &mut Story, case: CaseId) {
    story.apply(nurse(), |record, context| {
        let mut draft = Draft::of(record, context);
        draft.desk().take(case, person(11), "Nora Quinn")?;
        Ok(draft.decide())
    });
}

fn html(name: &str, story: &Story, case: CaseId, reader: Reader, entered: &Entered) -> String {
    let way = Way {
        path: "/c/token".into(),
        reader,
        addressee: Some(person(12)),
        logged_in: false,
        sees_answers: true,
        workers: CaseWorkers::from([person(12)]),
    };
    let page = page(
        About::Session(&story.record),
        case,
        story.now,
        &way,
        None,
        entered,
    )
    .unwrap();
    let html = page.render().unwrap();
    super::keep_for_a_look(name, &html);
    html
}

#[test]
fn an_untaken_case_shows_level_code_and_times_and_nothing_about_a_person_whoever_reads() {
    let (story, case) = case_story();
    for (name, reader) in [
        ("case-untaken", Reader::Link),
        ("case-untaken-staff", Reader::Staff(person(11))),
    ] {
        let page = html(name, &story, case, reader, &Entered::default());
        assert!(
            page.contains("Nobody has taken this case for 3 minutes."),
            "{page}"
        );
        assert!(page.contains("open since 14:34 EST"));
        assert!(
            page.contains("If nobody takes it, at 14:38 EST everybody on call and the prescriber are told.")
        );
        assert_eq!(page.contains("name=\"pin\""), reader == Reader::Link);
        for hidden in PERSONAL {
            assert!(!page.contains(hidden), "{hidden}");
        }
    }
}

#[test]
fn a_wrong_pin_is_said_beside_its_field_and_is_not_kept() {
    let (story, case) = case_story();
    let fields = Fields::of(&[("pin", "407193")]);
    let entered = Entered::refused(
        "acknowledge",
        fields,
        &Refusal::invalid("pin", "that was not your PIN"),
    );
    let page = html("case-pin-fault", &story, case, Reader::Link, &entered);
    assert!(page.contains("That was not your PIN.") && !page.contains("407193"));
}

#[test]
fn whoever_took_it_sees_numbers_address_dose_and_signals_and_others_only_who_has_it() {
    let (mut story, case) = case_story();
    take(&mut story, case);
    let page = html(
        "case-mine",
        &story,
        case,
        Reader::Staff(person(11)),
        &Entered::default(),
    );
    for needed in [
        "Ana Maria Lopez",
        "href=\"tel:+12125550101\"",
        "href=\"tel:+12125550102\"",
        "href=\"tel:+15185550103\"",
        "12 Elm Street",
        "2 lozenges × 100 mg, held 10 minutes, then spit",
        "14:00 EST, 37 minutes ago",
        "Something is wrong: Chest pain (the sitter said so)",
        "Without &#34;I reached them&#34; by 14:42 EST (in 5 minutes), the others are told again.",
        "Ben &#60;b&#62;Ortiz&#60;/b&#62;",
    ] {
        assert!(page.contains(needed), "{needed}");
    }
    for (name, reader) in [
        ("case-taken", Reader::Link),
        ("case-taken-staff", Reader::Staff(person(12))),
    ] {
        let page = html(name, &story, case, reader, &Entered::default());
        assert!(page.contains("Nora Quinn has this case since 14:37 EST."));
        for hidden in PERSONAL {
            assert!(!page.contains(hidden), "{hidden}");
        }
    }
}

#[test]
fn a_refused_note_comes_back_with_its_words_and_the_chosen_outcome() {
    let (mut story, case) = case_story();
    take(&mut story, case);
    let fields = Fields::of(&[("outcome", "not_reached"), ("note", "rang twice")]);
    let entered = Entered::refused(
        "resolve",
        fields,
        &Refusal::invalid("note", "at most 5 characters"),
    );
    let page = html(
        "case-note-fault",
        &story,
        case,
        Reader::Staff(person(11)),
        &entered,
    );
    assert!(
        page.contains(">rang twice</textarea>") && page.contains("value=\"not_reached\" required checked")
    );
}

#[test]
fn a_closed_case_says_by_whom_and_when_and_shows_nobody_any_more() {
    let (mut story, case) = case_story();
    take(&mut story, case);
    story.apply(nurse(), |record, context| {
        let mut draft = Draft::of(record, context);
        draft.desk().contacted(case, person(11))?;
        draft
            .desk()
            .resolve(case, person(11), Outcome::ReachedWell, "All well.")?;
        Ok(draft.decide())
    });
    for reader in [Reader::Link, Reader::Staff(person(11))] {
        let page = html("case-closed", &story, case, reader, &Entered::default());
        assert!(page.contains("Closed by Nora Quinn at 14:37 EST."));
        assert!(!page.contains("All well."));
        for hidden in PERSONAL {
            assert!(!page.contains(hidden), "{hidden}");
        }
    }
}

#[test]
fn a_missed_check_and_a_late_answer_are_told_in_order() {
    let mut story = Story::minutes_in(28);
    let missed = story.next_check().unwrap();
    story.to("2026-11-21T19:35:00Z");
    let case = story.record.watch.open_case().unwrap().id;
    take(&mut story, case);
    story.check(&missed, |question| question.good, None);
    let page = html(
        "case-missed",
        &story,
        case,
        Reader::Staff(person(11)),
        &Entered::default(),
    );
    let first = page
        .find("Check not answered: 30 minutes: look and speak")
        .unwrap();
    assert!(first < page.find("Late answer: all well at 14:35 EST").unwrap());
}

#[test]
fn an_offered_case_asks_the_next_for_a_pin_and_shows_nobody_before_it_is_accepted() {
    let (mut story, case) = case_story();
    take(&mut story, case);
    let mine = html(
        "case-mine-hand-over",
        &story,
        case,
        Reader::Staff(person(11)),
        &Entered::default(),
    );
    assert!(mine.contains("/c/token/hand-over") && !mine.contains("/c/token/withdraw"));
    story.apply(nurse(), |record, context| {
        let mut draft = Draft::of(record, context);
        draft
            .desk()
            .offer(case, person(11), person(12), &CaseWorkers::from([person(12)]))?;
        Ok(draft.decide())
    });
    for (name, reader) in [
        ("case-offered", Reader::Link),
        ("case-offered-staff", Reader::Staff(person(12))),
    ] {
        let page = html(name, &story, case, reader, &Entered::default());
        assert!(page.contains("Nora Quinn offers you this case."), "{page}");
        assert!(page.contains("after 14:52 EST it is no longer offered"), "{page}");
        assert!(page.contains("/c/token/accept") && page.contains("formaction=\"/c/token/decline\""));
        assert_eq!(page.contains("name=\"pin\""), reader == Reader::Link);
        for hidden in PERSONAL {
            assert!(!page.contains(hidden), "{hidden}");
        }
    }
    // Neither whoever has it nor a third is asked to accept it.
    let mine = html(
        "case-mine-offered",
        &story,
        case,
        Reader::Staff(person(11)),
        &Entered::default(),
    );
    assert!(mine.contains("/c/token/withdraw") && !mine.contains("/c/token/hand-over"));
    let other = html(
        "case-offered-other",
        &story,
        case,
        Reader::Staff(person(13)),
        &Entered::default(),
    );
    assert!(other.contains("It is offered to") && !other.contains("/c/token/accept"));
}
