//! What groups and waiting cost, in one unit: player-points, a rating point borne by one player.
//!
//! - A group of G players costs `G / 2 * spread`: half the spread is how far a player may be off the middle of the
//!   group. For 1v1 that is the difference of the two ratings.
//! - A player who stays costs [`base`] and, for each second of waiting, [`per_second`]. The rules name both rates of
//!   exchange themselves. No lawful spread is wider than the cap, so that a base of a cap per player makes a group
//!   always better than leaving its members to wait. And a window grows by so many points per second, so that is what a
//!   second is worth: an older ticket is preferred to one that is closer by less than this.
//! - Leaving out a ticket past its deadline costs more than all there is to lose without it, and leaving out the earliest of
//!   them more than all other tickets together.
//!
//! Patience, once it comes, lowers the price of a fresh ticket so far that a wide spread is not worth it yet.

use super::super::queue::Rules;
use super::pool::Waiting;

/// Least price of a player who stays: one point, so that a group is better than none where the cap is zero.
const BASE_POINTS_MIN: f64 = 1.0;
/// Least price of a second, so that the oldest comes first where windows do not grow.
const POINTS_PER_S_MIN: f64 = 1.0;

/// Price of leaving a player who has not waited at all.
fn base(rules: &Rules) -> f64 {
    rules.window.cap + BASE_POINTS_MIN
}

/// Price of each second that a player has waited.
fn per_second(rules: &Rules) -> f64 {
    rules.window.growth_per_s.max(POINTS_PER_S_MIN)
}

/// Cost of a group of `match_size` players with this spread.
pub fn of_spread(match_size: usize, spread: f64) -> f64 {
    match_size as f64 / 2.0 * spread
}

/// Puts its price on every ticket of a pool sorted by rating.
pub fn put(waiting: &mut [Waiting], rules: &Rules, now_ms: u64) {
    let (Some(first), Some(last)) = (waiting.first(), waiting.last()) else { return };
    let widest = of_spread(rules.match_size(), last.rating - first.rating);
    let (base, per_second) = (base(rules), per_second(rules));
    for ticket in waiting.iter_mut() {
        let waited_s = now_ms.saturating_sub(ticket.order) as f64 / 1_000.0;
        ticket.price = ticket.size as f64 * (base + per_second * waited_s);
    }
    let within_deadline: f64 =
        waiting.iter().filter(|ticket| !ticket.is_past_deadline()).map(|ticket| ticket.price).sum();
    for ticket in waiting.iter_mut().filter(|ticket| ticket.is_past_deadline()) {
        ticket.price += ticket.size as f64 * (widest + within_deadline);
    }
    if let Some(earliest) = earliest_past_deadline(waiting) {
        above_all(waiting, earliest);
    }
}

/// The ticket past its deadline that is earliest in line.
pub fn earliest_past_deadline(waiting: &[Waiting]) -> Option<usize> {
    (0..waiting.len()).filter(|&at| waiting[at].is_past_deadline()).min_by_key(|&at| waiting[at].order)
}

/// Makes leaving out the ticket at `at` cost more than all other tickets together.
pub fn above_all(waiting: &mut [Waiting], at: usize) {
    waiting[at].price += waiting.iter().map(|ticket| ticket.price).sum::<f64>();
}

#[cfg(test)]
mod tests {
    use super::super::pool;
    use super::super::tests::{NOW_MS, candidate, rules};
    use super::*;

    fn prices(tickets: &[(f64, u64, usize)], rules: &Rules) -> Vec<f64> {
        let candidates: Vec<_> =
            (0..).zip(tickets).map(|(n, &(rating, waited_ms, size))| candidate(n, rating, waited_ms, size)).collect();
        let mut waiting = pool::present(&candidates, rules, NOW_MS);
        put(&mut waiting, rules, NOW_MS);
        waiting.iter().map(|ticket| ticket.price).collect()
    }

    #[test]
    fn a_player_costs_a_cap_and_the_growth_of_a_window_for_each_second() {
        assert_eq!(prices(&[(1.0, 0, 1), (2.0, 3_000, 1), (3.0, 3_000, 2)], &rules(2, 2)), [501.0, 531.0, 1_062.0]);
    }

    #[test]
    fn a_group_at_the_cap_costs_less_than_its_players_waiting() {
        for rules in [rules(2, 1), rules(2, 5), rules(8, 4)] {
            let size = rules.match_size();
            assert!(of_spread(size, rules.window.cap) < size as f64 * base(&rules));
        }
    }

    #[test]
    fn the_oldest_costs_most_where_windows_do_not_grow() {
        let mut still = rules(2, 1);
        still.window.growth_per_s = 0.0;
        assert_eq!(prices(&[(1.0, 0, 1), (2.0, 3_000, 1)], &still), [501.0, 504.0]);
    }

    #[test]
    fn a_ticket_past_its_deadline_costs_more_than_all_within_and_the_earliest_more_than_all_others() {
        let line =
            [(0.0, 70_000, 1), (1_400.0, 50_000, 1), (1_500.0, 0, 1), (3_000.0, 60_000, 1), (9_000.0, 65_000, 1)];
        let rules = rules(2, 2);
        let prices = prices(&line, &rules);
        let within_deadline = prices[1] + prices[2] + of_spread(4, 9_000.0);
        assert!(prices[3] > within_deadline && prices[4] > prices[3], "{prices:?}");
        assert!(prices[0] > prices[1..].iter().sum::<f64>(), "{prices:?}");
    }
}
