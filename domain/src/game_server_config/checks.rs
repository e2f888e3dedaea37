//! What texts a config may have: what a worker could not start, or must not, is refused here.

use crate::game_server::ServerType;
use crate::text::has_nul;

use super::refusal::ConfigRefusal;

pub(super) fn require_storable<'a>(
    field: &'static str,
    texts: impl IntoIterator<Item = &'a String>,
) -> Result<(), ConfigRefusal> {
    if texts.into_iter().any(|text| has_nul(text)) {
        return Err(ConfigRefusal::NulCharacter { field });
    }
    Ok(())
}

/// An empty key counts as none: no operating system starts a process with one.
pub(super) fn require_key_values<'a>(
    entries: impl IntoIterator<Item = &'a String>,
) -> Result<(), ConfigRefusal> {
    for entry in entries {
        if entry.split_once('=').is_none_or(|(key, _)| key.is_empty()) {
            return Err(ConfigRefusal::NotKeyValue { entry: entry.clone() });
        }
        require_storable("environment variables", [entry])?;
    }
    Ok(())
}

/// A LOCAL game server may be anywhere on its game host, but not somewhere else than it seems.
pub(super) fn require_executable(
    path: &String,
    server_type: ServerType,
) -> Result<(), ConfigRefusal> {
    match (server_type, path.strip_prefix('/')) {
        (ServerType::Local, Some(_)) if !leads_up(path) => require_storable("executable", [path]),
        (ServerType::Local | ServerType::Steam, Some(_) | None) => {
            require_inside("executable", path)
        }
    }
}

fn leads_up(path: &str) -> bool {
    path.split('/').any(|component| component == "..")
}

/// Split by hand: workers are Linux machines, whatever this is compiled for.
pub(super) fn require_inside(field: &'static str, path: &String) -> Result<(), ConfigRefusal> {
    if path.starts_with('/') || leads_up(path) {
        return Err(ConfigRefusal::OutsideInstallDirectory { field, path: path.clone() });
    }
    require_storable(field, [path])
}
