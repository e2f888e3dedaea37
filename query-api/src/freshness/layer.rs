//! What freshness does around every read.

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

use super::{Freshness, Position};
use crate::QueryError;
use crate::error::in_time;
use crate::request::min_position;

/// In an answer: it contains everything up to this position, and maybe more.
pub const POSITION_HEADER: HeaderName = HeaderName::from_static("manman-position");

/// In a request: the answer is wanted once reads are at this position.
pub const MIN_POSITION_HEADER: HeaderName = HeaderName::from_static("manman-min-position");

/// On a request whose handler may wait for something that has not happened yet. It bounds its statements itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patient;

/// Reads after everything that was written before the request arrived: for APIs whose clients write
/// and then read. `E` is how the surface tells errors.
pub(crate) async fn with_own_writes<E: From<QueryError>>(
    State(freshness): State<Freshness>,
    request: Request,
    next: Next,
) -> Result<Response, E> {
    let min = min_position(request.headers());
    let position = async {
        let min = min?;
        let position = freshness.caught_up().await?;
        match min {
            Some(min) if min > position => freshness.reach(min).await,
            _ => Ok(position),
        }
    };
    Ok(answer(position.await?, request, next).await?)
}

/// Reads what is there, unless the request demands a position. `E` is how the surface tells errors.
pub(crate) async fn as_found<E: From<QueryError>>(
    State(freshness): State<Freshness>,
    request: Request,
    next: Next,
) -> Result<Response, E> {
    let min = min_position(request.headers());
    let position = async {
        match min? {
            Some(min) => freshness.reach(min).await,
            None => freshness.recent().await,
        }
    };
    Ok(answer(position.await?, request, next).await?)
}

/// The position was found before the read begins, so the answer contains at least that.
async fn answer(position: Position, request: Request, next: Next) -> Result<Response, QueryError> {
    let is_patient = request.extensions().get::<Patient>().is_some();
    let answer = async { Ok(next.run(request).await) };
    let mut response = if is_patient { answer.await? } else { in_time(answer).await? };
    response.headers_mut().insert(POSITION_HEADER, HeaderValue::from(position.0));
    Ok(response)
}
