//! Where the players of a confirmed match meet: a number within the pool, and the code that people say aloud.
//!
//! A code is six characters of an alphabet in which no two look or sound alike: two name the pool, four the number. Numbers
//! are given in turn, so that no two live matches of a pool share one; the four characters are a permutation of them, so
//! that neighbours look nothing alike and nobody guesses the next.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::ids::{IdError, PoolId, refuse};

/// Without 0 and O, 1, I and L, and U, which is read as V.
const ALPHABET: &[u8] = b"23456789ABCDEFGHJKMNPQRSTVWXYZ";
const BASE: u32 = ALPHABET.len() as u32;
const TAG_CHARS: u32 = 2;
const NUMBER_CHARS: u32 = 4;
/// Tags that exist.
const TAGS: u32 = BASE.pow(TAG_CHARS);
/// Numbers that exist; they begin again after the last.
pub const NUMBERS: u32 = BASE.pow(NUMBER_CHARS);
/// Coprime to [`NUMBERS`], whose prime factors are 2, 3 and 5: times this, modulo that, is a permutation.
const STRIDE: u64 = 500_689;

/// What the codes of one pool begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(u32);

/// A tag for each pool, none twice: from a hash of its name, so that a pool keeps its tag when others come and go, or the
/// next free one. At most [`super::limits::POOLS_MAX`] pools.
pub(super) fn tags(mut pools: Vec<PoolId>) -> BTreeMap<Tag, PoolId> {
    pools.sort_unstable();
    let mut tags = BTreeMap::new();
    for pool in pools {
        let digest = Sha256::digest(pool.as_str().as_bytes());
        let wanted = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]) % TAGS;
        let free = (0..TAGS).map(|step| Tag((wanted + step) % TAGS)).find(|tag| !tags.contains_key(tag));
        tags.extend(free.map(|tag| (tag, pool)));
    }
    tags
}

/// A lobby's code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LobbyCode {
    /// The pool.
    pub tag: Tag,
    /// Which of the pool's lobbies.
    pub number: u32,
}

fn write(mut value: u32, chars: u32, text: &mut String) {
    let mut digits = Vec::new();
    for _ in 0..chars {
        digits.push(char::from(ALPHABET[(value % BASE) as usize]));
        value /= BASE;
    }
    text.extend(digits.into_iter().rev());
}

/// `stride * number mod NUMBERS`, and back by the inverse.
fn permuted(number: u32, stride: u64) -> u32 {
    u32::try_from(u64::from(number) * stride % u64::from(NUMBERS)).unwrap_or_default()
}

/// What undoes [`STRIDE`]: their product is 1 modulo [`NUMBERS`].
const INVERSE: u64 = 764_209;

impl fmt::Display for LobbyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        write(self.tag.0, TAG_CHARS, &mut text);
        write(permuted(self.number % NUMBERS, STRIDE), NUMBER_CHARS, &mut text);
        f.write_str(&text)
    }
}

impl fmt::Debug for LobbyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for LobbyCode {
    type Err = IdError;

    /// As people type it: upper or lower case.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let digit = |c: u8| ALPHABET.iter().position(|known| *known == c.to_ascii_uppercase());
        let digits: Option<Vec<usize>> = text.bytes().map(digit).collect();
        match digits {
            Some(digits) if digits.len() == (TAG_CHARS + NUMBER_CHARS) as usize => {
                let value = |digits: &[usize]| digits.iter().fold(0, |value, digit| value * BASE + *digit as u32);
                let (tag, number) = digits.split_at(TAG_CHARS as usize);
                Ok(Self { tag: Tag(value(tag)), number: permuted(value(number), INVERSE) })
            }
            _ => refuse("a lobby code: 6 of 23456789ABCDEFGHJKMNPQRSTVWXYZ", text),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::limits::{LOBBIES_MAX, POOLS_MAX};

    fn code(number: u32) -> LobbyCode {
        LobbyCode { tag: Tag(17), number }
    }

    #[test]
    fn every_number_has_a_code_of_its_own_that_reads_back() {
        let codes: BTreeSet<String> = (0..NUMBERS).map(|number| code(number).to_string()).collect();
        assert_eq!(codes.len(), NUMBERS as usize);
        for number in (0..NUMBERS).step_by(997) {
            assert_eq!(code(number).to_string().parse::<LobbyCode>().unwrap(), code(number));
            assert_eq!(code(number).to_string().to_lowercase().parse::<LobbyCode>().unwrap(), code(number));
        }
        assert!(LOBBIES_MAX < u64::from(NUMBERS), "a number must not come back while it lives");
    }

    #[test]
    fn neighbours_look_nothing_alike() {
        for number in 0..1_000 {
            let (one, next) = (code(number).to_string(), code(number + 1).to_string());
            let same = one.bytes().zip(next.bytes()).skip(TAG_CHARS as usize).filter(|(a, b)| a == b).count();
            assert!(same <= 2, "{one} {next}");
        }
    }

    #[test]
    fn anything_else_is_no_code() {
        for text in ["", "AAAAA", "AAAAAAA", "AAAAA0", "AAAAAO", "AAAAA1", "AAAAAÄ"] {
            assert!(text.parse::<LobbyCode>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn every_pool_has_a_tag_of_its_own_up_to_the_bound() {
        let pools: Vec<PoolId> = (0..POOLS_MAX).map(|n| format!("q{n}.eu").parse().unwrap()).collect();
        let tags = tags(pools.clone());
        assert_eq!(tags.len(), POOLS_MAX);
        assert_eq!(tags.values().collect::<BTreeSet<_>>().len(), POOLS_MAX);
        assert!(POOLS_MAX <= TAGS as usize);
    }
}
