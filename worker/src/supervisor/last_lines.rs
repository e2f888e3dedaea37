//! Where the last lines are kept: in memory, for the ending.

use std::collections::VecDeque;

use super::plain::plain;

/// How many lines an ending or a tail has at most.
pub(crate) const LAST_LINES: usize = 50;

/// The last lines that were printed, as [`plain`] text.
#[derive(Debug, Default)]
pub(super) struct LastLines {
    lines: VecDeque<String>,
}

impl LastLines {
    /// Takes lines that all end in a newline. Of many, only those that stay are looked at.
    pub(super) fn take(&mut self, lines: &[u8]) {
        let Some(lines) = lines.strip_suffix(b"\n") else { return };
        let last = lines.rsplit(|byte| *byte == b'\n').take(LAST_LINES).collect::<Vec<_>>();
        let surplus = (self.lines.len() + last.len()).saturating_sub(LAST_LINES);
        self.lines.drain(..surplus);
        self.lines.extend(last.into_iter().rev().map(plain));
    }

    /// The lines, oldest first.
    pub(super) fn into_lines(self) -> Vec<String> {
        self.lines.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_stay() {
        let mut last = LastLines::default();
        last.take(b"first\n\n");
        let many = (0..120).map(|n| format!("{n}\n")).collect::<String>();
        last.take(many.as_bytes());
        last.take(b"end\n");
        let lines = last.into_lines();
        assert_eq!(lines.len(), LAST_LINES);
        assert_eq!((lines[0].as_str(), lines[49].as_str()), ("71", "end"));
    }

    #[test]
    fn an_empty_line_is_a_line() {
        let mut last = LastLines::default();
        last.take(b"");
        last.take(b"\n");
        last.take(b"a\n\n");
        assert_eq!(last.into_lines(), ["", "a", ""]);
    }
}
