//! Makes a notice into a mail: RFC 5322 bytes with a text and an HTML part that say the same.
//!
//! Guarantees: the same notice, settings and key give the same bytes, so the mail can be made again anywhere (its date
//! is the notice's own, its boundary follows from its id; no clock and no random number is read); only printable ASCII
//! reaches a header, so no address and no setting can add one; a notice that cannot be rendered is a [`RenderError`]
//! of its own row.

mod words;

use std::time::SystemTime;

use askama::Template;
use bedside_protocol::id::{CaseId, LinkId};
use bedside_protocol::notice::Notice;
use chrono::Datelike as _;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, MultiPart, MultiPartBuilder, MultiPartKind, SinglePart};
use lettre::{Address, Message};

use self::words::Words;

/// Longest address (RFC 5321 section 4.5.3.1.3: a path has 256 bytes with its brackets).
const ADDRESS_MAX_BYTES: usize = 254;

/// Longest line of a message without its CRLF (RFC 5322 section 2.1.1). A header that would be longer is refused.
const LINE_MAX_BYTES: usize = 998;

/// What every mail of this installation has in common. Neutral: none of it says what kind of clinic writes.
#[derive(Debug, Clone)]
pub struct MailSettings {
    from: Mailbox,
    message_id_domain: String,
    public_base_url: String,
    emergency_number: String,
}

/// A mail setting that cannot be used, for a refusal at start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MailSettingsFault {
    /// The sender's name.
    #[error("the sender's name must be 1 to 60 printable ASCII characters")]
    FromName,
    /// The sender's address.
    #[error("the sender's address is not a plain mail address")]
    FromAddress,
    /// The domain of Message-IDs.
    #[error("the domain of Message-IDs must be a DNS name")]
    MessageIdDomain,
    /// The public base URL.
    #[error("the public base URL must begin with https:// or http:// and hold no space, query or fragment")]
    PublicBaseUrl,
    /// The emergency number.
    #[error("the emergency number must be 2 to 20 digits, spaces or signs of a telephone number")]
    EmergencyNumber,
}

impl MailSettings {
    /// Checked settings.
    ///
    /// `from_name` and `from_address` are the sender people see, and the address takes bounces; `message_id_domain`
    /// ends every Message-ID; `public_base_url` is where links lead, with or without a slash at its end;
    /// `emergency_number` stands at the foot of mails to patients and sitters (`911`).
    pub fn new(
        from_name: &str,
        from_address: &str,
        message_id_domain: &str,
        public_base_url: &str,
        emergency_number: &str,
    ) -> Result<Self, MailSettingsFault> {
        if !(1..=60).contains(&from_name.len()) || !is_header_text(from_name) {
            return Err(MailSettingsFault::FromName);
        }
        let address = plain_address(from_address).ok_or(MailSettingsFault::FromAddress)?;
        let domain_byte = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
        if !(1..=253).contains(&message_id_domain.len()) || !message_id_domain.bytes().all(domain_byte) {
            return Err(MailSettingsFault::MessageIdDomain);
        }
        let url = public_base_url.trim_end_matches('/');
        let host = url
            .strip_prefix("https://")
            .or_else(|| url.strip_prefix("http://"));
        let url_byte = |byte: u8| byte.is_ascii_graphic() && !b"?#<>\"'\\".contains(&byte);
        if url.len() > 500 || !url.bytes().all(url_byte) || host.is_none_or(str::is_empty) {
            return Err(MailSettingsFault::PublicBaseUrl);
        }
        let number_byte = |byte: u8| byte.is_ascii_digit() || b" +-()".contains(&byte);
        if !(2..=20).contains(&emergency_number.len()) || !emergency_number.bytes().all(number_byte) {
            return Err(MailSettingsFault::EmergencyNumber);
        }
        Ok(Self {
            from: Mailbox::new(Some(from_name.to_owned()), address),
            message_id_domain: message_id_domain.to_owned(),
            public_base_url: url.to_owned(),
            emergency_number: emergency_number.to_owned(),
        })
    }

    /// The sender's address: MAIL FROM, where bounces go.
    pub fn from_address(&self) -> &str {
        self.from.email.as_ref()
    }

    /// The domain of Message-IDs.
    pub fn message_id_domain(&self) -> &str {
        &self.message_id_domain
    }

    /// Where links lead, without a slash at its end.
    pub fn public_base_url(&self) -> &str {
        &self.public_base_url
    }

    fn emergency_number(&self) -> &str {
        &self.emergency_number
    }
}

/// Why a notice cannot be made into a mail. It never will be: the row has failed for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The recipient's address is not a plain ASCII address.
    #[error("the recipient's address is not a plain mail address")]
    Recipient,
    /// The Message-ID is not one.
    #[error("the Message-ID is not well formed")]
    MessageId,
    /// The subject would hold more than printable ASCII.
    #[error("the subject is not printable ASCII")]
    Subject,
    /// The notice's date cannot stand in a mail.
    #[error("the date lies outside the years 1970 to 9999")]
    Date,
    /// The template or the builder failed.
    #[error("the message could not be put together")]
    Assembly,
}

impl RenderError {
    /// The error's name on the outbox row.
    pub fn name(self) -> &'static str {
        match self {
            Self::Recipient => "bad_address",
            Self::MessageId | Self::Subject | Self::Date | Self::Assembly => "not_renderable",
        }
    }
}

/// The two parts of a mail.
#[derive(Template)]
#[template(path = "mail.txt")]
struct TextPart<'a> {
    words: &'a Words,
}

#[derive(Template)]
#[template(path = "mail.html")]
struct HtmlPart<'a> {
    words: &'a Words,
}

/// The whole mail of a notice. `token` gives a link's token; `message_id` has its angle brackets.
pub fn render(
    notice: &Notice,
    settings: &MailSettings,
    message_id: &str,
    token: &dyn Fn(LinkId) -> String,
) -> Result<Vec<u8>, RenderError> {
    let to = plain_address(&notice.to.email).ok_or(RenderError::Recipient)?;
    if !is_message_id(message_id) {
        return Err(RenderError::MessageId);
    }
    if !(1970..=9999).contains(&notice.not_before.year()) {
        return Err(RenderError::Date);
    }
    let words = words::words(notice, settings, token);
    if !is_header_text(&words.subject) || words.subject.len() > LINE_MAX_BYTES / 2 {
        return Err(RenderError::Subject);
    }
    let text = TextPart { words: &words }
        .render()
        .map_err(|_| RenderError::Assembly)?;
    let html = HtmlPart { words: &words }
        .render()
        .map_err(|_| RenderError::Assembly)?;

    let mut builder = Message::builder()
        .from(settings.from.clone())
        .to(Mailbox::new(None, to))
        .subject(words.subject.as_str())
        .date(SystemTime::from(notice.not_before))
        .message_id(Some(message_id.to_owned()));
    if let Some(case) = notice.thread {
        let root = thread_root(case, settings);
        builder = builder.in_reply_to(root.clone()).references(root);
    }
    for (name, value) in [
        // RFC 3834: no out-of-office answers, here and in Exchange's own words.
        ("Auto-Submitted", "auto-generated"),
        ("X-Auto-Response-Suppress", "All"),
    ] {
        builder = builder.raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str(name),
            value.to_owned(),
        ));
    }
    let message = builder
        .multipart(parts(notice, text, html))
        .map_err(|_| RenderError::Assembly)?;
    Ok(message.formatted())
}

/// What a notice's mail would say, for somebody who reads it before it is ever sent. Where its link would stand there are three
/// dots.
pub fn in_words(notice: &Notice, settings: &MailSettings) -> Result<MailWords, RenderError> {
    let words = words::words(notice, settings, &|_| "...".to_owned());
    let text = TextPart { words: &words }
        .render()
        .map_err(|_| RenderError::Assembly)?;
    Ok(MailWords {
        subject: words.subject,
        text,
    })
}

/// A mail as a person reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailWords {
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub text: String,
}

/// Text and HTML under a boundary that follows from the notice's id; lettre's own would be random.
fn parts(notice: &Notice, text: String, html: String) -> MultiPart {
    MultiPartBuilder::new()
        .kind(MultiPartKind::Alternative)
        .boundary(format!("=_{}", notice.id.uuid().simple()))
        .singlepart(
            SinglePart::builder()
                .header(ContentType::TEXT_PLAIN)
                .body(body(text)),
        )
        .singlepart(
            SinglePart::builder()
                .header(ContentType::TEXT_HTML)
                .body(body(html)),
        )
}

/// A part as it is where mail allows it: lettre would encode every line over 76 bytes, and a link that is cut in the
/// source cannot be followed from a file.
fn body(text: String) -> Body {
    let fits =
        text.is_ascii() && !text.contains('\0') && text.lines().all(|line| line.len() <= LINE_MAX_BYTES);
    if fits {
        let lines = text.lines().flat_map(|line| [line, "\r\n"]);
        let bytes = lines.collect::<String>().into_bytes();
        Body::dangerous_pre_encoded(bytes, ContentTransferEncoding::SevenBit)
    } else {
        Body::new(text)
    }
}

/// What all mails of one case answer to, so that mail programs show them as one conversation. No mail has this id.
fn thread_root(case: CaseId, settings: &MailSettings) -> String {
    format!("<case-{case}@{}>", settings.message_id_domain)
}

/// `text` as an address of plain printable ASCII, as the SMTP transport takes it.
fn plain_address(text: &str) -> Option<Address> {
    let plain = text.len() <= ADDRESS_MAX_BYTES
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"<>".contains(&byte));
    if plain { text.parse().ok() } else { None }
}

fn is_header_text(text: &str) -> bool {
    text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

fn is_message_id(text: &str) -> bool {
    let inner = text.strip_prefix('<').and_then(|text| text.strip_suffix('>'));
    inner.is_some_and(|inner| {
        inner.len() <= LINE_MAX_BYTES / 2
            && inner.contains('@')
            && inner
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !b"<>".contains(&byte))
    })
}

#[cfg(test)]
mod tests;
