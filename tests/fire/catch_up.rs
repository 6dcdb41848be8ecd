//! The first seconds after a long outage: what must be told comes before what is only old.

use std::sync::Arc;
use std::time::Duration;

use bedside_protocol::duty::Lane;
use bedside_protocol::notice::About;
use bedside_protocol::time::minutes;
use bedside_store::{Clocks as _, CycleStats, Scope, SystemClocks};
use bedside_tests::clock::ManualClocks;
use bedside_tests::database::Database;
use bedside_tests::on_both_engines;
use bedside_tests::program::now;
use bedside_tests::site::{NURSE, Site, within};
use bedside_tests::smtp_server::{ReceivedMail, Script, SmtpServer};

use crate::PROGRAM;

on_both_engines!(after_six_hours_down_the_escalations_go_out_first_and_no_stale_reminder_does);

const OUTAGE_MIN: i64 = 6 * 60;
const SESSIONS: usize = 200;
const REMINDERS: usize = 50_000;

/// Rows in one transaction of the preparation.
const AT_ONCE: usize = 5_000;

/// What the mail server takes.
const MAILS_A_SECOND: u32 = 14;

/// From the start of the process to the acceptance of the last escalation.
const TOLD_WITHIN: Duration = Duration::from_secs(20);

/// From there to the end of the last stale reminder.
const CLEARED_WITHIN: Duration = Duration::from_mins(2);

/// Decisions run eight at once and mails go over several connections, so an order holds but for this many places.
const OUT_OF_ORDER_MAX: usize = 24;

/// Bounds: 200 running sessions were not watched for six hours; the nurse has one mail about each within 20 s of the
/// worker's start, the latest dose first; 50,000 reminders that grew stale meanwhile all end as such, and none goes out.
async fn after_six_hours_down_the_escalations_go_out_first_and_no_stale_reminder_does(engine: Database) {
    let clocks = Arc::new(ManualClocks::at(
        SystemClocks.clinical_now() - minutes(OUTAGE_MIN),
    ));
    let site = Arc::new(Site::open_at(engine, clocks).await);
    let down_since = site.store.clocks().clinical_now();
    let mut sessions = Vec::with_capacity(SESSIONS);
    for number in 0..SESSIONS {
        // Not in the order of their making.
        let place = number * 77 % SESSIONS;
        let ago_s = i64::try_from(place).expect("a small number") * 15;
        let taken_at = down_since - chrono::Duration::seconds(ago_s);
        sessions.push((place, site.dosed_session(number, taken_at).await));
    }
    sessions.sort_unstable_by_key(|(place, _)| *place);
    queue_stale_reminders(&site, sessions[0].1).await;
    site.store
        .close_cycle("worker-of-old", CycleStats::default())
        .await
        .expect("a heartbeat");

    let server = SmtpServer::start(Script::new().per_second(MAILS_A_SECOND));
    let surroundings = site.surroundings(PROGRAM).mailing(server.address());
    let started_at = now();
    let worker = surroundings.start("worker");
    let escalations = within(Duration::from_mins(2), "all escalations", || {
        let mut mails = server.received();
        mails.retain(|mail| mail.to == [NURSE]);
        (mails.len() >= SESSIONS).then(|| mails[..SESSIONS].to_vec())
    });
    let took = escalations[SESSIONS - 1].at - started_at;
    println!(
        "{engine:?}: of {SESSIONS} escalations the first was accepted {:?} after the start, the last {took:?}",
        escalations[0].at - started_at
    );

    let cleared = within(CLEARED_WITHIN, "the end of all stale reminders", || {
        let waiting = "outbox WHERE lane > 1 AND state IN ('pending', 'leased')";
        (site.count(waiting) == 0).then(|| now() - started_at)
    });
    println!("{engine:?}: all stale reminders had ended {cleared:?} after the start");
    worker.stops_within(Duration::from_secs(12));

    let mails = server.received();
    let stale = |mail: &&ReceivedMail| mail.to.iter().any(|to| to.starts_with("reminder-"));
    assert_eq!(mails.iter().filter(stale).count(), 0, "a stale reminder went out");
    assert_eq!(
        site.count("outbox WHERE state = 'sent' AND finished_at > stale_after"),
        0,
        "a reminder went out after its use"
    );
    assert_eq!(
        site.count("outbox WHERE lane > 1 AND state = 'dropped' AND why = 'stale'"),
        REMINDERS
    );
    let told: Vec<usize> = places_of(&site, &escalations, &sessions).await;
    let mut places = told.clone();
    places.sort_unstable();
    assert!(
        places.into_iter().eq(0..SESSIONS),
        "one mail for each session: {told:?}"
    );
    for (rank, place) in told.iter().enumerate() {
        assert!(
            rank.abs_diff(*place) <= OUT_OF_ORDER_MAX,
            "not by the time since the dose: {told:?}"
        );
    }
    assert!(
        took <= TOLD_WITHIN,
        "the last escalation was accepted {took:?} after the start"
    );
}

/// Reminders of a duty that is still open, so that nothing but their age speaks against them.
async fn queue_stale_reminders(site: &Arc<Site>, session: bedside_protocol::id::SessionId) {
    let sql = format!(
        "SELECT id AS value FROM duties WHERE subject_id = '{session}' AND state = 'open' AND kind = 'release'"
    );
    let duty = site.raw().texts(&sql).expect("rows")[0].parse().expect("an id");
    let stale_after = site.store.clocks().clinical_now() + minutes(30);
    let mut queuing = tokio::task::JoinSet::new();
    for batch in 0..REMINDERS / AT_ONCE {
        let site = Arc::clone(site);
        queuing.spawn(async move {
            let reminder = |index: usize| {
                let lane = if index.is_multiple_of(2) {
                    Lane::Reminder
                } else {
                    Lane::Digest
                };
                site.message(
                    &format!("reminder-{batch}-{index}"),
                    lane,
                    About::Duty { duty },
                    Some(stale_after),
                )
            };
            site.queue((0..AT_ONCE).map(reminder).collect()).await;
        });
    }
    while let Some(queued) = queuing.join_next().await {
        queued.expect("reminders");
    }
}

/// For each mail, the place of its session by the time since the dose.
async fn places_of(
    site: &Site,
    mails: &[ReceivedMail],
    sessions: &[(usize, bedside_protocol::id::SessionId)],
) -> Vec<usize> {
    let open = site
        .store
        .list_open_cases(Scope::system())
        .await
        .expect("cases")
        .cases;
    let place_of = |mail: &ReceivedMail| {
        let text = String::from_utf8_lossy(&mail.data);
        let case = open
            .iter()
            .find(|open| text.contains(&format!("Case {}", open.case.code)));
        let subject = case.expect("a case of this code").subject.id();
        let (place, _) = sessions
            .iter()
            .find(|(_, id)| id.to_string() == subject)
            .expect("a session");
        *place
    };
    mails.iter().map(place_of).collect()
}
