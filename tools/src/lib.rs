//! What the `muster` command and the integration tests share: a whole deployment on loopback, made of real parts, and
//! the phones that play against it.

pub mod bench;
pub mod cost;
pub mod local;
pub mod phones;
pub mod time;
