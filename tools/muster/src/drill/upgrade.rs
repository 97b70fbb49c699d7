//! Two releases side by side on one Redis and one ledger, under phones: an upgrade, and the way back.
//!
//! Phones join from the first part to the last. In each part one function process after another is asked to end, and another
//! starts in its place from the release, or releases, of that part. No data is touched between the parts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use muster::adapters::redis::{Redis, Settings};
use muster::domain::PoolId;
use muster::ports::Pools;

use super::scenario;
use crate::local::{Deployment, RedisPart};
use crate::phones::play::Stage;
use crate::phones::record::{End, Record};
use crate::phones::verdict::{Verdict, judge};
use local_aws::Sandbox;
use local_aws::time::{now, pause};

/// After the last join, everybody has so long to be matched.
const LIMIT_AFTER_LAST_JOIN: Duration = Duration::from_secs(120);
/// Between two looks at whether Redis and the emulator live.
const WATCH_PERIOD: Duration = Duration::from_millis(100);
/// When all phones have ended, the bus has so long to hear of every match.
const HEARD_LIMIT: Duration = Duration::from_secs(30);

/// Which releases, and how many phones.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Phones in all.
    pub phones: usize,
    /// How long each of the five parts is, in seconds.
    pub part_s: u64,
    /// Between two processes that are asked to end.
    pub every: Duration,
    /// The same seed plays the same phones.
    pub seed: u64,
    /// The folder with the binaries of the release before.
    pub before: PathBuf,
    /// The folder with those of this release.
    pub after: PathBuf,
}

/// One part of the drill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// `the release before`, `both`, `this release`.
    pub name: &'static str,
    /// Processes that were asked to end.
    pub ended: usize,
    /// Processes of the release before and of this one: at the end of the part, and where both run the most that ran at once.
    pub processes: (usize, usize),
}

/// What was seen.
#[derive(Debug)]
pub struct Upgraded {
    /// What the phones saw.
    pub verdict: Verdict,
    /// Requests, and how many of them had to be sent again.
    pub requests: (usize, usize),
    /// The parts, in turn.
    pub parts: Vec<Part>,
    /// Matches that phones saw and the event bus never heard of.
    pub unheard: Vec<String>,
    /// Dead letters in Redis, and batches and events that were given up.
    pub dead_letters: Vec<String>,
}

/// Plays the drill. `tell` hears what is going on, a line each.
///
/// # Errors
/// The deployment has no single Redis, or that does not answer at the end.
pub async fn run(deployment: &mut Deployment, plan: &Plan, tell: impl Fn(&str)) -> Result<Upgraded, String> {
    use std::sync::atomic::Ordering::Relaxed;
    let seconds = 5 * plan.part_s;
    let limit = Duration::from_secs(seconds) + LIMIT_AFTER_LAST_JOIN;
    let stage = Stage::new(scenario(plan.phones, seconds, plan.seed), &deployment.url(), limit);
    let (mut parts, mut given_up) = (Vec::new(), Vec::new());
    let turning = turn(deployment, plan, &mut parts, &mut given_up, &tell);
    let records = tokio::select! {
        records = stage.play() => records,
        never = turning => match never {},
    };
    let matches: BTreeSet<&str> = records.iter().flat_map(matches).collect();
    let unheard = unheard(deployment, &matches).await;
    let mut dead_letters = dead_letters(deployment, &stage).await?;
    dead_letters.extend(given_up);
    Ok(Upgraded {
        verdict: judge(&stage.scenario, &stage.parties, &records),
        requests: (stage.board.requests.load(Relaxed), stage.board.failures.load(Relaxed)),
        parts,
        unheard,
        dead_letters,
    })
}

/// Goes through the parts, and looks after the deployment for as long as anybody plays.
async fn turn(
    deployment: &mut Deployment,
    plan: &Plan,
    parts: &mut Vec<Part>,
    given_up: &mut Vec<String>,
    tell: &impl Fn(&str),
) -> std::convert::Infallible {
    let (before, after) = (plan.before.as_path(), plan.after.as_path());
    let course: [(&str, &[&Path]); 5] = [
        ("the release before", &[before]),
        ("both", &[after, before]),
        ("this release", &[after]),
        ("both", &[before, after]),
        ("the release before", &[before]),
    ];
    for (name, folders) in course {
        deployment.start_from(folders);
        let (began, mut ended) = (now(), 0);
        let mut turns: BTreeMap<String, usize> = BTreeMap::new();
        let mut processes = (0, 0);
        while began.elapsed() < Duration::from_secs(plan.part_s) {
            pause(WATCH_PERIOD).await;
            if plan.every * (ended as u32) <= began.elapsed()
                && let Some(process) = next(&deployment.functions(), folders, &turns)
            {
                process.signal(libc::SIGTERM);
                *turns.entry(process.name().to_owned()).or_default() += 1;
                ended += 1;
            }
            look_after(deployment, given_up).await;
            let found = (count(deployment, before), count(deployment, after));
            processes = match folders {
                [_] => found,
                _ => (found.0.max(processes.0), found.1.max(processes.1)),
            };
        }
        tell(&format!(
            "{name}: {ended} processes asked to end; {} of the release before run, {} of this one",
            processes.0, processes.1
        ));
        parts.push(Part { name, ended, processes });
    }
    loop {
        pause(WATCH_PERIOD).await;
        look_after(deployment, given_up).await;
    }
}

/// Starts again what has ended. Of the news only what was given up counts: processes end here on purpose.
async fn look_after(deployment: &mut Deployment, given_up: &mut Vec<String>) {
    let notifications = deployment.revive().await;
    given_up.extend(notifications.into_iter().filter(|line| line.contains("given up") || line.contains("gave up")));
}

/// The process whose turn it is to end: of the function that has had the fewest; where the part has one release, of the other one.
fn next(running: &[Sandbox], folders: &[&Path], turns: &BTreeMap<String, usize>) -> Option<Sandbox> {
    let strange = |process: &&Sandbox| folders.len() > 1 || process.program().parent() != Some(folders[0]);
    let had = |process: &&Sandbox| turns.get(process.name()).copied().unwrap_or_default();
    running.iter().filter(strange).min_by_key(had).cloned()
}

fn count(deployment: &Deployment, folder: &Path) -> usize {
    deployment.functions().iter().filter(|process| process.program().parent() == Some(folder)).count()
}

fn matches(record: &Record) -> impl Iterator<Item = &str> {
    record.lives.iter().flat_map(|life| &life.ends).filter_map(|end| match end {
        End::Matched(this_match) => Some(this_match.match_id.as_str()),
        _ => None,
    })
}

/// Matches that the bus has not heard of within the limit.
async fn unheard(deployment: &mut Deployment, matches: &BTreeSet<&str>) -> Vec<String> {
    let began = now();
    loop {
        let heard = deployment.ledger().map(|ledger| ledger.bus.heard()).unwrap_or_default();
        let heard: BTreeSet<&str> = heard.iter().filter_map(|(_, detail)| detail["match_id"].as_str()).collect();
        let missing: Vec<String> = matches.difference(&heard).map(|id| (*id).to_owned()).collect();
        if missing.is_empty() || began.elapsed() > HEARD_LIMIT {
            return missing;
        }
        pause(WATCH_PERIOD).await;
    }
}

/// Pools that hold dead letters, or outcomes that the ledger has not heard of.
async fn dead_letters(deployment: &mut Deployment, stage: &Stage) -> Result<Vec<String>, String> {
    let RedisPart::Single(server) = deployment.redis() else { return Err("expected one Redis server".to_owned()) };
    let store = Redis::new(Settings::from_url(&server.url()).map_err(|error| error.to_string())?);
    let store = store.map_err(|error| error.to_string())?;
    let mut found = BTreeMap::new();
    for mode in &stage.scenario.modes {
        let pool: PoolId = format!("{}.{}", mode.queue, mode.region).parse().map_err(|error| format!("{error}"))?;
        let status = store.status(&pool, 0, None).await.map_err(|error| error.to_string())?;
        found.insert(pool.to_string(), (status.dead_letters, status.outbox));
    }
    let odd = found.into_iter().filter(|(_, counts)| *counts != (0, 0));
    Ok(odd
        .map(|(pool, (dead, left))| format!("{pool}: {dead} dead letters, {left} entries left in the outbox"))
        .collect())
}
