//! The interval dynamic program: the cheapest way to cut the line of tickets into groups and tickets that stay.
//!
//! `best[i]` is the least cost of the first `i` tickets. Either the last of them stays, at its price, or a group ends
//! with it; a group takes tickets from some `left` on, those of them that it passes over stay, and `best[left]` is the
//! cost of all before. O(n·k) for `k` tickets of look-back.
//!
//! Groups do not overlap in the line. Where all windows and prices are alike, that loses nothing: of two groups that
//! overlap, the lower half and the upper half of their tickets are closer together. Where they differ, a group may lie
//! within a group (two that have waited long around two fresh ones), and for that the leftovers are tried again.

use super::pool::Waiting;
use super::price;
use super::shapes::Shapes;
use super::walk::{Offer, Walk};

/// Tickets below a right end that a group may come from. It doubles each round, as fewer are left.
const LOOK_BACK: usize = 64;
/// Rounds over the leftovers.
const ROUNDS_MAX: u32 = 4;

/// Forms groups until nothing more can be formed or the rounds are over. Each group is a list of its tickets.
pub fn rounds(waiting: &[Waiting], shapes: &Shapes) -> Vec<Vec<Waiting>> {
    let mut open = waiting.to_vec();
    let mut formed = Vec::new();
    for round in 0..ROUNDS_MAX {
        let groups = cut(&open, shapes, LOOK_BACK << round);
        if groups.is_empty() {
            break;
        }
        let mut taken = vec![false; open.len()];
        groups.iter().flatten().for_each(|&at| taken[at] = true);
        formed.extend(groups.iter().map(|group| group.iter().map(|&at| open[at]).collect()));
        let mut taken = taken.iter();
        open.retain(|_| !taken.next().is_some_and(|taken| *taken));
    }
    formed
}

/// The cheapest cut of tickets sorted by rating: its groups, as positions.
pub fn cut(waiting: &[Waiting], shapes: &Shapes, look_back: usize) -> Vec<Vec<usize>> {
    let mut walk = Walk::new(waiting, shapes);
    let mut price_before = Vec::with_capacity(waiting.len() + 1);
    let mut best = Vec::with_capacity(waiting.len() + 1);
    let mut chosen: Vec<Option<Offer>> = Vec::with_capacity(waiting.len());
    price_before.push(0.0);
    best.push(0.0);
    for (right, ticket) in waiting.iter().enumerate() {
        let price_here = price_before[right] + ticket.price;
        let (mut least, mut choice) = (best[right] + ticket.price, None);
        walk.offers(right, look_back, |offer| {
            let spread = ticket.rating - waiting[offer.left].rating;
            let passed_over = price_here - price_before[offer.left] - offer.price;
            let cost = best[offer.left] + price::of_spread(shapes.match_size, spread) + passed_over;
            if cost < least {
                (least, choice) = (cost, Some(offer));
            }
        });
        price_before.push(price_here);
        best.push(least);
        chosen.push(choice);
    }
    let mut groups = Vec::new();
    let mut end = waiting.len();
    while let Some(right) = end.checked_sub(1) {
        end = right;
        if let Some(offer) = chosen[right] {
            groups.push(walk.members(right, offer));
            end = offer.left;
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{NOW_MS, rules, solos};
    use super::super::{Rules, form, pool};
    use super::*;
    use crate::domain::ticket::Ticket;

    /// Price of leaving a ticket, as the module on prices documents it. Holds while no ticket is past its deadline.
    fn price_of(ticket: &Ticket, rules: &Rules) -> f64 {
        rules.window.cap + 1.0 + rules.window.growth_per_s * (NOW_MS - ticket.order()) as f64 / 1_000.0
    }

    fn cost(line: &[Ticket], groups: &[Vec<usize>], rules: &Rules) -> f64 {
        let stays = |at: &usize| !groups.iter().flatten().any(|member| member == at);
        let waiting: f64 = (0..line.len()).filter(stays).map(|at| price_of(&line[at], rules)).sum();
        waiting + groups.iter().map(|group| spread(line, group) * rules.match_size() as f64 / 2.0).sum::<f64>()
    }

    fn spread(line: &[Ticket], group: &[usize]) -> f64 {
        let ratings = || group.iter().map(|&at| line[at].rating);
        ratings().fold(f64::MIN, f64::max) - ratings().fold(f64::MAX, f64::min)
    }

    fn lawful(line: &[Ticket], group: &[usize], rules: &Rules) -> bool {
        group.iter().all(|&at| spread(line, group) <= rules.window.reach(line[at].waited_ms(NOW_MS)))
    }

    /// Every set of `size` of these, in order.
    fn sets(of: &[usize], size: usize) -> Vec<Vec<usize>> {
        if size == 0 {
            return vec![Vec::new()];
        }
        let first =
            |at: usize| sets(&of[at + 1..], size - 1).into_iter().map(move |rest| [vec![of[at]], rest].concat());
        (0..of.len()).flat_map(first).collect()
    }

    /// The least cost of any way to group the tickets in `open`. Groups may lie anywhere, or, if `apart`, not overlap.
    fn optimum(line: &[Ticket], open: &[usize], rules: &Rules, apart: bool) -> f64 {
        let Some((&first, rest)) = open.split_first() else { return 0.0 };
        let mut least = price_of(&line[first], rules) + optimum(line, rest, rules, apart);
        for others in sets(rest, rules.match_size() - 1) {
            let group = [vec![first], others].concat();
            if !lawful(line, &group, rules) {
                continue;
            }
            let last = group[group.len() - 1];
            let ended = |at: usize| if apart { at > last } else { !group.contains(&at) };
            let after: Vec<usize> = rest.iter().copied().filter(|&at| ended(at)).collect();
            let passed = rest.iter().filter(|at| !group.contains(at) && !after.contains(at));
            let passed_over: f64 = passed.map(|&at| price_of(&line[at], rules)).sum();
            let here = spread(line, &group) * rules.match_size() as f64 / 2.0;
            least = least.min(here + passed_over + optimum(line, &after, rules, apart));
        }
        least
    }

    /// The tickets in the order of their ratings, and the groups of their cheapest cut.
    fn cut_of(line: &[(f64, u64)], rules: &Rules) -> (Vec<Ticket>, Vec<Vec<usize>>) {
        let candidates = solos(line);
        let mut waiting = pool::present(&candidates, rules, NOW_MS);
        let shapes = Shapes::of(rules.teams, rules.team_size, &mut waiting);
        price::put(&mut waiting, rules, NOW_MS);
        let sorted = waiting.iter().map(|ticket| candidates[ticket.index].ticket.clone()).collect();
        let mut groups = cut(&waiting, &shapes, LOOK_BACK);
        groups.iter_mut().for_each(|group| group.sort());
        (sorted, groups)
    }

    fn check_cut(line: &[(f64, u64)], rules: &Rules) {
        let (sorted, groups) = cut_of(line, rules);
        let found = cost(&sorted, &groups, rules);
        let best = optimum(&sorted, &(0..sorted.len()).collect::<Vec<_>>(), rules, true);
        assert!((found - best).abs() < 1e-6, "expected a cost of {best}, found {found} of {line:?}");
    }

    fn check_form(line: &[(f64, u64)], rules: &Rules) {
        let candidates = solos(line);
        let groups: Vec<_> = form(&candidates, rules, NOW_MS).iter().map(|group| group.teams.concat()).collect();
        let tickets: Vec<Ticket> = candidates.into_iter().map(|candidate| candidate.ticket).collect();
        let found = cost(&tickets, &groups, rules);
        let best = optimum(&tickets, &(0..tickets.len()).collect::<Vec<_>>(), rules, false);
        assert!((found - best).abs() < 1e-6, "expected a cost of {best}, found {found} of {line:?}");
    }

    /// Solos that have waited for different times, their ratings in reach of some and out of reach of others.
    fn mixed(most: usize) -> impl Strategy<Value = Vec<(f64, u64)>> {
        let one = (0_u32..1_000, 0_u64..40_000).prop_map(|(rating, waited_ms)| (f64::from(rating), waited_ms));
        prop::collection::vec(one, 0..=most)
    }

    /// Solos that have all waited for the same time.
    fn alike(most: usize) -> impl Strategy<Value = Vec<(f64, u64)>> {
        let ratings = prop::collection::vec(0_u32..1_000, 0..=most);
        (ratings, 0_u64..40_000)
            .prop_map(|(ratings, waited_ms)| ratings.into_iter().map(|rating| (f64::from(rating), waited_ms)).collect())
    }

    #[test]
    fn a_lifted_ticket_above_joins_those_who_are_close_together() {
        let line = [(1_500.0, 0), (1_510.0, 0), (3_000.0, 60_000)];
        assert_eq!(cut_of(&line, &rules(3, 1)).1, [[0, 1, 2]]);
    }

    #[test]
    fn a_ticket_past_its_deadline_joins_close_ones_above_past_one_that_is_not_close() {
        let line = [(100.0, 60_000), (1_000.0, 0), (1_500.0, 0), (1_510.0, 0)];
        assert_eq!(cut_of(&line, &rules(3, 1)).1, [[0, 2, 3]]);
    }

    proptest! {
        #[test]
        fn a_cut_costs_as_little_as_any_groups_that_do_not_overlap(line in mixed(10)) {
            check_cut(&line, &rules(2, 1));
            check_cut(&line, &rules(2, 2));
        }

        #[test]
        fn the_cheapest_groups_of_tickets_that_are_alike_are_found(line in alike(8)) {
            check_form(&line, &rules(2, 1));
            check_form(&line, &rules(2, 2));
        }
    }
}
