//! The ports made real.

pub mod memory;
#[cfg(feature = "adapters")]
pub mod redis;
#[cfg(feature = "adapters")]
pub mod system;
