//! `muster bench`: Muster measured beside a baseline in the same run. Absolute figures move with the machine; the ratios less.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use muster_tools::bench::drain::{self, Design, Plan, Run, Runs};
use muster_tools::bench::pools;

use super::figures_right;

/// Budget of the design: so many times the published design in the same run, and so many tickets a second.
const TIMES_PUBLISHED_MIN: f64 = 5.0;
const TICKETS_PER_S_MIN: f64 = 60_000.0;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Fill a line with tickets and say how fast each design makes matches of it.
    Drain(DrainArguments),
    /// Let few of many pools be busy and say what matchers cost Redis, and how soon a pair is matched: as it was, and as it is.
    Pools(PoolsArguments),
}

#[derive(Debug, Args)]
struct PoolsArguments {
    /// All pools
    #[arg(long, default_value_t = 200)]
    pools: usize,
    /// Those in which somebody plays
    #[arg(long, default_value_t = 5)]
    busy: usize,
    /// How long each run is counted
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Numbers of matchers, a run of each design for each
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 8])]
    matchers: Vec<usize>,
    /// Measure a debug build all the same: counts are right, times are longer
    #[arg(long)]
    debug_build: bool,
}

#[derive(Debug, Args)]
struct DrainArguments {
    /// Tickets that wait, an even number; solo players, one against one, of whom everybody may meet everybody
    #[arg(long, default_value_t = 10_000)]
    tickets: usize,
    /// Matchers, and workers of the other design
    #[arg(long, default_value_t = 3)]
    matchers: usize,
    /// Runs of each design, in turns
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Measure a debug build all the same: to see that it works, its figures say nothing
    #[arg(long)]
    debug_build: bool,
}

/// Measures and prints.
pub async fn run(arguments: Arguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    match arguments.what {
        What::Drain(arguments) => drained(arguments).await,
        What::Pools(arguments) => pooled(arguments).await,
    }
}

fn release_only(debug_build: bool) -> Result<(), &'static str> {
    if cfg!(debug_assertions) && !debug_build {
        return Err("expected a release build, found a debug build: cargo run --release -p muster-tools -- bench");
    }
    Ok(())
}

async fn pooled(arguments: PoolsArguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let PoolsArguments { pools, busy, seconds, matchers, debug_build } = arguments;
    release_only(debug_build)?;
    if busy == 0 || busy > pools || seconds == 0 || matchers.contains(&0) {
        return Err("expected 1 pool or more, of them 1 or more busy, 1 second and 1 matcher or more".into());
    }
    println!("{pools} pools, {busy} of them busy: pairs one after the other, and one ticket that nobody fits");
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header([
        "matchers",
        "design",
        "scripts/s",
        "Redis, % of a processor",
        "pairs",
        "p50 ms",
        "p95 ms",
        "pools led by each, most",
    ]);
    for matchers in matchers {
        for design in [pools::Design::Before, pools::Design::Now] {
            let run = pools::run(pools::Plan { pools, busy, seconds }, design, matchers).await?;
            let at = |percent: usize| {
                let rank = (run.waits.len() * percent).div_ceil(100).max(1) - 1;
                run.waits.get(rank).map_or("none".to_owned(), |wait| format!("{:.0}", wait.as_secs_f64() * 1_000.0))
            };
            let mut led = run.led_max.clone();
            led.sort_unstable_by(|one, other| other.cmp(one));
            let led: Vec<String> = led.iter().map(ToString::to_string).collect();
            table.add_row([
                matchers.to_string(),
                design.name().to_owned(),
                format!("{:.0}", run.scripts_s),
                format!("{:.0}", run.busy_percent),
                run.waits.len().to_string(),
                at(50),
                at(95),
                led.join(" "),
            ]);
        }
    }
    println!("{}", figures_right(table));
    Ok(ExitCode::SUCCESS)
}

async fn drained(arguments: DrainArguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    release_only(arguments.debug_build)?;
    let DrainArguments { tickets, matchers, rounds, .. } = arguments;
    if matchers == 0 || rounds == 0 {
        return Err(format!("expected at least 1 matcher and 1 round, found {matchers} and {rounds}").into());
    }
    let runs = drain::run(Plan { tickets, matchers, rounds }).await?;
    println!("{tickets} tickets, solo, one against one, everybody may meet everybody; {matchers} matchers or workers");
    let played: usize = runs.iter().flat_map(|(_, runs)| runs).map(|run| run.played).sum();
    let count = runs.iter().map(|(_, runs)| runs.len()).sum::<usize>();
    println!("{count} runs, and {played} tickets counted in Redis after them, each in exactly one match");
    println!("{}", speeds(tickets, &runs));
    println!("Muster's time, and what of it Redis was busy in the scripts, ms, means of the rounds:");
    println!("{}", parts(of(&runs, Design::MUSTER)));
    let (muster, published) = (half(tickets, of(&runs, Design::MUSTER)), half(tickets, of(&runs, Design::PUBLISHED)));
    let held = |good: bool| if good { "held" } else { "missed" };
    println!(
        "Budget: {TIMES_PUBLISHED_MIN} times the published design: {}; {TICKETS_PER_S_MIN} tickets/s: {}",
        held(muster / published >= TIMES_PUBLISHED_MIN),
        held(muster >= TICKETS_PER_S_MIN)
    );
    Ok(ExitCode::SUCCESS)
}

fn of(runs: &Runs, design: Design) -> &[Run] {
    runs.iter().find(|(other, _)| *other == design).map_or(&[], |(_, runs)| runs)
}

/// Tickets a second of each run, the slowest first.
fn per_s(tickets: usize, runs: &[Run]) -> Vec<f64> {
    let mut speeds: Vec<f64> = runs.iter().map(|run| tickets as f64 / run.took.as_secs_f64()).collect();
    speeds.sort_by(f64::total_cmp);
    speeds
}

fn half(tickets: usize, runs: &[Run]) -> f64 {
    let speeds = per_s(tickets, runs);
    speeds[speeds.len() / 2]
}

fn speeds(tickets: usize, runs: &Runs) -> Table {
    let published = half(tickets, of(runs, Design::PUBLISHED));
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(["design", "tickets/s p50", "min", "max", "times published", "Redis, us a ticket"]);
    for (design, runs) in runs {
        let speeds = per_s(tickets, runs);
        let busy_us = runs.iter().map(|run| run.busy.as_micros() as f64).sum::<f64>() / runs.len() as f64;
        let (least, most) = (speeds[0], speeds[speeds.len() - 1]);
        let half = half(tickets, runs);
        table.add_row([
            design.name().to_owned(),
            format!("{half:.0}"),
            format!("{least:.0}"),
            format!("{most:.0}"),
            format!("{:.2}", half / published),
            format!("{:.1}", busy_us / tickets as f64),
        ]);
    }
    figures_right(table)
}

fn parts(runs: &[Run]) -> Table {
    let mean = |of: &dyn Fn(&Run) -> Duration| {
        runs.iter().map(|run| of(run).as_secs_f64() * 1_000.0).sum::<f64>() / runs.len() as f64
    };
    let longest = |of: &dyn Fn(&Run) -> Duration| runs.iter().map(of).max().unwrap_or_default().as_secs_f64() * 1_000.0;
    let all = mean(&|run| run.took);
    let (snapshot, form, matches) =
        (mean(&|run| run.times.snapshot), mean(&|run| run.times.form), mean(&|run| run.times.matches));
    let count = |of: &dyn Fn(&Run) -> usize| runs.iter().map(of).max().unwrap_or_default().to_string();
    let ms = |ms: f64| format!("{ms:.1}");
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(["part", "ms", "calls", "Redis in them", "longest call"]);
    table.add_row([
        "snapshot".to_owned(),
        ms(snapshot),
        count(&|run| run.snapshot.count),
        ms(mean(&|run| run.snapshot.total)),
        ms(longest(&|run| run.snapshot.longest)),
    ]);
    table.add_row(["form".to_owned(), ms(form), String::new(), String::new(), String::new()]);
    table.add_row([
        "match".to_owned(),
        ms(matches),
        count(&|run| run.matches.count),
        ms(mean(&|run| run.matches.total)),
        ms(longest(&|run| run.matches.longest)),
    ]);
    let rest = all - snapshot - form - matches;
    table.add_row(["rest".to_owned(), ms(rest), String::new(), String::new(), String::new()]);
    table.add_row(["all".to_owned(), ms(all), String::new(), ms(mean(&|run| run.busy)), String::new()]);
    figures_right(table)
}
