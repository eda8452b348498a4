//! A received message, as JSON carries it.

use serde::Serialize;

/// A message that was received.
#[derive(Serialize)]
pub(super) struct Received {
    pub(super) r#type: &'static str,
    pub(super) ts: String,
    pub(super) link: String,
    /// Whose it is, where several may answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
    /// Whether it was for all.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub(super) functional: bool,
    pub(super) len: usize,
    pub(super) data: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) negative: Option<String>,
}
