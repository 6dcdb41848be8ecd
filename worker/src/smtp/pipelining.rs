//! MAIL FROM, RCPT TO and DATA in one write, for servers that offer PIPELINING (RFC 2920): one wait instead of three.
//!
//! Guarantees: each reply is taken for the command it answers, under that stage's limit; the failure told is the first one;
//! a server that wants a message although it refused the recipient gets none (a lone dot, RFC 2920 section 3.1), and one
//! that wants a message for a mail it otherwise refused is left.

use std::time::Duration;

use lettre::transport::smtp::commands::{Data, Mail, Rcpt};

use super::{
    connection::within,
    stages::{SendFailure, Stage, StageTimeouts},
    wire::SharedWire,
};

/// Longest wait for a reply that changes nothing any more, because an earlier command was refused.
const AFTER_REFUSAL: Duration = Duration::from_secs(5);

/// Brings the conversation to the point where the message goes out.
pub(super) async fn envelope(
    wire: &SharedWire,
    limits: &StageTimeouts,
    reset: bool,
    mail: &Mail,
    rcpt: &Rcpt,
) -> Result<(), SendFailure> {
    let rset = if reset { "RSET\r\n" } else { "" };
    let steps: [(Stage, Duration, &[u16]); 4] = [
        (Stage::Rset, limits.mail, &[250]),
        (Stage::MailFrom, limits.mail, &[250]),
        (Stage::RcptTo, limits.rcpt, &[250, 251]),
        (Stage::Data, limits.data, &[354]),
    ];
    let steps = &steps[usize::from(!reset)..];
    wire.begin_exchange();
    let commands = format!("{rset}{mail}{rcpt}{Data}");
    within(steps[0].0, steps[0].1, wire.say(&commands)).await?;

    let mut refused: Option<SendFailure> = None;
    let mut recipient_refused = false;
    for &(stage, limit, wanted) in steps {
        let limit = if refused.is_some() {
            limit.min(AFTER_REFUSAL)
        } else {
            limit
        };
        match within(stage, limit, wire.hear()).await {
            Ok(reply) if wanted.contains(&reply.code) => match refused {
                Some(_) if stage == Stage::Data && recipient_refused => end_without_message(wire).await,
                Some(_) if stage == Stage::Data => wire.break_off(),
                _ => {}
            },
            Ok(reply) => {
                recipient_refused |= stage == Stage::RcptTo;
                refused.get_or_insert(SendFailure::from_reply(stage, reply));
            }
            Err(failure) => {
                wire.break_off();
                return Err(refused.unwrap_or(failure));
            }
        }
    }
    refused.map_or(Ok(()), Err)
}

/// The server said 354 though it has no recipient: nothing but a dot. What it answers changes nothing.
async fn end_without_message(wire: &SharedWire) {
    let answered = within(Stage::Data, AFTER_REFUSAL, async {
        wire.say(".\r\n").await?;
        wire.hear().await
    });
    if answered.await.is_err() {
        wire.break_off();
    }
}
