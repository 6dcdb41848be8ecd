//! The SMTP sender against a server that misbehaves: what it says about each mail must be what became of it.

use std::time::Duration;

use bedside_tests::smtp_server::{Fault, Script, ServerTls, SmtpServer, Stage as At};
use bedside_worker::smtp::{
    Cause, FailureClass, Security, SendFailure, SmtpSession, SmtpSettings, Stage, StageTimeouts,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};

const FROM: &str = "bedside@clinic.example";
const TO: &str = "nurse@clinic.example";
const MAIL: &[u8] = b"Subject: Please look in\r\n\r\nA check is open.\r\n";

/// Long against the slowest machine, short against the patience of who waits for the tests.
const LIMIT: Duration = Duration::from_secs(1);

/// A reply that comes later than every limit.
const TOO_LATE: Duration = Duration::from_secs(3);

fn settings(port: u16, security: Security) -> SmtpSettings {
    SmtpSettings {
        host: "127.0.0.1".into(),
        port,
        security,
        username: None,
        password: None,
        hello_name: "bedside.example".into(),
        extra_root_certificates_pem: None,
        timeouts: StageTimeouts {
            connect: LIMIT,
            tls: LIMIT,
            greeting: LIMIT,
            ehlo: LIMIT,
            auth: LIMIT,
            mail: LIMIT,
            rcpt: LIMIT,
            data: LIMIT,
            body: LIMIT,
            final_dot: LIMIT,
            quit: LIMIT,
        },
    }
}

fn settings_for(server: &SmtpServer, tls: ServerTls) -> SmtpSettings {
    let security = match tls {
        ServerTls::None => Security::PlainInsecure,
        ServerTls::StartTls => Security::StartTls,
        ServerTls::Implicit => Security::ImplicitTls,
    };
    SmtpSettings {
        extra_root_certificates_pem: Some(server.certificate_pem().to_owned()),
        ..settings(server.address().port(), security)
    }
}

async fn connected(server: &SmtpServer, tls: ServerTls) -> SmtpSession {
    SmtpSession::connect(&settings_for(server, tls)).await.unwrap()
}

/// The fault at the stage, as it shows in the table: the class, `?` behind it if ambiguous.
async fn cell(at: At, fault: Fault, pipelining: bool) -> String {
    let tls = match (at, &fault) {
        (At::StartTls, _) => ServerTls::StartTls,
        (_, Fault::TlsFailure) => ServerTls::Implicit,
        _ => ServerTls::None,
    };
    let script = Script::new().tls(tls).fault(at, fault.clone());
    let server = SmtpServer::start(if pipelining { script.pipelining() } else { script });
    let mut session = match SmtpSession::connect(&settings_for(&server, tls)).await {
        Ok(session) => session,
        Err(failure) => return checked(&server, at, &fault, pipelining, failure),
    };
    let result = session.send(FROM, TO, MAIL).await;
    let shown = match result {
        Err(failure) => checked(&server, at, &fault, pipelining, failure),
        Ok(accepted) => {
            assert_eq!((accepted.code, accepted.reply.as_str()), (250, "250 2.0.0"));
            assert_eq!(server.received().len(), 1);
            "ok".to_owned()
        }
    };

    // Only a server that refused properly keeps its connection; it then takes the next mail.
    let refused_properly = matches!(fault, Fault::Reply(400.., _)) && fault != reply(421);
    assert_eq!(
        session.is_usable(),
        refused_properly,
        "{fault:?} at {at:?} leaves the session usable"
    );
    if refused_properly {
        server.behave();
        session.send(FROM, TO, MAIL).await.unwrap();
        assert!(server.commands().contains(&"RSET".to_owned()));
        assert_eq!(server.mails_per_connection(), [1]);
    }
    shown
}

/// The failure's stage, code and honesty are checked, then it becomes a cell.
fn checked(server: &SmtpServer, at: At, fault: &Fault, pipelining: bool, failure: SendFailure) -> String {
    let stage = match at {
        At::Greeting if *fault == Fault::TlsFailure => Stage::Tls,
        // The reset may overtake the end of connecting.
        At::Greeting if *fault == Fault::Reset && failure.stage == Stage::Connect => Stage::Connect,
        At::Greeting => Stage::Greeting,
        At::Ehlo => Stage::Ehlo,
        At::StartTls => Stage::Tls,
        At::Mail => Stage::MailFrom,
        At::Rcpt => Stage::RcptTo,
        At::Data => Stage::Data,
        At::FinalDot => Stage::FinalDot,
        At::Auth | At::Rset | At::Quit => unreachable!("not in the table"),
    };
    // Of replies to one packet nobody knows which is the one too many, and a connection that breaks may take those before along.
    let blurred = matches!(fault, Fault::DoubleReply | Fault::Reset | Fault::TlsFailure);
    if !(pipelining && blurred && matches!(at, At::Mail | At::Rcpt | At::Data)) {
        assert_eq!(failure.stage, stage, "{fault:?} at {at:?}: {failure}");
    }
    if let Fault::Reply(code, _) = fault {
        assert_eq!(failure.code, Some(*code), "{fault:?} at {at:?}: {failure}");
    }
    // Whatever is not ambiguous is truly not with the server.
    let arrived = server.received().len() + server.unacknowledged().len();
    assert!(
        failure.ambiguous || arrived == 0,
        "{fault:?} at {at:?} is said not to have arrived"
    );

    let class = match failure.class {
        FailureClass::Temporary => "T",
        FailureClass::PermanentAddress => "A",
        FailureClass::PermanentMessage => "M",
        FailureClass::PermanentServer => "S",
        FailureClass::Protocol => "P",
    };
    format!("{class}{}", if failure.ambiguous { "?" } else { "" })
}

fn reply(code: u16) -> Fault {
    Fault::Reply(code, "no <nurse@clinic.example> today".into())
}

/// Columns: greeting, EHLO, STARTTLS, MAIL FROM, RCPT TO, DATA, final dot. Cells: `T` temporary, `A` address refused,
/// `M` message refused, `S` server or settings, `P` protocol error, `?` ambiguous, `ok` accepted, `-` does not exist.
#[tokio::test]
async fn every_fault_at_every_stage_has_its_class_and_only_the_final_dot_is_ambiguous() {
    let table: [(Fault, [&str; 7]); 15] = [
        (Fault::Reset, ["T", "T", "T", "T", "T", "T", "T?"]),
        (Fault::Close, ["T", "T", "T", "T", "T", "T", "T?"]),
        (Fault::Stall, ["T", "T", "T", "T", "T", "T", "T?"]),
        (Fault::LateReply(TOO_LATE), ["T", "T", "T", "T", "T", "T", "T?"]),
        (Fault::HalfLine, ["T", "T", "T", "T", "T", "T", "T?"]),
        (Fault::TlsFailure, ["T", "T", "T", "T", "T", "T", "T?"]),
        (reply(450), ["T", "T", "T", "T", "T", "T", "T"]),
        (reply(421), ["T", "T", "T", "T", "T", "T", "T"]),
        (reply(550), ["S", "S", "S", "S", "A", "S", "M"]),
        (reply(354), ["P", "P", "P", "P", "P", "-", "P?"]),
        (Fault::Garbage, ["P", "P", "P", "P", "P", "P", "P?"]),
        (Fault::Nul, ["P", "P", "P", "P", "P", "P", "P?"]),
        (Fault::HugeReply, ["P", "P", "P", "P", "P", "P", "P?"]),
        (Fault::DoubleReply, ["P", "P", "P", "P", "P", "P", "ok"]),
        (Fault::ExtraBytesBeforeTls, ["-", "-", "P", "-", "-", "-", "-"]),
    ];
    let columns = [
        At::Greeting,
        At::Ehlo,
        At::StartTls,
        At::Mail,
        At::Rcpt,
        At::Data,
        At::FinalDot,
    ];
    let mut wrong = Vec::new();
    for (fault, row) in table {
        let mut cells = JoinSet::new();
        for (at, expected) in columns
            .into_iter()
            .zip(row)
            .filter(|(_, expected)| *expected != "-")
        {
            for pipelining in [false, true] {
                let fault = fault.clone();
                cells.spawn(async move { (at, expected, cell(at, fault, pipelining).await) });
            }
        }
        while let Some(cell) = cells.join_next().await {
            let (at, expected, found) = cell.unwrap();
            if found != expected {
                wrong.push(format!("{fault:?} at {at:?}: {found}, not {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_server_that_offers_pipelining_gets_the_envelope_in_one_write_and_each_reply_counts() {
    let server = SmtpServer::start(Script::new().pipelining());
    let mut session = connected(&server, ServerTls::None).await;
    for _ in 0..3 {
        session.send(FROM, TO, MAIL).await.unwrap();
    }
    server.refuse(TO, 550, "5.1.1 no such user");
    let failure = session.send(FROM, TO, MAIL).await.unwrap_err();
    assert_eq!(
        (failure.stage, failure.class),
        (Stage::RcptTo, FailureClass::PermanentAddress)
    );
    assert!(!failure.ambiguous && session.is_usable());
    session.send(FROM, "backup@clinic.example", MAIL).await.unwrap();
    assert_eq!(server.mails_per_connection(), [4]);
    let mail = ["MAIL", "RCPT", "DATA"];
    let expected: Vec<&str> = ["EHLO"]
        .into_iter()
        .chain(mail.repeat(4))
        .chain(["RSET"])
        .chain(mail)
        .collect();
    assert_eq!(server.commands(), expected);
}

#[tokio::test]
async fn a_server_that_refuses_the_recipient_and_wants_the_message_gets_a_lone_dot() {
    let script = Script::new().pipelining().takes_data_for_nobody();
    let server = SmtpServer::start(script);
    server.refuse(TO, 450, "4.2.0 later");
    let mut session = connected(&server, ServerTls::None).await;
    let failure = session.send(FROM, TO, MAIL).await.unwrap_err();
    assert_eq!((failure.stage, failure.code), (Stage::RcptTo, Some(450)));
    assert!(!failure.ambiguous && session.is_usable());
    session.send(FROM, "backup@clinic.example", MAIL).await.unwrap();
    assert_eq!(server.mails_per_connection(), [1]);
    assert_eq!(server.received()[0].to, ["backup@clinic.example"]);
    let expected = [
        "EHLO", "MAIL", "RCPT", "DATA", "(dot)", "RSET", "MAIL", "RCPT", "DATA",
    ];
    assert_eq!(server.commands(), expected);
}

#[tokio::test]
async fn a_reply_that_is_late_but_in_time_is_a_reply() {
    let server = SmtpServer::start(Script::new());
    let mut session = connected(&server, ServerTls::None).await;
    for at in [At::Mail, At::Rcpt, At::Data, At::FinalDot] {
        server.set(at, Fault::LateReply(LIMIT / 5));
    }
    session.send(FROM, TO, MAIL).await.unwrap();
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn nobody_listening_is_a_temporary_failure() {
    let port = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let failure = SmtpSession::connect(&settings(port, Security::PlainInsecure))
        .await
        .err()
        .unwrap();
    assert_eq!(
        (failure.stage, failure.class),
        (Stage::Connect, FailureClass::Temporary)
    );
    assert_eq!(
        failure.cause,
        Cause::Connection(std::io::ErrorKind::ConnectionRefused)
    );
}

#[tokio::test]
async fn fifty_mails_go_over_one_connection() {
    for tls in [ServerTls::None, ServerTls::StartTls, ServerTls::Implicit] {
        let server = SmtpServer::start(Script::new().tls(tls));
        let mut session = connected(&server, tls).await;
        for number in 0..50 {
            assert!(session.is_usable());
            session
                .send(FROM, &format!("nurse{number}@clinic.example"), MAIL)
                .await
                .unwrap();
        }
        session.close().await;
        assert_eq!(server.mails_per_connection(), [50]);
        let received = server.received();
        for (number, mail) in received.iter().enumerate() {
            assert_eq!((mail.from.as_str(), mail.data.as_slice()), (FROM, MAIL));
            assert_eq!(mail.to, [format!("nurse{number}@clinic.example")]);
        }
        let commands = server.commands();
        assert!(!commands.contains(&"RSET".to_owned()));
        assert_eq!(commands.last().map(String::as_str), Some("QUIT"));
    }
}

#[tokio::test]
async fn a_mail_arrives_byte_for_byte() {
    let large = b"Subject: large\r\n\r\n"
        .iter()
        .chain(&b".a line that begins with a dot\r\n".repeat(20_000))
        .copied()
        .collect();
    let mails: [Vec<u8>; 7] = [
        MAIL.to_vec(),
        b".\r\n".to_vec(),
        b"..\r\n.\r\n.a\r\n..b\r\n".to_vec(),
        b"Subject: dots\r\n\r\n.\r\nQUIT\r\n.\r\n".to_vec(),
        b"\r\n\r\n\r\n".to_vec(),
        [
            b"x".repeat(16 * 1024 - 2).as_slice(),
            b"\r\n.at the border of two pieces\r\n",
        ]
        .concat(),
        large,
    ];
    for tls in [ServerTls::None, ServerTls::Implicit] {
        let server = SmtpServer::start(Script::new().tls(tls));
        let mut session = connected(&server, tls).await;
        for mail in &mails {
            session.send(FROM, TO, mail).await.unwrap();
        }
        let received: Vec<Vec<u8>> = server.received().into_iter().map(|mail| mail.data).collect();
        assert!(received == mails, "under {tls:?}");
    }
}

#[tokio::test]
async fn line_ends_that_servers_disagree_on_do_not_go_out() {
    let server = SmtpServer::start(Script::new());
    let mut session = connected(&server, ServerTls::None).await;
    session
        .send(FROM, TO, b"Subject: a\n\nb\n.\nMAIL FROM:<eve@x>\r.\rend")
        .await
        .unwrap();
    let expected = b"Subject: a\r\n\r\nb\r\n.\r\nMAIL FROM:<eve@x>\r\n.\r\nend\r\n";
    assert_eq!(server.received()[0].data, expected);
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn what_is_not_ascii_is_refused_before_anything_is_sent() {
    let server = SmtpServer::start(Script::new());
    let mut session = connected(&server, ServerTls::None).await;
    let class = |result: Result<_, SendFailure>| result.err().map(|failure| failure.class);
    let to = session.send(FROM, "mu\u{f1}oz@clinic.example", MAIL).await;
    assert_eq!(class(to), Some(FailureClass::PermanentAddress));
    let injected = session
        .send(FROM, "a@b.example>\r\nRCPT TO:<eve@x.example", MAIL)
        .await;
    assert_eq!(class(injected), Some(FailureClass::PermanentAddress));
    let from = session.send("mu\u{f1}oz@clinic.example", TO, MAIL).await;
    assert_eq!(class(from), Some(FailureClass::PermanentServer));
    let message = session.send(FROM, TO, "Subject: \u{f1}\r\n\r\n".as_bytes()).await;
    assert_eq!(class(message), Some(FailureClass::PermanentMessage));
    assert_eq!(server.commands(), ["EHLO"]);
    session.send("", TO, MAIL).await.unwrap();
    assert_eq!(server.received()[0].from, "");
}

#[tokio::test]
async fn a_refused_address_does_not_stop_the_next_mail_on_the_connection() {
    let server = SmtpServer::start(Script::new());
    server.refuse("gone@clinic.example", 550, "5.1.1 <gone@clinic.example> unknown");
    let mut session = connected(&server, ServerTls::None).await;
    for _ in 0..3 {
        let failure = session.send(FROM, "gone@clinic.example", MAIL).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::PermanentAddress);
        assert_eq!(
            failure.enhanced.map(|status| status.to_string()).as_deref(),
            Some("5.1.1")
        );
        assert!(
            !format!("{failure} {failure:?}").contains("gone"),
            "an address in {failure:?}"
        );
        session.send(FROM, TO, MAIL).await.unwrap();
    }
    assert_eq!(server.mails_per_connection(), [3]);
}

#[tokio::test]
async fn starttls_encrypts_before_anything_is_told_and_asks_again_what_the_server_offers() {
    let server = SmtpServer::start(Script::new().tls(ServerTls::StartTls).log_in("clinic", "secret"));
    let settings = SmtpSettings {
        username: Some("clinic".into()),
        password: Some("secret".into()),
        ..settings_for(&server, ServerTls::StartTls)
    };
    let mut session = SmtpSession::connect(&settings).await.unwrap();
    session.send(FROM, TO, MAIL).await.unwrap();
    assert_eq!(
        server.commands(),
        ["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RCPT", "DATA"]
    );
}

#[tokio::test]
async fn a_reply_injected_before_the_handshake_is_refused() {
    let script = Script::new()
        .tls(ServerTls::StartTls)
        .fault(At::StartTls, Fault::ExtraBytesBeforeTls);
    let server = SmtpServer::start(script);
    let failure = SmtpSession::connect(&settings_for(&server, ServerTls::StartTls))
        .await
        .err()
        .unwrap();
    assert_eq!(
        (failure.stage, failure.class),
        (Stage::Tls, FailureClass::Protocol)
    );
    assert_eq!(failure.cause, Cause::UnaskedReply);
}

#[tokio::test]
async fn a_server_without_starttls_hears_no_mail_in_plain_text() {
    let server = SmtpServer::start(Script::new());
    let failure = SmtpSession::connect(&settings_for(&server, ServerTls::StartTls))
        .await
        .err()
        .unwrap();
    assert_eq!(
        (failure.stage, failure.class),
        (Stage::Tls, FailureClass::PermanentServer)
    );
    assert_eq!(failure.cause, Cause::NoStartTls);
    assert_eq!(server.commands(), ["EHLO"]);
}

#[tokio::test]
async fn a_certificate_nobody_vouches_for_is_told_to_staff_and_gets_no_mail() {
    for tls in [ServerTls::StartTls, ServerTls::Implicit] {
        let server = SmtpServer::start(Script::new().tls(tls));
        let stranger = SmtpServer::start(Script::new());
        let settings = SmtpSettings {
            extra_root_certificates_pem: Some(stranger.certificate_pem().to_owned()),
            ..settings_for(&server, tls)
        };
        let failure = SmtpSession::connect(&settings).await.err().unwrap();
        assert_eq!(
            (failure.stage, failure.class),
            (Stage::Tls, FailureClass::PermanentServer)
        );
        assert_eq!(failure.cause, Cause::Certificate);
        assert!(!server.commands().contains(&"MAIL".to_owned()));
    }
}

#[tokio::test]
async fn a_log_in_is_right_or_refused_or_not_possible() {
    let log_in = |server: &SmtpServer, password: &str| SmtpSettings {
        username: Some("clinic".into()),
        password: Some(password.into()),
        ..settings_for(server, ServerTls::Implicit)
    };
    let server = SmtpServer::start(Script::new().tls(ServerTls::Implicit).log_in("clinic", "secret"));
    let mut session = SmtpSession::connect(&log_in(&server, "secret")).await.unwrap();
    session.send(FROM, TO, MAIL).await.unwrap();

    let failure = SmtpSession::connect(&log_in(&server, "wrong"))
        .await
        .err()
        .unwrap();
    assert_eq!(
        (failure.stage, failure.class),
        (Stage::Auth, FailureClass::PermanentServer)
    );
    assert_eq!(failure.code, Some(535));

    server.set(At::Auth, Fault::Reply(454, "4.7.0 later".into()));
    let failure = SmtpSession::connect(&log_in(&server, "secret"))
        .await
        .err()
        .unwrap();
    assert_eq!(
        (failure.stage, failure.class),
        (Stage::Auth, FailureClass::Temporary)
    );

    let server = SmtpServer::start(Script::new().tls(ServerTls::Implicit));
    let failure = SmtpSession::connect(&log_in(&server, "secret"))
        .await
        .err()
        .unwrap();
    assert_eq!(
        (failure.stage, failure.cause),
        (Stage::Auth, Cause::NoAuthMechanism)
    );
}

#[tokio::test]
async fn a_send_that_is_dropped_half_way_leaves_the_session_unusable() {
    let server = SmtpServer::start(Script::new().fault(At::Rcpt, Fault::Stall));
    let mut session = connected(&server, ServerTls::None).await;
    assert!(timeout(LIMIT / 5, session.send(FROM, TO, MAIL)).await.is_err());
    assert!(!session.is_usable());
    server.behave();
    let failure = session.send(FROM, TO, MAIL).await.unwrap_err();
    assert_eq!(
        (failure.class, failure.ambiguous),
        (FailureClass::Temporary, false)
    );
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn a_connection_the_server_closed_while_idle_is_seen_without_asking() {
    for tls in [ServerTls::None, ServerTls::Implicit] {
        let server = SmtpServer::start(Script::new().tls(tls));
        let mut session = connected(&server, tls).await;
        session.send(FROM, TO, MAIL).await.unwrap();
        assert!(session.is_usable());
        drop(server);
        let seen = async {
            while session.is_usable() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LIMIT, seen).await.unwrap();
    }
}

#[tokio::test]
async fn saying_goodbye_to_a_silent_server_is_brief() {
    let server = SmtpServer::start(Script::new().fault(At::Quit, Fault::Stall));
    let session = connected(&server, ServerTls::None).await;
    timeout(LIMIT * 2, session.close()).await.unwrap();
    assert_eq!(server.commands(), ["EHLO", "QUIT"]);
}

#[tokio::test]
async fn a_fault_that_happens_twice_is_over_the_third_time() {
    let server = SmtpServer::start(Script::new().fault_first(2, At::Data, reply(451)));
    let mut session = connected(&server, ServerTls::None).await;
    for _ in 0..2 {
        assert_eq!(session.send(FROM, TO, MAIL).await.unwrap_err().code, Some(451));
    }
    session.send(FROM, TO, MAIL).await.unwrap();
}

/// A server that answers every command until it has answered DATA, and leaves the rest to the test.
async fn until_data(listener: TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().await.unwrap();
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 hello\r\n").await.unwrap();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        if line == "DATA\r\n" {
            stream.write_all(b"354 go\r\n").await.unwrap();
            assert!(stream.buffer().is_empty());
            return stream.into_inner();
        }
        stream.write_all(b"250 ok\r\n").await.unwrap();
    }
}

async fn session_with(listener: &TcpListener) -> SmtpSettings {
    settings(listener.local_addr().unwrap().port(), Security::PlainInsecure)
}

#[tokio::test]
async fn a_mail_of_usual_size_leaves_in_one_packet_with_its_final_dot() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = session_with(&listener).await;
    let server = tokio::spawn(async move {
        let mut stream = until_data(listener).await;
        let mut bytes = vec![0; 128 * 1024];
        let length = stream.read(&mut bytes).await.unwrap();
        stream.write_all(b"250 ok\r\n").await.unwrap();
        bytes.truncate(length);
        bytes
    });
    let mail = [
        b"Subject: a\r\n\r\n".as_slice(),
        &b"twenty-four bytes long\r\n".repeat(1000),
    ]
    .concat();
    SmtpSession::connect(&settings)
        .await
        .unwrap()
        .send(FROM, TO, &mail)
        .await
        .unwrap();
    let packet = server.await.unwrap();
    assert_eq!(packet.len(), mail.len() + b".\r\n".len());
    assert!(packet.ends_with(b"\r\n.\r\n"));
}

/// More than the buffers of both ends hold.
const MORE_THAN_BUFFERS: usize = 32 * 1024 * 1024;

#[tokio::test]
async fn a_connection_that_breaks_within_the_body_is_not_ambiguous() {
    let mail =
        b"a line of the body, sixty-four bytes with its end, no more here\n".repeat(MORE_THAN_BUFFERS / 64);
    for reset in [true, false] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let settings = session_with(&listener).await;
        let server = tokio::spawn(async move {
            let mut stream = until_data(listener).await;
            stream.read_exact(&mut vec![0; 1024 * 1024]).await.unwrap();
            if reset {
                stream.set_zero_linger().unwrap();
            } else {
                sleep(TOO_LATE).await;
            }
        });
        let mut session = SmtpSession::connect(&settings).await.unwrap();
        let failure = session.send(FROM, TO, &mail).await.unwrap_err();
        assert_eq!(
            (failure.stage, failure.class),
            (Stage::Body, FailureClass::Temporary)
        );
        assert!(!failure.ambiguous);
        assert_eq!(failure.cause == Cause::TimedOut, !reset, "{failure}");
        server.await.unwrap();
    }
}

#[tokio::test]
async fn a_slow_body_that_keeps_flowing_is_not_cut() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = session_with(&listener).await;
    settings.timeouts.body = LIMIT / 2;
    let server = tokio::spawn(async move {
        let mut stream = until_data(listener).await;
        // Slower as a whole than the limit, which is one between two pieces.
        let mut end = [0; 5];
        let mut bytes = vec![0; MORE_THAN_BUFFERS / 16];
        while &end != b"\r\n.\r\n" {
            sleep(LIMIT / 10).await;
            let mut filled = 0;
            while filled < bytes.len() && &end != b"\r\n.\r\n" {
                let length = stream.read(&mut bytes[filled..]).await.unwrap();
                assert!(length > 0, "cut");
                filled += length;
                end.copy_from_slice(&bytes[filled - 5..filled]);
            }
        }
        stream.write_all(b"250 ok\r\n").await.unwrap();
    });
    let mail =
        b"a line of the body, sixty-four bytes with its end, no more here\n".repeat(MORE_THAN_BUFFERS / 64);
    SmtpSession::connect(&settings)
        .await
        .unwrap()
        .send(FROM, TO, &mail)
        .await
        .unwrap();
    server.await.unwrap();
}
