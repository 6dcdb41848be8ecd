//! Saving duties and cases.

use bedside_protocol::case::{Case, CaseState};
use bedside_protocol::duty::Duty;
use bedside_protocol::watch::Watch;
use diesel::prelude::*;

use crate::clock::to_ms;
use crate::dialect;
use crate::error::{DatabaseError, Stop};
use crate::records::changes::{Changes, Owner, changes, expect_one, sealed};
use crate::rows::{CaseRow, DutyRow};
use crate::schema::{cases, duties};
use crate::transaction::Tx;

/// Duties and cases that differ.
pub(super) struct WatchChanges<'a> {
    duties: Changes<'a, Duty>,
    cases: Changes<'a, Case>,
}

impl<'a> WatchChanges<'a> {
    pub(super) fn between(before: &Watch, after: &'a Watch) -> Result<Self, Stop> {
        Ok(Self {
            duties: changes("duties", &before.duties, &after.duties, |duty| duty.id)?,
            cases: changes("cases", &before.cases, &after.cases, |case| case.id)?,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.duties.is_empty() && self.cases.is_empty()
    }

    pub(super) fn save(self, tx: &mut Tx<'_>, owner: &Owner) -> Result<(), Stop> {
        let duty_row = |position: i32, duty: &Duty| -> Result<DutyRow, Stop> {
            let corrupt = |_| DatabaseError::Corrupt {
                table: "duties",
                row: duty.id.to_string(),
            };
            Ok(DutyRow {
                id: duty.id.to_string(),
                clinic_id: owner.clinic_id.clone(),
                subject_kind: owner.subject.kind().to_owned(),
                subject_id: owner.subject_id.clone(),
                position,
                kind: duty.kind.name().to_owned(),
                lane: duty.lane.rank(),
                state: duty.state.name().to_owned(),
                due_at: to_ms(duty.due_at),
                wake_at: duty.wake_at.map(to_ms),
                doc: serde_json::to_string(duty).map_err(corrupt)?,
            })
        };
        let new: Vec<DutyRow> = self
            .duties
            .new
            .iter()
            .map(|(position, duty)| duty_row(*position, duty))
            .collect::<Result<_, _>>()?;
        dialect::insert_duties(tx.connection, &new)?;
        for (position, duty) in self.duties.changed {
            let row = duty_row(position, duty)?;
            let updated = diesel::update(
                duties::table
                    .find(&row.id)
                    .filter(duties::subject_id.eq(&owner.subject_id)),
            )
            .set((
                duties::position.eq(row.position),
                duties::kind.eq(&row.kind),
                duties::lane.eq(row.lane),
                duties::state.eq(&row.state),
                duties::due_at.eq(row.due_at),
                duties::wake_at.eq(row.wake_at),
                duties::doc.eq(&row.doc),
            ))
            .execute(tx.connection)?;
            expect_one(updated)?;
        }
        // One case is open per subject: what closes is written before what opens.
        for (position, case) in self.cases.changed {
            let row = case_row(tx, owner, position, case)?;
            let updated = diesel::update(
                cases::table
                    .find(&row.id)
                    .filter(cases::subject_id.eq(&owner.subject_id)),
            )
            .set((
                cases::position.eq(row.position),
                cases::level.eq(&row.level),
                cases::state.eq(&row.state),
                cases::round.eq(row.round),
                cases::resolved_at.eq(row.resolved_at),
                cases::doc_sealed.eq(&row.doc_sealed),
            ))
            .execute(tx.connection)?;
            expect_one(updated)?;
        }
        let mut new = Vec::with_capacity(self.cases.new.len());
        for (position, case) in self.cases.new {
            new.push(case_row(tx, owner, position, case)?);
        }
        dialect::insert_cases(tx.connection, &new)?;
        Ok(())
    }
}

fn case_row(tx: &Tx<'_>, owner: &Owner, position: i32, case: &Case) -> Result<CaseRow, Stop> {
    Ok(CaseRow {
        id: case.id.to_string(),
        clinic_id: owner.clinic_id.clone(),
        subject_kind: owner.subject.kind().to_owned(),
        subject_id: owner.subject_id.clone(),
        position,
        code: case.code.clone(),
        level: case.level.name().to_owned(),
        state: case.state.name().to_owned(),
        round: i32::try_from(case.round).unwrap_or(i32::MAX),
        opened_at: to_ms(case.opened_at),
        resolved_at: match &case.state {
            CaseState::Resolved { at, .. } => Some(to_ms(*at)),
            _ => None,
        },
        doc_sealed: sealed(tx, "cases", &case.id, case)?,
    })
}
