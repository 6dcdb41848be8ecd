//! All states of the session model.

use std::sync::Arc;

use bedside_models::exploring::{explore, is_long};
use bedside_models::session::Session;

#[test]
fn no_miss_and_no_case_is_forgotten_whatever_people_do() {
    let model = if is_long() {
        Session::new(18, 1)
    } else {
        Session::new(12, 1)
    };
    let (ends, remembered) = (Arc::clone(&model.ends), Arc::clone(&model.remembered));
    let explored = explore(model);
    println!("session: {} states", explored.states);
    assert_eq!(explored.broken, []);
    assert_eq!(explored.never, [""; 0]);
    assert_eq!(ends.stranded(), 0, "states that people cannot bring to an end");
    assert_eq!(
        remembered.stranded(),
        0,
        "states in which a taken case is forgotten"
    );
}
