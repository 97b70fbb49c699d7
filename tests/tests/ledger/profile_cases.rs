//! What every ledger must do with profiles and results, and what the use case of results makes of it.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use muster::domain::limits::{RESULT_LATE_MS_MAX, RESULTS_PAGE};
use muster::domain::profile::{Attribute, Attributes, Latest, TrackRating};
use muster::domain::result::{Place, Places, Report, Side, Standings, Verdict};
use muster::domain::{Event, Match, MatchResult, PlayerId, Profile, Rating, RatingSystem, Rules, Track};
use muster::ports::{Put, Recorded};
use muster::usecases::replay::replay_track;
use muster::usecases::result::{Ask, Reply, result};

use crate::cases::AnyLedger;
use crate::samples::{Hands, NOW_MS, match_id, player, this_match, ticket};

/// The track of the samples' pool.
pub fn track() -> Track {
    "ranked-1v1".parse().unwrap()
}

/// The teams' ranks.
pub fn ranks(ranks: &[u32]) -> Report {
    Report { places: Places::Teams(ranks.iter().copied().map(Place::Rank).collect()), left: Vec::new() }
}

/// A match of these two that is played.
pub async fn played(ledger: &impl AnyLedger, number: u128, names: [&str; 2]) -> Match {
    let [one, two] = [0, 1].map(|at| ticket(number * 10 + at as u128, &[names[at]]));
    let played = this_match(number, &[&one, &two]);
    assert_eq!(ledger.record(&[Event::Matched(played.clone())]).await.unwrap(), [Recorded::Done]);
    played
}

/// The result says what was asked.
pub fn done(reply: Reply) -> MatchResult {
    match reply {
        Reply::Done(result) => result,
        other => panic!("expected a result, found {other:?}"),
    }
}

/// A player's rating and games.
pub async fn rating_of(ledger: &impl AnyLedger, name: &str) -> TrackRating {
    let profile = ledger.profiles(&[player(name)]).await.unwrap().pop().flatten().unwrap_or_default();
    profile.on(&track(), 1_500.0)
}

fn full_profile() -> Profile {
    let rating = |value: f64| TrackRating {
        rating: Rating { value, deviation: 61.257, volatility: 0.059_999_123 },
        games: 41,
        last_played_ms: NOW_MS - 7,
        version: 43,
    };
    let attributes = [
        ("class", Attribute::Text("mage".into())),
        ("none", Attribute::Text(String::new())),
        ("level", Attribute::Number(-12.000_001)),
        ("maps", Attribute::Texts(vec!["desert".into(), "ice".into(), "desert".into()])),
        ("no_maps", Attribute::Texts(Vec::new())),
        ("latency", Attribute::Numbers([("eu".to_owned(), 35.5), ("us-east".to_owned(), 1e12)].into())),
    ];
    Profile {
        version: 1,
        tracks: [(track(), rating(1_723.456)), ("other".parse().unwrap(), rating(-0.001))].into(),
        attributes: Attributes::new(attributes.map(|(name, value)| (name.to_owned(), value)).into()).unwrap(),
        recent: vec![player("cid"), player("bob")],
        blocks: [player("eve")].into(),
        latest: Some(Latest { id: match_id(9), revision: 2 }),
    }
}

pub async fn a_profile_reads_back_as_it_was_put_and_in_the_order_that_was_asked(ledger: impl AnyLedger, _: Hands) {
    assert_eq!(ledger.profiles(&[]).await.unwrap(), []);
    let (full, plain) = (full_profile(), Profile { version: 1, ..Profile::default() });
    assert_eq!(ledger.put_profile(&player("ann"), &full).await.unwrap(), Put::Done);
    assert_eq!(ledger.put_profile(&player("bob"), &plain).await.unwrap(), Put::Done);
    let asked = ["bob", "nobody", "ann", "bob"].map(player);
    let found = ledger.profiles(&asked).await.unwrap();
    assert_eq!(found, [Some(plain.clone()), None, Some(full.clone()), Some(plain)]);
    let next = Profile { version: 2, blocks: BTreeSet::new(), latest: None, ..full };
    assert_eq!(ledger.put_profile(&player("ann"), &next).await.unwrap(), Put::Done);
    assert_eq!(ledger.profiles(&[player("ann")]).await.unwrap(), [Some(next)]);
}

pub async fn of_several_writers_of_a_profile_exactly_one_is_done(ledger: impl AnyLedger, _: Hands) {
    for version in 1..=3 {
        let rivals: Vec<Profile> =
            (0..4).map(|n| Profile { version, recent: vec![player(&format!("p{n}"))], ..Profile::default() }).collect();
        let ann = player("ann");
        let puts = join_all(rivals.iter().map(|rival| ledger.put_profile(&ann, rival))).await;
        let done: Vec<usize> = (0..4).filter(|at| *puts[*at].as_ref().unwrap() == Put::Done).collect();
        assert_eq!(done.len(), 1, "{puts:?}");
        assert_eq!(ledger.profiles(&[player("ann")]).await.unwrap(), [Some(rivals[done[0]].clone())]);
        for late in [0, version, version + 2] {
            let late = Profile { version: late, ..Profile::default() };
            assert_eq!(ledger.put_profile(&player("ann"), &late).await.unwrap(), Put::Late);
        }
    }
}

fn duel(number: u128) -> (Match, Vec<(PlayerId, Rating)>) {
    let played = this_match(number, &[&ticket(1, &["ann"]), &ticket(2, &["bob"])]);
    let before = |(name, value): (&str, f64)| (player(name), Rating::unknown(value));
    (played, [("ann", 1_500.125), ("bob", 1_733.0)].map(before).to_vec())
}

pub async fn a_result_reads_back_in_each_of_its_revisions(ledger: impl AnyLedger, _: Hands) {
    let (played, players) = duel(9);
    assert_eq!(ledger.result(&played.id).await.unwrap(), None);
    let verdict = |report: Report| Verdict::Counts(report.standings(&played).unwrap());
    let left = Report { left: vec![player("bob")], ..ranks(&[1, 2]) };
    let by = (track(), RatingSystem::WengLin);
    let first = MatchResult::first(played.id.clone(), by, verdict(left), players, NOW_MS);
    let marked = first.applied(|known| *known == player("bob"));
    let done = marked.applied(|_| true);
    let corrected = done.corrected(verdict(ranks(&[1, 1])));
    let all = corrected.applied(|_| true);
    let annulled = all.corrected(Verdict::Annulled);
    for revision in [first, marked, done, corrected, all, annulled] {
        assert_eq!(ledger.put_result(&revision).await.unwrap(), Put::Done);
        assert_eq!(ledger.result(&revision.id).await.unwrap(), Some(revision));
    }
}

pub async fn of_several_writers_of_a_result_exactly_one_is_done(ledger: impl AnyLedger, _: Hands) {
    let (played, players) = duel(9);
    let rival = |at: u64| {
        let verdict = Verdict::Counts(ranks(&[1, 2]).standings(&played).unwrap());
        MatchResult::first(played.id.clone(), (track(), RatingSystem::Glicko2), verdict, players.clone(), NOW_MS + at)
    };
    let rivals: Vec<MatchResult> = (0..4).map(rival).collect();
    let puts = join_all(rivals.iter().map(|rival| ledger.put_result(rival))).await;
    let done: Vec<usize> = (0..4).filter(|at| *puts[*at].as_ref().unwrap() == Put::Done).collect();
    assert_eq!(done.len(), 1, "{puts:?}");
    assert_eq!(ledger.result(&played.id).await.unwrap().as_ref(), Some(&rivals[done[0]]));
    let skips = MatchResult { version: 3, ..rival(9) };
    assert_eq!(ledger.put_result(&skips).await.unwrap(), Put::Late);
}

pub async fn all_results_are_found_page_by_page(ledger: impl AnyLedger, _: Hands) {
    let many = RESULTS_PAGE + 3;
    let result = |n: usize| {
        let (played, players) = duel(n as u128);
        let standings = Standings { sides: vec![Side { rank: 1, players: vec![] }], left: BTreeSet::new() };
        MatchResult::first(
            played.id,
            (track(), RatingSystem::Glicko2),
            Verdict::Counts(standings),
            players,
            NOW_MS + n as u64,
        )
    };
    let results: Vec<MatchResult> = (0..many).map(result).collect();
    // What is none of them is passed over.
    ledger.put_profile(&player("ann"), &Profile { version: 1, ..Profile::default() }).await.unwrap();
    for some in results.chunks(64) {
        assert!(join_all(some.iter().map(|result| ledger.put_result(result))).await.iter().all(Result::is_ok));
    }
    let (mut found, mut after, mut pages) = (BTreeMap::new(), None, 0);
    loop {
        let page = ledger.results(after.as_deref()).await.unwrap();
        assert!(page.results.len() <= RESULTS_PAGE);
        found.extend(page.results.into_iter().map(|result| (result.id.clone(), result)));
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert!(pages >= 2, "{pages}");
    assert_eq!(found.into_values().collect::<Vec<_>>(), results);
}

pub async fn a_report_moves_each_rating_once_however_often_it_is_made(ledger: impl AnyLedger, clock: Hands) {
    let (played, rules) = (played(&ledger, 1, ["ann", "bob"]).await, Rules::default());
    let report = Ask::Report(ranks(&[1, 2]));
    let first = done(result(&ledger, &clock, &rules, &played.id, &report).await.unwrap());
    assert!(first.is_done() && first.revision == 1);
    let (ann, bob) = (rating_of(&ledger, "ann").await, rating_of(&ledger, "bob").await);
    assert_eq!((ann.rating.value, bob.rating.value), (1_662.311, 1_337.689));
    assert_eq!((ann.games, ann.last_played_ms, ann.version), (1, NOW_MS, 1));
    for _ in 0..3 {
        clock.forward_ms(1_000);
        assert_eq!(done(result(&ledger, &clock, &rules, &played.id, &report).await.unwrap()), first);
    }
    let scores = Places::Teams(vec![Place::Score(3.0), Place::Score(-1.0)]);
    let same = Ask::Report(Report { places: scores, left: Vec::new() });
    assert_eq!(done(result(&ledger, &clock, &rules, &played.id, &same).await.unwrap()), first, "in other words");
    let other = result(&ledger, &clock, &rules, &played.id, &Ask::Report(ranks(&[2, 1]))).await.unwrap();
    assert_eq!(other, Reply::Reported(first));
    assert_eq!((rating_of(&ledger, "ann").await, rating_of(&ledger, "bob").await), (ann, bob));
    let profile = ledger.profiles(&[player("ann")]).await.unwrap().pop().flatten().unwrap();
    assert_eq!(profile.recent, [player("bob")]);
}

pub async fn results_that_race_for_one_player_all_count(ledger: impl AnyLedger, clock: Hands) {
    let (rules, rivals) = (Rules::default(), (0..6).map(|n| format!("rival{n}")).collect::<Vec<_>>());
    let mut matches = Vec::new();
    for (rival, number) in rivals.iter().zip(1..) {
        matches.push(played(&ledger, number, ["ann", rival]).await);
    }
    let report = Ask::Report(ranks(&[1, 2]));
    let reports = join_all(matches.iter().map(|played| result(&ledger, &clock, &rules, &played.id, &report))).await;
    let mut moved = 0.0;
    for (reply, rival) in reports.into_iter().zip(&rivals) {
        let result = done(reply.unwrap());
        moved += result.line(&player("ann")).unwrap().change.value;
        let own = result.line(&player(rival)).unwrap().change.value;
        assert_eq!(rating_of(&ledger, rival).await.rating.value, 1_500.0 + own);
    }
    let ann = rating_of(&ledger, "ann").await;
    assert_eq!((ann.games, ann.version), (6, 6));
    assert!((ann.rating.value - 1_500.0 - moved).abs() < 0.001, "{ann:?} after {moved}");
}

pub async fn reports_of_one_match_that_race_are_one_result(ledger: impl AnyLedger, clock: Hands) {
    let (played, rules) = (played(&ledger, 1, ["ann", "bob"]).await, Rules::default());
    let reports = [[1, 2], [2, 1], [1, 2], [1, 1]].map(|places| Ask::Report(ranks(&places)));
    let replies = join_all(reports.iter().map(|report| result(&ledger, &clock, &rules, &played.id, report))).await;
    let stands = ledger.result(&played.id).await.unwrap().unwrap();
    for reply in replies {
        match reply.unwrap() {
            Reply::Done(result) | Reply::Reported(result) => assert_eq!(result.verdict, stands.verdict),
            other => panic!("expected a result, found {other:?}"),
        }
    }
    for line in &stands.lines {
        let rating = rating_of(&ledger, line.player.as_str()).await;
        assert_eq!((rating.rating, rating.games), (line.change.of(line.before), 1));
    }
}

pub async fn a_correction_moves_the_difference_and_an_annulment_takes_it_back(ledger: impl AnyLedger, clock: Hands) {
    let rules = Rules::default();
    let matches = [played(&ledger, 1, ["ann", "bob"]).await, played(&ledger, 2, ["ann", "cid"]).await];
    for played in &matches {
        done(result(&ledger, &clock, &rules, &played.id, &Ask::Report(ranks(&[1, 2]))).await.unwrap());
        clock.forward_ms(60_000);
    }
    let before = rating_of(&ledger, "ann").await;
    let first = &matches[0].id;
    let was = ledger.result(first).await.unwrap().unwrap();
    for _ in 0..2 {
        let right = done(result(&ledger, &clock, &rules, first, &Ask::Correct(ranks(&[2, 1]))).await.unwrap());
        assert_eq!((right.revision, right.is_done()), (2, true));
        let (ann, bob) = (rating_of(&ledger, "ann").await, rating_of(&ledger, "bob").await);
        let moved = right.lines[0].change.value - was.lines[0].change.value;
        assert!((ann.rating.value - before.rating.value - moved).abs() < 0.001, "{ann:?}");
        assert_eq!((ann.games, ann.last_played_ms), (2, before.last_played_ms), "no match more, and none later");
        assert!(bob.rating.value > 1_500.0);
    }
    for _ in 0..2 {
        done(result(&ledger, &clock, &rules, first, &Ask::Annul).await.unwrap());
        let (ann, bob) = (rating_of(&ledger, "ann").await, rating_of(&ledger, "bob").await);
        assert_eq!((ann.games, bob.games), (1, 0));
        assert!((bob.rating.value - 1_500.0).abs() < 0.001, "{bob:?}");
        let second = ledger.result(&matches[1].id).await.unwrap().unwrap();
        assert!((ann.rating.value - 1_500.0 - second.lines[0].change.value).abs() < 0.001, "{ann:?}");
    }
    let report = result(&ledger, &clock, &rules, first, &Ask::Report(ranks(&[1, 2]))).await.unwrap();
    assert!(matches!(report, Reply::Reported(_)), "{report:?}");
    let none = played(&ledger, 3, ["ann", "dan"]).await;
    let annulled = done(result(&ledger, &clock, &rules, &none.id, &Ask::Annul).await.unwrap());
    assert_eq!((annulled.verdict, rating_of(&ledger, "dan").await.games), (Verdict::Annulled, 0));
}

pub async fn a_match_that_is_unknown_void_or_too_old_has_no_result(ledger: impl AnyLedger, clock: Hands) {
    let rules = Rules::default();
    let report = Ask::Report(ranks(&[1, 2]));
    let ask = async |number: u128, ask: &Ask| result(&ledger, &clock, &rules, &match_id(number), ask).await.unwrap();
    assert_eq!(ask(1, &report).await, Reply::NotPlayed);

    let (ann, bob, cid) = (ticket(1, &["ann"]), ticket(2, &["bob"]), ticket(3, &["cid"]));
    let [first, void] = [this_match(2, &[&ann, &bob]), this_match(3, &[&bob, &cid])];
    // One after the other: the first one that is carried is played.
    for carried in [&first, &void] {
        ledger.record(&[Event::Matched(carried.clone())]).await.unwrap();
    }
    for ask_for in [&report, &Ask::Annul] {
        assert_eq!(ask(3, ask_for).await, Reply::NotPlayed, "{ask_for:?} of a void match");
    }
    let unfit = ask(2, &Ask::Report(ranks(&[1, 2, 3]))).await;
    assert!(matches!(unfit, Reply::Unfit(_)), "{unfit:?}");

    clock.forward_ms(first.created_ms + RESULT_LATE_MS_MAX - NOW_MS);
    let at_the_bound = done(ask(2, &report).await);
    clock.forward_ms(1);
    assert_eq!(ask(2, &report).await, Reply::Late);
    assert_eq!(ask(2, &Ask::Annul).await, Reply::Late);
    assert_eq!(ledger.result(&first.id).await.unwrap(), Some(at_the_bound));
    assert_eq!(rating_of(&ledger, "cid").await.games, 0);
}

pub async fn a_track_computed_anew_is_the_one_that_stands(ledger: impl AnyLedger, clock: Hands) {
    let (rules, names) = (Rules::default(), ["ann", "bob", "cid", "dan"]);
    let mut rng = fastrand::Rng::with_seed(5);
    for number in 1..=24 {
        let (one, step) = (rng.usize(..4), rng.usize(1..4));
        let played = played(&ledger, number, [names[one], names[(one + step) % 4]]).await;
        let places = [[1, 2], [2, 1], [1, 1]][rng.usize(..3)];
        done(result(&ledger, &clock, &rules, &played.id, &Ask::Report(ranks(&places))).await.unwrap());
        // Now and then a long pause.
        clock.forward_ms([3_000, 4 * 24 * 3_600_000][usize::from(number % 8 == 0)]);
    }
    let none = replay_track(&ledger, &track(), None, true).await.unwrap();
    assert_eq!((none.results, none.players, none.moved.len()), (24, 4, 0), "{none:?}");

    let wrong = match_id(3);
    let before = rating_of(&ledger, "ann").await;
    done(result(&ledger, &clock, &rules, &wrong, &Ask::Annul).await.unwrap());
    let only_shown = replay_track(&ledger, &track(), None, false).await.unwrap();
    assert!(!only_shown.moved.is_empty());
    let written = replay_track(&ledger, &track(), None, true).await.unwrap();
    assert_eq!(written.moved, only_shown.moved);
    for (player, (_, after)) in &written.moved {
        let stands = rating_of(&ledger, player.as_str()).await;
        assert_eq!((stands.rating, stands.version), (after.rating, after.version));
    }
    assert!(rating_of(&ledger, "ann").await.games <= before.games, "how often a player has played stays");
    assert!(replay_track(&ledger, &track(), None, true).await.unwrap().moved.is_empty());
    assert_eq!(replay_track(&ledger, &"other".parse().unwrap(), None, true).await.unwrap().results, 0);
}
