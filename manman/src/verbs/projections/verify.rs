//! `projections verify`.

use std::process::ExitCode;

use anyhow::Result;
use projectors::{PROJECTIONS, ProjectionInfo, TableComparison, verify};
use serde_json::{Value, json};
use sqlx::PgPool;

use super::{Ended, FOUND, interruptible};
use crate::operator::VerifyOptions;
use crate::verbs::output::{columns, print, print_json};
use crate::verbs::progress::Reporter;

/// Compares each read model with what the log says.
pub async fn run(pool: &PgPool, options: VerifyOptions) -> Result<ExitCode> {
    let projections = chosen(&options.names);
    let mut reporter = Reporter::new(options.quiet);
    let mut tell = |progress| reporter.tell(progress);
    let tables = match interruptible(verify(pool, &projections, &mut tell)).await? {
        Ended::Done(tables) => tables,
        Ended::Interrupted(status) => return Ok(status),
    };
    drop(reporter);
    let is_equal = tables.iter().all(TableComparison::is_equal);
    if options.output.json {
        let tables: Vec<_> = tables.iter().map(document).collect();
        print_json(&json!({ "equal": is_equal, "tables": tables }))?;
    } else {
        print(&text(&tables))?;
    }
    Ok(if is_equal { ExitCode::SUCCESS } else { FOUND })
}

/// Those that were named, each once and in the usual order; all when none was.
fn chosen(names: &[ProjectionInfo]) -> Vec<ProjectionInfo> {
    let is_chosen = |projection: &ProjectionInfo| names.is_empty() || names.contains(projection);
    PROJECTIONS.into_iter().filter(is_chosen).collect()
}

fn document(table: &TableComparison) -> Value {
    json!({
        "projection": table.projection,
        "table": table.table,
        "position": table.position,
        "equal": table.is_equal(),
        "rows": table.rows,
        "rebuilt_rows": table.rebuilt_rows,
        "hash": table.hash,
        "rebuilt_hash": table.rebuilt_hash,
        "only_live": table.only_live,
        "only_rebuilt": table.only_rebuilt,
    })
}

fn text(tables: &[TableComparison]) -> String {
    let headings = ["PROJECTION", "TABLE", "POSITION", "ROWS", "HASH", "RESULT"];
    let mut rows = vec![headings.map(str::to_owned).to_vec()];
    for table in tables {
        rows.push(vec![
            table.projection.to_owned(),
            table.table.to_owned(),
            table.position.to_string(),
            table.rows.to_string(),
            table.hash.clone(),
            result(table),
        ]);
    }
    let differing: Vec<_> = tables.iter().filter(|table| !table.is_equal()).collect();
    let summary = match differing.first() {
        None => format!("{} tables are what the log says", tables.len()),
        Some(first) => format!(
            "{} of {} tables differ from what the log says; see `manman projections diff {}`",
            differing.len(),
            tables.len(),
            first.projection
        ),
    };
    format!("{}\n\n{summary}", columns(&rows))
}

fn result(table: &TableComparison) -> String {
    if table.is_equal() {
        return "equal".to_owned();
    }
    format!(
        "DIFFERS: by the log {} rows with hash {}; {} rows only live, {} only by the log",
        table.rebuilt_rows, table.rebuilt_hash, table.only_live, table.only_rebuilt
    )
}
