use super::*;
use rstest::rstest;

fn queue(name: &str, regions: &[&str], rules: Rules) -> Queue {
    Queue { name: name.parse().unwrap(), regions: regions.iter().map(|r| r.parse().unwrap()).collect(), rules }
}

#[test]
fn a_request_names_a_pool_or_learns_which_name_is_wrong() {
    let queues = Queues::new(vec![queue("ranked-1v1", &["eu", "us"], Rules::default())]).unwrap();
    assert_eq!(queues.pool("ranked-1v1", "eu").unwrap().0.as_str(), "ranked-1v1.eu");
    assert_eq!(queues.pool("casual", "eu").unwrap_err(), NoSuchPool::Queue);
    assert_eq!(queues.pool("ranked-1v1", "mars").unwrap_err(), NoSuchPool::Region);
    assert_eq!(queues.pools().count(), 2);
}

#[test]
fn a_closed_pool_takes_no_joins_and_is_still_one_of_the_deployments() {
    let old = || queue("duel", &["eu", "us"], Rules { team_size: 2, ..Rules::default() });
    let queues = Queues::new(vec![queue("duel", &["eu"], Rules::default())]).unwrap().with_closed([old()]);
    assert_eq!(queues.pool("duel", "us").unwrap_err(), NoSuchPool::Region);
    let (eu, us) = ("duel.eu".parse().unwrap(), "duel.us".parse().unwrap());
    assert_eq!(queues.rules(&us).unwrap().team_size, 2);
    assert_eq!(queues.rules(&eu).unwrap().team_size, 1, "an open pool goes by its own rules");
    assert_eq!([queues.is_closed(&eu), queues.is_closed(&us)], [false, true]);
    assert_eq!(queues.pools().map(|(pool, _)| pool).collect::<Vec<_>>(), [eu, us.clone()]);
    let tag = queues.tag(&us).expect("its lobbies keep their codes");
    assert_eq!(queues.tagged(tag), Some(&us));
    assert_eq!(queues.iter().count(), 1);
}

#[rstest]
#[case::one_player(Rules { teams: 1, ..Rules::default() }, "teams x team_size: expected 2 to 32 players, found 1")]
#[case::nobody(Rules { team_size: 0, ..Rules::default() }, "team_size: expected at least 1, found 0")]
#[case::too_many(Rules { team_size: 17, ..Rules::default() }, "expected 2 to 32 players, found 34")]
#[case::nan(Rules { rating_max: f64::NAN, ..Rules::default() }, "expected rising numbers, found 0, NaN")]
#[case::default_outside(Rules { rating_default: -1.0, ..Rules::default() }, "rating_default: expected 0 to 10000")]
#[case::no_time(Rules { ttl_ms: 0, ..Rules::default() }, "ttl_ms: expected 1 to 600000, found 0")]
#[case::no_time_to_accept(Rules { acceptance_ms: Some(ACCEPTANCE_MS_MIN - 1), ..Rules::default() }, "acceptance_ms: expected 1000 to 600000, found 999")]
#[case::too_long_to_accept(Rules { acceptance_ms: Some(ACCEPTANCE_MS_MAX + 1), ..Rules::default() }, "acceptance_ms: expected 1000")]
#[case::asks_and_claims_first(Rules { acceptance_ms: Some(9_000), claim_first: true, ..Rules::default() }, "claim_first: expected false")]
#[case::slow_ping(Rules { ping: Some(Ping { timeout_ms: PING_MS_MAX + 1, round_trip_max_ms: 1 }), ..Rules::default() }, "ping_timeout_ms: expected 1 to 10000, found 10001")]
#[case::polls_too_soon(Rules { poll_timeout_ms: Some(POLL_TIMEOUT_MS_MIN - 1), ..Rules::default() }, "poll_timeout_ms: expected 750 to 15000, found 749")]
#[case::polls_too_late(Rules { poll_timeout_ms: Some(POLL_TIMEOUT_MS_MAX + 1), ..Rules::default() }, "poll_timeout_ms: expected 750 to 15000, found 15001")]
#[case::checks_and_claims_first(Rules { poll_timeout_ms: Some(POLL_TIMEOUT_MS_MIN), claim_first: true, ..Rules::default() }, "claim_first: expected false")]
#[case::ping_never_in_time(Rules { ping: Some(Ping { timeout_ms: 9, round_trip_max_ms: 10 }), ..Rules::default() }, "ping_round_trip_max_ms: expected 1 to ping_timeout_ms 9, found 10")]
#[case::cooldown_at_once(Rules { cooldown: Some(Cooldown { after: 0, for_ms: 1 }), ..Rules::default() }, "cooldown_after: expected at least 1, found 0")]
#[case::cooldown_for_ever(Rules { cooldown: Some(Cooldown { after: 1, for_ms: COOLDOWN_MS_MAX + 1 }), ..Rules::default() }, "cooldown_ms: expected 1 to 86400000")]
#[case::abandoned_before_absent(Rules { abandon_ms: 1, ..Rules::default() }, "abandon_ms: expected presence_ms")]
fn a_rule_that_cannot_work_is_named(#[case] rules: Rules, #[case] line: &str) {
    let problems = Queues::new(vec![queue("q", &["eu"], rules)]).unwrap_err();
    assert!(problems.iter().any(|p| p.contains(line)), "{problems:?}");
}

#[test]
fn rules_at_their_bounds_are_lawful() {
    let largest = Rules {
        teams: 2,
        team_size: PLAYERS_PER_MATCH_MAX / 2,
        ttl_ms: TTL_MS_MAX,
        acceptance_ms: Some(ACCEPTANCE_MS_MAX),
        ping: Some(Ping { timeout_ms: PING_MS_MAX, round_trip_max_ms: PING_MS_MAX }),
        poll_timeout_ms: Some(POLL_TIMEOUT_MS_MAX),
        cooldown: Some(Cooldown { after: 1, for_ms: COOLDOWN_MS_MAX }),
        ..Rules::default()
    };
    assert_eq!(largest.problems(), Vec::<String>::new());
    let (accept, poll) = (Some(ACCEPTANCE_MS_MIN), Some(POLL_TIMEOUT_MS_MIN));
    let shortest = Rules { acceptance_ms: accept, poll_timeout_ms: poll, ..Rules::default() };
    assert_eq!(shortest.problems(), Vec::<String>::new());
    assert!(!Rules { ttl_ms: TTL_MS_MAX + 1, ..largest }.problems().is_empty());
}

#[test]
fn every_problem_is_reported_at_once() {
    let bad = Rules { ttl_ms: 0, teams: 0, ..Rules::default() };
    let problems = Queues::new(vec![queue("a", &[], bad.clone()), queue("a", &["eu", "eu"], bad)]).unwrap_err();
    for expected in ["regions: expected 1 to 32", "found one twice", "found it twice", "teams: expected", "ttl_ms:"] {
        assert!(problems.iter().any(|p| p.contains(expected)), "{expected} not in {problems:?}");
    }
}
