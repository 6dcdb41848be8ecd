//! The care team's way in without a link: log-in, the worklist, log-out; and help for whoever stands before the log-in.

use std::cmp::Reverse;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use askama::Template;
use bedside_protocol::case::{CaseState, Taken};
use bedside_protocol::id::CaseId;
use bedside_protocol::people::Caller;
use bedside_protocol::time::{Instant, Zone};
use bedside_store::{AccountKind, CaseBoard, OpenCase, Unreadable};

use super::case::{logged_in, with_cookie};
use super::cookie::{self, Proof};
use super::dead::told_in;
use super::exchange::{Answer, Sent, from_our_page, html, see_other};
use super::form::Fields;
use super::frame::{Frame, WallClock, count};
use crate::accounts;
use crate::app::App;
use crate::auth::scope;
use crate::error::{ApiError, PageError};
use crate::extract::{ClientKey, RequestId};
use crate::handlers::help::ask;
use crate::reporting::HelpCall;

/// The log-in page.
#[derive(Debug, Template)]
#[template(path = "login.html")]
struct LoginPage {
    frame: Frame,
    told: Option<&'static str>,
    fault: Option<&'static str>,
    clinic: String,
    email: String,
}

/// The worklist. No names of patients until a case is opened.
#[derive(Debug, Template)]
#[template(path = "worklist.html")]
struct WorklistPage {
    frame: Frame,
    now: String,
    heading: String,
    rows: Vec<Row>,
    /// Codes of the cases that cannot be read.
    unreadable: Vec<String>,
}

#[derive(Debug)]
struct Row {
    id: CaseId,
    level: &'static str,
    code: String,
    age: String,
    state: String,
}

fn login_page(
    app: &App,
    status: StatusCode,
    told: Option<&'static str>,
    back: Option<(&Fields, &'static str)>,
) -> actix_web::HttpResponse {
    let kept = |name: &str| {
        back.and_then(|(fields, _)| fields.text(name))
            .unwrap_or_default()
            .to_owned()
    };
    let page = LoginPage {
        frame: Frame::of("Log in", &app.protocol),
        told,
        fault: back.map(|(_, fault)| fault),
        clinic: kept("clinic"),
        email: kept("email"),
    };
    html(status, &page)
}

/// `GET /login`
pub async fn show_login(app: Data<App>, request: HttpRequest) -> Answer {
    Ok(login_page(
        &app,
        StatusCode::OK,
        told_in(request.query_string()),
        None,
    ))
}

/// `POST /login`
pub async fn log_in(app: Data<App>, request: HttpRequest, client: ClientKey, sent: Sent) -> Answer {
    from_our_page(&request, &app.settings.public_base_url)?;
    let fields = sent.fields()?;
    let text = |name: &str| fields.text(name).unwrap_or_default();
    // A password may begin or end with a space.
    let password = fields.raw("password").unwrap_or_default().to_owned();
    let found = accounts::check_password(&app, text("clinic"), text("email"), password, &client).await;
    let account = match found {
        Ok(account) if account.kind == AccountKind::Staff => account,
        Ok(_) | Err(ApiError::LogInFailed) => {
            let fault = "Clinic, address and password do not belong together, or the log-in is blocked for some \
                         minutes after too many tries.";
            return Ok(login_page(
                &app,
                StatusCode::UNAUTHORIZED,
                None,
                Some((&fields, fault)),
            ));
        }
        Err(ApiError::TooManyRequests { .. }) => {
            let fault = "Too many tries from here. Please wait a minute.";
            return Ok(login_page(
                &app,
                StatusCode::TOO_MANY_REQUESTS,
                None,
                Some((&fields, fault)),
            ));
        }
        Err(error) => return Err(PageError(error)),
    };
    let proof = Proof::Staff {
        clinic: account.clinic,
        person: account.id,
    };
    Ok(with_cookie(
        see_other("/cases"),
        &cookie::bake(&app, cookie::STAFF, "/", proof),
    ))
}

/// `POST /logout`
pub async fn log_out(app: Data<App>, request: HttpRequest) -> Answer {
    from_our_page(&request, &app.settings.public_base_url)?;
    Ok(with_cookie(
        see_other("/login"),
        &cookie::gone(&app, cookie::STAFF, "/"),
    ))
}

/// `POST /login/help`: the answer is the same whether or not the address is known.
pub async fn help(app: Data<App>, request: HttpRequest, client: ClientKey, sent: Sent) -> Answer {
    let fields = sent.whatever_came();
    let call = HelpCall::new(None, fields.text("note"));
    let request = RequestId::of(&request);
    match ask(
        &app,
        fields.text("clinic"),
        fields.text("email"),
        call,
        &client,
        request.as_deref(),
    )
    .await
    {
        Ok(_) => Ok(see_other("/login?done=told")),
        Err(ApiError::TooManyRequests { .. }) => Ok(see_other("/login?done=wait")),
        Err(error) => Err(PageError(error)),
    }
}

/// `GET /cases`
pub async fn worklist(app: Data<App>, request: HttpRequest) -> Answer {
    let Some(reader) = logged_in(&app, &request).await? else {
        return Ok(see_other("/login"));
    };
    let caller = Caller::Staff {
        person: reader.id,
        roles: reader.roles.clone(),
    };
    let scope = scope(reader.clinic, caller, RequestId::of(&request).as_deref());
    let zone = app
        .store
        .find_clinic(reader.clinic)
        .await?
        .map_or(Zone::UTC, |clinic| clinic.zone);
    let board = app.store.list_open_cases(scope).await?;
    let page = worklist_page(&app, board, zone, app.store.clocks().clinical_now());
    Ok(html(StatusCode::OK, &page))
}

fn worklist_page(app: &App, board: CaseBoard, zone: Zone, now: Instant) -> WorklistPage {
    let clock = WallClock { zone, now };
    let rows = rows(board.cases, clock);
    let unreadable = board.unreadable.len();
    let code_or_id = |row: Unreadable| row.code.unwrap_or(row.id);
    WorklistPage {
        frame: Frame::of("Cases", &app.protocol),
        now: clock.at_24h(now),
        unreadable: board.unreadable.into_iter().map(code_or_id).collect(),
        heading: match rows.len() {
            0 if unreadable > 0 => "Not every open case can be shown.".to_owned(),
            0 => "No open case.".to_owned(),
            some => format!(
                "{}, the most urgent first",
                count(i64::try_from(some).unwrap_or(i64::MAX), "open case")
            ),
        },
        rows,
    }
}

/// Nobody's cases before those somebody has, the most urgent first, the oldest first.
fn rows(mut cases: Vec<OpenCase>, clock: WallClock) -> Vec<Row> {
    cases.sort_by_key(|open| {
        (
            Reverse(open.case.level),
            open.case.state.taken().is_some(),
            open.case.opened_at,
        )
    });
    cases
        .into_iter()
        .map(|open| Row {
            id: open.case.id,
            level: open.case.level.name(),
            age: clock.span(open.case.opened_at),
            state: match &open.case.state {
                CaseState::Open => "Nobody has it".to_owned(),
                CaseState::Acknowledged { taken } => {
                    format!(
                        "{} has it since {}, nobody reached yet{}",
                        taken.by_name,
                        clock.at_24h(taken.at),
                        offered(taken)
                    )
                }
                CaseState::Contacted { taken, at } => {
                    let (by, at) = (&taken.by_name, clock.at_24h(*at));
                    format!("{by} has it, reached at {at}{}", offered(taken))
                }
                CaseState::Resolved { .. } => "Closed".to_owned(),
            },
            code: open.case.code,
        })
        .collect()
}

fn offered(taken: &Taken) -> String {
    let offer = taken.open_offer();
    offer.map_or_else(String::new, |offer| format!("; offered to {}", offer.to_name))
}

#[cfg(test)]
mod tests {
    use bedside_protocol::case::{Case, Level};
    use bedside_protocol::watch::Subject;
    use uuid::Uuid;

    use super::super::fixtures::person;
    use super::*;

    #[test]
    fn the_worklist_begins_with_the_most_urgent_case_nobody_has() {
        let now: Instant = "2026-11-21T19:40:00Z".parse().unwrap();
        let clock = WallClock {
            zone: Zone::named("America/New_York").unwrap(),
            now,
        };
        let open = |number: u128, level, minutes, taken: bool| OpenCase {
            clinic: Uuid::from_u128(1).into(),
            patient: person(1),
            subject: Subject::Patient(person(1)),
            case: Case {
                id: Uuid::from_u128(number).into(),
                code: format!("C{number}"),
                level,
                state: if taken {
                    CaseState::Acknowledged {
                        taken: Taken {
                            by: person(11),
                            by_name: "Nora Quinn".into(),
                            at: now,
                            offer: None,
                        },
                    }
                } else {
                    CaseState::Open
                },
                round: 1,
                opened_at: now - chrono::Duration::minutes(minutes),
                in_session: false,
                signals: Vec::new(),
                told: Vec::new(),
                nobody_in_round: None,
            },
        };
        let cases = vec![
            open(1, Level::P3, 500, false),
            open(2, Level::P1, 9, true),
            open(3, Level::P1, 3, false),
            open(4, Level::P1, 5, false),
        ];
        let rows = rows(cases, clock);
        let codes: Vec<_> = rows.iter().map(|row| row.code.as_str()).collect();
        assert_eq!(codes, ["C4", "C3", "C2", "C1"]);
        assert_eq!(rows[0].state, "Nobody has it");
        let page = WorklistPage {
            frame: Frame::bare("Cases"),
            now: clock.at_24h(now),
            heading: "4 open cases, the most urgent first".into(),
            rows,
            unreadable: vec!["9QQX".into()],
        };
        assert!(
            page.render()
                .unwrap()
                .contains("<strong>9QQX</strong> cannot be read")
        );
        super::super::keep_for_a_look("worklist", &page.render().unwrap());
    }

    #[test]
    fn the_log_in_page_shows_the_numbers_and_takes_a_call_for_help() {
        let page = LoginPage {
            frame: Frame::bare("Log in"),
            told: None,
            fault: Some("No."),
            clinic: "demo".into(),
            email: "a\"b@x.org".into(),
        };
        let page = page.render().unwrap();
        for needed in [
            "tel:911",
            "tel:988",
            "action=\"/login/help\"",
            "value=\"a&#34;b@x.org\"",
        ] {
            assert!(page.contains(needed), "{needed}");
        }
        super::super::keep_for_a_look("login", &page);
    }
}
