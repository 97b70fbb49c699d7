//! One queue on the reference store: use cases step by step, under a clock that the test moves.

use muster::adapters::memory::Memory;
use muster::adapters::memory_ledger::MemoryLedger;
use muster::domain::{MatchId, Party, PlayerId, PlayerResponse, PoolId, Queue, Queues, Rules, TicketId};
use muster::ports::Clock;
use muster::usecases::answer::{self, answer};
use muster::usecases::cancel::{self, cancel};
use muster::usecases::drain::{Drained, drain};
use muster::usecases::join::{JoinReply, Request, TicketRating, join_queue};
use muster::usecases::poll::{Target, poll};
use muster::usecases::tick::{Pace, tick};
use muster::usecases::view::View;

use crate::samples::{T0, player};
use crate::stand_ins::{CountingIds, Fickle, VirtualClock};

/// The reference ledger, which is away when a test says so.
pub type StageLedger = Fickle<MemoryLedger<VirtualClock>>;

/// A deployment of one queue, `duel` in `eu`.
pub struct Stage {
    /// The store.
    pub store: Memory,
    /// The ledger, if the deployment has one.
    pub ledger: Option<StageLedger>,
    /// The time.
    pub clock: VirtualClock,
    /// Maker of ids.
    pub ids: CountingIds,
    /// The queue.
    pub queues: Queues,
    /// Its pool.
    pub pool: PoolId,
}

/// # Panics
/// A call fails, or its answer is not what the name of the method says.
impl Stage {
    /// Without a ledger.
    pub fn of(rules: Rules) -> Self {
        let queue = Queue { name: parsed("duel"), regions: vec![parsed("eu")], rules };
        let queues = Queues::new(vec![queue]).unwrap_or_else(|problems| panic!("{problems:?}"));
        let pool = parsed("duel.eu");
        Self {
            store: Memory::default(),
            ledger: None,
            clock: VirtualClock::at(T0),
            ids: CountingIds::of(1),
            queues,
            pool,
        }
    }

    /// With one.
    pub fn with_ledger(rules: Rules) -> Self {
        Self { ledger: Some(Fickle::new(MemoryLedger::new(VirtualClock::at(T0)))), ..Self::of(rules) }
    }

    /// The ledger.
    pub fn ledger(&self) -> &StageLedger {
        self.ledger.as_ref().unwrap_or_else(|| panic!("expected a stage with a ledger"))
    }

    /// The queue's rules.
    pub fn rules(&self) -> &Rules {
        self.queues.rules(&self.pool).unwrap_or_else(|| panic!("expected rules"))
    }

    /// The first of these players joins with all of them.
    pub async fn ask(&self, players: &[&str], push: bool) -> JoinReply {
        self.ask_with(players, push, None).await
    }

    /// A player joins with an idempotency key.
    pub async fn ask_by_key(&self, name: &str, key: &str) -> JoinReply {
        self.ask_with(&[name], false, Some(key)).await
    }

    async fn ask_with(&self, players: &[&str], push: bool, idempotency_key: Option<&str>) -> JoinReply {
        let players: Vec<PlayerId> = players.iter().map(|name| player(name)).collect();
        let request = Request {
            caller: &players[0],
            pool: self.pool.clone(),
            rules: self.rules(),
            party: Party::restored(players.clone()),
            rating: TicketRating::sent(1_500.0),
            idempotency_key,
            push,
            rate: None,
            now_ms: self.clock.now_ms(),
        };
        done(join_queue(&self.store, &self.ledger, &self.ids, &request).await).reply
    }

    /// A player joins alone and gets a new ticket.
    pub async fn join(&self, name: &str) -> TicketId {
        match self.ask(&[name], false).await {
            JoinReply::Queued(view) => view.ticket,
            other => panic!("expected a new ticket, found {other:?}"),
        }
    }

    /// Two players join, are matched, and the ledger is told.
    pub async fn matched(&self, names: [&str; 2]) -> [TicketId; 2] {
        let tickets = [self.join(names[0]).await, self.join(names[1]).await];
        self.tick().await;
        self.tell().await;
        tickets
    }

    /// Time passes, and the pool is not looked after.
    pub async fn pass(&self, ms: u64) {
        self.clock.sleep_ms(ms).await;
    }

    /// Time passes, and the pool is looked after meanwhile: no ticket counts as silent after a gap.
    pub async fn pass_looked_after(&self, ms: u64) {
        for _ in 0..ms / 1_000 {
            self.pass(1_000).await;
            self.look().await;
        }
    }

    /// A matcher looks, and the ledger is told.
    pub async fn look(&self) {
        self.tick().await;
        self.tell().await;
    }

    /// A matcher looks.
    pub async fn tick(&self) {
        done(tick(&self.store, &self.ids, &self.clock, &self.pool, self.rules(), Pace::default()).await);
    }

    /// The ledger is told.
    pub async fn tell(&self) -> Drained {
        done(drain(&self.store, &self.ledger, &self.clock, &self.pool, self.rules()).await)
    }

    /// What a player reads.
    pub async fn poll(&self, ticket: &TicketId, name: &str) -> View {
        let target = Target::Ticket(ticket.clone());
        let seen = poll(&self.store, &self.ledger, &self.clock, &self.queues, &target, &player(name)).await;
        done(seen).view.unwrap_or_else(|| panic!("{ticket} is lost to {name}"))
    }

    /// A player answers the match that asks.
    pub async fn say(&self, view: &View, name: &str, word: PlayerResponse) -> answer::AnswerReply {
        let id = &view.proposal.as_ref().unwrap_or_else(|| panic!("no player is asked: {view:?}")).id;
        done(answer(&self.store, &self.ledger, &self.clock, &self.queues, id, &player(name), word).await).reply
    }

    /// A player's answer counts; the ticket after it.
    pub async fn says(&self, view: &View, name: &str, word: PlayerResponse) -> View {
        match self.say(view, name, word).await {
            answer::AnswerReply::Noted(view) => view,
            other => panic!("expected an answer that counts, found {other:?}"),
        }
    }

    /// A player takes a ticket back.
    pub async fn cancel(&self, ticket: &TicketId, name: &str) -> cancel::CancelDone {
        done(cancel(&self.store, &self.ledger, ticket, &player(name), self.clock.now_ms()).await)
    }

    /// The match that a player reads of.
    pub fn match_of(view: &View) -> Option<&MatchId> {
        view.this_match.as_ref().map(|this_match| &this_match.id)
    }
}

/// Rules that ask players, with ten seconds to answer.
pub fn asking() -> Rules {
    Rules { acceptance_ms: Some(10_000), ..Rules::default() }
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error:?}"))
}

fn done<T, E: std::fmt::Display>(answer: Result<T, E>) -> T {
    answer.unwrap_or_else(|error| panic!("{error}"))
}
