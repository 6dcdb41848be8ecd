//! A session's time line as lines of text: time, who, what, and what was sent to whom. Ids, no names, and
//! not what people wrote in their own words: a note may name anybody.

use bedside_protocol::time::Zone;
use bedside_store::{TimelineEntry, TimelineEvent};
use serde_json::{Value, json};

/// Longest value of a detail that is shown, characters.
const VALUE_MAX_CHARS: usize = 60;

/// The name under which a fact holds what somebody wrote.
const NOTE: &str = "note";

/// One line. `who` says how a kind and an id are called.
pub fn line(entry: &TimelineEntry, zone: Zone, who: &dyn Fn(&str, &str) -> String) -> String {
    let at = format!(
        "{} {}",
        zone.date_of(entry.at).format("%m-%d"),
        zone.time_of(entry.at).format("%H:%M:%S")
    );
    match &entry.event {
        TimelineEvent::Fact {
            action,
            actor,
            detail,
        } => {
            let (kind, id) = actor.split_once(':').unwrap_or((actor, ""));
            format!("{at}  {:<13} {action:<27} {}", who(kind, id), details(detail))
                .trim_end()
                .to_owned()
        }
        TimelineEvent::Message {
            about,
            recipient_kind,
            recipient_id,
            state,
            attempts,
            why,
            ..
        } => {
            let why = why.as_deref().map_or_else(String::new, |why| format!(" ({why})"));
            let tries = if *attempts > 1 {
                format!(", {attempts} tries")
            } else {
                String::new()
            };
            let to = who(recipient_kind, recipient_id);
            format!(
                "{at}  {:<13} mail about {about:<16} to {to}: {state}{why}{tries}",
                ""
            )
        }
    }
}

/// `item=phones actor=sitter`: the plain values of a fact; ids are left out, a reader follows them in the JSON form.
fn details(detail: &Value) -> String {
    let Value::Object(values) = without_notes(detail) else {
        return String::new();
    };
    let shown = values
        .iter()
        .filter_map(|(name, value)| plain(value).map(|value| format!("{name}={value}")));
    shown.collect::<Vec<_>>().join(" ")
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::String(text) if is_id(text) => None,
        Value::String(text) => Some(text.chars().take(VALUE_MAX_CHARS).collect()),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().filter_map(plain).collect();
            (!items.is_empty()).then(|| items.join(","))
        }
        Value::Object(values) => {
            let items: Vec<String> = values.values().filter_map(plain).collect();
            (!items.is_empty()).then(|| items.join("/"))
        }
        Value::Null => None,
    }
}

/// The detail with its notes, wherever they stand, only measured.
fn without_notes(detail: &Value) -> Value {
    match detail {
        Value::Object(values) => {
            let kept = values.iter().map(|(name, value)| {
                let value = match value {
                    Value::String(note) if name == NOTE => {
                        Value::String(format!("({} characters)", note.chars().count()))
                    }
                    value => without_notes(value),
                };
                (name.clone(), value)
            });
            Value::Object(kept.collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_notes).collect()),
        plain => plain.clone(),
    }
}

fn is_id(text: &str) -> bool {
    uuid::Uuid::try_parse(text).is_ok()
}

/// The same as a JSON value, with everything but the words of notes.
pub fn as_json(entry: &TimelineEntry) -> Value {
    match &entry.event {
        TimelineEvent::Fact {
            action,
            actor,
            detail,
        } => {
            json!({"at": entry.at, "fact": action, "actor": actor, "detail": without_notes(detail)})
        }
        TimelineEvent::Message {
            id,
            lane,
            about,
            about_id,
            recipient_kind,
            recipient_id,
            state,
            finished_at,
            attempts,
            why,
        } => json!({
            "at": entry.at, "message": id, "lane": lane, "about": about, "about_id": about_id,
            "recipient": format!("{recipient_kind}:{recipient_id}"), "state": state, "finished_at": finished_at,
            "attempts": attempts, "why": why,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_when_who_and_what_and_leaves_ids_out() {
        let id = "01938f4e-5f7a-7000-8000-000000000001";
        let fact = TimelineEntry {
            at: "2026-11-25T15:00:12Z".parse().unwrap(),
            event: TimelineEvent::Fact {
                action: "checklist.answered".into(),
                actor: format!("patient:{id}"),
                detail: json!({"item": "phones", "answer": {"type": "yes_no", "value": true}, "answer_id": id}),
            },
        };
        let zone = Zone::named("America/New_York").unwrap();
        let text = line(&fact, zone, &|kind, _| kind.to_owned());
        assert_eq!(
            text,
            "11-25 10:00:12  patient       checklist.answered          answer=yes_no/true item=phones"
        );
        assert_eq!(as_json(&fact)["actor"], format!("patient:{id}"));
    }

    #[test]
    fn the_words_of_a_note_are_left_out_of_text_and_json() {
        let fact = TimelineEntry {
            at: "2026-11-25T15:00:12Z".parse().unwrap(),
            event: TimelineEvent::Fact {
                action: "case.resolved".into(),
                actor: "staff:x".into(),
                detail: json!({
                    "outcome": "well", "note": "Zoë slept", "signals": [{"note": "Zoë fell"}], "empty": {"note": null},
                }),
            },
        };
        let text = line(&fact, Zone::UTC, &|kind, _| kind.to_owned());
        assert!(text.contains("note=(9 characters)"), "{text}");
        let json = as_json(&fact);
        assert_eq!(json["detail"]["note"], "(9 characters)");
        assert_eq!(json["detail"]["signals"][0]["note"], "(8 characters)");
        assert_eq!(json["detail"]["empty"]["note"], Value::Null);
        assert_eq!(json["detail"]["outcome"], "well");
        assert!(!text.contains("Zoë") && !json.to_string().contains("Zoë"));
    }
}
