//! What holds for every tick, checked from the outside: the checks below know the rules, not the algorithm.

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::domain::ids::{TicketId, Unique};
use crate::domain::party::Party;
use crate::domain::window::Window;

pub const NOW_MS: u64 = 10_000_000;

/// A party of `size` that has waited `waited_ms` and was heard of just now.
pub fn candidate(number: usize, rating: f64, waited_ms: u64, size: usize) -> Candidate {
    let players = (0..size).map(|member| format!("p{number}.{member}").parse().unwrap()).collect();
    let ticket = Ticket {
        id: TicketId::new("q.eu".parse().unwrap(), Unique::from_bits(number as u128)),
        party: Party::restored(players),
        rating,
        joined_ms: NOW_MS - waited_ms,
        expires_ms: NOW_MS + 100_000,
        attempts: 0,
        push: false,
        imported: 0,
    };
    Candidate { ticket, last_seen_ms: NOW_MS }
}

/// Solos, each with its rating and waiting time.
pub fn solos(line: &[(f64, u64)]) -> Vec<Candidate> {
    line.iter().enumerate().map(|(n, &(rating, waited_ms))| candidate(n, rating, waited_ms, 1)).collect()
}

/// Parties, each with its size, all of about the same rating, and fresh.
fn parties(sizes: &[usize]) -> Vec<Candidate> {
    sizes.iter().enumerate().map(|(n, &size)| candidate(n, 1_500.0 + n as f64, 0, size)).collect()
}

pub fn rules(teams: usize, team_size: usize) -> Rules {
    Rules { teams, team_size, ..Rules::default() }
}

fn is_past_deadline(candidate: &Candidate, rules: &Rules) -> bool {
    NOW_MS - candidate.ticket.joined_ms >= rules.window.deadline_ms
}

/// Whether these may play together, by the letter of the rule.
fn may_meet(members: &[&Candidate], rules: &Rules) -> bool {
    let bound: Vec<_> = members.iter().filter(|member| !is_past_deadline(member, rules)).collect();
    bound.iter().all(|a| {
        let Window { initial, growth_per_s, cap, .. } = rules.window;
        let reach = cap.min(initial + growth_per_s * (NOW_MS - a.ticket.joined_ms) as f64 / 1_000.0);
        bound.iter().all(|b| bound.iter().all(|c| b.ticket.rating - c.ticket.rating <= reach))
    })
}

fn may_be_matched(candidate: &Candidate, rules: &Rules) -> bool {
    let heard_of = NOW_MS.saturating_sub(candidate.last_seen_ms) <= rules.presence_ms;
    heard_of && candidate.ticket.expires_ms > NOW_MS && candidate.ticket.party.size() <= rules.team_size
}

fn check_lawful(candidates: &[Candidate], rules: &Rules, groups: &[Group]) {
    let mut seen = vec![false; candidates.len()];
    for group in groups {
        assert_eq!(group.teams.len(), rules.teams, "{group:?}");
        for team in &group.teams {
            let players: usize = team.iter().map(|&at| candidates[at].ticket.party.size()).sum();
            assert_eq!(players, rules.team_size, "{group:?}");
        }
        let indices = group.teams.concat();
        for &at in &indices {
            assert!(!std::mem::replace(&mut seen[at], true), "{at} twice: {groups:?}");
            assert!(may_be_matched(&candidates[at], rules), "{:?}", candidates[at]);
        }
        let members: Vec<_> = indices.iter().map(|&at| &candidates[at]).collect();
        assert!(may_meet(&members, rules), "outside of a window: {members:?}");
        let ratings = || members.iter().map(|member| member.ticket.rating);
        assert_eq!(group.spread, ratings().fold(f64::MIN, f64::max) - ratings().fold(f64::MAX, f64::min));
        let mean = |team: &Vec<usize>| {
            let tickets = team.iter().map(|&at| &candidates[at].ticket);
            tickets.map(|ticket| ticket.rating * ticket.party.size() as f64).sum::<f64>() / rules.team_size as f64
        };
        let means: Vec<f64> = group.teams.iter().map(mean).collect();
        let gap = means.iter().fold(f64::MIN, |a, b| a.max(*b)) - means.iter().fold(f64::MAX, |a, b| a.min(*b));
        assert!((group.gap - gap).abs() < 1e-6, "expected a gap of {gap}, found {group:?}");
    }
}

/// Who plays with whom, by id, in no particular order.
fn by_id(candidates: &[Candidate], groups: &[Group]) -> Vec<Vec<Vec<String>>> {
    let id = |at: &usize| candidates[*at].ticket.id.to_string();
    let sorted = |mut list: Vec<String>| {
        list.sort();
        list
    };
    let teams = |group: &Group| {
        let mut teams: Vec<_> = group.teams.iter().map(|team| sorted(team.iter().map(id).collect())).collect();
        teams.sort();
        teams
    };
    groups.iter().map(teams).collect()
}

fn matched(groups: &[Group]) -> Vec<usize> {
    let mut all: Vec<usize> = groups.iter().flat_map(|group| group.teams.concat()).collect();
    all.sort();
    all
}

/// Whether a lawful group can be made of these that has all of `with`, by trying every set of them.
fn a_group_exists(candidates: &[Candidate], among: &[usize], with: &[usize], rules: &Rules) -> bool {
    (0_u32..1 << among.len()).any(|set| {
        let chosen: Vec<usize> = (0..among.len()).filter(|bit| set & (1 << bit) != 0).map(|bit| among[bit]).collect();
        let members: Vec<_> = chosen.iter().map(|&at| &candidates[at]).collect();
        let sizes: Vec<usize> = members.iter().map(|member| member.ticket.party.size()).collect();
        with.iter().all(|at| chosen.contains(at))
            && sizes.iter().sum::<usize>() == rules.match_size()
            && may_meet(&members, rules)
            && fills(&sizes, &mut vec![rules.team_size; rules.teams])
    })
}

fn fills(sizes: &[usize], free: &mut [usize]) -> bool {
    let Some((&size, rest)) = sizes.split_first() else { return true };
    (0..free.len()).any(|team| {
        if free[team] < size {
            return false;
        }
        free[team] -= size;
        let fits = fills(rest, free);
        free[team] += size;
        fits
    })
}

#[rstest]
#[case::nobody(&[], 0)]
#[case::one_too_few(&[1; 9], 0)]
#[case::just_enough(&[1; 10], 1)]
#[case::one_too_many(&[1; 11], 1)]
#[case::three_matches(&[1; 30], 3)]
#[case::three_two_against_two_two_one(&[3, 1, 2, 2, 2], 1)]
#[case::the_same_in_another_order(&[2, 1, 3, 2, 2], 1)]
#[case::threes_and_twos_only(&[2, 2, 2, 3, 3], 1)]
#[case::two_full_teams(&[5, 5], 1)]
#[case::fours_wait_for_solos(&[4, 4, 2, 2, 2], 0)]
#[case::fours_meet_solos(&[4, 2, 1, 2, 4, 1, 2], 1)]
#[case::threes_do_not_fill_a_five(&[3, 3, 3, 1], 0)]
#[case::larger_than_a_team(&[6, 4], 0)]
fn parties_stay_whole_and_fill_the_teams(#[case] sizes: &[usize], #[case] matches: usize) {
    let (candidates, rules) = (parties(sizes), rules(2, 5));
    let groups = form(&candidates, &rules, NOW_MS);
    check_lawful(&candidates, &rules, &groups);
    assert_eq!(groups.len(), matches, "{groups:?}");
}

#[rstest]
#[case::among_others(&[4, 2, 1, 1, 3], 2)]
#[case::where_all_do(&[4, 4, 4], 3)]
fn a_party_that_fills_the_only_team_needs_nobody(#[case] sizes: &[usize], #[case] matches: usize) {
    let (candidates, rules) = (parties(sizes), rules(1, 4));
    let groups = form(&candidates, &rules, NOW_MS);
    check_lawful(&candidates, &rules, &groups);
    assert_eq!(groups.len(), matches, "{groups:?}");
}

#[rstest]
#[case::both_there(0, 1, 1)]
#[case::last_heard_of_at_the_bound(15_000, 1, 1)]
#[case::absent_a_moment_longer(15_001, 1, 0)]
#[case::expires_now(0, 0, 0)]
#[case::expires_in_a_moment(0, 1, 1)]
fn only_the_present_and_unexpired_are_matched(#[case] silent_ms: u64, #[case] left_ms: u64, #[case] matches: usize) {
    let mut candidates = solos(&[(1_500.0, 1_000), (1_500.0, 1_000)]);
    candidates[1].last_seen_ms = NOW_MS - silent_ms;
    candidates[1].ticket.expires_ms = NOW_MS + left_ms;
    assert_eq!(form(&candidates, &rules(2, 1), NOW_MS).len(), matches);
}

#[rstest]
#[case::within_both(50.0, 0, 0, 1)]
#[case::outside_both(50.001, 0, 0, 0)]
#[case::the_narrower_window_counts(51.0, 0, 40_000, 0)]
#[case::both_have_grown(60.0, 1_000, 1_000, 1)]
#[case::at_the_cap(500.0, 59_999, 59_999, 1)]
#[case::beyond_the_cap(500.001, 59_999, 59_999, 0)]
#[case::the_deadline_lifts_the_cap(1_400.0, 60_000, 60_000, 1)]
#[case::a_ticket_past_its_deadline_meets_fresh_ones(1_400.0, 60_000, 0, 1)]
fn two_meet_within_both_windows(#[case] apart: f64, #[case] a_ms: u64, #[case] b_ms: u64, #[case] matches: usize) {
    let candidates = solos(&[(1_500.0, a_ms), (1_500.0 + apart, b_ms)]);
    assert_eq!(form(&candidates, &rules(2, 1), NOW_MS).len(), matches);
}

#[rstest]
#[case::nearest(&[(1_500.0, 0), (1_540.0, 0), (1_510.0, 0)], &[0, 2])]
#[case::oldest_of_equals(&[(1_500.0, 9_000), (1_510.0, 5_000), (1_490.0, 1_000)], &[0, 1])]
#[case::older_ones_around_a_fresh_one(&[(1_500.0, 20_000), (1_501.0, 0), (1_502.0, 20_000)], &[0, 2])]
#[case::a_narrow_one_is_passed_over(&[(1_500.0, 20_000), (1_600.0, 0), (1_700.0, 20_000)], &[0, 2])]
fn one_of_three_stays(#[case] line: &[(f64, u64)], #[case] together: &[usize]) {
    assert_eq!(matched(&form(&solos(line), &rules(2, 1), NOW_MS)), together);
}

#[test]
fn more_matches_are_better_than_one_even_match() {
    let candidates = solos(&[(1_500.0, 0), (1_549.0, 0), (1_550.0, 0), (1_599.0, 0)]);
    let groups = form(&candidates, &rules(2, 1), NOW_MS);
    assert_eq!(groups.iter().map(|group| group.spread).collect::<Vec<_>>(), [49.0, 49.0]);
}

#[test]
fn two_fresh_ones_within_a_gap_of_two_old_ones_keep_nobody_from_playing() {
    let candidates = solos(&[(1_500.0, 30_000), (1_580.0, 0), (1_590.0, 0), (1_670.0, 30_000)]);
    assert_eq!(form(&candidates, &rules(2, 1), NOW_MS).len(), 2);
}

#[test]
fn a_fallen_match_moves_a_ticket_forward_but_widens_no_window() {
    let mut candidates = solos(&[(1_490.0, 0), (1_500.0, 0), (1_510.0, 0)]);
    candidates[0].ticket.attempts = 1;
    candidates[2].ticket.attempts = 1;
    assert_eq!(matched(&form(&candidates, &rules(2, 1), NOW_MS)), [0, 2]);
    candidates[2].ticket.rating = 1_540.001;
    assert_eq!(matched(&form(&candidates, &rules(2, 1), NOW_MS)), [0, 1]);
}

#[test]
fn the_group_of_the_earliest_comes_first() {
    let candidates =
        solos(&[(1_000.0, 0), (1_000.0, 1_000), (2_000.0, 9_000), (2_000.0, 0), (1_500.0, 0), (1_500.0, 5_000)]);
    let groups = form(&candidates, &rules(2, 1), NOW_MS);
    assert_eq!(
        groups.iter().map(|group| matched(std::slice::from_ref(group))).collect::<Vec<_>>(),
        [[2, 3], [4, 5], [0, 1]]
    );
}

#[test]
fn a_rating_that_is_no_number_waits_alone() {
    let candidates = solos(&[(f64::NAN, 70_000), (1_500.0, 0), (1_500.0, 0), (f64::INFINITY, 70_000)]);
    assert_eq!(matched(&form(&candidates, &rules(2, 1), NOW_MS)), [1, 2]);
}

#[rstest]
#[case::as_it_was(0)]
#[case::back_in_the_line_meanwhile(1)]
fn a_ticket_that_the_snapshot_shows_twice_does_not_play_itself(#[case] attempts: u32) {
    let mut candidates = solos(&[(1_500.0, 3_000), (1_500.0, 2_000), (1_500.0, 1_000)]);
    let mut again = candidates[1].clone();
    again.ticket.attempts = attempts;
    assert_eq!(form(&[candidates[1].clone(), again.clone()], &rules(2, 1), NOW_MS), []);
    candidates.push(again);
    let groups = form(&candidates, &rules(2, 1), NOW_MS);
    assert_eq!(groups.len(), 1);
    assert!(matched(&groups) != [1, 3]);
}

#[test]
fn rules_that_no_deployment_may_have_form_nothing() {
    for (teams, team_size) in [(0, 0), (1, 1), (2, 0), (2, 17)] {
        assert_eq!(form(&solos(&[(1_500.0, 0); 40]), &rules(teams, team_size), NOW_MS), []);
    }
}

/// Plays a stream of fresh players, enough for two matches in each tick and all of about 1500, around one outlier. When
/// the outlier is matched.
fn outlier_matched_after_ms(rules: &Rules, rating: f64, tick_ms: u64) -> Option<u64> {
    let mut waiting = vec![candidate(0, rating, 0, 1)];
    let mut number = 0;
    for now_ms in (NOW_MS..=NOW_MS + 2 * rules.window.deadline_ms).step_by(tick_ms as usize) {
        for _ in 0..2 * rules.match_size() {
            number += 1;
            let mut fresh = candidate(number, 1_480.0 + (number * 7 % 40) as f64, 0, 1);
            fresh.ticket.joined_ms = now_ms;
            waiting.push(fresh);
        }
        waiting.iter_mut().for_each(|candidate| {
            candidate.last_seen_ms = now_ms;
            candidate.ticket.expires_ms = now_ms + 1;
        });
        let matched = matched(&form(&waiting, rules, now_ms));
        if matched.contains(&0) {
            return Some(now_ms - NOW_MS);
        }
        assert!(!matched.is_empty(), "nobody played at {now_ms}");
        let mut at = 0;
        waiting.retain(|_| {
            at += 1;
            !matched.contains(&(at - 1))
        });
    }
    None
}

#[rstest]
#[case::above(2, 1, 3_000.0)]
#[case::below(2, 1, 100.0)]
#[case::above_in_teams(2, 5, 3_000.0)]
#[case::below_in_teams(2, 5, 100.0)]
#[case::free_for_all(8, 1, 3_000.0)]
fn an_outlier_among_fresh_players_is_matched_at_its_deadline(
    #[case] teams: usize,
    #[case] team_size: usize,
    #[case] rating: f64,
) {
    let rules = rules(teams, team_size);
    assert_eq!(outlier_matched_after_ms(&rules, rating, 500), Some(rules.window.deadline_ms));
}

#[test]
fn a_ticket_past_its_deadline_is_served_though_its_neighbours_are_far_apart() {
    let line = [(1_000.0, 0), (1_010.0, 0), (1_020.0, 0), (2_000.0, 0), (3_000.0, 60_000), (4_000.0, 0)];
    let groups = form(&solos(&line), &rules(2, 2), NOW_MS);
    assert_eq!(matched(&groups), [0, 1, 2, 4]);
}

#[test]
fn a_ticket_past_its_deadline_is_served_though_those_it_needs_would_play_without_it() {
    let line = [(990.0, 0), (1_000.0, 0), (1_010.0, 0), (1_020.0, 0), (2_000.0, 0), (3_000.0, 60_000), (4_000.0, 0)];
    let groups = form(&solos(&line), &rules(2, 2), NOW_MS);
    assert_eq!(matched(&groups), [1, 2, 3, 5]);
}

#[test]
fn a_later_ticket_past_its_deadline_is_served_from_those_left_over() {
    let earlier = [candidate(0, 100.0, 70_000, 2), candidate(1, 100.0, 70_000, 2)];
    let others = [candidate(2, 1_380.0, 7_000, 1), candidate(3, 1_500.0, 7_000, 1), candidate(4, 1_621.0, 0, 1)];
    let candidates = [&earlier[..], &others, &[candidate(5, 2_524.0, 60_000, 2)]].concat();
    assert_eq!(matched(&form(&candidates, &rules(2, 2), NOW_MS)), [0, 1, 2, 3, 5]);
}

#[test]
fn of_two_tickets_past_their_deadlines_the_earlier_is_served_however_far_off_it_is() {
    let line = [(1_500.0, 60_000), (1_501.0, 60_000), (9_000.0, 61_000)];
    assert_eq!(matched(&form(&solos(&line), &rules(2, 1), NOW_MS)), [1, 2]);
}

fn any_rules() -> impl Strategy<Value = Rules> {
    let sizes = prop::sample::select(vec![(2, 1), (2, 2), (2, 3), (2, 5), (3, 2), (4, 1), (1, 4)]);
    sizes.prop_map(|(teams, team_size)| rules(teams, team_size))
}

/// Candidates whose ratings, waits and sizes make groups likely and edges common.
fn any_candidates(rules: &Rules, waited_ms_max: u64, most: usize) -> impl Strategy<Value = Vec<Candidate>> + use<> {
    let (team_size, presence_ms) = (rules.team_size, rules.presence_ms);
    let rating = prop_oneof![8 => 1_300_u32..1_700, 2 => Just(1_500), 1 => 0_u32..3_000];
    let size = prop_oneof![1 => Just(1), 1 => 1..=team_size + 1];
    // Fresh tickets of the same rating are told apart by nothing but their ids.
    let waited_ms = prop_oneof![1 => Just(0), 3 => 0..=waited_ms_max];
    let one = (rating, waited_ms, size, 0_u32..3, 0_u8..20);
    prop::collection::vec(one, 0..=most).prop_map(move |list| {
        let build = |(number, (rating, waited_ms, size, attempts, fate))| {
            let mut built = candidate(number, f64::from(rating), waited_ms, size);
            built.ticket.attempts = attempts;
            match fate {
                0 => built.last_seen_ms = NOW_MS - presence_ms - 1,
                1 => built.last_seen_ms = NOW_MS - presence_ms,
                2 => built.ticket.expires_ms = NOW_MS,
                _ => {}
            }
            built
        };
        list.into_iter().enumerate().map(build).collect()
    })
}

fn any_pool(waited_ms_max: u64, most: usize) -> impl Strategy<Value = (Rules, Vec<Candidate>)> {
    any_rules().prop_flat_map(move |rules| (Just(rules.clone()), any_candidates(&rules, waited_ms_max, most)))
}

proptest! {
    #[test]
    fn every_group_is_full_whole_present_and_within_all_windows((rules, candidates) in any_pool(80_000, 120)) {
        check_lawful(&candidates, &rules, &form(&candidates, &rules, NOW_MS));
    }

    #[test]
    fn the_order_of_the_input_makes_no_difference(
        ((rules, candidates), shuffled) in any_pool(80_000, 60).prop_flat_map(|(rules, candidates)| {
            (Just((rules, candidates.clone())), Just(candidates).prop_shuffle())
        }),
    ) {
        let (one, other) = (form(&candidates, &rules, NOW_MS), form(&shuffled, &rules, NOW_MS));
        prop_assert_eq!(by_id(&candidates, &one), by_id(&shuffled, &other));
        prop_assert_eq!(one, form(&candidates, &rules, NOW_MS));
    }

    #[test]
    fn nobody_stays_who_could_still_play((rules, candidates) in any_pool(80_000, 12)) {
        let groups = form(&candidates, &rules, NOW_MS);
        let matched = matched(&groups);
        let left: Vec<usize> = (0..candidates.len())
            .filter(|at| !matched.contains(at) && may_be_matched(&candidates[*at], &rules))
            .collect();
        prop_assert!(!a_group_exists(&candidates, &left, &[], &rules), "{left:?} of {candidates:?}");
    }

    #[test]
    fn the_earliest_ticket_past_its_deadline_is_served_if_any_group_with_it_may_be_formed(
        (rules, candidates) in any_pool(120_000, 10),
    ) {
        let present: Vec<usize> =
            (0..candidates.len()).filter(|&at| may_be_matched(&candidates[at], &rules)).collect();
        let past_deadline = present.iter().copied().filter(|&at| is_past_deadline(&candidates[at], &rules));
        let earliest = past_deadline.min_by_key(|&at| {
            let ticket = &candidates[at].ticket;
            (ticket.order(), (ticket.rating * 1_000.0) as u64, ticket.id.clone())
        });
        if let Some(earliest) = earliest
            && a_group_exists(&candidates, &present, &[earliest], &rules)
        {
            let groups = form(&candidates, &rules, NOW_MS);
            prop_assert!(matched(&groups).contains(&earliest), "{earliest} of {candidates:?}: {groups:?}");
        }
    }
}
