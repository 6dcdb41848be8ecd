//! Every setting of the program, declared once: the parser, the page in `docs/settings.md` and the messages about wrong
//! settings all read this table.

use std::fmt::Write as _;

/// What every environment variable of ours begins with.
pub const PREFIX: &str = "BEDSIDE_";

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its name: `LISTEN` is `BEDSIDE_LISTEN` in the environment and `listen` in the file.
    pub name: &'static str,
    /// What holds when it is not given, as an operator would write it; empty where nothing does.
    pub default: &'static str,
    /// What it does, its unit and its form.
    pub meaning: &'static str,
    /// Whether it may also be read from a file (`…_FILE`), and is never shown.
    pub secret: bool,
}

impl Setting {
    /// The environment variable.
    pub fn variable(&self) -> String {
        format!("{PREFIX}{}", self.name)
    }

    /// The key in the TOML file.
    pub fn key(&self) -> String {
        self.name.to_lowercase()
    }
}

/// All settings, in the order documents list them.
pub const TABLE: &[Setting] = &[
    open(
        "DATA_DIR",
        "data",
        "Folder for the SQLite database, keys made on first start, and mails written as files. Made with mode 0700.",
    ),
    secret(
        "DATABASE_URL",
        "sqlite:<DATA_DIR>/bedside.sqlite",
        "`sqlite:PATH` or `postgres://user:password@host/database`. The plain variable `DATABASE_URL` is read too; `BEDSIDE_DATABASE_URL` wins.",
    ),
    open(
        "LISTEN",
        "127.0.0.1:8080",
        "Address and port the API listens on. TLS is the work of a proxy in front.",
    ),
    open(
        "METRICS_LISTEN",
        "",
        "Address and port of `GET /metrics` for Prometheus, in `api`, `worker` and `up`; none is off. There is no log-in, so only loopback and private addresses are taken, and `0.0.0.0` for a container whose network is private. Each process needs its own port.",
    ),
    open(
        "PUBLIC_BASE_URL",
        "http://<LISTEN> on loopback",
        "Where patients, sitters and staff reach the program; the links in mails begin with it. Production needs one that begins with `https://`.",
    ),
    secret(
        "MASTER_KEY",
        "file <DATA_DIR>/keys/master.key, if there is one",
        "32 bytes in base 64. Seals names, contacts and answers in the database, signs links and access tokens. Keep a copy: without it the data cannot be read.",
    ),
    open(
        "MAIL",
        "folder:<DATA_DIR>/mails on loopback",
        "`smtp://USER@HOST:PORT?tls=starttls`, `tls=implicit` or `tls=none` (loopback only), or `folder:PATH`, which writes mails as files and is for development.",
    ),
    secret("SMTP_PASSWORD", "", "Password of the user in `MAIL`."),
    open(
        "SMTP_HELLO_NAME",
        "the host of PUBLIC_BASE_URL",
        "The name the worker gives itself in EHLO.",
    ),
    open(
        "SMTP_ROOT_CERTIFICATES",
        "",
        "PEM file of certificates to trust beside the machine's own, for a relay with a private authority.",
    ),
    open(
        "MAIL_FROM",
        "bedside@localhost.localdomain on loopback",
        "Sender address of every mail.",
    ),
    open(
        "MAIL_FROM_NAME",
        "Reminders",
        "Sender name of every mail. Keep it neutral: mailboxes are seen by others.",
    ),
    open(
        "MESSAGE_ID_DOMAIN",
        "the domain of MAIL_FROM",
        "Right side of every Message-ID. Never change it while mails are waiting.",
    ),
    open(
        "TRUSTED_PROXY",
        "no",
        "`yes` where a proxy in front sets `X-Forwarded-For`; limits on tries then go by that address.",
    ),
    open(
        "LOG",
        "info,actix_server=warn",
        "What is logged, to standard error: `error`, `warn`, `info`, `debug`, or a filter such as `info,bedside_worker=debug`.",
    ),
    open("LOG_FORMAT", "text", "`text` or `json`."),
    open(
        "CYCLE_MS",
        "500",
        "Milliseconds between two looks of the worker at what is due, 10 to 1000.",
    ),
    open(
        "STANDBY",
        "yes",
        "`yes`: a `bedside api` whose workers have all been silent for `STANDBY_AFTER_S` sends escalations and the prompts of running sessions itself, which needs `MAIL`. `no`: it only serves.",
    ),
    open(
        "STANDBY_AFTER_S",
        "60",
        "Seconds of silence of all workers after which a standby does their work, 1 to 600.",
    ),
    open(
        "DRILL",
        "0 11 13 * * *",
        "When a worker holds the drill that proves each day that alarms leave: a cron expression in UTC, six fields, seconds first, at most once an hour; `off` for never. The first start of a worker holds one, too.",
    ),
    secret(
        "PING_URL",
        "",
        "`https` or `http` address that the worker fetches after a verified cycle, at most once a minute: a service outside that raises an alarm when it stops.",
    ),
    open(
        "STORE_READERS",
        "4",
        "SQLite connections that read, 1 to 64. One more writes.",
    ),
    open("STORE_WRITERS", "8", "PostgreSQL connections, 1 to 64."),
    open(
        "STORE_QUEUE",
        "256",
        "How many database calls may wait before the API answers \"busy\", 1 to 100000.",
    ),
];

const fn open(name: &'static str, default: &'static str, meaning: &'static str) -> Setting {
    Setting {
        name,
        default,
        meaning,
        secret: false,
    }
}

const fn secret(name: &'static str, default: &'static str, meaning: &'static str) -> Setting {
    Setting {
        name,
        default,
        meaning,
        secret: true,
    }
}

/// The setting with this name.
pub fn find(name: &str) -> Option<&'static Setting> {
    TABLE.iter().find(|setting| setting.name == name)
}

/// The table as Markdown, which is `docs/settings.md`.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Settings\n\n\
         Printed by `bedside settings`. Each setting is an environment variable or a key of the TOML file named by \
         `--config` or `BEDSIDE_CONFIG`; the variable wins. A wrong or unknown one stops the program at start and is \
         named. A secret can be kept in a file: give its path in the variable with `_FILE` at the end (or the key with \
         `_file`).\n\n\
         | Variable | Key | Default | Secret | Meaning |\n|---|---|---|---|---|\n",
    );
    for setting in TABLE {
        let (variable, key, meaning) = (
            setting.variable(),
            setting.key(),
            setting.meaning.replace('|', "\\|"),
        );
        let default = match setting.default {
            "" => "none".to_owned(),
            text => format!("`{text}`"),
        };
        let secret = if setting.secret { "yes, or `_FILE`" } else { "no" };
        // Writing to a String cannot fail.
        let _ = writeln!(
            page,
            "| `{variable}` | `{key}` | {default} | {secret} | {meaning} |"
        );
    }
    page.push_str(
        "\n`bedside api` and `bedside worker` run in production unless `--development` is given, and so does `bedside up` \
         when it listens on anything but loopback, when the host of `PUBLIC_BASE_URL` is anything but loopback \
         (`localhost`, `127.0.0.0/8`, `[::1]`), or when `TRUSTED_PROXY` is `yes`. Production refuses to start without `PUBLIC_BASE_URL` (https), `MAIL` \
         (smtp), `MAIL_FROM` and `MASTER_KEY`. `bedside up` makes the key on its first start.\n",
    );
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_docs_is_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/settings.md");
        let page = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            page == markdown(),
            "run `cargo run -- settings > docs/settings.md`"
        );
    }

    #[test]
    fn names_are_distinct_and_none_ends_like_a_file() {
        for (position, setting) in TABLE.iter().enumerate() {
            assert!(!setting.name.ends_with("_FILE"));
            assert!(
                TABLE[..position]
                    .iter()
                    .all(|earlier| earlier.name != setting.name)
            );
        }
    }
}
