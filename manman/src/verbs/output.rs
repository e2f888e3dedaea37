//! What operator verbs print.

use std::io::{self, ErrorKind, Write};

use anyhow::{Context, Result};
use serde_json::Value;

/// Prints on stdout. A reader that has seen enough (`| head`) is no failure.
pub fn print(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("stdout"),
        _ => Ok(()),
    }
}

/// Prints a document, indented.
pub fn print_json(document: &Value) -> Result<()> {
    print(&serde_json::to_string_pretty(document)?)
}

/// Rows in columns, the first one being their headings. Columns of numbers end at the same place, others
/// begin there.
pub fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or_default();
    let cell = |row: &Vec<String>, at: usize| row.get(at).cloned().unwrap_or_default();
    let layout: Vec<_> = (0..count)
        .map(|at| {
            let width = rows.iter().map(|row| cell(row, at).chars().count()).max();
            let is_number = |row| cell(row, at).parse::<f64>().is_ok();
            (width.unwrap_or_default(), rows.len() > 1 && rows.iter().skip(1).all(is_number))
        })
        .collect();
    let line = |row: &Vec<String>| {
        let cells = layout.iter().enumerate().map(|(at, &(width, is_number))| {
            let text = cell(row, at);
            if is_number { format!("{text:>width$}") } else { format!("{text:<width$}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A number with its digits in groups of three.
pub fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = if number < 0 { "-".to_owned() } else { String::new() };
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{columns, grouped};

    #[test]
    fn numbers_end_and_words_begin_at_the_same_place() {
        let rows = [["name", "rows"], ["a", "7"], ["longer", "12345"]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(columns(&rows), "name     rows\na           7\nlonger  12345");
    }

    #[test]
    fn digits_are_grouped() {
        let numbers = [0, 999, 1000, 1_234_567, -1000].map(grouped);
        assert_eq!(numbers, ["0", "999", "1,000", "1,234,567", "-1,000"]);
    }
}
