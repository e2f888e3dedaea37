//! One batch as the arrays of the append statement, and its answer.

use std::collections::HashMap;

use domain::{Claim, ClaimChange, ClaimScope};
use serde::Deserialize;
use serde_json::value::RawValue;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use crate::commit::{Appended, Commit, Rejection};
use crate::{Metadata, Position};

/// What became of each commit of a batch, in the batch's order.
pub(crate) type Outcomes = Vec<Result<Appended, Rejection>>;

const APPEND: &str = "SELECT base, rejections FROM append_events(\
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)";

/// Column arrays borrowed from the commits.
#[derive(Default)]
struct Columns<'a> {
    command_ids: Vec<Option<Uuid>>,
    fingerprints: Vec<Option<&'a str>>,
    responses: Vec<Option<&'a str>>,
    event_commits: Vec<i32>,
    event_ids: Vec<Uuid>,
    aggregate_types: Vec<&'a str>,
    aggregate_ids: Vec<&'a str>,
    sequences: Vec<i64>,
    event_types: Vec<&'a str>,
    event_versions: Vec<&'a str>,
    payloads: Vec<&'a str>,
    metadatas: Vec<String>,
    claim_commits: Vec<i32>,
    claim_scopes: Vec<&'a str>,
    claim_keys: Vec<&'a str>,
    claim_types: Vec<&'a str>,
    claim_ids: Vec<&'a str>,
    claim_is_take: Vec<bool>,
}

impl<'a> Columns<'a> {
    fn of(commits: &[&'a Commit]) -> Result<Self, sqlx::Error> {
        let mut columns = Self::default();
        for (number, commit) in (0_i32..).zip(commits.iter().copied()) {
            let answer = commit.answer.as_ref();
            columns.command_ids.push(answer.map(|_| commit.metadata.command_id));
            columns.fingerprints.push(answer.map(|answer| answer.fingerprint.as_str()));
            columns.responses.push(answer.map(|answer| answer.response.get()));
            columns.push_events(number, commit)?;
            columns.push_claims(number, commit);
        }
        Ok(columns)
    }

    fn push_events(&mut self, number: i32, commit: &'a Commit) -> Result<(), sqlx::Error> {
        let metadata = encode(&commit.metadata)?;
        for event in &commit.events {
            self.event_commits.push(number);
            self.event_ids.push(event.event_id);
            self.aggregate_types.push(event.aggregate_type);
            self.aggregate_ids.push(&event.aggregate_id);
            self.sequences.push(event.sequence);
            self.event_types.push(&event.event_type);
            self.event_versions.push(&event.event_version);
            self.payloads.push(&event.payload);
            self.metadatas.push(metadata.clone());
        }
        Ok(())
    }

    fn push_claims(&mut self, number: i32, commit: &'a Commit) {
        let Some(stream) = commit.events.first() else { return };
        for change in &commit.claims {
            let (claim, is_take) = match change {
                ClaimChange::Take(claim) => (claim, true),
                ClaimChange::Release(claim) => (claim, false),
            };
            self.claim_commits.push(number);
            self.claim_scopes.push(claim.scope.as_str());
            self.claim_keys.push(&claim.key);
            self.claim_types.push(stream.aggregate_type);
            self.claim_ids.push(&stream.aggregate_id);
            self.claim_is_take.push(is_take);
        }
    }
}

fn encode(metadata: &Metadata) -> Result<String, sqlx::Error> {
    serde_json::to_string(metadata).map_err(|error| sqlx::Error::Encode(error.into()))
}

/// A rejection as `append_events` names it.
#[derive(Deserialize)]
struct Rejected {
    commit: usize,
    #[serde(flatten)]
    why: Why,
}

#[derive(Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
enum Why {
    Repeated { fingerprint: String, response: serde_json::Value, position: i64 },
    Version { event_id: Uuid, position: i64 },
    Claim { scope: String, key: String },
}

impl Why {
    fn into_rejection(self) -> Result<Rejection, sqlx::Error> {
        let undecodable = |message: String| sqlx::Error::Decode(message.into());
        Ok(match self {
            Self::Repeated { fingerprint, response, position } => Rejection::Repeated {
                fingerprint,
                response: RawValue::from_string(response.to_string())
                    .map_err(|error| undecodable(error.to_string()))?,
                position: Position(position),
            },
            Self::Version { event_id, position } => {
                Rejection::Version { event_id, position: Position(position) }
            }
            Self::Claim { scope, key } => {
                let known = ClaimScope::ALL.into_iter().find(|known| known.as_str() == scope);
                let scope = known.ok_or_else(|| undecodable(format!("claim scope {scope:?}")))?;
                Rejection::Claim(Claim { scope, key })
            }
        })
    }
}

/// Writes the commits of one batch in one statement. No two of them may touch the same stream,
/// take the same claim or carry the same command id.
///
/// # Errors
/// Any error of the database: then nothing was written, or it is unknown whether it was.
pub(crate) async fn write(
    connection: &mut PgConnection,
    commits: &[&Commit],
) -> Result<Outcomes, sqlx::Error> {
    let columns = Columns::of(commits)?;
    let row = sqlx::query(APPEND)
        .bind(&columns.command_ids)
        .bind(&columns.fingerprints)
        .bind(&columns.responses)
        .bind(&columns.event_commits)
        .bind(&columns.event_ids)
        .bind(&columns.aggregate_types)
        .bind(&columns.aggregate_ids)
        .bind(&columns.sequences)
        .bind(&columns.event_types)
        .bind(&columns.event_versions)
        .bind(&columns.payloads)
        .bind(&columns.metadatas)
        .bind(&columns.claim_commits)
        .bind(&columns.claim_scopes)
        .bind(&columns.claim_keys)
        .bind(&columns.claim_types)
        .bind(&columns.claim_ids)
        .bind(&columns.claim_is_take)
        .fetch_one(connection)
        .await?;
    let base: i64 = row.try_get("base")?;
    let rejections: Option<sqlx::types::Json<Vec<Rejected>>> = row.try_get("rejections")?;
    place(commits, base, rejections.map_or_else(Vec::new, |json| json.0))
}

/// Written commits take the positions after `base` in their order; rejected ones take none.
fn place(
    commits: &[&Commit],
    base: i64,
    rejections: Vec<Rejected>,
) -> Result<Outcomes, sqlx::Error> {
    let mut rejected = rejections
        .into_iter()
        .map(|rejected| Ok((rejected.commit, rejected.why.into_rejection()?)))
        .collect::<Result<HashMap<_, _>, sqlx::Error>>()?;
    let mut last = base;
    Ok((0..)
        .zip(commits)
        .map(|(number, commit)| match rejected.remove(&number) {
            Some(rejection) => Err(rejection),
            None => {
                let first = last + 1;
                last += commit.events.len() as i64;
                Ok(Appended { first: Position(first), last: Position(last) })
            }
        })
        .collect())
}
