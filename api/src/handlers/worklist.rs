//! The worklist of the care team: what waits for somebody today and calls for nobody now.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get, web};
use bedside_protocol::time::Instant;
use bedside_store::{WORKLIST_MAX, WorklistPlace};
use utoipa::IntoParams;

use crate::answer::ok;
use crate::app::App;
use crate::auth::Staff;
use crate::error::{ApiError, Problem};
use crate::parse::Checks;
use crate::views::WorklistView;

/// Entries on a page when none are asked for.
const ENTRIES_DEFAULT: u32 = 50;

/// Which page of the worklist.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "it only stands in the document; the query is read by `page_of`"
)]
pub struct WorklistQuery {
    /// Only entries after this one: `next` of the page before.
    after: Option<String>,
    /// Entries on a page, 1 to 200; 50 without it.
    limit: Option<u32>,
}

fn page_of(request: &HttpRequest) -> Result<(Option<WorklistPlace>, u32), ApiError> {
    let pairs = web::Query::<Vec<(String, String)>>::from_query(request.query_string())
        .map_err(|_| ApiError::invalid("limit", "must be a query such as limit=20"))?;
    let (mut after, mut limit, mut checks) = (None, ENTRIES_DEFAULT, Checks::new());
    for (name, value) in pairs.into_inner() {
        match name.as_str() {
            "after" => {
                after = place_of(&value);
                if after.is_none() {
                    checks.fault("after", "must be `next` of the page before");
                }
            }
            "limit" => match value.parse() {
                Ok(asked) if (1..=WORKLIST_MAX).contains(&asked) => limit = asked,
                _ => checks.fault("limit", format!("must be 1 to {WORKLIST_MAX}")),
            },
            _ => {}
        }
    }
    checks.done()?;
    Ok((after, limit))
}

/// A place as [`WorklistView`] writes it: milliseconds and a duty.
fn place_of(text: &str) -> Option<WorklistPlace> {
    let (due_ms, duty) = text.split_once('.')?;
    Some(WorklistPlace {
        due_at: Instant::from_timestamp_millis(due_ms.parse().ok()?)?,
        duty: duty.to_owned(),
    })
}

/// What waits for somebody today: cases P3, and what patients owe between sessions and is late. Oldest due first. A case is
/// taken as any other, by `POST /v1/cases/{id}/acknowledge`. What cannot be read of a page stands in `unreadable`.
#[utoipa::path(tag = "cases", params(WorklistQuery), responses(
    (status = 200, body = WorklistView), (status = 422, body = Problem),
))]
#[get("/v1/worklist")]
pub async fn list(app: Data<App>, staff: Staff, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let (after, limit) = page_of(&request)?;
    let page = app.store.list_worklist(staff.scope(), after, limit).await?;
    Ok(ok(&WorklistView::of(&page)))
}
