//! Stored ratings of ten thousand players over 200,000 results: 100,000 duels, twenty for each player, in the order in which they
//! are played and in another one.

use fastrand::Rng;
use futures::FutureExt;
use muster::domain::Rating;
use muster::ports::Clock;
use muster::usecases::replay::replay;
use muster_simulation::{Arena, Duel, rank_correlation};

const PLAYERS: usize = 10_000;
const DUELS: usize = 100_000;
/// Each player plays once in each of them.
const ROUNDS: usize = 2 * DUELS / PLAYERS;
const SEED: u64 = 20_261_125;
/// A round is an evening.
const ROUND_MS: u64 = 6 * 3_600_000;

fn values(ratings: &[Rating]) -> Vec<f64> {
    ratings.iter().map(|rating| rating.value).collect()
}

#[test]
fn stored_ratings_find_out_who_is_strong_and_the_order_of_results_hardly_matters() {
    let run = async {
        let (first, mut rng) = (Arena::new(PLAYERS, SEED), Rng::with_seed(SEED + 1));
        let (mut rounds, mut halfway): (Vec<Vec<Duel>>, f64) = (Vec::new(), 0.0);
        for round in 0..ROUNDS {
            let ratings = first.ratings().await.unwrap();
            if round == ROUNDS / 2 {
                halfway = rank_correlation(first.strengths(), &values(&ratings));
            }
            let duels = first.pair(&ratings, round * PLAYERS / 2, &mut rng);
            first.play(&duels).await.unwrap();
            first.clock.sleep_ms(ROUND_MS).await;
            rounds.push(duels);
        }
        let ratings = first.ratings().await.unwrap();
        let end = rank_correlation(first.strengths(), &values(&ratings));
        println!(
            "ratings: {PLAYERS} players, {DUELS} results: rank correlation {halfway:.4} after 10 games each, {end:.4} after 20"
        );
        assert!(
            halfway >= 0.9 && end >= halfway,
            "expected 0.9 after 20 games each and more after 40: {halfway} {end}"
        );

        // Another lawful order: the results of two evenings come in mixed, as slow backends and retries have it.
        let second = Arena::new(PLAYERS, SEED);
        for two in rounds.chunks(2) {
            let mut mixed = two.concat();
            rng.shuffle(&mut mixed);
            second.play(&mixed).await.unwrap();
            second.clock.sleep_ms(2 * ROUND_MS).await;
        }
        let other = second.ratings().await.unwrap();
        let gaps: Vec<f64> = ratings.iter().zip(&other).map(|(one, two)| (one.value - two.value).abs()).collect();
        let (mean, largest) = (gaps.iter().sum::<f64>() / PLAYERS as f64, gaps.iter().copied().fold(0.0, f64::max));
        let deviation = ratings.iter().map(|rating| rating.deviation).sum::<f64>() / PLAYERS as f64;
        let agree = rank_correlation(&values(&ratings), &values(&other));
        println!(
            "ratings: in another order off by {mean:.1} on average and {largest:.1} at most, of a mean deviation of \
             {deviation:.1}; rank correlation {agree:.4}"
        );
        // The system itself is surer of no player than that.
        assert!(mean <= deviation / 4.0 && largest <= deviation, "{mean} {largest} of {deviation}");
        assert!(agree >= 0.99, "{agree}");

        // What was reported in order is what a replay finds.
        let results = first.results().await.unwrap();
        let replayed = replay(&results, &first.track(), None);
        assert_eq!((results.len(), replayed.len()), (DUELS, PLAYERS));
        for (player, rating) in ratings.iter().enumerate() {
            assert_eq!(replayed[first.player(player)].rating, *rating, "p{player}");
        }
    };
    run.now_or_never().expect("a ledger in memory answers at once");
}
