//! How many statements a record costs: a bounded number, whatever its size.

use bedside_protocol::gate;
use bedside_protocol::record::Decision;
use bedside_store::raw::{note_statements, statements_about};
use bedside_tests::database::Database;
use bedside_tests::on_both_engines;

use crate::fixture::{Bed, open};

on_both_engines!(the_gate_of_a_session_is_asked_by_three_statements_at_most);

/// What was asked about the bed's clinic, patient and session; a statement that names several of them is one.
fn asked(bed: &Bed) -> Vec<String> {
    let ids = [
        bed.clinic.to_string(),
        bed.patient.to_string(),
        bed.session.to_string(),
    ];
    let mut statements: Vec<String> = ids.iter().flat_map(|id| statements_about(id)).collect();
    statements.sort();
    statements.dedup();
    statements
}

async fn the_gate_of_a_session_is_asked_by_three_statements_at_most(engine: Database) {
    note_statements().unwrap();
    let bed = Bed::made(engine).await;
    asked(&bed);

    // In the transaction of a change, which gets nothing from memory.
    let store = open(&bed.database, &bed.clocks).await;
    let closed = store.decide_session(bed.staff(), bed.session, None, |record, context| {
        let reasons = gate::reasons(record, context.now);
        Ok((Decision::unchanged(record), reasons.len()))
    });
    assert!(closed.await.unwrap().value > 0, "the session is days ahead");
    let statements = asked(&bed);
    assert!(
        (1..=3).contains(&statements.len()),
        "{} statements:\n{}",
        statements.len(),
        statements.join("\n")
    );
}
