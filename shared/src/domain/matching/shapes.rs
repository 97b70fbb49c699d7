//! Which party sizes add up to full teams.
//!
//! A *kind* is a party size that is present in the pool; a *shape* is how many parties of each kind make a match. 5v5
//! of threes, twos and solos has the shapes 3+2 / 3+2, 3+2 / 2+2+1, 3+1+1 / 3+2 and so on. Packing parties as they come
//! into the fullest team that has room gets stuck (3+1, 2+2, and another 2 fits neither, though 3+2 / 2+2+1 was there),
//! so that the search asks for shapes instead: a set of tickets can be a match if and only if some shape takes no more
//! of any kind than there are.
//!
//! Sets of shapes are bit sets, and "all shapes with at most `n` of a kind" is a table. There are 25 shapes of 5v5, and
//! at most the 8,349 partitions of the 32 players of the largest match.

use std::collections::BTreeSet;

use super::super::limits::PLAYERS_PER_MATCH_MAX;
use super::pool::Waiting;

/// The shapes of a pool.
#[derive(Debug, Clone)]
pub struct Shapes {
    /// Players of a match.
    pub match_size: usize,
    /// Party size of each kind.
    sizes: Vec<usize>,
    /// Each shape's count of each kind.
    counts: Vec<Vec<usize>>,
    /// Words of a set of shapes.
    words: usize,
    /// For each kind and each `n` of `0..=match_size`: the set of shapes with at most `n` of that kind.
    at_most: Vec<u64>,
}

impl Shapes {
    /// The shapes of the parties that wait, and the kind of each put on it.
    pub fn of(teams: usize, team_size: usize, waiting: &mut [Waiting]) -> Self {
        let mut kind_of = [0; PLAYERS_PER_MATCH_MAX + 1];
        let mut present = [false; PLAYERS_PER_MATCH_MAX + 1];
        for ticket in waiting.iter() {
            present[ticket.size] = true;
        }
        let sizes: Vec<usize> = (1..=team_size).filter(|&size| present[size]).collect();
        for (kind, &size) in sizes.iter().enumerate() {
            kind_of[size] = kind;
        }
        for ticket in waiting.iter_mut() {
            ticket.kind = kind_of[ticket.size];
        }
        Self::of_sizes(teams, team_size, sizes)
    }

    fn of_sizes(teams: usize, team_size: usize, sizes: Vec<usize>) -> Self {
        let match_size = teams * team_size;
        let counts = all(teams, &fillings(team_size, &sizes), sizes.len());
        let words = counts.len().div_ceil(64);
        let mut at_most = Vec::with_capacity(sizes.len() * (match_size + 1) * words);
        for kind in 0..sizes.len() {
            for most in 0..=match_size {
                let mut set = vec![0_u64; words];
                for (shape, count) in counts.iter().enumerate() {
                    set[shape / 64] |= u64::from(count[kind] <= most) << (shape % 64);
                }
                at_most.extend(set);
            }
        }
        Self { match_size, sizes, counts, words, at_most }
    }

    /// How many kinds there are.
    pub fn kinds(&self) -> usize {
        self.sizes.len()
    }

    /// The shape of a pool in which all parties are of one size, if they fill teams.
    pub fn only(&self) -> Option<usize> {
        (self.counts.len() == 1).then_some(0)
    }

    /// How many of `kind` the shape takes.
    pub fn count(&self, shape: usize, kind: usize) -> usize {
        self.counts[shape][kind]
    }

    /// The shapes that take at least `least` and at most `most` of each kind.
    pub fn between<'a>(&'a self, least: &'a [usize], most: &'a [usize]) -> impl Iterator<Item = usize> + 'a {
        (0..self.words).flat_map(move |word| {
            let mut set = self.word_between(word, least, most);
            std::iter::from_fn(move || {
                if set == 0 {
                    return None;
                }
                let bit = set.trailing_zeros() as usize;
                set &= set - 1;
                Some(word * 64 + bit)
            })
        })
    }

    /// One word of the set of those shapes.
    fn word_between(&self, word: usize, least: &[usize], most: &[usize]) -> u64 {
        let mut set = u64::MAX;
        for kind in 0..self.sizes.len() {
            set &= self.at_most(kind, most[kind], word);
            if least[kind] > 0 {
                set &= !self.at_most(kind, least[kind] - 1, word);
            }
        }
        set
    }

    fn at_most(&self, kind: usize, most: usize, word: usize) -> u64 {
        let most = most.min(self.match_size);
        self.at_most[(kind * (self.match_size + 1) + most) * self.words + word]
    }
}

/// The ways to fill one team, each as counts of the kinds.
fn fillings(team_size: usize, sizes: &[usize]) -> Vec<Vec<usize>> {
    let Some((&size, rest)) = sizes.split_first() else {
        return if team_size == 0 { vec![Vec::new()] } else { Vec::new() };
    };
    let with = |count: usize| {
        let rest = fillings(team_size - count * size, rest);
        rest.into_iter().map(move |tail| std::iter::once(count).chain(tail).collect())
    };
    (0..=team_size / size).flat_map(with).collect()
}

/// The sums of `teams` fillings, each once.
fn all(teams: usize, fillings: &[Vec<usize>], kinds: usize) -> Vec<Vec<usize>> {
    let mut sums = BTreeSet::from([vec![0; kinds]]);
    for _ in 0..teams {
        let add = |sum: &Vec<usize>, filling: &Vec<usize>| sum.iter().zip(filling).map(|(a, b)| a + b).collect();
        sums = sums.iter().flat_map(|sum| fillings.iter().map(move |filling| add(sum, filling))).collect();
    }
    sums.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::solos(2, 5, &[1], 1)]
    #[case::duel(2, 1, &[1], 1)]
    #[case::nobody(2, 5, &[], 0)]
    #[case::only_threes(2, 5, &[3], 0)]
    #[case::threes_and_twos(2, 5, &[2, 3], 1)]
    #[case::five_against_five(2, 5, &[1, 2, 3, 4, 5], 25)]
    #[case::largest(1, 32, &(1..=32).collect::<Vec<_>>(), 8_349)]
    #[case::two_large_teams(2, 16, &(1..=16).collect::<Vec<_>>(), 7_177)]
    fn a_pool_has_so_many_shapes(
        #[case] teams: usize,
        #[case] team_size: usize,
        #[case] sizes: &[usize],
        #[case] shapes: usize,
    ) {
        assert_eq!(Shapes::of_sizes(teams, team_size, sizes.to_vec()).counts.len(), shapes);
    }

    #[rstest]
    #[case::three_two_against_two_two_one([1, 3, 1], true)]
    #[case::more_than_needed([4, 9, 2], true)]
    #[case::no_solo_for_an_even_rest([0, 3, 1], false)]
    #[case::threes_and_twos([0, 2, 2], true)]
    #[case::threes_alone([0, 0, 9], false)]
    #[case::threes_and_enough_solos([4, 0, 2], true)]
    #[case::threes_and_too_few_solos([3, 0, 9], false)]
    fn parties_can_be_a_match_if_a_shape_takes_no_more_of_any_size(#[case] most: [usize; 3], #[case] can: bool) {
        let shapes = Shapes::of_sizes(2, 5, vec![1, 2, 3]);
        assert_eq!(shapes.between(&[0; 3], &most).next().is_some(), can);
    }

    #[test]
    fn a_shape_takes_at_least_the_ends() {
        let shapes = Shapes::of_sizes(2, 5, vec![1, 2, 3]);
        let found: Vec<_> = shapes.between(&[0, 3, 1], &[9, 9, 9]).map(|shape| shapes.counts[shape].clone()).collect();
        assert_eq!(found, [[1, 3, 1]]);
        assert_eq!(shapes.between(&[0, 0, 3], &[9, 9, 9]).count(), 0);
    }
}
