//! `run-migration`, `create-migration`, `run-downgrade`.

use std::fs;
use std::io::Write;

use anyhow::{Context, Result, bail};
use event_store::{MIGRATOR, applied_migrations, migration_state};
use service::config::{DatabaseConfig, Env};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::cli::{CreateMigrationOptions, DowngradeOptions};

/// Applies what is pending; success when there is nothing to do.
pub async fn run(env: &Env) -> Result<()> {
    let pool = connect(env, None).await?;
    let pending = migration_state(&pool).await?.pending;
    if pending.is_empty() {
        println!("nothing to migrate: the database is up to date");
        return Ok(());
    }
    MIGRATOR.run(&pool).await.context("migration failed; nothing of the failed step was kept")?;
    for migration in pending {
        println!("applied {migration}");
    }
    Ok(())
}

/// Undoes migrations, newest first, until the target is the newest applied.
pub async fn downgrade(env: &Env, options: &DowngradeOptions) -> Result<()> {
    let drop_log = options.drop_log.then_some(("manman.drop_log", "on"));
    let pool = connect(env, drop_log).await?;
    let applied = applied_migrations(&pool).await?;
    let target = target(&options.target, &applied)?;
    let undone: Vec<_> = applied.iter().rev().filter(|(version, _)| *version > target).collect();
    if undone.is_empty() {
        println!("nothing to undo: {target} is the newest that is applied");
        return Ok(());
    }
    MIGRATOR
        .undo(&pool, target)
        .await
        .context("downgrade failed; nothing of the failed step was kept")?;
    for (version, description) in undone {
        println!("undone {version} {description}");
    }
    Ok(())
}

/// Writes an empty pair of migrations.
pub fn create(env: &Env, options: &CreateMigrationOptions) -> Result<()> {
    if env.read(&["ENVIRONMENT"]).is_some_and(|setting| setting.text.eq_ignore_ascii_case("PROD")) {
        bail!("ENVIRONMENT is PROD: migrations are written where they can be reviewed");
    }
    let name = options.name();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '_');
    if name.trim().is_empty() || !name.chars().all(is_plain) {
        bail!("{name:?} is no name for a migration: use letters, digits, blanks, - and _");
    }
    let directory = &options.directory;
    if !directory.is_dir() {
        bail!(
            "{} is not a directory: run this in the repository, or give --directory",
            directory.display()
        );
    }
    let words = name.trim().to_ascii_lowercase().replace([' ', '-'], "_");
    let stamp = chrono::Utc::now().format("%Y%m%d%H%M%S");
    let newest = MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or(0);
    let version = stamp.to_string().parse::<i64>()?.max(newest + 1);
    for (direction, hint) in [
        (
            "up",
            "-- Why this is needed. Safe for the version still running: expand, migrate, contract.",
        ),
        ("down", "-- Undoes the above without losing what cannot be rebuilt."),
    ] {
        let file = directory.join(format!("{version}_{words}.{direction}.sql"));
        let mut file_handle =
            fs::File::create_new(&file).with_context(|| format!("{}", file.display()))?;
        writeln!(file_handle, "{hint}")?;
        println!("wrote {}", file.display());
    }
    println!("fill them in, then build again: migrations are part of the executable");
    Ok(())
}

async fn connect(env: &Env, setting: Option<(&str, &str)>) -> Result<PgPool> {
    let config = DatabaseConfig::from_env(env)?;
    let options: PgConnectOptions = config.url.expose().parse()?;
    let options = options.application_name("manman migration").options(setting);
    PgPoolOptions::new()
        .max_connections(2)
        .acquire_timeout(config.acquire_timeout)
        .connect_with(options)
        .await
        .context("the database does not answer")
}

/// The version that is to be the newest afterwards; 0 for none.
fn target(text: &str, applied: &[(i64, String)]) -> Result<i64> {
    if text == "base" {
        return Ok(0);
    }
    let Ok(number) = text.parse::<i64>() else {
        bail!("{text:?} is no revision: give one of {}, -N or base", revisions(applied));
    };
    if number < 0 {
        let steps = usize::try_from(number.unsigned_abs())?;
        let Some(left) = applied.len().checked_sub(steps) else {
            bail!("{text} is more than the {} that are applied", applied.len());
        };
        return Ok(left.checked_sub(1).map_or(0, |newest| applied[newest].0));
    }
    if !applied.iter().any(|(version, _)| *version == number) {
        bail!("revision {number} is not applied: give one of {}, -N or base", revisions(applied));
    }
    Ok(number)
}

fn revisions(applied: &[(i64, String)]) -> String {
    let versions: Vec<_> = applied.iter().map(|(version, _)| version.to_string()).collect();
    if versions.is_empty() { "(none is applied)".to_owned() } else { versions.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::target;

    fn applied() -> Vec<(i64, String)> {
        [10, 20, 30].map(|version| (version, String::new())).to_vec()
    }

    #[test]
    fn a_target_is_a_revision_a_number_of_steps_or_base() {
        for (text, expected) in [("20", 20), ("30", 30), ("-1", 20), ("-3", 0), ("base", 0)] {
            assert_eq!(target(text, &applied()).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_what_there_is() {
        for text in ["25", "-4", "head", ""] {
            assert!(target(text, &applied()).is_err(), "{text}");
        }
        let error = target("head", &applied()).unwrap_err().to_string();
        assert!(error.contains("10, 20, 30"), "{error}");
    }
}
