//! Cuts what a server sends into replies, one at a time.
//!
//! Guarantees: a reply is handed on only when it is complete and well formed; memory is bounded whatever the server
//! sends; what lies behind a reply stays here, so that a reply nobody asked for is seen. Harmless sloppiness is mended
//! (bare LF, a code without text, text that is not ASCII), because refusing a good answer to the final dot would double
//! a mail.

use super::stages::{Cause, EnhancedStatus, ReplyStatus};

/// Longest reply taken, all its lines together. The longest honest ones (EHLO, policy refusals) stay below 4 KiB.
const MAX_REPLY_BYTES: usize = 64 * 1024;

/// Longest line taken: RFC 5321 section 4.5.3.1.5 allows 512 bytes, lettre's parser 1000 with its CRLF.
const MAX_LINE_BYTES: usize = 990;

/// A complete reply.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: ReplyStatus,
    /// The whole reply in the strict form that lettre's parser wants.
    pub(super) text: Vec<u8>,
}

/// Bytes received and not yet handed on.
#[derive(Debug, Default)]
pub(super) struct ReplyFramer {
    unread: Vec<u8>,
    /// Lines of a reply whose last line has not come.
    begun: Option<Reply>,
}

impl ReplyFramer {
    /// Adds bytes as they came.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
    }

    /// The next complete reply; `None` means more bytes are needed.
    pub(super) fn next_reply(&mut self) -> Result<Option<Reply>, Cause> {
        while let Some(end) = self.unread.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.unread.drain(..=end).collect();
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            if self.take_line(line.strip_suffix(b"\r").unwrap_or(line))? {
                return Ok(self.begun.take());
            }
        }
        self.check_unfinished_line()?;
        Ok(None)
    }

    /// Whether a reply has begun and not ended.
    pub(super) fn is_within_reply(&self) -> bool {
        self.begun.is_some() || !self.unread.is_empty()
    }

    /// First byte of what came behind the last reply.
    pub(super) fn first_unread(&self) -> Option<u8> {
        self.unread.first().copied()
    }

    /// Takes one line without its end; true if it was the last of its reply.
    fn take_line(&mut self, line: &[u8]) -> Result<bool, Cause> {
        if line.len() > MAX_LINE_BYTES {
            return Err(Cause::ReplyTooLong);
        }
        if line.contains(&0) {
            return Err(Cause::NulInReply);
        }
        let (code, rest) = split_code(line).ok_or(Cause::NotAReply)?;
        let (last, text) = match rest.split_first() {
            None => (true, rest),
            Some((b' ', text)) => (true, text),
            Some((b'-', text)) => (false, text),
            Some(_) => return Err(Cause::NotAReply),
        };
        let text: String = text
            .iter()
            .map(|&byte| if is_text(byte) { char::from(byte) } else { '?' })
            .collect();
        let reply = self.begun.get_or_insert_with(|| Reply {
            status: ReplyStatus {
                code,
                enhanced: EnhancedStatus::at_start_of(&text, code),
            },
            text: Vec::new(),
        });
        if reply.status.code != code {
            return Err(Cause::NotAReply);
        }
        let separator = if last { ' ' } else { '-' };
        reply
            .text
            .extend_from_slice(format!("{code}{separator}{text}\r\n").as_bytes());
        if reply.text.len() > MAX_REPLY_BYTES {
            return Err(Cause::ReplyTooLong);
        }
        Ok(last)
    }

    /// What can be refused before the line has ended, so that garbage need not be waited out.
    fn check_unfinished_line(&self) -> Result<(), Cause> {
        if self.unread.contains(&0) {
            return Err(Cause::NulInReply);
        }
        if self.unread.len() > MAX_LINE_BYTES {
            return Err(Cause::ReplyTooLong);
        }
        if self.unread.iter().take(3).any(|byte| !byte.is_ascii_digit()) {
            return Err(Cause::NotAReply);
        }
        Ok(())
    }
}

fn is_text(byte: u8) -> bool {
    byte == b'\t' || byte == b' ' || byte.is_ascii_graphic()
}

/// The reply code of a line (RFC 5321 section 4.2: first digit 2 to 5, second 0 to 5) and what follows it.
fn split_code(line: &[u8]) -> Option<(u16, &[u8])> {
    let (code, rest) = line.split_at_checked(3)?;
    let &[
        severity @ b'2'..=b'5',
        category @ b'0'..=b'5',
        detail @ b'0'..=b'9',
    ] = code
    else {
        return None;
    };
    let code = [severity, category, detail]
        .iter()
        .fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    Some((code, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Option<(u16, String)>, Cause> {
        let mut framer = ReplyFramer::default();
        framer.push(bytes);
        let reply = framer.next_reply()?;
        Ok(reply.map(|reply| (reply.status.code, String::from_utf8(reply.text).unwrap())))
    }

    #[test]
    fn a_reply_is_handed_on_only_when_its_last_line_has_come() {
        assert_eq!(
            read(b"250-one\r\n250 two\r\n").unwrap().unwrap().1,
            "250-one\r\n250 two\r\n"
        );
        for unfinished in [
            "",
            "2",
            "250",
            "250 ok",
            "250 ok\r",
            "250-one\r\n",
            "250-one\r\n25",
        ] {
            assert_eq!(read(unfinished.as_bytes()), Ok(None), "{unfinished:?}");
        }
    }

    #[test]
    fn harmless_sloppiness_is_mended() {
        assert_eq!(read(b"250 ok\n").unwrap().unwrap().1, "250 ok\r\n");
        assert_eq!(read(b"250\r\n").unwrap().unwrap().1, "250 \r\n");
        assert_eq!(
            read("250 \u{e9}t\u{e9}\r\n".as_bytes()).unwrap().unwrap().1,
            "250 ??t??\r\n"
        );
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for garbage in [
            "hello\r\n",
            "25x ok\r\n",
            "650 ok\r\n",
            "290 ok\r\n",
            "250+ok\r\n",
            "\r\n",
            "x",
            "2x",
        ] {
            assert_eq!(read(garbage.as_bytes()), Err(Cause::NotAReply), "{garbage:?}");
        }
        assert_eq!(read(b"250-ok\r\n550 no\r\n"), Err(Cause::NotAReply));
        assert_eq!(read(b"250 o\0k\r\n"), Err(Cause::NulInReply));
        assert_eq!(read(b"250 o\0"), Err(Cause::NulInReply));
    }

    #[test]
    fn a_reply_without_end_is_refused_before_it_eats_memory() {
        let line = [b"250-".as_slice(), &[b'x'; 500], b"\r\n"].concat();
        assert_eq!(read(&line.repeat(200)), Err(Cause::ReplyTooLong));
        assert_eq!(
            read(&[b"250 ".as_slice(), &[b'x'; 2000]].concat()),
            Err(Cause::ReplyTooLong)
        );
        assert_eq!(
            read(&[b"250 ".as_slice(), &[b'x'; 2000], b"\r\n"].concat()),
            Err(Cause::ReplyTooLong)
        );
    }

    #[test]
    fn what_lies_behind_a_reply_stays_and_is_seen() {
        let mut framer = ReplyFramer::default();
        framer.push(b"250 one\r\n550 two\r\n");
        assert_eq!(framer.next_reply().unwrap().unwrap().status.code, 250);
        assert_eq!(framer.first_unread(), Some(b'5'));
        assert_eq!(framer.next_reply().unwrap().unwrap().status.code, 550);
        assert!(!framer.is_within_reply());
    }
}
