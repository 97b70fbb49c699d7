//! Splitting a group into teams: parties whole, teams full, and the means of the teams as close as they can be.
//!
//! All splits are tried, each once: the ten players of a 5v5 have 126. Teams that are still empty are all alike, so
//! that only the first of them is tried, and full teams that already differ by more than the best split end a branch.
//! Larger groups have too many splits (16v16 has 300 million); there the search stops after [`NODES_MAX`] steps and the
//! best split found so far stands. It begins with the split that a greedy hand would make, the next player always to
//! the weaker team, so that even then the answer is a good one.

use super::limits::PLAYERS_PER_MATCH_MAX;

/// Steps of one search. Enough for every split of two teams with up to 12 tickets (at most 2^12 steps), and of 5v5
/// many times over.
pub const NODES_MAX: usize = 8_192;

/// A party as the split sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entrant {
    /// Its players.
    pub size: usize,
    /// The mean rating of its players.
    pub rating: f64,
}

/// Who plays with whom.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// Indices into the entrants, a list for each team.
    pub teams: Vec<Vec<usize>>,
    /// Highest less lowest mean of a team, in rating points.
    pub gap: f64,
}

/// The most even split of `entrants` into `teams` teams of exactly `team_size` players, or none if there is no such
/// split.
///
/// ```
/// use muster::domain::teams::{Entrant, split};
///
/// let solo = |rating| Entrant { size: 1, rating };
/// let even = split(&[solo(1_400.0), solo(1_500.0), solo(1_600.0), solo(1_700.0)], 2, 2).unwrap();
/// assert_eq!((even.teams, even.gap), (vec![vec![0, 3], vec![1, 2]], 0.0));
/// ```
pub fn split(entrants: &[Entrant], teams: usize, team_size: usize) -> Option<Split> {
    let players: usize = entrants.iter().map(|entrant| entrant.size).sum();
    if players == 0 || players != teams.saturating_mul(team_size) || players > PLAYERS_PER_MATCH_MAX {
        return None;
    }
    if team_size == 1 && entrants.iter().all(|entrant| entrant.size == 1) {
        // Everyone alone: there is only this one.
        let ratings = || entrants.iter().map(|entrant| entrant.rating);
        let gap = ratings().fold(f64::NEG_INFINITY, f64::max) - ratings().fold(f64::INFINITY, f64::min);
        return Some(Split { teams: (0..teams).map(|at| vec![at]).collect(), gap });
    }
    let mut search = Search::new(entrants, teams, team_size);
    search.place(0);
    let team_of = search.best?;
    let mut lists = vec![Vec::new(); teams];
    for (entrant, &team) in team_of.iter().enumerate() {
        lists[team].push(entrant);
    }
    lists.sort();
    Some(Split { teams: lists, gap: search.best_gap / team_size as f64 })
}

struct Search<'a> {
    entrants: &'a [Entrant],
    team_size: usize,
    /// Entrants in the order in which they are placed: the largest first, because they fit least, then those furthest
    /// off the mean, so that the last ones can still even things out.
    line: Vec<usize>,
    /// Seats left in each team.
    free: Vec<usize>,
    /// Sum of each team's ratings, measured from the mean of all players so that half-full teams compare.
    sum: Vec<f64>,
    mean: f64,
    team_of: Vec<usize>,
    best: Option<Vec<usize>>,
    /// Difference of the sums of the best split.
    best_gap: f64,
    nodes_left: usize,
}

impl<'a> Search<'a> {
    fn new(entrants: &'a [Entrant], teams: usize, team_size: usize) -> Self {
        let total: f64 = entrants.iter().map(|entrant| entrant.size as f64 * entrant.rating).sum();
        let mean = total / (teams * team_size) as f64;
        let off = |at: &usize| (entrants[*at].rating - mean).abs();
        let mut line: Vec<usize> = (0..entrants.len()).collect();
        line.sort_by(|a, b| entrants[*b].size.cmp(&entrants[*a].size).then(off(b).total_cmp(&off(a))));
        Self {
            entrants,
            team_size,
            line,
            free: vec![team_size; teams],
            sum: vec![0.0; teams],
            mean,
            team_of: vec![0; entrants.len()],
            best: None,
            best_gap: f64::INFINITY,
            nodes_left: NODES_MAX,
        }
    }

    /// Places the entrant at `depth` of the line into each team that it fits, and all after it likewise.
    fn place(&mut self, depth: usize) {
        if self.nodes_left == 0 {
            return;
        }
        self.nodes_left -= 1;
        let gap = self.gap_of_full_teams();
        if gap >= self.best_gap {
            return;
        }
        let Some(&at) = self.line.get(depth) else {
            self.best_gap = gap;
            self.best = Some(self.team_of.clone());
            return;
        };
        let Entrant { size, rating } = self.entrants[at];
        let mut tried = 0_u32;
        while let Some(team) = self.weakest(size, tried) {
            tried |= self.alike(team);
            let before = self.sum[team];
            self.free[team] -= size;
            self.sum[team] += size as f64 * (rating - self.mean);
            self.team_of[at] = team;
            self.place(depth + 1);
            self.free[team] += size;
            self.sum[team] = before;
        }
    }

    /// The weakest team so far with `size` seats left, of those not tried yet.
    fn weakest(&self, size: usize, tried: u32) -> Option<usize> {
        let open = (0..self.free.len()).filter(|&team| self.free[team] >= size && tried & (1 << team) == 0);
        open.min_by(|&a, &b| self.sum[a].total_cmp(&self.sum[b]))
    }

    /// The teams, as bits, that it makes no difference to try after `team`: itself, and all empty ones if it is empty.
    fn alike(&self, team: usize) -> u32 {
        if self.free[team] < self.team_size {
            return 1 << team;
        }
        (0..self.free.len())
            .filter(|&other| self.free[other] == self.team_size)
            .fold(0, |bits, other| bits | 1 << other)
    }

    fn gap_of_full_teams(&self) -> f64 {
        let full = || (0..self.free.len()).filter(|&team| self.free[team] == 0).map(|team| self.sum[team]);
        let (low, high) = full().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), s| (low.min(s), high.max(s)));
        (high - low).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    /// The least gap of any split, by trying every team for every entrant.
    fn least_gap(entrants: &[Entrant], teams: usize, team_size: usize) -> Option<f64> {
        let ways = (teams as u64).pow(entrants.len() as u32);
        (0..ways)
            .filter_map(|mut way| {
                let (mut players, mut totals) = (vec![0; teams], vec![0.0; teams]);
                for entrant in entrants {
                    let team = (way % teams as u64) as usize;
                    way /= teams as u64;
                    players[team] += entrant.size;
                    totals[team] += entrant.rating * entrant.size as f64;
                }
                let mean = |total: &f64| total / team_size as f64;
                let high = totals.iter().map(mean).fold(f64::NEG_INFINITY, f64::max);
                let low = totals.iter().map(mean).fold(f64::INFINITY, f64::min);
                players.iter().all(|&n| n == team_size).then_some(high - low)
            })
            .min_by(f64::total_cmp)
    }

    fn check(entrants: &[Entrant], teams: usize, team_size: usize) {
        let (found, best) = (split(entrants, teams, team_size), least_gap(entrants, teams, team_size));
        match (&found, best) {
            (None, None) => {}
            (Some(split), Some(best)) => {
                assert!((split.gap - best).abs() < 1e-6, "expected a gap of {best}, found {split:?} of {entrants:?}");
                let mut all: Vec<usize> = split.teams.concat();
                all.sort();
                assert_eq!(all, (0..entrants.len()).collect::<Vec<_>>());
                assert_eq!(split.teams.len(), teams);
                for team in &split.teams {
                    assert_eq!(team.iter().map(|&at| entrants[at].size).sum::<usize>(), team_size);
                }
            }
            _ => panic!("expected a gap of {best:?}, found {found:?} of {entrants:?}"),
        }
    }

    fn of_sizes(sizes: &[usize], ratings: &[f64]) -> Vec<Entrant> {
        sizes.iter().zip(ratings.iter().cycle()).map(|(&size, &rating)| Entrant { size, rating }).collect()
    }

    #[rstest]
    #[case::solos(&[1; 10], 2, 5)]
    #[case::three_two_against_two_two_one(&[3, 1, 2, 2, 2], 2, 5)]
    #[case::a_full_team_against_solos(&[5, 1, 1, 1, 1, 1], 2, 5)]
    #[case::three_teams(&[2, 1, 1, 1, 2, 2], 3, 3)]
    #[case::everyone_alone(&[1; 6], 6, 1)]
    #[case::one_team(&[2, 1, 1], 1, 4)]
    #[case::twelve_tickets(&[1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1], 2, 7)]
    fn the_split_is_the_most_even_of_all(#[case] sizes: &[usize], #[case] teams: usize, #[case] team_size: usize) {
        let ratings = [1_500.0, 1_712.5, 1_390.0, 1_555.0, 2_010.0, 1_444.0, 1_621.0];
        let entrants = of_sizes(sizes, &ratings);
        assert!(split(&entrants, teams, team_size).is_some());
        check(&entrants, teams, team_size);
    }

    #[rstest]
    #[case::threes_do_not_fill_a_five(&[3, 3, 3, 1], 2, 5)]
    #[case::fours_and_a_two(&[4, 4, 2], 2, 5)]
    #[case::too_few(&[1, 1, 1], 2, 2)]
    #[case::too_many(&[1, 1, 1, 1, 1], 2, 2)]
    #[case::larger_than_a_team(&[3, 1], 2, 2)]
    #[case::a_pair_where_all_play_alone(&[2], 2, 1)]
    #[case::nobody(&[], 2, 2)]
    #[case::nobody_wanted(&[], 0, 0)]
    fn an_impossible_split_is_none(#[case] sizes: &[usize], #[case] teams: usize, #[case] team_size: usize) {
        assert_eq!(split(&of_sizes(sizes, &[1_500.0]), teams, team_size), None);
    }

    #[test]
    fn five_against_five_is_searched_to_the_end() {
        let entrants: Vec<_> = (0..10).map(|n| Entrant { size: 1, rating: f64::from(n * n * n) }).collect();
        let mut search = Search::new(&entrants, 2, 5);
        search.place(0);
        assert!(search.nodes_left > NODES_MAX / 2, "{} of {NODES_MAX} steps left", search.nodes_left);
    }

    #[test]
    fn a_group_beyond_the_budget_still_gets_an_even_split() {
        let entrants: Vec<_> = (0..32).map(|n| Entrant { size: 1, rating: f64::from(n * n) }).collect();
        let even = split(&entrants, 2, 16).unwrap();
        // The ratings go from 0 to 961.
        assert!(even.gap < 3.0, "{}", even.gap);
        assert_eq!(split(&entrants, 2, 16).unwrap(), even);
    }

    /// Sizes of parties that fill teams, by filling them.
    fn full_teams(teams: usize, team_size: usize) -> impl Strategy<Value = Vec<Entrant>> {
        let cuts = prop::collection::vec((1..=team_size, 0_u32..3_000), teams * team_size);
        cuts.prop_map(move |cuts| {
            let mut entrants = Vec::new();
            let mut cuts = cuts.into_iter();
            for _ in 0..teams {
                let mut free = team_size;
                while free > 0 {
                    let (size, rating) = cuts.next().unwrap_or((1, 0));
                    let size = size.min(free);
                    entrants.push(Entrant { size, rating: f64::from(rating) });
                    free -= size;
                }
            }
            entrants.sort_by(|a, b| a.rating.total_cmp(&b.rating));
            entrants
        })
    }

    proptest! {
        #[test]
        fn any_two_teams_of_five_are_split_as_evenly_as_can_be(
            parties in prop::collection::vec((1_usize..=5, 0_u32..3_000), 2..=10),
        ) {
            let entrants: Vec<_> =
                parties.iter().map(|&(size, rating)| Entrant { size, rating: f64::from(rating) }).collect();
            check(&entrants, 2, 5);
        }

        #[test]
        fn parties_that_fill_two_teams_of_five_are_split_as_evenly_as_can_be(entrants in full_teams(2, 5)) {
            check(&entrants, 2, 5);
        }

        #[test]
        fn large_groups_that_have_a_split_get_one(
            two in full_teams(2, 16), three in full_teams(3, 10), four in full_teams(4, 8), eight in full_teams(8, 4),
        ) {
            for (entrants, teams, team_size) in [(two, 2, 16), (three, 3, 10), (four, 4, 8), (eight, 8, 4)] {
                prop_assert!(split(&entrants, teams, team_size).is_some(), "{teams}x{team_size} {entrants:?}");
            }
        }
    }
}
