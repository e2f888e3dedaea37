//! Which workers a list has.

use std::collections::HashMap;

use service::v1::{Check, Invalid, QueryText, V1Error};

use crate::read_models::StatusType;
use crate::request::{no_such_word, too_large, too_small};

/// How many workers a page may have.
const MOST: i64 = 500;

/// Which workers a list has, as the query of its request says.
pub(super) struct WorkerFilter {
    /// Only those with this current status.
    pub status: Option<StatusType>,
    /// Only those that are open, or only those that are closed.
    pub open: Option<bool>,
    /// Only those with a smaller id.
    pub after: i64,
    /// How many at most: 1 to 500.
    pub limit: i64,
}

impl WorkerFilter {
    /// Reads the parameters; 422 for the first that does not fit. `words` are those of the same
    /// query.
    pub fn read(query: &QueryText, words: &HashMap<String, String>) -> Result<Self, V1Error> {
        let mut check = Check::new();
        let limit = check.query_int(query, "limit", 50);
        let after = check.query_int(query, "after", i64::MAX);
        let (limit, after) = check.finish(|| limit.zip(after))?;
        let problem = match limit.saturated() {
            ..1 => Some(too_small("limit", limit, 1, "Input should be greater than or equal to 1")),
            1..=MOST => None,
            _ => Some(too_large("limit", limit, MOST, "Input should be less than or equal to 500")),
        };
        if let Some(problem) = problem {
            return Err(V1Error::Invalid(vec![problem]));
        }
        Ok(Self {
            status: words.get("status").map(|word| status(word)).transpose()?,
            open: words.get("open").map(|word| open(word)).transpose()?,
            after: after.saturated(),
            limit: limit.saturated(),
        })
    }
}

fn status(word: &str) -> Result<StatusType, V1Error> {
    let found = StatusType::ALL.into_iter().find(|status| status.as_str() == word);
    found.ok_or_else(|| {
        V1Error::Invalid(vec![no_such_word(
            "status",
            word,
            "Input should be 'CREATED', 'INITIALIZING', 'RUNNING', 'LOST', 'COMPLETE' or 'CRASHED'",
        )])
    })
}

fn open(word: &str) -> Result<bool, V1Error> {
    match word {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(V1Error::Invalid(vec![not_true_or_false(word)])),
    }
}

fn not_true_or_false(word: &str) -> Invalid {
    no_such_word("open", word, "Input should be 'true' or 'false'")
}
