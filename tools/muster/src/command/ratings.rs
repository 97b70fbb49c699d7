//! `muster ratings replay`: a track computed anew from the results that a deployment's ledger keeps, and put into the profiles if
//! the operator says so.
//!
//! For after corrections, whose effect on later matches a single result does not know, and to see what another rating system
//! would have made of the same results. It reads the whole table: a read unit for each four kilobytes of it.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use muster::adapters::dynamodb::{DynamoDb, Settings};
use muster::domain::profile::TrackRating;
use muster::domain::{RatingSystem, Track};
use muster::usecases::replay::{Replayed, replay_track};

/// One line for the operator.
type Failure = Box<dyn std::error::Error>;
/// Players whose ratings are printed, those that move furthest first.
const SHOWN_MAX: usize = 20;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Compute a track anew from its results, in the order in which they were reported.
    Replay {
        /// The track; a queue's name unless its rules name another
        track: Track,
        /// Rate by this system instead of the one under which each result was reported: glicko2, weng_lin or trueskill
        #[arg(long, value_parser = system)]
        system: Option<RatingSystem>,
        /// Put the ratings into the profiles; without it they are only shown
        #[arg(long)]
        write: bool,
        /// The ledger's table: the stack's output LedgerTable
        #[arg(long, env = "LEDGER_TABLE")]
        table: String,
    },
}

fn system(text: &str) -> Result<RatingSystem, String> {
    RatingSystem::from_text(text)
        .ok_or_else(|| format!("expected {}", RatingSystem::ALL.map(RatingSystem::as_str).join(", ")))
}

/// Replays, and says who moves.
pub async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let Action::Replay { track, system, write, table } = arguments.action;
    let ledger = DynamoDb::new(Settings::new(&table));
    let done = replay_track(&ledger, &track, system, write)
        .await
        .map_err(|error| format!("table {table}: expected an answer, found: {error}"))?;
    print(&track, &done, write);
    Ok(if done.contended.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(track: &Track, done: &Replayed, written: bool) {
    let mut moved: Vec<_> = done.moved.iter().collect();
    moved.sort_by(|(one, by), (two, other)| gap(other).total_cmp(&gap(by)).then_with(|| one.cmp(two)));
    for (player, (before, after)) in moved.iter().take(SHOWN_MAX) {
        println!("{player}: {} -> {}", before.rating.value, after.rating.value);
    }
    if moved.len() > SHOWN_MAX {
        println!("and {} more", moved.len() - SHOWN_MAX);
    }
    let what = if written { "put into their profiles" } else { "not written: --write puts them into the profiles" };
    let (results, players) = (done.results, done.players);
    println!("{track}: {results} results of {players} players; {} ratings differ, {what}", moved.len());
    for player in &done.contended {
        println!("{player}: kept changing, and stays as it is; replay again");
    }
}

fn gap((before, after): &(TrackRating, TrackRating)) -> f64 {
    (after.rating.value - before.rating.value).abs()
}
