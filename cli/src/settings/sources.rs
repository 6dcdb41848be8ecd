//! Where settings come from: environment variables and one TOML file, by name, before anything is parsed.

use std::collections::HashMap;
use std::path::Path;

use super::table::{self, PREFIX, TABLE};
use super::{Fault, Faults};

/// Variables of ours that are no settings: the file's own name, and what `./test` says to the tests.
const NOT_SETTINGS: [&str; 3] = ["BEDSIDE_CONFIG", "BEDSIDE_LONG", "BEDSIDE_TEST_"];

/// A text somebody gave for a setting.
#[derive(Debug, Clone)]
pub struct Given {
    /// The text.
    pub text: String,
    /// Where, as a person would look for it.
    pub from: String,
}

/// Everything that was given. Keys are names of the table, with `_FILE` for the path of a secret.
#[derive(Debug, Default)]
pub struct Sources(HashMap<String, Given>);

impl Sources {
    /// Reads the file, then the environment, which wins. An empty variable counts as not given.
    pub fn gather(
        config: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Faults> {
        let (mut sources, mut faults) = (Self::default(), Vec::new());
        if let Some(path) = config {
            sources.read_file(path, &mut faults);
        }
        let (mut plain_url, mut own) = (None, Vec::new());
        for (variable, text) in environment.filter(|(_, text)| !text.is_empty()) {
            if variable == "DATABASE_URL" {
                plain_url = Some(text);
            } else if variable.starts_with(PREFIX) && !is_no_setting(&variable) {
                own.push((variable, text));
            }
        }
        if let Some(text) = plain_url {
            sources.0.insert(
                "DATABASE_URL".to_owned(),
                Given {
                    text,
                    from: "DATABASE_URL".to_owned(),
                },
            );
        }
        let mut from_environment: HashMap<String, String> = HashMap::new();
        for (variable, text) in own {
            let name = variable.trim_start_matches(PREFIX).to_owned();
            if let Some(problem) = unknown(&name) {
                faults.push(Fault {
                    setting: variable,
                    problem,
                });
            } else {
                // A secret in the environment sets aside the file's path for it, and the other way round.
                sources.0.remove(&other_form(&name));
                from_environment.insert(name.clone(), variable.clone());
                sources.0.insert(name, Given { text, from: variable });
            }
        }
        for (name, variable) in &from_environment {
            if from_environment.contains_key(&format!("{name}_FILE")) {
                let problem = format!("and {variable}_FILE are both given; give one of them");
                faults.push(Fault {
                    setting: variable.clone(),
                    problem,
                });
            }
        }
        faults.sort_by(|one, other| one.setting.cmp(&other.setting));
        if faults.is_empty() {
            Ok(sources)
        } else {
            Err(Faults(faults))
        }
    }

    /// What was given for a setting.
    pub fn find(&self, name: &str) -> Option<&Given> {
        self.0.get(name)
    }

    /// The path that was given for a secret.
    pub fn find_file(&self, name: &str) -> Option<&Given> {
        self.0.get(&format!("{name}_FILE"))
    }

    fn read_file(&mut self, path: &Path, faults: &mut Vec<Fault>) {
        let shown = path.display();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                let problem = format!("names the file {shown}, which cannot be read: {error}");
                return faults.push(Fault {
                    setting: "BEDSIDE_CONFIG (--config)".to_owned(),
                    problem,
                });
            }
        };
        let table: toml::Table = match text.parse() {
            Ok(table) => table,
            Err(error) => {
                // The message alone: the full one quotes the line, which may hold a secret.
                let (setting, problem) = (shown.to_string(), format!("is not TOML: {}", error.message()));
                return faults.push(Fault { setting, problem });
            }
        };
        for (key, value) in table {
            let setting = format!("{key} in {shown}");
            let name = key.to_uppercase();
            let text = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                _ => {
                    faults.push(Fault {
                        setting,
                        problem: "must be a text or a whole number".to_owned(),
                    });
                    continue;
                }
            };
            match unknown(&name) {
                Some(problem) => faults.push(Fault { setting, problem }),
                None if key != key.to_lowercase() => {
                    faults.push(Fault {
                        setting,
                        problem: "must be written in lower case".to_owned(),
                    });
                }
                None => {
                    self.0.insert(name, Given { text, from: setting });
                }
            }
        }
    }
}

fn is_no_setting(variable: &str) -> bool {
    NOT_SETTINGS.iter().any(|name| {
        if name.ends_with('_') {
            variable.starts_with(name)
        } else {
            variable == *name
        }
    })
}

/// Why a name is not one of the table's, with the nearest one that is.
fn unknown(name: &str) -> Option<String> {
    let secret_file = name
        .strip_suffix("_FILE")
        .and_then(table::find)
        .is_some_and(|setting| setting.secret);
    if secret_file || table::find(name).is_some() {
        return None;
    }
    let near = TABLE.iter().min_by_key(|setting| distance(setting.name, name));
    Some(match near {
        Some(setting) if distance(setting.name, name) <= 3 => {
            format!("is not a setting; did you mean {}?", setting.variable())
        }
        _ => "is not a setting; `bedside settings` lists them".to_owned(),
    })
}

fn other_form(name: &str) -> String {
    name.strip_suffix("_FILE")
        .map_or_else(|| format!("{name}_FILE"), str::to_owned)
}

/// How many letters must change to make one name the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.bytes().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}
