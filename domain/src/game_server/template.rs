//! v1's command templates: text for a game's console with places for one value.

use crate::text::has_control;
use crate::{Refusal, RefusalKind};

/// The words that stand for the value. Any other `{word}` is part of the text.
const PLACEHOLDERS: [&str; 2] = ["{value}", "{map}"];

/// Why a template could not be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateRefusal {
    /// A newline in a value would smuggle a second line into the console.
    #[error("a command value must not contain control characters, but {value:?} does")]
    ControlCharacters {
        /// The value.
        value: String,
    },
}

impl Refusal for TemplateRefusal {
    fn kind(&self) -> RefusalKind {
        match self {
            Self::ControlCharacters { .. } => RefusalKind::Invalid,
        }
    }
}

/// Puts a value in every `{value}` and `{map}` of a template, in one pass: a placeholder inside the
/// value stays as it is.
///
/// # Errors
/// When the value contains control characters.
pub fn resolve(template: &str, value: &str) -> Result<String, TemplateRefusal> {
    if has_control(value) {
        return Err(TemplateRefusal::ControlCharacters { value: value.to_owned() });
    }
    let mut resolved = String::with_capacity(template.len() + value.len());
    let mut rest = template;
    while let Some(brace) = rest.find('{') {
        let (literal, at_brace) = rest.split_at(brace);
        resolved.push_str(literal);
        rest = match PLACEHOLDERS.iter().find_map(|word| at_brace.strip_prefix(word)) {
            Some(after) => {
                resolved.push_str(value);
                after
            }
            None => {
                resolved.push('{');
                &at_brace[1..]
            }
        };
    }
    resolved.push_str(rest);
    Ok(resolved)
}
