//! `muster dead-letters`: what the ledger refused for good, or what the notifier could not tell, and putting it back once the cause
//! is gone. The first stands in Redis, the second in a queue of the stack: see [`queue`].
//!
//! Looks at any deployment's Redis, not only a local one. It needs the names of the pools and nothing else of the queues, so
//! it takes of the queues document what it needs, and leaves it to the functions to check the rules.

mod queue;

use std::fs::read_to_string;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use muster::adapters::redis::{Redis, Settings};
use muster::domain::limits::OUTBOX_TAKE_MAX;
use muster::domain::{PoolId, QueueName, Region};
use muster::ports::Outbox;
use redis::IntoConnectionInfo;
use serde::Deserialize;

/// The queues of a deployment that names none.
const QUEUES: &str = include_str!("../../../../functions/src/queues.json");

/// One line for the operator.
type Failure = Box<dyn std::error::Error>;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print dead letters: the pool, when, and the entry. Entries name players; messages of the queue do not.
    List(Target),
    #[command(alias = "replay")]
    /// Put all of it back into the outbox, oldest first. What the ledger still refuses becomes a dead letter again. Of the queue, tell all
    /// of it again; what is not taken stays in the queue.
    Redrive(Target),
}

#[derive(Debug, Args)]
struct Target {
    /// redis:// or rediss://, with user and password if it asks for them
    #[arg(long, value_name = "URL", env = "REDIS_URL", hide_env_values = true, required_unless_present = "queue")]
    redis_url: Option<String>,
    /// The address is one node of a cluster
    #[arg(long, env = "REDIS_CLUSTER")]
    redis_cluster: bool,
    /// A PEM authority to trust instead of the public ones
    #[arg(long, value_name = "FILE", env = "REDIS_CA_FILE")]
    redis_ca_file: Option<PathBuf>,
    /// The deployment's queues document; the default queues if not given
    #[arg(long, value_name = "FILE", env = "QUEUES_FILE")]
    queues: Option<PathBuf>,
    /// The stack's queue NotifierFailures instead of Redis, asked by the `aws` command
    #[arg(long, value_name = "URL", conflicts_with = "pool")]
    queue: Option<String>,
    /// Only this pool, like ranked-1v1.eu
    #[arg(long)]
    pool: Option<String>,
}

/// Lists or replays.
pub async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    match arguments.action {
        Action::List(Target { queue: Some(queue), .. }) => {
            println!("{} messages", queue::print_all(&queue).await?);
            Ok(ExitCode::SUCCESS)
        }
        Action::Redrive(Target { queue: Some(queue), .. }) => redrive_queue(&queue).await,
        Action::List(target) => list(&target).await,
        Action::Redrive(target) => redrive(&target).await,
    }
}

async fn redrive_queue(queue: &str) -> Result<ExitCode, Failure> {
    let (told, left) = queue::redrive_all(queue).await?;
    println!("{told} messages told again and deleted, {} left", left.len());
    left.iter().for_each(|problem| eprintln!("muster: {problem}"));
    Ok(if left.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn list(target: &Target) -> Result<ExitCode, Failure> {
    let (store, pools) = (target.store()?, target.pools()?);
    let mut shown = 0;
    for pool in &pools {
        // One more than is shown tells whether there are more.
        let entries = target.heard(store.dead_letters(pool, OUTBOX_TAKE_MAX + 1).await)?;
        for (id, text) in entries.iter().take(OUTBOX_TAKE_MAX) {
            println!("{pool}  {}  {text}", put_aside_at(id));
            shown += 1;
        }
        if entries.len() > OUTBOX_TAKE_MAX {
            println!("{pool}  and more, beyond the oldest {OUTBOX_TAKE_MAX}");
        }
    }
    println!("{shown} dead letters in {} pools", pools.len());
    Ok(ExitCode::SUCCESS)
}

async fn redrive(target: &Target) -> Result<ExitCode, Failure> {
    let (store, pools) = (target.store()?, target.pools()?);
    let mut total = 0;
    for pool in &pools {
        let mut moved = 0;
        loop {
            let batch = target.heard(store.redrive(pool, OUTBOX_TAKE_MAX).await)?;
            moved += batch;
            if batch < OUTBOX_TAKE_MAX {
                break;
            }
        }
        if moved > 0 {
            println!("{pool}  {moved} put back");
        }
        total += moved;
    }
    println!("{total} dead letters of {} pools put back", pools.len());
    Ok(ExitCode::SUCCESS)
}

/// The time in an entry's id, which is Redis's own.
fn put_aside_at(id: &str) -> String {
    let ms = id.split('-').next().and_then(|ms| ms.parse().ok());
    let at = ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    at.map_or_else(|| id.to_owned(), |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

#[derive(Deserialize)]
struct Document {
    queues: Vec<Queue>,
}

#[derive(Deserialize)]
struct Queue {
    name: String,
    regions: Vec<String>,
}

impl Target {
    /// The address; there is one where there is no queue.
    fn url(&self) -> &str {
        self.redis_url.as_deref().unwrap_or_default()
    }

    fn store(&self) -> Result<Redis, Failure> {
        let settings = Settings::from_url(self.url()).map_err(|error| format!("--redis-url: {error}"))?;
        let authority = match &self.redis_ca_file {
            Some(file) => Some(std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?),
            None => None,
        };
        self.heard(Redis::new(settings.cluster(self.redis_cluster).root_cert(authority)))
    }

    /// What Redis answered, or where it did not: by its address alone, because the URL may hold a password.
    fn heard<T>(&self, answer: muster::ports::StoreResult<T>) -> Result<T, Failure> {
        answer.map_err(|error| {
            let address = self.url().into_connection_info().map(|info| info.addr().to_string());
            format!("Redis at {}: expected an answer, found: {error}", address.unwrap_or_default()).into()
        })
    }

    /// All pools of the queues document, or the one that was asked for.
    fn pools(&self) -> Result<Vec<PoolId>, Failure> {
        let (name, text) = match &self.queues {
            Some(file) => {
                let name = file.display().to_string();
                let text = read_to_string(file).map_err(|error| format!("{name}: {error}"))?;
                (name, text)
            }
            None => ("the default queues".to_owned(), QUEUES.to_owned()),
        };
        let document: Document = serde_json::from_str(&text)
            .map_err(|error| format!("{name}: expected queues with names and regions, found: {error}"))?;
        let mut pools = Vec::new();
        for queue in &document.queues {
            let of = |error| format!("{name}: {error}");
            let named: QueueName = queue.name.parse().map_err(of)?;
            for region in &queue.regions {
                let region: Region = region.parse().map_err(of)?;
                pools.push(PoolId::new(&named, &region));
            }
        }
        let Some(wanted) = &self.pool else { return Ok(pools) };
        match pools.iter().find(|pool| pool.as_str() == wanted) {
            Some(pool) => Ok(vec![pool.clone()]),
            None => {
                let known: Vec<&str> = pools.iter().map(PoolId::as_str).collect();
                Err(format!("--pool: expected one of {name}: {}; found {wanted:?}", known.join(", ")).into())
            }
        }
    }
}
