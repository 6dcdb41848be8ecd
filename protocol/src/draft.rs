//! A draft: the copy of a session's record that a rule works on, and what it gives out besides.
//!
//! Every rule about a session starts with [`Draft::of`] and ends with [`Draft::decide`], which lets the session's state
//! follow from what changed ([`Draft::settle`]).

use serde_json::{Value, json};

use crate::case::{Cause, Level};
use crate::check_in::CheckInAnswer;
use crate::desk::{Desk, Out};
use crate::duty::{Duty, DutyKind, DutyState, Excuse, Lane, LateAnswer, NewDuty, OwedBy};
use crate::gate;
use crate::id::{DutyId, LinkId, SitterId};
use crate::notice::{About, Message, Notice, Recipient, Who};
use crate::people::{Caller, CommsStatus};
use crate::record::{Decision, Fact, NewLink, RuleContext, SessionRecord};
use crate::reminding::{is_overdue, reminder};
use crate::session::{Hold, SessionState};
use crate::sitter::SitterState;
use crate::time::{Instant, minutes};

/// The copy of a record a rule works on.
pub struct Draft<'a, 'c> {
    /// The copy.
    pub record: SessionRecord,
    /// Clock, caller, ids.
    pub context: &'a mut RuleContext<'c>,
    /// What is given out.
    pub out: Out,
}

impl<'a, 'c> Draft<'a, 'c> {
    /// A copy of `record` to work on.
    pub fn of(record: &SessionRecord, context: &'a mut RuleContext<'c>) -> Self {
        Self {
            record: record.clone(),
            context,
            out: Out::default(),
        }
    }

    /// The clinical clock.
    pub fn now(&self) -> Instant {
        self.context.now
    }

    /// Ends the work: the state settles and everything is handed over, but for reminders of what is over by now.
    pub fn decide(mut self) -> Decision<SessionRecord> {
        self.settle();
        let watch = &self.record.watch;
        self.out.notices.retain(|notice| match notice.about {
            About::Duty { duty } => watch.duty(duty).is_some_and(Duty::is_open),
            _ => true,
        });
        Decision {
            after: self.record,
            facts: self.out.facts,
            notices: self.out.notices,
            links: self.out.links,
        }
    }

    /// Records a fact.
    pub fn fact(&mut self, action: &'static str, detail: Value) {
        self.out.facts.push(Fact::new(action, detail));
    }

    /// The care team's desk over this session.
    pub fn desk(&mut self) -> Desk<'_, 'c> {
        Desk {
            in_session: self.record.session.state.is_running()
                // A dose may have been taken: minutes matter until somebody knows.
                || matches!(self.record.session.state, SessionState::Unverified { .. }),
            subject: self.record.subject(),
            watch: &mut self.record.watch,
            around: &self.record.around,
            context: self.context,
            out: &mut self.out,
        }
    }

    /// Tells the care team.
    pub fn signal(&mut self, level: Level, what: Cause) {
        self.desk().signal(level, what, None);
    }

    /// Moves the session to another state and records it.
    pub fn enter(&mut self, state: SessionState) {
        let from = self.record.session.state.name();
        if from != state.name() {
            self.fact("session.state", json!({"from": from, "to": state.name()}));
        }
        self.record.session.state = state;
    }

    /// Opens a duty.
    pub fn open(&mut self, new: NewDuty) -> DutyId {
        let id: DutyId = self.context.ids.fresh();
        let duty = Duty::opened(id, new);
        self.record.watch.duties.push(duty);
        id
    }

    /// Ends a duty.
    pub fn end(&mut self, id: DutyId, state: DutyState) {
        if let Some(duty) = self.record.watch.duties.iter_mut().find(|duty| duty.id == id) {
            duty.end(state);
        }
    }

    /// Ends every open duty that `which` picks, as no longer owed.
    pub fn excuse(&mut self, why: Excuse, which: impl Fn(&Duty) -> bool) {
        let at = self.now();
        for duty in self
            .record
            .watch
            .duties
            .iter_mut()
            .filter(|duty| duty.is_open() && which(duty))
        {
            duty.end(DutyState::Excused { why, at });
        }
    }

    /// Ends every open duty that `which` picks, as done now.
    pub fn meet(&mut self, which: impl Fn(&Duty) -> bool) {
        let now = self.now();
        for duty in self
            .record
            .watch
            .duties
            .iter_mut()
            .filter(|duty| duty.is_open() && which(duty))
        {
            duty.end(DutyState::Met {
                observed_at: now,
                received_at: now,
            });
        }
    }

    /// The late answer to a duty, if one stands in the record.
    pub fn late_answer(&self, duty: DutyId) -> Option<LateAnswer> {
        let answer: Option<&CheckInAnswer> = self.record.check_ins.iter().find(|answer| answer.duty == duty);
        answer.map(|answer| LateAnswer {
            observed_at: answer.observed_at,
            received_at: answer.received_at,
        })
    }

    /// Whether reminders of a duty make sense: the course is not paused, except for a running session, no hold of the course
    /// covers the session that is prepared for, and what the care team owes is asked of nobody at home.
    fn reminds_of(&self, duty: &Duty) -> bool {
        let session = &self.record.session;
        let falls_out = session.state.is_before_dose()
            && gate::is_held(&self.record, self.now())
            && gate::is_held(&self.record, session.planned.at);
        let muted = self.record.patient.comms != CommsStatus::Active || falls_out;
        duty.owed_by != OwedBy::OnCall && (!muted || self.record.session.state.is_running())
    }

    /// The time a reminder names: a heads-up speaks of the session, everything else of itself.
    fn shown_due_at(&self, duty: &Duty) -> Instant {
        match duty.kind {
            DutyKind::HeadsUp => self.record.session.planned.at,
            _ => duty.due_at,
        }
    }

    /// A reminder of a duty to the patient.
    pub fn remind_patient(&mut self, duty: &Duty, key: String) {
        if !self.reminds_of(duty) {
            return;
        }
        let patient = &self.record.patient;
        let message = Message::PatientTask {
            due_at: self.shown_due_at(duty),
            zone: patient.zone,
            overdue: is_overdue(self.shown_due_at(duty), self.now()),
        };
        let to = Recipient {
            who: Who::Patient(patient.id),
            email: patient.email.clone(),
        };
        let notice = self.reminder(duty, key, to, message);
        self.out.notices.push(notice);
    }

    /// A reminder of a duty to the sitter, if there is one who agreed to be contacted; of the invitation itself, to the
    /// one who is asked.
    pub fn remind_sitter(&mut self, duty: &Duty, key: String) {
        let asked = duty.kind == DutyKind::AnswerInvitation;
        let state = &self.record.session.state;
        let between = !state.is_running() && !state.is_before_dose();
        let left_out = between && self.record.sitter_is_not_called();
        let sitter = self.record.current_sitter();
        let Some(sitter) = sitter
            .filter(|sitter| (asked || sitter.state.is_committed()) && self.reminds_of(duty) && !left_out)
        else {
            return;
        };
        let message = Message::SitterTask {
            due_at: self.shown_due_at(duty),
            zone: self.record.patient.zone,
            overdue: is_overdue(self.shown_due_at(duty), self.now()),
            link: sitter.link,
        };
        let to = Recipient {
            who: Who::Sitter(sitter.id),
            email: sitter.email.clone(),
        };
        let notice = self.reminder(duty, key, to, message);
        self.out.notices.push(notice);
    }

    fn reminder(&mut self, duty: &Duty, key: String, to: Recipient, message: Message) -> Notice {
        let quiet = (self.record.around.protocol.quiet_hours, self.record.patient.zone);
        let id = self.context.ids.fresh();
        reminder((id, key), duty, (to, message), quiet, self.now())
    }

    /// A message to a sitter or patient that belongs to no duty.
    pub fn tell(
        &mut self,
        key: String,
        to: Recipient,
        about: About,
        message: Message,
        stale_after: Option<Instant>,
    ) {
        let now = self.now();
        let notice = Notice {
            id: self.context.ids.fresh(),
            key,
            lane: Lane::Session,
            to,
            about,
            message,
            not_before: now,
            stale_after,
            thread: None,
        };
        self.out.notices.push(notice);
    }

    /// Keeps a link.
    pub fn keep_link(&mut self, id: LinkId, target: crate::record::LinkTarget, expires_at: Instant) {
        self.out.links.push(NewLink {
            id,
            target,
            expires_at,
        });
    }

    /// Changes a sitter's state.
    pub fn set_sitter(&mut self, id: SitterId, state: SitterState) {
        if let Some(sitter) = self.record.sitters.iter_mut().find(|sitter| sitter.id == id) {
            sitter.state = state;
            self.out.facts.push(Fact::new(
                "sitter.state",
                json!({"sitter": id, "to": state.name()}),
            ));
        }
    }

    /// Holds the session for a clinician. Only before the dose.
    pub fn hold(&mut self, hold: Hold) {
        if self.record.session.state.is_before_dose() {
            self.fact("session.held", json!({ "hold": &hold }));
            let since = self.now();
            self.enter(SessionState::Held { hold, since });
        }
    }

    /// Ends what is owed for the preparation of a session that will not take place.
    pub fn end_preparation(&mut self, why: Excuse) {
        self.excuse(why, |duty| is_preparation(&duty.kind));
    }

    /// The same but for what the sitter was asked.
    pub fn end_preparation_but_invitation(&mut self, why: Excuse) {
        self.excuse(why, |duty| {
            is_preparation(&duty.kind) && duty.kind != DutyKind::AnswerInvitation
        });
    }

    /// Lets the state follow from the record: preparation opens, readiness comes and goes with the checklist, what was
    /// asked and answered is met, a session whose time passed is over, an emergency that was dealt with is watched on,
    /// the follow-up begins, a finished session closes.
    pub fn settle(&mut self) {
        let now = self.now();
        let plan = self.record.around.protocol.plan.clone();
        let opens_at = self.record.session.planned.at - minutes(plan.prep_opens_before_min);
        let has_case = self.record.watch.open_case().is_some();
        self.end_when_its_time_has_passed();
        match self.record.session.state {
            SessionState::Scheduled if opens_at <= now => {
                self.enter(SessionState::PrepOpen);
                self.tell_what_the_course_waits_for();
            }
            // Somebody found out that it was not taken, and there is time left: it goes on.
            SessionState::Unverified { .. } if !has_case => self.enter(SessionState::PrepOpen),
            SessionState::Emergency { .. } if !has_case => self.enter(SessionState::Monitoring),
            SessionState::Released { at } if self.follow_up_has_begun() => {
                self.enter(SessionState::FollowUp { released_at: at });
            }
            _ => {}
        }
        if self.record.session.state.takes_preparation() {
            self.meet_what_was_answered();
        }
        if matches!(
            self.record.session.state,
            SessionState::PrepOpen | SessionState::Ready { .. }
        ) {
            self.settle_readiness();
        }
        let released = self.record.session.released_at().is_some();
        if released && self.record.watch.open_duties().next().is_none() && !has_case {
            self.enter(SessionState::Closed { at: now });
        }
    }

    /// A day before the dose there is time for a review, or for moving a session out of a hold.
    fn tell_what_the_course_waits_for(&mut self) {
        let now = self.now();
        let waits = [
            (gate::review_blocks(&self.record, now), Cause::ReviewDue),
            (gate::is_held(&self.record, now), Cause::CourseHeld),
        ];
        for (_, cause) in waits.into_iter().filter(|(waits, _)| *waits) {
            let mut known = self.record.watch.cases.iter().flat_map(|case| &case.signals);
            if !known.any(|signal| signal.what == cause) {
                self.signal(Level::P3, cause);
            }
        }
    }

    /// A session that was not begun is over when its time has passed, unless somebody still has to find out whether it
    /// was. Nothing stays behind that no duty would ever look at again.
    fn end_when_its_time_has_passed(&mut self) {
        let at = self.now();
        let no_show_after_min = self.record.around.protocol.timetable.start.no_show_after_min;
        let owed = |duty: &Duty| matches!(duty.kind, DutyKind::Start | DutyKind::LogDose);
        if self.record.session.planned.at + minutes(no_show_after_min) > at
            || self.record.watch.open_duties().any(owed)
        {
            return;
        }
        let over = match self.record.session.state {
            SessionState::Held { .. } => SessionState::Cancelled {
                by: Caller::System,
                reason: "on hold until its time had passed".to_owned(),
                at,
            },
            SessionState::Unverified { .. } if self.record.watch.open_case().is_some() => return,
            SessionState::Scheduled
            | SessionState::PrepOpen
            | SessionState::Ready { .. }
            | SessionState::Unverified { .. } => SessionState::NoShow { at },
            _ => return,
        };
        self.end_preparation(Excuse::SessionOver);
        self.enter(over);
    }

    /// An answer is an answer, also one that holds the session.
    fn meet_what_was_answered(&mut self) {
        let asked = self.record.around.protocol.timetable.confirm_plan.items.clone();
        if asked
            .iter()
            .all(|item| gate::patient_has_answered(&self.record, item))
        {
            self.meet(|duty| duty.kind == DutyKind::ConfirmPlan);
        }
        if gate::patients_day_is_done(&self.record, self.now()) {
            self.meet(|duty| duty.kind == DutyKind::PrepareDay);
        }
    }

    fn settle_readiness(&mut self) {
        let now = self.now();
        let unlocked = gate::unlocked_until(&self.record, now).is_some();
        let complete = gate::preparation_reasons(&self.record, now).is_empty();
        match (&self.record.session.state, complete) {
            (SessionState::PrepOpen, true) => self.enter(SessionState::Ready { unlocked_at: None }),
            (SessionState::Ready { unlocked_at: Some(_) }, true) if gate::is_held(&self.record, now) => {
                self.enter(SessionState::Ready { unlocked_at: None });
            }
            // An unlocked screen stays open for its time, unless something that was done is taken back.
            (
                SessionState::Ready {
                    unlocked_at: Some(at),
                },
                false,
            ) if unlocked && !gate::something_was_taken_back(&self.record, *at) => {}
            (SessionState::Ready { .. }, false) => self.enter(SessionState::PrepOpen),
            _ => {}
        }
    }

    fn follow_up_has_begun(&self) -> bool {
        let now = self.now();
        self.record.watch.duties.iter().any(|duty| {
            let is_check = matches!(duty.kind, DutyKind::CheckIn { .. });
            is_check && !self.record.around.protocol.is_in_session(duty) && duty.opens_at <= now
        })
    }
}

fn is_preparation(kind: &DutyKind) -> bool {
    matches!(
        kind,
        DutyKind::HeadsUp
            | DutyKind::AnswerInvitation
            | DutyKind::ConfirmPlan
            | DutyKind::PrepareDay
            | DutyKind::Start
            | DutyKind::LogDose
    )
}
