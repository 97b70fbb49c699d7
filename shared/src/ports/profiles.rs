//! Where players' profiles and matches' results are kept: in the ledger.
//!
//! Both are written as a whole, by whoever read the version before: of two writers who read the same one exactly one is done, and
//! the other reads again.

use std::future::Future;

use super::error::StoreResult;
use super::rulebook::Put;
use crate::domain::{MatchId, MatchResult, PlayerId, Profile};

/// Profiles of players.
pub trait Profiles: Send + Sync {
    /// The profiles of these players as of now, in their order; none of whom nothing is kept.
    fn profiles(&self, players: &[PlayerId]) -> impl Future<Output = StoreResult<Vec<Option<Profile>>>> + Send;

    /// Puts a profile whose version is one more than the one that was read; 1 where there was none.
    fn put_profile(&self, player: &PlayerId, profile: &Profile) -> impl Future<Output = StoreResult<Put>> + Send;
}

/// Results of matches.
pub trait Results: Send + Sync {
    /// The result of a match as of now, if one was reported.
    fn result(&self, id: &MatchId) -> impl Future<Output = StoreResult<Option<MatchResult>>> + Send;

    /// Puts a result whose version is one more than the one that was read; 1 where there was none.
    fn put_result(&self, result: &MatchResult) -> impl Future<Output = StoreResult<Put>> + Send;

    /// Some results of all that are kept, in no order, from the first or behind `after`.
    fn results(&self, after: Option<&str>) -> impl Future<Output = StoreResult<ResultsPage>> + Send;
}

/// Some of all results.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ResultsPage {
    /// The results; perhaps none, though there are more behind them.
    pub results: Vec<MatchResult>,
    /// Where to go on; none if that was all.
    pub next: Option<String>,
}
