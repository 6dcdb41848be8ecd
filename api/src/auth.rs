//! Who calls: extractors that check the log-in and, against the table of routes, the role.
//!
//! A handler that takes [`Patient`] or [`Staff`] runs only for those whom [`crate::routes::ACCESS`] names for its route.
//! Anybody else who is logged in gets the answer for something that does not exist.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpRequest};
use bedside_protocol::id::{ClinicId, PersonId};
use bedside_protocol::people::{Caller, StaffRole};
use bedside_store::Scope;

use crate::error::ApiError;
use crate::extract::{RequestId, app_of};
use crate::routes::{Access, access_of};
use crate::tokens::{Claims, Person, TokenFault};

/// A patient who is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patient {
    /// Their account.
    pub person: PersonId,
    /// Their clinic.
    pub clinic: ClinicId,
    request: Option<String>,
}

impl Patient {
    /// In their name.
    pub fn scope(&self) -> Scope {
        scope(
            self.clinic,
            Caller::Patient { person: self.person },
            self.request.as_deref(),
        )
    }
}

/// A patient, believed even when the log-in ran out: only for the dose and for help, which are never refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reporter {
    /// Their account.
    pub person: PersonId,
    /// Their clinic.
    pub clinic: ClinicId,
    /// Whether the log-in is still good.
    pub verified: bool,
    request: Option<String>,
}

impl Reporter {
    /// In their name, or unverified.
    pub fn scope(&self) -> Scope {
        let caller = if self.verified {
            Caller::Patient { person: self.person }
        } else {
            Caller::Unverified { link: None }
        };
        scope(self.clinic, caller, self.request.as_deref())
    }
}

/// A member of staff with one of the roles the route asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staff {
    /// Their account.
    pub person: PersonId,
    /// Their clinic.
    pub clinic: ClinicId,
    /// What they are.
    pub roles: Vec<StaffRole>,
    request: Option<String>,
}

impl Staff {
    /// Whether what patients answered is theirs to see: nurses and prescribers.
    pub fn sees_answers(&self) -> bool {
        sees_answers(&self.roles)
    }

    /// In their name.
    pub fn scope(&self) -> Scope {
        scope(
            self.clinic,
            Caller::Staff {
                person: self.person,
                roles: self.roles.clone(),
            },
            self.request.as_deref(),
        )
    }
}

/// Whether what patients answered is for somebody with these roles to see: nurses and prescribers.
pub fn sees_answers(roles: &[StaffRole]) -> bool {
    let clinician = |role: &StaffRole| matches!(role, StaffRole::Nurse | StaffRole::Prescriber);
    roles.iter().any(clinician)
}

/// A scope that carries the request's id into the audit trail.
pub fn scope(clinic: ClinicId, caller: Caller, request: Option<&str>) -> Scope {
    let scope = Scope::of(clinic, caller);
    match request {
        Some(request) => scope.with_request(request),
        None => scope,
    }
}

fn bearer(request: &HttpRequest) -> Option<&str> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn opened(request: &HttpRequest) -> Result<Result<Claims, TokenFault>, ApiError> {
    let app = app_of(request)?;
    let token = bearer(request).ok_or(ApiError::Unauthenticated)?;
    Ok(app.tokens.open(token, app.store.clocks().machine_now()))
}

fn logged_in(request: &HttpRequest) -> Result<Claims, ApiError> {
    opened(request)?.map_err(|_| ApiError::Unauthenticated)
}

/// The patient whose genuine log-in, live or expired, the request carries.
pub fn patient_behind(request: &HttpRequest) -> Option<PersonId> {
    let (person, id) = match opened(request) {
        Ok(Ok(claims)) => (claims.person, claims.sub),
        Ok(Err(TokenFault::Expired(claims))) => (claims.person, claims.sub),
        _ => return None,
    };
    matches!(person, Person::Patient).then_some(id)
}

/// Whom this route is for; a route that is not in the table is for nobody.
fn access(request: &HttpRequest) -> Access {
    let pattern = request.match_pattern().unwrap_or_default();
    access_of(request.method().as_str(), &pattern).unwrap_or(Access::Nobody)
}

fn patient(request: &HttpRequest) -> Result<Patient, ApiError> {
    let claims = logged_in(request)?;
    match (access(request), claims.person) {
        (Access::Patient, Person::Patient) => Ok(Patient {
            person: claims.sub,
            clinic: claims.clinic,
            request: RequestId::of(request),
        }),
        _ => Err(ApiError::NotFound),
    }
}

fn reporter(request: &HttpRequest) -> Result<Reporter, ApiError> {
    let (claims, verified) = match opened(request)? {
        Ok(claims) => (claims, true),
        Err(TokenFault::Expired(claims)) => (*claims, false),
        Err(TokenFault::NotOurs) => return Err(ApiError::Unauthenticated),
    };
    match (access(request), claims.person) {
        (Access::Reporter, Person::Patient) => Ok(Reporter {
            person: claims.sub,
            clinic: claims.clinic,
            verified,
            request: RequestId::of(request),
        }),
        _ => Err(ApiError::NotFound),
    }
}

fn staff(request: &HttpRequest) -> Result<Staff, ApiError> {
    let claims = logged_in(request)?;
    match (access(request), claims.person) {
        (Access::Staff(allowed), Person::Staff { roles })
            if roles.iter().any(|role| allowed.contains(role)) =>
        {
            Ok(Staff {
                person: claims.sub,
                clinic: claims.clinic,
                roles,
                request: RequestId::of(request),
            })
        }
        _ => Err(ApiError::NotFound),
    }
}

impl FromRequest for Patient {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(patient(request))
    }
}

impl FromRequest for Reporter {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(reporter(request))
    }
}

impl FromRequest for Staff {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(staff(request))
    }
}
