//! The calls about a case on its page: which there were, and the form for the next.

use actix_web::HttpRequest;
use actix_web::web::{self, Data};
use bedside_protocol::call::{Call, Called, NewCall};
use bedside_protocol::id::CaseId;
use bedside_protocol::refusal::{Fault, Faults};

use super::case_forms::{Press, press_by_link, press_logged_in};
use super::case_view::About;
use super::exchange::{Answer, Sent};
use super::form::{Choices, Entered, Fields};
use super::frame::WallClock;
use crate::app::App;

/// Calls that were made, and the form for the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calls {
    /// Time and words of each, oldest first.
    pub made: Vec<(String, String)>,
    /// Who was rung.
    pub whom: Choices,
    /// Whether they were reached.
    pub reached: Choices,
    /// The words as they were typed.
    pub note: String,
    /// What is wrong with them.
    pub note_fault: Option<String>,
    /// Whether a refused form came back.
    pub open: bool,
}

/// The calls about a case.
pub fn of_case(about: About<'_>, case: CaseId, clock: WallClock, entered: &Entered) -> Calls {
    let back = entered.of("call");
    let whom = Called::ALL.map(|whom| (whom.name().to_owned(), words(whom).to_owned()));
    let made = about.calls().iter().filter(|call| call.case == Some(case));
    Calls {
        made: made
            .map(|call| (clock.at_24h(call.at), call_text(call)))
            .collect(),
        whom: Choices::new("call-whom", "whom", "Whom did you ring?", whom.to_vec(), back),
        reached: Choices::yes_no("call-reached", "reached", "Did they answer?", back),
        note: back.map(|back| back.value("note")).unwrap_or_default(),
        note_fault: back.and_then(|back| back.fault("note")),
        open: back.is_some(),
    }
}

fn words(whom: Called) -> &'static str {
    match whom {
        Called::Patient => "The patient",
        Called::Sitter => "The sitter",
        Called::EmergencyContact => "The second contact",
        Called::EmergencyServices => "Emergency services",
        Called::Other => "Somebody else",
    }
}

fn call_text(call: &Call) -> String {
    let how = if call.reached { "reached" } else { "not reached" };
    let note = call.note.as_ref();
    let note = note.map_or_else(String::new, |note| format!(": \u{201c}{note}\u{201d}"));
    format!(
        "{} rang: {}, {how}{note}",
        call.by_name,
        words(call.whom).to_lowercase()
    )
}

/// The call of a form, or everything wrong with it.
pub fn entered(fields: &Fields, by_name: String) -> Result<NewCall, Faults> {
    let mut faults = Faults::default();
    let chosen = fields.text("whom");
    let whom = Called::ALL.into_iter().find(|whom| Some(whom.name()) == chosen);
    let reached = fields.yes_no("reached");
    if whom.is_none() {
        faults.push(Fault::new("whom", "choose whom you rang"));
    }
    if reached.is_none() {
        faults.push(Fault::new("reached", "is missing"));
    }
    let note = fields.text("note").map(|note| {
        let plain = note
            .chars()
            .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'));
        plain.collect::<String>()
    });
    match (whom, reached) {
        (Some(whom), Some(reached)) => Ok(NewCall {
            by_name,
            whom,
            reached,
            note,
            at: None,
            case: None,
            session: None,
        }),
        _ => Err(faults),
    }
}

/// `POST /c/{token}/call`
pub async fn log(app: Data<App>, token: web::Path<String>, request: HttpRequest, sent: Sent) -> Answer {
    press_by_link(app, &token, &request, sent, Press::Call).await
}

/// `POST /cases/{id}/call`
pub async fn log_logged_in(
    app: Data<App>,
    id: web::Path<String>,
    request: HttpRequest,
    sent: Sent,
) -> Answer {
    press_logged_in(app, &id, &request, sent, Press::Call).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_says_whom_and_whether_they_answered_and_every_lack_is_named_at_once() {
        let faults = entered(&Fields::of(&[("whom", "the queen")]), "Nora".into()).unwrap_err();
        let named: Vec<_> = faults.0.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(named, ["whom", "reached"]);
        let fields = [("whom", "sitter"), ("reached", "no"), ("note", "rang\u{0} twice")];
        let call = entered(&Fields::of(&fields), "Nora".into()).unwrap();
        assert_eq!((call.whom, call.reached), (Called::Sitter, false));
        assert_eq!(call.note.as_deref(), Some("rang twice"));
    }
}
