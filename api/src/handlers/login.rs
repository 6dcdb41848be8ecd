//! Log-in, refresh, log-out, password and PIN.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, post};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::accounts::{self, LoggedIn};
use crate::answer::ok;
use crate::app::App;
use crate::auth::Staff;
use crate::error::{ApiError, Problem};
use crate::extract::{Body, ClientKey, RequestId};
use crate::views::ResultView;
use bedside_store::AccountKind;

/// A log-in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogInBody {
    /// The clinic's short name.
    pub clinic: String,
    /// The person's address.
    pub email: String,
    /// The password.
    pub password: String,
}

/// A refresh token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshBody {
    /// As it was given.
    pub refresh_token: String,
}

/// A password to be set by the link of a mail.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetPasswordBody {
    /// 12 to 200 characters.
    pub password: String,
    /// Staff only: six digits for taking a case from a mail.
    #[serde(default)]
    pub pin: Option<String>,
}

/// A PIN to be set.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetPinBody {
    /// The present password.
    pub password: String,
    /// Six digits, not all the same and not a run.
    pub pin: String,
}

/// A log-in that is good.
#[derive(Serialize, ToSchema)]
pub struct LoggedInView {
    /// Send it as `Authorization: Bearer …`.
    pub access_token: String,
    /// Until when it is good; 15 minutes.
    pub expires_at: DateTime<Utc>,
    /// For the next one; good once.
    pub refresh_token: String,
    /// Whose log-in it is.
    pub person: PersonView,
}

/// Who is logged in.
#[derive(Serialize, ToSchema)]
pub struct PersonView {
    /// The account.
    pub id: Uuid,
    /// `patient` or `staff`.
    pub kind: String,
    /// What a member of staff is.
    pub roles: Vec<String>,
}

impl LoggedInView {
    fn of(logged_in: LoggedIn) -> Self {
        let account = logged_in.account;
        Self {
            access_token: logged_in.access_token,
            expires_at: logged_in.expires_at,
            refresh_token: logged_in.refresh_token,
            person: PersonView {
                id: account.id.uuid(),
                kind: match account.kind {
                    AccountKind::Patient => "patient".to_owned(),
                    AccountKind::Staff => "staff".to_owned(),
                },
                roles: account.roles.iter().map(|role| role.name().to_owned()).collect(),
            },
        }
    }
}

/// Log in.
#[utoipa::path(tag = "log-in", request_body = LogInBody, responses(
    (status = 200, body = LoggedInView), (status = 401, body = Problem), (status = 429, body = Problem),
))]
#[post("/v1/login")]
pub async fn log_in(
    app: Data<App>,
    client: ClientKey,
    body: Body<LogInBody>,
) -> Result<HttpResponse, ApiError> {
    let LogInBody {
        clinic,
        email,
        password,
    } = body.value;
    let account = accounts::check_password(&app, &clinic, &email, password, &client).await?;
    Ok(ok(&LoggedInView::of(accounts::begin(&app, account).await?)))
}

/// Exchange a refresh token; one that comes a second time ends its log-in.
#[utoipa::path(tag = "log-in", request_body = RefreshBody, responses(
    (status = 200, body = LoggedInView), (status = 401, body = Problem),
))]
#[post("/v1/login/refresh")]
pub async fn refresh(
    app: Data<App>,
    client: ClientKey,
    body: Body<RefreshBody>,
) -> Result<HttpResponse, ApiError> {
    Ok(ok(&LoggedInView::of(
        accounts::go_on(&app, &body.value.refresh_token, &client).await?,
    )))
}

/// Log out: the refresh token and all that came of it end.
#[utoipa::path(tag = "log-in", request_body = RefreshBody, responses((status = 200, body = ResultView)))]
#[post("/v1/logout")]
pub async fn log_out(app: Data<App>, body: Body<RefreshBody>) -> Result<HttpResponse, ApiError> {
    app.store
        .revoke_refresh(accounts::refresh_hash(&body.value.refresh_token))
        .await?;
    Ok(ok(&ResultView::said("logged_out")))
}

/// Set a password by the link of a mail, once.
#[utoipa::path(tag = "log-in", request_body = SetPasswordBody, responses(
    (status = 200, body = ResultView), (status = 404, body = Problem), (status = 410, body = Problem),
    (status = 422, body = Problem),
))]
#[post("/v1/account/{token}")]
pub async fn set_password(
    app: Data<App>,
    client: ClientKey,
    request: HttpRequest,
    token: Path<String>,
    body: Body<SetPasswordBody>,
) -> Result<HttpResponse, ApiError> {
    let (SetPasswordBody { password, pin }, request) = (body.value, RequestId::of(&request));
    accounts::set_by_link(&app, &token, password, pin, &client, request.as_deref()).await?;
    Ok(ok(&ResultView::said("set")))
}

/// Set the on-call PIN with which a case is taken from a mail.
#[utoipa::path(tag = "log-in", request_body = SetPinBody, responses(
    (status = 200, body = ResultView), (status = 401, body = Problem), (status = 422, body = Problem),
))]
#[post("/v1/me/pin")]
pub async fn set_pin(
    app: Data<App>,
    staff: Staff,
    client: ClientKey,
    body: Body<SetPinBody>,
) -> Result<HttpResponse, ApiError> {
    let SetPinBody { password, pin } = body.value;
    accounts::check_own_password(&app, staff.scope(), staff.person, password, &client).await?;
    accounts::set_pin(&app, staff.scope(), staff.person, pin).await?;
    Ok(ok(&ResultView::said("set")))
}
