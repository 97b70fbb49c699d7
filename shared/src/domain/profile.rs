//! What is kept of a player between matches: ratings by track, attributes, recent opponents, blocks.
//!
//! Invariants: every list is bounded (`limits`); an attribute's name, kind and size are checked before it is kept; `version`
//! counts the writes, so that of two writers who read the same one exactly one succeeds.
//!
//! Absent on purpose: who may write what. Results move ratings ([`super::result`]); the backend sets all the rest.

use std::collections::{BTreeMap, BTreeSet};

use super::ids::{MatchId, PlayerId, Track};
use super::limits::{
    ATTRIBUTE_ENTRIES_MAX, ATTRIBUTE_NAME_BYTES_MAX, ATTRIBUTE_NUMBER_MAX, ATTRIBUTE_TEXT_BYTES_MAX,
    ATTRIBUTES_BYTES_MAX, ATTRIBUTES_MAX, BLOCKS_MAX, RECENT_OPPONENTS_MAX, TRACKS_MAX,
};
use super::rating::{Change, Rating};

/// A player's rating on one track.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrackRating {
    /// As of the last match. Read it by [`TrackRating::at`].
    pub rating: Rating,
    /// Matches that count.
    pub games: u32,
    /// When the result of the last one was reported; 0 if none was.
    pub last_played_ms: u64,
    /// How often it changed.
    pub version: u64,
}

impl TrackRating {
    /// A player who has not played on the track.
    pub fn unknown(rating_default: f64) -> Self {
        Self { rating: Rating::unknown(rating_default), games: 0, last_played_ms: 0, version: 0 }
    }

    /// The rating at `now_ms`: less certain, the longer the player has not played.
    pub fn at(&self, now_ms: u64) -> Rating {
        match self.last_played_ms {
            0 => self.rating.bounded(),
            since_ms => self.rating.idle(now_ms.saturating_sub(since_ms)),
        }
    }

    /// After a change. Of a match that was played at `played_ms`; none for a correction, by which no time passes.
    #[must_use]
    pub fn changed(&self, change: Change, played_ms: Option<u64>) -> Self {
        let before = played_ms.map_or(self.rating, |played_ms| self.at(played_ms));
        Self {
            rating: change.of(before),
            games: u32::try_from((i64::from(self.games) + change.games).max(0)).unwrap_or(u32::MAX),
            last_played_ms: self.last_played_ms.max(played_ms.unwrap_or_default()),
            version: self.version + 1,
        }
    }
}

/// The latest result that moved a profile: see [`crate::usecases::result`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latest {
    /// Its match.
    pub id: MatchId,
    /// Which of its revisions.
    pub revision: u32,
}

/// What is kept of a player.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Profile {
    /// How often it was written; 0 if it never was.
    pub version: u64,
    /// Ratings.
    pub tracks: BTreeMap<Track, TrackRating>,
    /// What rules may ask for.
    pub attributes: Attributes,
    /// Opponents of the latest matches, the latest first.
    pub recent: Vec<PlayerId>,
    /// Players with whom this one does not want to be matched.
    pub blocks: BTreeSet<PlayerId>,
    /// Which result moved it last.
    pub latest: Option<Latest>,
}

impl Profile {
    /// The player's rating on a track.
    pub fn on(&self, track: &Track, rating_default: f64) -> TrackRating {
        self.tracks.get(track).copied().unwrap_or_else(|| TrackRating::unknown(rating_default))
    }

    /// Opponents come to the front of those that are remembered, each once.
    pub fn meet(&mut self, opponents: impl IntoIterator<Item = PlayerId>) {
        let mut recent: Vec<PlayerId> = opponents.into_iter().collect();
        for earlier in self.recent.drain(..) {
            if !recent.contains(&earlier) {
                recent.push(earlier);
            }
        }
        recent.truncate(RECENT_OPPONENTS_MAX);
        self.recent = recent;
    }
}

/// Why something cannot be part of a profile.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ProfileError {
    /// More than there may be.
    #[error("expected at most {max} {what}, found {found}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The bound.
        max: usize,
        /// How many they are.
        found: usize,
    },
    /// A name of another form.
    #[error("expected an attribute's name, 1 to {ATTRIBUTE_NAME_BYTES_MAX} of a-z 0-9 _, found {0:?}")]
    Name(String),
    /// A text that is too long.
    #[error("{name}: expected at most {ATTRIBUTE_TEXT_BYTES_MAX} bytes in a text, found {found}")]
    Text {
        /// The attribute.
        name: String,
        /// How long it is.
        found: usize,
    },
    /// A number that is none, or too large.
    #[error("{name}: expected a number within {ATTRIBUTE_NUMBER_MAX:e}, found {found}")]
    Number {
        /// The attribute.
        name: String,
        /// The number.
        found: f64,
    },
    /// All together are too large.
    #[error("expected at most {ATTRIBUTES_BYTES_MAX} bytes in all attributes, found {0}")]
    Bytes(usize),
}

fn at_most(what: &'static str, max: usize, found: usize) -> Result<(), ProfileError> {
    if found <= max { Ok(()) } else { Err(ProfileError::TooMany { what, max, found }) }
}

/// Checks how many players one player blocks.
///
/// # Errors
/// More than [`BLOCKS_MAX`].
pub fn check_blocks(blocks: &BTreeSet<PlayerId>) -> Result<(), ProfileError> {
    at_most("blocked players", BLOCKS_MAX, blocks.len())
}

/// Checks on how many tracks one player is rated.
///
/// # Errors
/// More than [`TRACKS_MAX`].
pub fn check_tracks(tracks: &BTreeMap<Track, TrackRating>) -> Result<(), ProfileError> {
    at_most("rating tracks", TRACKS_MAX, tracks.len())
}

/// A value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    /// `"mage"`
    Text(String),
    /// `42`
    Number(f64),
    /// `["desert", "ice"]`
    Texts(Vec<String>),
    /// `{"eu": 35, "us": 120}`
    Numbers(BTreeMap<String, f64>),
}

/// The named values of a player, checked as a whole.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Attributes(BTreeMap<String, Attribute>);

impl Attributes {
    /// Attributes within every bound. Numbers are kept to a millionth.
    ///
    /// # Errors
    /// The first thing that is not.
    ///
    /// # Examples
    /// ```
    /// use muster::domain::profile::{Attribute, Attributes};
    /// let class = ("class".to_owned(), Attribute::Text("mage".into()));
    /// assert!(Attributes::new([class].into()).is_ok());
    /// ```
    pub fn new(mut values: BTreeMap<String, Attribute>) -> Result<Self, ProfileError> {
        at_most("attributes", ATTRIBUTES_MAX, values.len())?;
        for (name, value) in &mut values {
            check_name(name)?;
            check_value(name, value)?;
        }
        let bytes = values.iter().map(|(name, value)| name.len() + bytes_of(value)).sum();
        if bytes > ATTRIBUTES_BYTES_MAX {
            return Err(ProfileError::Bytes(bytes));
        }
        Ok(Self(values))
    }

    /// By name.
    pub fn get(&self, name: &str) -> Option<&Attribute> {
        self.0.get(name)
    }

    /// All of them, by their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Attribute)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn check_name(name: &str) -> Result<(), ProfileError> {
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if plain && (1..=ATTRIBUTE_NAME_BYTES_MAX).contains(&name.len()) {
        Ok(())
    } else {
        Err(ProfileError::Name(name.chars().take(80).collect()))
    }
}

fn check_value(name: &str, value: &mut Attribute) -> Result<(), ProfileError> {
    let text = |text: &String| match text.len() {
        0..=ATTRIBUTE_TEXT_BYTES_MAX => Ok(()),
        found => Err(ProfileError::Text { name: name.to_owned(), found }),
    };
    let number = |number: &mut f64| {
        // A number that is none is within nothing.
        if number.abs() <= ATTRIBUTE_NUMBER_MAX {
            *number = (*number * 1e6).round() / 1e6;
            Ok(())
        } else {
            Err(ProfileError::Number { name: name.to_owned(), found: *number })
        }
    };
    match value {
        Attribute::Text(value) => text(value),
        Attribute::Number(value) => number(value),
        Attribute::Texts(values) => {
            at_most("texts in a list", ATTRIBUTE_ENTRIES_MAX, values.len())?;
            values.iter().try_for_each(text)
        }
        Attribute::Numbers(values) => {
            at_most("entries in a map", ATTRIBUTE_ENTRIES_MAX, values.len())?;
            values.iter_mut().try_for_each(|(key, value)| {
                // Keys are names of anything, regions among them.
                let plain = key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
                if !plain || !(1..=ATTRIBUTE_NAME_BYTES_MAX).contains(&key.len()) {
                    return Err(ProfileError::Name(key.chars().take(80).collect()));
                }
                number(value)
            })
        }
    }
}

/// What a number counts.
const NUMBER_BYTES: usize = 8;

fn bytes_of(value: &Attribute) -> usize {
    match value {
        Attribute::Text(text) => text.len(),
        Attribute::Number(_) => NUMBER_BYTES,
        Attribute::Texts(texts) => texts.iter().map(String::len).sum(),
        Attribute::Numbers(numbers) => numbers.keys().map(|key| key.len() + NUMBER_BYTES).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, value: Attribute) -> Result<Attributes, ProfileError> {
        Attributes::new([(name.to_owned(), value)].into())
    }

    fn text(bytes: usize) -> Attribute {
        Attribute::Text("x".repeat(bytes))
    }

    fn player(number: usize) -> PlayerId {
        format!("p{number}").parse().unwrap()
    }

    #[test]
    fn names_and_texts_end_at_their_bounds() {
        assert!(one(&"n".repeat(ATTRIBUTE_NAME_BYTES_MAX), text(1)).is_ok());
        for bad in [&"n".repeat(ATTRIBUTE_NAME_BYTES_MAX + 1), "", "Class", "a b", "ä"] {
            assert!(matches!(one(bad, text(1)), Err(ProfileError::Name(_))), "{bad:?}");
        }
        assert!(one("class", text(ATTRIBUTE_TEXT_BYTES_MAX)).is_ok());
        let error = one("class", text(ATTRIBUTE_TEXT_BYTES_MAX + 1)).unwrap_err();
        assert_eq!(error.to_string(), "class: expected at most 256 bytes in a text, found 257");
    }

    #[test]
    fn a_number_is_finite_within_its_bound_and_kept_to_a_millionth() {
        assert!(one("n", Attribute::Number(-ATTRIBUTE_NUMBER_MAX)).is_ok());
        for bad in [ATTRIBUTE_NUMBER_MAX * 1.001, f64::NAN, f64::NEG_INFINITY] {
            assert!(matches!(one("n", Attribute::Number(bad)), Err(ProfileError::Number { .. })), "{bad}");
            let map = Attribute::Numbers([("eu".to_owned(), bad)].into());
            assert!(matches!(one("n", map), Err(ProfileError::Number { .. })), "{bad}");
        }
        let kept = one("n", Attribute::Number(1e-200)).unwrap();
        assert_eq!(kept.get("n"), Some(&Attribute::Number(0.0)));
    }

    #[test]
    fn lists_maps_and_attributes_are_as_many_as_they_may_be() {
        let texts = |many: usize| one("n", Attribute::Texts(vec!["x".to_owned(); many]));
        assert!(texts(ATTRIBUTE_ENTRIES_MAX).is_ok() && texts(ATTRIBUTE_ENTRIES_MAX + 1).is_err());
        let numbers = |many: usize| one("n", Attribute::Numbers((0..many).map(|n| (format!("k{n}"), 1.0)).collect()));
        assert!(numbers(ATTRIBUTE_ENTRIES_MAX).is_ok() && numbers(ATTRIBUTE_ENTRIES_MAX + 1).is_err());
        let many = |many: usize| Attributes::new((0..many).map(|n| (format!("a{n}"), text(1))).collect());
        assert!(many(ATTRIBUTES_MAX).is_ok() && many(ATTRIBUTES_MAX + 1).is_err());
    }

    #[test]
    fn all_attributes_together_fit_their_budget_to_the_byte() {
        // Names of three bytes, a number of eight, and texts for all the rest.
        let of = |rest: usize| {
            let mut values: BTreeMap<String, Attribute> = BTreeMap::from([("num".to_owned(), Attribute::Number(1.0))]);
            let mut left = rest;
            for number in 0.. {
                let bytes = left.min(ATTRIBUTE_TEXT_BYTES_MAX);
                values.insert(format!("t{number:02}"), text(bytes));
                left -= bytes;
                if left == 0 {
                    break;
                }
            }
            let names = 3 * values.len();
            (names + 8 + rest, Attributes::new(values))
        };
        let names = 3 + 3 * ATTRIBUTES_BYTES_MAX.div_ceil(ATTRIBUTE_TEXT_BYTES_MAX);
        let (bytes, edge) = of(ATTRIBUTES_BYTES_MAX - 8 - names);
        assert!(edge.is_ok() && bytes == ATTRIBUTES_BYTES_MAX, "{bytes}: {edge:?}");
        let (bytes, past) = of(ATTRIBUTES_BYTES_MAX - 8 - names + 1);
        assert_eq!(past, Err(ProfileError::Bytes(bytes)));
        assert_eq!(bytes, ATTRIBUTES_BYTES_MAX + 1);
    }

    #[test]
    fn blocks_and_tracks_end_at_their_bounds() {
        let blocks = |many: usize| (0..many).map(player).collect();
        assert!(check_blocks(&blocks(BLOCKS_MAX)).is_ok() && check_blocks(&blocks(BLOCKS_MAX + 1)).is_err());
        let tracks = |many: usize| {
            let track = |n: usize| (format!("t{n}").parse().unwrap(), TrackRating::unknown(1_500.0));
            check_tracks(&(0..many).map(track).collect())
        };
        assert!(tracks(TRACKS_MAX).is_ok() && tracks(TRACKS_MAX + 1).is_err());
    }

    #[test]
    fn the_latest_opponents_are_remembered_each_once() {
        let mut profile = Profile::default();
        for number in 0..RECENT_OPPONENTS_MAX + 5 {
            profile.meet([player(number)]);
        }
        assert_eq!(
            (profile.recent.len(), &profile.recent[0]),
            (RECENT_OPPONENTS_MAX, &player(RECENT_OPPONENTS_MAX + 4))
        );
        profile.meet([player(10), player(999)]);
        assert_eq!(profile.recent[..3], [player(10), player(999), player(RECENT_OPPONENTS_MAX + 4)]);
        assert_eq!(profile.recent.iter().filter(|met| **met == player(10)).count(), 1);
    }
}
