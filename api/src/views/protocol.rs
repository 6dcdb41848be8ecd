//! Versions of the protocol document.

use bedside_protocol::refusal::Change;
use bedside_protocol::versions::{ClinicVersion, Signature};
use bedside_store::{KeptProtocol, KeptProtocols};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// The versions a clinic knows.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProtocolListView {
    /// The version in force for what is planned from now on.
    pub in_force: String,
    /// A newer version that ships with the program and that this clinic, which has its own, does not follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newer_shipped: Option<String>,
    /// All of them, the newest first.
    pub versions: Vec<ProtocolVersionView>,
}

impl ProtocolListView {
    /// The view of a clinic's versions.
    pub fn of(kept: &KeptProtocols) -> Self {
        let ours = kept
            .versions
            .iter()
            .find(|it| it.version == kept.in_force && it.own.is_some());
        let newer_shipped = ours.and_then(|ours| {
            let mut shipped = kept.versions.iter().filter(|it| it.own.is_none());
            shipped.find(|it| it.kept_since > ours.kept_since)
        });
        Self {
            in_force: kept.in_force.clone(),
            newer_shipped: newer_shipped.map(|it| it.version.clone()),
            versions: kept
                .versions
                .iter()
                .map(|it| ProtocolVersionView::row(it, it.version == kept.in_force))
                .collect(),
        }
    }
}

/// One version.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProtocolVersionView {
    /// Its name, which sessions are pinned to.
    pub version: String,
    /// What it is called.
    pub title: String,
    /// `shipped`, `draft`, `partly_signed`, `in_force` or `superseded`; one that ships with the program is `shipped` also while
    /// the clinic follows it.
    pub state: String,
    /// Whether it is in force for what is planned from now on.
    pub in_force: bool,
    /// Who wrote it, why, and who signed; absent for one that ships with the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written: Option<WrittenView>,
    /// The whole document; only where one version is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub document: Option<serde_json::Value>,
}

impl ProtocolVersionView {
    fn row(kept: &KeptProtocol, in_force: bool) -> Self {
        Self {
            version: kept.version.clone(),
            title: kept.title.clone(),
            state: state_of(kept.own.as_ref(), in_force).to_owned(),
            in_force,
            written: kept.own.as_ref().map(WrittenView::of),
            document: None,
        }
    }

    /// The view with its document.
    pub fn whole(kept: &KeptProtocol, in_force: bool) -> Self {
        Self {
            document: Some(kept.document.clone()),
            ..Self::row(kept, in_force)
        }
    }
}

fn state_of(own: Option<&ClinicVersion>, in_force: bool) -> &'static str {
    match own {
        None => "shipped",
        Some(_) if in_force => "in_force",
        Some(own) if own.in_force_at.is_some() => "superseded",
        Some(own) if own.signatures.is_empty() => "draft",
        Some(_) => "partly_signed",
    }
}

/// Who wrote a version, why, and who signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WrittenView {
    /// Its name.
    pub version: String,
    /// The version it was written over.
    pub based_on: String,
    /// Who wrote it.
    pub author: Uuid,
    /// Why.
    pub reason: String,
    /// When.
    pub drafted_at: DateTime<Utc>,
    /// It changes who is told and when: a second clinician signs too.
    pub needs_second_signature: bool,
    /// Who signed, in order.
    pub signatures: Vec<SignatureView>,
    /// Since when it is in force, or when it came into force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_force_at: Option<DateTime<Utc>>,
}

impl WrittenView {
    /// The view of a clinic's own version.
    pub fn of(own: &ClinicVersion) -> Self {
        Self {
            version: own.version.clone(),
            based_on: own.based_on.clone(),
            author: own.author.uuid(),
            reason: own.reason.clone(),
            drafted_at: own.drafted_at,
            needs_second_signature: own.needs_second,
            signatures: own.signatures.iter().map(SignatureView::of).collect(),
            in_force_at: own.in_force_at,
        }
    }
}

/// A clinician's signature under a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignatureView {
    /// Who.
    pub by: Uuid,
    /// Whether as a prescriber.
    pub prescriber: bool,
    /// When.
    pub at: DateTime<Utc>,
}

impl SignatureView {
    fn of(signature: &Signature) -> Self {
        Self {
            by: signature.by.uuid(),
            prescriber: signature.prescriber,
            at: signature.at,
        }
    }
}

/// What differs between two versions.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProtocolDiffView {
    /// The one version.
    pub from: String,
    /// The other.
    pub to: String,
    /// By path. An entry of a list with a `key` is named by it, such as `checklist[key=kit].text`.
    pub changes: Vec<ProtocolChangeView>,
}

/// One difference.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProtocolChangeView {
    /// Where.
    pub path: String,
    /// What it was; `null` where it was not there.
    #[schema(value_type = Object)]
    pub before: serde_json::Value,
    /// What it is; `null` where it is not there any more.
    #[schema(value_type = Object)]
    pub after: serde_json::Value,
}

impl From<Change> for ProtocolChangeView {
    fn from(change: Change) -> Self {
        Self {
            path: change.field,
            before: change.was,
            after: change.is,
        }
    }
}
