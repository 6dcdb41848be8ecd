//! Mails as files in a folder, for a demo and for development: the transport that needs no server.
//!
//! Guarantees: a mail appears whole or not at all; the same Message-ID again replaces the same file, so that a repeated
//! delivery does not show as two mails; only the owner of the process can read them; no Message-ID makes a name that
//! leads out of the folder. One process writes to a folder; any number may read.

use std::{
    collections::HashMap,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, NaiveDateTime, Utc};

/// How a file name's time is written: sorts as it reads, down to the millisecond.
const TIME_FORMAT: &str = "%Y%m%dT%H%M%S%3fZ";

/// Length of a time in [`TIME_FORMAT`].
const TIME_BYTES: usize = "20261121T053200123Z".len();

/// Longest Message-ID, once encoded: file names hold 255 bytes, time and ending take 24.
const MAX_ID_BYTES: usize = 220;

/// A folder of mails.
#[derive(Debug)]
pub struct MailFolder {
    path: PathBuf,
    /// File name of each mail by its encoded Message-ID.
    names: Mutex<HashMap<String, String>>,
}

impl MailFolder {
    /// Opens a folder, creating it (mode 0700) if it is not there, and clears what an interrupted delivery left.
    pub fn new(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        let mut names = HashMap::new();
        for name in file_names(&path)? {
            if let Some((_, id)) = split_name(&name) {
                names.insert(id.to_owned(), name);
            } else if is_unfinished(&name) {
                fs::remove_file(path.join(name))?;
            }
        }
        Ok(Self {
            path,
            names: Mutex::new(names),
        })
    }

    /// Where the mails lie.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a mail and returns its file. A mail with this Message-ID that is already here is replaced, whatever `at`
    /// says. Blocks on the disk.
    pub fn deliver(&self, message_id: &str, at: DateTime<Utc>, message: &[u8]) -> io::Result<PathBuf> {
        let id = encode_id(message_id);
        if id.is_empty() || id.len() > MAX_ID_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "Message-ID empty or too long for a file name",
            ));
        }
        // Held while writing: two deliveries of one mail would share the temporary file.
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let name = names
            .get(&id)
            .cloned()
            .unwrap_or_else(|| format!("{}-{id}.eml", at.format(TIME_FORMAT)));
        let finished = self.path.join(&name);
        let unfinished = self.path.join(format!(".{name}.new"));
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)?;
        file.write_all(message)?;
        file.sync_all()?;
        fs::rename(&unfinished, &finished)?;
        // The rename itself lives in the folder.
        File::open(&self.path)?.sync_all()?;
        names.insert(id, name);
        Ok(finished)
    }
}

/// Names of everything in the folder that can be one of ours.
fn file_names(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        names.extend(entry?.file_name().into_string().ok());
    }
    Ok(names)
}

/// Time and encoded Message-ID of a finished mail's file name.
fn split_name(name: &str) -> Option<(DateTime<Utc>, &str)> {
    let (time, rest) = name.split_at_checked(TIME_BYTES)?;
    let at = NaiveDateTime::parse_from_str(time, TIME_FORMAT).ok()?;
    let id = rest.strip_prefix('-')?.strip_suffix(".eml")?;
    Some((at.and_utc(), id))
}

fn is_unfinished(name: &str) -> bool {
    name.strip_prefix('.')
        .and_then(|name| name.strip_suffix(".new"))
        .is_some_and(|name| split_name(name).is_some())
}

/// A Message-ID as a part of a file name, without its angle brackets. Every other byte than `A-Z a-z 0-9 . _ @ -`
/// becomes `=` and two hexadecimal digits, so that different ids never share a file.
fn encode_id(message_id: &str) -> String {
    let id = message_id.strip_prefix('<').unwrap_or(message_id);
    let id = id.strip_suffix('>').unwrap_or(id);
    let mut encoded = String::with_capacity(id.len());
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || b"._@-".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.extend(['=', hex_digit(byte >> 4), hex_digit(byte & 0xF)]);
        }
    }
    encoded
}

fn hex_digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16)
        .unwrap_or('0')
        .to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn at(milliseconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_790_000_000_000 + milliseconds).unwrap()
    }

    fn folder() -> (tempfile::TempDir, MailFolder) {
        let parent = tempfile::tempdir().unwrap();
        let folder = MailFolder::new(parent.path().join("mails")).unwrap();
        (parent, folder)
    }

    #[test]
    fn a_mail_is_written_whole_and_for_the_owner_only() {
        let (_parent, folder) = folder();
        let file = folder
            .deliver("<one@clinic.example>", at(7), b"Subject: a\r\n\r\nb\r\n")
            .unwrap();
        assert_eq!(
            file.file_name().unwrap(),
            "20260921T141320007Z-one@clinic.example.eml"
        );
        assert_eq!(fs::read(&file).unwrap(), b"Subject: a\r\n\r\nb\r\n");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(
            fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777,
            0o700
        );
        assert_eq!(file_names(folder.path()).unwrap().len(), 1);
    }

    #[test]
    fn the_same_message_again_replaces_the_same_file_even_after_a_restart() {
        let (_parent, folder) = folder();
        let first = folder.deliver("<one@clinic.example>", at(0), b"first").unwrap();
        assert_eq!(
            folder
                .deliver("<one@clinic.example>", at(5000), b"second")
                .unwrap(),
            first
        );
        fs::write(
            folder
                .path()
                .join(".20260921T141320007Z-cut@clinic.example.eml.new"),
            b"cut",
        )
        .unwrap();
        let reopened = MailFolder::new(folder.path()).unwrap();
        assert_eq!(
            reopened
                .deliver("<one@clinic.example>", at(9000), b"third")
                .unwrap(),
            first
        );
        assert_eq!(fs::read(&first).unwrap(), b"third");
        assert_eq!(file_names(folder.path()).unwrap().len(), 1);
    }

    #[test]
    fn different_message_ids_never_share_a_file() {
        let (_parent, folder) = folder();
        for id in ["a/b@c", "a_b@c", "a=2Fb@c", "../a@c", "a b@c", "\u{e4}@c"] {
            folder.deliver(id, at(0), id.as_bytes()).unwrap();
        }
        let mails = file_names(folder.path()).unwrap();
        assert_eq!(mails.len(), 6);
        assert!(mails.iter().all(|name| split_name(name).is_some()));
        assert!(folder.deliver("", at(0), b"").is_err());
        assert!(folder.deliver(&"x".repeat(300), at(0), b"").is_err());
    }

    #[test]
    fn names_sort_by_time_and_mails_read_as_they_were_delivered() {
        let (_parent, folder) = folder();
        let mails = [2, 0, 1].map(|number| {
            let mail = format!(
                "To: nurse{number}@clinic.example\r\nSubject: =?utf-8?b?UGxhbsOp?=\r\n {number}\r\nDate: today\r\n\r\nSubject: no\r\n"
            );
            let file = folder
                .deliver(&format!("<{}@x>", 9 - number), at(number), mail.as_bytes())
                .unwrap();
            (file, mail)
        });
        let mut sorted: Vec<_> = mails.iter().map(|(file, _)| file).collect();
        sorted.sort_unstable();
        assert_eq!(sorted, [&mails[1].0, &mails[2].0, &mails[0].0]);
        for (file, mail) in &mails {
            assert_eq!(fs::read(file).unwrap(), mail.as_bytes());
        }
        let newest = fs::read(&mails[0].0).unwrap();
        let newest = mail_parser::MessageParser::default().parse(&newest).unwrap();
        assert_eq!(newest.subject(), Some("Plan\u{e9} 2"));
        assert_eq!(
            newest.to().and_then(|to| to.first()?.address()),
            Some("nurse2@clinic.example")
        );
        assert_eq!(
            split_name(mails[0].0.file_name().unwrap().to_str().unwrap()),
            Some((at(2), "7@x"))
        );
    }

    #[test]
    fn a_name_cannot_reach_outside_the_folder() {
        let (parent, folder) = folder();
        let secret = parent.path().join("20260921T141320007Z-secret.eml");
        fs::write(&secret, b"secret").unwrap();
        fs::write(folder.path().join("notes.txt"), b"not a mail").unwrap();
        for id in [
            "../20260921T141320007Z-secret",
            "/../../20260921T141320007Z-secret",
            "..\\secret",
            ".",
            "..",
            "/etc/passwd",
        ] {
            let file = folder.deliver(id, at(7), b"mail").unwrap();
            assert_eq!(file.parent(), Some(folder.path()), "{id:?}");
            assert!(file.is_file(), "{id:?}");
        }
        assert_eq!(fs::read(secret).unwrap(), b"secret");
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 2);
        let reopened = MailFolder::new(folder.path()).unwrap();
        assert_eq!(
            fs::read(reopened.path().join("notes.txt")).unwrap(),
            b"not a mail"
        );
    }
}
