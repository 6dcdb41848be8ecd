//! What a play has sent, as lines such as `T+34 nurse P1 opened`.

use bedside_protocol::gate;
use bedside_protocol::notice::{CaseStep, Message, Notice, Who};
use bedside_protocol::session::SessionState;

use crate::play::Play;
use crate::support::{STAFF, on};

impl Play {
    pub fn state(&self) -> &'static str {
        self.record.session.state.name()
    }

    pub fn is_running(&self) -> bool {
        self.record.session.state.is_running()
    }

    /// Mails sent since the mark, as `T+34 nurse P1 opened`.
    pub fn lines_since(&self, mark: usize) -> Vec<String> {
        self.sent[mark..].iter().map(|notice| self.line(notice)).collect()
    }

    /// Mails about cases since the mark.
    pub fn case_lines_since(&self, mark: usize) -> Vec<String> {
        let staff = self.sent[mark..]
            .iter()
            .filter(|notice| matches!(notice.to.who, Who::Staff(_)));
        staff.map(|notice| self.line(notice)).collect()
    }

    pub fn mark(&self) -> usize {
        self.sent.len()
    }

    fn line(&self, notice: &Notice) -> String {
        let after_min = (notice.not_before - self.record.session.t0()).num_minutes();
        format!("T{after_min:+} {} {}", who(notice), what(notice))
    }

    pub fn reason_codes(&self) -> Vec<String> {
        gate::reasons(&self.record, self.now)
            .into_iter()
            .map(|reason| match reason.item {
                Some(item) => format!("{} {item}", reason.code.name()),
                None => reason.code.name().to_owned(),
            })
            .collect()
    }

    pub fn enter(&mut self, state: SessionState) {
        self.record.session.state = state;
    }
}

fn who(notice: &Notice) -> &'static str {
    match notice.to.who {
        Who::Patient(_) => "patient",
        Who::Sitter(_) => "sitter",
        Who::Staff(id) => STAFF.iter().find(|(place, _)| on(*place) == id).unwrap().1,
    }
}

fn what(notice: &Notice) -> String {
    match &notice.message {
        Message::PatientTask { overdue: true, .. } | Message::SitterTask { overdue: true, .. } => {
            "overdue".into()
        }
        Message::PatientTask { .. } | Message::SitterTask { .. } => "task".into(),
        Message::SitterInvitation { .. } => "invitation".into(),
        Message::SitterChanged { .. } => "sitter changed".into(),
        Message::CaseNeedsYou { level, step, .. } => format!(
            "{} {}",
            level.name(),
            match step {
                CaseStep::Opened => "opened",
                CaseStep::NobodyTookIt => "nobody took it",
                CaseStep::NewSignal => "new signal",
                CaseStep::AcknowledgementRanOut => "ran out",
                CaseStep::GivenBack => "given back",
            }
        ),
        Message::CaseTaken { .. } => "taken".into(),
        Message::CaseClosed { .. } => "closed".into(),
        Message::HandOverOffered { level, .. } => format!("{} offered", level.name()),
        Message::HandOverEnded { end, yours, .. } => {
            format!("hand-over {}{}", end.name(), if *yours { ", yours" } else { "" })
        }
        Message::NobodyOnCall { .. } => "nobody on call".into(),
        Message::WatchIncomplete { .. } => "watch incomplete".into(),
        Message::Drill { .. } => "drill".into(),
        Message::ContactUnreachable { .. } => "contact unreachable".into(),
        Message::AddressRefused { .. } => "address refused".into(),
        Message::ForInformation { .. } => "for information".into(),
        Message::OnCallTest { .. } => "on-call test".into(),
        Message::OnCallSilent { .. } => "on call silent".into(),
        Message::RosterGaps { .. } => "roster gaps".into(),
        Message::SessionUnstaffed { .. } => "session unstaffed".into(),
        Message::RosterUnreadable { .. } => "roster unreadable".into(),
        Message::Bundle { .. } => "bundle".into(),
        Message::AccountLink { .. } | Message::Test { .. } => "other".into(),
    }
}
