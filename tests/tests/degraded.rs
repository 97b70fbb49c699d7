//! Half a failure stays half: of three masters one is frozen, then one is killed without a replica. Pools on the others are
//! matched as quickly as before.

use std::time::Duration;

use futures::future::join_all;
use local_aws::time::{now, pause};
use muster::adapters::redis::Redis;
use muster::adapters::system::System;
use muster::domain::{Party, PoolId, Queues, Ticket, TicketId};
use muster::ports::{Clock, Ids, Polled, Tickets};
use muster_tests::edge::{number, say};
use muster_tests::matchers::matching;
use muster_tests::stores::Server;

/// Regions of the queue: so many that every master has pools of it.
const REGIONS: usize = 12;
/// Pairs that each healthy pool is measured with, each time; more with `MUSTER_PAIRS=120`.
const PAIRS: usize = 12;
/// A pair that is not matched by then is lost to the outage.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks at a ticket.
const LOOK: Duration = Duration::from_millis(5);
/// So much longer may a match take while a node is away.
const TIMES_MAX: f64 = 1.5;

fn queues() -> Queues {
    let regions = (0..REGIONS).map(|n| format!("\"r{n}\"")).collect::<Vec<_>>().join(",");
    muster_tests::matchers::queues(&format!(r#"{{"queues":[{{"name":"duel","regions":[{regions}]}}]}}"#))
}

/// Joins a pair and says how long the second waited for its match.
async fn pair(store: &Redis, pool: &PoolId) -> Duration {
    let env = System::default();
    let ticket = || {
        let unique = env.unique();
        let party = Party::solo(format!("p-{unique}").parse().unwrap());
        let (id, joined_ms) = (TicketId::new(pool.clone(), unique), env.now_ms());
        let expires_ms = joined_ms + 300_000;
        Ticket { id, party, rating: 1_500.0, joined_ms, expires_ms, attempts: 0, push: false, imported: 0 }
    };
    let (first, second) = (ticket(), ticket());
    for ticket in [&first, &second] {
        store.join(ticket, ticket.joined_ms).await.unwrap_or_else(|error| panic!("{pool}: {error}"));
    }
    let began = now();
    loop {
        match store.poll(&second.id, &second.party.players()[0], env.now_ms()).await {
            Ok(Polled::Ended(_) | Polled::Settling { .. }) => return began.elapsed(),
            Ok(_) => {}
            Err(error) => panic!("{pool}: {error}"),
        }
        assert!(began.elapsed() < PATIENCE, "{pool}: nobody makes its matches");
        pause(LOOK).await;
    }
}

/// The 95th percentile over all of these pools, all at once.
async fn p95(store: &Redis, pools: &[PoolId], pairs: usize) -> Duration {
    let waits = join_all(pools.iter().map(|pool| async move {
        let mut waits = Vec::new();
        for _ in 0..pairs {
            waits.push(pair(store, pool).await);
        }
        waits
    }));
    let mut waits: Vec<Duration> = waits.await.into_iter().flatten().collect();
    waits.sort_unstable();
    waits[waits.len() * 95 / 100 - 1]
}

#[tokio::test]
async fn pools_on_healthy_nodes_are_matched_as_before_while_one_is_frozen_and_after_one_is_killed() {
    let pairs = number("MUSTER_PAIRS").map_or(PAIRS, |pairs| usize::try_from(pairs).expect("a number of pairs"));
    let mut server = Server::cluster().await;
    let queues = queues();
    let mut homes: [Vec<PoolId>; 3] = Default::default(); // by node
    for (pool, _) in queues.pools() {
        homes[server.owner_of(&pool).await].push(pool);
    }
    assert!(homes.iter().all(|pools| pools.len() >= 2), "expected pools on every node, found {homes:?}");
    let _matcher = matching(&server, queues.clone());
    let store = server.store();
    let away_from = |gone: usize| {
        let kept = homes.iter().enumerate().filter(|(node, _)| *node != gone);
        kept.flat_map(|(_, pools)| pools.clone()).collect::<Vec<PoolId>>()
    };

    p95(&store, &homes.concat(), 2).await;
    for (what, gone) in [("frozen", 0), ("killed", 2)] {
        let kept = away_from(gone);
        let before = p95(&store, &kept, pairs).await;
        let Server::Cluster(cluster) = &mut server else { unreachable!("asked for a cluster") };
        let node = &mut cluster.nodes()[gone];
        if what == "frozen" {
            node.pause()
        } else {
            node.stop()
        }
        let after = p95(&store, &kept, pairs).await;
        if what == "frozen" {
            let Server::Cluster(cluster) = &mut server else { unreachable!("asked for a cluster") };
            cluster.nodes()[gone].resume();
            p95(&store, &homes.concat(), 2).await;
        }
        let times = after.as_secs_f64() / before.as_secs_f64();
        say(format!(
            "one node of three {what}: join to match p95 on the others {before:?} before, {after:?} after: {times:.2} times"
        ));
        assert!(times <= TIMES_MAX, "one node {what}: {before:?} before, {after:?} after");
    }
}
