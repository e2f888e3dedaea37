//! Small JSON files that are there whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The extension of a file that is not finished.
pub const UNFINISHED: &str = "new";

/// Writes a file so that whoever reads it, even after a crash of the machine, sees the old content or the new.
///
/// # Errors
/// When the directory cannot be written or the disk is full; the old content stays.
pub fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    replace(path, &serde_json::to_vec_pretty(value)?, File::sync_data)
}

/// The same without waiting for the disk, which is a thousand times faster: this process may die, but when the machine
/// does before [`sync`], the file may be lost, or be there and empty.
///
/// # Errors
/// As [`write_json`].
pub fn put_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    replace(path, &serde_json::to_vec(value)?, |_| Ok(()))
}

fn replace(path: &Path, text: &[u8], settle: fn(&File) -> io::Result<()>) -> io::Result<()> {
    let new = path.with_extension(UNFINISHED);
    let written = File::create(&new).and_then(|mut file| {
        file.write_all(text)?;
        settle(&file)
    });
    if let Err(error) = written.and_then(|()| fs::rename(&new, path)) {
        // Best effort: what is left is overwritten by the next attempt.
        drop(fs::remove_file(&new));
        return Err(error);
    }
    Ok(())
}

/// Waits until a file, or the list of files of a directory, is on the disk. One that is gone is fine.
///
/// # Errors
/// When the disk has failed.
pub fn sync(path: &Path) -> io::Result<()> {
    gone_is_fine(File::open(path).and_then(|file| file.sync_all()))
}

/// Removes a file. One that is gone is fine.
///
/// # Errors
/// When the directory cannot be written.
pub fn remove(path: &Path) -> io::Result<()> {
    gone_is_fine(fs::remove_file(path))
}

fn gone_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            Ok(())
        }
        result => result,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_left_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.json");
        assert_eq!(read_json::<u32>(&path).unwrap(), None);
        write_json(&path, &1).unwrap();
        put_json(&path, &2).unwrap();
        sync(&path).unwrap();
        assert_eq!(read_json(&path).unwrap(), Some(2));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        for _ in 0..2 {
            remove(&path).unwrap();
            sync(&path).unwrap();
        }
    }

    #[test]
    fn what_cannot_be_written_leaves_the_old_content() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.json");
        write_json(&path, &1).unwrap();
        // In the way of the new content, as a full disk would be.
        fs::create_dir(path.with_extension(UNFINISHED)).unwrap();
        assert!(write_json(&path, &2).is_err());
        assert_eq!(read_json(&path).unwrap(), Some(1));
        fs::write(&path, "{").unwrap();
        assert!(read_json::<u32>(&path).is_err());
    }
}
