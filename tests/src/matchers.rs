//! Matchers as tasks of a test, each with a connection of its own.

use muster::adapters::system::System;
use muster::domain::limits::POOLS_MAX;
use muster::domain::{Queues, Rules};
use muster::ports::{Clock, Ids};
use muster::usecases::matcher::{self, Begun, MatcherPlan};
use muster::usecases::tick::Pace;
use tokio::task::JoinHandle;

use crate::stores::Server;

/// Longer than any test.
const RUN_MS: u64 = 600_000;

/// A queues document.
///
/// # Panics
/// It is none.
pub fn queues(text: &str) -> Queues {
    muster_functions::queues::read(text, &Rules::default()).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// A task that ends when this is dropped.
#[derive(Debug)]
pub struct Matching(JoinHandle<()>);

impl Drop for Matching {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A matcher that makes the matches of all pools.
pub fn matching(server: &Server, queues: Queues) -> Matching {
    let store = server.store();
    Matching(tokio::spawn(async move {
        let env = System::default();
        // A run that finds nobody leaves; then the next one begins, as by the schedule and by doorbells.
        loop {
            let plan = MatcherPlan {
                until_ms: env.now_ms() + RUN_MS,
                tick_ms: 100,
                idle_exit_ms: RUN_MS,
                pools_max: POOLS_MAX,
                follow_exit_ms: RUN_MS,
                leader_ttl_ms: 4_000,
                pace: Pace::default(),
            };
            let token = env.unique();
            matcher::run(&store, &env, &env, &queues, Begun::Schedule, token.as_str(), plan, || false, drop).await;
            env.sleep_ms(100).await;
        }
    }))
}
