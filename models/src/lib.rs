//! Models of what runs at the same time: workers, crashes and the outbox ([`delivery`]); duties, cases and the people
//! about them ([`session`]).
//!
//! A test elsewhere plays one story; a model plays all stories within its bounds. Optimised in the dev profile, for it
//! visits hundreds of thousands of states.

#[path = "../../protocol/tests/rules/invariants.rs"]
mod invariants;
#[path = "../../protocol/tests/rules/lines.rs"]
#[expect(dead_code, reason = "made for the tests of the rules, and shared")]
mod lines;
#[path = "../../protocol/tests/rules/play.rs"]
#[expect(dead_code, reason = "made for the tests of the rules, and shared")]
mod play;
#[path = "../../protocol/tests/rules/support.rs"]
#[expect(dead_code, reason = "made for the tests of the rules, and shared")]
mod support;

pub mod broken;
pub mod delivery;
pub mod delivery_promises;
pub mod exploring;
pub mod outbox;
pub mod session;
