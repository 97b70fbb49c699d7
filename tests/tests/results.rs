//! Results on the reference ledger: exactly once under crashes at each named step and call, and in any interleaving.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt;
use muster::adapters::memory_ledger::MemoryLedger;
use muster::domain::profile::TrackRating;
use muster::domain::result::{Place, Places, Report, Verdict};
use muster::domain::{Event, Match, MatchResult, PlayerId, PoolId, Profile, RatingRules, Rules};
use muster::ports::{Clock, Ledger, Profiles, Results, Step};
use muster::usecases::result::{Ask, Reply, ResultLedger, result};
use muster_tests::edge::say;
use muster_tests::samples::{T0, confirmed, forming, pool, ticket};
use muster_tests::stand_ins::{Fickle, VirtualClock};
use muster_tests::stepped::{Actor, Stepped, Turns};

type Memory = MemoryLedger<VirtualClock>;

fn ledger() -> Memory {
    MemoryLedger::new(VirtualClock::at(T0))
}

/// A match of these teams of two that is played.
async fn played(ledger: &impl Ledger, number: usize, teams: [[&str; 2]; 2]) -> Match {
    let pool: PoolId = pool("duo.eu");
    let tickets = [0, 1].map(|at| ticket(&pool, number * 10 + at, &teams[at], T0));
    let played = confirmed(&forming(&pool, number, &[&[&tickets[0]], &[&tickets[1]]], T0));
    ledger.record(&[Event::Matched(played.clone())]).await.unwrap();
    played
}

fn ranks(ranks: [u32; 2]) -> Report {
    Report { places: Places::Teams(ranks.map(Place::Rank).to_vec()), left: Vec::new() }
}

async fn rating(ledger: &impl Profiles, player: &PlayerId) -> TrackRating {
    let profile: Profile =
        ledger.profiles(std::slice::from_ref(player)).await.unwrap().pop().flatten().unwrap_or_default();
    profile.on(&"duo".parse().unwrap(), 1_500.0)
}

/// Each player's rating is the sum of what the results say, and every result knows that it has reached its players.
async fn adds_up(ledger: &Memory, matches: &[Match], what: &str) {
    let mut results: Vec<MatchResult> = Vec::new();
    for played in matches {
        results.extend(ledger.result(&played.id).await.unwrap());
    }
    let players = matches.iter().flat_map(|played| played.members().flat_map(|member| member.players.clone()));
    for player in players {
        let found = rating(ledger, &player).await;
        let lines: Vec<_> = results.iter().filter_map(|result| result.line(&player)).collect();
        let value = 1_500.0 + lines.iter().map(|line| line.change.value).sum::<f64>();
        let games = lines.iter().map(|line| line.change.games).sum::<i64>();
        assert!((found.rating.value - value).abs() < 0.002, "{what}: {player}: expected {value}, found {found:?}");
        assert_eq!(i64::from(found.games), games, "{what}: {player}");
    }
}

/// A process that ends at a step: it never goes on from there.
struct DiesAt {
    step: Step,
    /// Passes so often before.
    after: usize,
    seen: AtomicUsize,
}

impl Clock for DiesAt {
    fn now_ms(&self) -> u64 {
        T0
    }

    async fn sleep_ms(&self, _: u64) {}

    async fn reached(&self, step: Step) {
        if step == self.step && self.seen.fetch_add(1, Ordering::SeqCst) >= self.after {
            std::future::pending::<()>().await;
        }
    }
}

#[tokio::test]
async fn a_report_or_correction_that_dies_at_a_named_step_is_finished_by_the_next() {
    let (rules, teams) = (Rules { team_size: 2, ..Rules::default() }, [["ann", "amy"], ["bob", "ben"]]);
    let mut deaths = 0;
    for (step, after) in [(Step::Reported, 0), (Step::Rated, 0), (Step::Rated, 1), (Step::Rated, 3)] {
        for earlier in [None, Some(Ask::Report(ranks([2, 1])))] {
            let ledger = ledger();
            let played = played(&ledger, 1, teams).await;
            let clock = VirtualClock::at(T0);
            if let Some(earlier) = &earlier {
                result(&ledger, &clock, &rules, &played.id, earlier).await.unwrap();
            }
            let ask = if earlier.is_some() { Ask::Correct(ranks([1, 2])) } else { Ask::Report(ranks([1, 2])) };
            let dies = DiesAt { step, after, seen: AtomicUsize::new(0) };
            let died = result(&ledger, &dies, &rules, &played.id, &ask).now_or_never();
            assert!(died.is_none(), "{step:?}: expected that it goes no further");
            deaths += 1;
            let next = result(&ledger, &clock, &rules, &played.id, &ask).await.unwrap();
            assert!(matches!(&next, Reply::Done(result) if result.is_done()), "{next:?}");
            adds_up(&ledger, &[played], &format!("{step:?} {after}")).await;
        }
    }
    assert_eq!(deaths, 8);
}

/// Between the death and the retry the players play on, and their other results count.
#[tokio::test]
async fn a_report_that_dies_at_any_call_is_finished_long_after_its_players_have_played_on() {
    let rules = Rules { team_size: 2, ..Rules::default() };
    let clock = VirtualClock::at(T0);
    let mut calls = 0;
    loop {
        let counter = Arc::new(AtomicUsize::new(0));
        let (counted, dies_at) = (Arc::clone(&counter), calls);
        let ledger = Fickle::refusing(ledger(), move |_| counted.fetch_add(1, Ordering::SeqCst) >= dies_at);
        let memory = &ledger.inner;
        let first = played(memory, 0, [["ann", "amy"], ["bob", "ben"]]).await;
        let report = Ask::Report(ranks([1, 2]));
        let whole = result(&ledger, &clock, &rules, &first.id, &report).await.is_ok();
        let mut matches = vec![first];
        // More matches than any list of recent ones in a profile would hold.
        for number in 1..=40 {
            let next = played(memory, number, [["ann", "bob"], ["amy", "ben"]]).await;
            let done = result(memory, &clock, &rules, &next.id, &report).await.unwrap();
            assert!(matches!(done, Reply::Done(_)), "{done:?}");
            matches.push(next);
        }
        let again = result(memory, &clock, &rules, &matches[0].id, &report).await.unwrap();
        assert!(matches!(&again, Reply::Done(result) if result.is_done()), "{again:?}");
        adds_up(memory, &matches, &format!("after {calls} calls")).await;
        if whole {
            break;
        }
        calls += 1;
    }
    assert!(calls >= 8, "the match, the profiles, the result, four profiles, the result: {calls}");
}

/// Reports, corrections, annulments and retries of matches that share players, one call at a time in an order from a seed; some of
/// them die on the way.
#[test]
fn in_any_interleaving_each_result_counts_once_for_each_player() {
    let rules = Rules { team_size: 2, ratings: RatingRules::default(), ..Rules::default() };
    let (mut contended, mut runs, mut revisions) = (0, 0, 0);
    for seed in 0..400 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (ledger, turns, clock) = (ledger(), Turns::default(), VirtualClock::at(T0));
        let now = |future: std::pin::Pin<Box<dyn Future<Output = Vec<Match>> + '_>>| {
            future.now_or_never().expect("a ledger in memory answers at once")
        };
        let teams =
            [[["ann", "amy"], ["bob", "ben"]], [["ann", "bob"], ["amy", "cid"]], [["dan", "ben"], ["ann", "eve"]]];
        let matches = now(Box::pin(async {
            let mut matches = Vec::new();
            for (number, teams) in teams.into_iter().enumerate() {
                matches.push(played(&ledger, number, teams).await);
            }
            matches
        }));
        let stepped = Stepped { store: &ledger, turns: &turns, runtime: None };
        let asks: Vec<(usize, Ask)> = (0..8)
            .map(|_| {
                let places = ranks([[1, 2], [2, 1], [1, 1]][rng.usize(..3)]);
                let ask = match rng.u8(..8) {
                    0 => Ask::Annul,
                    1 | 2 => Ask::Correct(places),
                    _ => Ask::Report(places),
                };
                (rng.usize(..matches.len()), ask)
            })
            .collect();
        let tally = std::cell::Cell::new(0);
        {
            let mut actors: Vec<Actor<'_>> = Vec::new();
            for (at, ask) in &asks {
                let (stepped, clock, rules, id, tally) = (&stepped, &clock, &rules, &matches[*at].id, &tally);
                let actor: Actor<'_> = Box::pin(async move {
                    if matches!(result(stepped, clock, rules, id, ask).await, Ok(Reply::Contended)) {
                        tally.set(tally.get() + 1);
                    }
                });
                actors.push(actor);
            }
            // Two go some way and die.
            for actor in actors.iter_mut().take(2) {
                turns.advance(actor, rng.usize(..12));
            }
            let survivors = actors.split_off(2);
            drop(actors);
            turns.interleave(survivors, &mut rng, || {});
        }
        contended += tally.get();
        // Whatever was left undone is done by asking for what the result says.
        for played in &matches {
            let finish = async {
                let Some(found) = ledger.result(&played.id).await.unwrap() else { return };
                let ask = match &found.verdict {
                    Verdict::Annulled => Ask::Annul,
                    Verdict::Counts(standings) => {
                        Ask::Report(ranks([standings.sides[0].rank, standings.sides[1].rank]))
                    }
                };
                let done = result(&ledger, &clock, &rules, &played.id, &ask).await.unwrap();
                assert!(matches!(&done, Reply::Done(result) if result.is_done()), "seed {seed}: {done:?}");
            };
            finish.now_or_never().expect("a ledger in memory answers at once");
            revisions += ledger.result(&played.id).now_or_never().unwrap().unwrap().map_or(0, |found| found.revision);
        }
        adds_up(&ledger, &matches, &format!("seed {seed}")).now_or_never().expect("a ledger in memory answers at once");
        runs += 1;
    }
    say(format!("results: {runs} interleavings, {revisions} revisions, {contended} calls contended"));
    assert!(revisions > runs, "expected corrections among them");
}

/// What a use case needs of a ledger is what it says, and a stand-in for it is one, too.
#[test]
fn a_stand_in_plays_all_roles_of_the_ledger_of_results() {
    fn plays(_: &impl ResultLedger) {}
    plays(&Fickle::new(ledger()));
}
