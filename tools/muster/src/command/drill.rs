//! `muster drill`: something goes wrong with a deployment of its own, under phones, and a table says what they saw.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use hdrhistogram::Histogram;
use muster_tools::drill::{frozen, kill, upgrade};
use muster_tools::local::{Deployment, Options, binaries};
use muster_tools::phones::verdict::Verdict;

use super::{figures_right, fresh_logs};

/// After the kills, half of the players may wait so much longer than before, and no more.
const SLOWER_MAX: f64 = 1.5;
const SLOWER_MS: f64 = 250.0;
/// So many lines of what went wrong are printed.
const LINES_MAX: usize = 10;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    drill: Drill,
}

#[derive(Debug, Subcommand)]
enum Drill {
    /// Kill every process (SIGKILL), one after another: functions, Redis and the emulator
    Kill {
        /// Phones that play meanwhile
        #[arg(long, default_value_t = 300)]
        phones: usize,
        /// Phones that play before, and as many after
        #[arg(long, default_value_t = 100)]
        calm: usize,
        /// How long processes are killed, in seconds
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Milliseconds between two kills
        #[arg(long, default_value_t = 700)]
        every: u64,
        /// The same seed plays the same phones and kills in the same order
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Freeze Redis (SIGSTOP) for a while
    RedisFrozen {
        /// Joins a second
        #[arg(long, default_value_t = 10)]
        rate: u32,
        /// How long Redis is frozen, in seconds
        #[arg(long, default_value_t = 80)]
        seconds: u64,
        /// How long phones join before and after, in seconds
        #[arg(long, default_value_t = 20)]
        calm: u64,
        /// Processes of join and poll at most
        #[arg(long, default_value_t = 24)]
        processes: usize,
    },
    /// Run another release and this one side by side on one Redis and one ledger: upgrade, and roll back
    Upgrade {
        /// The folder with the other release's binaries: tools/upgrade/build.sh prints one
        #[arg(long, value_name = "FOLDER")]
        before: PathBuf,
        /// Phones that play meanwhile
        #[arg(long, default_value_t = 300)]
        phones: usize,
        /// How long each of the five parts is, in seconds
        #[arg(long, default_value_t = 15)]
        seconds: u64,
        /// Milliseconds between two processes that are asked to end
        #[arg(long, default_value_t = 400)]
        every: u64,
        /// The same seed plays the same phones
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
}

/// Plays the drill; fails if anybody was lost or is in two matches.
pub async fn run(arguments: Arguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    match arguments.drill {
        Drill::Kill { phones, calm, seconds, every, seed } => {
            let every = Duration::from_millis(every);
            killed(kill::Plan { phones, phones_calm: calm, seconds, every, seed }).await
        }
        Drill::RedisFrozen { rate, seconds, calm, processes } => {
            redis_frozen(frozen::Plan { rate, calm_s: calm, frozen_s: seconds }, processes).await
        }
        Drill::Upgrade { before, phones, seconds, every, seed } => {
            let (every, after) = (Duration::from_millis(every), binaries()?);
            upgraded(upgrade::Plan { phones, part_s: seconds, every, seed, before, after }).await
        }
    }
}

async fn killed(plan: kill::Plan) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let logs = fresh_logs("drill-kill")?;
    let mut deployment = Deployment::start(Options { logs: Some(logs), ..Options::default() }).await?;
    let seen = kill::run(&mut deployment, plan, |line| println!("{line}")).await;
    deployment.stop().await;
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(["", "before", "meanwhile", "after"]);
    let verdicts = [&seen.before, &seen.during, &seen.after];
    let mut row = |name: &str, cell: &dyn Fn(&Verdict) -> String| {
        table.add_row(std::iter::once(name.to_owned()).chain(verdicts.map(cell)));
    };
    row("players joined", &|verdict| verdict.all.joined.to_string());
    row("matched", &|verdict| verdict.all.matched.to_string());
    row("left over", &|verdict| verdict.all.left_over.to_string());
    row("wait p50, ms", &|verdict| format!("{:.0}", wait_ms(verdict, 0.5)));
    row("wait p95, ms", &|verdict| format!("{:.0}", wait_ms(verdict, 0.95)));
    row("double-booked", &|verdict| verdict.all.double_booked.to_string());
    row("lost", &|verdict| verdict.all.lost.to_string());
    println!("{}", figures_right(table));
    let kills: Vec<String> = seen.kills.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    println!("{} kills: {}", seen.kills.values().sum::<usize>(), kills.join(", "));
    let [requests, again, rejoins] = seen.requests;
    println!("{requests} requests meanwhile, {again} of them sent again; {rejoins} tickets joined again by their keys");
    let mut broken: Vec<String> = verdicts.iter().flat_map(|verdict| verdict.faults.clone()).collect();
    if verdicts.iter().any(|verdict| !verdict.holds()) && broken.is_empty() {
        broken.push("somebody's end is missing".to_owned());
    }
    let most = SLOWER_MAX * wait_ms(&seen.before, 0.5) + SLOWER_MS;
    if wait_ms(&seen.after, 0.5) > most {
        broken.push(format!("expected half of the players matched within {most:.0} ms after the kills"));
    }
    Ok(conclude(&broken))
}

async fn upgraded(plan: upgrade::Plan) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let logs = fresh_logs("drill-upgrade")?;
    let binaries = Some(plan.before.clone());
    let mut deployment = Deployment::start(Options { logs: Some(logs), binaries, ..Options::default() }).await?;
    let seen = upgrade::run(&mut deployment, &plan, |line| println!("{line}")).await?;
    deployment.stop().await;
    let all = &seen.verdict.all;
    println!(
        "{} players joined, {} matched, {} left over, {} double-booked, {} lost; wait p50 {:.0} ms, p95 {:.0} ms",
        all.joined,
        all.matched,
        all.left_over,
        all.double_booked,
        all.lost,
        wait_ms(&seen.verdict, 0.5),
        wait_ms(&seen.verdict, 0.95)
    );
    println!("{} requests, {} of them sent again", seen.requests.0, seen.requests.1);
    println!("{} matches not heard of, {} dead letters", seen.unheard.len(), seen.dead_letters.len());
    let mut broken = seen.verdict.faults.clone();
    if !seen.verdict.holds() && broken.is_empty() {
        broken.push("somebody's end is missing".to_owned());
    }
    broken.extend(seen.unheard.iter().map(|id| format!("{id}: the event bus never heard of it")));
    broken.extend(seen.dead_letters);
    for part in seen.parts {
        let (before, after) = part.processes;
        let as_named = match part.name {
            "both" => before > 1 && after > 1,
            "this release" => before == 0,
            _ => after == 0,
        };
        if !as_named {
            broken
                .push(format!("{}: found {before} processes of the release before and {after} of this one", part.name));
        }
    }
    Ok(conclude(&broken))
}

fn wait_ms(verdict: &Verdict, quantile: f64) -> f64 {
    ms(&verdict.all.wait_us, quantile)
}

fn ms(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    histogram.value_at_quantile(quantile) as f64 / 1_000.0
}

async fn redis_frozen(plan: frozen::Plan, processes: usize) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let logs = fresh_logs("drill-redis-frozen")?;
    let processes = ["join", "poll-match"].map(|name| (name.to_owned(), processes)).to_vec();
    let mut deployment = Deployment::start(Options { logs: Some(logs), processes, ..Options::default() }).await?;
    let seen = frozen::run(&mut deployment, plan, |line| println!("{line}")).await?;
    deployment.stop().await;
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(["joins", "sent/s", "201/s", "202/s", "others", "p50, ms", "p95, ms", "p99, ms"]);
    for joins in &seen.joins {
        let of = |status| joins.statuses.get(&status).copied().unwrap_or_default();
        let all: usize = joins.statuses.values().sum();
        let rate = |count: usize| format!("{:.1}", count as f64 / joins.seconds);
        let times = [0.5, 0.95, 0.99].map(|quantile| format!("{:.0}", ms(&joins.took_us, quantile)));
        let counts = [rate(all), rate(of(201)), rate(of(202)), (all - of(201) - of(202)).to_string()];
        table.add_row([joins.part.to_owned()].into_iter().chain(counts).chain(times));
    }
    println!("{}", figures_right(table));
    println!("{} matched, {} lost, {} double-booked", seen.matched, seen.lost.len(), seen.double_booked.len());
    if let Some(first) = seen.first_match {
        println!("the first match {:.1} s after Redis went on", first.as_secs_f64());
    }
    println!("{}", serde_json::to_string_pretty(&seen.alarms)?);
    let broken: Vec<String> = seen.lost.into_iter().chain(seen.double_booked).collect();
    Ok(conclude(&broken))
}

fn conclude(broken: &[String]) -> ExitCode {
    if broken.is_empty() {
        println!("Every promise held.");
        return ExitCode::SUCCESS;
    }
    println!("A promise is BROKEN ({} faults):", broken.len());
    broken.iter().take(LINES_MAX).for_each(|line| println!("  {line}"));
    ExitCode::FAILURE
}
