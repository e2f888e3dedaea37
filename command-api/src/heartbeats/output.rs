//! The end of what an instance prints: telemetry that comes with heartbeats.

/// How many lines are kept of an instance; more than a screen of them is what the agent's files are for.
const MOST_LINES: usize = 50;
/// How many characters are kept of a line.
const LONGEST_LINE: usize = 500;

/// The end of what an instance printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    pub(super) lines_total: i64,
    pub(super) tail: Vec<String>,
}

impl Output {
    /// What an agent tells, cut to what is kept: the last 50 lines, of each the first 500 characters. PostgreSQL has no
    /// NUL in a text: it becomes the replacement character.
    #[must_use]
    pub fn new(lines_total: u64, tail: &[String]) -> Self {
        let last = &tail[tail.len().saturating_sub(MOST_LINES)..];
        let storable = |c| if c == '\0' { char::REPLACEMENT_CHARACTER } else { c };
        let cut = |line: &String| line.chars().take(LONGEST_LINE).map(storable).collect();
        Self {
            lines_total: i64::try_from(lines_total).unwrap_or(i64::MAX),
            tail: last.iter().map(cut).collect(),
        }
    }

    /// About how much memory it takes, in bytes.
    pub(super) fn size(&self) -> usize {
        self.tail.iter().map(String::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::Output;

    #[test]
    fn of_many_lines_the_last_are_kept_and_of_a_long_line_the_beginning() {
        let lines: Vec<String> = (0..60).map(|line| line.to_string()).collect();
        let kept = Output::new(60, &lines).tail;
        assert_eq!((kept.len(), kept[0].as_str(), kept[49].as_str()), (50, "10", "59"));
        let long = Output::new(1, &["\u{e9}".repeat(600)]);
        assert_eq!(long.tail, ["\u{e9}".repeat(500)]);
        assert_eq!(long.size(), 1_000);
    }

    #[test]
    fn what_cannot_be_stored_is_replaced() {
        let output = Output::new(u64::MAX, &["a\0b".to_owned()]);
        assert_eq!((output.lines_total, output.tail), (i64::MAX, vec!["a\u{fffd}b".to_owned()]));
    }
}
