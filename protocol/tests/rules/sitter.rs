//! The sitter: every step they can take, every one they cannot, and what it means when they are gone.

use bedside_protocol::answering;
use bedside_protocol::case::{Cause, Level};
use bedside_protocol::checklist::Actor;
use bedside_protocol::document::ItemPhase;
use bedside_protocol::duty::OwedBy;
use bedside_protocol::refusal::Refusal;
use bedside_protocol::sitter::SitterState;
use bedside_protocol::sitting::{self, CodeAnswer};
use bedside_protocol::time::minutes;

use crate::play::Play;
use crate::support::{code, patient};

fn step(play: &mut Play, step: &str) -> Result<(), Refusal> {
    let (sitter, id) = (play.sitter(), play.record.sitters.last().unwrap().id);
    let right = play.record.sitters.last().unwrap().presence_code.clone();
    match step {
        "accept" => play.does(sitter, |record, context| {
            sitting::accept(record, true, true, context)
        }),
        "decline" => play.does(sitter, sitting::decline),
        "present" => play
            .asked(sitter, |record, context| {
                sitting::present(record, &right, context)
            })
            .map(drop),
        "leave" => play.does(sitter, sitting::leave),
        // The deadline passes, and the next on the list is asked and removed.
        "lapse" => {
            play.name_candidates(1)?;
            play.go_to(play.now + minutes(25 * 60));
            let next = play.record.sitters.pop().unwrap();
            assert_eq!(next.state, SitterState::Invited);
            Ok(())
        }
        "remove" => play.does(patient(), |record, context| sitting::remove(record, id, context)),
        _ => unreachable!(),
    }
}

fn state(play: &Play) -> &'static str {
    play.record.sitters.last().unwrap().state.name()
}

/// A sitter brought to a state, a quarter of an hour before the planned time.
fn sitter_who_is(wanted: &str) -> Play {
    let mut play = Play::planned();
    play.invite("sam@example.org").unwrap();
    let (first, then): (&[&str], &[&str]) = match wanted {
        "invited" => (&[], &[]),
        "accepted" => (&["accept"], &[]),
        "declined" => (&["decline"], &[]),
        "withdrawn" => (&["accept", "decline"], &[]),
        "present" => (&["accept"], &["present"]),
        "left" => (&["accept"], &["present", "leave"]),
        "lapsed" => (&["lapse"], &[]),
        _ => (&["remove"], &[]),
    };
    for it in first {
        step(&mut play, it).unwrap();
    }
    play.before(25 * 60);
    play.answer_all(ItemPhase::DayBefore, Actor::Patient);
    play.before(15);
    for it in then {
        step(&mut play, it).unwrap();
    }
    assert_eq!(state(&play), wanted);
    play
}

#[test]
fn every_step_from_every_state_is_allowed_or_refused_as_written() {
    // state: accept, decline, present, leave, remove; an unchanged state is one that nothing happens in
    let table = [
        (
            "invited",
            ["accepted", "declined", "! not-accepted", "invited", "removed"],
        ),
        (
            "accepted",
            ["accepted", "withdrawn", "present", "left", "removed"],
        ),
        ("present", ["present", "withdrawn", "present", "left", "removed"]),
        (
            "declined",
            [
                "! not-the-sitter",
                "declined",
                "! not-the-sitter",
                "declined",
                "declined",
            ],
        ),
        (
            "withdrawn",
            [
                "! not-the-sitter",
                "withdrawn",
                "! not-the-sitter",
                "withdrawn",
                "withdrawn",
            ],
        ),
        (
            "left",
            ["! not-the-sitter", "left", "! not-the-sitter", "left", "left"],
        ),
        (
            "lapsed",
            [
                "! not-the-sitter",
                "lapsed",
                "! not-the-sitter",
                "lapsed",
                "lapsed",
            ],
        ),
        (
            "removed",
            [
                "! not-the-sitter",
                "removed",
                "! not-the-sitter",
                "removed",
                "removed",
            ],
        ),
    ];
    let steps = ["accept", "decline", "present", "leave", "remove"];
    for (from, results) in table {
        for (name, expected) in steps.into_iter().zip(results) {
            let mut play = sitter_who_is(from);
            let became = match step(&mut play, name) {
                Ok(()) => state(&play).to_owned(),
                Err(refusal) => format!("! {}", code(&refusal)),
            };
            assert_eq!(became, expected, "{name} when {from}");
        }
    }
}

#[test]
fn a_sitter_is_an_adult_who_agrees_to_be_contacted() {
    for (is_adult, may_be_contacted, field) in [(false, true, "is_adult"), (true, false, "may_be_contacted")]
    {
        let mut play = sitter_who_is("invited");
        let refusal = play
            .does(play.sitter(), |record, context| {
                sitting::accept(record, is_adult, may_be_contacted, context)
            })
            .unwrap_err();
        assert!(refusal.to_string().starts_with(field));
        assert_eq!(state(&play), "invited");
    }
}

#[test]
fn the_patients_own_address_is_no_sitters_and_only_one_is_asked_at_a_time() {
    let mut play = Play::planned();
    for own in ["ada@example.org", "ADA@Example.org", "  ada@example.org "] {
        assert_eq!(code(&play.invite(own).unwrap_err()), "invalid");
    }
    let same_phone = sitting::Invitation {
        name: "Sam".into(),
        email: "sam@example.org".into(),
        phone: "+1 (555) 01 00".into(),
    };
    let refused = play.asked(patient(), |record, context| {
        sitting::invite(record, same_phone, context)
    });
    assert!(refused.unwrap_err().to_string().starts_with("phone"));
    play.invite("sam@example.org").unwrap();
    assert_eq!(
        code(&play.invite("kim@example.org").unwrap_err()),
        "sitter-exists"
    );
    step(&mut play, "decline").unwrap();
    play.invite("kim@example.org").unwrap();
}

#[test]
fn presence_counts_from_a_quarter_of_an_hour_before_and_with_the_right_code() {
    let mut play = Play::planned();
    play.invite_and_accept();
    play.before(16);
    assert_eq!(code(&step(&mut play, "present").unwrap_err()), "too-early");
    play.before(15);
    let typed = |play: &mut Play, typed: &str| {
        play.asked(play.sitter(), |record, context| {
            sitting::present(record, typed, context)
        })
    };
    let right = play.record.current_sitter().unwrap().presence_code.clone();
    assert_eq!(typed(&mut play, "none").unwrap(), CodeAnswer::Wrong);
    assert_eq!(state(&play), "accepted");
    assert_eq!(
        typed(&mut play, &format!(" {right} ")).unwrap(),
        CodeAnswer::Right
    );
}

#[test]
fn five_wrong_codes_block_for_ten_minutes_also_the_right_one() {
    let mut play = Play::planned();
    play.invite_and_accept();
    play.before(15);
    for _ in 0..5 {
        let sitter = play.sitter();
        let answer = play.asked(sitter, |record, context| {
            sitting::present(record, "none", context)
        });
        assert_eq!(answer.unwrap(), CodeAnswer::Wrong);
    }
    assert_eq!(code(&step(&mut play, "present").unwrap_err()), "code-blocked");
    play.go_to(play.now + minutes(9));
    assert_eq!(code(&step(&mut play, "present").unwrap_err()), "code-blocked");
    play.go_to(play.now + minutes(1));
    step(&mut play, "present").unwrap();
}

#[test]
fn before_the_session_a_sitter_who_goes_locks_it_and_the_patient_hears() {
    for (from, how) in [
        ("accepted", "decline"),
        ("present", "decline"),
        ("present", "leave"),
    ] {
        let mut play = sitter_who_is(from);
        let mark = play.mark();
        step(&mut play, how).unwrap();
        let sent = play.lines_since(mark);
        assert_eq!(
            sent,
            ["T-15 coordinator P3 opened", "T-15 patient sitter changed"]
        );
        assert_eq!(play.case().level, Level::P3);
        assert!(play.reason_codes().contains(&"no-sitter".to_owned()));
    }
}

#[test]
fn removing_a_sitter_before_the_session_asks_for_no_reason_and_alarms_nobody() {
    let mut play = sitter_who_is("accepted");
    let mark = play.mark();
    step(&mut play, "remove").unwrap();
    assert_eq!((play.mark(), play.record.watch.cases.len()), (mark, 0));
}

#[test]
fn in_a_session_a_sitter_who_goes_is_a_p1_and_the_care_team_owes_the_checks() {
    let cases = [
        ("decline", Cause::SitterGone),
        ("leave", Cause::SitterLeft),
        ("remove", Cause::SitterGone),
    ];
    for (how, cause) in cases {
        let mut play = Play::dosed();
        play.all_well_until(20);
        step(&mut play, how).unwrap();
        assert_eq!(
            (play.case().level, &play.case().signals[0].what),
            (Level::P1, &cause)
        );
        assert_eq!(play.check("C6", 0).owed_by, OwedBy::OnCall);
        assert_eq!(play.check("C11", 0).owed_by, OwedBy::Patient);
        // The one who went answers nothing any more.
        let form = play.form(&play.check("C6", 0).clone(), &[]);
        play.after(28);
        let refusal = play.send(play.sitter(), form).unwrap_err();
        assert_eq!(code(&refusal), "not-the-sitter");
        // Nobody at home is reminded of what the care team owes; the miss reaches the team.
        let mark = play.mark();
        play.after(34);
        let sent = play.lines_since(mark);
        assert!(
            !sent
                .iter()
                .any(|line| line.contains("patient") || line.contains("sitter")),
            "{sent:?}"
        );
        assert!(crate::support::is_missed(play.check("C6", 0)));
    }
}

#[test]
fn a_sitter_who_takes_over_in_the_session_owes_what_is_left() {
    let mut play = Play::dosed();
    play.all_well_until(20);
    step(&mut play, "leave").unwrap();
    play.invite("kim@example.org").unwrap();
    assert_eq!(play.check("C6", 0).owed_by, OwedBy::OnCall);
    step(&mut play, "accept").unwrap();
    assert_eq!(play.check("C6", 0).owed_by, OwedBy::Sitter);
    step(&mut play, "present").unwrap();
    play.all_well_until(120);
    assert_eq!(play.state(), "released");
}

#[test]
fn an_invitation_without_an_answer_is_reminded_once_and_goes_to_the_worklist() {
    let mut play = Play::planned();
    play.invite("sam@example.org").unwrap();
    play.go_to(play.now + minutes(25 * 60));
    assert_eq!(play.duty("answer_invitation").state.name(), "missed");
    assert_eq!(play.case().level, Level::P3);
    // They can still say yes.
    step(&mut play, "accept").unwrap();
    assert!(matches!(
        play.record.sitters[0].state,
        SitterState::Accepted { .. }
    ));
}

#[test]
fn what_a_sitter_owes_sent_from_the_patients_device_tells_a_nurse_once() {
    let mut play = Play::dosed();
    for _ in 0..3 {
        let decision = play.with(patient(), sitting::on_patients_device);
        play.apply(decision);
    }
    assert_eq!((play.case().level, play.case().signals.len()), (Level::P2, 1));
    let form = play.form(&play.check("C4", 0).clone(), &[]);
    play.after(10);
    assert_eq!(code(&play.send(patient(), form).unwrap_err()), "not-your-check");
}

#[test]
fn a_link_of_another_session_or_sitter_opens_nothing() {
    let mut play = Play::dosed();
    let other = Play::planned_with(
        &crate::support::patient_record(),
        "2026-12-05",
        "10:00:00",
        play.now,
    );
    let stranger = bedside_protocol::people::Caller::Sitter {
        session: other.record.session.id,
        sitter: play.record.sitters[0].id,
    };
    play.after(10);
    let form = play.form(&play.check("C4", 0).clone(), &[]);
    let refusal = play
        .asked(stranger.clone(), |record, context| {
            answering::answer(record, form, context)
        })
        .unwrap_err();
    assert_eq!(code(&refusal), "not-the-sitter");
    assert_eq!(
        code(&play.does(stranger, sitting::leave).unwrap_err()),
        "not-found"
    );
}
