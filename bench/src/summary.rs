//! The table and `summary.json`.

use std::fs;

use anyhow::Result;
use serde::Serialize;

use crate::settings::Settings;

/// One measured row.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Its name.
    pub row: String,
    /// What was measured.
    pub value: f64,
    /// In what.
    pub unit: String,
    /// What it is compared with.
    pub baseline: String,
    /// What that measured, in the same unit.
    pub baseline_value: f64,
    /// `value / baseline_value`.
    pub ratio: f64,
    /// The ratio to reach, for the table only.
    #[serde(skip)]
    target: String,
}

/// All rows of a run.
#[derive(Debug, Default)]
pub struct Summary {
    rows: Vec<Row>,
}

impl Summary {
    /// Adds a row and prints it at once: a run may take minutes.
    pub fn add(
        &mut self,
        row: &str,
        value: f64,
        unit: &str,
        (baseline, baseline_value): (&str, f64),
        target: &str,
    ) {
        let ratio = value / baseline_value;
        println!(
            "{row:<24} {value:>12.1} {unit:<11} {ratio:>8.2} x {baseline} ({baseline_value:.1})"
        );
        self.rows.push(Row {
            row: row.to_owned(),
            value,
            unit: unit.to_owned(),
            baseline: baseline.to_owned(),
            baseline_value,
            ratio,
            target: target.to_owned(),
        });
    }

    /// Prints the table and writes `summary.json`.
    pub fn finish(self, settings: &Settings) -> Result<()> {
        println!(
            "\n{:<24} {:>12} {:<11} {:>8}  {:<42} {:>14}  target",
            "row", "value", "unit", "ratio", "baseline", "baseline value"
        );
        for row in &self.rows {
            println!(
                "{:<24} {:>12.1} {:<11} {:>8.2}  {:<42} {:>14.1}  {}",
                row.row,
                row.value,
                row.unit,
                row.ratio,
                row.baseline,
                row.baseline_value,
                row.target
            );
        }
        fs::create_dir_all(&settings.output)?;
        let file = settings.output.join("summary.json");
        fs::write(&file, serde_json::to_string_pretty(&self.rows)? + "\n")?;
        println!("\nwritten to {}", file.display());
        Ok(())
    }
}
