//! One attempt at one message: still wanted? made into a mail? sent? And what that means for its row.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use bedside_protocol::duty::Lane;
use bedside_protocol::notice::{About, DroppedBecause, still_wanted};
use bedside_protocol::time::{Instant, seconds};
use bedside_store::{ClaimedRow, CompletionResult, Made};

use super::retry;
use crate::cycle::Worker;
use crate::mail;
use crate::smtp::{Accepted, FailureClass, SendFailure};
use crate::transport::{CutMark, Outgoing};
use crate::unreachable::tell_next;

/// After so many failed attempts the next contact of a case is told (docs/ARCHITECTURE.md, "Walkthrough 3").
const FAILURES_BEFORE_NEXT_CONTACT: u32 = 2;

/// An escalation that has not left for so long makes the next contact be told.
const UNSENT_MAX_S: i64 = 60;

/// What a claimed row has become before anything is sent.
pub(super) enum Prepared {
    /// Nobody wants it any more.
    Unwanted(DroppedBecause),
    /// The mail of the first attempt, which is kept by now.
    Mail(Arc<Vec<u8>>),
    /// It cannot be made into a mail, for this reason.
    Unmakeable(&'static str),
}

/// What became of an attempt.
pub(super) enum Attempted {
    /// It ended, with this result for its row.
    Ended(CompletionResult),
    /// The row belongs to another worker by now.
    LeaseLost,
    /// It panicked.
    Panicked,
}

/// Looks whether the message is still wanted and makes its mail, unless an earlier attempt did. Runs within the claim, which
/// keeps the mail that was made; a panic ends this row only.
pub(super) fn prepare(worker: &Worker, claimed: &ClaimedRow) -> Made<Prepared> {
    // Nothing is left half-changed by a panic: making a mail only reads.
    catch_unwind(AssertUnwindSafe(|| make(worker, claimed))).unwrap_or_else(|_| {
        tracing::error!(notice = %claimed.row.notice.id, "making a mail panicked");
        (Prepared::Unmakeable("panic"), None)
    })
}

fn make(worker: &Worker, claimed: &ClaimedRow) -> Made<Prepared> {
    let (row, notice) = (&claimed.row, &claimed.row.notice);
    if let Err(why) = still_wanted(notice, &claimed.at_sending) {
        return (Prepared::Unwanted(why), None);
    }
    if let Some(rendered) = &row.rendered {
        return (Prepared::Mail(Arc::clone(rendered)), None);
    }
    let (settings, keys) = (&worker.settings().mail, worker.store().keys());
    match mail::render(notice, settings, &row.message_id, &|link| keys.link_token(link)) {
        Ok(bytes) => {
            let bytes = Arc::new(bytes);
            (Prepared::Mail(Arc::clone(&bytes)), Some(bytes))
        }
        Err(error) => {
            tracing::error!(notice = %notice.id, error = &error as &dyn Error, "a message cannot become a mail");
            (Prepared::Unmakeable(error.name()), None)
        }
    }
}

/// Makes one attempt.
pub(super) async fn attempt(
    worker: Worker,
    claimed: Box<ClaimedRow>,
    prepared: Prepared,
    cut: CutMark,
) -> Attempted {
    Attempted::Ended(match prepared {
        Prepared::Unwanted(why) => CompletionResult::Dropped(why),
        Prepared::Unmakeable(class) => failed_for_good(&worker, &claimed, class, None).await,
        Prepared::Mail(bytes) => {
            let (sent, ()) = tokio::join!(
                send(&worker, &claimed, bytes, cut),
                next_of_refused_address(&worker, &claimed)
            );
            result_of(&worker, &claimed, sent).await
        }
    })
}

/// Sends; when it takes too long, the next contact is told while the relay is still waited for.
async fn send(
    worker: &Worker,
    claimed: &ClaimedRow,
    bytes: Arc<Vec<u8>>,
    cut: CutMark,
) -> Result<Accepted, SendFailure> {
    let (notice, clocks) = (&claimed.row.notice, worker.store().clocks());
    let mail = Outgoing {
        lane: notice.lane,
        message_id: claimed.row.message_id.clone(),
        to: notice.to.email.clone(),
        bytes,
        at: clocks.clinical_now(),
        machine_at: clocks.machine_now(),
        cut,
    };
    let mut sending = std::pin::pin!(worker.transport().send(&mail));
    tokio::select! {
        result = &mut sending => return result,
        () = tokio::time::sleep(Duration::from_secs(UNSENT_MAX_S.unsigned_abs())) => {}
    }
    // If telling fails, the result of the send tells again.
    let (_, result) = tokio::join!(next_contact(worker, claimed), sending);
    result
}

async fn result_of(
    worker: &Worker,
    claimed: &ClaimedRow,
    sent: Result<Accepted, SendFailure>,
) -> CompletionResult {
    let failure = match sent {
        Ok(accepted) => {
            let notice = &claimed.row.notice;
            let late = worker.store().clocks().clinical_now() - notice.not_before;
            worker.metrics().accepted(notice.lane, late);
            return CompletionResult::Sent {
                reply_code: accepted.code,
            };
        }
        Err(failure) => failure,
    };
    let (row, notice) = (&claimed.row, &claimed.row.notice);
    let (lane, attempt) = (notice.lane, row.attempts);
    tracing::warn!(notice = %notice.id, ?lane, attempt, error = &failure as &dyn Error, "a mail was not sent");
    let class = class_name(failure.class);
    worker.metrics().send_failed(&failure, class);
    if failure.ambiguous && !retry::is_sent_twice_rather_than_never(notice) {
        return CompletionResult::Ambiguous {
            retry_at_machine: None,
            class: class.to_owned(),
        };
    }
    let now = worker.store().clocks().clinical_now();
    if !failure.class.is_retryable() || !retry::is_of_use(notice, now) {
        return failed_for_good(worker, claimed, class, failure.code).await;
    }
    let unsent_for = now - notice.not_before;
    let throttled = failure.is_throttle();
    if attempt >= FAILURES_BEFORE_NEXT_CONTACT && !throttled || unsent_for >= seconds(UNSENT_MAX_S) {
        // If telling fails, the next failed attempt tells again.
        let _told = next_contact(worker, claimed).await;
    }
    if failure.ambiguous {
        CompletionResult::Ambiguous {
            retry_at_machine: Some(retry_at(worker, lane, attempt)),
            class: class.to_owned(),
        }
    } else if throttled {
        let wait = retry::wait_when_throttled(lane, attempt, random_byte(worker));
        CompletionResult::Retry {
            at_machine: worker.store().clocks().machine_now() + wait,
            class: "throttled".to_owned(),
            reply_code: failure.code,
        }
    } else {
        try_again(worker, lane, attempt, class, failure.code)
    }
}

/// The row is over; of a case, somebody else must hear of it first.
async fn failed_for_good(
    worker: &Worker,
    claimed: &ClaimedRow,
    class: &str,
    reply_code: Option<u16>,
) -> CompletionResult {
    if next_contact(worker, claimed).await {
        CompletionResult::Failed {
            class: class.to_owned(),
            reply_code,
        }
    } else {
        try_again(
            worker,
            claimed.row.notice.lane,
            claimed.row.attempts,
            class,
            reply_code,
        )
    }
}

/// An escalation to an address that was refused before is tried all the same, and the next contact is told meanwhile.
async fn next_of_refused_address(worker: &Worker, claimed: &ClaimedRow) {
    if claimed.address_refused {
        // If telling fails, the result of the send tells again.
        let _told = next_contact(worker, claimed).await;
    }
}

/// Tells the next contact of a case. Whether that is done, or nobody needs to be told.
async fn next_contact(worker: &Worker, claimed: &ClaimedRow) -> bool {
    let notice = &claimed.row.notice;
    if !matches!(notice.about, About::Case { .. }) {
        return true;
    }
    match tell_next(worker.store(), claimed.subject, notice).await {
        Ok(()) => {
            worker.nudge();
            true
        }
        Err(error) => {
            tracing::error!(notice = %notice.id, error = &error as &dyn Error, "the next contact could not be told");
            false
        }
    }
}

/// The row is tried again after the wait that belongs to failed attempt number `attempt`.
pub(super) fn try_again(
    worker: &Worker,
    lane: Lane,
    attempt: u32,
    class: &str,
    reply_code: Option<u16>,
) -> CompletionResult {
    CompletionResult::Retry {
        at_machine: retry_at(worker, lane, attempt),
        class: class.to_owned(),
        reply_code,
    }
}

/// The worker stops and the send was cut after its final dot: whoever comes next may have the row at once, if it is rather
/// sent twice than never.
pub(super) fn cut_after_dot(worker: &Worker, is_sent_twice: bool) -> CompletionResult {
    CompletionResult::Ambiguous {
        retry_at_machine: is_sent_twice.then(|| worker.store().clocks().machine_now()),
        class: "stopped".to_owned(),
    }
}

/// The worker stops before the mail can have been taken: whoever comes next may have the row at once.
pub(super) fn given_back(worker: &Worker) -> CompletionResult {
    CompletionResult::Retry {
        at_machine: worker.store().clocks().machine_now(),
        class: "stopped".to_owned(),
        reply_code: None,
    }
}

fn retry_at(worker: &Worker, lane: Lane, attempt: u32) -> Instant {
    worker.store().clocks().machine_now() + retry::wait_in_lane(lane, attempt, random_byte(worker))
}

fn random_byte(worker: &Worker) -> u8 {
    let mut random = [0_u8; 1];
    worker.store().keys().random(&mut random);
    random[0]
}

fn class_name(class: FailureClass) -> &'static str {
    match class {
        FailureClass::Temporary => "temporary",
        FailureClass::PermanentAddress => "permanent_address",
        FailureClass::PermanentMessage => "permanent_message",
        FailureClass::PermanentServer => "permanent_server",
        FailureClass::Protocol => "protocol",
    }
}
