//! What the tests of Muster share.

pub mod http_stub;
pub mod phone;
