//! The core of Muster, a serverless matchmaker.

pub mod domain;
