//! What can rot in the files that ship the program: settings, commands, features, ports and paths that are named there
//! are those of the program.
//!
//! Read as text: the files are few and ours, and a YAML parser would be one more library.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::{ends_with, run, said};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).expect(name)
}

/// Every file that tells an operator or a machine how to run the program.
fn shipped() -> Vec<(String, String)> {
    let mut names: Vec<String> = [
        ".env.example",
        "Dockerfile",
        "README.md",
        "deploy/make-secrets",
        "docker-compose.yml",
        "docs/operations.md",
    ]
    .map(str::to_owned)
    .to_vec();
    let folder = std::fs::read_dir(root().join("deploy/systemd")).expect("the units");
    names.extend(
        folder.map(|entry| format!("deploy/systemd/{}", entry.expect("a file").file_name().display())),
    );
    names
        .into_iter()
        .map(|name| (name.clone(), read(&name)))
        .collect()
}

fn printed(arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    ends_with(0, folder.path(), &[], arguments)
}

/// Every variable, with the form that names a file where there is one.
fn variables() -> BTreeSet<String> {
    let page = printed(&["settings"]);
    let mut known = BTreeSet::from(["BEDSIDE_CONFIG".to_owned()]);
    for row in page.lines().filter(|line| line.starts_with("| `BEDSIDE_")) {
        let name = row.split('`').nth(1).expect("a variable").to_owned();
        if row.contains("or `_FILE`") {
            known.insert(format!("{name}_FILE"));
        }
        known.insert(name);
    }
    assert!(known.len() > 15, "{known:?}");
    known
}

/// Every command that `--help` lists.
fn commands() -> BTreeSet<String> {
    let help = printed(&["--help"]);
    let (_, listed) = help.split_once("Commands:").expect("a list");
    let listed = listed.split("Options:").next().unwrap_or_default();
    let names = listed.lines().filter_map(|line| line.split_whitespace().next());
    names.map(str::to_owned).collect()
}

/// The words that begin with `prefix`.
fn words(text: &str, prefix: &str) -> Vec<String> {
    let is_part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    text.match_indices(prefix)
        .map(|(at, _)| text[at..].chars().take_while(|c| is_part(*c)).collect())
        .collect()
}

#[test]
fn every_setting_that_is_named_is_one() {
    let known = variables();
    let mut found = 0;
    for (file, text) in shipped() {
        for word in words(&text, "BEDSIDE_") {
            assert!(known.contains(&word), "{file} names {word}, which is no setting");
            found += 1;
        }
    }
    assert!(found > 30, "{found} were found");
    let keys: BTreeSet<String> = known
        .iter()
        .map(|name| name.trim_start_matches("BEDSIDE_").to_lowercase())
        .collect();
    for line in read("deploy/systemd/bedside.toml.example")
        .lines()
        .filter(|line| line.contains(" = "))
    {
        let key = line.split(" = ").next().unwrap_or_default();
        assert!(keys.contains(key), "bedside.toml.example: {key}");
    }
}

#[test]
fn every_command_that_is_named_is_one() {
    let known = commands();
    assert!(known.contains("worker") && known.contains("backup"), "{known:?}");
    let mut found = 0;
    for (file, text) in shipped() {
        let markdown = Path::new(&file).extension().is_some_and(|ending| ending == "md");
        // In prose a command stands in code; in the other files after the program's path.
        let starts: Vec<&str> = if markdown {
            let lines = text.lines().map(str::trim_start);
            let in_code = lines.filter_map(|line| line.strip_prefix("bedside "));
            in_code.chain(text.split("`bedside ").skip(1)).collect()
        } else {
            text.split("/usr/local/bin/bedside").skip(1).collect()
        };
        for start in starts {
            let word: String = start
                .trim_start_matches(|c: char| " \",[".contains(c))
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '-')
                .collect();
            let is_path = start.is_empty() || start.starts_with(['\n', ']', '"']) && word.is_empty();
            assert!(
                is_path || known.contains(&word),
                "{file}: bedside {word}, which is no command"
            );
            found += usize::from(!is_path);
        }
    }
    assert!(found > 25, "{found} were found");
    for line in read("docker-compose.yml").lines() {
        let Some(command) = line.trim().strip_prefix("command: ") else {
            continue;
        };
        let word = command.split(' ').next().unwrap_or_default();
        assert!(known.contains(word), "docker-compose.yml: {command}");
    }
}

#[test]
fn the_image_is_built_as_the_program_is() {
    let (image, manifest) = (read("Dockerfile"), read("cli/Cargo.toml"));
    let feature = image
        .split("--features ")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next());
    let feature = feature.expect("a feature");
    assert!(manifest.contains(&format!("\n{feature} = [")), "{feature}");
    let channel = read("rust-toolchain.toml");
    let channel = channel.split('"').nth(1).expect("a channel");
    assert!(
        image.contains(&format!("FROM rust:{channel}-")),
        "another toolchain than {channel}"
    );

    let page = printed(&["settings"]);
    let row = page
        .lines()
        .find(|line| line.contains("`BEDSIDE_LISTEN`"))
        .expect("a row");
    let port = row
        .split(':')
        .nth(1)
        .and_then(|rest| rest.split('`').next())
        .expect("a port");
    assert!(
        image.contains(&format!("\nEXPOSE {port}\n")),
        "the default port is {port}"
    );
    assert!(image.contains(&format!("BEDSIDE_LISTEN=0.0.0.0:{port}")));
    assert!(read("docker-compose.yml").contains(&format!(":{port}\"]")));
    let user = image.split("\nUSER ").nth(1).expect("a user");
    assert!(
        user.starts_with(|c: char| ('1'..='9').contains(&c)),
        "a number that is not 0"
    );

    // What the builder gets is what Cargo needs.
    let ignored = read(".dockerignore");
    let workspace = read("Cargo.toml");
    let members = workspace
        .split("members = [")
        .nth(1)
        .and_then(|rest| rest.split(']').next());
    for member in members.expect("members").split(',') {
        let member = member.trim().trim_matches('"');
        assert!(
            ignored.contains(&format!("\n!{member}\n")),
            "{member} is not sent to the builder"
        );
    }
}

#[test]
fn every_secret_that_is_mounted_is_declared_and_made() {
    let compose = read("docker-compose.yml");
    let (_, declared) = compose.split_once("\nsecrets:\n").expect("declarations");
    let mut mounted: BTreeSet<&str> = BTreeSet::new();
    for list in compose.split(" secrets: [").skip(1) {
        mounted.extend(list.split(']').next().unwrap_or_default().split(", "));
    }
    mounted.extend(compose.split("/run/secrets/").skip(1).filter_map(|rest| {
        let end = rest
            .find(|c: char| !(c.is_ascii_lowercase() || c == '_'))
            .unwrap_or(rest.len());
        rest.get(..end)
    }));
    assert!(mounted.len() > 6, "{mounted:?}");
    let folder = tempfile::tempdir().expect("a folder");
    let made = std::process::Command::new(root().join("deploy/make-secrets"))
        .arg(folder.path())
        .output();
    let made = made.expect("the script runs");
    assert!(made.status.success(), "{}", said(&made));
    for name in mounted {
        let declaration = format!("  {name}: {{file: ./deploy/secrets/{name}}}");
        assert!(
            declared.lines().any(|line| line == declaration),
            "{name} is not declared"
        );
        assert!(folder.path().join(name).exists(), "{name} is not made");
    }
    // The program takes what the script makes: the URL is one it knows, the key is a key.
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (key, url) = (file("master_key"), file("database_url"));
    let settings = [
        ("BEDSIDE_MASTER_KEY_FILE", key.as_str()),
        ("BEDSIDE_DATABASE_URL_FILE", &url),
    ];
    let told = said(&run(folder.path(), &settings, &["doctor"]));
    assert!(told.contains("MASTER_KEY is a key"), "{told}");
    // Without TLS in this build it is refused for that alone.
    assert!(
        told.contains("postgres-tls") || told.contains("cannot be used"),
        "{told}"
    );
}

#[test]
fn the_units_name_files_that_are_shipped_and_watch_the_right_process() {
    for unit in ["api", "worker"] {
        let text = read(&format!("deploy/systemd/bedside-{unit}.service"));
        for line in [
            "Type=notify",
            "WatchdogSec=60",
            "Restart=always",
            "NoNewPrivileges=yes",
            "ProtectSystem=strict",
            "User=bedside",
        ] {
            assert!(
                text.lines().any(|it| it == line),
                "bedside-{unit}.service lacks {line}"
            );
        }
        assert!(text.contains(&format!("ExecStart=/usr/local/bin/bedside {unit}\n")));
        for part in text.split("%d/").skip(1) {
            let name = part.lines().next().unwrap_or_default();
            assert!(
                text.contains(&format!("LoadCredential={name}:")),
                "{name} is not loaded"
            );
        }
    }
}

#[test]
fn a_unit_that_sends_no_mail_is_not_given_the_password_for_it() {
    for (unit, sends_mail) in [
        ("api", true),
        ("worker", true),
        ("backup", false),
        ("migrate", false),
    ] {
        let text = read(&format!("deploy/systemd/bedside-{unit}.service"));
        assert_eq!(
            text.contains("smtp_password"),
            sends_mail,
            "bedside-{unit}.service"
        );
        assert!(text.contains("LoadCredential=master_key:"));
        assert!(text.contains("LoadCredential=database_url:"));
    }
}
