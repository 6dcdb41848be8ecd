//! The order: ranges, the tenfold typing error, versions.

use bedside_protocol::order::{Order, OrderDraft, sign};
use bedside_protocol::people::OnCallPlace::{Nurse, Prescriber};
use uuid::Uuid;

use crate::support::{at, on, order, patient_record};

fn signed(draft: OrderDraft, previous: Option<&Order>, second: bool) -> Result<Order, Vec<String>> {
    let document = patient_record().around.protocol;
    let (id, now) = (Uuid::from_u128(1).into(), at("2026-11-20T12:00:00Z"));
    let countersigner = second.then(|| on(Nurse));
    sign(draft, previous, on(Prescriber), countersigner, id, now, &document)
        .map_err(|faults| faults.0.into_iter().map(|fault| fault.field).collect())
}

#[test]
fn an_order_lies_in_the_clinics_ranges() {
    type Change = fn(&mut OrderDraft);
    let cases: [(&[&str], Change); 15] = [
        (&[], |_| {}),
        (&["lozenge_count"], |it| it.instruction.lozenge_count = 0),
        (&["lozenge_count", "strength_mg"], |it| {
            it.instruction.lozenge_count = 13;
        }),
        (&["strength_mg"], |it| it.strength_mg = 24),
        (&["strength_mg"], |it| it.strength_mg = 451),
        (&["strength_mg", "strength_mg"], |it| it.strength_mg = 1000),
        (&["strength_mg"], |it| {
            (it.strength_mg, it.instruction.lozenge_count) = (401, 3);
        }),
        (&[], |it| {
            (it.strength_mg, it.instruction.lozenge_count) = (400, 3);
        }),
        (&["hold_minutes"], |it| it.instruction.hold_minutes = 4),
        (&["hold_minutes"], |it| it.instruction.hold_minutes = 31),
        (&["refills_left"], |it| it.refills_left = 6),
        (&["expires_on"], |it| {
            it.expires_on = "2026-10-31".parse().unwrap();
        }),
        (&["expires_on"], |it| {
            it.expires_on = "2027-05-02".parse().unwrap();
        }),
        (&["expires_on", "prescribed_on"], |it| {
            it.prescribed_on = "2027-06-01".parse().unwrap();
        }),
        (&["lozenge_count", "hold_minutes", "strength_mg"], |it| {
            it.instruction.lozenge_count = u32::MAX;
            it.instruction.hold_minutes = u32::MAX;
        }),
    ];
    for (expected, change) in cases {
        let mut draft = order(1, 10).content;
        draft.expires_on = "2027-05-01".parse().unwrap();
        change(&mut draft);
        let faults = signed(draft.clone(), None, false).err().unwrap_or_default();
        assert_eq!(faults, expected, "{draft:?}");
    }
}

#[test]
fn a_total_that_changes_by_half_or_more_needs_a_second_clinician() {
    let previous = order(3, 10);
    for (strength_mg, needs) in [
        (100, false),
        (149, false),
        (150, true),
        (67, false),
        (66, true),
        (450, true),
    ] {
        let draft = OrderDraft {
            strength_mg,
            ..previous.content.clone()
        };
        let alone = signed(draft.clone(), Some(&previous), false);
        assert_eq!(alone.is_err(), needs, "{strength_mg}");
        if let Err(faults) = alone {
            assert_eq!(faults, ["countersigned_by"]);
        }
        let both = signed(draft, Some(&previous), true).unwrap();
        assert_eq!((both.version, both.countersigned_by), (4, Some(on(Nurse))));
    }
}

#[test]
fn nobody_is_their_own_second_clinician() {
    let (document, previous) = (patient_record().around.protocol, order(1, 10));
    let draft = OrderDraft {
        strength_mg: 400,
        ..previous.content.clone()
    };
    let (id, now) = (Uuid::from_u128(1).into(), at("2026-11-20T12:00:00Z"));
    let own = sign(
        draft,
        Some(&previous),
        on(Prescriber),
        Some(on(Prescriber)),
        id,
        now,
        &document,
    );
    assert!(own.is_err());
}
