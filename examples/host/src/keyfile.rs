//! The signing key: read from a file, made when there is none.

use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use ssf_transmitter::clock::SystemClock;
use ssf_transmitter::id::KeyId;
use ssf_transmitter::{Algorithm, LocalKeys, SigningKey};

/// The keys in that file; if it does not exist, a new key, saved there. Without a file, a key for
/// the life of the process.
pub(crate) fn load(path: Option<&Path>) -> Result<LocalKeys, Box<dyn Error>> {
    let Some(path) = path else { return generate() };
    match fs::read_to_string(path) {
        Ok(text) => parse(&text),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let keys = generate()?;
            match save(path, keys.private_jwk_set().expose()) {
                // Another process was faster: its key counts.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    parse(&fs::read_to_string(path)?)
                }
                Err(error) => Err(error.into()),
                Ok(()) => Ok(keys),
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// A JWK set, or a single JWK.
fn parse(text: &str) -> Result<LocalKeys, Box<dyn Error>> {
    let json: serde_json::Value = serde_json::from_str(text)?;
    if json.get("keys").is_some() {
        Ok(LocalKeys::from_jwk_set(text)?)
    } else {
        Ok(LocalKeys::new(SigningKey::from_jwk(text)?))
    }
}

fn generate() -> Result<LocalKeys, Box<dyn Error>> {
    let made = SystemClock::read().as_seconds();
    let kid = KeyId::parse(format!("rs256-{made}"))?;
    Ok(LocalKeys::new(SigningKey::generate(Algorithm::Rs256, kid)?))
}

/// Writes the whole file under another name, readable by its owner only, and then gives it its
/// name: nobody ever sees half of it, and nobody's key is overwritten.
fn save(path: &Path, text: &str) -> Result<(), std::io::Error> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&name).and_then(
        |mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        },
    );
    let linked = written.and_then(|()| fs::hard_link(&name, path));
    let _ = fs::remove_file(&name);
    linked
}
