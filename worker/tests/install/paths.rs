//! Directories and executables, and that they stay where they belong.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use tempfile::TempDir;
use worker::api::ServerType;
use worker::install::{InstallError, create_directory, directory, executable};

use ServerType::{Local, Steam};

/// An install directory with `server` and `bin/server` that can be executed, and `notes` that cannot.
fn installed() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("bin")).unwrap();
    for (name, mode) in [("server", 0o755), ("bin/server", 0o755), ("notes", 0o644)] {
        let path = directory.path().join(name);
        fs::write(&path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    directory
}

#[test]
fn a_directory_has_the_name_v1_gave_it() {
    let root = Path::new("/srv");
    for (name, expected) in [
        ("Garry's Mod! 2", "/srv/steam/4020/7-Garry_s_Mod__2"),
        ("plain_name-1", "/srv/steam/4020/7-plain_name-1"),
        ("../../etc", "/srv/steam/4020/7-______etc"),
        ("..", "/srv/steam/4020/7-__"),
        ("/", "/srv/steam/4020/7-_"),
        ("a\0b\nc", "/srv/steam/4020/7-a_b_c"),
        ("M\u{fc}nchen", "/srv/steam/4020/7-M_nchen"),
        ("", "/srv/steam/4020/7-"),
    ] {
        assert_eq!(directory(root, Steam, 4020, 7, name), Path::new(expected), "{name:?}");
    }
    assert_eq!(directory(root, Local, 9, 7, "../x"), Path::new("/srv/local/7-___x"));
}

#[test]
fn a_directory_that_cannot_be_created_is_told_with_the_systems_reason() {
    let scratch = tempfile::tempdir().unwrap();
    let deep = scratch.path().join("a/b/c");
    create_directory(&deep).unwrap();
    create_directory(&deep).unwrap();
    assert!(deep.is_dir());

    let file = scratch.path().join("file");
    fs::write(&file, "").unwrap();
    let below = file.join("below");
    let error = create_directory(&below).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot write to the directory {}: Not a directory (os error 20)", below.display())
    );
}

#[test]
fn an_executable_is_found_below_the_directory() {
    let directory = installed();
    symlink("bin/server", directory.path().join("link")).unwrap();
    for name in ["server", "./server", "bin/server", "link"] {
        let found = executable(directory.path(), Steam, name).unwrap();
        assert_eq!(found, directory.path().join(name));
        assert_eq!(executable(directory.path(), Local, name).unwrap(), found);
    }
}

#[test]
fn an_executable_does_not_lead_out_of_the_directory() {
    let directory = installed();
    symlink("/bin/sh", directory.path().join("link")).unwrap();
    symlink("/bin", directory.path().join("links")).unwrap();
    for name in ["/bin/sh", "../server", "bin/../../server", "bin/../server", "link", "links/sh"] {
        let error = executable(directory.path(), Steam, name).unwrap_err();
        assert!(matches!(error, InstallError::OutsideInstallDirectory { .. }), "{name}: {error:?}");
    }
}

#[test]
fn a_local_executable_may_be_anywhere_but_is_named_without_detours() {
    let directory = installed();
    symlink("/bin/sh", directory.path().join("link")).unwrap();
    assert_eq!(executable(directory.path(), Local, "/bin/sh").unwrap(), Path::new("/bin/sh"));
    executable(directory.path(), Local, "link").unwrap();
    for name in ["../server", "/bin/../bin/sh"] {
        let error = executable(directory.path(), Local, name).unwrap_err();
        assert!(matches!(error, InstallError::OutsideInstallDirectory { .. }), "{name}: {error:?}");
    }
}

#[test]
fn what_cannot_be_executed_is_told_apart() {
    let directory = installed();
    symlink("round", directory.path().join("round")).unwrap();
    let root = directory.path().display();
    for (name, expected) in [
        ("none", format!("there is no {root}/none: check the config's executable")),
        ("notes/x", format!("there is no {root}/notes/x: check the config's executable")),
        ("bin", format!("{root}/bin is not a file: check the config's executable")),
        ("", format!("{root}/ is not a file: check the config's executable")),
        ("notes", format!("{root}/notes is not executable for this user")),
        (
            "round",
            format!("cannot look at {root}/round: Too many levels of symbolic links (os error 40)"),
        ),
    ] {
        let error = executable(directory.path(), Steam, name).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    let error = executable(directory.path(), Steam, "a\0b").unwrap_err();
    assert!(matches!(error, InstallError::Unreadable { .. }), "{error:?}");
}
