//! Small JSON files that are there whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Writes a file so that whoever reads it, even after a crash, sees the old content or the new.
///
/// # Errors
/// When the directory cannot be written or the disk is full; the old content stays.
pub fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_vec_pretty(value)?;
    let new = path.with_extension("new");
    let written = File::create(&new).and_then(|mut file| {
        file.write_all(&text)?;
        file.sync_data()
    });
    if let Err(error) = written.and_then(|()| fs::rename(&new, path)) {
        // Best effort: what is left is overwritten by the next attempt.
        drop(fs::remove_file(&new));
        return Err(error);
    }
    Ok(())
}

/// Reads a file, `None` when there is none.
///
/// # Errors
/// When it cannot be read, or is not what it should be.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
