//! Simulated players with a hidden strength, who play duels whose results reach the ledger by the real use cases.
//!
//! The stronger one wins as often as the logistic curve of Elo says. Nothing but the results reaches the ratings: who is
//! strong is known to nobody but the arena.

use fastrand::Rng;
use muster::adapters::memory_ledger::MemoryLedger;
use muster::domain::result::{Place, Places, Report};
use muster::domain::{
    Event, Match, MatchId, MatchResult, MatchState, Member, PlayerId, PoolId, Rating, Rules, TicketId, Track, Unique,
};
use muster::ports::{Clock, Ledger, Profiles, Results, StoreError};
use muster::usecases::result::{Ask, Reply, result};
use std::sync::atomic::{AtomicU64, Ordering};

/// When the first round begins, in milliseconds since the Unix epoch.
pub const T0: u64 = 1_800_000_000_000;
/// Spread of the hidden strengths on the scale of ratings.
const SPREAD: f64 = 350.0;
/// How far an opponent may stand from the nearest in the order of ratings.
const SHAKE: f64 = 50.0;

/// Time that passes only when somebody waits for it.
#[derive(Debug)]
pub struct Hands(AtomicU64);

impl Clock for Hands {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    async fn sleep_ms(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

/// Two players, and whether the first wins.
#[derive(Debug, Clone, Copy)]
pub struct Duel {
    /// Its number, among all of the arena's.
    pub number: usize,
    /// The players.
    pub players: [usize; 2],
    /// Whether the first wins.
    pub first_wins: bool,
}

/// A deployment, and the players' strengths.
#[derive(Debug)]
pub struct Arena {
    /// The ledger.
    pub ledger: MemoryLedger<Hands>,
    /// The time.
    pub clock: Hands,
    rules: Rules,
    pool: PoolId,
    players: Vec<PlayerId>,
    strengths: Vec<f64>,
}

/// # Panics
/// A name is no id, which none of these is.
fn parsed<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error:?}"))
}

impl Arena {
    /// So many players; the same seed makes the same ones.
    pub fn new(players: usize, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        // Twelve uniform numbers add up to one that is nearly normal, of variance 1.
        let strength = |rng: &mut Rng| 1_500.0 + SPREAD * ((0..12).map(|_| rng.f64()).sum::<f64>() - 6.0);
        Self {
            ledger: MemoryLedger::new(Hands(T0.into())),
            clock: Hands(T0.into()),
            rules: Rules::default(),
            pool: parsed("duel.eu"),
            players: (0..players).map(|player| parsed(&format!("p{player}"))).collect(),
            strengths: (0..players).map(|_| strength(&mut rng)).collect(),
        }
    }

    /// The track of the duels.
    pub fn track(&self) -> Track {
        self.pool.track()
    }

    /// A player's id.
    pub fn player(&self, player: usize) -> &PlayerId {
        &self.players[player]
    }

    /// What only the arena knows.
    pub fn strengths(&self) -> &[f64] {
        &self.strengths
    }

    /// One round: each player plays a neighbour in the order of these ratings, a little shaken.
    pub fn pair(&self, ratings: &[Rating], first: usize, rng: &mut Rng) -> Vec<Duel> {
        let shaken = |(player, rating): (usize, &Rating)| (rating.value + SHAKE * rng.f64(), player);
        let mut order: Vec<(f64, usize)> = ratings.iter().enumerate().map(shaken).collect();
        order.sort_by(|one, two| one.0.total_cmp(&two.0));
        let duel = |(number, pair): (usize, &[(f64, usize)])| {
            let players = [pair[0].1, pair[1].1];
            let [one, two] = players.map(|player| self.strengths[player]);
            let expected = 1.0 / (1.0 + 10.0_f64.powf((two - one) / 400.0));
            Duel { number: first + number, players, first_wins: rng.f64() < expected }
        };
        order.chunks_exact(2).enumerate().map(duel).collect()
    }

    fn played(&self, duel: &Duel) -> Match {
        let id = |number: usize| Unique::from_bits(number as u128);
        let now_ms = self.clock.now_ms();
        let member = |at: usize| Member {
            ticket: TicketId::new(self.pool.clone(), id(2 * duel.number + at)),
            players: vec![self.players[duel.players[at]].clone()],
            rating: 1_500.0,
            joined_ms: now_ms,
            attempts: 0,
            ready: false,
            heard: Vec::new(),
            imported: 0,
        };
        Match {
            id: MatchId::new(self.pool.clone(), id(duel.number)),
            state: MatchState::Confirmed,
            created_ms: now_ms,
            teams: vec![vec![member(0)], vec![member(1)]],
            deadline_ms: None,
            lobby: None,
        }
    }

    /// The ledger hears of these duels and of their results, in this order.
    ///
    /// # Errors
    /// The ledger does not answer, or takes a result for another than the first.
    pub async fn play(&self, duels: &[Duel]) -> Result<(), StoreError> {
        for duel in duels {
            let played = self.played(duel);
            let id = played.id.clone();
            self.ledger.record(&[Event::Matched(played)]).await?;
            let ranks = if duel.first_wins { [1, 2] } else { [2, 1] };
            let places = Places::Teams(ranks.map(Place::Rank).to_vec());
            let ask = Ask::Report(Report { places, left: Vec::new() });
            match result(&self.ledger, &self.clock, &self.rules, &id, &ask).await? {
                Reply::Done(_) => {}
                other => return Err(StoreError::Corrupt(format!("{id}: expected its result, found {other:?}"))),
            }
        }
        Ok(())
    }

    /// All players' ratings, in their order.
    ///
    /// # Errors
    /// The ledger does not answer.
    pub async fn ratings(&self) -> Result<Vec<Rating>, StoreError> {
        let track = self.track();
        let profiles = self.ledger.profiles(&self.players).await?;
        let rating = |profile: Option<muster::domain::Profile>| {
            profile.unwrap_or_default().on(&track, self.rules.rating_default).rating
        };
        Ok(profiles.into_iter().map(rating).collect())
    }

    /// All results.
    ///
    /// # Errors
    /// The ledger does not answer.
    pub async fn results(&self) -> Result<Vec<MatchResult>, StoreError> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = self.ledger.results(after.as_deref()).await?;
            all.extend(page.results);
            after = page.next;
            if after.is_none() {
                return Ok(all);
            }
        }
    }
}

/// Spearman's rank correlation of two lists; equal values keep their order.
pub fn rank_correlation(one: &[f64], two: &[f64]) -> f64 {
    let ranks = |values: &[f64]| {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
        let mut ranks = vec![0.0; values.len()];
        order.into_iter().enumerate().for_each(|(rank, at)| ranks[at] = rank as f64);
        ranks
    };
    let squares: f64 = ranks(one).iter().zip(ranks(two)).map(|(a, b)| (a - b).powi(2)).sum();
    let n = one.len() as f64;
    1.0 - 6.0 * squares / (n * (n * n - 1.0))
}
