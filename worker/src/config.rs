//! The agent's settings.

use std::ffi::OsString;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use service::config::{ConfigError, Env, Setting};

use crate::install::Steamcmd;
use crate::process::Supervisor;
use crate::run_dir::OutputLimits;

const HOST_URL: &str = "MANMAN_HOST_URL";
const NAME: &str = "MANMAN_WORKER_NAME";
const INSTALL_DIRECTORY: &str = "MANMAN_WORKER_INSTALL_DIRECTORY";
const STATE_DIRECTORY: &str = "MANMAN_WORKER_STATE_DIRECTORY";
const VERIFY_SSL: &str = "MANMAN_WORKER_VERIFY_SSL";
const HEARTBEAT: &str = "MANMAN_WORKER_HEARTBEAT_SECONDS";
const EXCLUSIVE: &str = "MANMAN_WORKER_EXCLUSIVE";
const ON_SIGTERM: &str = "MANMAN_WORKER_ON_SIGTERM";
const HEALTH_PORT: &str = "MANMAN_WORKER_HEALTH_PORT";
const STEAMCMD: &str = "STEAMCMD_EXECUTABLE";
const INSTALL_TIMEOUT: &str = "MANMAN_WORKER_INSTALL_TIMEOUT";
const INSTALL_ATTEMPTS: &str = "MANMAN_WORKER_INSTALL_ATTEMPTS";
const OUTPUT_FILE_BYTES: &str = "MANMAN_WORKER_OUTPUT_FILE_BYTES";
const OUTPUT_FILES: &str = "MANMAN_WORKER_OUTPUT_FILES";

/// Where images of v1's worker have SteamCMD.
const USUAL_STEAMCMD: &str = "/opt/steamcmd/steamcmd.sh";
const USUAL_HEARTBEAT: Duration = Duration::from_secs(2);
/// Less often than every 4 s, and the worker would be lost between any two heartbeats.
const HEARTBEAT_SECONDS: RangeInclusive<u64> = 1..=4;
/// The longest name the API takes, in characters.
const LONGEST_NAME: usize = 128;

/// What SIGTERM means to the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnSigterm {
    /// It leaves; its game servers run on and are taken up again by the next agent in the same directory.
    Detach,
    /// It stops its game servers and closes the worker: for containers, whose processes end with the agent anyway.
    Stop,
}

/// The agent's settings, from the environment with the flags of `start-worker` on top.
#[derive(Debug, Clone)]
pub struct AgentConfig {
    /// The Worker DAL API. `MANMAN_HOST_URL`, required.
    pub host_url: String,
    /// The worker's stable name. `MANMAN_WORKER_NAME`, default the host name.
    pub name: String,
    /// Where game servers are installed, absolute. `MANMAN_WORKER_INSTALL_DIRECTORY`, default `./data`.
    pub install_directory: PathBuf,
    /// What the agent remembers, absolute. `MANMAN_WORKER_STATE_DIRECTORY`, default `.manman` in the install directory.
    pub state_directory: PathBuf,
    /// Whether the API's certificate is checked. `MANMAN_WORKER_VERIFY_SSL`, default true.
    pub verify_tls: bool,
    /// How often it shows that it lives. `MANMAN_WORKER_HEARTBEAT_SECONDS`, 1 to 4, default 2; after 5 s of silence it
    /// counts as lost.
    pub heartbeat: Duration,
    /// Whether it has all other v1 workers closed when it registers. `MANMAN_WORKER_EXCLUSIVE`, default false.
    pub exclusive: bool,
    /// `MANMAN_WORKER_ON_SIGTERM`, `detach` (default) or `stop`.
    pub on_sigterm: OnSigterm,
    /// `STEAMCMD_EXECUTABLE` (default `/opt/steamcmd/steamcmd.sh` where that is, else `steamcmd` from the PATH),
    /// `MANMAN_WORKER_INSTALL_TIMEOUT` (seconds for one attempt, default 3600), `MANMAN_WORKER_INSTALL_ATTEMPTS` (default 3).
    pub steamcmd: Steamcmd,
    /// `MANMAN_WORKER_OUTPUT_FILE_BYTES` (default 10,000,000) and `MANMAN_WORKER_OUTPUT_FILES` (default 5).
    pub output: OutputLimits,
    /// Where `/livez`, `/readyz` and `/metrics` are, if anywhere. `MANMAN_WORKER_HEALTH_PORT`.
    pub health_port: Option<u16>,
    /// How a game server's supervisor is started.
    pub supervisor: Supervisor,
}

impl AgentConfig {
    /// Reads the settings. `executable` is this program, which is started anew beside each game server.
    ///
    /// # Errors
    /// When the API's address is missing or a value cannot be read; the error names the variable.
    pub fn from_env(env: &Env, executable: &Path) -> Result<Self, ConfigError> {
        let install_directory = directory(env, INSTALL_DIRECTORY)?.unwrap_or(absolute("data"));
        let state_directory =
            directory(env, STATE_DIRECTORY)?.unwrap_or_else(|| install_directory.join(".manman"));
        Ok(Self {
            host_url: host_url(env)?,
            name: name(env)?,
            install_directory,
            state_directory,
            verify_tls: switch(env, VERIFY_SSL)?.unwrap_or(true),
            heartbeat: heartbeat(env)?,
            exclusive: switch(env, EXCLUSIVE)?.unwrap_or(false),
            on_sigterm: on_sigterm(env)?,
            steamcmd: Steamcmd {
                executable: steamcmd(env),
                timeout: seconds(env, INSTALL_TIMEOUT, 3600)?,
                attempts: number(env, INSTALL_ATTEMPTS, 3)?,
                backoff: Duration::from_secs(5),
            },
            output: output(env)?,
            health_port: health_port(env)?,
            supervisor: Supervisor {
                command: vec![executable.into(), OsString::from("supervise")],
            },
        })
    }
}

fn host_url(env: &Env) -> Result<String, ConfigError> {
    let expected = "the address of the Worker DAL API, http://host:port or https://host:port";
    let setting =
        env.read(&[HOST_URL]).ok_or(ConfigError::Missing { variable: HOST_URL, expected })?;
    let url = setting.text.trim();
    if url.starts_with("http://") || url.starts_with("https://") {
        Ok(url.to_owned())
    } else {
        Err(setting.malformed(expected))
    }
}

fn name(env: &Env) -> Result<String, ConfigError> {
    let expected = "1 to 128 printable characters without blanks at the ends";
    let fits = |name: &str| {
        (1..=LONGEST_NAME).contains(&name.chars().count())
            && name.trim() == name
            && !name.chars().any(char::is_control)
    };
    match env.read(&[NAME]) {
        Some(setting) if fits(setting.text) => Ok(setting.text.to_owned()),
        Some(setting) => Err(setting.malformed(expected)),
        None => nix::unistd::gethostname()
            .ok()
            .and_then(|name| name.into_string().ok())
            .filter(|name| fits(name))
            .ok_or(ConfigError::Missing { variable: NAME, expected }),
    }
}

fn heartbeat(env: &Env) -> Result<Duration, ConfigError> {
    let expected = "1 to 4 seconds: after 5 s without a heartbeat a worker counts as lost";
    let Some(setting) = env.read(&[HEARTBEAT]) else { return Ok(USUAL_HEARTBEAT) };
    let seconds: u64 = setting.parse(expected)?;
    if HEARTBEAT_SECONDS.contains(&seconds) {
        Ok(Duration::from_secs(seconds))
    } else {
        Err(setting.malformed(expected))
    }
}

fn health_port(env: &Env) -> Result<Option<u16>, ConfigError> {
    env.read(&[HEALTH_PORT]).map(|setting| setting.parse("a port from 0 to 65535")).transpose()
}

fn on_sigterm(env: &Env) -> Result<OnSigterm, ConfigError> {
    let Some(setting) = env.read(&[ON_SIGTERM]) else { return Ok(OnSigterm::Detach) };
    match setting.text.trim() {
        "detach" => Ok(OnSigterm::Detach),
        "stop" => Ok(OnSigterm::Stop),
        _ => Err(setting.malformed("detach or stop")),
    }
}

fn steamcmd(env: &Env) -> PathBuf {
    match env.read(&[STEAMCMD]) {
        Some(setting) => setting.text.into(),
        None if Path::new(USUAL_STEAMCMD).exists() => USUAL_STEAMCMD.into(),
        None => "steamcmd".into(),
    }
}

fn output(env: &Env) -> Result<OutputLimits, ConfigError> {
    let default = OutputLimits::default();
    Ok(OutputLimits {
        file_bytes: number(env, OUTPUT_FILE_BYTES, default.file_bytes)?,
        rotated_files: match env.read(&[OUTPUT_FILES]) {
            Some(setting) => setting.parse("a whole number of files")?,
            None => default.rotated_files,
        },
    })
}

fn directory(env: &Env, name: &'static str) -> Result<Option<PathBuf>, ConfigError> {
    let Some(setting) = env.read(&[name]) else { return Ok(None) };
    let path = absolute(setting.text);
    match fs::metadata(&path) {
        Ok(found) if !found.is_dir() => Err(setting.malformed("a directory, and this is a file")),
        Ok(_) | Err(_) => Ok(Some(path)),
    }
}

fn absolute(path: &str) -> PathBuf {
    // Fails only for an empty path or without a current directory; then the error comes when it is created.
    std::path::absolute(path).unwrap_or_else(|_| path.into())
}

fn switch(env: &Env, name: &'static str) -> Result<Option<bool>, ConfigError> {
    env.read(&[name]).map(Setting::switch).transpose()
}

/// A whole number that is not 0.
fn number<T>(env: &Env, name: &'static str, default: T) -> Result<T, ConfigError>
where
    T: std::str::FromStr + Default + PartialEq,
{
    let expected = "a whole number above 0";
    let Some(setting) = env.read(&[name]) else { return Ok(default) };
    let number: T = setting.parse(expected)?;
    if number == T::default() { Err(setting.malformed(expected)) } else { Ok(number) }
}

fn seconds(env: &Env, name: &'static str, default: u32) -> Result<Duration, ConfigError> {
    number(env, name, default).map(|seconds| Duration::from_secs(seconds.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(more: &[(&str, &str)]) -> Result<AgentConfig, ConfigError> {
        let base = [(HOST_URL, "http://127.0.0.1:8001"), (NAME, "host-1")];
        AgentConfig::from_env(&Env::of(base.iter().chain(more).copied()), Path::new("/bin/manman"))
    }

    #[test]
    fn the_api_and_a_name_are_enough() {
        let config = config(&[]).unwrap();
        assert_eq!((config.name.as_str(), config.heartbeat.as_secs()), ("host-1", 2));
        assert!(config.install_directory.is_absolute());
        assert_eq!(config.state_directory, config.install_directory.join(".manman"));
        assert_eq!(config.on_sigterm, OnSigterm::Detach);
        assert!(config.verify_tls && !config.exclusive);
    }

    #[test]
    fn the_host_name_is_the_default_name() {
        let env = Env::of([(HOST_URL, "https://manman")]);
        let config = AgentConfig::from_env(&env, Path::new("/bin/manman")).unwrap();
        assert_eq!(config.name, nix::unistd::gethostname().unwrap().to_str().unwrap());
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (name, value) in [
            (HOST_URL, "manman:8001"),
            (NAME, " host"),
            (NAME, "a\tb"),
            (VERIFY_SSL, "perhaps"),
            (HEARTBEAT, "0"),
            (HEARTBEAT, "5"),
            (HEARTBEAT, "2.5"),
            (ON_SIGTERM, "explode"),
            (INSTALL_TIMEOUT, "-1"),
            (INSTALL_ATTEMPTS, "many"),
            (OUTPUT_FILES, "-1"),
            (HEALTH_PORT, "70000"),
            (INSTALL_DIRECTORY, "/proc/version"),
        ] {
            let error = config(&[(name, value)]).unwrap_err().to_string();
            assert!(error.starts_with(name), "{error}");
        }
    }

    #[test]
    fn a_heartbeat_that_would_come_too_late_is_refused_with_the_reason() {
        for seconds in 1..=4 {
            let config = config(&[(HEARTBEAT, &seconds.to_string())]).unwrap();
            assert_eq!(config.heartbeat.as_secs(), seconds);
        }
        let error = config(&[(HEARTBEAT, "5")]).unwrap_err().to_string();
        assert!(error.contains("1 to 4 seconds: after 5 s without a heartbeat"), "{error}");
    }

    #[test]
    fn without_the_api_it_does_not_start() {
        let error = AgentConfig::from_env(&Env::default(), Path::new("/bin/manman")).unwrap_err();
        assert!(error.to_string().starts_with("MANMAN_HOST_URL is not set"), "{error}");
    }
}
