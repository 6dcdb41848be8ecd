//! Whether a message is still wanted when it is sent, and that no message says more than it may.

use bedside_protocol::duty::Lane;
use bedside_protocol::notice::DroppedBecause::{
    CaseTaken, DutyOver, InvitationOver, Muted, NoConsent, Stale, Superseded,
};
use bedside_protocol::notice::{About, AtSending, Message, Notice, Recipient, Who, still_wanted};
use bedside_protocol::time::{Instant, Zone, minutes};
use uuid::Uuid;

use crate::play::Play;
use crate::support::{at, person};

const NOW: &str = "2026-11-28T15:00:00Z";

fn known() -> AtSending {
    AtSending {
        now: at(NOW),
        duty_open: true,
        case_untaken: true,
        told_since: false,
        invitation_open: true,
        comms_active: true,
        mail_declined: false,
        in_session: false,
    }
}

fn notice(about: About, lane: Lane, who: Who, stale_after: Option<Instant>) -> Notice {
    Notice {
        id: Uuid::from_u128(1).into(),
        key: "k".into(),
        lane,
        to: Recipient {
            who,
            email: "someone@example.org".into(),
        },
        about,
        message: Message::Test {
            at: at(NOW),
            zone: Zone::UTC,
        },
        not_before: at(NOW),
        stale_after,
        thread: None,
    }
}

#[test]
fn a_notice_is_dropped_for_the_reason_that_is_true_when_it_is_sent() {
    let duty = About::Duty {
        duty: Uuid::from_u128(2).into(),
    };
    let case = About::Case {
        case: Uuid::from_u128(3).into(),
        round: 1,
    };
    let invitation = About::Invitation {
        sitter: Uuid::from_u128(4).into(),
    };
    let (patient, staff) = (Who::Patient(person(1)), Who::Staff(person(2)));
    let sitter = Who::Sitter(Uuid::from_u128(4).into());
    let (later, earlier) = (Some(at(NOW) + minutes(1)), Some(at(NOW) - minutes(1)));
    let over = AtSending {
        duty_open: false,
        ..known()
    };
    let taken = AtSending {
        case_untaken: false,
        ..known()
    };
    let told = AtSending {
        told_since: true,
        ..known()
    };
    let answered = AtSending {
        invitation_open: false,
        ..known()
    };
    let muted = AtSending {
        comms_active: false,
        ..known()
    };
    for (about, lane, who, stale_after, known, expected) in [
        (&duty, Lane::Session, sitter, later, known(), Ok(())),
        (&duty, Lane::Session, sitter, later, over, Err(DutyOver)),
        (&duty, Lane::Session, sitter, later, told, Ok(())),
        (&case, Lane::Escalation, staff, None, told, Err(Superseded)),
        (&duty, Lane::Session, sitter, earlier, known(), Err(Stale)),
        (&duty, Lane::Session, sitter, Some(at(NOW)), known(), Ok(())),
        // A running session is never muted; reminders between sessions are, the sitter's too.
        (&duty, Lane::Session, patient, later, muted, Ok(())),
        (&duty, Lane::Reminder, patient, later, muted, Err(Muted)),
        (&duty, Lane::Reminder, sitter, later, muted, Err(Muted)),
        (&duty, Lane::Reminder, patient, later, taken, Ok(())),
        // An escalation never grows stale and is never muted; it ends when its round is taken.
        (&case, Lane::Escalation, staff, None, known(), Ok(())),
        (&case, Lane::Escalation, staff, None, muted, Ok(())),
        (&case, Lane::Escalation, staff, None, over, Ok(())),
        (&case, Lane::Escalation, staff, None, taken, Err(CaseTaken)),
        (&invitation, Lane::Session, sitter, later, known(), Ok(())),
        (
            &invitation,
            Lane::Session,
            sitter,
            later,
            answered,
            Err(InvitationOver),
        ),
        (&invitation, Lane::Session, sitter, earlier, known(), Err(Stale)),
        (&About::Information, Lane::Escalation, staff, None, taken, Ok(())),
        (&About::Information, Lane::Digest, staff, None, muted, Ok(())),
        (
            &About::Information,
            Lane::Session,
            patient,
            earlier,
            known(),
            Err(Stale),
        ),
    ] {
        let notice = notice(about.clone(), lane, who, stale_after);
        assert_eq!(still_wanted(&notice, &known), expected, "{about:?} {lane:?}");
    }
}

#[test]
fn no_notice_of_a_whole_session_carries_a_name_a_number_or_an_address() {
    let mut play = Play::dosed();
    play.all_well_until(27);
    play.measure(play.sitter(), 222, 111, 133).unwrap();
    let sitter = play.sitter();
    play.asked(sitter, |record, context| {
        bedside_protocol::helping::help(record, Some("seizure"), Some("Ada shakes".into()), context)
    })
    .unwrap();
    play.after(120);
    play.take_and_resolve();
    let texts = [
        "Ada", "Sam", "Elm", "555", "ketamine", "lozenge", "222", "seizure", "shakes", "Nora",
    ];
    assert!(play.sent.len() > 20);
    for notice in &play.sent {
        let message = serde_json::to_string(&notice.message).unwrap();
        for text in texts {
            // Ids and times are digits; a text is looked for where words stand.
            let word = text.chars().all(|c| c.is_ascii_alphabetic());
            assert!(!word || !message.contains(text), "{text} in {message}");
        }
        assert!(!message.contains("222,") && !message.contains(":222"));
    }
}

#[test]
fn escalations_never_grow_stale_and_every_reminder_does() {
    let mut play = Play::dosed();
    play.after(8 * 60);
    for notice in &play.sent {
        let escalation = matches!(notice.to.who, Who::Staff(_));
        assert_eq!(notice.stale_after.is_none(), escalation, "{}", notice.key);
        assert_eq!(notice.lane == Lane::Escalation, escalation, "{}", notice.key);
    }
}

#[test]
fn without_consent_to_email_a_patient_gets_what_keeps_a_running_session_safe_and_no_more() {
    let duty = About::Duty {
        duty: Uuid::from_u128(2).into(),
    };
    let (patient, staff) = (Who::Patient(person(1)), Who::Staff(person(2)));
    let sitter = Who::Sitter(Uuid::from_u128(4).into());
    #[rustfmt::skip]
    let table = [
        // who, lane, the session runs, goes
        (patient, Lane::Reminder,   false, false),
        (patient, Lane::Session,    false, false),
        (patient, Lane::Reminder,   true,  false),
        (patient, Lane::Session,    true,  true),
        (sitter,  Lane::Reminder,   false, true),
        (sitter,  Lane::Session,    false, true),
        (staff,   Lane::Escalation, false, true),
    ];
    for (who, lane, in_session, goes) in table {
        let notice = notice(duty.clone(), lane, who, None);
        let known = AtSending {
            mail_declined: true,
            in_session,
            ..known()
        };
        let expected = if goes { Ok(()) } else { Err(NoConsent) };
        assert_eq!(
            still_wanted(&notice, &known),
            expected,
            "{who:?} {lane:?} {in_session}"
        );
    }
    let mut log_in = notice(About::Information, Lane::Session, patient, None);
    log_in.message = Message::AccountLink {
        link: Uuid::from_u128(5).into(),
        expires_at: at(NOW),
        zone: Zone::UTC,
    };
    let known = AtSending {
        mail_declined: true,
        ..known()
    };
    assert_eq!(still_wanted(&log_in, &known), Ok(()));
}
