//! Answers that a client need not be sent twice.

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// The answer with a tag that changes whenever it does; 304 without it, if the client says that it
/// has this one.
pub(crate) fn unless_known(request: &HeaderMap, tag: i32, answer: impl Serialize) -> Response {
    let Ok(tag) = HeaderValue::try_from(format!("\"{tag}\"")) else {
        return Json(answer).into_response();
    };
    let known = request.get_all(header::IF_NONE_MATCH);
    let is_known = known.iter().any(|tags| names(tags.as_bytes(), tag.as_bytes()));
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Json(answer).into_response()
    };
    response.headers_mut().insert(header::ETAG, tag);
    response
}

/// Whether a list of tags has this one, or is `*`. A weak tag is as good here (RFC 9110 §13.1.2).
fn names(tags: &[u8], tag: &[u8]) -> bool {
    tags.split(|&byte| byte == b',').any(|known| {
        let known = known.trim_ascii();
        known == b"*" || known.strip_prefix(b"W/").unwrap_or(known) == tag
    })
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn a_tag_is_found_weak_or_strong_anywhere_in_the_list() {
        for tags in ["\"7\"", "W/\"7\"", "\"1\", \"7\"", " \"1\",W/\"7\" ", "*"] {
            assert!(names(tags.as_bytes(), b"\"7\""), "{tags}");
        }
        for tags in ["", "7", "\"77\"", "\"1\", \"2\"", "w/\"7\""] {
            assert!(!names(tags.as_bytes(), b"\"7\""), "{tags}");
        }
    }
}
