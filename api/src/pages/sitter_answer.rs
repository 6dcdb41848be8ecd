//! An item's answer from the fields of its form on a sitter's page.

use bedside_protocol::checklist::{AnswerValue, Quantity};
use bedside_protocol::document::{Asks, Item};
use bedside_protocol::order::{AfterHold, Instruction};
use bedside_protocol::refusal::{Fault, Faults, Refusal};
use bedside_protocol::time::Zone;
use chrono::NaiveDateTime;

use super::form::Fields;

/// An item's answer from the fields of its form.
pub fn item_value(item: &Item, fields: &Fields, zone: Zone) -> Result<AnswerValue, Refusal> {
    let text = || {
        fields
            .text("value")
            .ok_or_else(|| Refusal::invalid("value", "is missing"))
    };
    match &item.asks {
        Asks::YesNo { .. } | Asks::Wish => {
            let value = fields
                .yes_no("value")
                .ok_or_else(|| Refusal::invalid("value", "choose yes or no"))?;
            Ok(AnswerValue::YesNo(value))
        }
        Asks::Readback => readback(fields),
        Asks::Text { .. } | Asks::Address { .. } => Ok(AnswerValue::Text(text()?.to_owned())),
        Asks::Number { unit, .. } => {
            let mut faults = Faults::default();
            let number = i64::from(fields.number("value", &mut faults));
            faults.into_result()?;
            let unit = unit.clone();
            Ok(AnswerValue::Number(Quantity { number, unit }))
        }
        Asks::Choice { .. } => Ok(AnswerValue::Choice(text()?.to_owned())),
        Asks::Time { .. } => {
            let text = text()?;
            let local = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
                .iter()
                .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
                .ok_or_else(|| Refusal::invalid("value", "choose a day and a time"))?;
            Ok(AnswerValue::Time(zone.resolve(local.date(), local.time())))
        }
        // The rule says where these are answered.
        Asks::Vitals | Asks::Presence | Asks::Sitter | Asks::Training => Ok(AnswerValue::Cleared),
    }
}

fn readback(fields: &Fields) -> Result<AnswerValue, Refusal> {
    let mut faults = Faults::default();
    let mut number = |name: &str| {
        let chosen = fields.text(name).and_then(|text| text.parse().ok());
        chosen.unwrap_or_else(|| {
            faults.push(Fault::new(name, "choose one"));
            0
        })
    };
    let (lozenge_count, hold_minutes) = (number("lozenge_count"), number("hold_minutes"));
    let after_hold = match fields.text("after_hold") {
        Some("spit") => Some(AfterHold::Spit),
        Some("swallow") => Some(AfterHold::Swallow),
        _ => {
            faults.push(Fault::new("after_hold", "choose one"));
            None
        }
    };
    match after_hold {
        Some(after_hold) if faults.0.is_empty() => Ok(AnswerValue::Readback(Instruction {
            lozenge_count,
            hold_minutes,
            after_hold,
        })),
        _ => Err(Refusal::Invalid(faults)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_back_needs_all_three_choices_and_names_those_that_are_missing() {
        let all = Fields::of(&[
            ("lozenge_count", "2"),
            ("hold_minutes", "10"),
            ("after_hold", "spit"),
        ]);
        let chosen = Instruction {
            lozenge_count: 2,
            hold_minutes: 10,
            after_hold: AfterHold::Spit,
        };
        assert_eq!(readback(&all), Ok(AnswerValue::Readback(chosen)));
        let Err(Refusal::Invalid(faults)) = readback(&Fields::of(&[("hold_minutes", "ten")])) else {
            panic!()
        };
        let named: Vec<_> = faults.0.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(named, ["lozenge_count", "hold_minutes", "after_hold"]);
    }

    #[test]
    fn a_local_time_is_read_in_the_patients_zone() {
        let item: Item = serde_json::from_str(
            r#"{"key":"x","text":"x","phase":"day","actors":["sitter"],"blocks":"never",
                "asks":{"type":"time","at_least_before_min":60}}"#,
        )
        .unwrap();
        let zone = Zone::named("America/New_York").unwrap();
        let value = item_value(&item, &Fields::of(&[("value", "2026-11-21T09:30")]), zone);
        assert_eq!(
            value,
            Ok(AnswerValue::Time("2026-11-21T14:30:00Z".parse().unwrap()))
        );
        assert!(item_value(&item, &Fields::of(&[("value", "noon")]), zone).is_err());
    }

    #[test]
    fn a_number_takes_the_unit_of_its_item() {
        let item: Item = serde_json::from_str(
            r#"{"key":"x","text":"x","phase":"day","actors":["sitter"],"blocks":"never",
                "asks":{"type":"number","unit":"lozenges","least":0,"most":40,"other":"hold"}}"#,
        )
        .unwrap();
        let zone = Zone::named("America/New_York").unwrap();
        let value = item_value(&item, &Fields::of(&[("value", "12")]), zone);
        let twelve = Quantity {
            number: 12,
            unit: "lozenges".into(),
        };
        assert_eq!(value, Ok(AnswerValue::Number(twelve)));
        for bad in ["", "1.5", "-1", "twelve"] {
            assert!(
                item_value(&item, &Fields::of(&[("value", bad)]), zone).is_err(),
                "{bad}"
            );
        }
    }
}
