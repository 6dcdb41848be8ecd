//! Handlers: each parses, hands one rule to the store, and shows what came of it.

pub mod calls;
pub mod cases;
pub mod clinic;
pub mod courses;
pub mod enrolment;
pub mod hand_overs;
pub mod health;
pub mod help;
pub mod import;
pub mod instruments;
pub mod licences;
pub mod limits;
pub mod login;
pub mod lozenges;
pub mod me;
pub mod messages;
pub mod patients;
pub mod protocols;
pub mod roster;
pub mod sessions;
pub mod sitting;
pub mod worklist;
