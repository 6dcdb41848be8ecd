//! Health: whether the process lives, and whether the whole of it does its work.
//!
//! Readiness is red when nobody watches: an API that takes check-ins while no worker runs looks healthy and is not.

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpResponse, get};
use bedside_protocol::duty::Lane;
use bedside_store::{DatabaseError, DrillStanding, FindingPart, OnCallStanding, Store, StoreError};
use chrono::Duration;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::error::ApiError;

/// An escalation that could not be sent for so many seconds is a fault (invariant I1).
const UNSENT_MAX_S: i64 = 60;

/// A standby that completed no cycle for so many seconds is not at work.
const STANDBY_SILENT_MAX_S: i64 = 30;

/// A worker whose clock is at fault says so every minute; what it said longer ago counts no more, minutes.
const CLOCK_KNOWN_FOR_MIN: i64 = 3;

/// A drill whose mail was not accepted for so many hours, or that was not held, is a fault: whoever reads the mail server's log
/// may need some, and two drills are a day apart.
const DRILL_OVERDUE_MAX_H: i64 = 2;

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
    /// `database`, `migrations`, `worker`, `standby`, `duties`, `escalations`, `prompts`, `drill`, `subjects`, `on_call`,
    /// `audit` or `clock`.
    pub name: String,
    /// Whether it does its work.
    pub ok: bool,
    /// Seconds since the worker's last verified cycle, since the oldest escalation was due that reached nobody, or since a
    /// drill's mail was last accepted.
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
    say_live().await
}

async fn say_live() -> HttpResponse {
    HttpResponse::Ok().json(LiveView {
        status: "live".to_owned(),
    })
}

/// Database, worker and mail do their work, and somebody is on call.
#[utoipa::path(tag = "system", responses((status = 200, body = ReadyView), (status = 503, body = ReadyView)))]
#[get("/health/ready")]
pub async fn ready(app: Data<App>) -> HttpResponse {
    say_ready(app).await
}

/// HEAD, which some monitors ask with: the same answers without their bodies.
pub fn register_head(config: &mut ServiceConfig) {
    config
        .route("/health/live", web::head().to(say_live))
        .route("/health/ready", web::head().to(say_ready));
}

async fn say_ready(app: Data<App>) -> HttpResponse {
    let view = match look(&app.store).await {
        Ok(findings) => judge(&findings, Duration::seconds(app.protocol.watch.alive_within_s)),
        Err(StoreError::Database(fault @ DatabaseError::OtherSchema { .. })) => on_other_schema(&fault),
        Err(error) => {
            // Logged where it is turned into an answer.
            let error = ApiError::from(error);
            unanswered(if error == ApiError::Busy {
                "is busy"
            } else {
                "does not answer"
            })
        }
    };
    if view.status == "ready" {
        HttpResponse::Ok().json(view)
    } else {
        HttpResponse::ServiceUnavailable().json(view)
    }
}

/// Readiness while the database is of another version than this program.
pub(crate) fn on_other_schema(fault: &DatabaseError) -> ReadyView {
    ReadyView {
        status: "not_ready".to_owned(),
        parts: vec![
            PartView::new("database", true, None, "answers"),
            PartView::new("migrations", false, None, &fault.to_string()),
        ],
    }
}

/// Readiness when the database says nothing.
pub(crate) fn unanswered(detail: &str) -> ReadyView {
    ReadyView {
        status: "not_ready".to_owned(),
        parts: vec![PartView::new("database", false, None, detail)],
    }
}

/// What the store knows that readiness is judged by.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Findings {
    pub(crate) silent_for: Option<Duration>,
    unsent: Option<Duration>,
    unsent_prompt: Option<Duration>,
    unheard: Option<Duration>,
    pub(crate) failing_subjects: u64,
    on_call: OnCallStanding,
    silent_on_call: u64,
    unwatched: u64,
    audit_faults: u64,
    clock_faults: u64,
    standby_silent_for: Option<Duration>,
    pub(crate) drill: DrillStanding,
}

pub(crate) async fn look(store: &Store) -> Result<Findings, StoreError> {
    Ok(Findings {
        silent_for: store.watch_health().await?.silent_for,
        unsent: store.oldest_unsent(Lane::Escalation).await?,
        unsent_prompt: store.oldest_unsent(Lane::Session).await?,
        unheard: store.oldest_unheard_case().await?,
        failing_subjects: store.count_failing_subjects().await?,
        on_call: store.on_call_standing().await?,
        silent_on_call: store.count_silent_on_call().await?,
        unwatched: store.count_findings(FindingPart::Duties).await?,
        audit_faults: store.count_findings(FindingPart::Audit).await?,
        clock_faults: store
            .count_young_findings(FindingPart::Clock, Duration::minutes(CLOCK_KNOWN_FOR_MIN))
            .await?,
        standby_silent_for: store.standby_silent_for().await?,
        drill: store.drill_standing().await?,
    })
}

pub(crate) fn judge(findings: &Findings, alive_within: Duration) -> ReadyView {
    let Findings {
        silent_for,
        unsent,
        unheard,
        ..
    } = *findings;
    let alive = silent_for.is_some_and(|silent_for| silent_for < alive_within);
    let worker = match (alive, silent_for) {
        (true, _) => "is watching",
        (false, Some(_)) => "has been silent for too long; nobody is watching",
        (false, None) => {
            "no completed cycle is known, or its time is ahead of this clock; nobody is watching"
        }
    };
    let limit = Duration::seconds(UNSENT_MAX_S);
    let sent = unsent.is_none_or(|unsent| unsent <= limit);
    let heard = unheard.is_none_or(|unheard| unheard < limit);
    let escalations = match (sent, heard, unsent) {
        (false, ..) => "one could not be sent for too long; look at the mail server",
        (true, false, _) => "an open case was sent to nobody; look at the mail server and the addresses",
        (true, true, None) => "none waits",
        (true, true, Some(_)) => "one is being sent",
    };
    let escalations_age = if sent && !heard { unheard } else { unsent };
    let prompted = findings.unsent_prompt.is_none_or(|unsent| unsent <= limit);
    let prompts = if prompted {
        "leave in time"
    } else {
        "one for a running session could not be sent for too long; look at the mail server"
    };
    let DrillStanding {
        proven_ago,
        overdue_for,
    } = findings.drill;
    let drilled = overdue_for.is_none_or(|overdue| overdue <= Duration::hours(DRILL_OVERDUE_MAX_H));
    let drill = match (drilled, proven_ago) {
        (false, _) => {
            "no mail of the daily drill was accepted; alarms may reach nobody; look at the messages and the mail server"
        }
        (true, None) => "none was held",
        (true, Some(_)) => "its mails are accepted",
    };
    let subjects_work = findings.failing_subjects == 0;
    let subjects = if subjects_work {
        "all can be worked on"
    } else {
        "one or more cannot be worked on again and again; look at the worker's log"
    };
    let OnCallStanding {
        reach_nobody,
        unreadable_rosters,
    } = findings.on_call;
    let reached = (reach_nobody, unreadable_rosters, findings.silent_on_call) == (0, 0, 0);
    let on_call = if reach_nobody > 0 {
        "a clinic with a session lacks an active nurse, backup or fallback; set its on-call list"
    } else if unreadable_rosters > 0 {
        "a clinic's roster cannot be read and its on-call list stands alone; set the roster anew"
    } else if findings.silent_on_call > 0 {
        "somebody on call did not answer a test message; call them, or put somebody else on call"
    } else {
        "every clinic with a session has nurse, backup and fallback"
    };
    // It begins before the workers count as dead; the heartbeat of one that is back is younger than its last cycle.
    let stands_in = findings.standby_silent_for.is_some_and(|stood_in| {
        stood_in < Duration::seconds(STANDBY_SILENT_MAX_S)
            && silent_for.is_none_or(|silent_for| silent_for > stood_in)
    });
    let standby = if stands_in {
        "no worker: the API sends escalations itself, and no reminders; start a worker"
    } else {
        "is not at work"
    };
    let complete = findings.unwatched == 0;
    let duties = if complete {
        "everything that is owed will be looked at"
    } else {
        "something would have been forgotten; look at the worker's log and through the open cases"
    };
    let clock_agrees = findings.clock_faults == 0;
    let clock = if clock_agrees {
        "no fault is known"
    } else {
        "a worker's clock jumped or is behind; reminders wait, escalations do not; look at NTP"
    };
    let audit_holds = findings.audit_faults == 0;
    let audit = if audit_holds {
        "no fault is known"
    } else {
        "the audit trail did not verify; run `bedside audit verify`"
    };
    let parts = vec![
        PartView::new("database", true, None, "answers"),
        // A store answers on the schema of this program only.
        PartView::new("migrations", true, None, "are those of this program"),
        PartView::new("worker", alive, silent_for, worker),
        PartView::new("standby", !stands_in, None, standby),
        PartView::new("duties", complete, None, duties),
        PartView::new("escalations", sent && heard, escalations_age, escalations),
        PartView::new("prompts", prompted, findings.unsent_prompt, prompts),
        PartView::new("drill", drilled, proven_ago, drill),
        PartView::new("subjects", subjects_work, None, subjects),
        PartView::new("on_call", reached, None, on_call),
        PartView::new("audit", audit_holds, None, audit),
        PartView::new("clock", clock_agrees, None, clock),
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
    fn readiness_is_red_when_nobody_watches_or_nobody_would_hear() {
        let seconds = |seconds: i64| Some(Duration::seconds(seconds));
        let alive = Duration::seconds(120);
        let well = Findings {
            silent_for: seconds(5),
            ..Findings::default()
        };
        let with = |change: fn(&mut Findings)| {
            let mut findings = well;
            change(&mut findings);
            findings
        };
        let cases: [(Findings, &[&str]); 21] = [
            (well, &[]),
            (with(|it| it.unsent = Some(Duration::seconds(60))), &[]),
            (with(|it| it.unheard = Some(Duration::seconds(59))), &[]),
            (
                with(|it| it.silent_for = Some(Duration::seconds(120))),
                &["worker"],
            ),
            (with(|it| it.silent_for = None), &["worker"]),
            (
                with(|it| it.unsent = Some(Duration::seconds(61))),
                &["escalations"],
            ),
            (
                with(|it| it.unheard = Some(Duration::seconds(60))),
                &["escalations"],
            ),
            (
                with(|it| it.unsent_prompt = Some(Duration::seconds(61))),
                &["prompts"],
            ),
            (
                with(|it| it.drill.overdue_for = Some(Duration::minutes(120))),
                &[],
            ),
            (
                with(|it| it.drill.overdue_for = Some(Duration::minutes(121))),
                &["drill"],
            ),
            (with(|it| it.failing_subjects = 1), &["subjects"]),
            (with(|it| it.on_call.reach_nobody = 1), &["on_call"]),
            (with(|it| it.on_call.unreadable_rosters = 1), &["on_call"]),
            (with(|it| it.silent_on_call = 1), &["on_call"]),
            (with(|it| it.unwatched = 1), &["duties"]),
            (with(|it| it.audit_faults = 1), &["audit"]),
            (with(|it| it.clock_faults = 1), &["clock"]),
            (
                with(|it| {
                    it.silent_for = None;
                    it.standby_silent_for = Some(Duration::seconds(1));
                }),
                &["worker", "standby"],
            ),
            (
                with(|it| it.standby_silent_for = Some(Duration::seconds(1))),
                &["standby"],
            ),
            (with(|it| it.standby_silent_for = Some(Duration::seconds(6))), &[]),
            (
                with(|it| (it.failing_subjects, it.on_call.reach_nobody) = (2, 2)),
                &["subjects", "on_call"],
            ),
        ];
        for (findings, red) in cases {
            let view = judge(&findings, alive);
            assert_eq!(view.status, if red.is_empty() { "ready" } else { "not_ready" });
            let not_ok = view.parts.iter().filter(|part| !part.ok);
            assert_eq!(not_ok.map(|part| part.name.as_str()).collect::<Vec<_>>(), red);
        }
    }
}
