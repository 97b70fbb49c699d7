//! Every process of a deployment killed (SIGKILL), one after another, under phones: functions, Redis and the emulator.
//!
//! Phones play before, meanwhile and after. What they saw is judged each time; the waits before and after are compared by whoever
//! asked.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::scenario;
use crate::local::Deployment;
use crate::phones::play::Stage;
use crate::phones::verdict::{Verdict, judge};
use local_aws::time::{now, pause};

/// After the last join, everybody has so long to be matched.
const LIMIT_AFTER_LAST_JOIN: Duration = Duration::from_secs(120);
/// Between two looks at whether Redis and the emulator live.
const WATCH_PERIOD: Duration = Duration::from_millis(100);

/// How much is killed under how many.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Phones that play meanwhile.
    pub phones: usize,
    /// Phones that play before, and as many after.
    pub phones_calm: usize,
    /// How long processes are killed, in seconds, and phones join.
    pub seconds: u64,
    /// Between two kills.
    pub every: Duration,
    /// The same seed plays the same phones and kills in the same order.
    pub seed: u64,
}

/// What the phones saw.
#[derive(Debug)]
pub struct Killed {
    /// Before.
    pub before: Verdict,
    /// While processes were killed.
    pub during: Verdict,
    /// After.
    pub after: Verdict,
    /// Kills of each kind of process.
    pub kills: BTreeMap<String, usize>,
    /// Requests meanwhile, how many of them had to be sent again, and how many were joins of a ticket that was not known any more.
    pub requests: [usize; 3],
}

/// Plays the drill. `tell` hears what is going on, a line each.
pub async fn run(deployment: &mut Deployment, plan: Plan, tell: impl Fn(&str)) -> Killed {
    let Plan { phones, phones_calm, seconds, seed, .. } = plan;
    let calm_seconds = (phones_calm as u64 * seconds).div_ceil(phones.max(1) as u64);
    let (before, _) = play(deployment, phones_calm, calm_seconds, seed, None, &tell).await;
    let mut killer = Killer { random: StdRng::seed_from_u64(seed), kinds: Vec::new(), kills: BTreeMap::new() };
    let killing = Some((&mut killer, plan.every));
    let (during, requests) = play(deployment, phones, seconds, seed + 1, killing, &tell).await;
    let (after, _) = play(deployment, phones_calm, calm_seconds, seed + 2, None, &tell).await;
    Killed { before, during, after, kills: killer.kills, requests }
}

struct Killer {
    random: StdRng,
    /// Kinds of processes that are still to be killed in this round.
    kinds: Vec<String>,
    kills: BTreeMap<String, usize>,
}

impl Killer {
    /// Kills a process of the next kind; every kind has its turn before one has its second.
    fn kill(&mut self, deployment: &mut Deployment) -> Option<String> {
        let pids = deployment.pids();
        if self.kinds.is_empty() {
            self.kinds = pids.iter().map(|(kind, _)| kind.clone()).collect();
            self.kinds.sort();
            self.kinds.dedup();
            self.kinds.shuffle(&mut self.random);
        }
        let kind = self.kinds.pop()?;
        let of_kind: Vec<u32> = pids.iter().filter(|(name, _)| *name == kind).map(|(_, pid)| *pid).collect();
        let pid = *of_kind.get(self.random.random_range(0..of_kind.len().max(1)))?;
        local_aws::kill(pid);
        *self.kills.entry(kind.clone()).or_default() += 1;
        Some(format!("kill -9 {pid} ({kind})"))
    }
}

/// Lets phones play while the deployment is looked after, and processes are killed if asked to.
async fn play(
    deployment: &mut Deployment,
    phones: usize,
    seconds: u64,
    seed: u64,
    mut killing: Option<(&mut Killer, Duration)>,
    tell: &impl Fn(&str),
) -> (Verdict, [usize; 3]) {
    use std::sync::atomic::Ordering::Relaxed;
    let limit = Duration::from_secs(seconds) + LIMIT_AFTER_LAST_JOIN;
    let stage = Stage::new(scenario(phones, seconds, seed), &deployment.url(), limit).keyed();
    let (began, mut kills) = (now(), 0);
    let look_after = async {
        loop {
            pause(WATCH_PERIOD).await;
            if let Some((killer, every)) = &mut killing {
                // Nothing is killed any more when all have joined: they must come to their end.
                let due = *every * (kills + 1) <= began.elapsed() && began.elapsed() < Duration::from_secs(seconds);
                if due && let Some(line) = killer.kill(deployment) {
                    kills += 1;
                    tell(&line);
                }
            }
            deployment.revive().await.iter().for_each(|line| tell(line));
        }
    };
    let records = tokio::select! {
        records = stage.play() => records,
        () = look_after => Vec::new(),
    };
    let board = &stage.board;
    let requests = [&board.requests, &board.failures, &board.rejoins].map(|count| count.load(Relaxed));
    (judge(&stage.scenario, &stage.parties, &records), requests)
}
