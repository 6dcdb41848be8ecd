//! Links from mails: a token becomes a caller, or a dead link that still knows what it was.
//!
//! A link is good until it expires, is revoked, or (an account link) is used. Looking at it changes nothing, so a mail
//! scanner's visit burns nothing.

use bedside_protocol::id::{CaseId, ClinicId, LinkId, PersonId, SessionId, SitterId};
use bedside_protocol::people::Caller;
use bedside_protocol::record::LinkTarget;
use bedside_store::{Scope, StoredLink};

use crate::app::App;
use crate::auth::scope;
use crate::error::ApiError;

/// A link as it was found.
#[derive(Debug)]
pub enum Opened {
    /// It opens what it was made for.
    Good(StoredLink),
    /// It was made by this server and is good no more.
    Over(StoredLink),
}

/// Finds the link behind a token. What was not made here is [`ApiError::NotFound`].
pub async fn open(app: &App, token: &str) -> Result<Opened, ApiError> {
    let id = app
        .store
        .keys()
        .open_link_token(token)
        .ok_or(ApiError::NotFound)?;
    let link = app.store.find_link(id).await?.ok_or(ApiError::NotFound)?;
    let over = link.expires_at <= app.store.clocks().clinical_now()
        || link.revoked_at.is_some()
        || link.used_at.is_some();
    Ok(if over {
        Opened::Over(link)
    } else {
        Opened::Good(link)
    })
}

/// The holder of a sitter's link.
#[derive(Debug, Clone)]
pub struct SitterLink {
    /// The link.
    pub id: LinkId,
    /// The clinic.
    pub clinic: ClinicId,
    /// The one session it is good for.
    pub session: SessionId,
    /// The sitter.
    pub sitter: SitterId,
    /// Whether the link is still good.
    pub good: bool,
    request: Option<String>,
}

impl SitterLink {
    /// In the sitter's name, or unverified when the link is over.
    pub fn scope(&self) -> Scope {
        let caller = if self.good {
            Caller::Sitter {
                session: self.session,
                sitter: self.sitter,
            }
        } else {
            Caller::Unverified { link: Some(self.id) }
        };
        scope(self.clinic, caller, self.request.as_deref())
    }
}

/// A sitter's link that is good.
pub async fn sitter(app: &App, token: &str, request: Option<String>) -> Result<SitterLink, ApiError> {
    let link = sitter_even_over(app, token, request).await?;
    if link.good {
        Ok(link)
    } else {
        Err(ApiError::LinkOver)
    }
}

/// A sitter's link, also one that is over: only for the dose and for help, which are never refused.
pub async fn sitter_even_over(
    app: &App,
    token: &str,
    request: Option<String>,
) -> Result<SitterLink, ApiError> {
    let (link, good) = match open(app, token).await? {
        Opened::Good(link) => (link, true),
        Opened::Over(link) => (link, false),
    };
    match link.target {
        LinkTarget::Sitter { session, sitter } => Ok(SitterLink {
            id: link.id,
            clinic: link.clinic,
            session,
            sitter,
            good,
            request,
        }),
        _ => Err(ApiError::NotFound),
    }
}

/// A case link that is good: the clinic, the case, and the reader it was sent to. It proves nothing about who reads it.
pub async fn case(app: &App, token: &str) -> Result<(ClinicId, CaseId, PersonId), ApiError> {
    match open(app, token).await? {
        Opened::Good(StoredLink {
            clinic,
            target: LinkTarget::Case { case, staff },
            ..
        }) => Ok((clinic, case, staff)),
        Opened::Over(StoredLink {
            target: LinkTarget::Case { .. },
            ..
        }) => Err(ApiError::LinkOver),
        _ => Err(ApiError::NotFound),
    }
}

/// An account link that is good: the link, the clinic and the account whose password it sets.
pub async fn account(app: &App, token: &str) -> Result<(LinkId, ClinicId, PersonId), ApiError> {
    match open(app, token).await? {
        Opened::Good(StoredLink {
            id,
            clinic,
            target: LinkTarget::Account { person },
            ..
        }) => Ok((id, clinic, person)),
        Opened::Over(StoredLink {
            target: LinkTarget::Account { .. },
            ..
        }) => Err(ApiError::LinkOver),
        _ => Err(ApiError::NotFound),
    }
}

/// The link of a test message that is good: the clinic, and the member of staff who says that messages reach them.
pub async fn reached(app: &App, token: &str) -> Result<(ClinicId, PersonId), ApiError> {
    match open(app, token).await? {
        Opened::Good(StoredLink {
            clinic,
            target: LinkTarget::Reached { person },
            ..
        }) => Ok((clinic, person)),
        Opened::Over(StoredLink {
            target: LinkTarget::Reached { .. },
            ..
        }) => Err(ApiError::LinkOver),
        _ => Err(ApiError::NotFound),
    }
}
