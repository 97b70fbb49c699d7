//! Two versions on one Redis. What the next version may write and this one does not know is written here by hand: a longer
//! ticket, another state, another reason, another kind of entry. This version must go on, and must take nothing of it away.

use futures::channel::mpsc;
use muster::adapters::memory_ledger::MemoryLedger;
use muster::adapters::redis::Redis;
use muster::domain::limits::{OUTBOX_ENTRIES_MAX, OUTBOX_TAKE_MAX, SNAPSHOT_PAGE_TICKETS};
use muster::domain::{Match, PlayerResponse, PoolId, Queue, Queues, Rules, Ticket};
use muster::ports::{Matches, Outbox, Polled, Pools, Proposals, Tickets, Upkeep};
use muster::usecases::drain::{self, Post, drain};
use muster::usecases::tick::{Pace, tick};
use muster_tests::model::seen::{further, lengthened};
use muster_tests::raw::Reader;
use muster_tests::samples::{T0, forming, match_id, player, pool, proposed, ticket, ticket_id};
use muster_tests::stand_ins::{CountingIds, VirtualClock};
use muster_tests::stores::Server;
use serde_json::{Value, json};

struct Env {
    _server: Server,
    store: Redis,
    raw: Reader,
    pool: PoolId,
}

impl Env {
    async fn new() -> Self {
        let server = Server::plain().await;
        let (store, raw) = (server.store_with_outbox(OUTBOX_ENTRIES_MAX), server.reader().await);
        Self { _server: server, store, raw, pool: pool("duel.eu") }
    }

    async fn joined(&self, n: usize, name: &str) -> Ticket {
        let ticket = ticket(&self.pool, n, &[name], T0 + n as u64);
        self.store.join(&ticket, T0).await.unwrap();
        ticket
    }

    fn key(&self, name: &str) -> String {
        format!("mm:{{{}}}:{name}", self.pool)
    }

    async fn field(&mut self, key: &str, field: &str) -> Value {
        let text: String = self.raw.query(&["HGET", &self.key(key), field]).await;
        serde_json::from_str(&text).unwrap()
    }

    async fn write(&mut self, key: &str, field: &str, value: &str) {
        let _: i64 = self.raw.query(&["HSET", &self.key(key), field, value]).await;
    }

    /// A ticket's record with this written behind its fields.
    async fn lengthen(&mut self, ticket: &Ticket) {
        let field = ticket.id.unique.as_str().to_owned();
        let record = lengthened(self.field("tickets", &field).await);
        self.write("tickets", &field, &record.to_string()).await;
    }

    async fn look(&self) -> muster::usecases::tick::Ticked {
        let (ids, clock) = (CountingIds::of(7), VirtualClock::at(T0 + 5_000));
        tick(&self.store, &ids, &clock, &self.pool, &Rules::default(), Pace::default()).await.unwrap()
    }

    async fn proposed(&self, one: &Ticket, two: &Ticket) -> Match {
        let this_match = proposed(&forming(&self.pool, 1, &[&[one], &[two]], T0), T0 + 10_000);
        self.store.claim(std::slice::from_ref(&this_match), T0 + 10_000).await.unwrap();
        this_match
    }
}

#[tokio::test]
async fn a_longer_ticket_is_read_polled_and_matched() {
    let mut env = Env::new().await;
    let (ann, _bob) = (env.joined(1, "ann").await, env.joined(2, "bob").await);
    env.lengthen(&ann).await;
    let polled = env.store.poll(&ann.id, &player("ann"), T0 + 1).await.unwrap();
    let Polled::Waiting { ticket, .. } = polled else { panic!("expected it to wait, found {polled:?}") };
    assert_eq!(ticket, ann);
    assert_eq!(env.look().await.matched, 2);
}

#[tokio::test]
async fn a_ticket_that_cannot_be_read_is_passed_over_and_everybody_else_is_matched() {
    let mut env = Env::new().await;
    for n in 1..=4 {
        env.joined(n, &format!("p{n}")).await;
    }
    env.write("tickets", ticket_id(&env.pool, 2).unique.as_str(), r#"{"later":"not a list any more"}"#).await;
    let done = env.look().await;
    assert_eq!((done.matched, done.unreadable), (2, 1), "{done:?}");
    assert_eq!(
        env.store.status(&env.pool, T0, None).await.unwrap().waiting,
        2,
        "one has no opponent, one cannot be read"
    );
}

#[tokio::test]
async fn a_page_with_a_ticket_that_cannot_be_read_is_not_taken_for_the_last() {
    let mut env = Env::new().await;
    let joins = (0..SNAPSHOT_PAGE_TICKETS + 2).map(|n| {
        let ticket = Ticket { rating: 9_000.0 * n as f64, ..ticket(&env.pool, n, &[&format!("p{n}")], T0 + n as u64) };
        let env = &env;
        async move { env.store.join(&ticket, T0).await.unwrap() }
    });
    futures::future::join_all(joins).await;
    env.write("tickets", ticket_id(&env.pool, 5).unique.as_str(), "7").await;
    let done = env.look().await;
    assert_eq!((done.waiting, done.unreadable), (SNAPSHOT_PAGE_TICKETS + 1, 1), "all but one were looked at");
}

#[tokio::test]
async fn waiting_again_keeps_what_this_version_does_not_know() {
    let mut env = Env::new().await;
    let (ann, bob) = (env.joined(1, "ann").await, env.joined(2, "bob").await);
    env.lengthen(&ann).await;
    let before = env.field("tickets", ann.id.unique.as_str()).await;
    let this_match = forming(&env.pool, 1, &[&[&ann], &[&bob]], T0);
    env.store.claim(&[this_match], T0 + 10).await.unwrap();
    assert_eq!(env.store.reclaim(&env.pool, T0 + 11).await.unwrap().requeued, 2);
    let after = env.field("tickets", ann.id.unique.as_str()).await;
    let mut expected = before;
    expected[4] = json!(1);
    // The scripts' JSON knows one sort of number.
    expected[1] = json!(1500);
    assert_eq!(after, expected);
}

#[tokio::test]
async fn a_match_keeps_what_this_version_does_not_know() {
    let mut env = Env::new().await;
    let (ann, bob) = (env.joined(1, "ann").await, env.joined(2, "bob").await);
    let this_match = env.proposed(&ann, &bob).await;
    let id = this_match.id.unique.as_str().to_owned();
    let mut record = env.field("matches", &id).await;
    record["later"] = json!(further());
    record["teams"][0][0]["later"] = json!(further());
    env.write("matches", &id, &record.to_string()).await;
    let answer = |name, word| (player(name), word);
    for (name, word) in [answer("ann", PlayerResponse::Accept), answer("bob", PlayerResponse::Decline)] {
        env.store.answer(&this_match.id, &name, word, T0 + 1, None).await.unwrap();
    }
    env.store.drop_match(&this_match.id, &[], T0 + 2).await.unwrap();
    env.store.reclaim(&env.pool, T0 + 2).await.unwrap();
    let after = env.field("matches", &id).await;
    assert_eq!((&after["later"], &after["teams"][0][0]["later"]), (&json!(further()), &json!(further())), "{after}");
    assert_eq!(after["state"], "dropped");
}

#[tokio::test]
async fn a_match_in_a_state_that_this_version_does_not_know_holds_its_tickets_and_falls_through_without_blame() {
    let mut env = Env::new().await;
    let (ann, bob) = (env.joined(1, "ann").await, env.joined(2, "bob").await);
    let this_match = env.proposed(&ann, &bob).await;
    let id = this_match.id.unique.as_str().to_owned();
    let mut record = env.field("matches", &id).await;
    record["state"] = json!("placing");
    env.write("matches", &id, &record.to_string()).await;
    let polled = env.store.poll(&ann.id, &player("ann"), T0 + 1).await.unwrap();
    assert!(matches!(polled, Polled::Claimed { .. }), "{polled:?}");
    env.store.find_match(&this_match.id).await.unwrap();
    let reclaimed = env.store.reclaim(&env.pool, T0 + 10_000).await.unwrap();
    assert_eq!((reclaimed.requeued, reclaimed.cancelled), (2, 0));
}

#[tokio::test]
async fn an_outcome_that_this_version_does_not_know_is_over() {
    let mut env = Env::new().await;
    for (n, outcome) in [
        json!({"status": "cancelled", "reason": "no_server", "players": ["ann"], "ended_ms": T0, "further": {}}),
        json!({"status": "banished", "players": ["ann"]}),
    ]
    .into_iter()
    .enumerate()
    {
        let id = ticket_id(&env.pool, n + 1);
        env.write("results", id.unique.as_str(), &outcome.to_string()).await;
        let polled = env.store.poll(&id, &player("ann"), T0).await.unwrap();
        let Polled::Ended(over) = polled else { panic!("expected it to be over, found {polled:?}") };
        assert_eq!(over.players, [player("ann")]);
    }
}

/// What the next version might tell: a kind of its own, and a kind of ours with a word of its own.
fn unknown(n: usize) -> [(&'static str, String, String); 2] {
    let id = match_id(&pool("duel.eu"), n).unique.to_string();
    let ended = json!({
        "status": "cancelled", "reason": "no_server", "players": ["ann"], "rating": 1.0, "joined_ms": T0, "attempts": 0,
        "ended_ms": T0,
    });
    [("placed", id, "{}".to_owned()), ("ended", ticket_id(&pool("duel.eu"), n).unique.to_string(), ended.to_string())]
}

#[tokio::test]
async fn entries_that_this_version_does_not_know_wait_for_one_that_does_and_block_nobody() {
    let mut env = Env::new().await;
    let (ledger, clock) = (MemoryLedger::new(VirtualClock::at(T0)), VirtualClock::at(T0));
    let outbox = env.key("outbox");
    for n in 0..OUTBOX_TAKE_MAX {
        for (kind, id, body) in unknown(n) {
            let _: String = env.raw.query(&["XADD", &outbox, "*", "kind", kind, "id", &id, "body", &body]).await;
        }
    }
    let ann = env.joined(900, "ann").await;
    env.store.cancel(&ann.id, &player("ann"), T0 + 1).await.unwrap();
    let (mut told, mut aside, mut put_off) = (0, 0, 0);
    for _ in 0..4 {
        let done = drain(&env.store, &ledger, &clock, &env.pool, &Rules::default()).await.unwrap();
        (told, aside, put_off) = (told + done.acknowledged, aside + done.dead_lettered, put_off + done.put_off);
    }
    assert_eq!(
        (told, aside, put_off),
        (1, 0, 2 * OUTBOX_TAKE_MAX),
        "ours is recorded, and nothing becomes a dead letter"
    );
    assert_eq!(env.store.dead_letters(&env.pool, 1).await.unwrap(), []);
}

#[tokio::test]
async fn the_first_run_of_a_version_that_knows_them_tells_entries_that_were_put_off() {
    let mut env = Env::new().await;
    let later = env.key("later");
    // Two pages that nobody knows, and behind them what this version does.
    for n in 0..OUTBOX_TAKE_MAX {
        for (kind, id, body) in unknown(n) {
            let _: String = env.raw.query(&["XADD", &later, "*", "kind", kind, "id", &id, "body", &body]).await;
        }
    }
    let ann = env.joined(900, "ann").await;
    env.store.cancel(&ann.id, &player("ann"), T0 + 1).await.unwrap();
    let entry = env.store.take(&env.pool, 1, 0).await.unwrap().remove(0);
    env.store.put_off(&env.pool, &[entry.id]).await.unwrap();

    let (ledger, clock) = (MemoryLedger::new(VirtualClock::at(T0)), VirtualClock::at(T0));
    let queue = Queue { name: "duel".parse().unwrap(), regions: vec!["eu".parse().unwrap()], rules: Rules::default() };
    let queues = Queues::new(vec![queue]).unwrap();
    let (leave, posts) = mpsc::unbounded();
    leave.unbounded_send(Post::Carry(env.pool.clone())).unwrap();
    let run = drain::run(&env.store, &ledger, &clock, &queues, 1_000, posts);
    let told = async {
        loop {
            let polled = ledger.poll(&ann.id, &player("ann"), T0).await.unwrap();
            let left = env.store.status(&env.pool, T0, None).await.unwrap().outbox;
            if matches!(polled, Polled::Ended(_)) && left == 0 {
                break drop(leave);
            }
            tokio::task::yield_now().await;
        }
    };
    let (drained, ()) = futures::join!(run, told);
    assert_eq!((drained.acknowledged, drained.put_off), (1, 0));
    let left: usize = env.raw.query(&["XLEN", &later]).await;
    assert_eq!(left, 2 * OUTBOX_TAKE_MAX, "what it does not know waits on");
}

#[tokio::test]
async fn a_ticket_that_cannot_be_read_does_not_stop_upkeep() {
    let mut env = Env::new().await;
    let (ann, bob) = (env.joined(1, "ann").await, env.joined(2, "bob").await);
    for (n, record) in ["7", "{}", "no JSON at all", "[[\"p\"],1,2]"].into_iter().enumerate() {
        let odd = env.joined(10 + n, &format!("odd{n}")).await;
        env.write("tickets", odd.id.unique.as_str(), record).await;
    }
    let held = env.joined(20, "held").await;
    let this_match = forming(&env.pool, 1, &[&[&bob], &[&held]], T0);
    env.store.claim(&[this_match], T0 + 10).await.unwrap();
    env.write("tickets", held.id.unique.as_str(), "7").await;
    assert_eq!(env.store.reclaim(&env.pool, T0 + 11).await.unwrap().requeued, 2);
    let end_ms = ann.expires_ms.max(bob.expires_ms);
    let expired = env.store.expire(&env.pool, &Rules::default(), end_ms).await.unwrap();
    assert_eq!(expired.expired, 2);
    assert_eq!(
        env.store.status(&env.pool, T0, None).await.unwrap().waiting,
        5,
        "left to the version that can read them"
    );
}

#[tokio::test]
async fn a_ticket_that_cannot_be_read_stands_before_everybody_who_joined_later_when_its_match_falls_through() {
    let mut env = Env::new().await;
    let (ann, bob) = (env.joined(1, "ann").await, env.joined(2, "bob").await);
    let later = env.joined(3, "cid").await;
    let this_match = forming(&env.pool, 1, &[&[&ann], &[&bob]], T0);
    env.store.claim(&[this_match], T0 + 10).await.unwrap();
    env.write("tickets", bob.id.unique.as_str(), "7").await;
    assert_eq!(env.store.reclaim(&env.pool, T0 + 11).await.unwrap().requeued, 2);
    let waiting = env.key("waiting");
    let line: Vec<String> = env.raw.query(&["ZRANGE", &waiting, "0", "-1"]).await;
    assert_eq!(line, [ann, bob, later].map(|ticket| ticket.id.unique.as_str().to_owned()));
}
