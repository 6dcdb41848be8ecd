//! What goes out as JSON: plain types, built by pure functions from a record and the present moment.
//!
//! JSON types live here and nowhere else; protocol values never leave the program as they are.

mod call;
mod case;
mod course;
mod dry_run;
mod enrolment;
mod instruments;
mod ledger;
mod limits;
mod message;
mod outcome;
mod patient;
mod protocol;
mod roster;
mod running;
mod session;
mod session_unanswered;
mod shared;
mod sitting;
mod today;
mod trends;
mod worklist;

pub use call::{CallLogView, CallView};
pub use case::{CaseListView, CaseReader, CaseRowView, CaseView, ContactView, SignalView, UnreadableView};
pub use course::{
    ClockChangeView, CourseHoldView, CourseView, LayoutView, OwnCourseSession, OwnCourseView, ReviewView,
    SignedPlanView, SlotView,
};
pub use dry_run::{DryRunListView, DryRunView};
pub use enrolment::{EnrolmentItemView, EnrolmentView, StaffEnrolmentView};
pub use instruments::{AnsweredFormView, OwnInstrumentsView, ScoresView};
pub use ledger::{LedgerEntryView, LedgerView};
pub use limits::{LimitsView, PatientLimitsView};
pub use message::{MessageListView, MessageView, ThingView};
pub use outcome::{AnsweredView, CheckedInView, InvitedView, LoggedView, MeasuredView, ResultView, ShowView};
pub use patient::{EmergencyContactView, OnCallView, PatientView, StaffView};
pub use protocol::{ProtocolDiffView, ProtocolListView, ProtocolVersionView, WrittenView};
pub use roster::{GapListView, RosterView};
pub use running::{CheckInView, NextView, QuestionView, ReleaseView, check_ins, next_steps, release};
pub use session::{
    AnswerView, CaseBriefView, CheckInAnswerView, DutyView, MoveView, ReadingView, StaffSessionView,
    StaffSitterView,
};
pub use shared::{
    AsksView, DoseView, ItemView, OrderView, PlannedView, RangeView, ReadbackChoicesView, ReasonView,
    RedFlagView, SessionRow, WordsView, checklist, red_flags,
};
pub use sitting::{CandidateView, SatSessionView, SittingView, TrainedView};
pub use today::{GateView, OwnSessionView, OwnSitterView, TodayPatient, TodayView};
pub use trends::{TrendsView, VitalsTrendView, score_series, vitals_series};
pub use worklist::{WorklistEntryView, WorklistView};
