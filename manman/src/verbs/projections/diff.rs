//! `projections diff`.

use std::process::ExitCode;

use anyhow::Result;
use projectors::{Differences, RowDifference, TableDifferences, diff};
use serde_json::{Map, Value};
use sqlx::PgPool;

use super::{Ended, FOUND, interruptible};
use crate::operator::DiffOptions;
use crate::verbs::output::{columns, print, print_json};
use crate::verbs::progress::Reporter;

/// Prints the rows in which a projection differs from what the log says.
pub async fn run(pool: &PgPool, options: &DiffOptions) -> Result<ExitCode> {
    let mut reporter = Reporter::new(options.quiet);
    let mut tell = |progress| reporter.tell(progress);
    let found = diff(pool, options.name, options.limit, &mut tell);
    let found = match interruptible(found).await? {
        Ended::Done(found) => found,
        Ended::Interrupted(status) => return Ok(status),
    };
    drop(reporter);
    if options.output.json {
        print_json(&serde_json::to_value(&found)?)?;
    } else {
        print(&text(&found))?;
    }
    Ok(if found.count() == 0 { ExitCode::SUCCESS } else { FOUND })
}

pub(super) fn text(found: &Differences) -> String {
    let Differences { projection, position, tables } = found;
    let differing: Vec<_> = tables.iter().filter(|table| table.count() > 0).collect();
    if differing.is_empty() {
        return format!("{projection} at position {position}: what the log says");
    }
    let mut text = format!("{projection} at position {position}: live → what the log says");
    for table in differing {
        text.push_str(&table_text(table));
    }
    text
}

fn table_text(table: &TableDifferences) -> String {
    let TableDifferences { table: name, missing, extra, changed, rows } = table;
    let mut text = format!("\n\n{name}: {missing} missing, {extra} extra, {changed} changed");
    let rows: Vec<_> = rows.iter().map(cells).collect();
    for line in columns(&rows).lines() {
        text.push_str(&format!("\n  {line}"));
    }
    let more = table.count() - i64::try_from(rows.len()).unwrap_or(i64::MAX);
    if more > 0 {
        text.push_str(&format!("\n  … and {more} more rows (--limit)"));
    }
    text
}

fn cells(row: &RowDifference) -> Vec<String> {
    let (word, key, what) = match row {
        RowDifference::Missing { key, row } => ("missing", key, pairs(row)),
        RowDifference::Extra { key, row } => ("extra", key, pairs(row)),
        RowDifference::Changed { key, columns } => {
            let columns = columns
                .iter()
                .map(|(name, column)| format!("{name}: {} → {}", column.live, column.rebuilt));
            ("changed", key, columns.collect::<Vec<_>>().join(", "))
        }
    };
    vec![word.to_owned(), pairs(key), what]
}

fn pairs(columns: &Map<String, Value>) -> String {
    let pairs = columns.iter().map(|(name, value)| format!("{name}={value}"));
    pairs.collect::<Vec<_>>().join(" ")
}
