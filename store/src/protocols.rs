//! Protocol documents: those that ship with the program, and each clinic's own versions.
//!
//! Guarantees: a text that is kept under a version never changes; of two who draft or sign at once the second decides on what
//! the first left; what came into force, its hash and who signed stand in the clinic's audit trail; a session keeps the
//! version it has, but for one whose preparation has not opened: it takes the one in force, some minutes later at most.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use bedside_protocol::document::{DocumentFault, ProtocolDocument};
use bedside_protocol::id::{ClinicId, SessionId};
use bedside_protocol::people::Caller;
use bedside_protocol::record::Fact;
use bedside_protocol::refusal::Refusal;
use bedside_protocol::session::SessionState;
use bedside_protocol::time::Instant;
use bedside_protocol::versions::{self, ClinicVersion, InForce, NewVersion, Signer};
use diesel::prelude::*;
use serde_json::{Value, json};

use crate::audit::{self, Chain};
use crate::clock::{from_ms, to_ms};
use crate::dialect;
use crate::engine::AnyConnection;
use crate::error::{Abort, DatabaseError, Failure, Stop, StoreError};
use crate::records::load;
use crate::rows::ProtocolVersionRow;
use crate::schema::{protocol_documents, protocol_versions, sessions};
use crate::scope::Scope;
use crate::seal::{self, Place};
use crate::store::{Shared, Store};
use crate::transaction::Tx;
use crate::write::{DecideError, Done, No, Once, replayed_or};

/// Documents that this process has read, by version.
#[derive(Default)]
pub(crate) struct Protocols(RwLock<HashMap<String, Arc<ProtocolDocument>>>);

/// A version as a clinic sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptProtocol {
    /// Its name.
    pub version: String,
    /// What it is called.
    pub title: String,
    /// Since when it is in the database (machine clock).
    pub kept_since: Instant,
    /// The clinic's own, or none of one that ships with the program.
    pub own: Option<ClinicVersion>,
    /// Its document.
    pub document: Value,
}

/// A clinic's versions.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptProtocols {
    /// The version in force.
    pub in_force: String,
    /// All of them, the newest first.
    pub versions: Vec<KeptProtocol>,
}

/// Why a protocol document was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// It is not a valid document.
    #[error(transparent)]
    Invalid(#[from] DocumentFault),
    /// Sessions are pinned to another text under the same version.
    #[error(
        "protocol document {version}: another text has this version already; give the new one a version of its own"
    )]
    VersionTaken {
        /// The version.
        version: String,
    },
    /// The store failed.
    #[error("the protocol document could not be kept")]
    Store(#[from] StoreError),
}

impl Store {
    /// The document that is in force in a clinic for what is planned now.
    pub async fn protocol_in_force(
        &self,
        scope: Scope,
        clinic: ClinicId,
    ) -> Result<Arc<ProtocolDocument>, StoreError> {
        self.read_job(scope, move |tx| {
            let version = in_force(tx.connection, clinic)?;
            tx.shared.protocol(tx.connection, &version)
        })
        .await
    }

    /// Takes a protocol document into the database; the newest of those that ship with the program is in force in
    /// every clinic without a version of its own. One that is there already is left as it is.
    pub async fn ensure_protocol(&self, text: &str) -> Result<Arc<ProtocolDocument>, ProtocolError> {
        let document = ProtocolDocument::parse(text)?;
        let (version, body) = (document.version.clone(), text.to_owned());
        let kept = self
            .write_job(Scope::system(), move |tx| {
                let stored = protocol_documents::table
                    .find(&version)
                    .select(protocol_documents::body)
                    .first::<String>(tx.connection)
                    .optional()?;
                if let Some(stored) = stored {
                    return if stored == body {
                        Ok(())
                    } else {
                        Err(Abort::No(()))
                    };
                }
                keep_text(tx, &version, &body)?;
                Ok(())
            })
            .await;
        match kept {
            Ok(()) => Ok(Arc::new(document)),
            Err(Failure::No(())) => Err(ProtocolError::VersionTaken {
                version: document.version,
            }),
            Err(Failure::Store(error)) => Err(error.into()),
        }
    }

    /// A clinic's versions: those that ship with the program, and its own.
    pub async fn list_protocols(&self, scope: Scope, clinic: ClinicId) -> Result<KeptProtocols, StoreError> {
        self.read_job(scope, move |tx| {
            let in_force = in_force(tx.connection, clinic)?;
            let versions = kept(tx, clinic, None)?;
            Ok(KeptProtocols { in_force, versions })
        })
        .await
    }

    /// One version, with whether it is in force; `None` where it does not exist for this clinic.
    pub async fn find_protocol(
        &self,
        scope: Scope,
        clinic: ClinicId,
        version: String,
    ) -> Result<Option<(KeptProtocol, bool)>, StoreError> {
        self.read_job(scope, move |tx| {
            let in_force = in_force(tx.connection, clinic)?;
            let found = kept(tx, clinic, Some(&version))?.pop();
            Ok(found.map(|found| {
                let is_in_force = found.version == in_force;
                (found, is_in_force)
            }))
        })
        .await
    }

    /// The document of a version, whichever clinic's: for whoever runs the program.
    pub async fn protocol_document(
        &self,
        version: String,
    ) -> Result<Option<Arc<ProtocolDocument>>, StoreError> {
        self.read_job(Scope::system(), move |tx| {
            match tx.shared.protocol(tx.connection, &version) {
                Err(Stop::Database(DatabaseError::NoProtocol { .. })) => Ok(None),
                found => found.map(Some),
            }
        })
        .await
    }

    /// Drafts a clinic's next version.
    pub async fn draft_protocol(
        &self,
        scope: Scope,
        clinic: ClinicId,
        once: Option<Once>,
        new: NewVersion,
    ) -> Result<Done<ClinicVersion>, DecideError> {
        let drafted = self.write_job(scope, move |tx| {
            replayed_or(tx, once.as_ref(), |tx| {
                lock(tx, clinic)?;
                let caller = tx.scope.caller.clone();
                let (now, before) = (tx.now, in_force_whole(tx, clinic)?);
                let read_then = kept(tx, clinic, Some(&new.based_on))?.pop();
                let last: Option<i32> = protocol_versions::table
                    .filter(protocol_versions::clinic_id.eq(clinic.to_string()))
                    .select(diesel::dsl::max(protocol_versions::number))
                    .first(tx.connection)?;
                let number = last.unwrap_or(0) + 1;
                let slug = load::clinic(tx, clinic)?.ok_or(Abort::No(No::NotFound))?.slug;
                let (version, document) = versions::draft(
                    &new,
                    // Shipped versions have no dot, and no two clinics one name.
                    &format!("{slug}.{number}"),
                    number.unsigned_abs(),
                    &before,
                    read_then.as_ref().map(|kept| &kept.document),
                    signer(&caller, now)?,
                )?;
                insert(tx, clinic, &version, &document)?;
                Ok(version)
            })
        });
        Ok(drafted.await?)
    }

    /// Signs a version of a clinic; gives it as it is then.
    pub async fn sign_protocol(
        &self,
        scope: Scope,
        clinic: ClinicId,
        once: Option<Once>,
        version: String,
    ) -> Result<Done<ClinicVersion>, DecideError> {
        let signed = self.write_job(scope, move |tx| {
            replayed_or(tx, once.as_ref(), |tx| {
                lock(tx, clinic)?;
                let caller = tx.scope.caller.clone();
                let (now, before) = (tx.now, in_force_whole(tx, clinic)?);
                let found = kept(tx, clinic, Some(&version))?.pop();
                let own = found.and_then(|kept| kept.own);
                let own = own.ok_or(Abort::No(No::NotFound))?;
                let read_then = kept(tx, clinic, Some(&own.based_on))?.pop();
                let signed = versions::sign(
                    &own,
                    &before,
                    read_then.as_ref().map(|kept| &kept.document),
                    signer(&caller, now)?,
                )?;
                keep_signature(tx, clinic, &signed)?;
                Ok(signed)
            })
        });
        Ok(signed.await?)
    }

    /// Has every planned session whose preparation has not opened take the version that is in force in its clinic. How many
    /// did. A session or a clinic that cannot be read keeps no other from it; the first fault is given at the end.
    pub async fn take_protocols_in_force(&self, clinic: Option<ClinicId>) -> Result<usize, StoreError> {
        let clinics = match clinic {
            Some(clinic) => vec![clinic],
            None => self.list_clinic_ids().await?,
        };
        let mut taken = Ok(0);
        for clinic in clinics {
            let read = self.read_job(Scope::system(), move |tx| behind(tx, clinic)).await;
            let (document, sessions) = match read {
                Ok(read) => read,
                Err(fault) => {
                    let error = &fault as &dyn std::error::Error;
                    tracing::error!(%clinic, error, "a clinic's sessions cannot take its protocol");
                    taken = taken.and(Err(fault));
                    continue;
                }
            };
            for session in sessions {
                let document = Arc::clone(&document);
                let decided = self.decide_session(Scope::system(), session, None, move |record, context| {
                    let takes = record.session.protocol_version != document.version;
                    let decision = versions::take(record, &document, context);
                    let took = takes && decision.after.session.protocol_version == document.version;
                    Ok((decision, took))
                });
                match decided.await {
                    Ok(done) => taken = taken.map(|taken| taken + usize::from(done.value)),
                    Err(DecideError::Busy) => taken = taken.and(Err(StoreError::Busy)),
                    Err(DecideError::Database(fault)) => taken = taken.and(Err(StoreError::Database(fault))),
                    // The rule refuses nothing, and no session is ever deleted.
                    Err(_) => {}
                }
            }
        }
        taken
    }
}

impl Shared {
    /// The document of a version; parsed once.
    pub(crate) fn protocol(
        &self,
        connection: &mut AnyConnection,
        version: &str,
    ) -> Result<Arc<ProtocolDocument>, Stop> {
        let known = &self.protocols.0;
        let there = known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(version)
            .cloned();
        if let Some(there) = there {
            return Ok(there);
        }
        let body = protocol_documents::table
            .find(version)
            .select(protocol_documents::body)
            .first::<String>(connection)
            .optional()?
            .ok_or_else(|| DatabaseError::NoProtocol {
                version: version.to_owned(),
            })?;
        let document = ProtocolDocument::parse_checked_before(&body).map_err(|_| corrupt(version))?;
        let document = Arc::new(document);
        let mut known = known.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(known.entry(version.to_owned()).or_insert(document)))
    }
}

/// The version that is in force in a clinic for what is planned now: the one that it signed last, else the newest that ships
/// with the program.
pub(crate) fn in_force(connection: &mut AnyConnection, clinic: ClinicId) -> Result<String, Stop> {
    let signed_by_clinic = protocol_versions::clinic_id
        .eq(clinic.to_string())
        .and(protocol_versions::in_force_at.is_not_null());
    let newest = protocol_documents::table
        .left_join(protocol_versions::table.on(protocol_versions::version.eq(protocol_documents::version)))
        .filter(
            protocol_versions::version
                .nullable()
                .is_null()
                .or(signed_by_clinic.nullable()),
        )
        .order((
            // Where the two engines put what is null differs.
            protocol_versions::in_force_at.nullable().is_null(),
            protocol_versions::in_force_at.nullable().desc(),
            protocol_documents::created_at.desc(),
            protocol_documents::version.desc(),
        ))
        .select(protocol_documents::version)
        .first::<String>(connection)
        .optional()?;
    Ok(newest.ok_or_else(|| DatabaseError::NoProtocol {
        version: "in force".to_owned(),
    })?)
}

/// Two who draft or sign at once come one after the other.
fn lock(tx: &mut Tx<'_>, clinic: ClinicId) -> Result<(), Stop> {
    dialect::lock_named(tx.connection, &format!("protocol {clinic}"))?;
    tx.read_clocks();
    Ok(())
}

fn signer(caller: &Caller, now: Instant) -> Result<Signer<'_>, Refusal> {
    match caller {
        Caller::Staff { person, roles } => Ok(Signer {
            person: *person,
            roles,
            now,
        }),
        _ => Err(Refusal::NotFound),
    }
}

/// The versions that exist for a clinic, the newest first; or the one that is asked for.
fn kept(tx: &mut Tx<'_>, clinic: ClinicId, version: Option<&str>) -> Result<Vec<KeptProtocol>, Stop> {
    let mut query = protocol_documents::table
        .left_join(protocol_versions::table.on(protocol_versions::version.eq(protocol_documents::version)))
        .filter(
            protocol_versions::version
                .nullable()
                .is_null()
                .or(protocol_versions::clinic_id.eq(clinic.to_string()).nullable()),
        )
        .order((
            protocol_documents::created_at.desc(),
            protocol_documents::version.desc(),
        ))
        .select((
            protocol_documents::version,
            protocol_documents::body,
            protocol_documents::created_at,
            protocol_versions::doc_sealed.nullable(),
        ))
        .into_boxed();
    if let Some(version) = version {
        query = query.filter(protocol_documents::version.eq(version.to_owned()));
    }
    let rows: Vec<(String, String, i64, Option<Vec<u8>>)> = query.load(tx.connection)?;
    let kept = rows.into_iter().map(|(version, body, created_at, sealed)| {
        let document: Value = serde_json::from_str(&body).map_err(|_| corrupt(&version))?;
        let own = sealed
            .map(|sealed| seal::open_json(&tx.shared.keys, sealed_at(&version), &sealed))
            .transpose()?;
        Ok(KeptProtocol {
            title: document["title"].as_str().unwrap_or_default().to_owned(),
            kept_since: from_ms(created_at),
            version,
            own,
            document,
        })
    });
    kept.collect()
}

fn in_force_whole(tx: &mut Tx<'_>, clinic: ClinicId) -> Result<InForce, Stop> {
    let version = in_force(tx.connection, clinic)?;
    let found = kept(tx, clinic, Some(&version))?.pop();
    let KeptProtocol { document, own, .. } = found.ok_or_else(|| corrupt(&version))?;
    Ok(InForce { document, own })
}

fn insert(
    tx: &mut Tx<'_>,
    clinic: ClinicId,
    version: &ClinicVersion,
    document: &ProtocolDocument,
) -> Result<(), Stop> {
    let name = version.version.as_str();
    let body = serde_json::to_string_pretty(document).map_err(|_| corrupt(name))?;
    keep_text(tx, name, &body)?;
    let row = ProtocolVersionRow {
        version: name.to_owned(),
        clinic_id: clinic.to_string(),
        number: i32::try_from(version.number).unwrap_or(i32::MAX),
        doc_sealed: seal::seal_json(&tx.shared.keys, sealed_at(name), version)?,
        in_force_at: None,
    };
    diesel::insert_into(protocol_versions::table)
        .values(&row)
        .execute(tx.connection)?;
    let fact = Fact::new("protocol.drafted", told(version, &body));
    audit::append(tx, &Chain::Clinic(clinic), None, &[fact])
}

/// Keeps a document's text under its version.
fn keep_text(tx: &mut Tx<'_>, version: &str, body: &str) -> Result<(), Stop> {
    diesel::insert_into(protocol_documents::table)
        .values((
            protocol_documents::version.eq(version),
            protocol_documents::body.eq(body),
            protocol_documents::sha256.eq(sha256(body).as_ref()),
            protocol_documents::created_at.eq(to_ms(tx.machine_now)),
        ))
        .execute(tx.connection)?;
    Ok(())
}

fn keep_signature(tx: &mut Tx<'_>, clinic: ClinicId, signed: &ClinicVersion) -> Result<(), Stop> {
    let name = signed.version.as_str();
    diesel::update(protocol_versions::table.find(name))
        .set((
            protocol_versions::doc_sealed.eq(seal::seal_json(&tx.shared.keys, sealed_at(name), signed)?),
            protocol_versions::in_force_at.eq(signed.in_force_at.map(to_ms)),
        ))
        .execute(tx.connection)?;
    let body = protocol_documents::table
        .find(name)
        .select(protocol_documents::body)
        .first::<String>(tx.connection)?;
    let fact = Fact::new("protocol.signed", told(signed, &body));
    audit::append(tx, &Chain::Clinic(clinic), None, &[fact])
}

/// What the audit trail says of a version: all but its text, and the text's hash.
fn told(version: &ClinicVersion, body: &str) -> Value {
    json!({"version": version, "sha256": audit::hex(sha256(body).as_ref())})
}

fn sha256(body: &str) -> aws_lc_rs::digest::Digest {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body.as_bytes())
}

/// The document in force in a clinic, and its planned sessions that have another.
fn behind(tx: &mut Tx<'_>, clinic: ClinicId) -> Result<(Arc<ProtocolDocument>, Vec<SessionId>), Stop> {
    let version = in_force(tx.connection, clinic)?;
    let document = tx.shared.protocol(tx.connection, &version)?;
    let ids: Vec<String> = sessions::table
        .filter(sessions::clinic_id.eq(clinic.to_string()))
        .filter(
            sessions::state
                .eq(SessionState::Scheduled.name())
                .and(sessions::protocol_version.ne(&version)),
        )
        .order(sessions::planned_at)
        .select(sessions::id)
        .load(tx.connection)?;
    let ids = ids.iter().filter_map(|id| id.parse().ok());
    Ok((document, ids.collect()))
}

fn sealed_at(version: &str) -> Place<'_> {
    Place {
        table: "protocol_versions",
        column: "doc_sealed",
        row: version,
    }
}

fn corrupt(version: &str) -> DatabaseError {
    DatabaseError::Corrupt {
        table: "protocol_documents",
        row: version.to_owned(),
    }
}
