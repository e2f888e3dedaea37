//! Statuses read for many requests at once.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::{FromRow, PgPool};
use tokio::sync::{mpsc, oneshot};

use super::{ExternalStatusInfo, STATUSES_OF_INSTANCES, STATUSES_OF_WORKERS};
use crate::QueryError;
use crate::error::in_time;

/// How many requests one statement may serve.
const LARGEST_BATCH: usize = 256;

type Answer = Result<Option<ExternalStatusInfo>, Arc<sqlx::Error>>;

/// Reads of one status by its primary key, where requests that wait at the same moment share one
/// statement.
///
/// A pooled connection costs round trips of its own, more than such a read does, and every
/// dashboard polls this. Nothing waits for company: an idle reader starts at once, and what arrives
/// meanwhile is its next batch. So a request never sees anything older than a statement of its own
/// would have shown it.
#[derive(Clone)]
pub(crate) struct BatchedStatuses(mpsc::Sender<Question>);

struct Question {
    entity_id: i32,
    answer: oneshot::Sender<Answer>,
}

#[derive(FromRow)]
struct Row {
    entity_id: i32,
    #[sqlx(flatten)]
    status: ExternalStatusInfo,
}

impl BatchedStatuses {
    /// The statuses of workers.
    pub fn of_workers(reads: PgPool) -> Self {
        Self::new(reads, STATUSES_OF_WORKERS)
    }

    /// The statuses of instances.
    pub fn of_instances(reads: PgPool) -> Self {
        Self::new(reads, STATUSES_OF_INSTANCES)
    }

    fn new(reads: PgPool, statement: &'static str) -> Self {
        let (questions, asked) = mpsc::channel(LARGEST_BATCH);
        tokio::spawn(answer_all(reads, statement, asked));
        Self(questions)
    }

    /// The current status, if the entity exists and has one.
    pub async fn get(&self, entity_id: i32) -> Result<Option<ExternalStatusInfo>, QueryError> {
        let (answer, answered) = oneshot::channel();
        let question = Question { entity_id, answer };
        // The reader ends only with the last sender, so neither is ever missing.
        self.0.send(question).await.map_err(|_| QueryError::Ended)?;
        Ok(answered.await.map_err(|_| QueryError::Ended)??)
    }
}

async fn answer_all(reads: PgPool, statement: &str, mut asked: mpsc::Receiver<Question>) {
    let mut batch = Vec::with_capacity(LARGEST_BATCH);
    while asked.recv_many(&mut batch, LARGEST_BATCH).await > 0 {
        let ids: Vec<i32> = batch.iter().map(|question| question.entity_id).collect();
        match in_time(statuses(&reads, statement, &ids)).await {
            Ok(found) => {
                for Question { entity_id, answer } in batch.drain(..) {
                    // Whoever gave up meanwhile does not miss the answer.
                    let _ = answer.send(Ok(found.get(&entity_id).cloned()));
                }
            }
            Err(error) => {
                let error = Arc::new(error);
                for Question { answer, .. } in batch.drain(..) {
                    let _ = answer.send(Err(Arc::clone(&error)));
                }
            }
        }
    }
}

async fn statuses(
    reads: &PgPool,
    statement: &str,
    ids: &[i32],
) -> sqlx::Result<HashMap<i32, ExternalStatusInfo>> {
    let rows: Vec<Row> = sqlx::query_as(statement).bind(ids).fetch_all(reads).await?;
    Ok(rows.into_iter().map(|row| (row.entity_id, row.status)).collect())
}
