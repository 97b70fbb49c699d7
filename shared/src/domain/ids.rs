//! Names of things. A ticket id and a match id carry their pool, so that any function finds them without a lookup.
//!
//! | id | text | example |
//! |---|---|---|
//! | pool | `<queue>.<region>` | `ranked-1v1.eu` |
//! | ticket | `t.<queue>.<region>.<unique>` | `t.ranked-1v1.eu.01JD8Z4V6WQK9T3M5N7P0R2S4X` |
//! | match | `m.<queue>.<region>.<unique>` | `m.ranked-1v1.eu.01JD8Z4V7A0B1C2D3E4F5G6H7J` |
//!
//! Making a unique part needs randomness, so it is a port ([`crate::ports::Ids`]); this module only knows their form.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::limits;

/// Why a text is not the id it was taken for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found:?}")]
pub struct IdError {
    /// The form that the id must have.
    pub expected: &'static str,
    /// What was there, cut to a readable length.
    pub found: String,
}

pub(super) fn refuse<T>(expected: &'static str, found: &str) -> Result<T, IdError> {
    Err(IdError { expected, found: found.chars().take(80).collect() })
}

fn is_name(text: &str, bytes_max: usize) -> bool {
    !text.is_empty()
        && text.len() <= bytes_max
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) { Ok(Self(text.into())) } else { refuse($expected, text) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// A game mode: `ranked-1v1`.
    QueueName,
    "a queue name: 1 to 24 of a-z 0-9 -",
    |text| is_name(text, limits::QUEUE_NAME_BYTES_MAX)
);
text_id!(
    /// Where a match is played: `eu`.
    Region,
    "a region name: 1 to 16 of a-z 0-9 -",
    |text| is_name(text, limits::REGION_BYTES_MAX)
);
text_id!(
    /// A line of ratings, which the results of one or several queues move: `ranked-1v1`.
    Track,
    "a rating track: 1 to 24 of a-z 0-9 -",
    |text| is_name(text, limits::QUEUE_NAME_BYTES_MAX)
);
text_id!(
    /// Who plays: an id that the caller proved, never one it merely sent.
    PlayerId,
    "a player id: 1 to 64 of A-Z a-z 0-9 . _ : | @ + = -",
    |text| {
        !text.is_empty()
            && text.len() <= limits::PLAYER_ID_BYTES_MAX
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:|@+=-".contains(&b))
    }
);

/// One queue in one region. All of a pool's keys live in one Redis Cluster slot.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolId(Arc<str>);

impl PoolId {
    /// The pool of a queue in a region.
    pub fn new(queue: &QueueName, region: &Region) -> Self {
        Self(format!("{queue}.{region}").into())
    }

    /// `<queue>.<region>`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The queue's name.
    pub fn queue(&self) -> &str {
        self.0.split_once('.').map_or("", |(queue, _)| queue)
    }

    /// The rating track of the queue's name: the one that its results move unless its rules name another.
    pub fn track(&self) -> Track {
        Track(self.queue().into())
    }

    /// The region's name.
    pub fn region(&self) -> &str {
        self.0.split_once('.').map_or("", |(_, region)| region)
    }
}

impl FromStr for PoolId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let parts = text.split_once('.').and_then(|(queue, region)| Some((queue.parse().ok()?, region.parse().ok()?)));
        match parts {
            Some((queue, region)) => Ok(Self::new(&queue, &region)),
            None => refuse("a pool id: <queue>.<region>", text),
        }
    }
}

impl fmt::Display for PoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The part of an id that tells it from all others of its pool: 26 characters of Crockford base 32, 128 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unique([u8; Self::BYTES]);

impl Unique {
    const BYTES: usize = 26;
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

    /// The text of a 128-bit number.
    pub fn from_bits(mut bits: u128) -> Self {
        let mut text = [0; Self::BYTES];
        for place in text.iter_mut().rev() {
            *place = Self::ALPHABET[(bits & 31) as usize];
            bits >>= 5;
        }
        Self(text)
    }

    /// The 26 characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for Unique {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        match <[u8; Self::BYTES]>::try_from(text.as_bytes()) {
            Ok(bytes) if bytes[0] <= b'7' && bytes.iter().all(|b| Self::ALPHABET.contains(b)) => Ok(Self(bytes)),
            _ => refuse("26 characters of Crockford base 32", text),
        }
    }
}

impl fmt::Display for Unique {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Unique {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! pooled_id {
    ($(#[$doc:meta])* $name:ident, $letter:literal, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            /// Where it lives.
            pub pool: PoolId,
            /// Which one it is, within its pool. Redis holds only this part: the key already names the pool.
            pub unique: Unique,
        }

        impl $name {
            /// The id of `unique` in `pool`.
            pub fn new(pool: PoolId, unique: Unique) -> Self {
                Self { pool, unique }
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let parts = text
                    .strip_prefix(concat!($letter, "."))
                    .and_then(|rest| rest.rsplit_once('.'))
                    .and_then(|(pool, unique)| Some(Self::new(pool.parse().ok()?, unique.parse().ok()?)));
                parts.map_or_else(|| refuse($expected, text), Ok)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($letter, ".{}.{}"), self.pool, self.unique)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }
    };
}

pooled_id!(
    /// One party waiting in one pool.
    TicketId,
    "t",
    "a ticket id: t.<queue>.<region>.<26 characters>"
);
pooled_id!(
    /// A group of tickets split into teams. The match id is the claim: whoever forms a match claims its tickets for it.
    MatchId,
    "m",
    "a match id: m.<queue>.<region>.<26 characters>"
);

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const UNIQUE: &str = "01JD8Z4V6WQK9T3M5N7P0R2S4X";

    #[test]
    fn a_ticket_id_carries_its_pool_and_reads_back() {
        let text = format!("t.ranked-1v1.eu.{UNIQUE}");
        let id: TicketId = text.parse().unwrap();
        assert_eq!((id.pool.queue(), id.pool.region(), id.to_string()), ("ranked-1v1", "eu", text));
    }

    #[rstest]
    #[case::other_kind("m.ranked-1v1.eu.01JD8Z4V6WQK9T3M5N7P0R2S4X")]
    #[case::no_region("t.ranked-1v1.01JD8Z4V6WQK9T3M5N7P0R2S4X")]
    #[case::two_regions("t.ranked-1v1.eu.us.01JD8Z4V6WQK9T3M5N7P0R2S4X")]
    #[case::short("t.ranked-1v1.eu.01JD8Z4V6WQK9T3M5N7P0R2S4")]
    #[case::lower_case("t.ranked-1v1.eu.01jd8z4v6wqk9t3m5n7p0r2s4x")]
    #[case::over_128_bits("t.ranked-1v1.eu.81JD8Z4V6WQK9T3M5N7P0R2S4X")]
    #[case::braces("t.ranked}{.eu.01JD8Z4V6WQK9T3M5N7P0R2S4X")]
    #[case::empty("")]
    fn a_text_that_is_no_ticket_id_is_refused(#[case] text: &str) {
        let error = text.parse::<TicketId>().unwrap_err();
        assert!(error.to_string().starts_with("expected a ticket id"), "{error}");
    }

    #[test]
    fn names_end_at_their_bound() {
        assert!("q".repeat(limits::QUEUE_NAME_BYTES_MAX).parse::<QueueName>().is_ok());
        assert!("q".repeat(limits::QUEUE_NAME_BYTES_MAX + 1).parse::<QueueName>().is_err());
        assert!("r".repeat(limits::REGION_BYTES_MAX).parse::<Region>().is_ok());
        assert!("r".repeat(limits::REGION_BYTES_MAX + 1).parse::<Region>().is_err());
        assert!("p".repeat(limits::PLAYER_ID_BYTES_MAX).parse::<PlayerId>().is_ok());
        assert!("p".repeat(limits::PLAYER_ID_BYTES_MAX + 1).parse::<PlayerId>().is_err());
    }

    #[test]
    fn unique_parts_keep_the_order_of_their_bits() {
        let (low, high) = (Unique::from_bits(41), Unique::from_bits(u128::MAX));
        assert!(low < high);
        assert_eq!(high.as_str(), "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
        assert_eq!(low.as_str().parse::<Unique>().unwrap(), low);
    }
}
