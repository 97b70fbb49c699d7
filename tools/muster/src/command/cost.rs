//! `muster cost`: what players cost on AWS, by counted operations and dated prices.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use comfy_table::{CellAlignment, Table, presets};
use muster_tools::cost::bill::{self, Delivery, Line, Plan, RedisKind};
use muster_tools::cost::prices::Prices;
use muster_tools::cost::{counts, measure, prices};

/// Lines named as those that matter most.
const LEVERS: usize = 3;
const MILLION: f64 = 1e6;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Players, all of one against one and alone
    #[arg(long, default_value_t = 1_000_000)]
    players: u64,
    /// Mean seconds from a join to its match
    #[arg(long, default_value_t = 20.0)]
    wait: f64,
    /// How phones hear of their match
    #[arg(long, value_enum, default_value_t = How::Poll)]
    delivery: How,
    /// Hours in which the players come; what is paid by the hour is paid for so long
    #[arg(long, default_value_t = 24.0)]
    hours: f64,
    /// Pools: queues times regions; as many as the template's own queues
    #[arg(long, default_value_t = 6)]
    pools: u32,
    /// Which Redis
    #[arg(long, value_enum, default_value_t = Redis::Serverless)]
    redis: Redis,
    /// Count anew on a local deployment and write tools/prices/measured.json
    #[arg(long)]
    measure: bool,
    /// Players that --measure counts
    #[arg(long, default_value_t = 200)]
    measured_players: usize,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum How {
    Poll,
    Websocket,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Redis {
    Serverless,
    Nodes,
}

/// Prints the bill.
pub async fn run(arguments: Arguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    if arguments.measure {
        write_counts(arguments.measured_players).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let (file, list) = (counts::committed()?, prices::newest()?);
    let delivery = match arguments.delivery {
        How::Poll => Delivery::Poll,
        How::Websocket => Delivery::Websocket,
    };
    let redis = match arguments.redis {
        Redis::Serverless => RedisKind::Serverless,
        Redis::Nodes => RedisKind::Nodes,
    };
    let plan = Plan {
        players: arguments.players as f64,
        wait_s: arguments.wait,
        hours: arguments.hours,
        pools: f64::from(arguments.pools),
        delivery,
        redis,
    };
    let lines = bill::bill(&plan, &file.measured, &file.assumed, &list.prices);
    println!(
        "{} players in {} hours, alone, one against one, {} s to a match; prices of {}, {}",
        arguments.players, arguments.hours, arguments.wait, list.as_of, list.region
    );
    println!("{}", table(&lines, plan.players));
    let mut by_dollars: Vec<&Line> = lines.iter().collect();
    by_dollars.sort_by(|a, b| b.dollars.total_cmp(&a.dollars));
    let levers =
        by_dollars.iter().take(LEVERS).map(|line| format!("{}, {} (${:.2})", line.service, line.what, line.dollars));
    println!("What matters most: {}.", levers.collect::<Vec<_>>().join("; "));
    if plan.players > 0.0 {
        compare(&plan, &list.prices);
    }
    let unsure: Vec<&str> =
        list.prices.all().into_iter().filter(|(_, price)| !price.sure).map(|(name, _)| name).collect();
    println!(
        "Counts: tools/prices/measured.json, of {}. Prices to look up before relying on them: {}.",
        file.date,
        unsure.join(", ")
    );
    Ok(ExitCode::SUCCESS)
}

/// What another service takes for the same, and what the plan rests on.
fn compare(plan: &Plan, prices: &Prices) {
    let (least, most) = bill::flexmatch(plan, prices);
    println!(
        "FlexMatch for the same: ${least:.2} for the players, ${most:.2} if it evaluates matches all {} hours.",
        plan.hours
    );
    if plan.delivery == Delivery::Poll {
        println!(
            "A phone that waits {} s asks {} times (shared/src/domain/pacing.rs).",
            plan.wait_s,
            bill::polls(plan.wait_s, Some(plan.wait_s))
        );
    }
}

async fn write_counts(players: usize) -> Result<(), Box<dyn std::error::Error>> {
    let mut file = counts::committed()?;
    file.measured = measure::measure(players).await.map_err(|failure| failure.to_string())?;
    (file.players, file.date) = (players, jiff::Timestamp::now().strftime("%Y-%m-%d").to_string());
    for (name, count) in file.measured.all() {
        println!("{name:32} {:>10}  {}", count.value, count.source);
    }
    std::fs::write(counts::path(), serde_json::to_string_pretty(&file)? + "\n")?;
    Ok(())
}

fn table(lines: &[Line], players: f64) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(["service", "what", "quantity", "unit", "$"]);
    for line in lines {
        let quantity =
            if line.quantity < 100.0 { format!("{:.2}", line.quantity) } else { format!("{:.0}", line.quantity) };
        table.add_row([line.service, line.what, &quantity, &line.unit, &format!("{:.2}", line.dollars)]);
    }
    let (player, hour) = bill::sums(lines);
    let mut sums = vec![("by the player", player), ("by the hour", hour), ("all", player + hour)];
    if players > 0.0 {
        sums.push(("all, a million players", (player + hour) / players * MILLION));
    }
    for (what, dollars) in sums {
        table.add_row(["", what, "", "", &format!("{dollars:.2}")]);
    }
    for column in [2, 4] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}
