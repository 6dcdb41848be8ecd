//! Trends: what a chart shows is what was answered and measured.

use bedside_protocol::document::{InstrumentRules, ProtocolDocument};
use bedside_protocol::instruments::{Given, InstrumentKey};
use bedside_protocol::time::minutes;
use bedside_protocol::trends::{Side, of_effects, of_scores, of_vitals};
use bedside_protocol::vitals::{Phase, Reading, Vitals};
use uuid::Uuid;

use crate::forms::{answers, score};
use crate::support::{at, patient};

const NOON: &str = "2026-11-20T17:00:00Z";

#[test]
fn sums_come_in_order_of_time_with_band_and_change_since_the_baseline() {
    let rules = InstrumentRules::default();
    let day = |number: i64| at(NOON) + minutes(number * 24 * 60);
    let phq = |id: u128, on: i64, values: &[u32]| {
        score(
            id,
            InstrumentKey::Phq9,
            answers(InstrumentKey::Phq9, values),
            day(on),
        )
    };
    let scores = [
        phq(3, 20, &[1, 1, 1, 1]),
        phq(1, 0, &[3, 3, 3, 3, 3, 3, 0, 0, 1]),
        phq(2, 10, &[3, 3, 3]),
        score(
            4,
            InstrumentKey::Gad7,
            answers(InstrumentKey::Gad7, &[2]),
            day(10),
        ),
    ];
    let series = of_scores(InstrumentKey::Phq9, &scores, &[day(15), day(5)], &rules);
    let lines: Vec<String> = series
        .points
        .iter()
        .map(|point| {
            let change = point.change.map_or("baseline".to_owned(), |change| {
                format!("{:+} {} {:?}", change.points, change.response, change.remission)
            });
            let item9 = point.item9.unwrap();
            format!(
                "{} {} after {}, item 9 {item9}: {change}",
                point.total, point.band, point.after_doses
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            "19 moderately severe after 0, item 9 1: baseline",
            "9 mild after 1, item 9 0: -10 true Some(false)",
            "4 none or minimal after 2, item 9 0: -15 true Some(true)",
        ]
    );
    assert_eq!(series.doses, [day(5), day(15)]);
    assert_eq!((series.bands.len(), series.bands[4].to), (5, 27));
    let gad = of_scores(InstrumentKey::Gad7, &scores, &[], &rules);
    assert_eq!(
        (
            gad.points.len(),
            gad.points[0].total,
            gad.points[0].change,
            gad.points[0].item9
        ),
        (1, 2, None, None)
    );
    assert_eq!(of_scores(InstrumentKey::Phq9, &[], &[], &rules).points, []);
}

#[test]
fn side_effects_that_were_reported_come_item_by_item_and_an_item_that_is_gone_keeps_its_answers() {
    let mut rules = InstrumentRules::default();
    let list = |values: &[(&str, Given)]| {
        let mut given = answers(InstrumentKey::SideEffects, &[]);
        for (key, value) in values {
            given.insert((*key).to_owned(), *value);
        }
        given
    };
    let scores = [
        score(
            2,
            InstrumentKey::SideEffects,
            list(&[("nausea", Given::Number(1))]),
            at(NOON) + minutes(60),
        ),
        score(
            1,
            InstrumentKey::SideEffects,
            list(&[
                ("nausea", Given::Number(3)),
                ("fall", Given::YesNo(true)),
                ("headache", Given::Number(2)),
            ]),
            at(NOON),
        ),
    ];
    rules.side_effects.items.retain(|item| item.key != "headache");
    let lines: Vec<String> = of_effects(&scores, &rules)
        .into_iter()
        .map(|series| {
            let values: Vec<u32> = series.points.iter().map(|point| point.value).collect();
            format!("{} ({}): {values:?}", series.item, series.text)
        })
        .collect();
    assert_eq!(
        lines,
        [
            "nausea (Nausea): [3, 1]",
            "fall (A fall or an injury?): [1]",
            "headache (headache): [2]",
        ]
    );
}

#[test]
fn readings_come_with_their_minute_and_the_limits_they_were_judged_by() {
    let rules = ProtocolDocument::shipped().unwrap().vitals;
    let t0 = at(NOON);
    let reading = |id: u128, seconds: i64, phase, sbp| Reading {
        id: Uuid::from_u128(id).into(),
        vitals: Vitals {
            sbp,
            dbp: 80,
            hr: 70,
            spo2: None,
        },
        phase,
        with_symptom: false,
        observed_at: t0 + bedside_protocol::time::seconds(seconds),
        received_at: t0,
        by: patient(),
    };
    let readings = [
        reading(2, 45 * 60 + 59, Phase::InSession, 150),
        reading(1, -30, Phase::BeforeDose, 120),
    ];
    let series = of_vitals(&readings, t0, true, &rules);
    let points: Vec<(i64, u32)> = series
        .points
        .iter()
        .map(|point| (point.minute, point.vitals.sbp))
        .collect();
    assert_eq!(points, [(-1, 120), (45, 150)]);
    let limits: Vec<String> = series
        .limits
        .iter()
        .map(|limit| {
            format!(
                "{} {:?} {:?} {}",
                limit.name, limit.measure, limit.crossed, limit.value
            )
        })
        .collect();
    assert_eq!(
        limits,
        [
            "pre_dose.sbp_max Sbp Above 140",
            "pre_dose.sbp_min Sbp Below 90",
            "pre_dose.dbp_max Dbp Above 90",
            "pre_dose.hr_max Hr Above 100",
            "pre_dose.hr_min Hr Below 50",
            "during.recheck.sbp Sbp AtOrAbove 180",
            "during.recheck.dbp Dbp AtOrAbove 110",
            "during.p1_single.sbp Sbp AtOrAbove 200",
            "during.p1_single.dbp Dbp AtOrAbove 120",
            "during.p2.hr_over Hr Above 120",
            "during.p2.hr_under Hr Below 45",
            "during.spo2_p1_below Spo2 Below 92",
        ]
    );
    assert!(
        series
            .limits
            .iter()
            .all(|limit| (limit.phase == Phase::BeforeDose) == limit.name.starts_with("pre_dose"))
    );
    assert_eq!(series.limits[0].crossed, Side::Above);
}
