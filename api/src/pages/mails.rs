//! The mails of a demo, read from its folder: a list, newest first, and one mail with its links to press.
//!
//! On only where a mail folder is set and the program runs for development, and only for a browser on this machine;
//! elsewhere these pages do not exist. A name opens a file only if the folder lists it, so no path leads out of it.

use std::fs;
use std::io::{self, Read as _};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{FORWARDED, HOST, HeaderMap, X_FORWARDED_FOR, X_FORWARDED_HOST};
use actix_web::web::{self, Data};
use askama::Template;
use mail_parser::{Address, MessageParser};

use super::exchange::{Answer, html};
use crate::app::App;
use crate::error::{ApiError, PageError};

/// Most mails in the list.
const LISTED_MAX: usize = 300;

/// How much of a file is read for the list, bytes; enough for the head of any mail of ours.
const HEAD_MAX: u64 = 16 * 1024;

/// How much of a mail is shown, bytes.
const MAIL_MAX: u64 = 256 * 1024;

/// The list.
#[derive(Debug, Template)]
#[template(path = "mails.html")]
struct MailsPage {
    rows: Vec<Row>,
    more: usize,
}

/// One line of the list.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    name: String,
    at: String,
    to: String,
    subject: String,
}

/// One mail.
#[derive(Debug, Template)]
#[template(path = "mail.html")]
struct MailPage {
    mail: Mail,
}

/// A mail, decoded.
#[derive(Debug, PartialEq, Eq)]
struct Mail {
    from: String,
    to: String,
    subject: String,
    at: String,
    text: Vec<Stretch>,
    raw: String,
}

/// A stretch of text, or a link.
#[derive(Debug, PartialEq, Eq)]
struct Stretch {
    text: String,
    link: bool,
}

/// `GET /mails`
pub async fn list(app: Data<App>, request: HttpRequest) -> Answer {
    let folder = folder(&app, &request)?;
    let page = read(move || list_folder(&folder)).await?;
    Ok(html(StatusCode::OK, &page))
}

/// `GET /mails/{name}`
pub async fn show(app: Data<App>, request: HttpRequest, name: web::Path<String>) -> Answer {
    let (folder, name) = (folder(&app, &request)?, name.into_inner());
    let mail = read(move || find_mail(&folder, &name))
        .await?
        .ok_or(PageError(ApiError::NotFound))?;
    Ok(html(StatusCode::OK, &MailPage { mail }))
}

fn folder(app: &App, request: &HttpRequest) -> Result<PathBuf, PageError> {
    listed(app, request).cloned().ok_or(PageError(ApiError::NotFound))
}

/// The folder of mails, if whoever asks may see it.
pub fn listed<'a>(app: &'a App, request: &HttpRequest) -> Option<&'a PathBuf> {
    app.settings
        .listed_mail_folder()
        .filter(|_| is_from_here(request.headers()))
}

/// Whether a browser on this machine asks, as far as the request tells. Mails hold links that open accounts: a proxy
/// that nobody told us of must not show them to the world, nor a foreign name that was made to resolve to loopback.
fn is_from_here(headers: &HeaderMap) -> bool {
    let forwarded = [FORWARDED, X_FORWARDED_FOR, X_FORWARDED_HOST];
    if forwarded.iter().any(|name| headers.contains_key(name)) {
        return false;
    }
    let mut hosts = headers.get_all(HOST);
    // With two of them nobody knows which one counts.
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return false;
    };
    host.to_str().is_ok_and(is_loopback)
}

/// Whether `host`, with or without a port, is this machine.
fn is_loopback(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return false;
    }
    match name.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
        Some(address) => address.parse().is_ok_and(|ip: Ipv6Addr| ip.is_loopback()),
        None => {
            name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|ip: Ipv4Addr| ip.is_loopback())
        }
    }
}

async fn read<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, PageError> {
    let done = tokio::task::spawn_blocking(work)
        .await
        .map_err(|fault| PageError(ApiError::internal(&fault)))?;
    done.map_err(|fault| PageError(ApiError::internal(&fault)))
}

/// The names of the mails, newest first: a name begins with its time.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    let entries = match fs::read_dir(folder) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(names),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string()
            && Path::new(&name).extension().is_some_and(|ending| ending == "eml")
            && !name.starts_with('.')
            && entry.file_type()?.is_file()
        {
            names.push(name);
        }
    }
    names.sort_unstable_by(|one, other| other.cmp(one));
    Ok(names)
}

fn list_folder(folder: &Path) -> io::Result<MailsPage> {
    let names = names(folder)?;
    let more = names.len().saturating_sub(LISTED_MAX);
    let mut rows = Vec::new();
    for name in names.into_iter().take(LISTED_MAX) {
        let mail = mail(&bytes(&folder.join(&name), HEAD_MAX)?);
        rows.push(Row {
            name,
            at: mail.at,
            to: mail.to,
            subject: mail.subject,
        });
    }
    Ok(MailsPage { rows, more })
}

fn find_mail(folder: &Path, name: &str) -> io::Result<Option<Mail>> {
    if !names(folder)?.iter().any(|listed| listed == name) {
        return Ok(None);
    }
    Ok(Some(mail(&bytes(&folder.join(name), MAIL_MAX)?)))
}

fn bytes(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Decodes a mail; what cannot be decoded is shown as it stands.
fn mail(raw: &[u8]) -> Mail {
    let parsed = MessageParser::default().parse(raw);
    let parsed = parsed.as_ref();
    let text = parsed.and_then(|mail| mail.body_text(0)).unwrap_or_default();
    Mail {
        from: addresses(parsed.and_then(|mail| mail.from())),
        to: addresses(parsed.and_then(|mail| mail.to())),
        subject: parsed
            .and_then(|mail| mail.subject())
            .unwrap_or("(no subject)")
            .to_owned(),
        at: parsed
            .and_then(|mail| mail.date())
            .map(mail_parser::DateTime::to_rfc822)
            .unwrap_or_default(),
        text: stretches(&text),
        raw: String::from_utf8_lossy(raw).into_owned(),
    }
}

fn addresses(list: Option<&Address<'_>>) -> String {
    let all: Vec<_> = list
        .into_iter()
        .flat_map(Address::iter)
        .filter_map(|one| one.address())
        .collect();
    all.join(", ")
}

/// A text with its web addresses as links.
fn stretches(text: &str) -> Vec<Stretch> {
    let mut list = Vec::new();
    let mut rest = text;
    while let Some(at) = ["https://", "http://"]
        .iter()
        .filter_map(|scheme| rest.find(scheme))
        .min()
    {
        let end = rest[at..]
            .find(char::is_whitespace)
            .map_or(rest.len(), |end| at + end);
        let link = rest[at..end].trim_end_matches(['.', ',', ';', ')', '>', '"']);
        list.push(Stretch {
            text: rest[..at].to_owned(),
            link: false,
        });
        list.push(Stretch {
            text: link.to_owned(),
            link: true,
        });
        rest = &rest[at + link.len()..];
    }
    list.push(Stretch {
        text: rest.to_owned(),
        link: false,
    });
    list.retain(|stretch| !stretch.text.is_empty());
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIL: &str = "From: =?utf-8?q?B=C3=A9dside?= <b@mail.example>\r\nTo: ana@inbox.example\r\n\
        Subject: [P1] Case 7F3K =?utf-8?b?bmVlZHM=?=\r\n you by 14:20 EST\r\nDate: Sat, 21 Nov 2026 19:14:59 +0000\r\n\
        MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=\"x\"\r\n\r\n--x\r\n\
        Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
        Open the case:\r\nhttps://app.example/c/00=\r\n06.AAA\r\n\r\nCaf=C3=A9 <b>\r\n--x\r\n\
        Content-Type: text/html\r\n\r\n<p>no</p>\r\n--x--\r\n";

    #[test]
    fn a_mail_is_decoded_and_its_links_can_be_pressed() {
        let mail = mail(MAIL.as_bytes());
        assert_eq!(
            (mail.subject.as_str(), mail.to.as_str()),
            ("[P1] Case 7F3K needs you by 14:20 EST", "ana@inbox.example")
        );
        let links: Vec<_> = mail
            .text
            .iter()
            .filter(|it| it.link)
            .map(|it| it.text.as_str())
            .collect();
        assert_eq!(links, ["https://app.example/c/0006.AAA"]);
        let page = MailPage { mail }.render().unwrap();
        assert!(
            page.contains("<a href=\"https://app.example/c/0006.AAA\">") && page.contains("Café &#60;b&#62;")
        );
        assert!(!page.contains("<p>no</p>"), "the source is text too");
        super::super::keep_for_a_look("mail", &page);
    }

    #[test]
    fn only_a_browser_on_this_machine_sees_mails() {
        let from_here = |given: &[(&str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in given {
                headers.append(name.parse().unwrap(), value.parse().unwrap());
            }
            is_from_here(&headers)
        };
        for host in [
            "localhost",
            "LocalHost:8080",
            "127.0.0.1",
            "127.0.0.1:8080",
            "127.9.9.9:1",
            "[::1]",
            "[::1]:8080",
        ] {
            assert!(from_here(&[("host", host)]), "{host}");
            for name in ["forwarded", "X-Forwarded-For", "x-forwarded-host"] {
                assert!(
                    !from_here(&[("host", host), (name, "127.0.0.1")]),
                    "{host} {name}"
                );
            }
        }
        for host in [
            "",
            "bedside.example.org",
            "localhost.example.org",
            "127.0.0.1.example.org",
            "example.org:127",
            "10.0.0.1:8080",
            "0.0.0.0",
            "[::2]",
            "[::1",
            "::1",
            "localhost:x",
            "localhost:1:2",
            "user@localhost",
        ] {
            assert!(!from_here(&[("host", host)]), "{host}");
        }
        assert!(!from_here(&[]));
        assert!(!from_here(&[("host", "localhost"), ("host", "localhost")]));
    }

    #[test]
    fn only_what_the_folder_lists_is_opened_newest_first() {
        let folder = std::env::temp_dir().join(format!("bedside-mails-{}", std::process::id()));
        fs::create_dir_all(folder.join("inner.eml")).unwrap();
        for name in [
            "20261121T1-a.eml",
            "20261121T2-b.eml",
            ".hidden.eml",
            "secret.txt",
        ] {
            fs::write(folder.join(name), MAIL).unwrap();
        }
        let page = list_folder(&folder).unwrap();
        let listed: Vec<_> = page.rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(listed, ["20261121T2-b.eml", "20261121T1-a.eml"]);
        super::super::keep_for_a_look("mails", &page.render().unwrap());
        for name in [
            "../secret.txt",
            "secret.txt",
            ".hidden.eml",
            "inner.eml",
            "20261121T1-a.eml/",
            "",
            "..",
            "/etc/passwd",
        ] {
            assert_eq!(find_mail(&folder, name).unwrap(), None, "{name}");
        }
        assert!(find_mail(&folder, "20261121T1-a.eml").unwrap().is_some());
        fs::remove_dir_all(&folder).unwrap();
        assert!(list_folder(&folder).unwrap().rows.is_empty());
    }
}
