//! The mail folder as the players and the audience see it: each mail is told once, and its link can be opened.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use bedside_protocol::time::Instant;
use chrono::NaiveDateTime;
use mail_parser::MessageParser;

use super::facts::Facts;
use super::stage::Stage;

/// How often the folder is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A mail that arrived.
#[derive(Debug, Clone)]
pub struct Mail {
    /// The address it went to.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// Its text part.
    pub text: String,
    /// When it was delivered, on the clinical clock.
    pub at: Instant,
}

impl Mail {
    /// The path of the first link under `prefix`, such as `/s/`.
    pub fn link(&self, prefix: &str) -> Option<String> {
        let links = self
            .text
            .split_whitespace()
            .filter(|word| word.starts_with("http"));
        links
            .filter_map(|link| link.get(link.find(prefix)?..))
            .map(str::to_owned)
            .next()
    }
}

/// Everything that arrived, in order.
#[derive(Clone, Default)]
pub struct Mailboxes(Arc<Mutex<Vec<Mail>>>);

impl Mailboxes {
    /// How many mails there are: a mark to look for later ones from.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// The mails to one address since a mark.
    pub fn to(&self, address: &str, since: usize) -> Vec<Mail> {
        self.lock()
            .iter()
            .skip(since)
            .filter(|mail| mail.to == address)
            .cloned()
            .collect()
    }

    /// Waits for a mail to one address since a mark that has a link under `prefix`; blocks.
    pub fn wait_for_link(&self, stage: &Stage, address: &str, prefix: &str, since: usize) -> Result<String> {
        let limit = Duration::from_secs(20);
        let mut waited = Duration::ZERO;
        loop {
            if let Some(link) = self
                .to(address, since)
                .iter()
                .rev()
                .find_map(|mail| mail.link(prefix))
            {
                return Ok(link);
            }
            if waited >= limit {
                let at = stage.zone.clock_24h(stage.now());
                anyhow::bail!("no mail with a {prefix} link came to {address} by {at}");
            }
            std::thread::sleep(LOOK_EVERY);
            waited += LOOK_EVERY;
        }
    }

    /// Waits until a mail has come to every one of these addresses since a mark, or gives up; blocks.
    pub fn wait_for_all(&self, addresses: &[&str], since: usize, limit: Duration) -> bool {
        let mut waited = Duration::ZERO;
        while !addresses
            .iter()
            .all(|address| !self.to(address, since).is_empty())
        {
            if waited >= limit {
                return false;
            }
            std::thread::sleep(LOOK_EVERY);
            waited += LOOK_EVERY;
        }
        true
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Mail>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Watches the folder for as long as the demo runs, and tells each mail as it comes.
pub async fn watch(
    folder: PathBuf,
    mailboxes: Mailboxes,
    stage: Stage,
    facts: Facts,
    name_of: fn(&str) -> String,
) {
    let mut seen = BTreeSet::new();
    loop {
        let arrived = unseen(&folder, &mut seen);
        if !arrived.is_empty() {
            facts.tell_new().await;
        }
        for (name, mail) in arrived {
            match mail {
                Ok(mail) => {
                    let to = name_of(&mail.to);
                    stage.tell_at(mail.at, "  mail", &format!("to {to}: \"{}\"", mail.subject));
                    mailboxes.lock().push(mail);
                }
                Err(error) => stage.tell("  mail", &format!("{name} cannot be read: {error:#}")),
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn unseen(folder: &Path, seen: &mut BTreeSet<String>) -> Vec<(String, Result<Mail>)> {
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = names
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.retain(|name| {
        let is_mail = Path::new(name)
            .extension()
            .is_some_and(|extension| extension == "eml");
        is_mail && !name.starts_with('.') && !seen.contains(name)
    });
    names.sort();
    names
        .into_iter()
        .map(|name| {
            seen.insert(name.clone());
            let mail = read(&folder.join(&name));
            (name, mail)
        })
        .collect()
}

/// The worker's file names begin with the time, such as `20261121T063813769Z`.
fn delivered_at(path: &Path) -> Option<Instant> {
    let time = path.file_name()?.to_str()?.split('-').next()?;
    NaiveDateTime::parse_from_str(time, "%Y%m%dT%H%M%S%3fZ")
        .ok()
        .map(|time| time.and_utc())
}

fn read(path: &Path) -> Result<Mail> {
    let bytes = std::fs::read(path)?;
    let message = MessageParser::default()
        .parse(&bytes)
        .context("it is not a mail")?;
    let to = message
        .to()
        .and_then(|to| to.first()?.address())
        .context("it has no To")?
        .to_owned();
    let subject = message.subject().unwrap_or_default().to_owned();
    let text = message.body_text(0).unwrap_or_default().into_owned();
    Ok(Mail {
        to,
        subject,
        text,
        at: delivered_at(path).context("its name holds no time")?,
    })
}
