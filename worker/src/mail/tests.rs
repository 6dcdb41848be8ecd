use bedside_protocol::case::{Level, OfferEnd};
use bedside_protocol::duty::Lane;
use bedside_protocol::id::{DutyId, NoticeId, PersonId, SitterId};
use bedside_protocol::notice::{About, CaseStep, Message as Says, Recipient, Who};
use bedside_protocol::people::OnCallPlace;
use bedside_protocol::roster::{Gap, Needed};
use bedside_protocol::time::{Instant, Zone};
use mail_parser::{MessageParser, MimeHeaders as _};
use uuid::Uuid;

use super::*;

fn instant(text: &str) -> Instant {
    text.parse().unwrap()
}

fn new_york() -> Zone {
    Zone::named("America/New_York").unwrap()
}

fn settings() -> MailSettings {
    MailSettings::new(
        "Reminders",
        "reminders@mail.example",
        "mail.example",
        "https://app.example/",
        "911",
    )
    .unwrap()
}

fn patient() -> Who {
    Who::Patient(PersonId::from(Uuid::from_u128(1)))
}

fn sitter() -> Who {
    Who::Sitter(SitterId::from(Uuid::from_u128(2)))
}

fn staff() -> Who {
    Who::Staff(PersonId::from(Uuid::from_u128(3)))
}

fn notice(who: Who, message: Says) -> Notice {
    let thread = matches!(
        message,
        Says::CaseNeedsYou { .. }
            | Says::CaseTaken { .. }
            | Says::CaseClosed { .. }
            | Says::HandOverOffered { .. }
            | Says::HandOverEnded { .. }
            | Says::NobodyOnCall { .. }
            | Says::ContactUnreachable { .. }
    );
    Notice {
        id: NoticeId::from(Uuid::from_u128(0x1234_5678)),
        key: "key".into(),
        lane: Lane::Escalation,
        to: Recipient {
            who,
            email: "ana@inbox.example".into(),
        },
        about: About::Duty {
            duty: DutyId::from(Uuid::from_u128(4)),
        },
        message,
        not_before: instant("2026-11-21T19:14:59.123Z"),
        stale_after: None,
        thread: thread.then(|| CaseId::from(Uuid::from_u128(5))),
    }
}

fn case_needs_you(level: Level, step: CaseStep) -> Says {
    Says::CaseNeedsYou {
        code: "7F3K".into(),
        level,
        needed_by: instant("2026-11-21T19:20:00Z"),
        zone: new_york(),
        since: instant("2026-11-21T19:14:59Z"),
        step,
        link: link(),
    }
}

fn link() -> LinkId {
    LinkId::from(Uuid::from_u128(6))
}

/// Every message there is, by the name of its snapshot.
fn every_message() -> Vec<(&'static str, Notice)> {
    let (zone, at) = (new_york(), instant("2026-11-21T20:00:00Z"));
    let (code, level) = ("7F3K".to_owned(), Level::P1);
    let (link, due_at, planned_at, expires_at) = (link(), at, at, at);
    let task = |overdue| Says::PatientTask {
        due_at,
        zone,
        overdue,
    };
    let sitter_task = |overdue| Says::SitterTask {
        due_at,
        zone,
        overdue,
        link,
    };
    let refused = |recipient| Says::AddressRefused {
        recipient,
        notice: NoticeId::from(Uuid::from_u128(7)),
        at,
        zone,
    };
    let handed = |end, yours| Says::HandOverEnded {
        code: "7F3K".into(),
        level,
        end,
        yours,
        at,
        zone,
    };
    let gaps = [
        (Needed::Nurse, "2026-11-26T05:00:00Z"),
        (Needed::Urgent, "2026-11-27T01:00:00Z"),
    ]
    .map(|(needed, from)| Gap {
        needed,
        from: instant(from),
        until: instant("2026-11-27T13:00:00Z"),
    });
    let gaps = gaps.to_vec();
    let bundle = |parts| Says::Bundle { parts };
    let (c1, c2, c3, c4) = (code.clone(), code.clone(), code.clone(), code);
    vec![
        ("patient_task", notice(patient(), task(false))),
        ("patient_task_overdue", notice(patient(), task(true))),
        (
            "sitter_changed",
            notice(patient(), Says::SitterChanged { planned_at, zone }),
        ),
        ("sitter_task", notice(sitter(), sitter_task(false))),
        ("sitter_task_overdue", notice(sitter(), sitter_task(true))),
        (
            "sitter_invitation",
            notice(
                sitter(),
                Says::SitterInvitation {
                    planned_at,
                    zone,
                    link,
                },
            ),
        ),
        (
            "case_opened",
            notice(staff(), case_needs_you(Level::P1, CaseStep::Opened)),
        ),
        (
            "case_nobody_took_it",
            notice(staff(), case_needs_you(Level::P1, CaseStep::NobodyTookIt)),
        ),
        (
            "case_new_signal",
            notice(staff(), case_needs_you(Level::P1, CaseStep::NewSignal)),
        ),
        (
            "case_acknowledgement_ran_out",
            notice(
                staff(),
                case_needs_you(Level::P2, CaseStep::AcknowledgementRanOut),
            ),
        ),
        (
            "case_given_back",
            notice(staff(), case_needs_you(Level::P3, CaseStep::GivenBack)),
        ),
        (
            "case_taken",
            notice(
                staff(),
                Says::CaseTaken {
                    code: c1,
                    level,
                    at,
                    zone,
                },
            ),
        ),
        (
            "case_closed",
            notice(
                staff(),
                Says::CaseClosed {
                    code: c2,
                    level,
                    at,
                    zone,
                },
            ),
        ),
        (
            "hand_over_offered",
            notice(
                staff(),
                Says::HandOverOffered {
                    code: "7F3K".into(),
                    level,
                    until: at,
                    zone,
                    link,
                },
            ),
        ),
        (
            "hand_over_accepted",
            notice(staff(), handed(OfferEnd::Accepted, false)),
        ),
        (
            "hand_over_declined",
            notice(staff(), handed(OfferEnd::Declined, true)),
        ),
        (
            "hand_over_withdrawn",
            notice(staff(), handed(OfferEnd::Withdrawn, false)),
        ),
        (
            "hand_over_ran_out",
            notice(staff(), handed(OfferEnd::RanOut, true)),
        ),
        (
            "nobody_on_call",
            notice(staff(), Says::NobodyOnCall { code: c3, at, zone }),
        ),
        (
            "contact_unreachable",
            notice(staff(), Says::ContactUnreachable { code: c4, at, zone }),
        ),
        ("address_refused", notice(staff(), refused(patient()))),
        (
            "on_call_test",
            notice(
                staff(),
                Says::OnCallTest {
                    answer_by: at,
                    zone,
                    link,
                },
            ),
        ),
        (
            "on_call_silent",
            notice(
                staff(),
                Says::OnCallSilent {
                    place: OnCallPlace::Nurse,
                    asked_at: at,
                    zone,
                },
            ),
        ),
        (
            "bundle_to_patient",
            notice(
                patient(),
                bundle(vec![
                    task(false),
                    task(true),
                    Says::SitterChanged { planned_at, zone },
                ]),
            ),
        ),
        (
            "watch_incomplete",
            notice(staff(), Says::WatchIncomplete { at, zone }),
        ),
        (
            "for_information",
            notice(
                staff(),
                Says::ForInformation {
                    subject: bedside_protocol::watch::Subject::Session(uuid::Uuid::from_u128(5).into()),
                    at,
                    zone,
                },
            ),
        ),
        (
            "session_unstaffed",
            notice(
                staff(),
                Says::SessionUnstaffed {
                    session: uuid::Uuid::from_u128(5).into(),
                    planned_at,
                    gaps: gaps.clone(),
                    zone,
                },
            ),
        ),
        ("roster_gaps", notice(staff(), Says::RosterGaps { gaps, zone })),
        (
            "roster_unreadable",
            notice(staff(), Says::RosterUnreadable { at, zone }),
        ),
        (
            "bundle_to_sitter",
            notice(sitter(), bundle(vec![sitter_task(false), sitter_task(true)])),
        ),
        (
            "bundle_to_staff",
            notice(staff(), bundle(vec![refused(patient()), refused(sitter())])),
        ),
        (
            "account_link",
            notice(
                patient(),
                Says::AccountLink {
                    link,
                    expires_at,
                    zone,
                },
            ),
        ),
        ("drill", notice(staff(), Says::Drill { at, zone })),
        ("test", notice(staff(), Says::Test { at, zone })),
    ]
}

fn rendered(notice: &Notice) -> Result<Vec<u8>, RenderError> {
    let token = |link: LinkId| format!("{}.AAAAAAAAAAAAAAAAAAAAAA", link.uuid().simple());
    render(notice, &settings(), "<notice-1@mail.example>", &token)
}

fn text_of(notice: &Notice) -> String {
    String::from_utf8(rendered(notice).unwrap()).unwrap()
}

#[test]
fn every_mail_reads_as_it_should() {
    for (name, notice) in every_message() {
        insta::assert_snapshot!(name, text_of(&notice).replace("\r\n", "\n"));
    }
}

#[test]
fn the_same_notice_gives_the_same_bytes() {
    for (_, notice) in every_message() {
        assert_eq!(rendered(&notice).unwrap(), rendered(&notice).unwrap());
    }
}

#[test]
fn a_mail_is_ascii_with_crlf_and_short_lines_and_parses_into_both_parts() {
    for (name, notice) in every_message() {
        let mail = text_of(&notice);
        assert!(mail.is_ascii(), "{name}");
        assert_eq!(mail.matches('\n').count(), mail.matches("\r\n").count(), "{name}");
        assert!(mail.lines().all(|line| line.len() <= 998), "{name}");
        let parsed = MessageParser::default().parse(mail.as_bytes()).unwrap();
        assert_eq!(parsed.message_id(), Some("notice-1@mail.example"));
        assert_eq!(
            (parsed.text_body_count(), parsed.html_body_count()),
            (1, 1),
            "{name}"
        );
        assert_eq!(
            parsed.date().unwrap().to_rfc3339(),
            "2026-11-21T19:14:59Z",
            "{name}"
        );
        let to = parsed.to().unwrap().first().unwrap();
        assert_eq!((to.name(), to.address()), (None, Some("ana@inbox.example")));
        assert_eq!(
            parsed.header_raw("Auto-Submitted").unwrap().trim(),
            "auto-generated"
        );
        assert_eq!(
            parsed.header_raw("X-Auto-Response-Suppress").unwrap().trim(),
            "All"
        );
        assert!(parsed.header_raw("Reply-To").is_none());
        assert_eq!(
            parsed.in_reply_to().as_text(),
            notice
                .thread
                .map(|_| "case-00000000-0000-0000-0000-000000000005@mail.example")
        );
        assert!(parsed.parts.iter().all(|part| part.attachment_name().is_none()));
    }
}

/// I8. What the recipient knows already is still nobody else's business who sees their screen.
#[test]
fn no_mail_says_what_only_the_chart_may() {
    let nobody = [
        "ketamine",
        "esketamine",
        "spravato",
        "lozenge",
        "troche",
        "dose",
        "drug",
        "medic",
        "depress",
        "anxiety",
        "ptsd",
        "suicid",
        "psych",
        "therap",
        "diagnos",
        "blood",
        "pressure",
        "pulse",
        "mmhg",
        "oximet",
        "vital",
        "vomit",
        "breath",
        "check-in",
        "missed",
        "ana ",
    ];
    let no_patient_or_sitter = [
        "session",
        "sitter",
        "clinic",
        "nurse",
        "doctor",
        "patient",
        "treatment",
        "health",
        "care team",
        "case",
        "hospital",
    ];
    for (name, notice) in every_message() {
        let mail = text_of(&notice).to_lowercase();
        for word in nobody {
            assert!(!mail.contains(word), "{name} says {word:?}");
        }
        if !matches!(notice.to.who, Who::Staff(_)) {
            for word in no_patient_or_sitter {
                assert!(!mail.contains(word), "{name} says {word:?}");
            }
        }
    }
}

#[test]
fn a_case_mail_says_by_when_with_its_zone_and_that_the_link_does_not_take_it() {
    let mail = text_of(&notice(staff(), case_needs_you(Level::P1, CaseStep::Opened)));
    let parsed = MessageParser::default().parse(mail.as_bytes()).unwrap();
    assert_eq!(parsed.subject(), Some("[P1] Case 7F3K needs you by 14:20 EST"));
    let (text, html) = (parsed.body_text(0).unwrap(), parsed.body_html(0).unwrap());
    for body in [text, html] {
        let url = "https://app.example/c/00000000000000000000000000000006.AAAAAAAAAAAAAAAAAAAAAA";
        for words in [url, "14:20 EST", "7F3K", "P1", "PIN", "alone does not take"] {
            assert!(body.contains(words), "{words:?} in {body}");
        }
    }
}

#[test]
fn nothing_can_add_a_header() {
    let evil = ["\r\nBcc: eve@evil.example", "\n", "\0", "\u{e9}", "\u{2028}"];
    for tail in evil {
        let mut notice = notice(
            patient(),
            Says::Test {
                at: instant("2026-11-21T20:00:00Z"),
                zone: Zone::UTC,
            },
        );
        notice.to.email = format!("ana@inbox.example{tail}");
        assert_eq!(rendered(&notice), Err(RenderError::Recipient), "{tail:?}");
        notice.to.email = "ana@inbox.example".into();
        notice.message = Says::CaseTaken {
            code: format!("7F3K{tail}"),
            level: Level::P1,
            at: notice.not_before,
            zone: Zone::UTC,
        };
        assert_eq!(rendered(&notice), Err(RenderError::Subject), "{tail:?}");
        let token = |_: LinkId| "t".to_owned();
        let with_id = |id: String| render(&every_message()[0].1, &settings(), &id, &token);
        assert_eq!(
            with_id(format!("<a@b{tail}>")),
            Err(RenderError::MessageId),
            "{tail:?}"
        );

        let fault = |name: &str, from: &str, domain: &str, url: &str, number: &str| {
            let tailed = |text: &str| text.replace('*', tail);
            MailSettings::new(
                &tailed(name),
                &tailed(from),
                &tailed(domain),
                &tailed(url),
                &tailed(number),
            )
            .err()
        };
        let (name, from, domain, url, number) = ("R", "r@m.example", "m.example", "https://a.example", "911");
        assert_eq!(fault(name, from, domain, url, number), None);
        assert_eq!(
            fault("R*", from, domain, url, number),
            Some(MailSettingsFault::FromName)
        );
        assert_eq!(
            fault(name, "r@m.example*", domain, url, number),
            Some(MailSettingsFault::FromAddress)
        );
        assert_eq!(
            fault(name, from, "m.example*", url, number),
            Some(MailSettingsFault::MessageIdDomain)
        );
        assert_eq!(
            fault(name, from, domain, "https://a*", number),
            Some(MailSettingsFault::PublicBaseUrl)
        );
        assert_eq!(
            fault(name, from, domain, url, "911*"),
            Some(MailSettingsFault::EmergencyNumber)
        );
    }
    for address in [
        "",
        "ana",
        "@inbox.example",
        "ana@",
        "Ana <ana@inbox.example>",
        "a b@inbox.example",
    ] {
        let mut notice = every_message().remove(0).1;
        notice.to.email = address.into();
        assert_eq!(rendered(&notice), Err(RenderError::Recipient), "{address:?}");
    }
}

#[test]
fn a_date_no_mail_can_carry_is_refused() {
    let mut notice = every_message().remove(0).1;
    for at in [
        Instant::MIN_UTC,
        Instant::MAX_UTC,
        instant("1969-12-31T23:59:59Z"),
    ] {
        notice.not_before = at;
        assert_eq!(rendered(&notice), Err(RenderError::Date), "{at}");
    }
}
