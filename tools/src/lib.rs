//! What the `muster` command and the integration tests share: a whole deployment on loopback, made of real parts.

pub mod local;
