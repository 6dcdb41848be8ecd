//! The audit trail: append-only, written in the transaction of what it tells of, and chained by hash.
//!
//! One chain per patient, one per clinic for the rest: one for all would make every transaction wait for every other.
//! Each row's hash covers its fields in a fixed form and the hash before it, so a row that was changed, removed from the
//! middle or put in is found. A chain that was cut at its end is not: compare the report's heads with ones kept outside.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{Context, SHA256};
use bedside_protocol::id::{ClinicId, PersonId};
use bedside_protocol::record::Fact;
use bedside_protocol::watch::Subject;
use diesel::prelude::*;

use crate::clock::to_ms;
use crate::dialect;
use crate::error::{Stop, StoreError};
use crate::rows::AuditRow;
use crate::schema::audit;
use crate::scope::Scope;
use crate::seal::{self, Place};
use crate::store::Store;
use crate::transaction::Tx;

/// What stands before the first row of a chain.
const NOTHING_BEFORE: [u8; 32] = [0; 32];

/// Rows that are verified at a time.
const PAGE: i64 = 1000;

/// Which chain a fact goes to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Chain {
    /// What concerns a patient.
    Patient(ClinicId, PersonId),
    /// What concerns a clinic and no patient.
    Clinic(ClinicId),
}

impl Chain {
    fn name(&self) -> String {
        match self {
            Self::Patient(_, patient) => format!("patient:{patient}"),
            Self::Clinic(clinic) => format!("clinic:{clinic}"),
        }
    }

    fn clinic(&self) -> ClinicId {
        match self {
            Self::Patient(clinic, _) | Self::Clinic(clinic) => *clinic,
        }
    }
}

/// What a check of the audit trail found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditReport {
    /// Rows that were looked at.
    pub rows: u64,
    /// The last row of each chain: its number and its hash in hex. Kept outside, they show a chain that was cut.
    pub heads: BTreeMap<String, (i64, String)>,
    /// What is wrong; empty when all chains hold.
    pub faults: Vec<AuditFault>,
}

/// A place at which a chain does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditFault {
    /// The chain.
    pub chain: String,
    /// The number of the row.
    pub seq: i64,
    /// What is wrong with it.
    pub what: &'static str,
}

/// Appends facts to a chain. Without a subject they are about the clinic itself.
pub(crate) fn append(
    tx: &mut Tx<'_>,
    chain: &Chain,
    subject: Option<Subject>,
    facts: &[Fact],
) -> Result<(), Stop> {
    if facts.is_empty() {
        return Ok(());
    }
    let name = chain.name();
    dialect::lock_named(tx.connection, &name)?;
    let last: Option<(i64, Vec<u8>)> = audit::table
        .filter(audit::chain.eq(&name))
        .order(audit::seq.desc())
        .select((audit::seq, audit::hash))
        .first(tx.connection)
        .optional()?;
    let (mut seq, mut previous_hash) = last.unwrap_or((0, NOTHING_BEFORE.to_vec()));
    let clinic_id = chain.clinic().to_string();
    let (subject_kind, subject_id) = subject.map_or_else(
        || ("clinic", clinic_id.clone()),
        |subject| (subject.kind(), subject.id()),
    );
    let mut rows = Vec::with_capacity(facts.len());
    for fact in facts {
        seq += 1;
        let row_name = format!("{name}|{seq}");
        let place = Place {
            table: "audit",
            column: "detail_sealed",
            row: &row_name,
        };
        let mut row = AuditRow {
            chain: name.clone(),
            seq,
            clinic_id: clinic_id.clone(),
            at: to_ms(tx.now),
            actor: tx.scope.caller.audit_name(),
            action: fact.action.to_owned(),
            subject_kind: subject_kind.to_owned(),
            subject_id: subject_id.clone(),
            detail_sealed: seal::seal_json(&tx.shared.keys, place, &fact.detail)?,
            request: tx.scope.request.clone(),
            previous_hash: previous_hash.clone(),
            hash: Vec::new(),
        };
        row.hash = hash_of(&row);
        previous_hash.clone_from(&row.hash);
        rows.push(row);
    }
    Ok(dialect::insert_audit(tx.connection, &rows)?)
}

/// SHA-256 over the row's fields, in the order of the columns, each with its length before it. The form is fixed: a
/// change would make every old row look tampered with.
fn hash_of(row: &AuditRow) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    let mut field = |bytes: &[u8]| {
        context.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(bytes);
    };
    field(b"bedside audit 1");
    field(row.chain.as_bytes());
    field(&row.seq.to_be_bytes());
    field(row.clinic_id.as_bytes());
    field(&row.at.to_be_bytes());
    field(row.actor.as_bytes());
    field(row.action.as_bytes());
    field(row.subject_kind.as_bytes());
    field(row.subject_id.as_bytes());
    field(&row.detail_sealed);
    match &row.request {
        // No request and an empty one are two things.
        None => field(b"0"),
        Some(request) => {
            field(b"1");
            field(request.as_bytes());
        }
    }
    field(&row.previous_hash);
    context.finish().as_ref().to_vec()
}

/// Goes through rows in the order of chain and number.
#[derive(Default)]
struct Verifier {
    report: AuditReport,
    current: Option<(String, i64, Vec<u8>)>,
}

impl Verifier {
    fn look_at(&mut self, row: &AuditRow) {
        let (expected_seq, expected_previous) = match self.current.take() {
            Some((chain, seq, hash)) if chain == row.chain => (seq + 1, hash),
            _ => (1, NOTHING_BEFORE.to_vec()),
        };
        if row.seq != expected_seq {
            self.fault(row, "a row before it is missing");
        } else if row.previous_hash != expected_previous {
            self.fault(row, "it does not follow the row before it");
        }
        if hash_of(row) != row.hash {
            self.fault(row, "its content is not what was written");
        }
        self.report.rows += 1;
        self.report
            .heads
            .insert(row.chain.clone(), (row.seq, hex(&row.hash)));
        self.current = Some((row.chain.clone(), row.seq, row.hash.clone()));
    }

    fn fault(&mut self, row: &AuditRow, what: &'static str) {
        self.report.faults.push(AuditFault {
            chain: row.chain.clone(),
            seq: row.seq,
            what,
        });
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

impl Store {
    /// Checks the audit trail of a clinic, or of all (invariant I7). Reads in pages; what is written meanwhile may or
    /// may not be part of the report.
    pub async fn verify_audit(&self, clinic: Option<ClinicId>) -> Result<AuditReport, StoreError> {
        let mut verifier = Verifier::default();
        let mut after = (String::new(), 0_i64);
        loop {
            let from = after.clone();
            let page = self
                .read_job(Scope::system(), move |tx| {
                    let rest = audit::chain
                        .gt(&from.0)
                        .or(audit::chain.eq(&from.0).and(audit::seq.gt(from.1)));
                    let rows = audit::table
                        .filter(rest)
                        .order((audit::chain, audit::seq))
                        .limit(PAGE);
                    Ok(rows.select(AuditRow::as_select()).load(tx.connection)?)
                })
                .await?;
            let Some(last) = page.last() else {
                return Ok(verifier.report);
            };
            after = (last.chain.clone(), last.seq);
            let of_clinic = |row: &&AuditRow| clinic.is_none_or(|clinic| row.clinic_id == clinic.to_string());
            for row in page.iter().filter(of_clinic) {
                verifier.look_at(row);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain_of(count: i64) -> Vec<AuditRow> {
        let mut previous_hash = NOTHING_BEFORE.to_vec();
        (1..=count)
            .map(|seq| {
                let mut row = AuditRow {
                    chain: "patient:p".into(),
                    seq,
                    clinic_id: "c".into(),
                    at: 1000 + seq,
                    actor: "system".into(),
                    action: "dose.logged".into(),
                    subject_kind: "session".into(),
                    subject_id: "s".into(),
                    detail_sealed: vec![1, 2, 3],
                    request: None,
                    previous_hash: previous_hash.clone(),
                    hash: Vec::new(),
                };
                row.hash = hash_of(&row);
                previous_hash.clone_from(&row.hash);
                row
            })
            .collect()
    }

    fn faults(rows: &[AuditRow]) -> Vec<(i64, &'static str)> {
        let mut verifier = Verifier::default();
        for row in rows {
            verifier.look_at(row);
        }
        verifier
            .report
            .faults
            .iter()
            .map(|fault| (fault.seq, fault.what))
            .collect()
    }

    #[test]
    fn a_whole_chain_holds() {
        assert_eq!(faults(&chain_of(5)), []);
    }

    #[test]
    fn every_field_is_covered() {
        let change: [fn(&mut AuditRow); 10] = [
            |row| row.clinic_id.push('x'),
            |row| row.at += 1,
            |row| row.actor.push('x'),
            |row| row.action.push('x'),
            |row| row.subject_kind.push('x'),
            |row| row.subject_id.push('x'),
            |row| row.detail_sealed[0] ^= 1,
            |row| row.request = Some(String::new()),
            |row| row.previous_hash[0] ^= 1,
            |row| std::mem::swap(&mut row.actor, &mut row.action),
        ];
        for (number, change) in change.into_iter().enumerate() {
            let mut rows = chain_of(3);
            change(&mut rows[1]);
            assert!(!faults(&rows).is_empty(), "change {number}");
        }
    }

    #[test]
    fn a_missing_row_and_a_rewritten_one_are_found() {
        let mut rows = chain_of(4);
        rows.remove(1);
        assert_eq!(faults(&rows), [(3, "a row before it is missing")]);
        let mut rows = chain_of(4);
        rows[1].action = "dose.corrected".into();
        rows[1].hash = hash_of(&rows[1]);
        assert_eq!(faults(&rows), [(3, "it does not follow the row before it")]);
    }

    #[test]
    fn the_canonical_form_is_fixed() {
        assert_eq!(
            hex(&chain_of(1)[0].hash),
            "7d30be0dbe3a16311e947a9360e293a1d301811aef6269f0a15fcc860d27bac6"
        );
    }
}
