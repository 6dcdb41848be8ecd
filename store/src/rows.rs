//! Rows as they are inserted and loaded. Columns beside a document are copies, for indexes and for people who look.

use diesel::prelude::*;

use crate::schema::{
    accounts, answers, audit, cases, check_ins, clinic_rows, clinics, duties, idempotency, links, on_call,
    orders, outbox, patient_documents, patients, protocol_versions, readings, record_rows, record_stamps,
    refresh_tokens, refused_addresses, rosters, sessions, sitters, watch_gaps,
};

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = clinics)]
pub(crate) struct ClinicRow {
    pub id: String,
    pub slug: String,
    pub name: String,
    pub zone: String,
    pub phone: String,
    pub created_at: i64,
    pub version: i64,
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = accounts)]
pub(crate) struct AccountRow {
    pub id: String,
    pub clinic_id: String,
    pub kind: String,
    pub email_index: Vec<u8>,
    pub email_sealed: Vec<u8>,
    pub profile_sealed: Vec<u8>,
    pub roles: String,
    pub password_hash: Option<String>,
    pub pin_hash: Option<String>,
    pub active: bool,
    pub login_failures: i32,
    pub login_locked_until: Option<i64>,
    pub pin_failures: i32,
    pub pin_locked_until: Option<i64>,
    pub created_at: i64,
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = on_call)]
pub(crate) struct OnCallRow {
    pub clinic_id: String,
    pub place: String,
    pub position: i32,
    pub account_id: String,
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = rosters)]
pub(crate) struct RosterRow {
    pub clinic_id: String,
    pub version: i64,
    pub doc_sealed: Vec<u8>,
    pub told: String,
    pub updated_at: i64,
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = patients)]
pub(crate) struct PatientRow {
    pub id: String,
    pub clinic_id: String,
    pub zone: String,
    pub comms: String,
    pub version: i64,
    pub profile_sealed: Vec<u8>,
    pub created_at: i64,
    pub mail_declined: bool,
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = orders)]
pub(crate) struct OrderRow {
    pub id: String,
    pub clinic_id: String,
    pub patient_id: String,
    pub order_version: i32,
    pub doc_sealed: Vec<u8>,
    pub signed_at: i64,
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = protocol_versions)]
pub(crate) struct ProtocolVersionRow {
    pub version: String,
    pub clinic_id: String,
    pub number: i32,
    pub doc_sealed: Vec<u8>,
    pub in_force_at: Option<i64>,
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = sessions)]
pub(crate) struct SessionRow {
    pub id: String,
    pub clinic_id: String,
    pub patient_id: String,
    pub ordinal: i32,
    pub kind: String,
    pub state: String,
    pub version: i64,
    pub planned_on: String,
    pub planned_time: String,
    pub zone: String,
    pub planned_at: i64,
    pub dosed_at: Option<i64>,
    pub protocol_version: String,
    pub doc_sealed: Vec<u8>,
    pub created_at: i64,
}

#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = sitters)]
pub(crate) struct SitterRow {
    pub id: String,
    pub clinic_id: String,
    pub session_id: String,
    pub position: i32,
    pub state: String,
    pub doc_sealed: Vec<u8>,
}

#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = answers)]
pub(crate) struct AnswerRow {
    pub id: String,
    pub clinic_id: String,
    pub session_id: String,
    pub position: i32,
    pub item: String,
    pub doc_sealed: Vec<u8>,
}

#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = check_ins)]
pub(crate) struct CheckInRow {
    pub id: String,
    pub clinic_id: String,
    pub session_id: String,
    pub position: i32,
    pub duty_id: String,
    pub doc_sealed: Vec<u8>,
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = patient_documents)]
pub(crate) struct PatientDocumentRow {
    pub id: String,
    pub clinic_id: String,
    pub patient_id: String,
    pub kind: String,
    pub position: i32,
    pub doc_sealed: Vec<u8>,
}

#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = readings)]
pub(crate) struct ReadingRow {
    pub id: String,
    pub clinic_id: String,
    pub session_id: String,
    pub position: i32,
    pub doc_sealed: Vec<u8>,
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = duties)]
pub(crate) struct DutyRow {
    pub id: String,
    pub clinic_id: String,
    pub subject_kind: String,
    pub subject_id: String,
    pub position: i32,
    pub kind: String,
    pub lane: i32,
    pub state: String,
    pub due_at: i64,
    pub wake_at: Option<i64>,
    pub doc: String,
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = cases)]
pub(crate) struct CaseRow {
    pub id: String,
    pub clinic_id: String,
    pub subject_kind: String,
    pub subject_id: String,
    pub position: i32,
    pub code: String,
    pub level: String,
    pub state: String,
    pub round: i32,
    pub opened_at: i64,
    pub resolved_at: Option<i64>,
    pub doc_sealed: Vec<u8>,
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = links)]
pub(crate) struct LinkRow {
    pub id: String,
    pub clinic_id: String,
    pub kind: String,
    pub session_id: Option<String>,
    pub sitter_id: Option<String>,
    pub case_id: Option<String>,
    pub account_id: Option<String>,
    pub created_at: i64,
    pub expires_at: i64,
    pub revoked_at: Option<i64>,
    pub used_at: Option<i64>,
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = refresh_tokens)]
pub(crate) struct RefreshRow {
    pub token_hash: Vec<u8>,
    pub clinic_id: String,
    pub account_id: String,
    pub family: String,
    pub created_at: i64,
    pub expires_at: i64,
    pub used_at: Option<i64>,
    pub revoked_at: Option<i64>,
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = idempotency)]
pub(crate) struct IdempotencyRow {
    pub caller: String,
    pub key: String,
    pub request_hash: Vec<u8>,
    pub doc_sealed: Vec<u8>,
    pub created_at: i64,
}

#[derive(Debug, Clone, Queryable, QueryableByName, Selectable, Insertable)]
#[diesel(table_name = outbox)]
pub(crate) struct OutboxRow {
    pub id: String,
    pub clinic_id: String,
    pub notice_key: String,
    pub lane: i32,
    pub state: String,
    pub not_before: i64,
    pub stale_after: Option<i64>,
    pub retry_at: i64,
    pub subject_kind: Option<String>,
    pub subject_id: Option<String>,
    pub about_kind: String,
    pub about_id: Option<String>,
    pub about_round: Option<i32>,
    pub recipient_kind: String,
    pub recipient_id: String,
    pub doc_sealed: Vec<u8>,
    pub message_id: String,
    pub rendered_sealed: Option<Vec<u8>>,
    pub attempts: i32,
    pub last_class: Option<String>,
    pub last_code: Option<i32>,
    pub ambiguous: bool,
    pub lease_owner: Option<String>,
    pub lease_until: Option<i64>,
    pub fence: i64,
    pub created_at: i64,
    pub finished_at: Option<i64>,
    pub why: Option<String>,
}

/// The part of a message's row that a time line shows; the same for both outbox tables.
#[derive(Debug, Clone, Queryable)]
pub(crate) struct SentRow {
    pub id: String,
    pub lane: i32,
    pub state: String,
    pub about_kind: String,
    pub about_id: Option<String>,
    pub recipient_kind: String,
    pub recipient_id: String,
    pub attempts: i32,
    pub created_at: i64,
    pub finished_at: Option<i64>,
    pub why: Option<String>,
}

/// The part of a message's row that the log of messages is made of; the same for both outbox tables.
#[derive(Debug, Clone, Queryable)]
pub(crate) struct MessageRow {
    pub id: String,
    pub lane: i32,
    pub state: String,
    pub not_before: i64,
    pub retry_at: i64,
    pub subject_kind: Option<String>,
    pub subject_id: Option<String>,
    pub about_kind: String,
    pub about_id: Option<String>,
    pub recipient_kind: String,
    pub recipient_id: String,
    pub doc_sealed: Vec<u8>,
    pub attempts: i32,
    pub last_class: Option<String>,
    pub last_code: Option<i32>,
    pub ambiguous: bool,
    pub created_at: i64,
    pub finished_at: Option<i64>,
    pub why: Option<String>,
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = refused_addresses)]
pub(crate) struct RefusedAddressRow {
    pub clinic_id: String,
    pub address_index: Vec<u8>,
    pub refused_at: i64,
    pub last_refused_at: i64,
    pub refusals: i32,
    pub recipient_kind: String,
    pub recipient_id: String,
    pub reply_code: Option<i32>,
    pub class: String,
    pub notice_id: String,
    pub told_at: Option<i64>,
    pub cleared_at: Option<i64>,
}

/// A row of what a record is made of.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = record_rows)]
pub(crate) struct RecordRow {
    pub subject_id: String,
    pub part: String,
    pub id: String,
    pub position: i32,
    pub number: Option<i64>,
    pub at: Option<i64>,
    pub kind: Option<String>,
    pub level: Option<String>,
    pub doc: Option<String>,
    pub sealed: Option<Vec<u8>>,
}

/// A row of what every record of a clinic knows besides.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = clinic_rows)]
pub(crate) struct ClinicPartRow {
    pub part: String,
    pub id: String,
    pub position: i32,
    pub number: Option<i64>,
    pub slug: Option<String>,
    pub name: Option<String>,
    pub zone: Option<String>,
    pub phone: Option<String>,
    pub place: Option<String>,
    pub from_at: Option<i64>,
    pub to_at: Option<i64>,
    pub sealed: Option<Vec<u8>>,
    pub more_sealed: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = record_stamps)]
pub(crate) struct StampRow {
    pub patient_version: i64,
    pub session_versions: i64,
    pub clinic_stamp: i64,
    pub common_stamp: i64,
    pub watched_at: Option<i64>,
    pub server: i64,
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = audit)]
pub(crate) struct AuditRow {
    pub chain: String,
    pub seq: i64,
    pub clinic_id: String,
    pub at: i64,
    pub actor: String,
    pub action: String,
    pub subject_kind: String,
    pub subject_id: String,
    pub detail_sealed: Vec<u8>,
    pub request: Option<String>,
    pub previous_hash: Vec<u8>,
    pub hash: Vec<u8>,
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = watch_gaps)]
pub(crate) struct GapRow {
    pub id: String,
    pub from_at: i64,
    pub to_at: i64,
    pub noticed_at: i64,
}
