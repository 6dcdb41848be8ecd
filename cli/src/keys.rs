//! The program's master key: read from the settings, and made on the first start of a program that runs on its own
//! folder. Everything else (sealing, links, access tokens) is derived from it.
//!
//! The key file appears whole or not at all, with mode 0600 in a folder of mode 0700; an existing one is never replaced.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bedside_store::Keys;

use crate::settings::{Faults, Secret, Settings};

/// Where the key behind a setting lies once it was made; `None` for secrets that are never made.
pub fn made_key_path(data_dir: &Path, name: &str) -> Option<PathBuf> {
    (name == "MASTER_KEY").then(|| data_dir.join("keys").join("master.key"))
}

/// The store's keys. A setting that is missing or is no key is refused by name.
pub fn master(settings: &Settings) -> Result<Keys, Faults> {
    let Some(secret) = &settings.master_key else {
        let path = settings.data_dir.join("keys").join("master.key");
        let problem = format!(
            "is missing, and there is no {}: `bedside up` makes it on its first start",
            path.display()
        );
        return Err(Faults::one("MASTER_KEY", problem));
    };
    let bytes = STANDARD
        .decode(secret.reveal())
        .ok()
        .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    bytes
        .map(Keys::from_master)
        .ok_or_else(|| Faults::one("MASTER_KEY", "is not 32 bytes in base 64"))
}

/// Makes the key if it is neither set nor there, and takes it into the settings.
pub fn make_missing(settings: &mut Settings) -> Result<(), Faults> {
    if settings.master_key.is_some() {
        return Ok(());
    }
    let data_dir = &settings.data_dir;
    let path = data_dir.join("keys").join("master.key");
    // If another process was first, its key holds.
    let kept = write_new(&path, &STANDARD.encode(Keys::generate())).and_then(|()| fs::read_to_string(&path));
    let kept = kept.map_err(|error| {
        Faults::one(
            "DATA_DIR",
            format!("names {}, where no key can be kept: {error}", data_dir.display()),
        )
    })?;
    settings.master_key = Some(Secret::new(kept.trim()));
    Ok(())
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    private_folder(folder)?;
    let unfinished = folder.join(format!(".{}.new", std::process::id()));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    // A link, not a rename: it fails where a rename would replace what is there.
    let linked = fs::hard_link(&unfinished, path);
    fs::remove_file(&unfinished)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => fs::File::open(folder)?.sync_all(),
    }
}

/// Makes a folder, and those above it, that only its owner can look into.
pub fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_for_the_owner_only_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        let load = || {
            let mut settings =
                Settings::of_values([("BEDSIDE_DATA_DIR", data_dir.display().to_string())]).unwrap();
            settings.master_key = None;
            settings
        };
        let mut first = load();
        assert!(
            master(&first)
                .unwrap_err()
                .to_string()
                .starts_with("BEDSIDE_MASTER_KEY is missing")
        );
        make_missing(&mut first).unwrap();
        let mut second = load();
        make_missing(&mut second).unwrap();
        assert_eq!(first.master_key, second.master_key);
        assert!(master(&first).is_ok());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let path = made_key_path(&data_dir, "MASTER_KEY").unwrap();
        assert_eq!((mode(path.parent().unwrap()), mode(&path)), (0o700, 0o600));
        first.master_key = Some(Secret::new("c2hvcnQ="));
        assert!(master(&first).unwrap_err().to_string().contains("32 bytes"));
    }
}
