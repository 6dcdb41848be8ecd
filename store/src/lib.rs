//! Durable state on SQLite or PostgreSQL, and the only crate that knows Diesel.
//!
//! What it guarantees: a decision of a rule is saved whole or not at all, with its messages and its audit facts, under a
//! guard on the subject's version; a row of another clinic does not exist; what could name a person is sealed; nothing
//! slow and nothing random from outside happens inside a transaction, and a rule may be run again on a conflict.
//!
//! [`Store::decide_session`] is the heart; `dialect` the only module that asks which engine it is.

mod accounts;
mod audit;
mod backup;
mod clinics;
mod clock;
mod dialect;
mod drills;
mod engine;
mod error;
mod fence;
mod housekeeping;
mod keys;
mod links;
mod locks;
mod messages;
mod metrics;
mod migrate;
mod on_call;
mod outbox;
mod patients;
mod pool;
mod proof;
mod protocols;
mod reached;
mod records;
mod refused;
mod roster;
mod rows;
mod schema;
mod scope;
mod seal;
mod sessions;
mod shift_changes;
mod standing;
mod store;
mod timeline;
mod tokens;
mod transaction;
mod unstaffed;
mod watch;
mod worklist;
mod write;

#[cfg(feature = "raw-sql")]
pub mod raw;

pub use accounts::{Account, AccountKind, CreateAccountError, NewAccount, SetActiveError, SetLicencesError};
pub use audit::{AuditFault, AuditReport};
pub use backup::{BackupError, Inspection, KeyFound};
pub use clinics::{CreateClinicError, NewClinic};
pub use clock::{Clocks, Stopwatch, SystemClocks, whole_ms};
pub use drills::DrillStanding;
pub use engine::{Engine, OpenError, SQLITE_AT_LEAST};
pub use error::{DatabaseError, ReadError, StoreError};
pub use housekeeping::{JobTurn, Moved};
pub use keys::{CryptoFailure, Keys};
pub use links::{LinkUse, StoredLink};
pub use locks::Lock;
pub use messages::{MESSAGES_MAX, MessageEntry, MessageFilter, MessagePage, MessageState};
pub use on_call::{OnCallEntry, OnCallStanding, SetOnCallError};
pub use outbox::{Claimed, ClaimedRow, Completion, CompletionResult, Made, OutboxRow, Recorded};
pub use patients::NewPatient;
pub use proof::{FindingPart, Unwatched, Wrong};
pub use protocols::{KeptProtocol, KeptProtocols, ProtocolError};
pub use refused::RefusedAddresses;
pub use roster::{GapsAhead, KeptRoster, OnCallTurn};
pub use scope::Scope;
pub use sessions::{CaseBoard, OpenCase, Unreadable};
pub use standing::{LaneStanding, OpenCases, Standing};
pub use store::{Store, StoreSettings};
pub use timeline::{TimelineEntry, TimelineEvent};
pub use tokens::{NewRefresh, Rotation};
pub use watch::{CycleStart, CycleStats, Heartbeat};
pub use worklist::{WORKLIST_MAX, WorklistEntry, WorklistPage, WorklistPlace};
pub use write::{DecideError, Done, Once};
