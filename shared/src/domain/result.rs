//! How a match ended, and what that does to the ratings of its players.
//!
//! A report is turned into *standings* once: sides with ranks, whatever it was given as. The result keeps, for each player, the
//! rating before and the change. So a correction is the difference of two changes, an annulment takes one back, and a track can
//! be computed anew from its results.
//!
//! Rules:
//! - Equal ranks are a draw. Scores are ranked, the highest first.
//! - With a place for each player, each player is a side.
//! - A player who left early is rated as if the own side had come last. The others of that side are not rated down for it.
//!
//! Absent on purpose: when and where results are kept; see [`crate::usecases::result`].

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::ids::{MatchId, PlayerId, Track};
use super::matches::Match;
use super::rating::{Change, Rating, RatingSystem};

/// Where a side came in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Place {
    /// 1 is best.
    Rank(u32),
    /// The highest is best.
    Score(f64),
}

/// Who came where.
#[derive(Debug, Clone, PartialEq)]
pub enum Places {
    /// A place for each team, in the match's order.
    Teams(Vec<Place>),
    /// A place for each player.
    Players(Vec<(PlayerId, Place)>),
}

/// What the backend says of a match.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Who came where.
    pub places: Places,
    /// Players who left before the end.
    pub left: Vec<PlayerId>,
}

/// Why a report does not fit its match.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ReportError {
    /// One place for each team.
    #[error("expected a place for each of {expected} teams, found {found}")]
    Teams {
        /// Teams of the match.
        expected: usize,
        /// Places in the report.
        found: usize,
    },
    /// A player without a place.
    #[error("expected a place for each player, found none for {0}")]
    Missing(PlayerId),
    /// A player twice.
    #[error("expected each player once, found {0} twice")]
    Twice(PlayerId),
    /// A player of another match.
    #[error("expected players of the match, found {0}")]
    Stranger(PlayerId),
    /// Ranks and scores in one report.
    #[error("expected ranks or scores, found both")]
    Mixed,
    /// A rank before the first.
    #[error("expected ranks from 1, found 0")]
    Rank,
    /// A score that is no number.
    #[error("expected finite scores, found {0}")]
    Score(f64),
}

/// A side of a match, and where it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// 1 is best; every rank up to the last is taken by some side.
    pub rank: u32,
    /// Its players.
    pub players: Vec<PlayerId>,
}

/// How a match ended, in one form whatever the report's was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standings {
    /// In the match's order.
    pub sides: Vec<Side>,
    /// Players who left before the end.
    pub left: BTreeSet<PlayerId>,
}

impl Report {
    /// The standings that the report gives `this_match`.
    ///
    /// # Errors
    /// The report does not fit the match.
    pub fn standings(&self, this_match: &Match) -> Result<Standings, ReportError> {
        let team = |team: &Vec<super::matches::Member>| -> Vec<PlayerId> {
            team.iter().flat_map(|member| member.players.iter().cloned()).collect()
        };
        let teams: Vec<Vec<PlayerId>> = this_match.teams.iter().map(team).collect();
        let players = || teams.iter().flatten();
        let (sides, places) = match &self.places {
            Places::Teams(places) if places.len() == teams.len() => (teams.clone(), places.clone()),
            Places::Teams(places) => {
                return Err(ReportError::Teams { expected: teams.len(), found: places.len() });
            }
            Places::Players(named) => {
                let mut places = BTreeMap::new();
                for (player, place) in named {
                    if !players().any(|known| known == player) {
                        return Err(ReportError::Stranger(player.clone()));
                    }
                    if places.insert(player, *place).is_some() {
                        return Err(ReportError::Twice(player.clone()));
                    }
                }
                let place =
                    |player: &PlayerId| places.get(player).copied().ok_or_else(|| ReportError::Missing(player.clone()));
                let places = players().map(place).collect::<Result<_, _>>()?;
                (players().map(|player| vec![player.clone()]).collect(), places)
            }
        };
        if let Some(stranger) = self.left.iter().find(|left| !players().any(|player| player == *left)) {
            return Err(ReportError::Stranger(stranger.clone()));
        }
        let side = |(players, rank)| Side { rank, players };
        let sides = sides.into_iter().zip(ranks(&places)?).map(side).collect();
        Ok(Standings { sides, left: self.left.iter().cloned().collect() })
    }
}

/// Ranks without gaps, in the order of the places.
fn ranks(places: &[Place]) -> Result<Vec<u32>, ReportError> {
    // Smaller is better.
    let key = |place: &Place| match place {
        Place::Rank(0) => Err(ReportError::Rank),
        Place::Rank(rank) => Ok(f64::from(*rank)),
        Place::Score(score) if score.is_finite() => Ok(-score),
        Place::Score(score) => Err(ReportError::Score(*score)),
    };
    let kinds = places.iter().filter(|place| matches!(place, Place::Rank(_))).count();
    if kinds != 0 && kinds != places.len() {
        return Err(ReportError::Mixed);
    }
    let keys = places.iter().map(key).collect::<Result<Vec<f64>, _>>()?;
    let mut order = keys.clone();
    order.sort_by(f64::total_cmp);
    order.dedup_by(|one, other| one == other);
    Ok(keys.iter().map(|key| 1 + order.iter().filter(|better| *better < key).count() as u32).collect())
}

impl Standings {
    /// What the match does to each player, who had the rating `before`.
    pub fn changes(&self, system: RatingSystem, before: impl Fn(&PlayerId) -> Rating) -> BTreeMap<PlayerId, Change> {
        let ratings: Vec<Vec<Rating>> =
            self.sides.iter().map(|side| side.players.iter().map(&before).collect()).collect();
        let ranks: Vec<u32> = self.sides.iter().map(|side| side.rank).collect();
        let rated = system.rate(&ratings, &ranks);
        let last = ranks.iter().max().map_or(1, |rank| rank + 1);
        let mut changes = BTreeMap::new();
        for (own, side) in self.sides.iter().enumerate() {
            let was_left = side.players.iter().any(|player| self.left.contains(player));
            // As if the side had come last.
            let lost = was_left.then(|| {
                let mut ranks = ranks.clone();
                ranks[own] = last;
                system.rate(&ratings, &ranks)
            });
            for (at, player) in side.players.iter().enumerate() {
                let was = ratings[own][at].bounded();
                let change = match &lost {
                    Some(lost) if self.left.contains(player) => Change::between(was, lost[own][at]),
                    Some(_) if rated[own][at].value < was.value => Change { games: 1, ..Change::NONE },
                    Some(_) | None => Change::between(was, rated[own][at]),
                };
                changes.insert(player.clone(), change);
            }
        }
        changes
    }

    /// Whom a player met: everybody of the other sides.
    pub fn opponents(&self, player: &PlayerId) -> Vec<PlayerId> {
        let others = self.sides.iter().filter(|side| !side.players.contains(player));
        others.flat_map(|side| side.players.iter().cloned()).collect()
    }
}

/// What a result says now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The match counts.
    Counts(Standings),
    /// It does not, for nobody.
    Annulled,
}

/// A player's part of a result.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Who.
    pub player: PlayerId,
    /// The rating when the match was first reported.
    pub before: Rating,
    /// What this revision does to it.
    pub change: Change,
    /// What the revision before had done.
    pub done: Change,
    /// Whether the profile is known to have this revision.
    pub applied: bool,
}

impl Line {
    /// What this revision still has to do to a profile that has the one before.
    pub fn step(&self) -> Change {
        self.change.beyond(self.done)
    }
}

/// The result of a match, as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct MatchResult {
    /// Of this match.
    pub id: MatchId,
    /// How often it was written.
    pub version: u64,
    /// 1 for the report, and one more for each correction.
    pub revision: u32,
    /// The track that it moves.
    pub track: Track,
    /// By this system.
    pub system: RatingSystem,
    /// When it was first reported: when the match counts as played.
    pub reported_ms: u64,
    /// What it says.
    pub verdict: Verdict,
    /// Each player of the match.
    pub lines: Vec<Line>,
}

impl MatchResult {
    /// The result that a match's first report makes.
    pub fn first(
        id: MatchId,
        (track, system): (Track, RatingSystem),
        verdict: Verdict,
        players: Vec<(PlayerId, Rating)>,
        now_ms: u64,
    ) -> Self {
        let line = |(player, before): (PlayerId, Rating)| Line {
            player,
            before: before.bounded(),
            change: Change::NONE,
            done: Change::NONE,
            applied: false,
        };
        let lines = players.into_iter().map(line).collect();
        let (version, revision) = (1, 1);
        Self { id, version, revision, track, system, reported_ms: now_ms, verdict, lines }.computed()
    }

    /// The next revision, which says `verdict`. The one before has reached every player.
    #[must_use]
    pub fn corrected(&self, verdict: Verdict) -> Self {
        let line = |line: &Line| Line { done: line.change, applied: false, ..line.clone() };
        let lines = self.lines.iter().map(line).collect();
        Self { version: self.version + 1, revision: self.revision + 1, verdict, lines, ..self.clone() }.computed()
    }

    /// The same with the changes that its verdict makes.
    fn computed(mut self) -> Self {
        let changes = match &self.verdict {
            Verdict::Counts(standings) => {
                let before = |player: &PlayerId| {
                    let line = self.lines.iter().find(|line| line.player == *player);
                    line.map_or_else(|| Rating::unknown(0.0), |line| line.before)
                };
                standings.changes(self.system, before)
            }
            Verdict::Annulled => BTreeMap::new(),
        };
        for line in &mut self.lines {
            line.change = changes.get(&line.player).copied().unwrap_or(Change::NONE);
        }
        self
    }

    /// A player's part.
    pub fn line(&self, player: &PlayerId) -> Option<&Line> {
        self.lines.iter().find(|line| line.player == *player)
    }

    /// Whether every profile is known to have this revision.
    pub fn is_done(&self) -> bool {
        self.lines.iter().all(|line| line.applied)
    }

    /// The same, written once more, with these players' profiles known to have it.
    #[must_use]
    pub fn applied(&self, players: impl Fn(&PlayerId) -> bool) -> Self {
        let line = |line: &Line| Line { applied: line.applied || players(&line.player), ..line.clone() };
        Self { version: self.version + 1, lines: self.lines.iter().map(line).collect(), ..self.clone() }
    }

    /// Whom a player met, where the match counts.
    pub fn opponents(&self, player: &PlayerId) -> Vec<PlayerId> {
        match &self.verdict {
            Verdict::Counts(standings) => standings.opponents(player),
            Verdict::Annulled => Vec::new(),
        }
    }
}
