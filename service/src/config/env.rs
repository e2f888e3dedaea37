//! Where settings come from: a snapshot of the environment with command-line flags on top.

use std::collections::HashMap;
use std::str::FromStr;

/// A setting that is missing or cannot be read. The message names the variable and what was
/// expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A variable without a default is not set.
    #[error("{variable} is not set: expected {expected}")]
    Missing {
        /// The preferred name of the variable.
        variable: &'static str,
        /// What a good value looks like.
        expected: &'static str,
    },
    /// A variable is set to something that cannot be used.
    #[error("{variable} is {found:?}: expected {expected}")]
    Malformed {
        /// The name that was read.
        variable: &'static str,
        /// The value that was found.
        found: String,
        /// What a good value looks like.
        expected: &'static str,
    },
    /// As [`ConfigError::Malformed`], for a value that must not be shown.
    #[error("{variable} is malformed (its value is not shown): expected {expected}")]
    MalformedSecret {
        /// The name that was read.
        variable: &'static str,
        /// What a good value looks like.
        expected: &'static str,
    },
}

/// The environment as a value, so that reading configuration is a pure function.
#[derive(Clone, Default)]
pub struct Env {
    variables: HashMap<String, String>,
    overrides: HashMap<String, String>,
}

impl Env {
    /// A snapshot of this process's environment.
    pub fn process() -> Self {
        Self::of(std::env::vars_os().map(|(name, value)| {
            let text = |part: std::ffi::OsString| part.to_string_lossy().into_owned();
            (text(name), text(value))
        }))
    }

    /// An environment with exactly these variables.
    pub fn of<N: Into<String>, V: Into<String>>(
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let variables =
            variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { variables, overrides: HashMap::new() }
    }

    /// Puts the value of a command-line flag above every variable of the same meaning.
    /// `name` is any of the names the setting is read from.
    #[must_use]
    pub fn with_override(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.overrides.insert(name.into(), value.into());
        self
    }

    /// [`Env::with_override`] for a flag that may be absent.
    #[must_use]
    pub fn with_optional_override<V: Into<String>>(self, name: &str, value: Option<V>) -> Self {
        match value {
            Some(value) => self.with_override(name, value),
            None => self,
        }
    }

    /// The first of these names that has a value: overrides first, then variables, each in the
    /// given order.
    pub fn read(&self, names: &[&'static str]) -> Option<Setting<'_>> {
        [&self.overrides, &self.variables]
            .into_iter()
            .flat_map(|source| names.iter().map(move |name| (name, source.get(*name))))
            .find_map(|(name, text)| {
                let text = text.filter(|text| !text.is_empty())?;
                Some(Setting { name, text })
            })
    }

    /// Whether one of these names has a value in the environment itself, flags not considered.
    pub fn has_variable(&self, names: &[&str]) -> bool {
        names.iter().filter_map(|name| self.variables.get(*name)).any(|text| !text.is_empty())
    }
}

/// A value that was found, and the name it was found under.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// The name of the variable.
    pub name: &'static str,
    /// Its value, never empty.
    pub text: &'a str,
}

impl Setting<'_> {
    /// Reads the value as a `T`.
    pub fn parse<T: FromStr>(self, expected: &'static str) -> Result<T, ConfigError> {
        self.text.trim().parse().map_err(|_| self.malformed(expected))
    }

    /// Reads a switch: `true/false`, `1/0`, `yes/no`, `on/off`, `t/f`, `y/n`, in any case.
    pub fn switch(self) -> Result<bool, ConfigError> {
        crate::v1::bool_word(self.text.trim()).ok_or_else(|| self.malformed("true or false"))
    }

    /// The error for a value that does not fit.
    pub fn malformed(self, expected: &'static str) -> ConfigError {
        ConfigError::Malformed { variable: self.name, found: self.text.to_owned(), expected }
    }

    /// The error for a secret that does not fit: it names the variable and hides the value.
    pub fn malformed_secret(self, expected: &'static str) -> ConfigError {
        ConfigError::MalformedSecret { variable: self.name, expected }
    }
}

#[cfg(test)]
mod tests {
    use super::Env;

    const NAMES: [&str; 2] = ["MANMAN_THING", "THING"];

    fn text(env: &Env) -> Option<&str> {
        env.read(&NAMES).map(|setting| setting.text)
    }

    #[test]
    fn the_manman_name_wins_over_the_old_one() {
        let env = Env::of([("THING", "old"), ("MANMAN_THING", "new")]);
        assert_eq!(text(&env), Some("new"));
    }

    #[test]
    fn a_flag_wins_over_every_variable_whichever_name_it_uses() {
        let env = Env::of([("MANMAN_THING", "new")]).with_override("THING", "flag");
        assert_eq!(text(&env), Some("flag"));
    }

    #[test]
    fn an_empty_value_counts_as_not_set() {
        let env = Env::of([("MANMAN_THING", ""), ("THING", "old")]);
        assert_eq!(text(&env), Some("old"));
    }

    #[test]
    fn a_malformed_value_names_its_variable() {
        let env = Env::of([("THING", "many")]);
        let error = env.read(&NAMES).unwrap().parse::<u16>("a number").err();
        let message = error.map(|error| error.to_string());
        assert_eq!(message.as_deref(), Some("THING is \"many\": expected a number"));
    }
}
