//! What the `muster` command and the integration tests share: a whole deployment on loopback, made of real parts, and
//! the phones that play against it.

pub mod alarms;
pub mod bench;
pub mod cost;
pub mod drill;
pub mod local;
pub mod phones;
