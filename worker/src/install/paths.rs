//! Directories and executables, and that they stay where they belong.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use super::error::InstallError;
use crate::api::ServerType;

/// Where a config's game server is installed: `<root>/steam/<app_id>/<config_id>-<name>` as v1 has it,
/// `<root>/local/<config_id>-<name>` for a local one. Whatever the name is, it stays one component.
#[must_use]
pub fn directory(
    root: &Path,
    server_type: ServerType,
    app_id: i32,
    config_id: i32,
    name: &str,
) -> PathBuf {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    let name: String = name.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
    let own = format!("{config_id}-{name}");
    match server_type {
        ServerType::Steam => root.join("steam").join(app_id.to_string()).join(own),
        ServerType::Local => root.join("local").join(own),
    }
}

/// Creates a directory and those above it, and makes sure that it can be written to.
///
/// # Errors
/// [`InstallError::DiskFull`] or [`InstallError::DirectoryUnwritable`].
pub fn create_directory(path: &Path) -> Result<(), InstallError> {
    fs::create_dir_all(path)
        .and_then(|()| Ok(access(path, AccessFlags::W_OK | AccessFlags::X_OK)?))
        .map_err(|reason| InstallError::unwritable(path.to_owned(), reason))
}

/// The file that a config's executable names, below the install directory. What SteamCMD installs must
/// not lead out of there, by `..` or by a link; a local one may be anywhere, named by an absolute path.
///
/// # Errors
/// When it would lead out, is not there, is not a file, or cannot be executed: one error each.
pub fn executable(
    directory: &Path,
    server_type: ServerType,
    executable: &str,
) -> Result<PathBuf, InstallError> {
    let outside = || InstallError::OutsideInstallDirectory { executable: executable.to_owned() };
    let stays = |component: Component<'_>| match component {
        Component::Normal(_) | Component::CurDir => true,
        Component::RootDir => server_type == ServerType::Local,
        Component::ParentDir | Component::Prefix(_) => false,
    };
    if !Path::new(executable).components().all(stays) {
        return Err(outside());
    }
    let path = directory.join(executable);
    let unreadable = |reason: io::Error| match reason.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => {
            InstallError::NotFound { path: path.clone() }
        }
        _ => InstallError::Unreadable { path: path.clone(), reason },
    };
    let real = path.canonicalize().map_err(unreadable)?;
    if server_type == ServerType::Steam
        && !real.starts_with(directory.canonicalize().map_err(unreadable)?)
    {
        return Err(outside());
    }
    if !real.is_file() {
        return Err(InstallError::NotAFile { path });
    }
    if access(&real, AccessFlags::X_OK).is_err() {
        return Err(InstallError::NotExecutable { path });
    }
    // Not the real path: scripts look for their files beside the name they were called by.
    Ok(path)
}
