//! The pages: what a sitter, a nurse on call or somebody with an old mail sees in any browser, without scripts.
//!
//! GET and HEAD show and never change anything, not even "last seen"; only the POST of a button acts, and answers 303
//! back to a GET. What a page shows is a pure function of the record and the present moment (`*_view`); handlers open
//! the link, let one rule decide, and show what came of it. Every page shows the emergency numbers.

mod account;
mod case;
mod case_calls;
mod case_forms;
mod case_handing;
mod case_signals;
mod case_view;
mod cookie;
mod dead;
mod exchange;
mod form;
mod frame;
mod mails;
mod reached;
mod sitter;
mod sitter_answer;
mod sitter_preparing;
mod sitter_running;
mod sitter_view;
mod staff;

#[cfg(test)]
mod case_tests;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod sitter_tests;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{Handler, HttpRequest, HttpResponse, Resource, Responder};
use askama::Template;

use self::dead::DeadPage;
use self::exchange::{Answer, html};
use self::frame::Frame;
use crate::app::App;
use crate::error::ApiError;

/// The one style sheet.
const STYLE: &str = include_str!("bedside.css");

/// The start page: it only shows the way.
#[derive(Debug, Template)]
#[template(path = "index.html")]
struct IndexPage {
    frame: Frame,
    mails: bool,
}

/// Adds the pages' routes.
pub fn register(config: &mut ServiceConfig) {
    config
        .service(shown("/", index))
        .service(shown("/assets/bedside.css", style))
        .service(shown("/mails", mails::list))
        .service(shown("/mails/{name}", mails::show));
    config
        .service(shown("/s/{token}", sitter::show))
        .service(acted("/s/{token}/accept", sitter::accept))
        .service(acted("/s/{token}/decline", sitter::decline))
        .service(acted("/s/{token}/training", sitter::train))
        .service(acted("/s/{token}/present", sitter::present))
        .service(acted("/s/{token}/checklist/{item}", sitter::answer_item))
        .service(acted("/s/{token}/vitals", sitter::measure))
        .service(acted("/s/{token}/check-ins/{duty}", sitter::check_in))
        .service(acted("/s/{token}/dose", sitter::log_dose))
        .service(acted("/s/{token}/help", sitter::help))
        .service(acted("/s/{token}/leave", sitter::leave))
        .service(acted("/s/{token}/release", sitter::release));
    config
        .service(shown("/c/{token}", case::show))
        .service(acted("/c/{token}/acknowledge", case::acknowledge))
        .service(acted("/c/{token}/contacted", case_forms::contacted))
        .service(acted("/c/{token}/call", case_calls::log))
        .service(acted("/c/{token}/resolve", case_forms::resolve))
        .service(acted("/c/{token}/give-back", case_forms::give_back))
        .service(acted("/c/{token}/hand-over", case_handing::offer))
        .service(acted("/c/{token}/withdraw", case_handing::withdraw))
        .service(acted("/c/{token}/accept", case_handing::accept))
        .service(acted("/c/{token}/decline", case_handing::decline))
        .service(acted("/c/{token}/help", dead::help_behind));
    config
        .service(shown("/cases", staff::worklist))
        .service(shown("/cases/{id}", case::show_logged_in))
        .service(acted("/cases/{id}/acknowledge", case::acknowledge_logged_in))
        .service(acted("/cases/{id}/contacted", case_forms::contacted_logged_in))
        .service(acted("/cases/{id}/call", case_calls::log_logged_in))
        .service(acted("/cases/{id}/resolve", case_forms::resolve_logged_in))
        .service(acted("/cases/{id}/give-back", case_forms::give_back_logged_in))
        .service(acted("/cases/{id}/hand-over", case_handing::offer_logged_in))
        .service(acted("/cases/{id}/withdraw", case_handing::withdraw_logged_in))
        .service(acted("/cases/{id}/accept", case_handing::accept_logged_in))
        .service(acted("/cases/{id}/decline", case_handing::decline_logged_in));
    config
        .service(shown("/login", staff::show_login).route(web::post().to(staff::log_in)))
        .service(acted("/login/help", staff::help))
        .service(acted("/logout", staff::log_out))
        .service(shown("/account/{token}", account::show).route(web::post().to(account::set)))
        .service(acted("/account/{token}/help", dead::help_behind));
    config
        .service(shown("/t/{token}", reached::show).route(web::post().to(reached::say)))
        .service(acted("/t/{token}/help", dead::help_behind));
}

/// What GET and HEAD show.
fn shown<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args> + Clone,
    Args: actix_web::FromRequest + 'static,
    F::Output: Responder + 'static,
{
    web::resource(path)
        .route(web::get().to(handler.clone()))
        .route(web::head().to(handler))
}

/// What a form's button does. A GET of its address, as after a reload of a refused form, goes back to the page.
fn acted<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: actix_web::FromRequest + 'static,
    F::Output: Responder + 'static,
{
    web::resource(path)
        .route(web::post().to(handler))
        .route(web::get().to(to_the_page))
}

async fn to_the_page(request: HttpRequest) -> HttpResponse {
    let mut parts = request.path().splitn(4, '/').skip(1);
    let (kind, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    match kind {
        "login" | "logout" => exchange::see_other("/login"),
        _ => exchange::see_other(&format!("/{kind}/{name}")),
    }
}

async fn index(app: Data<App>, request: HttpRequest) -> Answer {
    let page = IndexPage {
        frame: Frame::of("Bedside", &app.protocol),
        mails: mails::listed(&app, &request).is_some(),
    };
    Ok(html(StatusCode::OK, &page))
}

async fn style() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/css; charset=utf-8"))
        .insert_header((CACHE_CONTROL, "public, max-age=3600"))
        .body(STYLE)
}

/// An error in words a person reads, with the emergency numbers.
pub fn error_page(error: &ApiError) -> HttpResponse {
    let heading = match error {
        ApiError::NotFound => "There is no such page.",
        ApiError::Busy => "We are very busy.",
        ApiError::Unavailable => "We cannot write this down just now.",
        ApiError::BeingUpgraded => "The program is being upgraded.",
        ApiError::Internal => "Something went wrong on our side.",
        _ => "That could not be done.",
    };
    let page = DeadPage {
        frame: Frame::bare("Problem"),
        heading,
        text: error.detail(),
        told: None,
        help: None,
    };
    html(error.status(), &page)
}

/// Leaves a page in the folder that `BEDSIDE_PAGES` names, for a look at it in a browser.
#[cfg(test)]
fn keep_for_a_look(name: &str, page: &str) {
    if let Some(folder) = std::env::var_os("BEDSIDE_PAGES") {
        std::fs::write(std::path::Path::new(&folder).join(format!("{name}.html")), page).unwrap();
    }
}
