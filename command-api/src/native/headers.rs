//! What clients may say beside a command, for the description.

use utoipa::IntoParams;

/// Headers of every command of a user.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only the description uses it")]
pub(super) struct UserHeaders {
    /// The same request with the same key gets the first answer and changes nothing: 1 to 255 visible ASCII characters.
    #[param(rename = "Idempotency-Key")]
    idempotency_key: Option<String>,
    /// Who asks.
    #[param(rename = "Manman-Actor")]
    manman_actor: Option<String>,
    /// Why.
    #[param(rename = "Manman-Reason")]
    manman_reason: Option<String>,
}
