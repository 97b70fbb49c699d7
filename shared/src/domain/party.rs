//! Players who must land on the same team. A solo player is a party of one.

use super::ids::PlayerId;

/// 1..n different players, the one who asked among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party(Vec<PlayerId>);

/// Why a list of players is no party.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PartyError {
    /// Nobody in it.
    #[error("expected at least one player, found none")]
    Empty,
    /// Somebody twice.
    #[error("expected every player once, found {0} twice")]
    Duplicate(PlayerId),
    /// More than a team.
    #[error("expected at most {team_size} players, a team's size, found {found}")]
    TooLarge {
        /// Players of a team in this queue.
        team_size: usize,
        /// Players in the list.
        found: usize,
    },
    /// Whoever asks must be one of them.
    #[error("expected the caller among the party's players")]
    CallerMissing,
}

impl Party {
    /// A party of one.
    pub fn solo(player: PlayerId) -> Self {
        Self(vec![player])
    }

    /// The party of `players`, as `caller` asks for it.
    ///
    /// # Errors
    /// Nobody in it, somebody twice, more than `team_size`, or the caller not among them.
    pub fn new(players: Vec<PlayerId>, caller: &PlayerId, team_size: usize) -> Result<Self, PartyError> {
        if players.is_empty() {
            return Err(PartyError::Empty);
        }
        if players.len() > team_size {
            return Err(PartyError::TooLarge { team_size, found: players.len() });
        }
        if let Some(twice) = players.iter().enumerate().find(|(i, p)| players[..*i].contains(p)) {
            return Err(PartyError::Duplicate(twice.1.clone()));
        }
        if !players.contains(caller) {
            return Err(PartyError::CallerMissing);
        }
        Ok(Self(players))
    }

    /// The party that a store kept, which was checked when it joined.
    pub fn restored(players: Vec<PlayerId>) -> Self {
        Self(players)
    }

    /// Its players, in the order in which they were named.
    pub fn players(&self) -> &[PlayerId] {
        &self.0
    }

    /// How many they are.
    pub fn size(&self) -> usize {
        self.0.len()
    }

    /// Whether this player is one of them.
    pub fn has(&self, player: &PlayerId) -> bool {
        self.0.contains(player)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(names: &[&str], team_size: usize) -> Result<Party, PartyError> {
        let players = names.iter().map(|n| n.parse().unwrap()).collect();
        Party::new(players, &"ann".parse().unwrap(), team_size)
    }

    #[test]
    fn a_party_is_one_to_a_team_of_different_players() {
        assert_eq!(party(&["ann"], 1).unwrap().size(), 1);
        assert_eq!(party(&["bob", "ann"], 2).unwrap().size(), 2);
        assert_eq!(party(&[], 2), Err(PartyError::Empty));
        assert_eq!(party(&["ann", "bob", "cid"], 2), Err(PartyError::TooLarge { team_size: 2, found: 3 }));
        assert_eq!(party(&["ann", "bob", "ann"], 3), Err(PartyError::Duplicate("ann".parse().unwrap())));
        assert_eq!(party(&["bob"], 2), Err(PartyError::CallerMissing));
    }
}
