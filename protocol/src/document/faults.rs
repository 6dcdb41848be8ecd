//! Reading a document that somebody wrote: every fault at once, each by its path.
//!
//! What cannot be read at all ends the reading of a text there. So that the faults behind it are found too, the value at fault
//! is replaced by that of the shipped document and reading goes on; what is then wrong in a replaced value is nobody's.

use serde_json::Value;

use super::{DocumentFault, ProtocolDocument, SHIPPED};

/// Most faults that are listed; a text that has more is no protocol document.
const FAULTS_MAX: usize = 200;

/// Reads and checks a document. All faults come back at once, in the order in which they were found.
pub fn read(document: &Value) -> Result<ProtocolDocument, Vec<DocumentFault>> {
    let mut repair = Repair {
        document: document.clone(),
        shipped: serde_json::from_str(SHIPPED).unwrap_or_default(),
        faults: Vec::new(),
        replaced: Vec::new(),
    };
    let read = repair.read();
    let mut faults = repair.faults;
    if let Some(document) = read {
        let ours = |fault: &DocumentFault| !repair.replaced.iter().any(|path| fault.path.starts_with(path));
        let found = document.check().into_iter().filter(ours);
        faults.extend(found.take(FAULTS_MAX));
        if faults.is_empty() {
            return Ok(document);
        }
    }
    Err(faults)
}

struct Repair {
    document: Value,
    shipped: Value,
    faults: Vec<DocumentFault>,
    /// Paths of values that are not the author's.
    replaced: Vec<String>,
}

impl Repair {
    /// The document with every value replaced that cannot be read; `None` when there is no end to it.
    fn read(&mut self) -> Option<ProtocolDocument> {
        while self.faults.len() < FAULTS_MAX {
            let fault = match serde_path_to_error::deserialize::<_, ProtocolDocument>(&self.document) {
                Ok(document) => return Some(document),
                Err(error) => DocumentFault::new(error.path().to_string(), error.inner().to_string()),
            };
            let again = self
                .faults
                .iter()
                .any(|known| known.path == fault.path && known.message == fault.message);
            let mended = !again && self.mend(&fault);
            let given_up = !mended && !self.replace_around(&fault.path);
            if !again {
                self.faults.push(fault);
            }
            if given_up {
                return None;
            }
        }
        None
    }

    /// Puts in what is missing, takes out what is unknown, or replaces what is at fault. False where that changes nothing.
    fn mend(&mut self, fault: &DocumentFault) -> bool {
        let pointer = pointer_of(&fault.path);
        if let Some(field) = quoted_after(&fault.message, "missing field ") {
            let value = self
                .shipped_at(&pointer)
                .and_then(|there| there.get(field))
                .cloned();
            let place = self.document.pointer_mut(&pointer).and_then(Value::as_object_mut);
            let (Some(value), Some(place)) = (value, place) else {
                return false;
            };
            self.replaced.push(joined(&fault.path, field));
            return place.insert(field.to_owned(), value).is_none();
        }
        if let Some(field) = quoted_after(&fault.message, "unknown field ") {
            let (around, _) = pointer.rsplit_once('/').unwrap_or_default();
            return [pointer.as_str(), around].into_iter().any(|pointer| {
                let place = self.document.pointer_mut(pointer).and_then(Value::as_object_mut);
                place.is_some_and(|fields| fields.remove(field).is_some())
            });
        }
        self.replace(&fault.path)
    }

    /// Replaces the nearest value around `path` that the shipped document has otherwise.
    fn replace_around(&mut self, path: &str) -> bool {
        let mut path = path;
        while !path.is_empty() {
            path = path.rfind(['.', '[']).map_or("", |end| &path[..end]);
            if !path.is_empty() && self.replace(path) {
                return true;
            }
        }
        false
    }

    fn replace(&mut self, path: &str) -> bool {
        let pointer = pointer_of(path);
        let Some(value) = self.shipped_at(&pointer).cloned() else {
            return false;
        };
        match self.document.pointer_mut(&pointer) {
            Some(place) if *place != value => {
                *place = value;
                self.replaced.push(path.to_owned());
                true
            }
            _ => false,
        }
    }

    /// The shipped value at a place; where a list is longer than the shipped one, its first.
    fn shipped_at(&self, pointer: &str) -> Option<&Value> {
        let mut value = &self.shipped;
        for part in pointer.split('/').skip(1) {
            value = match value {
                Value::Array(list) => list.get(part.parse::<usize>().ok()?).or_else(|| list.first())?,
                other => other.get(part)?,
            };
        }
        Some(value)
    }
}

/// `checklist[3].actors[0]` as `/checklist/3/actors/0`.
fn pointer_of(path: &str) -> String {
    let parts = path.split(['.', '[', ']']).filter(|part| !part.is_empty());
    parts.flat_map(|part| ["/", part]).collect()
}

fn joined(path: &str, field: &str) -> String {
    if path == "." {
        field.to_owned()
    } else {
        format!("{path}.{field}")
    }
}

fn quoted_after<'m>(message: &'m str, words: &str) -> Option<&'m str> {
    message.split_once(words)?.1.split('`').nth(1)
}
