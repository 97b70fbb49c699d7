//! The ports made real.

#[cfg(feature = "apigateway")]
pub mod apigateway;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
#[cfg(feature = "eventbridge")]
pub mod eventbridge;
#[cfg(feature = "adapters")]
mod member;
pub mod memory;
pub mod memory_ledger;
#[cfg(feature = "adapters")]
pub mod redis;
#[cfg(feature = "adapters")]
pub mod system;
