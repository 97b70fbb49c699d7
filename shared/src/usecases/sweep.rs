//! The backstop: whatever a crash left behind is put right, and a pool that nobody leads is looked at.
//!
//! A matcher does the same upkeep on every tick of the pools that it leads. The sweeper is for pools whose matcher died. And it
//! looks at what stands in all pools, because it runs also when no matcher does. Where nothing stands it leaves.

use futures::future::{join_all, try_join_all};

use super::tick::{Pace, Ticked, tick, upkeep};
use crate::domain::{PoolId, Queues, Rules};
use crate::ports::{Clock, Ids, Matches, Pools, StoreError, Upkeep};

/// How long a run lasts, and its rhythm.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// When to leave.
    pub until_ms: u64,
    /// Pause between sweeps, in milliseconds.
    pub sweep_ms: u64,
    /// How a tick works.
    pub pace: Pace,
}

/// What stands in all pools at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Tickets in line.
    pub waiting: usize,
    /// Tickets held by matches that are not confirmed.
    pub claimed: usize,
    /// How long the first in line has waited, of the pool where that is longest, in milliseconds.
    pub oldest_ticket_ms: u64,
    /// Entries that the outside has not heard of yet.
    pub untold: usize,
    /// How long the oldest of them has waited, of the pool where that is longest, in milliseconds.
    pub outbox_lag_ms: u64,
}

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Sweeps over all pools.
    pub sweeps: usize,
    /// All of them together.
    pub total: Ticked,
    /// What stood in the pools before each sweep that could see it.
    pub stood: Vec<Standing>,
    /// Calls that failed; each was tried again in the next sweep.
    pub failures: usize,
    /// The last failure.
    pub last_failure: Option<String>,
}

/// How long a sweeper leads a pool that nobody leads, at most, in milliseconds. It resigns after one look.
const LEAD_MS: u64 = 2_000;

/// Sweeps all pools until the time is up, nothing is left in them, or `queues` are `superseded` by newer rules; at least once.
pub async fn run(
    store: &(impl Matches + Upkeep + Pools),
    ids: &impl Ids,
    clock: &impl Clock,
    queues: &Queues,
    token: &str,
    plan: Plan,
    superseded: impl Fn() -> bool,
) -> Swept {
    let mut swept = Swept::default();
    loop {
        let mut nothing_left = false;
        match look(store, queues, clock.now_ms()).await {
            Ok(standing) => {
                nothing_left = standing == Standing::default();
                swept.stood.push(standing);
            }
            Err(error) => note(&mut swept, &error),
        }
        let sweeps = queues
            .pools()
            .map(|(pool, rules)| async move { sweep(store, ids, clock, &pool, rules, token, plan.pace).await });
        for answer in join_all(sweeps).await {
            match answer {
                Ok(done) => {
                    if let Some(error) = &done.failed {
                        note(&mut swept, error);
                    }
                    swept.total += Ticked { waiting: 0, ..done };
                }
                Err(error) => note(&mut swept, &error),
            }
        }
        swept.sweeps += 1;
        if nothing_left || superseded() || clock.now_ms() + plan.sweep_ms >= plan.until_ms {
            return swept;
        }
        clock.sleep_ms(plan.sweep_ms).await;
    }
}

fn note(swept: &mut Swept, error: &StoreError) {
    swept.failures += 1;
    swept.last_failure = Some(error.to_string());
}

async fn look(store: &impl Pools, queues: &Queues, now_ms: u64) -> Result<Standing, StoreError> {
    let looks = queues.pools().map(|(pool, _)| async move { store.status(&pool).await });
    let since = |then_ms: Option<u64>| then_ms.map_or(0, |then_ms| now_ms.saturating_sub(then_ms));
    let all = try_join_all(looks).await?;
    Ok(Standing {
        waiting: all.iter().map(|status| status.waiting).sum(),
        claimed: all.iter().map(|status| status.claimed).sum(),
        untold: all.iter().map(|status| status.outbox).sum(),
        oldest_ticket_ms: all.iter().map(|status| since(status.first_joined_ms)).max().unwrap_or_default(),
        outbox_lag_ms: all.iter().map(|status| since(status.outbox_oldest_ms)).max().unwrap_or_default(),
    })
}

async fn sweep(
    store: &(impl Matches + Upkeep),
    ids: &impl Ids,
    clock: &impl Clock,
    pool: &PoolId,
    rules: &Rules,
    token: &str,
    pace: Pace,
) -> Result<Ticked, StoreError> {
    if !store.lead(pool, token, LEAD_MS).await? {
        return upkeep(store, pool, rules, clock.now_ms()).await;
    }
    let done = tick(store, ids, clock, pool, rules, pace).await;
    store.resign(pool, token).await?;
    done
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::adapters::memory::Memory;
    use crate::domain::{Match, MatchId, MatchState, Member, Party, PlayerId, Queue, Ticket, TicketId, Unique};
    use crate::ports::{Outbox, Tickets};

    const T0: u64 = 1_800_000_000_000;

    async fn joined(store: &Memory, pool: &PoolId, n: u64, joined_ms: u64) -> Ticket {
        let player: PlayerId = format!("p{n}").parse().unwrap();
        let id = TicketId::new(pool.clone(), Unique::from_bits(u128::from(n)));
        let ticket = Ticket {
            id,
            party: Party::solo(player),
            rating: 0.0,
            joined_ms,
            expires_ms: joined_ms + 1,
            attempts: 0,
            push: false,
            imported: 0,
        };
        store.join(&ticket, joined_ms).await.unwrap();
        ticket
    }

    /// Time that moves only when somebody waits.
    struct World(AtomicU64);

    impl Clock for World {
        fn now_ms(&self) -> u64 {
            self.0.load(Ordering::Relaxed)
        }

        async fn sleep_ms(&self, ms: u64) {
            self.0.fetch_add(ms, Ordering::Relaxed);
        }
    }

    impl Ids for World {
        fn unique(&self) -> Unique {
            Unique::from_bits(u128::from(self.now_ms()))
        }
    }

    #[tokio::test]
    async fn a_sweeper_stays_while_anything_is_left_and_leaves_when_nothing_is() {
        let regions = vec!["eu".parse().unwrap()];
        let queue = Queue { name: "duel".parse().unwrap(), regions, rules: Rules::default() };
        let (store, queues) = (Memory::default(), Queues::new(vec![queue]).unwrap());
        let pool = queues.pools().next().unwrap().0;
        let plan = Plan { until_ms: T0 + 10_000, sweep_ms: 1_000, pace: Pace::default() };
        let (its_store, its_queues) = (&store, &queues);
        let sweeps_until = |superseded_ms| async move {
            let world = World(AtomicU64::new(T0));
            let superseded = || world.now_ms() >= superseded_ms;
            run(its_store, &world, &world, its_queues, "ours", plan, superseded).await.sweeps
        };
        let sweeps = || sweeps_until(u64::MAX);
        assert_eq!(sweeps().await, 1);
        let alone = joined(&store, &pool, 1, T0 + 60_000).await;
        assert_eq!(sweeps().await, 10, "somebody waits");
        assert_eq!(sweeps_until(T0 + 3_000).await, 4, "a run with newer rules takes over");
        store.cancel(&alone.id, &alone.party.players()[0], T0).await.unwrap();
        assert_eq!(sweeps().await, 10, "the ledger has not heard");
        let untold = store.take(&pool, 10, 0).await.unwrap();
        store.told(&pool, &untold.iter().map(|entry| entry.id.clone()).collect::<Vec<_>>()).await.unwrap();
        assert_eq!(sweeps().await, 1);
    }

    #[tokio::test]
    async fn a_look_sums_what_stands_in_the_pools_and_takes_the_worst_of_what_waits() {
        let regions = vec!["eu".parse().unwrap(), "us".parse().unwrap()];
        let queue = Queue { name: "duel".parse().unwrap(), regions, rules: Rules::default() };
        let (store, queues) = (Memory::default(), Queues::new(vec![queue]).unwrap());
        assert_eq!(look(&store, &queues, T0).await.unwrap(), Standing::default());

        let pools: Vec<PoolId> = queues.pools().map(|(pool, _)| pool).collect();
        let mut held = Vec::new();
        for (at, pool) in (0..).zip(&pools) {
            joined(&store, pool, 1, T0 + at * 1_000).await;
            let gone = joined(&store, pool, 2, T0 + 2_000).await;
            store.cancel(&gone.id, &gone.party.players()[0], T0 + 5_000 - at * 1_000).await.unwrap();
            held = vec![joined(&store, pool, 3, T0 + 2_000).await, joined(&store, pool, 4, T0 + 2_000).await];
        }
        let teams = held.iter().map(|ticket| vec![Member::of(ticket)]).collect();
        let id = MatchId::new(pools[1].clone(), Unique::from_bits(9));
        let game = Match { id, state: MatchState::Forming, created_ms: T0, teams, deadline_ms: None, lobby: None };
        store.claim(&[game], T0 + 60_000).await.unwrap();

        let expected = Standing { waiting: 4, claimed: 2, untold: 2, oldest_ticket_ms: 10_000, outbox_lag_ms: 6_000 };
        assert_eq!(look(&store, &queues, T0 + 10_000).await.unwrap(), expected);
    }
}
