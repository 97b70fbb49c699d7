//! The key by which a join that is sent again is known to be the same one: a header over HTTP, a field of a WebSocket message.

use muster::domain::limits::IDEMPOTENCY_KEY_BYTES_MAX;

use crate::problem::{Code, Problem};

/// Made by the client, the same for every try of one join.
pub const HEADER: &str = "idempotency-key";

/// Reads an idempotency key.
///
/// # Errors
/// [`Code::InvalidIdempotencyKey`]
pub fn key(bytes: &[u8]) -> Result<String, Problem> {
    let visible = bytes.iter().all(|byte| (0x20..0x7f).contains(byte) || *byte == b'\t');
    match String::from_utf8(bytes.to_vec()) {
        Ok(text) if visible && (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&bytes.len()) => Ok(text),
        _ => {
            let detail = format!(
                "expected 1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible ASCII characters, found {} bytes",
                bytes.len()
            );
            Err(Problem::new(Code::InvalidIdempotencyKey, detail))
        }
    }
}
