//! A case's page: behind a mail's link at `/c/{token}`, and for staff who are logged in at `/cases/{id}`.
//!
//! The link alone never takes a case and shows nothing about a person: it asks for the PIN of the one it was sent to,
//! or for a log-in. Every look at a patient is kept in the audit trail; a look by the link alone reads no patient.

use actix_web::cookie::Cookie;
use actix_web::http::StatusCode;
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use bedside_protocol::call::NewCall;
use bedside_protocol::desk::{CASE_WORKERS, CaseWorkers};
use bedside_protocol::id::{CaseId, ClinicId, PersonId};
use bedside_protocol::people::Caller;
use bedside_protocol::refusal::{Faults, Refusal};
use bedside_protocol::watch::Subject;
use bedside_store::{Account, AccountKind, Scope};

use super::case_view::{self, About, CasePage, Reader, Stage, Way};
use super::cookie::{self, Proof};
use super::dead;
use super::exchange::{Answer, Sent, from_our_page, html, see_other};
use super::form::{Entered, Fields};
use crate::accounts;
use crate::app::App;
use crate::auth::scope;
use crate::casework::{self, CaseAct};
use crate::error::{ApiError, PageError};
use crate::extract::{ClientKey, RequestId};
use crate::links;

/// What is said of a PIN that was not accepted; which of the two it was is not told.
const WRONG_PIN: &str = "That was not your PIN, or it is blocked: five wrong ones block it for 15 minutes. You can log in with your password";

/// What somebody does who does not have the case, once it is proved who they are.
#[derive(Debug, Clone, Copy)]
pub enum Entry {
    /// "I am calling."
    Take,
    /// Takes over what is offered to them.
    Accept,
    /// Says no to it.
    Decline,
}

/// Somebody at a case's page.
pub(super) struct Visit {
    app: Data<App>,
    way: Way,
    clinic: ClinicId,
    case: CaseId,
    /// Who it is, where that is proved.
    pub(super) reader: Option<Account>,
    request: Option<String>,
}

impl Visit {
    /// By the link of a mail, or the page for a dead one.
    pub(super) async fn by_link(
        app: &Data<App>,
        token: &str,
        request: &HttpRequest,
    ) -> Result<Result<Self, HttpResponse>, PageError> {
        let (clinic, case, staff) = match links::case(app, token).await {
            Ok(opened) => opened,
            Err(error @ (ApiError::NotFound | ApiError::LinkOver)) => {
                return Ok(Err(dead::page(app, "c", token, &error, request)));
            }
            Err(error) => return Err(PageError(error)),
        };
        let by_pin = match cookie::proof(app, request, cookie::CASE) {
            Some(Proof::Case {
                clinic: c,
                person,
                case: of,
            }) if (c, of, person) == (clinic, case, staff) => find_staff(app, clinic, person).await?,
            _ => None,
        };
        let reader = match by_pin {
            Some(reader) => Some(reader),
            None => logged_in(app, request)
                .await?
                .filter(|account| account.clinic == clinic),
        };
        Ok(Ok(Self {
            app: app.clone(),
            way: Way {
                path: format!("/c/{token}"),
                reader: reader
                    .as_ref()
                    .map_or(Reader::Link, |reader| Reader::Staff(reader.id)),
                addressee: Some(staff),
                logged_in: false,
                sees_answers: reader.as_ref().is_some_and(sees_answers),
                workers: CaseWorkers::new(),
            },
            clinic,
            case,
            reader,
            request: RequestId::of(request),
        }))
    }

    /// By the worklist, or the way to the log-in.
    pub(super) async fn by_log_in(
        app: &Data<App>,
        case: &str,
        request: &HttpRequest,
    ) -> Result<Result<Self, HttpResponse>, PageError> {
        let Some(reader) = logged_in(app, request).await? else {
            return Ok(Err(see_other("/login")));
        };
        let case: CaseId = case.parse().map_err(|_| PageError(ApiError::NotFound))?;
        Ok(Ok(Self {
            app: app.clone(),
            way: Way {
                path: format!("/cases/{case}"),
                reader: Reader::Staff(reader.id),
                addressee: None,
                logged_in: true,
                sees_answers: sees_answers(&reader),
                workers: CaseWorkers::new(),
            },
            clinic: reader.clinic,
            case,
            reader: Some(reader),
            request: RequestId::of(request),
        }))
    }

    fn scope(&self) -> Scope {
        let caller = self
            .reader
            .as_ref()
            .map_or(Caller::Unverified { link: None }, caller_of);
        scope(self.clinic, caller, self.request.as_deref())
    }

    /// Shows the case with what was entered.
    async fn look(&self, entered: Entered) -> Result<CasePage, PageError> {
        let scope = self.scope();
        let subject = self.app.store.find_case(scope.clone(), self.case).await?;
        let (case, mut way) = (self.case, self.way.clone());
        if self.reader.is_some() {
            way.workers = self.app.store.list_case_workers(scope.clone()).await?;
        }
        let page = match subject.ok_or(PageError(ApiError::NotFound))? {
            Subject::Session(session) => {
                let look = move |record: &_, now| {
                    case_view::page(About::Session(record), case, now, &way, None, &entered)
                };
                self.app.store.read_session(scope, session, look).await?
            }
            Subject::Patient(patient) => {
                let look = move |record: &_, now| {
                    case_view::page(About::Patient(record), case, now, &way, None, &entered)
                };
                self.app.store.read_patient(scope, patient, look).await?
            }
            Subject::Clinic(_) => None,
        };
        page.flatten().ok_or(PageError(ApiError::NotFound))
    }

    async fn page(&self, status: StatusCode, entered: Entered) -> Answer {
        Ok(html(status, &self.look(entered).await?))
    }

    /// Acts for a proved reader who has the case, then back to the page, which says how things stand. What was entered
    /// by anybody else comes back with the way to prove who they are.
    pub(super) async fn act(
        &self,
        form: &str,
        fields: Fields,
        act: impl FnOnce(PersonId) -> CaseAct,
    ) -> Answer {
        let reader = match self.holder(form, &fields).await? {
            Ok(reader) => reader,
            Err(page) => return Ok(page),
        };
        let acted = casework::act(&self.app, self.scope(), self.case, None, act(reader.id)).await;
        self.answer(form, fields, acted.map(drop)).await
    }

    /// Writes down a call about the case.
    pub(super) async fn log_call(
        &self,
        fields: Fields,
        new: impl FnOnce(&Fields, String) -> Result<NewCall, Faults>,
    ) -> Answer {
        let reader = match self.holder("call", &fields).await? {
            Ok(reader) => reader,
            Err(page) => return Ok(page),
        };
        let new = match new(&fields, reader.name.clone()) {
            Ok(new) => NewCall {
                case: Some(self.case),
                ..new
            },
            Err(faults) => return self.refused("call", fields, &Refusal::Invalid(faults)).await,
        };
        let patient = casework::patient_of(&self.app, &self.scope(), self.case).await?;
        let logged = casework::log_call(&self.app, self.scope(), patient, None, new).await;
        self.answer("call", fields, logged.map(drop)).await
    }

    /// The proved reader who has the case, or the page that says how things stand.
    async fn holder(&self, form: &str, fields: &Fields) -> Result<Result<&Account, HttpResponse>, PageError> {
        let entered = Entered {
            form: form.to_owned(),
            fields: fields.clone(),
            ..Entered::default()
        };
        let Some(reader) = &self.reader else {
            return Ok(Err(self.page(StatusCode::UNAUTHORIZED, entered).await?));
        };
        let now = self.look(entered).await?;
        if matches!(now.stage, Stage::Mine(_)) {
            Ok(Ok(reader))
        } else {
            Ok(Err(html(StatusCode::CONFLICT, &now)))
        }
    }

    /// Back to the page, which says how things stand, with the form as it was if it was refused.
    async fn answer(&self, form: &str, fields: Fields, acted: Result<(), ApiError>) -> Answer {
        match acted {
            Ok(()) => Ok(see_other(&self.way.path)),
            Err(ApiError::Refused(refusal)) => self.refused(form, fields, &refusal).await,
            Err(ApiError::Busy) => {
                let mut entered = Entered::refused(form, fields, &Refusal::NotFound);
                entered.refused = Some("We are very busy. Nothing is lost: please press again.".to_owned());
                self.page(StatusCode::SERVICE_UNAVAILABLE, entered).await
            }
            Err(other) => Err(PageError(other)),
        }
    }

    pub(super) async fn refused(&self, form: &str, fields: Fields, refusal: &Refusal) -> Answer {
        let status = ApiError::from(refusal.clone()).status();
        self.page(status, Entered::refused(form, fields, refusal)).await
    }

    /// Whoever acts behind the link that was mailed to them has got the mail.
    async fn note_reached(&self, by: &Account) -> Result<(), PageError> {
        if self.way.addressee == Some(by.id) {
            let scope = scope(self.clinic, caller_of(by), self.request.as_deref());
            self.app.store.note_reached(scope, self.clinic, by.id).await?;
        }
        Ok(())
    }

    /// Takes, accepts or declines the case in somebody's name. That another was first, or that it is closed, the page says
    /// by itself.
    async fn enter(&self, entry: Entry, by: &Account) -> Result<(), PageError> {
        let scope = scope(self.clinic, caller_of(by), self.request.as_deref());
        let (by, by_name) = (by.id, by.name.clone());
        let act = match entry {
            Entry::Take => CaseAct::Take { by, by_name },
            Entry::Accept => CaseAct::Accept { by, by_name },
            Entry::Decline => CaseAct::Decline { by },
        };
        match casework::act(&self.app, scope, self.case, None, act).await {
            Ok(_) | Err(ApiError::Refused(_)) => Ok(()),
            Err(error) => Err(PageError(error)),
        }
    }
}

fn sees_answers(account: &Account) -> bool {
    crate::auth::sees_answers(&account.roles)
}

fn caller_of(account: &Account) -> Caller {
    Caller::Staff {
        person: account.id,
        roles: account.roles.clone(),
    }
}

/// An active member of staff, whatever their roles: the last rungs of a ladder tell administrators too, and whoever is told
/// may say "I am calling".
async fn find_staff(app: &App, clinic: ClinicId, person: PersonId) -> Result<Option<Account>, PageError> {
    let account = app
        .store
        .find_account(Scope::of(clinic, Caller::System), person)
        .await?;
    Ok(account.filter(|account| account.active && account.kind == AccountKind::Staff))
}

/// The member of staff who is logged in on the pages and works on cases.
pub async fn logged_in(app: &App, request: &HttpRequest) -> Result<Option<Account>, PageError> {
    let Some(Proof::Staff { clinic, person }) = cookie::proof(app, request, cookie::STAFF) else {
        return Ok(None);
    };
    let account = find_staff(app, clinic, person).await?;
    Ok(account.filter(|account| account.roles.iter().any(|role| CASE_WORKERS.contains(role))))
}

/// `GET /c/{token}`
pub async fn show(app: Data<App>, token: web::Path<String>, request: HttpRequest) -> Answer {
    match Visit::by_link(&app, &token, &request).await? {
        Ok(visit) => visit.page(StatusCode::OK, Entered::default()).await,
        Err(other) => Ok(other),
    }
}

/// `GET /cases/{id}`
pub async fn show_logged_in(app: Data<App>, id: web::Path<String>, request: HttpRequest) -> Answer {
    match Visit::by_log_in(&app, &id, &request).await? {
        Ok(visit) => visit.page(StatusCode::OK, Entered::default()).await,
        Err(other) => Ok(other),
    }
}

/// `POST /c/{token}/acknowledge`, with the PIN of the one the mail was sent to.
pub async fn acknowledge(
    app: Data<App>,
    token: web::Path<String>,
    request: HttpRequest,
    client: ClientKey,
    sent: Sent,
) -> Answer {
    enter_by_link(app, &token, &request, &client, sent, Entry::Take).await
}

/// Enters by the link of a mail: with the PIN of the one it was sent to, if it is not proved already who they are.
pub(super) async fn enter_by_link(
    app: Data<App>,
    token: &str,
    request: &HttpRequest,
    client: &ClientKey,
    sent: Sent,
    entry: Entry,
) -> Answer {
    from_our_page(request, &app.settings.public_base_url)?;
    let mut visit = match Visit::by_link(&app, token, request).await? {
        Ok(visit) => visit,
        Err(other) => return Ok(other),
    };
    if let Some(reader) = &visit.reader {
        visit.enter(entry, reader).await?;
        visit.note_reached(reader).await?;
        return Ok(see_other(&visit.way.path));
    }
    let mut fields = sent.fields()?;
    let pin = fields.text("pin").unwrap_or_default().to_owned();
    fields.0.retain(|(name, _)| name != "pin");
    if pin.len() != 6 || !pin.bytes().all(|byte| byte.is_ascii_digit()) {
        // A slip of the thumb is not a wrong PIN.
        return visit
            .refused(
                "acknowledge",
                fields,
                &Refusal::invalid("pin", "type your six digits"),
            )
            .await;
    }
    let addressee = visit.way.addressee.ok_or(PageError(ApiError::NotFound))?;
    let account = match accounts::check_pin(&app, visit.clinic, addressee, pin, client).await {
        Ok(account) => account,
        Err(ApiError::LogInFailed) => {
            let entered = Entered::refused("acknowledge", fields, &Refusal::invalid("pin", WRONG_PIN));
            return visit.page(StatusCode::UNAUTHORIZED, entered).await;
        }
        Err(ApiError::TooManyRequests { .. }) => {
            let slower = Refusal::invalid(
                "pin",
                "too many tries from here; wait a minute, or log in with your password",
            );
            let entered = Entered::refused("acknowledge", fields, &slower);
            return visit.page(StatusCode::TOO_MANY_REQUESTS, entered).await;
        }
        Err(error) => return Err(PageError(error)),
    };
    visit.enter(entry, &account).await?;
    visit.note_reached(&account).await?;
    let proof = Proof::Case {
        clinic: visit.clinic,
        person: account.id,
        case: visit.case,
    };
    let cookie = cookie::bake(&app, cookie::CASE, &visit.way.path, proof);
    if fields.0.is_empty() {
        return Ok(with_cookie(see_other(&visit.way.path), &cookie));
    }
    // The closing form was filled in before the PIN ran out: it is shown again as it was.
    visit.way.reader = Reader::Staff(account.id);
    visit.way.sees_answers = sees_answers(&account);
    visit.reader = Some(account);
    let entered = Entered {
        form: "resolve".to_owned(),
        fields,
        ..Entered::default()
    };
    Ok(with_cookie(visit.page(StatusCode::OK, entered).await?, &cookie))
}

/// An answer that sets a cookie.
pub fn with_cookie(mut answer: HttpResponse, cookie: &Cookie<'_>) -> HttpResponse {
    // Only a name or value that is no cookie at all is refused, and ours are.
    let _ = answer.add_cookie(cookie);
    answer
}

/// `POST /cases/{id}/acknowledge`
pub async fn acknowledge_logged_in(app: Data<App>, id: web::Path<String>, request: HttpRequest) -> Answer {
    enter_logged_in(app, &id, &request, Entry::Take).await
}

/// Enters by the worklist.
pub(super) async fn enter_logged_in(app: Data<App>, id: &str, request: &HttpRequest, entry: Entry) -> Answer {
    from_our_page(request, &app.settings.public_base_url)?;
    let visit = match Visit::by_log_in(&app, id, request).await? {
        Ok(visit) => visit,
        Err(other) => return Ok(other),
    };
    if let Some(reader) = &visit.reader {
        visit.enter(entry, reader).await?;
    }
    Ok(see_other(&visit.way.path))
}
