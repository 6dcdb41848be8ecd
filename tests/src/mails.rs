//! The mails that went out, read back from the mail folder as a mail program would read them.

use std::path::{Path, PathBuf};

use mail_parser::MessageParser;

/// One mail.
#[derive(Debug, Clone)]
pub struct Mail {
    /// The recipient's address.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// The plain-text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
    /// Its Message-ID without brackets.
    pub message_id: String,
    /// The whole source.
    pub source: String,
}

impl Mail {
    fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).expect("a mail file");
        let message = MessageParser::default().parse(&bytes).expect("a mail");
        let to = message
            .to()
            .and_then(|to| to.first())
            .and_then(|to| to.address())
            .unwrap_or_default()
            .to_owned();
        Self {
            to,
            subject: message.subject().unwrap_or_default().to_owned(),
            text: message.body_text(0).unwrap_or_default().into_owned(),
            html: message.body_html(0).unwrap_or_default().into_owned(),
            message_id: message.message_id().unwrap_or_default().to_owned(),
            source: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    /// The path of the first link to `prefix` (`/s/`, `/c/`, `/account/`) in the text.
    #[track_caller]
    pub fn link(&self, prefix: &str) -> String {
        let start = self
            .text
            .find(prefix)
            .unwrap_or_else(|| panic!("no {prefix} link in: {}", self.text));
        self.text[start..]
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .to_owned()
    }
}

/// A mail folder and what of it was looked at already.
pub struct Mailbox {
    folder: PathBuf,
    seen: std::collections::BTreeSet<PathBuf>,
}

impl Mailbox {
    /// The mails in `folder`.
    pub fn of(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            seen: std::collections::BTreeSet::new(),
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(&self.folder) else {
            return Vec::new();
        };
        let mut files: Vec<PathBuf> = entries
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
            .collect();
        files.sort();
        files
    }

    /// Every mail, in the order of their file names.
    pub fn all(&self) -> Vec<Mail> {
        self.files().iter().map(|path| Mail::read(path)).collect()
    }

    /// The mails that came since the last call.
    pub fn fresh(&mut self) -> Vec<Mail> {
        let fresh: Vec<PathBuf> = self
            .files()
            .into_iter()
            .filter(|path| !self.seen.contains(path))
            .collect();
        self.seen.extend(fresh.iter().cloned());
        fresh.iter().map(|path| Mail::read(path)).collect()
    }
}

/// The subjects of the mails to one address.
pub fn subjects_to<'m>(mails: &'m [Mail], address: &str) -> Vec<&'m str> {
    mails
        .iter()
        .filter(|mail| mail.to == address)
        .map(|mail| mail.subject.as_str())
        .collect()
}
