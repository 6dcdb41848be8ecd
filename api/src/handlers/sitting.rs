//! The sitter's, behind the link of their mail: no account, one session.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, get, post};
use bedside_protocol::id::DutyId;
use bedside_protocol::record::Decision;
use bedside_protocol::refusal::Refusal;
use bedside_protocol::releasing;
use bedside_protocol::sitting::{self, CodeAnswer};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer::{done, ok};
use crate::app::App;
use crate::auth;
use crate::bodies::{AnswerBody, CheckInBody, TrainingBody, VitalsBody, dose_report};
use crate::error::{ApiError, Problem};
use crate::extract::{AnyBody, Body, RequestId};
use crate::handlers::me::{DoseBody, EmptyBody, HelpBody};
use crate::links::{self, SitterLink};
use crate::parse::{Checks, When};
use crate::reporting::{self, HelpCall};
use crate::views::{
    AnsweredView, CheckedInView, LoggedView, MeasuredView, ResultView, ShowView, SittingView, TrainedView,
};

/// "Yes, I will sit."
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptBody {
    /// "I am 18 or older."
    pub is_adult: bool,
    /// "You may contact me about this session."
    pub may_be_contacted: bool,
}

/// "I am here."
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PresentBody {
    /// The four digits on the patient's phone.
    pub code: String,
}

/// What became of a code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CodeView {
    /// `right` or `wrong`.
    #[schema(value_type = String)]
    pub result: CodeAnswer,
}

/// The release: all questions answered.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseBody {
    /// Yes or no to each question, by its key.
    pub answers: std::collections::BTreeMap<String, bool>,
    /// When it was answered, by the device; now if absent.
    #[serde(default)]
    #[schema(value_type = Option<DateTime<Utc>>)]
    pub observed_at: Option<When>,
}

async fn link(app: &App, request: &HttpRequest, token: &str) -> Result<SitterLink, ApiError> {
    links::sitter(app, token, RequestId::of(request)).await
}

/// The link, for what only a sitter can say. Sent with the log-in of the session's own patient it counts for nothing and
/// the care team hears of it (PROTOCOL 4.2: one account cannot be both). Another patient may well be a sitter.
async fn acting_link(app: &App, request: &HttpRequest, token: &str) -> Result<SitterLink, ApiError> {
    let link = link(app, request, token).await?;
    let Some(person) = auth::patient_behind(request) else {
        return Ok(link);
    };
    let judged = app
        .store
        .decide_session(link.scope(), link.session, None, move |record, context| {
            let own = record.patient.id == person;
            let decision = if own {
                sitting::on_patients_device(record, context)
            } else {
                Decision::unchanged(record)
            };
            Ok((decision, own))
        });
    if judged.await?.value {
        return Err(ApiError::Refused(Refusal::wrong_state(
            "patients-device",
            "this came from the patient's own log-in; the sitter must use their own device",
        )));
    }
    Ok(link)
}

/// Everything a sitter needs, in one answer. Looking changes nothing.
#[utoipa::path(tag = "sitter", responses(
    (status = 200, body = SittingView), (status = 404, body = Problem), (status = 410, body = Problem),
))]
#[get("/v1/sitting/{token}")]
pub async fn page(
    app: Data<App>,
    request: HttpRequest,
    token: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let link = link(&app, &request, &token).await?;
    let sitter = link.sitter;
    let view = app
        .store
        .read_session(link.scope(), link.session, move |record, now| {
            SittingView::of(record, sitter, now)
        })
        .await?;
    Ok(ok(&view.flatten().ok_or(ApiError::NotFound)?))
}

/// Say yes.
#[utoipa::path(tag = "sitter", request_body = AcceptBody, responses(
    (status = 200, body = ResultView), (status = 409, body = Problem), (status = 422, body = Problem),
))]
#[post("/v1/sitting/{token}/accept")]
pub async fn accept(
    app: Data<App>,
    request: HttpRequest,
    token: Path<String>,
    body: Body<AcceptBody>,
) -> Result<HttpResponse, ApiError> {
    let link = acting_link(&app, &request, &token).await?;
    let scope = link.scope();
    let (once, said) = (body.once(&scope.caller), body.value);
    let accepted = app
        .store
        .decide_session(scope, link.session, once, move |record, context| {
            let decision = sitting::accept(record, said.is_adult, said.may_be_contacted, context)?;
            Ok((decision, ResultView::said("accepted")))
        });
    Ok(done(&accepted.await?))
}

/// Say no, also after a yes.
#[utoipa::path(tag = "sitter", request_body = EmptyBody, responses((status = 200, body = ResultView)))]
#[post("/v1/sitting/{token}/decline")]
pub async fn decline(
    app: Data<App>,
    request: HttpRequest,
    token: Path<String>,
    body: Body<EmptyBody>,
) -> Result<HttpResponse, ApiError> {
    let link = link(&app, &request, &token).await?;
    let scope = link.scope();
    let once = body.once(&scope.caller);
    let declined = app
        .store
        .decide_session(scope, link.session, once, |record, context| {
            Ok((sitting::decline(record, context)?, ResultView::said("declined")))
        });
    Ok(done(&declined.await?))
}

/// Answer the questions about the page that a sitter reads first.
#[utoipa::path(tag = "sitter", request_body = TrainingBody, responses(
    (status = 200, body = TrainedView), (status = 409, body = Problem), (status = 422, body = Problem),
))]
#[post("/v1/sitting/{token}/training")]
pub async fn train(
    app: Data<App>,
    request: HttpRequest,
    token: Path<String>,
    body: Body<TrainingBody>,
) -> Result<HttpResponse, ApiError> {
    let link = acting_link(&app, &request, &token).await?;
    let scope = link.scope();
    let (once, answers) = (body.once(&scope.caller), body.value.answers);
    let trained = app
        .store
        .decide_session(scope, link.session, once, move |record, context| {
            let (decision, trained) = sitting::train(record, &answers, context)?;
            Ok((decision, TrainedView::of(trained)))
        });
    Ok(done(&trained.await?))
}

/// "I am here", with the code on the patient's phone.
#[utoipa::path(tag = "sitter", request_body = PresentBody, responses(
    (status = 200, body = CodeView), (status = 409, body = Problem),
))]
#[post("/v1/sitting/{token}/present")]
pub async fn present(
    app: Data<App>,
    request: HttpRequest,
    token: Path<String>,
    body: Body<PresentBody>,
) -> Result<HttpResponse, ApiError> {
    let link = acting_link(&app, &request, &token).await?;
    let scope = link.scope();
    let (once, code) = (body.once(&scope.caller), body.value.code);
    let said = app
        .store
        .decide_session(scope, link.session, once, move |record, context| {
            let (decision, result) = sitting::present(record, &code, context)?;
            Ok((decision, CodeView { result }))
        });
    Ok(done(&said.await?))
}

/// Answer an item of the sitter's own.
#[utoipa::path(tag = "sitter", request_body = AnswerBody, responses(
    (status = 200, body = AnsweredView), (status = 409, body = Problem), (status = 422, body = Problem),
))]
#[post("/v1/sitting/{token}/checklist/{item}")]
pub async fn answer_item(
    app: Data<App>,
    request: HttpRequest,
    path: Path<(String, String)>,
    body: Body<AnswerBody>,
) -> Result<HttpResponse, ApiError> {
    let (token, item) = path.into_inner();
    let link = acting_link(&app, &request, &token).await?;
    Ok(done(
        &reporting::answer_item(&app, link.scope(), link.session, item, body).await?,
    ))
}

/// Send blood pressure and pulse.
#[utoipa::path(tag = "sitter", request_body = VitalsBody, responses(
    (status = 200, body = MeasuredView), (status = 422, body = Problem),
))]
#[post("/v1/sitting/{token}/vitals")]
pub async fn measure(
    app: Data<App>,
    request: HttpRequest,
    token: Path<String>,
    body: Body<VitalsBody>,
) -> Result<HttpResponse, ApiError> {
    let link = acting_link(&app, &request, &token).await?;
    Ok(done(
        &reporting::measure(&app, link.scope(), link.session, body).await?,
    ))
}

/// Answer a check-in.
#[utoipa::path(tag = "sitter", request_body = CheckInBody, responses(
    (status = 200, body = CheckedInView), (status = 404, body = Problem), (status = 422, body = Problem),
))]
#[post("/v1/sitting/{token}/check-ins/{duty}")]
pub async fn check_in(
    app: Data<App>,
    request: HttpRequest,
    path: Path<(String, Uuid)>,
    body: Body<CheckInBody>,
) -> Result<HttpResponse, ApiError> {
    let (token, duty) = path.into_inner();
    let link = acting_link(&app, &request, &token).await?;
    Ok(done(
        &reporting::check_in(&app, link.scope(), link.session, DutyId::from(duty), body).await?,
    ))
}

/// Log the dose for the patient. Never refused, also by a link that is over.
#[utoipa::path(tag = "sitter", request_body = DoseBody, responses((status = 200, body = LoggedView)))]
#[post("/v1/sitting/{token}/dose")]
pub async fn log_dose(
    app: Data<App>,
    request: HttpRequest,
    token: Path<String>,
    body: AnyBody,
) -> Result<HttpResponse, ApiError> {
    let link = links::sitter_even_over(&app, &token, RequestId::of(&request)).await?;
    let owner = app.store.find_session_owner(link.session).await?;
    let (_, patient) = owner.ok_or(ApiError::NotFound)?;
    let (scope, report) = (link.scope(), dose_report(&body.fields));
    let once = body.once(&scope.caller);
    Ok(done(
        &reporting::log_dose(&app, scope, patient, Some(link.session), report, once).await?,
    ))
}

/// "Something is wrong". Never refused, also by a link that is over.
#[utoipa::path(tag = "sitter", request_body = HelpBody, responses((status = 200, body = ShowView)))]
#[post("/v1/sitting/{token}/help")]
pub async fn help(
    app: Data<App>,
    request: HttpRequest,
    token: Path<String>,
    body: AnyBody,
) -> Result<HttpResponse, ApiError> {
    let link = links::sitter_even_over(&app, &token, RequestId::of(&request)).await?;
    let scope = link.scope();
    let (once, call) = (body.once(&scope.caller), HelpCall::of(&body.fields));
    Ok(done(
        &reporting::help_by_sitter(&app, scope, link.session, call, once).await?,
    ))
}

/// "I must leave."
#[utoipa::path(tag = "sitter", request_body = EmptyBody, responses((status = 200, body = ResultView)))]
#[post("/v1/sitting/{token}/leave")]
pub async fn leave(
    app: Data<App>,
    request: HttpRequest,
    token: Path<String>,
    body: Body<EmptyBody>,
) -> Result<HttpResponse, ApiError> {
    let link = link(&app, &request, &token).await?;
    let scope = link.scope();
    let once = body.once(&scope.caller);
    let left = app
        .store
        .decide_session(scope, link.session, once, |record, context| {
            Ok((sitting::leave(record, context)?, ResultView::said("left")))
        });
    Ok(done(&left.await?))
}

/// Release the patient: all questions answered well, not before the protocol's time.
#[utoipa::path(tag = "sitter", request_body = ReleaseBody, responses(
    (status = 200, body = CheckedInView), (status = 409, body = Problem), (status = 422, body = Problem),
))]
#[post("/v1/sitting/{token}/release")]
pub async fn release(
    app: Data<App>,
    request: HttpRequest,
    token: Path<String>,
    body: Body<ReleaseBody>,
) -> Result<HttpResponse, ApiError> {
    let link = acting_link(&app, &request, &token).await?;
    let scope = link.scope();
    let once = body.once(&scope.caller);
    let mut checks = Checks::new();
    let observed_at = checks.when_given(
        "observed_at",
        body.value.observed_at,
        app.store.clocks().clinical_now(),
    );
    checks.done()?;
    let answers = body.value.answers;
    let released = app
        .store
        .decide_session(scope, link.session, once, move |record, context| {
            let (decision, result) =
                releasing::release_by_sitter(record, answers.clone(), observed_at, context)?;
            Ok((decision, CheckedInView::of(record, result)))
        });
    Ok(done(&released.await?))
}
