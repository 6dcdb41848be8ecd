//! Escalations through a real mail server: Debian's Postfix with TLS both ways, log-in, greylisting, an address it does
//! not know, and a limit on size.

use std::time::Duration;

use bedside_store::raw::Raw;
use mail_parser::MessageParser;
use serde_json::json;

use crate::postfix_server::{Postfix, is_installed};
use crate::site::{Mail, OutboxRow, Patient, Site};
use crate::system::eventually;

/// An escalation that could not be sent for a minute turns readiness red.
const RED_WITHIN: Duration = Duration::from_secs(100);

/// Longer than the first three tries of a mail take (5 s and 30 s between them).
const SOON: Duration = Duration::from_mins(1);

const MAILBOXES: [&str; 6] = [
    "nurse",
    "backup",
    "prescriber",
    "manager",
    "administrator",
    "fallback",
];

struct Stage {
    postfix: Postfix,
    site: Site,
    patient: Patient,
    url: String,
    _database: tempfile::TempDir,
}

impl Stage {
    async fn set(postfix: Postfix, mail: Mail) -> Self {
        let database = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite:{}", database.path().join("bedside.sqlite").display());
        let site = Site::open(&url, mail, 1).await;
        let patient = site.patients(1).await.remove(0);
        Self {
            postfix,
            site,
            patient,
            url,
            _database: database,
        }
    }

    fn press_help(&self) {
        self.patient.client.post("/v1/me/help", &json!({})).expect(200);
    }

    /// The escalation to somebody, once there is one of which this is so.
    #[track_caller]
    fn row(&self, to: &str, what: &str, is_so: impl Fn(&OutboxRow) -> bool) -> OutboxRow {
        let recipient = self.site.staff(to);
        let mut found = None;
        eventually(SOON, &format!("the escalation to {to} {what}"), || {
            let mut rows = self.site.escalations().into_iter();
            found = rows.find(|row| row.recipient == recipient && is_so(row));
            found.is_some()
        });
        found.expect("a row")
    }

    /// The escalation of a row as it lies in the mailbox, once it does.
    #[track_caller]
    fn delivered(&self, to: &str, row: &OutboxRow) -> String {
        let mut found = Vec::new();
        eventually(SOON, &format!("the mail lies in the mailbox of {to}"), || {
            found = self.postfix.mailbox(to);
            found.retain(|mail| mail.contains(&row.message_id));
            !found.is_empty()
        });
        assert_eq!(found.len(), 1, "copies of {}", row.message_id);
        found.remove(0)
    }

    /// The bytes kept for a mail, as they lie in the database.
    fn kept_bytes(&self, row: &OutboxRow) -> String {
        let mut raw = Raw::connect(&self.url).expect("a connection");
        let sql = format!(
            "SELECT hex(rendered_sealed) AS value FROM outbox WHERE message_id = '{}'",
            row.message_id
        );
        raw.texts(&sql).expect("rows").remove(0)
    }
}

fn installed() {
    assert!(
        is_installed(),
        "Postfix is not installed: run ./test --long postfix as root, which installs it"
    );
}

/// What must be so of every escalation as the nurse's mail program sees it.
#[track_caller]
fn is_a_whole_escalation(source: &str, row: &OutboxRow, to: &str) {
    let mail = MessageParser::default().parse(source.as_bytes()).expect("a mail");
    let id = mail.message_id().expect("a Message-ID");
    assert_eq!(format!("<{id}>"), row.message_id, "{source}");
    let from = mail.from().and_then(|from| from.first()).expect("a sender");
    assert_eq!(from.address(), Some("care@bedside.example"));
    let recipient = mail.to().and_then(|to| to.first()).expect("a recipient");
    assert_eq!(recipient.address(), Some(format!("{to}@clinic.example").as_str()));
    assert_eq!(
        mail.header_raw("Auto-Submitted").map(str::trim),
        Some("auto-generated")
    );
    for part in [mail.body_text(0), mail.body_html(0)] {
        let part = part.expect("both parts");
        assert!(part.contains("/c/"), "no link to the case: {part}");
    }
    for secret in ["Robin", "Quillfeather", "Larch", "help"] {
        assert!(!source.contains(secret), "{secret} is said: {source}");
    }
    // ESMTPSA: with TLS (S) and a log-in (A), RFC 3848.
    assert!(source.contains("with ESMTPSA"), "{source}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(long), ignore = "BEDSIDE_LONG=1, by ./test --long")]
async fn through_starttls_a_greylisted_mail_arrives_and_a_refused_address_has_the_next_one_told() {
    installed();
    let known = ["nurse", "prescriber", "manager", "administrator", "fallback"];
    let postfix = Postfix::start(&known, &["nurse"]);
    let mail = postfix.by_start_tls();
    let stage = Stage::set(postfix, mail).await;
    stage.press_help();

    let deferred = stage.row("nurse", "was deferred", |row| {
        row.attempts > 0 && row.state == "pending"
    });
    assert_eq!(deferred.class, "temporary");
    let kept = stage.kept_bytes(&deferred);
    let refused = stage.row("backup", "was refused", |row| row.state == "failed");
    assert_eq!(
        (refused.class.as_str(), refused.attempts),
        ("permanent_address", 1)
    );

    let sent = stage.row("nurse", "was sent", |row| {
        row.state == "sent" && row.message_id == deferred.message_id
    });
    assert_eq!(sent.attempts, 2);
    assert!(stage.postfix.deferrals() > 0);
    assert_eq!(
        stage.kept_bytes(&sent),
        kept,
        "the second try is the first one's bytes"
    );
    is_a_whole_escalation(&stage.delivered("nurse", &sent), &sent, "nurse");
    eventually(SOON, "the manager is told of the refused address", || {
        !stage.postfix.mailbox("manager").is_empty()
    });
    assert!(stage.postfix.log().contains("550 5.1.1"), "the relay's own word");
    println!(
        "Postfix, STARTTLS: deferred with 450 4.2.0 and accepted at try {}, 550 5.1.1 became {}",
        sent.attempts, refused.class
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(long), ignore = "BEDSIDE_LONG=1, by ./test --long")]
async fn through_tls_from_the_first_byte_an_escalation_arrives_whole() {
    installed();
    let postfix = Postfix::start(&MAILBOXES, &[]);
    let mail = postfix.by_implicit_tls();
    let stage = Stage::set(postfix, mail).await;
    stage.press_help();
    for name in ["nurse", "backup"] {
        let sent = stage.row(name, "was sent", |row| row.state == "sent");
        assert_eq!(sent.attempts, 1);
        is_a_whole_escalation(&stage.delivered(name, &sent), &sent, name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(long), ignore = "BEDSIDE_LONG=1, by ./test --long")]
async fn a_certificate_by_an_unknown_authority_is_refused_before_the_password_is_said() {
    installed();
    let postfix = Postfix::start(&MAILBOXES, &[]);
    let right = postfix.by_start_tls();
    let unknown = Mail {
        root_certificates: None,
        ..right.clone()
    };
    let mut stage = Stage::set(postfix, unknown).await;
    stage.press_help();
    let tried = stage.row("nurse", "was tried", |row| {
        row.attempts > 0 && row.state == "pending"
    });
    assert!(stage.postfix.mailbox("nurse").is_empty());
    let log = stage.postfix.log();
    assert!(
        !log.contains("sasl_username") && !log.contains("authentication failed"),
        "{log}"
    );
    println!("Postfix, unknown authority: class {}", tried.class);

    stage.site.stop_workers(right);
    stage.site.start_worker();
    let sent = stage.row("nurse", "was sent", |row| row.state == "sent");
    is_a_whole_escalation(&stage.delivered("nurse", &sent), &sent, "nurse");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(long), ignore = "BEDSIDE_LONG=1, by ./test --long")]
async fn a_wrong_password_turns_readiness_red_and_loses_nothing() {
    installed();
    let postfix = Postfix::start(&MAILBOXES, &[]);
    let right = postfix.by_start_tls();
    let wrong = Mail {
        password: Some("open barley".to_owned()),
        ..right.clone()
    };
    let mut stage = Stage::set(postfix, wrong).await;
    stage.press_help();
    let refused = stage.row("nurse", "was refused", |row| {
        row.attempts > 0 && row.state == "pending"
    });
    assert_eq!(refused.class, "permanent_server");
    let red = eventually(RED_WITHIN, "readiness is red", || {
        stage.site.red_parts().contains("escalations")
    });
    println!(
        "Postfix, wrong password: class {}, red after {red:.0?}",
        refused.class
    );
    for secret in ["barley", "sesame"] {
        assert!(!stage.site.said(0).contains(secret), "the log says a password");
    }

    stage.site.stop_workers(right);
    stage.site.start_worker();
    let limit = Duration::from_secs(200);
    eventually(limit, "the mail is accepted with the right password", || {
        !stage.postfix.mailbox("nurse").is_empty()
    });
    let sent = stage.row("nurse", "was sent", |row| row.state == "sent");
    is_a_whole_escalation(&stage.delivered("nurse", &sent), &sent, "nurse");
    // Each of the other mails goes at the time it was put off to.
    stage.site.wait_until_ready(Duration::from_mins(5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(long), ignore = "BEDSIDE_LONG=1, by ./test --long")]
async fn a_mail_over_the_relays_size_limit_fails_for_good_and_readiness_says_so() {
    installed();
    let postfix = Postfix::start(&MAILBOXES, &[]);
    let mail = postfix.by_small_mails_only();
    let stage = Stage::set(postfix, mail).await;
    stage.press_help();
    let refused = stage.row("nurse", "failed", |row| row.state == "failed");
    assert_eq!(
        (refused.class.as_str(), refused.attempts),
        ("permanent_message", 1)
    );
    let red = eventually(RED_WITHIN, "readiness is red", || {
        stage.site.red_parts().contains("escalations")
    });
    println!(
        "Postfix, over the size limit: class {}, red after {red:.0?}",
        refused.class
    );
}
