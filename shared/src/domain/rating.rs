//! Ratings of players, and how results move them.
//!
//! Three published systems share one scale, that of Elo: an unknown player has the queue's default rating and a deviation of
//! [`DEVIATION_MAX`]. So a queue's windows mean the same whatever its system is, and a queue may change its system.
//!
//! | system | source | teams |
//! |---|---|---|
//! | `glicko2` | Glickman, *Example of the Glicko-2 system*, 2013 | see below |
//! | `weng_lin` | Weng and Lin, *A Bayesian approximation method for online ranking*, JMLR 12, 2011 | part of the method |
//! | `trueskill` | Herbrich, Minka and Graepel, *TrueSkill*, NIPS 2006 | part of the method |
//!
//! Glicko-2 knows two players. Here a player meets each other team as one opponent, who is as far away as the two teams' means
//! are from each other, and as uncertain as the other team's players are on average (root mean square). So what counts is what
//! the whole team was expected to do, and with teams of one it is Glicko-2 itself.
//!
//! The formulas are the library's (`skillratings`). This module keeps them away from numbers at which they end as NaN: no
//! system hears of a gap beyond [`RATED_GAP_MAX`].
//!
//! Invariants: every rating that leaves this module is finite and within its bounds, kept to a thousandth (volatility: to a
//! billionth), so that every store gives back the very number that it was given.
//!
//! Absent on purpose: rating periods. Each match is rated when its result is reported; a deviation grows with the time since
//! the player's last match when it is read.

use std::cmp::Ordering;

use skillratings::glicko2::{Glicko2Config, Glicko2Rating, glicko2_rating_period};
use skillratings::trueskill::{TrueSkillConfig, TrueSkillRating, trueskill_multi_team, trueskill_two_teams};
use skillratings::weng_lin::{WengLinConfig, WengLinRating, weng_lin_multi_team};
use skillratings::{MultiTeamOutcome, Outcomes};

use super::ids::{PoolId, Track};
use super::limits::CLAIM_NAME_BYTES_MAX;

/// Largest rating, and with a minus the lowest: what is further out is no rating but a mistake.
pub const RATING_MAX: f64 = 1_000_000.0;
/// Deviation of a player about whom nothing is known: Glickman's.
pub const DEVIATION_MAX: f64 = 350.0;
/// Smallest deviation: below it, a hundred results would hardly move a player who has improved.
pub const DEVIATION_MIN: f64 = 30.0;
/// Volatility of a player about whom nothing is known: Glickman's.
pub const VOLATILITY_DEFAULT: f64 = 0.06;
/// Bounds of a volatility: ten times the usual, and a tenth.
pub const VOLATILITY_MAX: f64 = 0.6;
/// The other bound.
pub const VOLATILITY_MIN: f64 = 0.006;
/// Time without a match in which a deviation grows by one step of the volatility, in milliseconds: five days. So 60 becomes 110
/// in about a year, as on Lichess.
pub const RATING_PERIOD_MS: u64 = 5 * 24 * 3_600_000;
/// Largest gap that a system is told of. Beyond it a result is as certain as numbers can say.
pub const RATED_GAP_MAX: f64 = 3_000.0;

/// How many points of this scale are 1 on the scale in which Glicko-2 computes.
const GLICKO_SCALE: f64 = 173.7178;
/// How much a player's play differs from match to match: half of an unknown player's deviation, as Weng-Lin and TrueSkill have it.
const BETA: f64 = DEVIATION_MAX / 2.0;
/// TrueSkill adds so much to a deviation before each match; a hundredth of the unknown player's, as its authors have it.
const DYNAMICS: f64 = DEVIATION_MAX / 100.0;
/// How often a match of two equals is a draw, for TrueSkill.
const DRAW_PROBABILITY: f64 = 0.1;
/// Smallest factor by which Weng-Lin narrows a variance.
const WENG_LIN_TOLERANCE: f64 = 1e-6;

/// What is known of a player's strength.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rating {
    /// The rating itself, on the scale of the queues that share the track.
    pub value: f64,
    /// Its standard deviation: the player's strength is within twice of it, 95 times in 100.
    pub deviation: f64,
    /// How erratic the player's results are. Only Glicko-2 changes it.
    pub volatility: f64,
}

fn kept(value: f64, per_unit: f64) -> f64 {
    (value * per_unit).round() / per_unit
}

impl Rating {
    /// A player about whom nothing is known but the queue's default.
    pub fn unknown(value: f64) -> Self {
        Self { value, deviation: DEVIATION_MAX, volatility: VOLATILITY_DEFAULT }.bounded()
    }

    /// Within every bound, and as it is kept. What is no number becomes the bound that says least.
    #[must_use]
    pub fn bounded(self) -> Self {
        let number = |value: f64, otherwise: f64| if value.is_nan() { otherwise } else { value };
        let deviation = number(self.deviation, DEVIATION_MAX).clamp(DEVIATION_MIN, DEVIATION_MAX);
        let volatility = number(self.volatility, VOLATILITY_DEFAULT).clamp(VOLATILITY_MIN, VOLATILITY_MAX);
        Self {
            value: kept(number(self.value, 0.0).clamp(-RATING_MAX, RATING_MAX), 1e3),
            deviation: kept(deviation, 1e3),
            volatility: kept(volatility, 1e9),
        }
    }

    /// The same after so long without a match, in milliseconds: the deviation is wider.
    #[must_use]
    pub fn idle(self, idle_ms: u64) -> Self {
        let periods = idle_ms as f64 / RATING_PERIOD_MS as f64;
        let grown = GLICKO_SCALE * self.volatility * periods.sqrt();
        Self { deviation: self.deviation.hypot(grown), ..self }.bounded()
    }
}

/// How far something moves a rating: the value by a sum, the rest by factors. So changes may be made in any order and add up to
/// the same, and can be taken back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// Added to the value.
    pub value: f64,
    /// The deviation times this.
    pub deviation: f64,
    /// The volatility times this.
    pub volatility: f64,
    /// Matches that count more.
    pub games: i64,
}

impl Change {
    /// Nothing changes.
    pub const NONE: Self = Self { value: 0.0, deviation: 1.0, volatility: 1.0, games: 0 };

    /// What makes `after` of `before` by one match.
    pub fn between(before: Rating, after: Rating) -> Self {
        Self {
            value: kept(after.value - before.value, 1e3),
            deviation: after.deviation / before.deviation,
            volatility: after.volatility / before.volatility,
            games: 1,
        }
    }

    /// What is still to do for this change where `done` was made.
    #[must_use]
    pub fn beyond(self, done: Self) -> Self {
        Self {
            value: kept(self.value - done.value, 1e3),
            deviation: self.deviation / done.deviation,
            volatility: self.volatility / done.volatility,
            games: self.games - done.games,
        }
    }

    /// The rating after it.
    pub fn of(self, rating: Rating) -> Rating {
        Rating {
            value: rating.value + self.value,
            deviation: rating.deviation * self.deviation,
            volatility: rating.volatility * self.volatility,
        }
        .bounded()
    }
}

/// How results move ratings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RatingSystem {
    /// For one against one; teams by their means.
    #[default]
    Glicko2,
    /// For teams of any number, as a Bayesian approximation in closed form.
    WengLin,
    /// For teams of any number. Its name is a trademark, and its use by commercial games is for its owner to permit.
    TrueSkill,
}

impl RatingSystem {
    /// Every system.
    pub const ALL: [Self; 3] = [Self::Glicko2, Self::WengLin, Self::TrueSkill];

    /// The system's stable text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Glicko2 => "glicko2",
            Self::WengLin => "weng_lin",
            Self::TrueSkill => "trueskill",
        }
    }

    /// The system of a stable text.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|system| system.as_str() == text)
    }

    /// The ratings after a match of these sides. `ranks` has one for each side: 1 is best, equal ranks are a draw. Fewer than
    /// two sides, or an empty one: nothing changes.
    ///
    /// # Examples
    /// ```
    /// use muster::domain::rating::{Rating, RatingSystem};
    /// let [ann, bob] = [Rating::unknown(1_500.0); 2];
    /// let after = RatingSystem::Glicko2.rate(&[vec![ann], vec![bob]], &[1, 2]);
    /// assert_eq!((after[0][0].value, after[1][0].value), (1_662.311, 1_337.689));
    /// ```
    pub fn rate(self, sides: &[Vec<Rating>], ranks: &[u32]) -> Vec<Vec<Rating>> {
        if sides.len() < 2 || sides.len() != ranks.len() || sides.iter().any(Vec::is_empty) {
            return sides.to_vec();
        }
        let before: Vec<Vec<Rating>> =
            sides.iter().map(|side| side.iter().map(|rating| rating.bounded()).collect()).collect();
        let after = match self {
            Self::Glicko2 => glicko2(&before, ranks),
            Self::WengLin => weng_lin(&before, ranks),
            Self::TrueSkill => trueskill(&before, ranks),
        };
        let pair = |(before, after): (&Rating, Rating)| {
            let finite = [after.value, after.deviation, after.volatility].iter().all(|number| number.is_finite());
            if finite { after.bounded() } else { *before }
        };
        before.iter().zip(after).map(|(before, after)| before.iter().zip(after).map(pair).collect()).collect()
    }
}

fn mean(side: &[Rating]) -> f64 {
    side.iter().map(|rating| rating.value).sum::<f64>() / side.len() as f64
}

/// What came of it for the side with the rank `own`.
fn outcome(own: u32, other: u32) -> Outcomes {
    match own.cmp(&other) {
        Ordering::Less => Outcomes::WIN,
        Ordering::Equal => Outcomes::DRAW,
        Ordering::Greater => Outcomes::LOSS,
    }
}

fn glicko2(sides: &[Vec<Rating>], ranks: &[u32]) -> Vec<Vec<Rating>> {
    let means: Vec<f64> = sides.iter().map(|side| mean(side)).collect();
    let deviations: Vec<f64> = sides
        .iter()
        .map(|side| (side.iter().map(|rating| rating.deviation.powi(2)).sum::<f64>() / side.len() as f64).sqrt())
        .collect();
    let config = Glicko2Config::new();
    // The player stands at the scale's middle, so that no large number takes digits away from a small one.
    const MIDDLE: f64 = 1_500.0;
    let rated = |own: usize, player: &Rating| {
        let opponent = |other: usize| {
            let gap = (means[other] - means[own]).clamp(-RATED_GAP_MAX, RATED_GAP_MAX);
            let rating =
                Glicko2Rating { rating: MIDDLE + gap, deviation: deviations[other], volatility: VOLATILITY_DEFAULT };
            (rating, outcome(ranks[own], ranks[other]))
        };
        let results: Vec<_> = (0..sides.len()).filter(|other| *other != own).map(opponent).collect();
        let before = Glicko2Rating { rating: MIDDLE, deviation: player.deviation, volatility: player.volatility };
        let after = glicko2_rating_period(&before, &results, &config);
        Rating {
            value: player.value + (after.rating - MIDDLE),
            deviation: after.deviation,
            volatility: after.volatility,
        }
    };
    sides.iter().enumerate().map(|(own, side)| side.iter().map(|player| rated(own, player)).collect()).collect()
}

/// Each player's distance from the middle of the match, within what a system may hear. Both systems below add the ratings of a
/// team up, and take exponents of the sums.
fn distances(sides: &[Vec<Rating>]) -> Vec<Vec<f64>> {
    let middle = mean(&sides.concat());
    let distance = |rating: &Rating| (rating.value - middle).clamp(-RATED_GAP_MAX / 2.0, RATED_GAP_MAX / 2.0);
    sides.iter().map(|side| side.iter().map(distance).collect()).collect()
}

fn outcomes(ranks: &[u32]) -> impl Iterator<Item = MultiTeamOutcome> {
    ranks.iter().map(|rank| MultiTeamOutcome::new(*rank as usize))
}

/// A player moved by what a system made of the distance.
fn moved(before: Rating, distance: f64, rated: f64, deviation: f64) -> Rating {
    Rating { value: before.value + (rated - distance), deviation, volatility: before.volatility }
}

fn weng_lin(sides: &[Vec<Rating>], ranks: &[u32]) -> Vec<Vec<Rating>> {
    let distances = distances(sides);
    let team = |(side, own): (&Vec<Rating>, &Vec<f64>)| -> Vec<WengLinRating> {
        let player = |(rating, own): (&Rating, &f64)| WengLinRating { rating: *own, uncertainty: rating.deviation };
        side.iter().zip(own).map(player).collect()
    };
    let teams: Vec<_> = sides.iter().zip(&distances).map(team).collect();
    let ranked: Vec<_> = teams.iter().map(Vec::as_slice).zip(outcomes(ranks)).collect();
    let config = WengLinConfig { beta: BETA, uncertainty_tolerance: WENG_LIN_TOLERANCE };
    let mut after = sides.to_vec();
    for (side, (team, rated)) in after.iter_mut().zip(teams.iter().zip(weng_lin_multi_team(&ranked, &config))) {
        for (player, (before, rated)) in side.iter_mut().zip(team.iter().zip(rated)) {
            *player = moved(*player, before.rating, rated.rating, rated.uncertainty);
        }
    }
    after
}

fn trueskill(sides: &[Vec<Rating>], ranks: &[u32]) -> Vec<Vec<Rating>> {
    let distances = distances(sides);
    let team = |(side, own): (&Vec<Rating>, &Vec<f64>)| -> Vec<TrueSkillRating> {
        let player = |(rating, own): (&Rating, &f64)| TrueSkillRating { rating: *own, uncertainty: rating.deviation };
        side.iter().zip(own).map(player).collect()
    };
    let teams: Vec<_> = sides.iter().zip(&distances).map(team).collect();
    let config = TrueSkillConfig { draw_probability: DRAW_PROBABILITY, beta: BETA, dynamics_factor: DYNAMICS };
    let rated = match teams.as_slice() {
        // The closed form; more sides need the factor graph.
        [one, two] => {
            let (one, two) = trueskill_two_teams(one, two, &outcome(ranks[0], ranks[1]), &config);
            vec![one, two]
        }
        _ => {
            let ranked: Vec<_> = teams.iter().map(Vec::as_slice).zip(outcomes(ranks)).collect();
            // Without weights it does not fail.
            trueskill_multi_team(&ranked, &config, None).unwrap_or_else(|_| teams.clone())
        }
    };
    let mut after = sides.to_vec();
    for (side, (team, rated)) in after.iter_mut().zip(teams.iter().zip(rated)) {
        for (player, (before, rated)) in side.iter_mut().zip(team.iter().zip(rated)) {
            *player = moved(*player, before.rating, rated.rating, rated.uncertainty);
        }
    }
    after
}

/// Where a queue takes the rating of a joining player from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RatingFrom {
    /// What Muster keeps of reported results.
    #[default]
    Stored,
    /// A claim of the verified token, by its name.
    Claim(String),
    /// What the phone sends. For prototypes: a phone can lie.
    Request,
}

impl RatingFrom {
    /// Reads `stored`, `claim:<name>` or `request`.
    ///
    /// # Examples
    /// ```
    /// use muster::domain::rating::RatingFrom;
    /// assert_eq!(RatingFrom::from_text("claim:elo"), Some(RatingFrom::Claim("elo".into())));
    /// assert_eq!(RatingFrom::from_text("claim:"), None);
    /// ```
    pub fn from_text(text: &str) -> Option<Self> {
        match (text, text.strip_prefix("claim:")) {
            ("stored", _) => Some(Self::Stored),
            ("request", _) => Some(Self::Request),
            (_, Some(name)) if (1..=CLAIM_NAME_BYTES_MAX).contains(&name.len()) => Some(Self::Claim(name.to_owned())),
            _ => None,
        }
    }
}

/// Where the rating of a ticket came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RatingSource {
    /// The players' profiles.
    Stored,
    /// The queue's default: a player is unknown, or the ledger did not answer.
    Default,
    /// A claim of the verified token.
    Claim,
    /// The phone's request.
    Request,
    /// The studio's backend.
    Backend,
}

impl RatingSource {
    /// Every source.
    pub const ALL: [Self; 5] = [Self::Stored, Self::Default, Self::Claim, Self::Request, Self::Backend];

    /// The source's stable text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Default => "default",
            Self::Claim => "claim",
            Self::Request => "request",
            Self::Backend => "backend",
        }
    }
}

/// What a queue says of ratings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RatingRules {
    /// The track that its results move; none for the one of the queue's name. Several queues may share one.
    pub track: Option<Track>,
    /// Where the rating of a joining player comes from.
    pub from: RatingFrom,
    /// How its results move ratings.
    pub system: RatingSystem,
}

impl RatingRules {
    /// The track of a pool of this queue.
    pub fn track_of(&self, pool: &PoolId) -> Track {
        self.track.clone().unwrap_or_else(|| pool.track())
    }
}

#[cfg(test)]
mod tests;
