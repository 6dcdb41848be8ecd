//! Tells the audience what the program itself decides, from the session's time line: a state that changes, a check that
//! is missed, a case that is opened.

use std::sync::Arc;
use std::time::Duration;

use bedside_protocol::id::SessionId;
use bedside_store::{Scope, Store, TimelineEntry, TimelineEvent};
use serde_json::Value;
use tokio::sync::Mutex;

use super::stage::Stage;

/// How often the time line is looked at when nobody asks for it.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The first session's facts, each told once. Cheap to clone.
#[derive(Clone)]
pub struct Facts {
    store: Store,
    stage: Stage,
    told: Arc<Mutex<Told>>,
}

#[derive(Default)]
struct Told {
    session: Option<SessionId>,
    count: usize,
}

impl Facts {
    /// Nothing is told yet.
    pub fn new(store: Store, stage: Stage) -> Self {
        Self {
            store,
            stage,
            told: Arc::default(),
        }
    }

    /// Tells what is new. The players ask for it after their own line and the mails before theirs, so that a decision
    /// stands between its cause and what follows from it.
    pub async fn tell_new(&self) {
        let mut told = self.told.lock().await;
        if told.session.is_none() {
            told.session = first_session(&self.store).await;
        }
        let Some(session) = told.session else { return };
        // A database that is busy is asked again in a moment.
        let Ok(Some(entries)) = self.store.timeline(Scope::system(), session).await else {
            return;
        };
        let facts: Vec<&TimelineEntry> = entries
            .iter()
            .filter(|entry| matches!(entry.event, TimelineEvent::Fact { .. }))
            .collect();
        for entry in facts.iter().skip(told.count) {
            if let TimelineEvent::Fact { action, detail, .. } = &entry.event
                && let Some(words) = words(action, detail)
            {
                self.stage.tell_at(entry.at, "  bedside", &words);
            }
        }
        told.count = facts.len();
    }

    /// Tells what is new for as long as the demo runs.
    pub async fn watch(self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            self.tell_new().await;
        }
    }
}

async fn first_session(store: &Store) -> Option<SessionId> {
    let patient = store.list_patients(Scope::system()).await.ok()?.first()?.id;
    Some(
        store
            .list_sessions(Scope::system(), patient)
            .await
            .ok()?
            .first()?
            .id,
    )
}

fn words(action: &str, detail: &Value) -> Option<String> {
    let text = |name: &str| detail[name].as_str().unwrap_or_default().to_owned();
    Some(match action {
        "session.state" => format!("the session is now {}", text("to").replace('_', " ")),
        "duty.missed" => {
            let rule = detail["owed"]["rule"].as_str().unwrap_or("a duty");
            format!("no answer to check {rule} in time: missed, and it stays so")
        }
        "case.opened" => format!("opens case {}, {}", text("code"), text("level")),
        "case.acknowledgement_ran_out" => {
            "nothing was heard after the case was taken: the ladder goes on".to_owned()
        }
        _ => return None,
    })
}
