//! Settings that make no sense: said at once, by name, and without the secrets among them.

use crate::support::{Environment, PROCESSES, run};

/// A complete environment but for what is under test.
fn environment(changes: &[(&'static str, &str)]) -> Environment {
    let mut environment = vec![
        ("MANMAN_POSTGRES_URL", "postgresql://manman:hunter2@127.0.0.1:1/manman".to_owned()),
        ("MANMAN_RABBITMQ_PASSWORD", "hunter3".to_owned()),
    ];
    for (name, value) in changes {
        environment.retain(|(other, _)| other != name);
        environment.push((name, (*value).to_owned()));
    }
    environment
}

#[tokio::test]
async fn a_setting_that_makes_no_sense_is_named_with_what_was_expected() {
    for (name, value) in [
        ("MANMAN_RABBITMQ_PORT", "abc"),
        ("MANMAN_RABBITMQ_PORT", "70000"),
        ("MANMAN_RABBITMQ_ENABLE_SSL", "perhaps"),
        ("SQLALCHEMY_POOL_SIZE", "many"),
        ("LOG_LEVEL", "LOUD"),
        ("LOG_JSON_FORMAT", "perhaps"),
    ] {
        let environment = environment(&[(name, value)]);
        let flags = ["start-status-processor", "--no-should-run-migration-check"];
        let refused = run(&flags, &environment).await.refused();
        let expected = format!("manman: {name} is \"{value}\": expected");
        assert!(refused.lines().any(|line| line.starts_with(&expected)), "{name}: {refused}");
    }
}

#[tokio::test]
async fn an_address_that_is_none_is_not_repeated() {
    for name in ["MANMAN_POSTGRES_URL", "POSTGRES_URL"] {
        let mut environment = environment(&[]);
        environment.retain(|(other, _)| *other != "MANMAN_POSTGRES_URL");
        environment.push((name, "mysql://manman:hunter2@db/manman".to_owned()));
        for verb in PROCESSES.into_iter().chain(["up", "run-migration"]) {
            let refused = run(&[verb], &environment).await.refused();
            assert!(refused.contains(name), "{refused}");
            assert!(!refused.contains("hunter2"), "{refused}");
        }
    }
}

#[tokio::test]
async fn a_missing_address_is_named() {
    for verb in PROCESSES.into_iter().chain(["up", "run-migration", "run-downgrade"]) {
        let arguments = if verb == "run-downgrade" { vec![verb, "-1"] } else { vec![verb] };
        let refused = run(&arguments, &Environment::new()).await.refused();
        assert!(refused.contains("MANMAN_POSTGRES_URL is not set"), "{refused}");
    }
}

#[tokio::test]
async fn a_database_that_is_not_there_is_reported_without_its_password() {
    let finished = run(&["run-migration"], &environment(&[])).await;
    let said = format!("{}{}", finished.stdout, finished.stderr);
    assert!(!finished.status.success() && !said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn flags_win_over_the_environment() {
    let environment = environment(&[("MANMAN_RABBITMQ_PORT", "abc")]);
    let flags =
        ["start-status-processor", "--rabbitmq-port", "x", "--no-should-run-migration-check"];
    let refused = run(&flags, &environment).await.refused();
    assert!(refused.contains("\"x\"") && !refused.contains("\"abc\""), "{refused}");
}

#[tokio::test]
async fn help_needs_no_settings_and_shows_no_secret() {
    for verb in
        PROCESSES.into_iter().chain(["up", "run-migration", "create-migration", "run-downgrade"])
    {
        let help = run(&[verb, "--help"], &environment(&[])).await.done();
        assert!(help.contains("Usage: manman") && !help.contains("hunter"), "{help}");
    }
}
