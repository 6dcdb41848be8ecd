//! Health: whether the process lives, and whether the whole of it does its work.
//!
//! Readiness is red when nobody watches: an API that takes check-ins while no worker runs looks healthy and is not.

use actix_web::web::Data;
use actix_web::{HttpResponse, get};
use chrono::Duration;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::error::ApiError;

/// An escalation that could not be sent for so many seconds is a fault (invariant I1).
const UNSENT_MAX_S: i64 = 60;

/// Whether the process lives.
#[derive(Debug, Serialize, ToSchema)]
pub struct LiveView {
    /// `live`.
    pub status: String,
}

/// Whether everything does its work.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReadyView {
    /// `ready` or `not_ready`.
    pub status: String,
    /// The parts, each with how it is.
    pub parts: Vec<PartView>,
}

/// One part.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PartView {
    /// `database`, `migrations`, `worker` or `escalations`.
    pub name: String,
    /// Whether it does its work.
    pub ok: bool,
    /// Seconds since the worker's last verified cycle, or since the oldest unsent escalation was due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_s: Option<i64>,
    /// In words.
    pub detail: String,
}

impl PartView {
    fn new(name: &str, ok: bool, age: Option<Duration>, detail: &str) -> Self {
        Self {
            name: name.to_owned(),
            ok,
            age_s: age.map(|age| age.num_seconds()),
            detail: detail.to_owned(),
        }
    }
}

/// The process lives.
#[utoipa::path(tag = "system", responses((status = 200, body = LiveView)))]
#[get("/health/live")]
pub async fn live() -> HttpResponse {
    HttpResponse::Ok().json(LiveView {
        status: "live".to_owned(),
    })
}

/// Database, worker and mail do their work.
#[utoipa::path(tag = "system", responses((status = 200, body = ReadyView), (status = 503, body = ReadyView)))]
#[get("/health/ready")]
pub async fn ready(app: Data<App>) -> HttpResponse {
    let view = match (
        app.store.watch_health().await,
        app.store.oldest_unsent_escalation().await,
    ) {
        (Ok(watch), Ok(unsent)) => judge(
            watch.silent_for,
            unsent,
            Duration::seconds(app.protocol.watch.alive_within_s),
        ),
        (Err(error), _) | (_, Err(error)) => {
            // Logged where it is turned into an answer.
            let error = ApiError::from(error);
            let detail = if error == ApiError::Busy {
                "is busy"
            } else {
                "does not answer"
            };
            ReadyView {
                status: "not_ready".to_owned(),
                parts: vec![PartView::new("database", false, None, detail)],
            }
        }
    };
    if view.status == "ready" {
        HttpResponse::Ok().json(view)
    } else {
        HttpResponse::ServiceUnavailable().json(view)
    }
}

fn judge(silent_for: Option<Duration>, unsent: Option<Duration>, alive_within: Duration) -> ReadyView {
    let alive = silent_for.is_some_and(|silent_for| silent_for < alive_within);
    let worker = match (alive, silent_for) {
        (true, _) => "is watching",
        (false, Some(_)) => "has been silent for too long; nobody is watching",
        (false, None) => "has never completed a cycle; nobody is watching",
    };
    let sent = unsent.is_none_or(|unsent| unsent <= Duration::seconds(UNSENT_MAX_S));
    let escalations = match (sent, unsent) {
        (true, None) => "none waits",
        (true, Some(_)) => "one is being sent",
        (false, _) => "one could not be sent for too long; look at the mail server",
    };
    let parts = vec![
        PartView::new("database", true, None, "answers"),
        // A store whose schema is not this program's does not open.
        PartView::new("migrations", true, None, "are those of this program"),
        PartView::new("worker", alive, silent_for, worker),
        PartView::new("escalations", sent, unsent, escalations),
    ];
    let all_well = parts.iter().all(|part| part.ok);
    ReadyView {
        status: if all_well { "ready" } else { "not_ready" }.to_owned(),
        parts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_is_red_when_nobody_watches_or_an_escalation_is_stuck() {
        let seconds = |seconds: i64| Some(Duration::seconds(seconds));
        let alive = Duration::seconds(120);
        let cases = [
            (seconds(5), None, "ready", [true, true]),
            (seconds(5), seconds(10), "ready", [true, true]),
            (seconds(120), None, "not_ready", [false, true]),
            (None, None, "not_ready", [false, true]),
            (seconds(5), seconds(61), "not_ready", [true, false]),
        ];
        for (silent_for, unsent, status, [worker, escalations]) in cases {
            let view = judge(silent_for, unsent, alive);
            assert_eq!(view.status, status);
            assert_eq!(
                view.parts.iter().map(|part| part.ok).collect::<Vec<_>>(),
                [true, true, worker, escalations]
            );
        }
    }
}
