use proptest::prelude::*;
use rstest::rstest;

use super::*;

const DAY_MS: u64 = 24 * 3_600_000;

fn rating(value: f64, deviation: f64) -> Rating {
    Rating { value, deviation, volatility: VOLATILITY_DEFAULT }
}

#[test]
fn glicko2_moves_a_player_as_its_author_works_it_out() {
    // Glickman's example, its three games as one match of a player of 1500 against each: a rating of 1464.06, a deviation of 151.52.
    let player = rating(1_500.0, 200.0);
    let opponents = [rating(1_400.0, 30.0), rating(1_550.0, 100.0), rating(1_700.0, 300.0)];
    let mut sides = vec![vec![player]];
    sides.extend(opponents.map(|opponent| vec![opponent]));
    let after = RatingSystem::Glicko2.rate(&sides, &[2, 3, 1, 1]);
    assert!((after[0][0].value - 1_464.06).abs() < 0.02, "{:?}", after[0][0]);
    assert!((after[0][0].deviation - 151.52).abs() < 0.02, "{:?}", after[0][0]);
}

#[rstest]
#[case::weng_lin(RatingSystem::WengLin)]
#[case::trueskill(RatingSystem::TrueSkill)]
#[case::glicko2(RatingSystem::Glicko2)]
fn a_stronger_player_gains_less_by_winning_and_loses_more_by_losing(#[case] system: RatingSystem) {
    let (strong, weak) = (rating(1_700.0, 80.0), rating(1_500.0, 80.0));
    let gain = |ranks: &[u32]| {
        let after = system.rate(&[vec![strong], vec![weak]], ranks);
        [after[0][0].value - strong.value, after[1][0].value - weak.value]
    };
    let ([won, _], [lost, gained]) = (gain(&[1, 2]), gain(&[2, 1]));
    assert!(won > 0.0 && lost < -won && gained > won, "{system:?}: {won} {lost} {gained}");
}

#[test]
fn a_deviation_widens_while_a_player_does_not_play_and_no_further_than_an_unknown_ones() {
    let settled = rating(1_800.0, 60.0);
    assert_eq!(settled.idle(0), settled);
    let year = settled.idle(365 * DAY_MS);
    assert!((year.deviation - 107.1).abs() < 1.0 && year.value == 1_800.0, "{year:?}");
    let in_steps = (0..365).fold(settled, |rating, _| rating.idle(DAY_MS));
    assert!((in_steps.deviation - year.deviation).abs() < 0.05, "often or at once is the same: {in_steps:?}");
    assert_eq!(settled.idle(u64::MAX).deviation, DEVIATION_MAX);
}

#[test]
fn what_is_no_number_is_bounded_before_it_is_kept() {
    let wild = Rating { value: f64::NAN, deviation: f64::INFINITY, volatility: f64::NAN };
    assert_eq!(wild.bounded(), rating(0.0, DEVIATION_MAX));
    let far = Rating { value: f64::INFINITY, deviation: 0.0, volatility: 9.0 }.bounded();
    assert_eq!((far.value, far.deviation, far.volatility), (RATING_MAX, DEVIATION_MIN, VOLATILITY_MAX));
    let least = Rating { value: -f64::INFINITY, deviation: -1.0, volatility: 0.0 }.bounded();
    assert_eq!((least.value, least.deviation, least.volatility), (-RATING_MAX, DEVIATION_MIN, VOLATILITY_MIN));
}

#[test]
fn sources_and_systems_read_back_and_a_claims_name_ends_at_its_bound() {
    for system in RatingSystem::ALL {
        assert_eq!(RatingSystem::from_text(system.as_str()), Some(system));
    }
    assert_eq!(RatingSystem::from_text("elo"), None);
    let claim = |bytes: usize| RatingFrom::from_text(&format!("claim:{}", "c".repeat(bytes)));
    assert!(claim(CLAIM_NAME_BYTES_MAX).is_some() && claim(CLAIM_NAME_BYTES_MAX + 1).is_none());
    assert_eq!(RatingFrom::from_text("phone"), None);
}

#[test]
fn a_match_without_two_sides_moves_nobody() {
    let alone = vec![vec![rating(1_500.0, 100.0)]];
    assert_eq!(RatingSystem::Glicko2.rate(&alone, &[1]), alone);
    let empty = vec![vec![rating(1_500.0, 100.0)], vec![]];
    assert_eq!(RatingSystem::WengLin.rate(&empty, &[1, 2]), empty);
}

fn any_system() -> impl Strategy<Value = RatingSystem> {
    proptest::sample::select(RatingSystem::ALL.to_vec())
}

fn any_rating() -> impl Strategy<Value = Rating> {
    (0.0..3_000.0, DEVIATION_MIN..DEVIATION_MAX, 0.03..0.12)
        .prop_map(|(value, deviation, volatility)| Rating { value, deviation, volatility }.bounded())
}

/// Two to four sides of equal size, and a rank for each.
fn any_match() -> impl Strategy<Value = (Vec<Vec<Rating>>, Vec<u32>)> {
    (2_usize..=4, 1_usize..=5).prop_flat_map(|(sides, size)| {
        let side = proptest::collection::vec(any_rating(), size);
        (proptest::collection::vec(side, sides), proptest::collection::vec(1_u32..=4, sides))
    })
}

/// Ratings that no player has, and that a mistake may bring all the same.
fn extreme() -> impl Strategy<Value = Rating> {
    let wild = || {
        proptest::sample::select(vec![
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::MAX,
            f64::MIN,
            0.0,
            -0.0,
            1e-300,
            1e6,
            -1e6,
            5_000.0,
            350.0,
            0.06,
        ])
    };
    (wild(), wild(), wild()).prop_map(|(value, deviation, volatility)| Rating { value, deviation, volatility })
}

proptest! {
    #[test]
    fn no_number_in_however_wild_brings_one_out_that_is_none(
        system in any_system(),
        sides in proptest::collection::vec(proptest::collection::vec(extreme(), 1..=16), 2..=4),
        ranks in proptest::collection::vec(proptest::sample::select(vec![0, 1, 2, u32::MAX]), 4),
    ) {
        let after = system.rate(&sides, &ranks[..sides.len()]);
        for rating in after.iter().flatten() {
            prop_assert!(rating.value.abs() <= RATING_MAX, "{rating:?}");
            prop_assert!((DEVIATION_MIN..=DEVIATION_MAX).contains(&rating.deviation), "{rating:?}");
            prop_assert!((VOLATILITY_MIN..=VOLATILITY_MAX).contains(&rating.volatility), "{rating:?}");
        }
    }

    /// A better rank for one side, the others unchanged, is never worse for it.
    #[test]
    fn a_better_result_never_gives_a_lower_rating(system in any_system(), (sides, ranks) in any_match(), own in 0_usize..4) {
        let own = own % sides.len();
        let values = |rank: u32| -> Vec<f64> {
            let mut ranks: Vec<u32> = ranks.iter().map(|rank| rank * 2).collect();
            ranks[own] = rank;
            system.rate(&sides, &ranks)[own].iter().map(|rating| rating.value).collect()
        };
        // From before the best of the others to behind the last, draws between.
        for rank in 1..9 {
            for (better, worse) in values(rank).iter().zip(values(rank + 1)) {
                // TrueSkill's graph of many sides is solved up to a tolerance.
                prop_assert!(*better >= worse - 0.02, "rank {rank}: {better} and {worse}");
            }
        }
    }

    /// Two sides of equally uncertain players: what one side gains the other loses. Glicko-2 has it for one against one.
    #[test]
    fn two_equally_certain_sides_exchange_what_they_win(
        system in any_system(),
        size in 1_usize..=5,
        values in proptest::collection::vec(1_000.0..2_000.0, 10),
        deviation in DEVIATION_MIN..DEVIATION_MAX,
        ranks in proptest::sample::select(vec![[1, 2], [2, 1], [1, 1]]),
    ) {
        let size = if system == RatingSystem::Glicko2 { 1 } else { size };
        let side = |from: usize| values[from..from + size].iter().map(|v| rating(*v, deviation).bounded()).collect::<Vec<_>>();
        let before = [side(0), side(size)];
        let after = system.rate(&before, &ranks);
        let sum = |sides: &[Vec<Rating>]| sides.iter().flatten().map(|rating| rating.value).sum::<f64>();
        // Each player is kept to a thousandth.
        prop_assert!((sum(&after) - sum(&before)).abs() <= 0.001 * 2.0 * size as f64, "{before:?} {after:?}");
    }

    /// Of uncertain sides, what each gained, weighted by how certain it was, adds up to nothing: Weng and Lin, section 3.
    #[test]
    fn weng_lin_moves_the_less_certain_further_and_the_weighted_sum_is_nought(
        values in proptest::collection::vec(1_000.0..2_000.0, 6),
        deviations in proptest::collection::vec(60.0..DEVIATION_MAX, 6),
        ranks in proptest::sample::select(vec![[1, 2], [2, 1], [1, 1]]),
    ) {
        let players: Vec<Rating> = values.iter().zip(&deviations).map(|(v, d)| rating(*v, *d).bounded()).collect();
        let before = [players[..3].to_vec(), players[3..].to_vec()];
        let after = RatingSystem::WengLin.rate(&before, &ranks);
        let weighted: f64 = before.iter().flatten().zip(after.iter().flatten())
            .map(|(before, after)| (after.value - before.value) / before.deviation.powi(2)).sum();
        prop_assert!(weighted.abs() <= 6.0 * 0.001 / 60.0_f64.powi(2), "{weighted}");
    }

    /// Changes add up to the same in any order, and can be taken back.
    #[test]
    fn changes_commute_and_are_taken_back(start in any_rating(), ends in proptest::collection::vec(any_rating(), 2)) {
        let middle = rating(1_500.0, 120.0);
        let [one, two] = [ends[0], ends[1]].map(|end| {
            // As far as results move a rating, not out of the bounds.
            Change { value: end.value - 1_500.0, deviation: 0.9 + end.volatility, volatility: 1.0 + end.volatility / 10.0, games: 1 }
        });
        let start = Rating { deviation: start.deviation.clamp(60.0, 250.0), ..start };
        let (first, second) = (two.of(one.of(start)), one.of(two.of(start)));
        prop_assert!((first.value - second.value).abs() <= 0.002 && (first.deviation - second.deviation).abs() <= 0.002);
        let back = Change::NONE.beyond(one).of(one.of(start));
        prop_assert!((back.value - start.value).abs() <= 0.002 && (back.deviation - start.deviation).abs() <= 0.002);
        prop_assert_eq!(Change::between(middle, start).of(middle), start.bounded());
    }
}
