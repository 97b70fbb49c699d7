//! Redis fails over to a replica that had not heard the last moments, under 300 phones: nobody is in two matches, and nobody is
//! lost, as read by phones and by the ledger. Real Redis, its replication held up at the TCP level, a real DynamoDB emulator, the
//! use cases of the functions.
//!
//! The suite plays a few rounds. All of them: `MUSTER_FAILOVER_ROUNDS=50 cargo nextest run --test failover`.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use local_aws::RedisServer;
use local_aws::time::{now, pause};
use muster::adapters::dynamodb::{DynamoDb, Settings as LedgerSettings};
use muster::adapters::redis::{Redis, Settings};
use muster::adapters::system::System;
use muster::domain::limits::OUTBOX_ENTRIES_MAX;
use muster::domain::window::Window;
use muster::domain::{Match, Party, PlayerId, PoolId, Queue, Queues, Rules, TicketId};
use muster::ports::{Clock, Tickets};
use muster::usecases::drain::drain;
use muster::usecases::join::{JoinReply, Request, TicketRating, join_queue};
use muster::usecases::poll::{Target, poll};
use muster::usecases::tick::{Pace, tick};
use muster::usecases::view::Status;
use muster_tests::edge::{number, say};
use muster_tests::raw::Reader;
use muster_tests::samples::player;
use muster_tools::local::{self, TABLE};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, LocalSet};

const PHONES: usize = 300;
/// Rounds of the suite.
const ROUNDS: u64 = 3;
/// Pause between two joins.
const ARRIVAL: Duration = Duration::from_millis(5);
/// A matcher's pause.
const TICK: Duration = Duration::from_millis(20);
/// Longest pause between two polls of a phone, so that a round is short.
const POLL: Duration = Duration::from_millis(300);
/// No round takes so long unless it fails.
const PATIENCE: Duration = Duration::from_secs(90);

/// The way from a replica to its primary, until it is held up: from then on the replica hears nothing more.
struct Way {
    port: u16,
    held: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Way {
    async fn to(primary: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let held = Arc::new(AtomicBool::new(false));
        let hold = Arc::clone(&held);
        let task = tokio::spawn(async move {
            while let Ok((replica, _)) = listener.accept().await {
                let Ok(primary) = TcpStream::connect(("127.0.0.1", primary)).await else { continue };
                let ((mut from_replica, mut to_replica), (mut from_primary, mut to_primary)) =
                    (replica.into_split(), primary.into_split());
                tokio::spawn(async move { tokio::io::copy(&mut from_replica, &mut to_primary).await });
                let hold = Arc::clone(&hold);
                tokio::spawn(async move {
                    let mut bytes = vec![0; 16_384];
                    while let Ok(count @ 1..) = from_primary.read(&mut bytes).await {
                        // What was under way when it was held up is lost with the rest.
                        if hold.load(Ordering::SeqCst) || to_replica.write_all(&bytes[..count]).await.is_err() {
                            std::future::pending::<()>().await;
                        }
                    }
                });
            }
        });
        Self { port, held, task }
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn store(server: &RedisServer) -> Redis {
    let settings = Settings::from_url(&server.url()).unwrap().outbox_entries_max(OUTBOX_ENTRIES_MAX);
    Redis::new(settings).unwrap()
}

/// A deployment whose Redis fails over.
struct Stage {
    primary: Redis,
    replica: Redis,
    promoted: Cell<bool>,
    ledger: Option<DynamoDb>,
    env: System,
    queues: Queues,
    pool: PoolId,
    leaving: Cell<bool>,
    voids: Cell<usize>,
    away: Cell<usize>,
    told: RefCell<BTreeMap<PlayerId, Match>>,
}

impl Stage {
    /// Where whoever begins a call now finds Redis.
    fn store(&self) -> Redis {
        if self.promoted.get() { self.replica.clone() } else { self.primary.clone() }
    }

    fn rules(&self) -> &Rules {
        self.queues.rules(&self.pool).unwrap()
    }

    /// Joins until somebody answers, then polls until it is matched.
    async fn phone(&self, player: PlayerId) {
        let key = format!("{player}-key");
        let ticket = loop {
            let request = Request {
                caller: &player,
                pool: self.pool.clone(),
                rules: self.rules(),
                party: Party::solo(player.clone()),
                rating: TicketRating::sent(1_500.0),
                idempotency_key: Some(&key),
                push: false,
                rate: None,
                now_ms: self.env.now_ms(),
            };
            match join_queue(&self.store(), &self.ledger, &self.env, &request).await.map(|placed| placed.reply) {
                Ok(JoinReply::Queued(view) | JoinReply::Already(view)) => break view.ticket,
                Ok(JoinReply::Contended) | Err(_) => self.away.set(self.away.get() + 1),
                Ok(other) => panic!("{player}: {other:?}"),
            }
            pause(Duration::from_millis(50)).await;
        };
        let began = now();
        loop {
            let target = Target::Ticket(ticket.clone());
            let seen = poll(&self.store(), &self.ledger, &self.env, &self.queues, &target, &player).await;
            let retry_ms = match seen {
                Ok(seen) => {
                    self.voids.set(self.voids.get() + seen.voids);
                    let view = seen.view.unwrap_or_else(|| panic!("{ticket} of {player} is lost"));
                    if view.status == Status::Matched {
                        let this_match =
                            view.this_match.unwrap_or_else(|| panic!("{player} is matched, and not told with whom"));
                        self.told.borrow_mut().insert(player, this_match);
                        return;
                    }
                    assert_eq!(view.status, Status::Waiting, "{player}");
                    view.retry_after_ms.unwrap_or(100)
                }
                Err(_) => 50,
            };
            assert!(began.elapsed() < PATIENCE, "{player} waits for ever with {ticket}");
            pause(Duration::from_millis(retry_ms).min(POLL)).await;
        }
    }

    /// Looks and tells until all phones are served.
    async fn matcher(&self) {
        while !self.leaving.get() {
            let store = self.store();
            if tick(&store, &self.env, &self.env, &self.pool, self.rules(), Pace::default()).await.is_err() {
                self.away.set(self.away.get() + 1);
            }
            pause(TICK).await;
        }
    }

    async fn carrier(&self) {
        while !self.leaving.get() {
            let store = self.store();
            match drain(&store, &self.ledger, &self.env, &self.pool, self.rules()).await {
                Ok(drained) => self.voids.set(self.voids.get() + drained.voids),
                Err(_) => self.away.set(self.away.get() + 1),
            }
            pause(TICK).await;
        }
    }
}

async fn matches_of(reader: &mut Reader) -> BTreeSet<String> {
    reader.query::<Vec<String>>(&["HKEYS", "mm:{duel.eu}:matches"]).await.into_iter().collect()
}

/// All matches that the ledger calls played.
async fn played(emulator: &local_aws::DynamoDb, ledger: &DynamoDb) -> Vec<Match> {
    let (mut matches, mut start) = (Vec::new(), Value::Null);
    loop {
        let mut request = json!({ "TableName": TABLE, "ConsistentRead": true });
        if !start.is_null() {
            request["ExclusiveStartKey"] = start;
        }
        let page = emulator.api().call("DynamoDB_20120810.Scan", &request).await.unwrap();
        for item in page["Items"].as_array().into_iter().flatten() {
            if let Ok(id) = item["pk"]["S"].as_str().unwrap().parse() {
                matches.extend(ledger.find_match(&id).await.unwrap());
            }
        }
        start = page["LastEvaluatedKey"].clone();
        if start.is_null() {
            return matches;
        }
    }
}

/// What came of a round.
#[derive(Debug, Default, Clone, Copy)]
struct Round {
    /// Matches that the primary had made, and the replica had not heard of.
    forgotten: usize,
    /// Of these, matches that the ledger had by then or got afterwards.
    forgotten_and_played: usize,
    voids: usize,
}

async fn round(seed: u64) -> Round {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut primary = RedisServer::start().await.unwrap();
    let replica = RedisServer::start().await.unwrap();
    let way = Way::to(primary.port()).await;
    let mut replicas = Reader::plain(&replica.url()).await.unwrap();
    let mut primaries = Reader::plain(&primary.url()).await.unwrap();
    let _: String = primaries.query(&["CONFIG", "SET", "repl-diskless-sync-delay", "0"]).await;
    let _: String = replicas.query(&["REPLICAOF", "127.0.0.1", &way.port.to_string()]).await;
    let began = now();
    while !replicas.query::<String>(&["INFO", "replication"]).await.contains("master_link_status:up") {
        assert!(began.elapsed() < PATIENCE, "the replica never syncs");
        pause(Duration::from_millis(10)).await;
    }
    let emulator = local::ledger_emulator().await.unwrap();
    let ledger = DynamoDb::new(LedgerSettings::local(TABLE, emulator.url()));
    let window = Window { initial: 1_000.0, cap: 1_000.0, ..Rules::default().window };
    let rules = Rules { window, ..Rules::default() };
    let queue = Queue { name: "duel".parse().unwrap(), regions: vec!["eu".parse().unwrap()], rules };
    let queues = Queues::new(vec![queue]).unwrap();
    let pool = queues.pools().next().unwrap().0;
    let stage = Rc::new(Stage {
        primary: store(&primary),
        replica: store(&replica),
        promoted: Cell::new(false),
        ledger: Some(ledger.clone()),
        env: System::default(),
        pool,
        queues,
        leaving: Cell::new(false),
        voids: Cell::new(0),
        away: Cell::new(0),
        told: RefCell::default(),
    });
    let local = LocalSet::new();
    let forgotten = local
        .run_until(async {
            for _ in 0..2 {
                let matcher = Rc::clone(&stage);
                tokio::task::spawn_local(async move { matcher.matcher().await });
                let carrier = Rc::clone(&stage);
                tokio::task::spawn_local(async move { carrier.carrier().await });
            }
            let arriving = Rc::clone(&stage);
            let phones = tokio::task::spawn_local(async move {
                let mut phones = Vec::new();
                for n in 0..PHONES {
                    let phone = Rc::clone(&arriving);
                    let player = player(&format!("p{n}"));
                    phones.push(tokio::task::spawn_local(async move { phone.phone(player).await }));
                    pause(ARRIVAL).await;
                }
                phones
            });
            pause(Duration::from_millis(rng.u64(200..1_500))).await;
            way.held.store(true, Ordering::SeqCst);
            pause(Duration::from_millis(rng.u64(50..600))).await;
            let made = matches_of(&mut primaries).await;
            primary.stop();
            let _: String = replicas.query(&["REPLICAOF", "NO", "ONE"]).await;
            let known = matches_of(&mut replicas).await;
            stage.promoted.set(true);
            for phone in phones.await.unwrap() {
                phone.await.unwrap();
            }
            stage.leaving.set(true);
            made.difference(&known).cloned().collect::<BTreeSet<String>>()
        })
        .await;
    drop(local);

    let matches = played(&emulator, &ledger).await;
    let (mut by_player, mut by_ticket) = (BTreeMap::new(), BTreeMap::<TicketId, String>::new());
    for this_match in &matches {
        for member in this_match.members() {
            let before = by_ticket.insert(member.ticket.clone(), this_match.id.to_string());
            assert_eq!(before, None, "{} is in two matches of the ledger", member.ticket);
            for player in &member.players {
                let before = by_player.insert(player.clone(), this_match.clone());
                assert_eq!(before, None, "{player} is in two matches of the ledger");
            }
        }
    }
    let told = stage.told.borrow();
    assert_eq!(told.len(), PHONES, "nobody is lost");
    for (player, this_match) in told.iter() {
        assert_eq!(
            by_player.get(player).map(|this_match| &this_match.id),
            Some(&this_match.id),
            "what {player} was told"
        );
        assert!(this_match.member_of(player).is_some());
    }
    let forgotten_and_played =
        matches.iter().filter(|this_match| forgotten.contains(this_match.id.unique.as_str())).count();
    Round { forgotten: forgotten.len(), forgotten_and_played, voids: stage.voids.get() }
}

#[tokio::test]
async fn a_failover_that_forgets_the_last_moments_puts_nobody_into_two_matches_and_loses_nobody() {
    let seeds = match number("MUSTER_FAILOVER_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("MUSTER_FAILOVER_ROUNDS").unwrap_or(ROUNDS),
    };
    let (mut proving, mut forgotten, mut voids, count) = (0, 0, 0, seeds.end - seeds.start);
    for seed in seeds {
        say(format!(
            "failover: round {seed}; to play it alone: MUSTER_FAILOVER_SEED={seed} cargo nextest run --test failover"
        ));
        let began = now();
        let done = round(seed).await;
        say(format!("failover: round {seed}: {done:?}, {} ms", began.elapsed().as_millis()));
        proving += usize::from(done.forgotten_and_played > 0);
        (forgotten, voids) = (forgotten + done.forgotten, voids + done.voids);
    }
    say(format!(
        "failover: {count} of {count} rounds held; {forgotten} matches forgotten, in {proving} rounds such as the ledger \
         played; {voids} voids"
    ));
    assert!(proving > 0 || count == 1, "no round forgot a match that was played: these rounds prove nothing");
}
