//! The rules of an at-home lozenge session, as plain values and pure functions.
//!
//! Nothing here reads a clock, a file, a socket or a random source: `now` and new identifiers are arguments. A rule
//! takes a record and a [`record::RuleContext`] and returns a [`record::Decision`] or a [`refusal::Refusal`]; the store
//! commits a decision whole. Everything a clinic may change is in the [`document::ProtocolDocument`].

pub mod answering;
pub mod call;
pub mod case;
pub mod check_in;
pub mod checklist;
pub mod course;
pub mod desk;
pub mod document;
pub mod dosing;
pub mod draft;
pub mod drill;
pub mod dry_run;
pub mod duty;
pub mod enrolment;
pub mod following;
pub mod gate;
pub mod helping;
pub mod id;
pub mod import;
pub mod instruments;
pub mod ladder;
pub mod ledger;
pub mod licence;
pub mod limits;
pub mod measuring;
pub mod mending;
pub mod notice;
pub mod order;
pub mod overriding;
pub mod people;
pub mod plan;
pub mod planning;
pub mod preparation;
pub mod record;
pub mod refusal;
pub mod releasing;
pub mod reminding;
pub mod roster;
pub mod session;
pub mod sharing;
pub mod sitter;
pub mod sitting;
pub mod tick;
pub mod time;
pub mod trends;
pub mod versions;
pub mod vitals;
pub mod watch;
