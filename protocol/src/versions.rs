//! A clinic's own versions of the protocol document: drafted, signed, in force (PROTOCOL 4 head, 4.5; FEATURES P19, 10, 16, 58).
//!
//! A version never changes once it is drafted. It comes into force by the signature of a prescriber; what decides who is told
//! and when needs that of a second clinician too. It replaces the version it was written over and no other: when that is no
//! longer in force, drafting and signing are refused with what is different. A clinic without a version in force follows the
//! newest that ships with the program; one that has its own keeps it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::document::{ProtocolDocument, read};
use crate::draft::Draft;
use crate::duty::Excuse;
use crate::id::PersonId;
use crate::people::StaffRole;
use crate::planning::{open_preparation, reason_in_words};
use crate::record::{Decision, RuleContext, SessionRecord};
use crate::refusal::{Change, Fault, Faults, Refusal};
use crate::session::SessionState;
use crate::time::{Instant, minutes};

/// Parts of a path that decide who is told, at which level and when: a change there needs a second signature.
const TELLING: [&str; 8] = [
    "bad_level",
    "cases",
    "grace_s",
    "ladder",
    "ladders",
    "level",
    "miss_level",
    "second_miss_level",
];

/// The same, as ends of names: `nurse_level`, `hold_level`, `mismatch_level`.
const TELLING_ENDS: [&str; 2] = ["_level", "reminders"];

/// A clinician's signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// Who.
    pub by: PersonId,
    /// Whether they are a prescriber.
    pub prescriber: bool,
    /// When.
    pub at: Instant,
}

/// A clinic's own version: all that is known of it but its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClinicVersion {
    /// Its name, which is the `version` of its document.
    pub version: String,
    /// Counts up with each draft of the clinic.
    pub number: u32,
    /// The version it was written over.
    pub based_on: String,
    /// Who wrote it.
    pub author: PersonId,
    /// Why.
    pub reason: String,
    /// When.
    pub drafted_at: Instant,
    /// Whether it changes who is told and when.
    pub needs_second: bool,
    /// Who signed, in order.
    pub signatures: Vec<Signature>,
    /// Since when it is in force, or from when it was until another came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_force_at: Option<Instant>,
}

impl ClinicVersion {
    /// Whether everybody has signed who must.
    pub fn is_signed(&self) -> bool {
        let prescriber = self.signatures.iter().any(|signature| signature.prescriber);
        prescriber && self.signatures.len() > usize::from(self.needs_second)
    }
}

/// The version that is in force in a clinic.
#[derive(Debug, Clone, PartialEq)]
pub struct InForce {
    /// Its document.
    pub document: Value,
    /// The clinic's own, or none where a shipped one is followed.
    pub own: Option<ClinicVersion>,
}

impl InForce {
    /// Its name.
    pub fn version(&self) -> &str {
        self.document
            .get("version")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}

/// A draft as it is sent.
#[derive(Debug, Clone, PartialEq)]
pub struct NewVersion {
    /// The document. Its `version` is not asked for: the clinic's next one is put in its place.
    pub document: Value,
    /// The version that the author read and changed.
    pub based_on: String,
    /// Why.
    pub reason: String,
}

/// Who writes or signs, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signer<'a> {
    /// Who.
    pub person: PersonId,
    /// What they are.
    pub roles: &'a [StaffRole],
    /// When.
    pub now: Instant,
}

/// Drafts a clinic's next version. Refused with every fault of the document by its path, and if it was written over a version
/// that is no longer in force (`read_then`: the document of that version, where there is one).
pub fn draft(
    new: &NewVersion,
    name: &str,
    number: u32,
    in_force: &InForce,
    read_then: Option<&Value>,
    author: Signer<'_>,
) -> Result<(ClinicVersion, ProtocolDocument), Refusal> {
    only_over(in_force, &new.based_on, read_then)?;
    let reason = reason_in_words(&new.reason)?;
    let mut document = new.document.clone();
    if let Some(fields) = document.as_object_mut() {
        fields.insert("version".to_owned(), Value::String(name.to_owned()));
    }
    let read = read(&document).map_err(|faults| {
        let faults = faults.into_iter().map(|fault| {
            let path = if fault.path == "." {
                String::new()
            } else {
                format!(".{}", fault.path)
            };
            Fault::new(format!("document{path}"), fault.message)
        });
        Refusal::Invalid(Faults(faults.collect()))
    })?;
    // As it is read, not as it was sent: a default that was left out is no change.
    let after = serde_json::to_value(&read).unwrap_or(Value::Null);
    let changes = differences(&as_read(&in_force.document), &after);
    if changes.is_empty() {
        return Err(Refusal::invalid(
            "document",
            "is the same as the version in force",
        ));
    }
    let version = ClinicVersion {
        version: name.to_owned(),
        number,
        based_on: new.based_on.clone(),
        author: author.person,
        reason,
        drafted_at: author.now,
        needs_second: changes.iter().any(|change| is_about_telling(&change.field)),
        signatures: Vec::new(),
        in_force_at: None,
    };
    Ok((version, read))
}

/// Signs a version. It is in force when a prescriber has signed and, where it needs one, a second clinician.
pub fn sign(
    version: &ClinicVersion,
    in_force: &InForce,
    read_then: Option<&Value>,
    signer: Signer<'_>,
) -> Result<ClinicVersion, Refusal> {
    let prescriber = signer.roles.contains(&StaffRole::Prescriber);
    if !prescriber && !signer.roles.contains(&StaffRole::Nurse) {
        return Err(Refusal::NotFound);
    }
    if version.in_force_at.is_some() {
        return Err(Refusal::wrong_state(
            "protocol-signed",
            "this version was signed and came into force already",
        ));
    }
    only_over(in_force, &version.based_on, read_then)?;
    if version
        .signatures
        .iter()
        .any(|signature| signature.by == signer.person)
    {
        return Err(Refusal::wrong_state(
            "second-signature-needed",
            "you have signed this version; it waits for another clinician",
        ));
    }
    if !prescriber && !version.needs_second {
        return Err(Refusal::wrong_state(
            "prescriber-signs",
            "this version changes no ladder and no case rule; a prescriber signs it alone",
        ));
    }
    let mut signed = version.clone();
    signed.signatures.push(Signature {
        by: signer.person,
        prescriber,
        at: signer.now,
    });
    if signed.is_signed() {
        signed.in_force_at = Some(signer.now);
    }
    Ok(signed)
}

/// A planned session takes the version that is in force now, and what is owed for its preparation is made anew. One whose
/// preparation has opened, or would have by the new version, keeps its own to the end.
pub fn take(
    record: &SessionRecord,
    in_force: &Arc<ProtocolDocument>,
    context: &mut RuleContext<'_>,
) -> Decision<SessionRecord> {
    let session = &record.session;
    let opens_before = |document: &ProtocolDocument| document.plan.prep_opens_before_min;
    let opens_before = opens_before(in_force).max(opens_before(&record.around.protocol));
    let has_opened = session.planned.at - minutes(opens_before) <= context.now;
    if session.state != SessionState::Scheduled || has_opened || session.protocol_version == in_force.version
    {
        return Decision::unchanged(record);
    }
    let mut draft = Draft::of(record, context);
    draft.fact(
        "session.protocol_taken",
        json!({"from": &session.protocol_version, "to": &in_force.version}),
    );
    draft.end_preparation_but_invitation(Excuse::ProtocolChanged);
    draft
        .record
        .session
        .protocol_version
        .clone_from(&in_force.version);
    draft.record.around.protocol = Arc::clone(in_force);
    open_preparation(&mut draft);
    draft.decide()
}

/// Two who edit at once: the second hears what is different by now.
fn only_over(in_force: &InForce, based_on: &str, read_then: Option<&Value>) -> Result<(), Refusal> {
    if in_force.version() == based_on {
        return Ok(());
    }
    let Some(own) = &in_force.own else {
        return Err(Refusal::invalid(
            "based_on",
            format!("is not the version in force, which is {}", in_force.version()),
        ));
    };
    Err(Refusal::Outdated {
        version: own.number,
        by: own.author,
        at: own.in_force_at.unwrap_or(own.drafted_at),
        changes: read_then.map_or_else(Vec::new, |was| {
            differences(&as_read(was), &as_read(&in_force.document))
        }),
    })
}

/// A document with its defaults filled in, so that two texts of the same rules are the same.
pub fn as_read(document: &Value) -> Value {
    let read = serde_json::from_value::<ProtocolDocument>(document.clone());
    let whole = read.ok().and_then(|read| serde_json::to_value(read).ok());
    whole.unwrap_or_else(|| document.clone())
}

/// What differs between two documents, by path, in the order of the paths; but for the version's own name. An entry of a list
/// with a `key` is compared with the one of the same key: `checklist[key=kit].text`.
pub fn differences(before: &Value, after: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    compare("", before, after, &mut changes);
    changes.retain(|change| change.field != "version");
    changes
}

fn compare(path: &str, before: &Value, after: &Value, changes: &mut Vec<Change>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Value::Object(was), Value::Object(is)) => {
            let names: std::collections::BTreeSet<&String> = was.keys().chain(is.keys()).collect();
            for name in names {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                let side =
                    |side: &serde_json::Map<String, Value>| side.get(name).cloned().unwrap_or(Value::Null);
                compare(&path, &side(was), &side(is), changes);
            }
        }
        (Value::Array(was), Value::Array(is)) => compare_lists(path, was, is, changes),
        (was, is) => changes.push(Change {
            field: path.to_owned(),
            was: was.clone(),
            is: is.clone(),
        }),
    }
}

fn compare_lists(path: &str, was: &[Value], is: &[Value], changes: &mut Vec<Change>) {
    let key_of = |entry: &Value| entry.get("key").and_then(Value::as_str).map(str::to_owned);
    let keys = |list: &[Value]| list.iter().map(key_of).collect::<Option<Vec<String>>>();
    let (Some(keys_was), Some(keys_is)) = (keys(was), keys(is)) else {
        for index in 0..was.len().max(is.len()) {
            let side = |side: &[Value]| side.get(index).cloned().unwrap_or(Value::Null);
            compare(&format!("{path}[{index}]"), &side(was), &side(is), changes);
        }
        return;
    };
    let with_key = |list: &[Value], key: &str| {
        let entry = list.iter().find(|entry| key_of(entry).as_deref() == Some(key));
        entry.cloned().unwrap_or(Value::Null)
    };
    let added = keys_is.iter().filter(|key| !keys_was.contains(key));
    for key in keys_was.iter().chain(added) {
        compare(
            &format!("{path}[key={key}]"),
            &with_key(was, key),
            &with_key(is, key),
            changes,
        );
    }
    let common = |of: &[String], other: &[String]| -> Vec<Value> {
        let common = of.iter().filter(|key| other.contains(key));
        common.map(|key| Value::String(key.clone())).collect()
    };
    let (order_was, order_is) = (common(&keys_was, &keys_is), common(&keys_is, &keys_was));
    if order_was != order_is {
        changes.push(Change {
            field: format!("{path}[order]"),
            was: Value::Array(order_was),
            is: Value::Array(order_is),
        });
    }
}

/// Whether a change there decides who is told, at which level or when.
fn is_about_telling(path: &str) -> bool {
    let mut parts = path.split(['.', '[', ']']);
    parts.any(|part| TELLING.contains(&part) || TELLING_ENDS.iter().any(|end| part.ends_with(end)))
        // A check or a red flag that is new or gone: what its levels are is changed with it.
        || ["timetable.checks[", "red_flags["]
            .iter()
            .any(|list| path.strip_prefix(list).is_some_and(|rest| rest.ends_with(']')))
}
