//! Profiles and results in memory.

use std::ops::Bound;

use super::MemoryLedger;
use crate::domain::limits::RESULTS_PAGE;
use crate::domain::{MatchId, MatchResult, PlayerId, Profile};
use crate::ports::{Clock, Profiles, Put, Results, ResultsPage, StoreError};

impl<C: Clock> Profiles for MemoryLedger<C> {
    async fn profiles(&self, players: &[PlayerId]) -> Result<Vec<Option<Profile>>, StoreError> {
        let state = self.lock();
        Ok(players.iter().map(|player| state.profiles.get(player).cloned()).collect())
    }

    async fn put_profile(&self, player: &PlayerId, profile: &Profile) -> Result<Put, StoreError> {
        let mut state = self.lock();
        let before = state.profiles.get(player).map_or(0, |before| before.version);
        if before + 1 != profile.version {
            return Ok(Put::Late);
        }
        state.profiles.insert(player.clone(), profile.clone());
        Ok(Put::Done)
    }
}

impl<C: Clock> Results for MemoryLedger<C> {
    async fn result(&self, id: &MatchId) -> Result<Option<MatchResult>, StoreError> {
        Ok(self.lock().results.get(id).cloned())
    }

    async fn put_result(&self, result: &MatchResult) -> Result<Put, StoreError> {
        let mut state = self.lock();
        let before = state.results.get(&result.id).map_or(0, |before| before.version);
        if before + 1 != result.version {
            return Ok(Put::Late);
        }
        state.results.insert(result.id.clone(), result.clone());
        Ok(Put::Done)
    }

    async fn results(&self, after: Option<&str>) -> Result<ResultsPage, StoreError> {
        let after: Option<MatchId> = match after.map(str::parse).transpose() {
            Ok(after) => after,
            Err(error) => return Err(StoreError::Corrupt(format!("expected where a page ended: {error}"))),
        };
        let state = self.lock();
        let behind = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rest = state.results.range((behind, Bound::Unbounded)).map(|(_, result)| result.clone());
        let results: Vec<MatchResult> = rest.take(RESULTS_PAGE).collect();
        let next = (results.len() == RESULTS_PAGE).then(|| results[RESULTS_PAGE - 1].id.to_string());
        Ok(ResultsPage { results, next })
    }
}
