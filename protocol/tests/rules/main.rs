//! The rules, by table and by property. Each module is one part of the protocol, each test name one sentence of it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

mod asking;
mod between;
mod call;
mod candidates;
mod cases;
mod checklist;
mod checks;
mod course;
mod course_dates;
mod course_gate;
mod course_moving;
mod document;
mod dose;
mod dry_run;
mod due;
mod enrolment;
mod follow_up;
mod following;
mod forms;
mod gate;
mod handing;
mod import;
mod instruments;
mod invariants;
mod items;
mod judging;
mod ladders;
mod ledger;
mod licence;
mod limits;
mod lines;
mod mending;
mod names;
mod nobody;
mod notices;
mod order;
mod outage;
mod overriding;
mod play;
mod preparation;
mod properties;
mod release;
mod roster;
mod roster_properties;
mod rounds;
mod selectors;
mod sitter;
mod support;
mod tested;
mod timetable;
mod training;
mod trends;
mod versions;
mod vitals;
