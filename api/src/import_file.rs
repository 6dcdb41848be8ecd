//! A file of patients who are brought over: comma-separated, one line each, the first line names the columns.
//!
//! Every fault is named by row and column, and no value is quoted. Rows count as a spreadsheet shows them: the names of the
//! columns are row 1.

use std::collections::{BTreeMap, BTreeSet};

use bedside_protocol::document::ProtocolDocument;
use bedside_protocol::import::{self, Before, DoseBefore, ImportedLimits};
use bedside_protocol::people::EmergencyContact;
use bedside_protocol::refusal::{Fault, Faults};
use bedside_protocol::time::{Instant, Planned, Zone};
use bedside_store::NewPatient;
use chrono::NaiveDateTime;

use crate::parse::{ADDRESS_MAX, Checks, NAME_MAX};

/// Most patients in one file.
pub const ROWS_MAX: usize = 200;

/// Columns that every file has.
const NEEDED: [&str; 9] = [
    "name",
    "email",
    "phone",
    "address",
    "zone",
    "emergency_contact_name",
    "emergency_contact_phone",
    "doses",
    "lozenges_held",
];

/// Columns that a file may have.
const POSSIBLE: [&str; 4] = ["first_name", "min_interval_hours", "max_doses_7d", "next_session"];

/// One row.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its number, as a spreadsheet shows it.
    pub number: usize,
    /// The patient, if their address could be read: what is at fault beside it is in `faults`.
    pub patient: NewPatient,
    /// What is known of them from before.
    pub before: Before,
    /// Everything wrong with it, by column.
    pub faults: Faults,
}

/// Reads a file. `Err` is what is wrong with the file as a whole; what is wrong with a row is in the row.
pub fn read(text: &str, protocol: &ProtocolDocument, now: Instant) -> Result<Vec<Row>, Faults> {
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let columns = columns(&mut reader)?;
    let mut rows = Vec::new();
    let mut addresses: BTreeMap<String, usize> = BTreeMap::new();
    for (index, record) in reader.records().enumerate() {
        let number = index + 2;
        if index == ROWS_MAX {
            return Err(Faults(vec![Fault::new(
                "csv",
                format!("has more than {ROWS_MAX} patients; send it in parts"),
            )]));
        }
        let record = record.map_err(|_| {
            Faults(vec![Fault::new(
                "csv",
                format!("row {number} is not comma-separated text"),
            )])
        })?;
        let mut row = row(number, &record, &columns, protocol, now);
        let address = row.patient.email.to_lowercase();
        if let Some(earlier) = addresses.get(&address).filter(|_| !address.is_empty()) {
            row.faults
                .push(Fault::new("email", format!("stands in row {earlier} already")));
        } else {
            addresses.insert(address, number);
        }
        rows.push(row);
    }
    if rows.is_empty() {
        return Err(Faults(vec![Fault::new("csv", "has no patients")]));
    }
    Ok(rows)
}

fn columns(reader: &mut csv::Reader<&[u8]>) -> Result<Vec<String>, Faults> {
    let mut faults = Faults::default();
    let named: Vec<String> = match reader.headers() {
        Ok(header) => header.iter().map(str::to_lowercase).collect(),
        Err(_) => Vec::new(),
    };
    let mut seen = BTreeSet::new();
    for (index, name) in named.iter().enumerate() {
        let number = index + 1;
        if !NEEDED.contains(&name.as_str()) && !POSSIBLE.contains(&name.as_str()) {
            faults.push(Fault::new(
                "csv",
                format!("column {number} has no name that is known"),
            ));
        } else if !seen.insert(name.as_str()) {
            faults.push(Fault::new("csv", format!("column {name} stands twice")));
        }
    }
    for name in NEEDED {
        if !seen.contains(name) {
            faults.push(Fault::new("csv", format!("column {name} is missing")));
        }
    }
    faults.into_result()?;
    Ok(named)
}

fn row(
    number: usize,
    record: &csv::StringRecord,
    columns: &[String],
    protocol: &ProtocolDocument,
    now: Instant,
) -> Row {
    let mut checks = Checks::new();
    if record.len() != columns.len() {
        let (has, named) = (record.len(), columns.len());
        checks.fault("row", format!("has {has} fields, and there are {named} columns"));
    }
    let field = |name: &str| {
        let place = columns.iter().position(|column| column == name);
        place.and_then(|place| record.get(place)).unwrap_or_default()
    };
    let zone = checks.zone("zone", field("zone"));
    let name = checks.line("name", field("name"), NAME_MAX);
    let first_name = match field("first_name") {
        "" => name.split_whitespace().next().unwrap_or_default().to_owned(),
        given => checks.line("first_name", given, NAME_MAX),
    };
    let patient = NewPatient {
        first_name,
        email: checks.email("email", field("email")),
        phone: checks.phone("phone", field("phone")),
        address: checks.line("address", field("address"), ADDRESS_MAX),
        zone,
        emergency_contact: EmergencyContact {
            name: checks.line(
                "emergency_contact_name",
                field("emergency_contact_name"),
                NAME_MAX,
            ),
            phone: checks.phone("emergency_contact_phone", field("emergency_contact_phone")),
        },
        name,
    };
    let given = |name: &str| Some(field(name)).filter(|text| !text.is_empty());
    let before = Before {
        doses: doses(&mut checks, field("doses"), zone),
        lozenges_held: whole_number(&mut checks, "lozenges_held", field("lozenges_held")).unwrap_or(0),
        limits: ImportedLimits {
            min_interval_hours: given("min_interval_hours")
                .and_then(|text| whole_number(&mut checks, "min_interval_hours", text)),
            max_doses_rolling_7d: given("max_doses_7d")
                .and_then(|text| whole_number(&mut checks, "max_doses_7d", text)),
        },
        next_session: given("next_session").and_then(|text| {
            let at = local_time(text, zone);
            if at.is_none() {
                checks.fault("next_session", "must be a local time such as 2026-12-01 10:00");
            }
            at
        }),
    };
    let mut faults = checks.into_faults();
    faults.0.extend(import::check(&before, protocol, now).0);
    Row {
        number,
        patient,
        before,
        faults,
    }
}

/// Local times with semicolons between them.
fn doses(checks: &mut Checks, text: &str, zone: Zone) -> Vec<DoseBefore> {
    let mut doses = Vec::new();
    let written = text.split(';').map(str::trim).filter(|part| !part.is_empty());
    for (index, part) in written.take(import::DOSES_MAX + 1).enumerate() {
        let number = index + 1;
        match local_time(part, zone) {
            Some(taken) => doses.push(DoseBefore { number, taken }),
            None => checks.fault(
                "doses",
                format!("dose {number} must be a local time such as 2026-11-01 10:00"),
            ),
        }
    }
    doses
}

fn local_time(text: &str, zone: Zone) -> Option<Planned> {
    let at = ["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())?;
    // Exactly sixteen characters: chrono also reads years of six digits and hours of one.
    (text.len() == 16).then(|| Planned::new(at.date(), at.time(), zone))
}

fn whole_number<T: std::str::FromStr>(checks: &mut Checks, column: &str, text: &str) -> Option<T> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits);
    if number.is_none() {
        checks.fault(column, "must be a whole number");
    }
    number
}
