//! What text the domain lets in. Whatever gets into an event is there for ever, and every read
//! model must be able to hold it.

/// PostgreSQL's `text` cannot hold a NUL: an event with one would stop every projector that shows it.
pub(crate) fn has_nul(text: &str) -> bool {
    text.contains('\0')
}

/// Newlines above all: they turn one console line into two. DEL and the C1 controls count too.
pub(crate) fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

/// What an agent tells in words is never refused for its words: at most so many characters of it are
/// kept, and a NUL becomes the replacement character.
pub(crate) fn cut(text: &str, most: usize) -> String {
    let kept = text.chars().take(most);
    kept.map(|c| if c == '\0' { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn text_is_cut_by_characters_and_a_nul_is_replaced() {
        assert_eq!(cut("na\u{ef}ve", 3), "na\u{ef}");
        assert_eq!(cut("a\0b", 3), "a\u{fffd}b");
        assert_eq!(cut("short", 2_000), "short");
    }
}
