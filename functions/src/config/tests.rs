use super::*;

fn read(pairs: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let find = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    Config::read(&find)
}

const REDIS: (&str, &str) = ("REDIS_URL", "redis://localhost");

#[test]
fn redis_is_all_that_must_be_named() {
    let config = read(&[REDIS]).unwrap();
    assert_eq!(config.auth, AuthMode::Jwt);
    assert_eq!((config.pace.lease_ms, config.pace.claim_batch_tickets), (10_000, CLAIM_BATCH_TICKETS));
}

#[test]
fn every_problem_is_reported_at_once() {
    let problems = read(&[
        ("AUTH_MODE", "header"),
        ("LOCK_TTL", "soon"),
        ("CLAIM_BATCH_SIZE", "401"),
        ("MMR_SCALING_FACTOR", "NaN"),
        ("QUEUES", "{}"),
    ])
    .unwrap_err();
    for name in ["AUTH_MODE", "REDIS_URL, REDIS_HOST", "LOCK_TTL", "CLAIM_BATCH_SIZE", "MMR_SCALING_FACTOR", "queues"] {
        assert!(problems.iter().any(|line| line.starts_with(name)), "{name} not in {problems:#?}");
    }
}

#[test]
fn header_identity_is_refused_in_production_and_lawful_elsewhere() {
    assert!(read(&[REDIS, ("AUTH_MODE", "header")]).is_err(), "prod unless said otherwise");
    assert!(read(&[REDIS, ("AUTH_MODE", "header"), ("STAGE", "prod")]).is_err());
    assert!(read(&[REDIS, ("STOP_AT", "claimed")]).is_err(), "nor may production stop for a test");
    assert_eq!(read(&[REDIS, ("AUTH_MODE", "header"), ("STAGE", "local")]).unwrap().auth, AuthMode::Header);
}

#[test]
fn no_password_is_in_a_problem() {
    let problems = read(&[("REDIS_URL", "http://app:hunter2@cache")]).unwrap_err();
    assert!(!problems.join("\n").contains("hunter2"));
}

#[test]
fn a_queue_outside_the_players_bounds_is_refused() {
    let problems = read(&[REDIS, ("MAX_PLAYERS_PER_MATCH", "8")]).unwrap_err();
    assert_eq!(
        problems,
        ["casual-5v5", "ranked-5v5"].map(|queue| format!("queue {queue}: expected 2 to 8 players a match, found 10"))
    );
}

#[test]
fn a_matcher_leads_one_pool_or_all_and_nothing_outside_that() {
    let share = |text: &str| read(&[REDIS, ("MATCHER_POOLS_MAX", text)]).map(|config| config.matcher_pools_max);
    assert_eq!(read(&[REDIS]).unwrap().matcher_pools_max, MATCHER_POOLS_DEFAULT);
    assert_eq!((share("1"), share(&POOLS_MAX.to_string())), (Ok(1), Ok(POOLS_MAX)));
    assert!(share("0").is_err() && share(&(POOLS_MAX + 1).to_string()).is_err());
}
