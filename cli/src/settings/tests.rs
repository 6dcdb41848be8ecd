use super::*;

fn parsed(variables: &[(&str, &str)]) -> Result<Settings, Faults> {
    from_file(None, variables)
}

fn from_file(config: Option<&Path>, variables: &[(&str, &str)]) -> Result<Settings, Faults> {
    let nowhere = ("BEDSIDE_DATA_DIR", "/nonexistent");
    let all = std::iter::once(&nowhere)
        .chain(variables)
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    Settings::parse(Sources::gather(config, all)?).map(|(settings, _)| settings)
}

fn faults(result: Result<Settings, Faults>) -> Vec<String> {
    result.unwrap_err().0.iter().map(ToString::to_string).collect()
}

const PRODUCTION: [(&str, &str); 3] = [
    ("BEDSIDE_PUBLIC_BASE_URL", "https://bedside.example.org/"),
    ("BEDSIDE_MAIL", "smtp://relay.example.org"),
    ("BEDSIDE_MAIL_FROM", "reminders@example.org"),
];

#[test]
fn the_parser_reads_every_setting_of_the_table_and_no_other() {
    let (_, asked) = Settings::parse(Sources::default()).unwrap();
    let (mut asked, mut declared) = (asked, table::TABLE.iter().map(|it| it.name).collect::<Vec<_>>());
    asked.sort_unstable();
    declared.sort_unstable();
    assert_eq!(asked, declared);
}

#[test]
fn defaults_are_those_the_table_states() {
    let settings = parsed(&[]).unwrap();
    let stated = |name| table::find(name).unwrap().default;
    assert_eq!(settings.listen.to_string(), stated("LISTEN"));
    assert_eq!(settings.mail_from_name, stated("MAIL_FROM_NAME"));
    assert_eq!(settings.log, stated("LOG"));
    assert_eq!(settings.cycle_ms.to_string(), stated("CYCLE_MS"));
    assert_eq!((settings.standby, stated("STANDBY")), (true, "yes"));
    assert_eq!(settings.standby_after_s.to_string(), stated("STANDBY_AFTER_S"));
    assert_eq!(settings.drill, Timetable::parse(stated("DRILL")).ok());
    assert!(settings.drill.is_some());
    assert_eq!(parsed(&[("BEDSIDE_DRILL", "off")]).unwrap().drill, None);
    assert!(parsed(&[("BEDSIDE_DRILL", "* * * * * *")]).is_err());
    assert_eq!(settings.store_readers.to_string(), stated("STORE_READERS"));
    assert_eq!(settings.store_writers.to_string(), stated("STORE_WRITERS"));
    assert_eq!(settings.store_queue.to_string(), stated("STORE_QUEUE"));
    assert_eq!(
        settings.database_url.reveal(),
        "sqlite:/nonexistent/bedside.sqlite"
    );
}

#[test]
fn metrics_are_served_to_no_public_address() {
    let at = |address| parsed(&[("BEDSIDE_METRICS_LISTEN", address)]);
    assert_eq!(parsed(&[]).unwrap().metrics_listen, None);
    let private = [
        "127.0.0.1:9464",
        "10.1.2.3:9464",
        "172.16.0.1:9464",
        "192.168.1.1:0",
        "0.0.0.0:9464",
        "[::1]:9464",
        "[fd00::1]:9464",
    ];
    for address in private {
        let settings = at(address).unwrap();
        assert_eq!(settings.metrics_listen.unwrap().to_string(), address);
    }
    for address in [
        "203.0.113.7:9464",
        "172.32.0.1:9464",
        "[2001:db8::1]:9464",
        "9464",
    ] {
        let told = faults(at(address));
        assert!(told[0].starts_with("BEDSIDE_METRICS_LISTEN must be"), "{told:?}");
    }
}

#[test]
fn every_wrong_or_unknown_setting_is_named_at_once() {
    let wrong = [
        ("BEDSIDE_LISTEN", "here"),
        ("BEDSIDE_DATABASE_URL", "mysql://root:sesame@db"),
        ("BEDSIDE_PUBLIC_BASE_URL", "bedside.example.org"),
        ("BEDSIDE_MAIL", "pigeon"),
        ("BEDSIDE_MAIL_FROM", "nobody"),
        ("BEDSIDE_MAIL_FROM_NAME", "a\r\nBcc: b"),
        ("BEDSIDE_TRUSTED_PROXY", "maybe"),
        ("BEDSIDE_LOG", "==="),
        ("BEDSIDE_LOG_FORMAT", "xml"),
        ("BEDSIDE_CYCLE_MS", "0"),
        ("BEDSIDE_STANDBY", "perhaps"),
        ("BEDSIDE_STANDBY_AFTER_S", "0"),
        ("BEDSIDE_PING_URL", "ftp://sesame.example"),
        ("BEDSIDE_STORE_QUEUE", "-1"),
        ("BEDSIDE_MASTER_KEY_FILE", "/nonexistent/key"),
    ];
    let found = faults(parsed(&wrong));
    assert_eq!(found.len(), wrong.len(), "{found:#?}");
    for (variable, _) in wrong {
        assert!(
            found.iter().any(|fault| fault.starts_with(variable)),
            "{variable}: {found:#?}"
        );
    }
    assert!(!found.concat().contains("sesame"));

    let found = faults(parsed(&[
        ("BEDSIDE_LISTNE", "127.0.0.1:1"),
        ("BEDSIDE_MAIL_FILE", "x"),
        ("PATH", "/bin"),
        ("BEDSIDE_TEST_X", "1"),
    ]));
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].contains("did you mean BEDSIDE_LISTEN"), "{found:#?}");
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_names_its_own_mistakes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bedside.toml");
    std::fs::write(&file, "listen = \"127.0.0.1:9001\"\ncycle_ms = 250\n").unwrap();
    let settings = from_file(Some(&file), &[("BEDSIDE_CYCLE_MS", "500")]).unwrap();
    assert_eq!((settings.listen.port(), settings.cycle_ms), (9001, 500));

    std::fs::write(&file, "lisen = \"x\"\ncycle_ms = true\nLOG = \"info\"\n").unwrap();
    let found = faults(from_file(Some(&file), &[]));
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(
        found.iter().all(|fault| fault.contains("bedside.toml")),
        "{found:#?}"
    );

    std::fs::write(&file, "smtp_password = \"sesame\nmail = 1").unwrap();
    let found = faults(from_file(Some(&file), &[]));
    assert!(
        found[0].contains("is not TOML") && !found[0].contains("sesame"),
        "{found:#?}"
    );
    assert!(faults(from_file(Some(Path::new("/nonexistent.toml")), &[]))[0].contains("BEDSIDE_CONFIG"));
}

#[test]
fn a_secret_may_come_from_a_file_and_not_from_two_places() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "sesame\n").unwrap();
    let file = file.to_str().unwrap();
    let settings = parsed(&[("BEDSIDE_SMTP_PASSWORD_FILE", file)]).unwrap();
    assert_eq!(
        settings.smtp_password.as_ref().map(Secret::reveal),
        Some("sesame")
    );
    assert!(!format!("{settings:?}").contains("sesame"));
    let found = faults(parsed(&[
        ("BEDSIDE_SMTP_PASSWORD_FILE", file),
        ("BEDSIDE_SMTP_PASSWORD", "x"),
    ]));
    assert!(found[0].contains("both"), "{found:#?}");
}

#[test]
fn the_plain_database_url_is_read_and_ours_wins() {
    let plain = ("DATABASE_URL", "postgres://one");
    assert_eq!(parsed(&[plain]).unwrap().database_url.reveal(), "postgres://one");
    let ours = ("BEDSIDE_DATABASE_URL", "postgres://two");
    for order in [[plain, ours], [ours, plain]] {
        assert_eq!(parsed(&order).unwrap().database_url.reveal(), "postgres://two");
    }
    assert!(faults(parsed(&[("DATABASE_URL", "x")]))[0].starts_with("DATABASE_URL "));
}

#[test]
fn production_demands_a_public_url_and_mail_and_loopback_makes_them_up() {
    let found = faults(parsed(&[]).unwrap().for_service(Mode::Production));
    for name in ["BEDSIDE_PUBLIC_BASE_URL", "BEDSIDE_MAIL", "BEDSIDE_MAIL_FROM"] {
        assert!(
            found.iter().any(|fault| fault.starts_with(&format!("{name} "))),
            "{name}: {found:#?}"
        );
    }
    let settings = parsed(&PRODUCTION)
        .unwrap()
        .for_service(Mode::Production)
        .unwrap();
    assert_eq!(
        settings.public_base_url.as_deref(),
        Some("https://bedside.example.org")
    );
    assert_eq!(
        (settings.message_id_domain(), settings.hello_name()),
        ("example.org".into(), "bedside.example.org".into())
    );

    for (name, text) in [
        ("BEDSIDE_PUBLIC_BASE_URL", "http://x"),
        ("BEDSIDE_MAIL", "folder:x"),
    ] {
        let changed: Vec<_> = PRODUCTION
            .iter()
            .map(|it| if it.0 == name { (name, text) } else { *it })
            .collect();
        assert!(faults(parsed(&changed).unwrap().for_service(Mode::Production))[0].starts_with(name));
    }

    // An API that may have to stand in for the workers needs the way out for mail; one that only serves does not.
    let but_mail = [PRODUCTION[0], PRODUCTION[2]];
    let found = faults(parsed(&but_mail).unwrap().for_api(Mode::Production));
    assert!(
        found.len() == 1 && found[0].starts_with("BEDSIDE_MAIL "),
        "{found:#?}"
    );
    let serves = [but_mail.as_slice(), &[("BEDSIDE_STANDBY", "no")]].concat();
    assert!(parsed(&serves).unwrap().for_api(Mode::Production).is_ok());
    assert!(parsed(&serves).unwrap().for_service(Mode::Production).is_err());

    let settings = parsed(&[]).unwrap().for_service(Mode::Up).unwrap();
    assert_eq!(settings.public_base_url.as_deref(), Some("http://127.0.0.1:8080"));
    assert_eq!(
        settings.mail,
        Some(MailRoute::Folder("/nonexistent/mails".into()))
    );
    let everywhere = parsed(&[("BEDSIDE_LISTEN", "0.0.0.0:8080")]).unwrap();
    assert!(everywhere.clone().for_service(Mode::Up).is_err());
    assert!(everywhere.for_service(Mode::Development).is_ok());
}

#[test]
fn up_behind_a_proxy_or_under_a_public_name_is_production() {
    let missing = |given: &[(&str, &str)]| match parsed(given).unwrap().for_service(Mode::Up) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.0.into_iter().map(|fault| fault.setting).collect(),
    };
    let url = |url| [("BEDSIDE_PUBLIC_BASE_URL", url)];
    for here in [
        "http://localhost:8080",
        "https://LOCALHOST",
        "http://127.0.0.1",
        "http://127.8.9.10:81/x",
        "http://[::1]",
        "http://[::1]:8080",
    ] {
        assert!(parsed(&url(here)).unwrap().serves_this_machine_only(), "{here}");
        assert!(missing(&url(here)).is_empty(), "{here}");
    }
    for elsewhere in [
        "https://bedside.example.org",
        "https://localhost.example.org",
        "https://127.0.0.1.example.org",
        "https://10.0.0.1",
        "https://[2001:db8::1]:8443",
    ] {
        assert_eq!(
            missing(&url(elsewhere)),
            ["BEDSIDE_MAIL", "BEDSIDE_MAIL_FROM"],
            "{elsewhere}"
        );
    }
    assert_eq!(
        missing(&[("BEDSIDE_TRUSTED_PROXY", "yes")]),
        ["BEDSIDE_PUBLIC_BASE_URL", "BEDSIDE_MAIL", "BEDSIDE_MAIL_FROM"]
    );
    assert!(missing(&[("BEDSIDE_TRUSTED_PROXY", "no")]).is_empty());
    assert!(missing(&PRODUCTION).is_empty(), "the key is made, not demanded");
}

#[test]
fn a_user_of_the_relay_and_the_password_go_together() {
    let with_user = ("BEDSIDE_MAIL", "smtp://clinic@relay.example.org");
    let variables: Vec<_> = PRODUCTION
        .iter()
        .map(|it| if it.0 == with_user.0 { with_user } else { *it })
        .collect();
    let found = faults(parsed(&variables).unwrap().for_service(Mode::Production));
    assert!(found[0].starts_with("BEDSIDE_SMTP_PASSWORD"), "{found:#?}");
}
