//! `muster dead-letters` as an operator runs it, against a real Redis.

use std::process::{Command, Output};

use local_aws::{RedisOptions, RedisServer};
use muster::adapters::memory_ledger::MemoryLedger;
use muster::adapters::redis::{Redis, Settings};
use muster::adapters::system::System;
use muster::domain::limits::{OUTBOX_ENTRIES_MAX, OUTBOX_IDLE_MS, OUTBOX_TAKE_MAX};
use muster::domain::{Outcome, Party, PlayerId, PoolId, Rules, Ticket, TicketId, Unique};
use muster::ports::{Clock, Outbox, Polled, Tickets};
use muster::usecases::drain::{Drained, drain};
use muster_functions::queues;

const PASSWORD: &str = "hunter2";

async fn server() -> RedisServer {
    let options = RedisOptions { password: Some(PASSWORD.to_owned()), ..RedisOptions::default() };
    RedisServer::start_with(options).await.unwrap_or_else(|error| panic!("{error}"))
}

fn store(server: &RedisServer) -> Redis {
    Redis::new(Settings::from_url(&server.url()).unwrap().outbox_entries_max(OUTBOX_ENTRIES_MAX)).unwrap()
}

/// Pools of the queues that a deployment has by default.
fn pools() -> usize {
    queues::read(queues::DEFAULT, &Rules::default()).unwrap().pools().count()
}

fn pool(text: &str) -> PoolId {
    text.parse().unwrap()
}

/// Tickets that ended, whose ends the ledger refused for good.
async fn dead_letter(store: &Redis, pool: &PoolId, count: usize) -> Vec<Ticket> {
    let (now_ms, ann): (u64, PlayerId) = (System::default().now_ms(), "ann".parse().unwrap());
    let mut tickets = Vec::new();
    for n in 0..count {
        let id = TicketId::new(pool.clone(), Unique::from_bits(n as u128));
        let party = Party::solo(ann.clone());
        let ticket = Ticket {
            id,
            party,
            rating: 1_500.0,
            joined_ms: now_ms,
            expires_ms: now_ms + 300_000,
            attempts: 0,
            push: false,
            imported: 0,
        };
        store.join(&ticket, now_ms).await.unwrap();
        store.cancel(&ticket.id, &ann, now_ms).await.unwrap();
        tickets.push(ticket);
    }
    loop {
        let taken = store.take(pool, OUTBOX_TAKE_MAX, OUTBOX_IDLE_MS).await.unwrap();
        let ids: Vec<String> = taken.into_iter().map(|entry| entry.id).collect();
        if ids.is_empty() {
            return tickets;
        }
        store.dead_letter(pool, &ids).await.unwrap();
    }
}

/// Runs the command, with the address in the environment or as an argument.
fn muster(redis_url: Option<&str>, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
    command.env_clear().arg("dead-letters").args(arguments);
    if let Some(url) = redis_url {
        command.env("REDIS_URL", url);
    }
    command.output().unwrap()
}

/// What it printed, if it succeeded.
fn said(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The one line of its failure.
fn refused(output: Output) -> String {
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{output:?}");
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(!line.contains(PASSWORD), "{line}");
    line
}

#[tokio::test]
async fn a_dead_letter_is_listed_redriven_recorded_and_gone() {
    let server = server().await;
    let (store, eu, us) = (store(&server), pool("ranked-1v1.eu"), pool("ranked-1v1.us"));
    let ticket = dead_letter(&store, &eu, 1).await.remove(0);
    dead_letter(&store, &us, 2).await;
    let url = server.url();

    let listed = said(muster(Some(&url), &["list"]));
    assert!(listed.ends_with(&format!("3 dead letters in {} pools\n", pools())), "{listed}");
    assert!(listed.starts_with("ranked-1v1.eu  20") && listed.contains(ticket.id.unique.as_str()), "{listed}");
    let listed = said(muster(None, &["list", "--redis-url", &url, "--pool", "ranked-1v1.us"]));
    assert!(listed.ends_with("2 dead letters in 1 pools\n") && !listed.contains("eu"), "{listed}");

    let replayed = said(muster(Some(&url), &["redrive", "--pool", "ranked-1v1.eu"]));
    assert_eq!(replayed, "ranked-1v1.eu  1 put back\n1 dead letters of 1 pools put back\n");
    let ledger = MemoryLedger::new(System::default());
    let drained = drain(&store, &ledger, &System::default(), &eu, &Rules::default()).await.unwrap();
    assert_eq!(drained, Drained { acknowledged: 1, ..Drained::default() });
    let told = ledger.poll(&ticket.id, &ticket.party.players()[0], ticket.joined_ms).await.unwrap();
    assert!(matches!(told, Polled::Ended(ended) if matches!(ended.outcome, Outcome::Cancelled(_))));

    assert_eq!(said(muster(Some(&url), &["list", "--pool", "ranked-1v1.eu"])), "0 dead letters in 1 pools\n");
    let left = said(muster(Some(&url), &["list"]));
    assert!(left.ends_with(&format!("2 dead letters in {} pools\n", pools())), "the others are still there");
}

#[tokio::test]
async fn a_list_ends_at_its_bound_and_a_redrive_does_not() {
    let server = server().await;
    let (store, pool) = (store(&server), pool("ranked-1v1.eu"));
    dead_letter(&store, &pool, OUTBOX_TAKE_MAX).await;
    let url = server.url();
    assert!(!said(muster(Some(&url), &["list"])).contains("and more"), "all of them are there");
    store.redrive(&pool, OUTBOX_TAKE_MAX).await.unwrap();
    dead_letter(&store, &pool, OUTBOX_TAKE_MAX + 1).await;
    let aside = store.dead_letters(&pool, 10 * OUTBOX_TAKE_MAX).await.unwrap().len();
    assert!(aside > OUTBOX_TAKE_MAX, "{aside}");
    let listed = said(muster(Some(&url), &["list"]));
    assert!(listed.contains(&format!("and more, beyond the oldest {OUTBOX_TAKE_MAX}\n")), "{listed}");
    let replayed = said(muster(Some(&url), &["redrive"]));
    assert!(replayed.ends_with(&format!("{aside} dead letters of {} pools put back\n", pools())), "{replayed}");
    assert_eq!(said(muster(Some(&url), &["list"])), format!("0 dead letters in {} pools\n", pools()));
}

#[tokio::test]
async fn what_cannot_work_is_said_in_one_line_without_the_password() {
    let mut server = server().await;
    let url = server.url();
    let unknown = refused(muster(Some(&url), &["list", "--pool", "chess.eu"]));
    assert!(
        unknown.contains("expected one of the default queues: ") && unknown.contains("found \"chess.eu\""),
        "{unknown}"
    );
    let scheme = url.replace("redis://", "http://");
    assert!(refused(muster(Some(&scheme), &["list"])).contains("--redis-url: expected redis://"));
    let nobody = refused(muster(Some(&url), &["redrive", "--queues", "/nowhere.json"]));
    assert!(nobody.contains("/nowhere.json: No such file"), "{nobody}");
    let stranger = url.replace(PASSWORD, "wrong");
    assert!(refused(muster(Some(&stranger), &["list"])).contains("expected an answer, found: "));
    server.stop();
    let away = refused(muster(Some(&url), &["list"]));
    assert!(away.contains(&format!("Redis at 127.0.0.1:{}: expected an answer, found: ", server.port())), "{away}");
    assert_eq!(muster(None, &["list"]).status.code(), Some(2), "no address is a wrong use");
    let help = said(muster(Some(&url), &["list", "--help"]));
    assert!(help.contains("REDIS_URL") && !help.contains(PASSWORD), "{help}");
}
