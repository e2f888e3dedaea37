//! A line as people and JSON can take it.

use std::str::Chars;

/// The longest line that is handed on, in characters.
const LONGEST: usize = 500;

/// A line without colours and control characters, at most 500 characters of it. Where a carriage return made
/// the cursor go back, what was written last counts, as on a screen.
pub(crate) fn plain(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let shown = text.trim_end_matches('\r');
    let shown = shown.rsplit('\r').next().unwrap_or(shown);
    let mut chars = shown.chars();
    let mut plain = String::new();
    let mut length = 0;
    while length < LONGEST
        && let Some(next) = chars.next()
    {
        if next == '\u{1b}' {
            skip_escape_sequence(&mut chars);
        } else if next == '\t' || !next.is_control() {
            plain.push(next);
            length += 1;
        }
    }
    plain
}

/// The three forms that programs print: `ESC [ … letter` (colours, the cursor), `ESC ] … BEL` or `ESC ] … ESC \`
/// (titles, links), and `ESC` with one or two characters.
fn skip_escape_sequence(chars: &mut Chars<'_>) {
    match chars.next() {
        Some('[') => {
            chars.find(|end| ('@'..='~').contains(end));
        }
        Some(']') => {
            if let Some('\u{1b}') = chars.find(|end| matches!(end, '\u{7}' | '\u{1b}')) {
                chars.next();
            }
        }
        Some('(' | ')' | '#' | '%') => {
            chars.next();
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn colours_titles_and_control_characters_are_left_out() {
        assert_eq!(plain(b"\x1b[1;31mred\x1b[0m and \x1b[38;5;12mblue\x1b[m"), "red and blue");
        assert_eq!(plain(b"\x1b]0;title\x07text \x1b]8;;http://x\x1b\\link"), "text link");
        assert_eq!(plain(b"\x1b(Bplain\x1b7 a\x00b\tc\x07"), "plain ab\tc");
        assert_eq!(plain(b"cut off \x1b["), "cut off ");
    }

    #[test]
    fn what_was_written_last_over_a_line_counts() {
        assert_eq!(plain(b"10 %\r20 %\r30 %\r"), "30 %");
        assert_eq!(plain(b"windows\r"), "windows");
    }

    #[test]
    fn a_line_is_valid_text_and_bounded() {
        assert_eq!(plain(b"caf\xe9"), "caf\u{fffd}");
        assert_eq!(plain("é".repeat(600).as_bytes()), "é".repeat(500));
        assert_eq!(plain("\u{1b}[31mé".repeat(600).as_bytes()), "é".repeat(500));
    }
}
