//! Help without a log-in: for somebody who stands before a log-in page and needs it now.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, post};
use bedside_protocol::document::Advice;
use bedside_protocol::people::Caller;
use bedside_store::AccountKind;
use serde_json::Value;
use utoipa::ToSchema;

use crate::answer::ok;
use crate::app::App;
use crate::auth::scope;
use crate::error::{ApiError, Problem};
use crate::extract::{AnyBody, ClientKey, RequestId};
use crate::limits::Limited;
use crate::reporting::{self, HelpCall};
use crate::views::ShowView;

/// A call for help by somebody who is not logged in. Everything may be absent.
#[derive(ToSchema)]
pub struct HelpWithoutLogInBody {
    /// The clinic's short name.
    pub clinic: Option<String>,
    /// The patient's address.
    pub email: Option<String>,
    /// A few words.
    pub note: Option<String>,
}

/// Ask for help without a log-in. The answer is the same whether or not the address is a patient's.
#[utoipa::path(tag = "help", request_body = HelpWithoutLogInBody, responses(
    (status = 200, body = ShowView), (status = 429, body = Problem),
))]
#[post("/v1/help")]
pub async fn help_without_log_in(
    app: Data<App>,
    client: ClientKey,
    request: HttpRequest,
    body: AnyBody,
) -> Result<HttpResponse, ApiError> {
    let text = |name: &str| body.fields.get(name).and_then(Value::as_str);
    let call = HelpCall::new(None, text("note"));
    let request = RequestId::of(&request);
    Ok(ok(&ask(
        &app,
        text("clinic"),
        text("email"),
        call,
        &client,
        request.as_deref(),
    )
    .await?))
}

/// The same for the pages: a case if the address is a patient's, the words in any case.
pub async fn ask(
    app: &App,
    clinic: Option<&str>,
    email: Option<&str>,
    call: HelpCall,
    client: &ClientKey,
    request: Option<&str>,
) -> Result<ShowView, ApiError> {
    app.limits
        .take(Limited::Help, &client.0, app.store.clocks().machine_now())?;
    let show = ShowView::of(&app.protocol, Advice::Emergency);
    let (Some(slug), Some(email)) = (clinic, email) else {
        return Ok(show);
    };
    let Some(clinic) = app.store.find_clinic_by_slug(slug.trim()).await? else {
        return Ok(show);
    };
    let account = app.store.find_login(clinic.id, email).await?;
    if let Some(patient) = account.filter(|account| account.kind == AccountKind::Patient) {
        let scope = scope(clinic.id, Caller::Unverified { link: None }, request);
        reporting::help_of_patient(app, scope, patient.id, None, call, None).await?;
    }
    Ok(show)
}
