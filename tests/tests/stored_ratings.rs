//! Joins with stored ratings: what the profile says counts, at no round trip more, and a ledger that is away stops no join.

use futures::FutureExt;
use muster::adapters::memory::Memory;
use muster::adapters::memory_ledger::MemoryLedger;
use muster::domain::profile::TrackRating;
use muster::domain::rating::RATING_PERIOD_MS;
use muster::domain::{Party, PlayerId, Profile, Rating, RatingSource, Rules, Track};
use muster::ports::{Mode, Polled, Profiles, Put, Tickets};
use muster::usecases::join::{JoinReply, Placed, Rated, Request, TicketRating, join_queue};
use muster_tests::round_trips::{Distant, round_trips};
use muster_tests::samples::{T0, player, pool};
use muster_tests::stand_ins::{CountingIds, Fickle, VirtualClock};

type Ledger = Fickle<MemoryLedger<VirtualClock>>;

fn ledger() -> Ledger {
    Fickle::new(MemoryLedger::new(VirtualClock::at(T0)))
}

fn rules() -> Rules {
    Rules { team_size: 3, rating_min: 100.0, rating_max: 3_000.0, ..Rules::default() }
}

/// A player's rating on the track of the pool `duel.eu`.
async fn rated(ledger: &Ledger, name: &str, value: f64) {
    let rating = Rating { value, deviation: 60.0, volatility: 0.06 };
    let track = TrackRating { rating, games: 30, last_played_ms: T0 - 50 * RATING_PERIOD_MS, version: 30 };
    let tracks = [("duel".parse::<Track>().unwrap(), track)].into();
    let profile = Profile { version: 1, tracks, ..Profile::default() };
    assert_eq!(ledger.put_profile(&player(name), &profile).await.unwrap(), Put::Done);
}

fn request<'a>(caller: &'a PlayerId, rules: &'a Rules, names: &[&str]) -> Request<'a> {
    Request {
        caller,
        pool: pool("duel.eu"),
        rules,
        party: Party::restored(names.iter().map(|name| player(name)).collect()),
        rating: TicketRating::Stored,
        idempotency_key: None,
        push: false,
        rate: None,
        now_ms: T0,
    }
}

async fn join(store: &Fickle<Memory>, ledger: &Option<Ledger>, ids: &CountingIds, names: &[&str]) -> Placed {
    let (caller, rules) = (player(names[0]), rules());
    join_queue(store, ledger, ids, &request(&caller, &rules, names)).await.unwrap()
}

/// A deployment in which ann is rated 1700, bob 1300 and max far beyond the scale.
async fn deployment() -> (Fickle<Memory>, Option<Ledger>, CountingIds) {
    let ledger = ledger();
    for (name, value) in [("ann", 1_700.0), ("bob", 1_300.25), ("max", 9_999.0)] {
        rated(&ledger, name, value).await;
    }
    (Fickle::new(Memory::default()), Some(ledger), CountingIds::of(1))
}

#[tokio::test]
async fn a_ticket_has_the_mean_of_the_stored_ratings_and_the_default_for_whoever_has_none() {
    let (store, ledger, ids) = deployment().await;
    let expected: [(&[&str], f64, RatingSource); 4] = [
        (&["ann", "bob"], 1_500.125, RatingSource::Stored),
        (&["eve"], 1_500.0, RatingSource::Default),
        (&["max"], 3_000.0, RatingSource::Stored),
        (&["cid", "dan", "fay"], 1_500.0, RatingSource::Default),
    ];
    for (names, value, source) in expected {
        let placed = join(&store, &ledger, &ids, names).await;
        assert_eq!(placed.rated, Some(Rated { value, source }), "{names:?}");
        let JoinReply::Queued(view) = placed.reply else { panic!("expected a new ticket, found {:?}", placed.reply) };
        let polled = store.poll(&view.ticket, &player(names[0]), T0).await.unwrap();
        assert!(matches!(&polled, Polled::Waiting { ticket, .. } if ticket.rating == value), "{polled:?}");
    }
    rated(ledger.as_ref().unwrap(), "gus", 1_800.0).await;
    let mixed = join(&store, &ledger, &ids, &["gus", "new"]).await;
    assert_eq!(mixed.rated, Some(Rated { value: 1_650.0, source: RatingSource::Default }));
}

#[tokio::test]
async fn a_ledger_that_is_away_stops_no_join_and_the_ticket_says_that_its_rating_is_the_default() {
    let (store, ledger, ids) = deployment().await;
    ledger.as_ref().unwrap().away(true);
    let placed = join(&store, &ledger, &ids, &["ann"]).await;
    assert!(matches!(placed.reply, JoinReply::Queued(_)), "{placed:?}");
    assert_eq!((placed.mode, placed.ledger_failure.is_some()), (Mode::Normal, true));
    assert_eq!(placed.rated, Some(Rated { value: 1_500.0, source: RatingSource::Default }));
    let none = join(&store, &None, &ids, &["bob"]).await;
    assert_eq!(none.rated, Some(Rated { value: 1_500.0, source: RatingSource::Default }), "no ledger at all");
}

#[tokio::test]
async fn a_ticket_that_lands_in_the_ledger_has_its_stored_rating_all_the_same() {
    let (store, ledger, ids) = deployment().await;
    store.away(true);
    let placed = join(&store, &ledger, &ids, &["ann"]).await;
    assert_eq!(placed.mode, Mode::Fallback);
    assert_eq!(placed.rated, Some(Rated { value: 1_700.0, source: RatingSource::Stored }));
    let JoinReply::Queued(view) = placed.reply else { panic!("expected a new ticket, found {:?}", placed.reply) };
    let polled = ledger.unwrap().poll(&view.ticket, &player("ann"), T0).await.unwrap();
    assert!(matches!(&polled, Polled::Waiting { ticket, .. } if ticket.rating == 1_700.0), "{polled:?}");
}

/// The players are spoken for, then the ticket waits; the profiles are read beside the first, the ledger is told beside the second.
#[test]
fn a_stored_rating_costs_a_join_no_round_trip_more() {
    let run = async { deployment().await };
    let (store, ledger, ids) = run.now_or_never().expect("stores in memory answer at once");
    let (caller, rules, distant) = (player("ann"), rules(), ledger.as_ref().map(Distant));
    let mut trips = Vec::new();
    for (name, rating) in [("ann", TicketRating::Stored), ("bob", TicketRating::sent(1_500.0))] {
        let caller = if name == "ann" { caller.clone() } else { player(name) };
        let request = Request { rating, ..request(&caller, &rules, &[name]) };
        let (placed, waited) = round_trips(join_queue(&Distant(&store), &distant, &ids, &request));
        assert!(matches!(placed.unwrap().reply, JoinReply::Queued(_)), "{name}");
        trips.push(waited);
    }
    assert_eq!(trips, [2, 2]);
}
