//! A config's environment variables.

use std::path::Path;

use super::error::InstallError;

const NAME: &str = "INSTALL_DIR";

/// A config's `KEY=VALUE` entries, in their order: of a repeated key the last counts. In values
/// `$INSTALL_DIR` and `${INSTALL_DIR}` become the install directory; nothing else is expanded.
///
/// # Errors
/// [`InstallError::NotKeyValue`].
pub fn environment(
    env_var: &[String],
    directory: &Path,
) -> Result<Vec<(String, String)>, InstallError> {
    let directory = directory.to_string_lossy();
    env_var
        .iter()
        .map(|entry| match entry.split_once('=') {
            Some((key, value)) if !key.is_empty() => {
                Ok((key.to_owned(), expand(value, &directory)))
            }
            _ => Err(InstallError::NotKeyValue { entry: entry.clone() }),
        })
        .collect()
}

/// One pass, so that what a directory's own name contains is not expanded again.
fn expand(value: &str, directory: &str) -> String {
    let mut expanded = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        if let Some(after) = after_name(after) {
            expanded.push_str(directory);
            rest = after;
        } else {
            expanded.push('$');
            rest = after;
        }
    }
    expanded + rest
}

/// What follows the variable's name; `None` when this is another variable, `$INSTALL_DIRS` for one.
fn after_name(text: &str) -> Option<&str> {
    if let Some(braced) = text.strip_prefix('{') {
        return braced.strip_prefix(NAME)?.strip_prefix('}');
    }
    let after = text.strip_prefix(NAME)?;
    let goes_on = after.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_');
    (!goes_on).then_some(after)
}
