//! How much is logged, and in which form.

use tracing::Level;

use super::{ConfigError, Env};

const LEVEL: &str = "DEBUG, INFO, WARNING, ERROR or CRITICAL";

/// Logging (`LOG_LEVEL`, `LOG_JSON_FORMAT`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// The least severe level that is logged. `LOG_LEVEL`, default INFO. Python's `WARNING` and
    /// `CRITICAL` are known; `CRITICAL` means errors only, because there is nothing above them
    /// here.
    pub level: Level,
    /// JSON lines instead of text. `LOG_JSON_FORMAT`, default off.
    pub json: bool,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: Level::INFO, json: false }
    }
}

impl LogConfig {
    /// Reads the settings. Fails on an unknown level or a switch that is neither on nor off.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        if let Some(setting) = env.read(&["MANMAN_LOG_LEVEL", "LOG_LEVEL"]) {
            let level = level(setting.text.trim());
            config.level = level.ok_or_else(|| setting.malformed(LEVEL))?;
        }
        if let Some(setting) = env.read(&["MANMAN_LOG_JSON_FORMAT", "LOG_JSON_FORMAT"]) {
            config.json = setting.switch()?;
        }
        Ok(config)
    }
}

fn level(name: &str) -> Option<Level> {
    match name.to_ascii_uppercase().as_str() {
        "TRACE" => Some(Level::TRACE),
        "DEBUG" => Some(Level::DEBUG),
        "INFO" => Some(Level::INFO),
        "WARN" | "WARNING" => Some(Level::WARN),
        "ERROR" | "CRITICAL" | "FATAL" => Some(Level::ERROR),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::{Env, LogConfig};

    #[test]
    fn python_level_names_are_known_in_any_case() {
        for (name, level) in [("warning", Level::WARN), ("CRITICAL", Level::ERROR)] {
            let config = LogConfig::from_env(&Env::of([("LOG_LEVEL", name)])).unwrap();
            assert_eq!(config.level, level);
        }
    }

    #[test]
    fn an_unknown_level_is_refused_by_name() {
        let error = LogConfig::from_env(&Env::of([("LOG_LEVEL", "loud")])).unwrap_err();
        insta::assert_snapshot!(error, @r#"LOG_LEVEL is "loud": expected DEBUG, INFO, WARNING, ERROR or CRITICAL"#);
    }

    #[test]
    fn json_is_a_switch() {
        let config = LogConfig::from_env(&Env::of([("LOG_JSON_FORMAT", "yes")])).unwrap();
        assert!(config.json);
        assert!(LogConfig::from_env(&Env::of([("LOG_JSON_FORMAT", "maybe")])).is_err());
    }
}
