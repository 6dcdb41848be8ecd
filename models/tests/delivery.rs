//! All states of the delivery model; and that its properties notice mistakes.

use std::sync::Arc;

use bedside_models::broken::Broken;
use bedside_models::delivery::{Delivery, Kind};
use bedside_models::delivery_promises::{I1, I2, I3, I5, I6, SAME_BYTES, TRUE_SENT};
use bedside_models::exploring::{explore, is_long};

use Kind::{Escalation, Information, Reminder};

fn holds(name: &str, model: Delivery) {
    let ends = Arc::clone(&model.ends);
    let explored = explore(model);
    println!("{name}: {} states", explored.states);
    assert_eq!(explored.broken, [], "{name}");
    assert_eq!(ends.stranded(), 0, "{name}: states from which a row cannot end");
}

/// Three workers, so that one may be slow with an old lease while a second crashes and a third goes on.
fn one_row(kind: Kind) {
    let mischief = if is_long() { 4 } else { 3 };
    holds(&format!("{kind:?}"), Delivery::new(&[kind], 3, mischief));
}

#[test]
fn an_escalation_is_safe_whatever_three_things_go_wrong() {
    one_row(Escalation);
}

#[test]
fn a_reminder_is_safe_whatever_three_things_go_wrong() {
    one_row(Reminder);
}

#[test]
fn a_word_of_information_is_safe_whatever_three_things_go_wrong() {
    one_row(Information);
}

#[test]
fn two_rows_in_the_hands_of_two_workers_are_safe_when_something_goes_wrong() {
    let mut model = Delivery::new(&[Escalation, Reminder], 2, 1);
    model.world_moves = is_long();
    holds("two rows", model);
}

#[test]
fn each_mistake_breaks_its_property() {
    let mistakes = [
        (Broken::ClaimsWhatIsHeld, Escalation, I2),
        (Broken::ClaimsWhatIsOver, Escalation, I6),
        (Broken::ReclaimsUnderTheOldFence, Escalation, I5),
        (Broken::RecordsWithoutFence, Escalation, I5),
        (Broken::KeepsWithoutFence, Escalation, I5),
        (Broken::NeverKeeps, Escalation, SAME_BYTES),
        (Broken::SendsReminderTwice, Reminder, I2),
        (Broken::GivesUpEscalation, Escalation, I1),
        (Broken::TrustsTheCut, Escalation, TRUE_SENT),
        (Broken::FailsWithoutNextContact, Escalation, I1),
        (Broken::NeverDrops, Reminder, I3),
    ];
    let unnoticed = mistakes.into_iter().filter_map(|(broken, kind, promise)| {
        let mut model = Delivery::new(&[kind], 2, 2);
        model.broken = Some(broken);
        let explored = explore(model);
        println!("{broken:?}: {:?}", explored.broken);
        let names = explored.broken_names();
        (!names.contains(&promise)).then_some((broken, names))
    });
    assert_eq!(unnoticed.collect::<Vec<_>>(), []);
}

#[test]
fn a_failure_that_is_never_recorded_leaves_a_row_that_cannot_end() {
    let mut model = Delivery::new(&[Escalation], 2, 2);
    model.broken = Some(Broken::ForgetsFailures);
    let ends = Arc::clone(&model.ends);
    assert_eq!(explore(model).broken, []);
    assert!(ends.stranded() > 0);
}
