//! Whatever people, phones and workers do, in any order: the invariants hold after every step (see `invariants`).

use bedside_protocol::case::Outcome;
use bedside_protocol::checklist::{Actor, AnswerValue};
use bedside_protocol::dosing::{self, DoseReport};
use bedside_protocol::duty::DutyKind;
use bedside_protocol::gate;
use bedside_protocol::helping;
use bedside_protocol::people::OnCallPlace;
use bedside_protocol::people::{Caller, CommsStatus};
use bedside_protocol::time::{minutes, seconds};
use bedside_protocol::watch::WatchGap;
use bedside_protocol::{overriding, planning, preparation, releasing, sitting, tick};
use proptest::prelude::{Just, Strategy, any, proptest};
use proptest::test_runner::{Config as ProptestConfig, RngSeed};
use proptest::{prop_assert, prop_assert_eq, prop_oneof};
use uuid::Uuid;

use crate::play::Play;
use crate::support::{nurse, on, order, patient};

/// One thing that happens.
#[derive(Debug, Clone)]
enum Event {
    /// Time passes with a worker looking every so often …
    Watched {
        seconds: i64,
    },
    /// … or with none, recorded or not.
    Unwatched {
        seconds: i64,
        recorded: bool,
    },
    Answer {
        pick: usize,
        well: bool,
        ago_s: i64,
    },
    Item {
        pick: usize,
        actor: Actor,
        good: bool,
    },
    Invite,
    Candidates {
        count: usize,
    },
    Train {
        right: bool,
    },
    Override {
        pick: usize,
        minutes: i64,
    },
    Accept,
    Decline,
    Here,
    Leave,
    Remove,
    Unlock,
    Dose {
        sitter: bool,
        ago_s: i64,
        device_off_s: i64,
    },
    CorrectTime {
        ago_s: i64,
    },
    Measure {
        sbp: u32,
        dbp: u32,
        hr: u32,
    },
    Help {
        flag: usize,
    },
    Take {
        place: usize,
    },
    Contacted,
    Resolve,
    GiveBack,
    Bounce {
        pick: usize,
    },
    Hold,
    Lift,
    Cancel,
    ReleaseByTelephone,
    NewOrder,
    Comms {
        active: bool,
    },
    OnCall {
        keep: u8,
    },
    OnPatientsDevice,
}

fn event() -> impl Strategy<Value = Event> {
    use Event::{
        Accept, Answer, Bounce, Cancel, Candidates, Comms, Contacted, CorrectTime, Decline, Dose, GiveBack,
        Help, Here, Hold, Invite, Item, Leave, Lift, Measure, NewOrder, OnCall, OnPatientsDevice, Override,
        ReleaseByTelephone, Remove, Resolve, Take, Train, Unlock, Unwatched, Watched,
    };
    let actor = prop_oneof![Just(Actor::Patient), Just(Actor::Sitter), Just(Actor::Nurse)];
    prop_oneof![
        8 => (0_i64..900).prop_map(|seconds| Watched { seconds }),
        2 => (900_i64..20_000).prop_map(|seconds| Watched { seconds }),
        2 => (0_i64..9_000, any::<bool>()).prop_map(|(seconds, recorded)| Unwatched { seconds, recorded }),
        12 => (any::<usize>(), proptest::bool::weighted(0.85), -60_i64..3_600)
            .prop_map(|(pick, well, ago_s)| Answer { pick, well, ago_s }),
        6 => (any::<usize>(), actor, proptest::bool::weighted(0.9))
            .prop_map(|(pick, actor, good)| Item { pick, actor, good }),
        2 => Just(Invite),
        1 => (0_usize..4).prop_map(|count| Candidates { count }),
        1 => any::<bool>().prop_map(|right| Train { right }),
        1 => (any::<usize>(), 1_i64..2_000).prop_map(|(pick, minutes)| Override { pick, minutes }),
        2 => Just(Accept),
        1 => Just(Decline),
        2 => Just(Here),
        1 => Just(Leave),
        1 => Just(Remove),
        2 => Just(Unlock),
        3 => (any::<bool>(), -600_i64..100_000, -9_000_i64..9_000)
            .prop_map(|(sitter, ago_s, device_off_s)| Dose { sitter, ago_s, device_off_s }),
        1 => (-60_i64..20_000).prop_map(|ago_s| CorrectTime { ago_s }),
        3 => (50_u32..270, 25_u32..170, 25_u32..225).prop_map(|(sbp, dbp, hr)| Measure { sbp, dbp, hr }),
        2 => (0_usize..14).prop_map(|flag| Help { flag }),
        5 => (0_usize..8).prop_map(|place| Take { place }),
        2 => Just(Contacted),
        3 => Just(Resolve),
        1 => Just(GiveBack),
        2 => any::<usize>().prop_map(|pick| Bounce { pick }),
        1 => Just(Hold),
        1 => Just(Lift),
        1 => Just(Cancel),
        1 => Just(ReleaseByTelephone),
        1 => Just(NewOrder),
        1 => any::<bool>().prop_map(|active| Comms { active }),
        1 => any::<u8>().prop_map(|keep| OnCall { keep }),
        1 => Just(OnPatientsDevice),
    ]
}

fn caller(play: &Play, sitter: bool) -> Caller {
    match (sitter, play.record.sitters.is_empty()) {
        (true, false) => play.sitter(),
        _ => patient(),
    }
}

/// Does what can be done and is refused otherwise; both are fine, breaking an invariant is not.
fn happen(play: &mut Play, event: &Event) {
    match event {
        Event::Watched { seconds: later } => play.go_to(play.now + seconds(*later)),
        Event::Unwatched {
            seconds: later,
            recorded,
        } => {
            let (from, to) = (play.now, play.now + seconds(*later));
            play.now = to;
            if *recorded {
                let count = play.record.around.watch_health.gaps.len() as u128;
                let id = Uuid::from_u128(0x900 + count).into();
                play.record
                    .around
                    .watch_health
                    .gaps
                    .push(WatchGap { id, from, to });
            }
            play.tick();
        }
        Event::Answer { pick, well, ago_s } => {
            let checks = play.record.watch.duties.iter();
            let mut checks: Vec<_> = checks
                .filter(|duty| matches!(duty.kind, DutyKind::CheckIn { .. }))
                .cloned()
                .collect();
            // Mostly the one that is on the screen, now and then any.
            checks.sort_by_key(|duty| (!duty.is_open(), (duty.due_at - play.now).abs()));
            if checks.is_empty() {
                return;
            }
            let duty = checks[(pick % 3).min(checks.len() - 1) * (pick % 5) % checks.len()].clone();
            let rule = dosing::check_rule_of(&play.record, &duty).unwrap().clone();
            let bad: Vec<&str> = rule.questions.iter().map(|it| it.key.as_str()).collect();
            let mut form = play.form(&duty, if *well { &[] } else { &bad });
            form.observed_at = Some(play.now - seconds(*ago_s));
            let by = caller(play, rule.owed_by != bedside_protocol::duty::OwedBy::Patient);
            let _ = play.send(by, form);
        }
        Event::Item { pick, actor, good } => {
            let list = play.record.around.protocol.clone();
            let item = &list.checklist[pick % list.checklist.len()];
            if *actor == Actor::Sitter && play.record.sitters.is_empty() || play.record.order.is_none() {
                return;
            }
            let value = match (&item.asks, good) {
                (bedside_protocol::document::Asks::YesNo { good: well, .. }, false) => {
                    AnswerValue::YesNo(!well)
                }
                (_, false) => AnswerValue::Cleared,
                (asks, true) if asks.is_answered_elsewhere() => AnswerValue::YesNo(true),
                (_, true) => play.good(&item.key),
            };
            let _ = play.item(*actor, &item.key, value);
        }
        Event::Invite => drop(play.invite("kim@example.org")),
        Event::Candidates { count } => drop(play.name_candidates(*count)),
        Event::Override { pick, minutes: long } => {
            let list = play.record.around.protocol.clone();
            let key = &list.checklist[pick % list.checklist.len()].key;
            let until = play.now + minutes(*long);
            let _ = play.does(crate::support::prescriber(), |record, context| {
                overriding::decide(record, key, "talked to them", until, context)
            });
        }
        Event::Help { flag } => {
            let flags = play.record.around.protocol.red_flags.clone();
            let flag = flags.get(*flag).map(|flag| flag.key.clone());
            let by = caller(play, true);
            play.asked(by, |record, context| {
                helping::help(record, flag.as_deref(), None, context)
            })
            .unwrap();
        }
        Event::Unlock => drop(play.asked(patient(), preparation::unlock)),
        Event::Dose {
            sitter,
            ago_s,
            device_off_s,
        } => {
            let report = DoseReport {
                observed_at: Some(play.now - seconds(*ago_s)),
                device_now: Some(play.now + seconds(*device_off_s)),
                shown_order_version: Some(1),
            };
            if dosing::takes_report(&play.record, &report, play.now) {
                let by = caller(play, *sitter);
                play.dose(by, report);
                assert!(
                    play.record.session.dose.is_some(),
                    "a dose that was reported is there"
                );
            }
        }
        Event::CorrectTime { ago_s } => {
            let to = play.now - seconds(*ago_s);
            let _ = play.does(patient(), |record, context| {
                dosing::correct_time(record, to, context)
            });
        }
        Event::Measure { sbp, dbp, hr } => drop(play.measure(patient(), *sbp, *dbp, *hr)),
        Event::Hold => drop(play.does(nurse(), |record, context| planning::hold(record, "wait", context))),
        Event::Lift => drop(play.does(nurse(), planning::lift)),
        Event::Cancel => drop(play.does(nurse(), |record, context| planning::cancel(record, "x", context))),
        Event::ReleaseByTelephone => drop(play.does(nurse(), |record, context| {
            releasing::release_by_telephone(record, true, true, "well", context)
        })),
        Event::NewOrder => {
            let version = play.record.order.as_ref().map_or(1, |order| order.version + 1);
            play.record.order = Some(order(version, 5));
            let decision = play.with(nurse(), planning::order_changed);
            play.apply(decision);
        }
        Event::Comms { active } => {
            play.record.patient.comms = if *active {
                CommsStatus::Active
            } else {
                CommsStatus::Hospital
            };
        }
        Event::OnCall { keep } => {
            let full = crate::support::patient_record().around.on_call;
            let kept = full
                .into_iter()
                .enumerate()
                .filter(|(index, _)| keep >> index & 1 == 1);
            play.record.around.on_call = kept.map(|(_, person)| person).collect();
        }
        Event::OnPatientsDevice => {
            let decision = play.with(patient(), sitting::on_patients_device);
            play.apply(decision);
        }
        Event::Accept | Event::Decline | Event::Here | Event::Leave | Event::Remove | Event::Train { .. } => {
            sitter_acts(play, event);
        }
        Event::Take { .. } | Event::Contacted | Event::Resolve | Event::GiveBack | Event::Bounce { .. } => {
            team_acts(play, event);
        }
    }
}

fn sitter_acts(play: &mut Play, event: &Event) {
    let Some(sitter) = play.record.sitters.last().cloned() else {
        return;
    };
    let by = play.sitter();
    let _ = match event {
        Event::Accept => play.does(by, |record, context| sitting::accept(record, true, true, context)),
        Event::Decline => play.does(by, sitting::decline),
        Event::Here => play
            .asked(by, |record, context| {
                sitting::present(record, &sitter.presence_code, context)
            })
            .map(drop),
        Event::Leave => play.does(by, sitting::leave),
        Event::Train { right } => {
            let mut answers = play.right_answers();
            if !right {
                answers.insert("stay".into(), "asleep".into());
            }
            play.asked(by, |record, context| sitting::train(record, &answers, context))
                .map(drop)
        }
        _ => play.does(patient(), |record, context| {
            sitting::remove(record, sitter.id, context)
        }),
    };
}

fn team_acts(play: &mut Play, event: &Event) {
    let Some(case) = play.record.watch.cases.last().map(|case| case.id) else {
        return;
    };
    let by = on(OnCallPlace::Nurse);
    let _ = match event {
        Event::Take { place } => play.take(crate::support::STAFF[*place].0),
        Event::Contacted => play.desk(nurse(), |desk| desk.contacted(case, by)),
        Event::Resolve => play.desk(nurse(), |desk| {
            desk.resolve(case, by, Outcome::ReachedWell, "well")
        }),
        Event::GiveBack => play.desk(nurse(), |desk| desk.give_back(case, by)),
        Event::Bounce { pick } if !play.sent.is_empty() => {
            let notice = play.sent[pick % play.sent.len()].id;
            let contact = on(crate::support::STAFF[pick % 8].0);
            play.desk(Caller::System, |desk| {
                desk.contact_unreachable(case, notice, contact);
                Ok(())
            })
        }
        _ => Ok(()),
    };
}

/// Where a play begins: planned, on the point of the dose, or in the middle of a session.
fn beginning() -> impl Strategy<Value = usize> {
    0_usize..3
}

fn begun(beginning: usize) -> Play {
    match beginning {
        0 => Play::planned(),
        1 => Play::ready(),
        _ => Play::dosed(),
    }
}

/// The same plays in every run; `PROPTEST_CASES` asks for others, and as many as it says.
fn config() -> ProptestConfig {
    let more = std::env::var_os("PROPTEST_CASES").is_some();
    let usual = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    if more {
        usual
    } else {
        ProptestConfig {
            cases: 64,
            rng_seed: RngSeed::Fixed(0x0BED_51DE),
            ..usual
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_happens_the_invariants_hold_and_a_second_tick_changes_nothing(
        beginning in beginning(),
        events in proptest::collection::vec(event(), 1..60),
    ) {
        let mut play = begun(beginning);
        for event in &events {
            happen(&mut play, event);
            play.tick();
            let (record, sent, facts) = (play.record.clone(), play.mark(), play.facts.len());
            play.tick();
            prop_assert_eq!(&play.record, &record);
            prop_assert_eq!((play.mark(), play.facts.len()), (sent, facts));
        }
        // Left alone for a day, a session is over or somebody owes something; a running one is still told of.
        let mark = play.mark();
        play.go_to(play.now + minutes(24 * 60));
        let owed = play.record.watch.open_duties().next().is_some();
        assert!(play.record.session.state.is_over() || owed, "{} and nobody owes anything", play.state());
        let on_call = !play.record.around.on_call.is_empty();
        let told = !play.case_lines_since(mark).is_empty();
        assert!(!play.is_running() || !on_call || told, "{} and nobody is told", play.state());
    }

    #[test]
    fn every_reachable_session_ends_once_the_care_team_does_its_part(
        beginning in beginning(),
        events in proptest::collection::vec(event(), 1..40),
    ) {
        let mut play = begun(beginning);
        for event in &events {
            happen(&mut play, event);
        }
        play.tick();
        // From here on nobody at home says anything more.
        for _ in 0..400 {
            let open = play.record.watch.open_case().map(|case| (case.id, case.state.taken().map(|taken| taken.by)));
            if play.is_running() {
                play.does(nurse(), |record, context| {
                    releasing::release_by_telephone(record, true, true, "spoke to both", context)
                }).unwrap();
            } else if let Some((id, taken_by)) = open {
                let by = taken_by.unwrap_or(on(OnCallPlace::Nurse));
                play.desk(nurse(), |desk| {
                    if taken_by.is_none() {
                        desk.take(id, by, "Nora")?;
                    }
                    desk.resolve(id, by, Outcome::FalseAlarm, "looked after")
                }).unwrap();
            } else if let Some(next) = play.record.watch.open_duties().filter_map(|duty| duty.wake_at).min() {
                play.go_to(next.max(play.now));
            } else {
                break;
            }
        }
        prop_assert!(play.record.session.state.is_over(), "{} never ends", play.state());
        prop_assert!(play.record.watch.open_duties().next().is_none());
    }

    #[test]
    fn nobody_hears_of_one_case_more_often_than_every_five_minutes_unless_it_was_taken(
        beginning in beginning(),
        events in proptest::collection::vec(event(), 1..60),
    ) {
        let mut play = begun(beginning);
        let calm = |event: &&Event| {
            !matches!(event, Event::Take { .. } | Event::GiveBack | Event::Bounce { .. } | Event::OnCall { .. })
        };
        let began = play.now;
        for event in events.iter().filter(calm) {
            happen(&mut play, event);
        }
        let passed_min = (play.now - began).num_minutes();
        for case in &play.record.watch.cases {
            let to_nurse = play.sent.iter().filter(|notice| {
                notice.thread == Some(case.id)
                    && notice.to.who == bedside_protocol::notice::Who::Staff(on(OnCallPlace::Nurse))
            });
            // A case is raised at most twice and hastened once; each begins a round with up to two steps of four minutes.
            let most = 4 * 3 + passed_min / 5 + 1;
            let count = i64::try_from(to_nurse.count()).unwrap();
            assert!(count <= most, "{count} mails in {passed_min} minutes");
        }
    }

    #[test]
    fn no_good_answer_closes_the_gate(order_of_items in proptest::collection::vec(any::<usize>(), 1..40)) {
        let mut play = Play::planned();
        play.invite_and_accept();
        play.before(14);
        // As one who prepares late: what held for want of an answer is lifted.
        let _ = play.does(nurse(), planning::lift);
        for pick in order_of_items {
            let list = play.record.around.protocol.clone();
            let item = &list.checklist[pick % list.checklist.len()];
            let before = gate::preparation_reasons(&play.record, play.now).len();
            for actor in &item.actors {
                match item.asks {
                    bedside_protocol::document::Asks::Vitals => {
                        play.measure(patient(), 120, 80, 70).unwrap();
                    }
                    bedside_protocol::document::Asks::Presence => play.here(),
                    bedside_protocol::document::Asks::Training => play.train(),
                    bedside_protocol::document::Asks::Sitter => play.accept(),
                    _ => {
                        let good = play.good(&item.key);
                        play.item(*actor, &item.key, good).unwrap();
                    }
                }
            }
            let after = gate::preparation_reasons(&play.record, play.now).len();
            assert!(after <= before, "{} added a reason", item.key);
            let open = gate::reasons(&play.record, play.now).iter().any(|it| it.item.as_ref() == Some(&item.key));
            assert!(!open, "{} is still open", item.key);
        }
    }

    #[test]
    fn what_is_said_once_more_and_what_a_clinician_decides_never_closes_an_open_gate(
        picks in proptest::collection::vec((any::<usize>(), any::<bool>()), 1..40),
    ) {
        let mut play = Play::ready();
        for (pick, decided) in picks {
            let said: Vec<_> = play.record.answers.iter().map(|it| (it.actor, it.item.clone(), it.value.clone())).collect();
            let (actor, item, value) = said[pick % said.len()].clone();
            if decided {
                let until = play.now + minutes(1 + i64::try_from(pick % 600).unwrap());
                let _ = play.does(crate::support::prescriber(), |record, context| {
                    overriding::decide(record, &item, "by telephone", until, context)
                });
            } else {
                match pick % 7 {
                    0 => play.here(),
                    1 => play.train(),
                    2 => drop(play.measure(patient(), 118, 76, 68).unwrap()),
                    _ => drop(play.item(actor, &item, value).unwrap()),
                }
            }
            prop_assert_eq!(play.reason_codes(), Vec::<String>::new());
            prop_assert_eq!(play.state(), "ready");
        }
    }

    #[test]
    fn a_tick_is_the_same_however_often_the_worker_looked_before(
        stops in proptest::collection::vec(1_i64..400, 1..40),
    ) {
        let mut often = Play::dosed();
        let mut seldom = often.clone();
        let end = often.now + minutes(250);
        for stop in stops {
            let to = (often.now + seconds(stop)).min(end);
            often.now = to;
            let decision = often.with(Caller::System, tick::session);
            often.apply(decision);
        }
        often.go_to(end);
        seldom.go_to(end);
        let states = |play: &Play| -> Vec<_> {
            play.record.watch.duties.iter().filter(|duty| matches!(duty.kind, DutyKind::CheckIn { .. })).map(|duty| duty.state.name()).collect()
        };
        prop_assert_eq!(states(&often), states(&seldom));
        prop_assert_eq!(often.case().level, seldom.case().level);
    }
}
