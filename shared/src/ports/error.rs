//! Why a store could not answer.

/// Why a store could not do what it was asked. Expected negatives are values, not errors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It does not answer, or not in time. Asking again later may help; the call may or may not have happened.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The player asks too often. Nothing was done, but that the player was heard of.
    #[error("the player asks too often: again in {retry_ms} ms")]
    RateLimited {
        /// In how many milliseconds the player may ask again.
        retry_ms: u64,
    },
    /// It holds something that nobody of this version wrote.
    #[error("the store holds what cannot be read: {0}")]
    Corrupt(String),
}

/// The answer of every call.
pub type StoreResult<T> = Result<T, StoreError>;
