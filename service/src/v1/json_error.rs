//! Where JSON is broken, in the words of Python's decoder.
//!
//! Clients see these words and the character they point at, and ours differ: this walks a text that
//! `serde_json` has already refused, the way Python's C scanner does, to the place where Python
//! gives up.

/// Python's own limit of nesting is about this deep.
const MAX_DEPTH: usize = 950;

/// Why Python refuses a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct JsonError {
    /// The character it points at, counted from 0; not a byte.
    pub(super) position: usize,
    /// What it says.
    pub(super) message: &'static str,
}

/// Python's complaint about this text, or `None` if it has none.
pub(super) fn locate(text: &str) -> Option<JsonError> {
    let chars = text.chars().collect();
    let mut scanner = Scanner { chars, at: 0 };
    match scanner.document() {
        Ok(()) | Err(Stop::TooDeep) => None,
        Err(Stop::Broken(error)) => Some(error),
    }
}

enum Stop {
    Broken(JsonError),
    TooDeep,
}

fn broken<T>(position: usize, message: &'static str) -> Result<T, Stop> {
    Err(Stop::Broken(JsonError { position, message }))
}

struct Scanner {
    chars: Vec<char>,
    at: usize,
}

impl Scanner {
    fn document(&mut self) -> Result<(), Stop> {
        self.skip_blanks();
        self.value(0)?;
        self.skip_blanks();
        if self.at < self.chars.len() {
            return broken(self.at, "Extra data");
        }
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<(), Stop> {
        if depth > MAX_DEPTH {
            return Err(Stop::TooDeep);
        }
        match self.peek() {
            Some('"') => self.string(),
            Some('{') => self.object(depth),
            Some('[') => self.array(depth),
            _ => self.word_or_number(),
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), Stop> {
        self.at += 1;
        self.skip_blanks();
        if self.accept('}') {
            return Ok(());
        }
        loop {
            if self.peek() != Some('"') {
                let message = "Expecting property name enclosed in double quotes";
                return broken(self.at, message);
            }
            self.string()?;
            self.skip_blanks();
            if !self.accept(':') {
                return broken(self.at, "Expecting ':' delimiter");
            }
            self.skip_blanks();
            self.value(depth + 1)?;
            self.skip_blanks();
            if self.accept('}') {
                return Ok(());
            }
            self.comma()?;
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), Stop> {
        self.at += 1;
        self.skip_blanks();
        if self.accept(']') {
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            self.skip_blanks();
            if self.accept(']') {
                return Ok(());
            }
            self.comma()?;
        }
    }

    fn comma(&mut self) -> Result<(), Stop> {
        if !self.accept(',') {
            return broken(self.at, "Expecting ',' delimiter");
        }
        self.skip_blanks();
        Ok(())
    }

    fn string(&mut self) -> Result<(), Stop> {
        let begin = self.at;
        self.at += 1;
        loop {
            let Some(char) = self.peek() else {
                return broken(begin, "Unterminated string starting at");
            };
            match char {
                '"' => {
                    self.at += 1;
                    return Ok(());
                }
                '\\' => self.escape(begin)?,
                '\0'..='\x1f' => return broken(self.at, "Invalid control character at"),
                _ => self.at += 1,
            }
        }
    }

    fn escape(&mut self, begin: usize) -> Result<(), Stop> {
        let backslash = self.at;
        match self.chars.get(backslash + 1) {
            None => broken(begin, "Unterminated string starting at"),
            Some('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't') => {
                self.at += 2;
                Ok(())
            }
            Some('u') => {
                let digits = self.chars.get(backslash + 2..backslash + 6);
                let hexadecimal =
                    digits.is_some_and(|digits| digits.iter().all(char::is_ascii_hexdigit));
                // A character has to follow, if only the quote: Python looks ahead for it.
                if !hexadecimal || backslash + 6 >= self.chars.len() {
                    return broken(backslash + 1, "Invalid \\uXXXX escape");
                }
                self.at += 6;
                Ok(())
            }
            Some(_) => broken(backslash, "Invalid \\escape"),
        }
    }

    /// Python also reads `NaN` and the infinities.
    fn word_or_number(&mut self) -> Result<(), Stop> {
        let words = ["null", "true", "false", "NaN", "Infinity", "-Infinity"];
        let rest = &self.chars[self.at.min(self.chars.len())..];
        let word = words.iter().find(|word| word.chars().eq(rest.iter().copied().take(word.len())));
        let length = word.map_or_else(|| number(rest), |word| word.len());
        if length == 0 {
            return broken(self.at, "Expecting value");
        }
        self.at += length;
        Ok(())
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn accept(&mut self, char: char) -> bool {
        let found = self.peek() == Some(char);
        self.at += usize::from(found);
        found
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\n' | '\r')) {
            self.at += 1;
        }
    }
}

/// The length of the number that the text starts with; 0 if it starts with none. A fraction or an
/// exponent without digits is not part of it, so it becomes extra data or a missing comma.
fn number(text: &[char]) -> usize {
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        rest.iter().take_while(|char| char.is_ascii_digit()).count()
    };
    let sign = usize::from(text.first() == Some(&'-'));
    let mut length = match text.get(sign) {
        Some('0') => sign + 1,
        Some('1'..='9') => sign + digits(sign),
        _ => return 0,
    };
    if text.get(length) == Some(&'.') && digits(length + 1) > 0 {
        length += 1 + digits(length + 1);
    }
    if matches!(text.get(length), Some('e' | 'E')) {
        let signed = usize::from(matches!(text.get(length + 1), Some('+' | '-')));
        let exponent = digits(length + 1 + signed);
        if exponent > 0 {
            length += 1 + signed + exponent;
        }
    }
    length
}

#[cfg(test)]
mod tests {
    use super::{JsonError, locate};

    /// Positions and words are those of Python 3.11.
    #[test]
    fn broken_json_is_described_as_python_does() {
        let cases = [
            ("", 0, "Expecting value"),
            ("  ", 2, "Expecting value"),
            ("nul", 0, "Expecting value"),
            ("{\"a\":", 5, "Expecting value"),
            ("[1,]", 3, "Expecting value"),
            ("{\"é\": é}", 6, "Expecting value"),
            ("{", 1, "Expecting property name enclosed in double quotes"),
            ("{a:1}", 1, "Expecting property name enclosed in double quotes"),
            ("{\"a\":1,}", 7, "Expecting property name enclosed in double quotes"),
            ("{\"a\" 1}", 5, "Expecting ':' delimiter"),
            ("{\"a\":1 \"b\":2}", 7, "Expecting ',' delimiter"),
            ("[1 2]", 3, "Expecting ',' delimiter"),
            ("[1", 2, "Expecting ',' delimiter"),
            ("\"abc", 0, "Unterminated string starting at"),
            ("{\"a\":\"b\\", 5, "Unterminated string starting at"),
            ("1 2", 2, "Extra data"),
            ("01", 1, "Extra data"),
            ("1.", 1, "Extra data"),
            ("\"a\nb\"", 2, "Invalid control character at"),
            ("\"a\\x\"", 2, "Invalid \\escape"),
            ("\"\\u12g4\"", 2, "Invalid \\uXXXX escape"),
            ("\"\\u123", 2, "Invalid \\uXXXX escape"),
        ];
        for (text, position, message) in cases {
            let found = locate(text);
            assert_eq!(found, Some(JsonError { position, message }), "{text:?}");
        }
    }

    #[test]
    fn what_python_reads_has_no_complaint() {
        for text in ["NaN", "[-Infinity]", "1e400", "\"\\ud800\"", "{\"a\": [1, {}]}"] {
            assert_eq!(locate(text), None, "{text}");
        }
    }

    #[test]
    fn bottomless_nesting_is_no_complaint_and_no_crash() {
        assert_eq!(locate(&"[".repeat(1_000_000)), None);
    }
}
