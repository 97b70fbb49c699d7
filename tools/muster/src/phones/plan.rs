//! Who plays: a party for each ticket, made from a seed.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Normal};

/// A queue that phones play in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mode {
    /// `ranked-1v1`
    pub queue: String,
    /// `eu`
    pub region: String,
    /// Teams of a match.
    pub teams: usize,
    /// Players of a team.
    pub team_size: usize,
}

impl Mode {
    /// Players of a match.
    pub fn match_size(&self) -> usize {
        self.teams * self.team_size
    }
}

/// How many phones, and how they behave. Shares are percent.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// One per player.
    pub phones: usize,
    /// Joins are spread evenly over this time, in milliseconds.
    pub spread_ms: u64,
    /// The same seed makes the same parties.
    pub seed: u64,
    /// Parties whose leader gives up soon after joining.
    pub cancel_percent: u32,
    /// Parties whose leader sends the join twice.
    pub retry_percent: u32,
    /// Parties that go away without a word soon after joining.
    pub vanish_percent: u32,
    /// Parties that decline the first match that they are asked for.
    pub decline_percent: u32,
    /// Parties that accept when it is too late.
    pub late_percent: u32,
    /// What is played; each party plays one of these.
    pub modes: Vec<Mode>,
}

/// Whether and how a join is sent a second time, as a phone does that saw no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Sent once.
    No,
    /// Sent again with the same idempotency key.
    SameKey {
        /// This long after the first, whose answer is not awaited.
        after_ms: u64,
    },
    /// Sent twice without any key.
    NoKey {
        /// This long after the first, whose answer is not awaited.
        after_ms: u64,
    },
}

/// What a party does when it is asked whether it wants a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// It accepts.
    Accepts {
        /// A thumb's time after it has seen the question.
        after_ms: u64,
    },
    /// It declines.
    Declines {
        /// The same.
        after_ms: u64,
    },
    /// It accepts when the time to answer is over.
    TooLate,
    /// It is not there any more: all its phones fall silent, and none ever answers.
    Vanishes {
        /// From the join's answer.
        after_ms: u64,
    },
}

/// Players who join together: one ticket, a phone for each player. The first joins and may cancel, all ask.
#[derive(Debug, Clone, PartialEq)]
pub struct Party {
    /// All of them, the leader first.
    pub players: Vec<String>,
    /// What they play, as an index into the scenario's modes.
    pub mode: usize,
    /// Their mean rating.
    pub rating: f64,
    /// When they join, from the start, in milliseconds.
    pub join_at_ms: u64,
    /// Whether the join is sent twice.
    pub retry: Retry,
    /// What it says to a match.
    pub manner: Manner,
    /// When they give up, from the join's answer, in milliseconds; never if none.
    pub cancel_after_ms: Option<u64>,
}

const RATING_MEAN: f64 = 1_500.0;
const RATING_DEVIATION: f64 = 200.0;
/// Ratings are cut here: the scale of the local queues.
const RATING_RANGE: (f64, f64) = (0.0, 10_000.0);
/// Parties of more than one, where teams have room for them.
const DUO_PERCENT: u32 = 30;
/// Those who give up do so within this time.
const CANCEL_AFTER_MS: std::ops::Range<u64> = 50..1_500;
/// A thumb needs so long.
const ANSWER_AFTER_MS: std::ops::Range<u64> = 50..600;
/// Those who vanish do so within this time.
const VANISH_AFTER_MS: std::ops::Range<u64> = 100..2_000;
/// A repeated join follows the first within this time.
const SAME_KEY_AFTER_MS: std::ops::Range<u64> = 0..60;
/// Sooner without a key: a match found in between would make the second join a new one, and rightly so.
const NO_KEY_AFTER_MS: std::ops::Range<u64> = 0..3;

/// The parties of a scenario, in the order of their joins. Together they have exactly as many players as it has phones.
pub fn parties(scenario: &Scenario) -> Vec<Party> {
    let mut random = StdRng::seed_from_u64(scenario.seed);
    let mut parties = Vec::new();
    let mut players = 0;
    while players < scenario.phones {
        let party = party(scenario, &mut random, players, scenario.phones - players);
        players += party.players.len();
        parties.push(party);
    }
    parties.sort_by_key(|party| party.join_at_ms);
    parties
}

fn party(scenario: &Scenario, random: &mut StdRng, first: usize, room: usize) -> Party {
    let mode = random.random_range(0..scenario.modes.len());
    let duo = percent(random, DUO_PERCENT) && scenario.modes[mode].team_size > 1 && room > 1;
    let size = if duo { 2 } else { 1 };
    let players = (first..first + size).map(|number| format!("phone-{number:04}")).collect();
    let ratings: f64 = (0..size).map(|_| rating(random)).sum();
    let retry = match (percent(random, scenario.retry_percent), random.random_bool(0.5)) {
        (false, _) => Retry::No,
        (true, true) => Retry::SameKey { after_ms: random.random_range(SAME_KEY_AFTER_MS) },
        (true, false) => Retry::NoKey { after_ms: random.random_range(NO_KEY_AFTER_MS) },
    };
    let cancel_after_ms = random.random_range(CANCEL_AFTER_MS);
    let manner = manner(scenario, random);
    Party {
        players,
        mode,
        rating: (ratings / size as f64 * 10.0).round() / 10.0,
        join_at_ms: random.random_range(0..scenario.spread_ms.max(1)),
        retry,
        manner,
        cancel_after_ms: percent(random, scenario.cancel_percent).then_some(cancel_after_ms),
    }
}

fn manner(scenario: &Scenario, random: &mut StdRng) -> Manner {
    let Scenario { vanish_percent, decline_percent, late_percent, .. } = scenario;
    let after_ms = random.random_range(ANSWER_AFTER_MS);
    let dice = random.random_range(0..100);
    if dice < *vanish_percent {
        Manner::Vanishes { after_ms: random.random_range(VANISH_AFTER_MS) }
    } else if dice < vanish_percent + decline_percent {
        Manner::Declines { after_ms }
    } else if dice < vanish_percent + decline_percent + late_percent {
        Manner::TooLate
    } else {
        Manner::Accepts { after_ms }
    }
}

fn percent(random: &mut StdRng, share: u32) -> bool {
    random.random_range(0..100) < share
}

fn rating(random: &mut StdRng) -> f64 {
    // The mean where a normal distribution cannot be made, which only a deviation that is no number can cause.
    let rating = Normal::new(RATING_MEAN, RATING_DEVIATION).map_or(RATING_MEAN, |normal| normal.sample(random));
    rating.clamp(RATING_RANGE.0, RATING_RANGE.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(seed: u64) -> Scenario {
        let mode = |queue: &str, team_size| Mode { queue: queue.into(), region: "eu".into(), teams: 2, team_size };
        Scenario {
            phones: 2_000,
            spread_ms: 6_000,
            seed,
            cancel_percent: 5,
            retry_percent: 10,
            vanish_percent: 10,
            decline_percent: 10,
            late_percent: 5,
            modes: vec![mode("ranked-1v1", 1), mode("casual-2v2", 2)],
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_parties_and_another_seed_others() {
        assert_eq!(parties(&scenario(7)), parties(&scenario(7)));
        assert_ne!(parties(&scenario(7)), parties(&scenario(8)));
    }

    #[test]
    fn every_phone_is_one_player_of_one_party_that_fits_its_team() {
        let scenario = scenario(1);
        let parties = parties(&scenario);
        let mut players: Vec<&String> = parties.iter().flat_map(|party| &party.players).collect();
        players.sort();
        players.dedup();
        assert_eq!(players.len(), scenario.phones);
        assert!(parties.iter().all(|party| party.players.len() <= scenario.modes[party.mode].team_size));
        assert!(parties.iter().any(|party| party.players.len() == 2));
    }

    #[test]
    fn shares_and_ratings_are_about_what_was_asked_for() {
        let parties = parties(&scenario(3));
        let share = |count: usize| count as f64 * 100.0 / parties.len() as f64;
        let cancelling = share(parties.iter().filter(|party| party.cancel_after_ms.is_some()).count());
        let repeating = share(parties.iter().filter(|party| party.retry != Retry::No).count());
        let mean = parties.iter().map(|party| party.rating).sum::<f64>() / parties.len() as f64;
        assert!((3.0..7.0).contains(&cancelling), "{cancelling} % cancel");
        assert!((8.0..12.0).contains(&repeating), "{repeating} % repeat");
        let of = |wanted: fn(&Manner) -> bool| share(parties.iter().filter(|party| wanted(&party.manner)).count());
        let vanishing = of(|manner| matches!(manner, Manner::Vanishes { .. }));
        let declining = of(|manner| matches!(manner, Manner::Declines { .. }));
        let late = of(|manner| *manner == Manner::TooLate);
        assert!((8.0..12.0).contains(&vanishing), "{vanishing} % vanish");
        assert!((8.0..12.0).contains(&declining), "{declining} % decline");
        assert!((3.0..7.0).contains(&late), "{late} % answer late");
        assert!((1_480.0..1_520.0).contains(&mean), "mean rating {mean}");
    }
}
