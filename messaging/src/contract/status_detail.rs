//! What a native worker tells with a status. v1's readers ignore it, v1's workers do not send it.

use serde::{Deserialize, Serialize};

/// What a native worker tells with a status of an instance; every key may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StatusDetail {
    /// The process on the game host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// Why, in words for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the process exited with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The number of the signal that ended the process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// The end of its output.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub last_lines: Vec<String>,
    /// How far an installation has come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
}

/// How far an installation has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// What is being done, in one word.
    pub phase: String,
    /// Of this phase, 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// Of this phase, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_done: Option<i64>,
    /// Of this phase, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_total: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = r#"{"pid":4711,"reason":"exited with code 3","exit_code":3,"signal":9,"last_lines":["bye"],"progress":{"phase":"downloading","percent":41,"bytes_done":1,"bytes_total":2}}"#;

    #[test]
    fn a_detail_is_written_as_it_was_read() {
        let detail: StatusDetail = serde_json::from_str(FULL).unwrap();
        assert_eq!(detail.progress.as_ref().unwrap().percent, Some(41));
        assert_eq!(serde_json::to_string(&detail).unwrap(), FULL);
    }

    #[test]
    fn every_key_may_be_left_out_or_null_and_unknown_ones_are_ignored() {
        for empty in ["{}", r#"{"pid":null,"signal":null,"progress":null,"mood":"bad"}"#] {
            let detail: StatusDetail = serde_json::from_str(empty).unwrap();
            assert_eq!(detail, StatusDetail::default());
            assert_eq!(serde_json::to_string(&detail).unwrap(), "{}");
        }
        let progress: Progress = serde_json::from_str(r#"{"phase":"validating"}"#).unwrap();
        assert_eq!(progress, Progress { phase: "validating".to_owned(), ..Progress::default() });
    }
}
