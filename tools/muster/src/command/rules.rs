//! `muster rules`: the queues document that stands in a deployment's ledger, by version. Running functions follow it, so that a
//! queue changes without a deployment.
//!
//! Documents are checked by the very code with which the functions read them, and under the same variables (`MAX_PLAYERS_PER_MATCH`
//! and its like): a document that is put is one that they take. A version is put only if it follows the newest; of two operators
//! who change the same version one is told to look again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use muster::adapters::dynamodb::{DynamoDb, Settings};
use muster::adapters::system::System;
use muster::domain::limits::{CLOSED_KEEP_MS, RULES_HISTORY_MAX};
use muster::domain::{PoolId, Queues};
use muster::ports::{Clock, Put, Rulebook, RulesVersion};
use muster_functions::queues::{self, Reading};

/// One line for the operator.
type Failure = Box<dyn std::error::Error>;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say what is wrong with a document, or what it plays. Asks nobody.
    Check {
        /// The queues document
        file: PathBuf,
    },
    /// Put a document as the newest version. Functions follow within two of their RULES_INTERVAL.
    Put {
        /// The queues document
        file: PathBuf,
        /// What to say of it in the history
        #[arg(long, default_value = "")]
        note: String,
        /// Put it only if this is the newest version; 0 for none
        #[arg(long, value_name = "VERSION")]
        after: Option<u64>,
        #[command(flatten)]
        ledger: LedgerArguments,
    },
    /// Print a version's document, as it was put.
    Get {
        /// Which version; the newest if not given
        #[arg(long)]
        version: Option<u64>,
        #[command(flatten)]
        ledger: LedgerArguments,
    },
    /// List the versions, the newest first.
    History(LedgerArguments),
    /// Put the document of an earlier version as a new one.
    RollBack {
        /// Which version; the one before the newest if not given
        #[arg(long, value_name = "VERSION")]
        to: Option<u64>,
        #[command(flatten)]
        ledger: LedgerArguments,
    },
}

#[derive(Debug, Args)]
struct LedgerArguments {
    /// The ledger's table: the stack's output LedgerTable
    #[arg(long, env = "LEDGER_TABLE")]
    table: String,
}

impl LedgerArguments {
    /// The table of the account and region that the AWS variables name.
    fn open(&self) -> DynamoDb {
        DynamoDb::new(Settings::new(&self.table))
    }

    async fn newest(&self, book: &DynamoDb) -> Result<RulesVersion, Failure> {
        let found = book.current_rules().await.map_err(|error| self.away(&error))?;
        found.ok_or_else(|| {
            format!("{}: expected rules, found none: the functions go by what they were deployed with", self.table)
                .into()
        })
    }

    fn away(&self, error: &dyn std::fmt::Display) -> Failure {
        format!("table {}: expected an answer, found: {error}", self.table).into()
    }
}

/// Checks, puts or shows.
pub async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    match arguments.action {
        Action::Check { file } => check(&file),
        Action::Put { file, note, after, ledger } => {
            let document = text(&file)?;
            let queues = read(&file.display().to_string(), &document)?;
            put(&ledger, document, &queues, note, after).await
        }
        Action::Get { version, ledger } => get(&ledger, version).await,
        Action::History(ledger) => history(&ledger).await,
        Action::RollBack { to, ledger } => roll_back(&ledger, to).await,
    }
}

fn text(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()).into())
}

/// The document as the functions read it.
fn read(name: &str, document: &str) -> Result<Queues, Failure> {
    let reading = Reading::from_env().map_err(|problems| problems.join("; "))?;
    reading.read(document).map_err(|problems| format!("{name}: {}", problems.join("; ")).into())
}

fn check(file: &Path) -> Result<ExitCode, Failure> {
    let reading = Reading::from_env().map_err(|problems| problems.join("; "))?;
    match reading.read(&text(file)?) {
        Ok(queues) => {
            println!("{}: {} queues in {} pools", file.display(), queues.iter().count(), queues.pools().count());
            Ok(ExitCode::SUCCESS)
        }
        Err(problems) => {
            problems.iter().for_each(|problem| eprintln!("{}: {problem}", file.display()));
            Ok(ExitCode::FAILURE)
        }
    }
}

async fn put(
    ledger: &LedgerArguments,
    document: String,
    queues: &Queues,
    note: String,
    after: Option<u64>,
) -> Result<ExitCode, Failure> {
    let book = ledger.open();
    let before = book.current_rules().await.map_err(|error| ledger.away(&error))?;
    let newest = before.as_ref().map_or(0, |before| before.version);
    if let Some(after) = after.filter(|after| *after != newest) {
        return Err(format!("--after: expected the newest version {newest}, found {after}").into());
    }
    if before.as_ref().is_some_and(|before| before.document == document) {
        println!("version {newest} has the same document; nothing is put");
        return Ok(ExitCode::SUCCESS);
    }
    let put_ms = System::default().now_ms();
    let closed = match &before {
        Some(before) => queues::closed(&before.document, &before.closed, queues, put_ms),
        None => "[]".to_owned(),
    };
    let rules = RulesVersion { version: newest + 1, document, closed, put_ms, note };
    match book.put_rules(&rules).await.map_err(|error| ledger.away(&error))? {
        Put::Done => {
            println!("version {} is put: {}", rules.version, changes(before.as_ref(), queues));
            Ok(ExitCode::SUCCESS)
        }
        Put::Late => {
            Err(format!("expected version {newest} to be the newest, found a newer one: look at it and put again")
                .into())
        }
    }
}

/// What changes for players, in a line.
fn changes(before: Option<&RulesVersion>, next: &Queues) -> String {
    let Some(old) = before.and_then(|before| read("", &before.document).ok()) else {
        return format!(
            "{} pools; those of the deployment's own document that are not among them close",
            next.pools().count()
        );
    };
    let pools = |queues: &Queues| queues.pools().map(|(pool, _)| pool).collect::<BTreeSet<PoolId>>();
    let (were, are) = (pools(&old), pools(next));
    let list = |what: &str, pools: Vec<&PoolId>| {
        let names: Vec<&str> = pools.iter().map(|pool| pool.as_str()).collect();
        (!names.is_empty()).then(|| format!("{what} {}", names.join(", ")))
    };
    let changed = were.intersection(&are).filter(|pool| old.rules(pool) != next.rules(pool)).collect();
    let closes = list("closes", were.difference(&are).collect())
        .map(|line| format!("{line} (no more joins; served for {} minutes more)", CLOSED_KEEP_MS / 60_000));
    let parts = [list("opens", are.difference(&were).collect()), list("changes", changed), closes];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "the same pools and rules".to_owned() } else { parts.join("; ") }
}

async fn version(ledger: &LedgerArguments, version: u64) -> Result<RulesVersion, Failure> {
    let found = ledger.open().rules_version(version).await.map_err(|error| ledger.away(&error))?;
    found.ok_or_else(|| format!("table {}: expected version {version}, found none", ledger.table).into())
}

async fn get(ledger: &LedgerArguments, wanted: Option<u64>) -> Result<ExitCode, Failure> {
    let found = match wanted {
        Some(wanted) => version(ledger, wanted).await?,
        None => ledger.newest(&ledger.open()).await?,
    };
    eprintln!("version {}, put at {}", found.version, put_at(&found));
    print!("{}", found.document);
    Ok(ExitCode::SUCCESS)
}

async fn history(ledger: &LedgerArguments) -> Result<ExitCode, Failure> {
    let book = ledger.open();
    let newest = ledger.newest(&book).await?;
    let oldest = newest.version.saturating_sub(RULES_HISTORY_MAX as u64 - 1).max(1);
    println!("{}", line(&newest));
    for version in (oldest..newest.version).rev() {
        let found = book.rules_version(version).await.map_err(|error| ledger.away(&error))?;
        println!("{}", found.as_ref().map_or_else(|| format!("{version:>4}  is not there"), line));
    }
    if oldest > 1 {
        println!("      and {} before them", oldest - 1);
    }
    Ok(ExitCode::SUCCESS)
}

fn line(rules: &RulesVersion) -> String {
    let what = match read("", &rules.document) {
        Ok(queues) => format!("{} queues, {} pools", queues.iter().count(), queues.pools().count()),
        Err(_) => "cannot be read by this version".to_owned(),
    };
    let note = if rules.note.is_empty() { String::new() } else { format!("  {}", rules.note) };
    format!("{:>4}  {}  {what}{note}", rules.version, put_at(rules))
}

fn put_at(rules: &RulesVersion) -> String {
    let at = i64::try_from(rules.put_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    at.map_or_else(|| rules.put_ms.to_string(), |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

async fn roll_back(ledger: &LedgerArguments, to: Option<u64>) -> Result<ExitCode, Failure> {
    let newest = ledger.newest(&ledger.open()).await?.version;
    let to = to.unwrap_or(newest.saturating_sub(1));
    if !(1..newest).contains(&to) {
        return Err(format!("--to: expected a version before the newest {newest}, found {to}").into());
    }
    let found = version(ledger, to).await?;
    // It was lawful when it was put. It may not be for this version, or under other variables.
    let queues = read(&format!("version {to}"), &found.document)?;
    put(ledger, found.document, &queues, format!("as version {to}"), Some(newest)).await
}
