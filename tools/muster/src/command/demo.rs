//! `muster demo`: a deployment of its own, phones that play, and a table of what they saw.

use std::convert::Infallible;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use clap::Args;
use comfy_table::{Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use local_aws::time::{now, pause};
use muster_tools::local::{Deployment, Options, QUEUES, RedisKind};
use muster_tools::phones::api::Api;
use muster_tools::phones::plan::{Mode, Scenario};
use muster_tools::phones::play::Stage;
use muster_tools::phones::record::Record;
use muster_tools::phones::verdict::{Tally, Verdict, judge};
use serde_json::Value;

use super::{asked_to_end, figures_right, fresh_logs};

/// After the last join, everybody has so long to be matched; the local queues' deadline lifts every cap after 10 s.
const LIMIT_AFTER_LAST_JOIN: Duration = Duration::from_secs(60);
/// Silent for so long: not put into matches; and for so long: gone. Phones of the demo ask at least every two seconds.
const PRESENCE_MS: u64 = 4_000;
const ABANDON_MS: u64 = 8_000;
/// How often the live display changes on a terminal, and elsewhere.
const FRAME: Duration = Duration::from_millis(100);
const LINE: Duration = Duration::from_secs(1);
/// So many faults are printed; more would only be the same again.
const FAULTS_SHOWN_MAX: usize = 10;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Phones, one for each player
    #[arg(long, default_value_t = 200)]
    phones: usize,
    /// Seconds over which the joins are spread
    #[arg(long, default_value_t = 6)]
    seconds: u64,
    /// The same seed plays the same phones; a random one if not given
    #[arg(long)]
    seed: Option<u64>,
    /// Some phones cancel, join twice, vanish, decline or answer late, as real ones do; without this all behave well
    #[arg(long)]
    rough: bool,
    /// Percent of parties that cancel soon after joining
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=100))]
    cancel: Option<u32>,
    /// Percent of parties that send their join twice, with the same idempotency key or with none
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=100))]
    retry: Option<u32>,
    /// Milliseconds that players have to accept a match; 0 to ask nobody
    #[arg(long, default_value_t = 3_000)]
    acceptance: u64,
    /// Percent of parties that go away without a word
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=100))]
    vanish: Option<u32>,
    /// Percent of parties that decline a match
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=100))]
    decline: Option<u32>,
    /// Percent of parties that accept too late
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=100))]
    late: Option<u32>,
    /// Use a Redis Cluster of three masters instead of one server
    #[arg(long)]
    cluster: bool,
    /// Play against this API instead of a deployment of its own: its queues' rules hold, and nobody is asked to accept
    #[arg(long, value_name = "URL", requires = "tokens")]
    at: Option<String>,
    /// Where players' tokens come from: GET URL/token?sub=PLAYER
    #[arg(long, value_name = "URL", requires = "at")]
    tokens: Option<String>,
}

impl Arguments {
    /// Milliseconds to accept a match; none where nobody is asked.
    fn acceptance(&self) -> u64 {
        if self.at.is_some() { 0 } else { self.acceptance }
    }

    /// The share of a manner: as asked for, else what is usual among rough phones.
    fn percent(&self, asked: Option<u32>, usual: u32) -> u32 {
        asked.unwrap_or(if self.rough { usual } else { 0 })
    }

    fn scenario(&self) -> Scenario {
        let mode = |queue: &str, team_size| Mode { queue: queue.into(), region: "eu".into(), teams: 2, team_size };
        let asks = u32::from(self.acceptance() > 0);
        Scenario {
            phones: self.phones,
            spread_ms: self.seconds * 1_000,
            seed: self.seed.unwrap_or_else(|| u64::from(rand::random::<u16>())),
            cancel_percent: self.percent(self.cancel, 5),
            retry_percent: self.percent(self.retry, 10),
            vanish_percent: asks * self.percent(self.vanish, 10),
            decline_percent: asks * self.percent(self.decline, 10),
            late_percent: asks * self.percent(self.late, 5),
            modes: vec![mode("ranked-1v1", 1), mode("casual-2v2", 2)],
        }
    }
}

/// The local queues, which ask their players, and soon miss whoever falls silent.
fn queues(acceptance_ms: u64) -> Result<String, Box<dyn std::error::Error>> {
    let mut document: Value = serde_json::from_str(QUEUES)?;
    for queue in document["queues"].as_array_mut().into_iter().flatten() {
        queue["presence_ms"] = PRESENCE_MS.into();
        queue["abandon_ms"] = ABANDON_MS.into();
        if acceptance_ms > 0 {
            queue["acceptance_ms"] = acceptance_ms.into();
        }
    }
    Ok(document.to_string())
}

/// Plays, prints, and succeeds only if every promise held.
pub async fn run(arguments: Arguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    match (&arguments.at, &arguments.tokens) {
        (Some(url), Some(tokens)) => play_at(&arguments, url, tokens).await,
        _ => play_here(arguments).await,
    }
}

/// Against an API that runs already, and goes on when the play is over.
async fn play_at(arguments: &Arguments, url: &str, tokens: &str) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let scenario = arguments.scenario();
    println!("{} phones join over {} s at {url}", scenario.phones, arguments.seconds);
    let limit = Duration::from_secs(arguments.seconds) + LIMIT_AFTER_LAST_JOIN;
    let stage = Stage::with(scenario, Api::new(url).with_tokens(tokens), limit);
    let records = tokio::select! {
        records = stage.play() => records,
        asked = asked_to_end() => return Ok(asked.map(|()| ExitCode::FAILURE)?),
    };
    Ok(tell(&stage, &records, None))
}

/// Against a deployment of its own.
async fn play_here(arguments: Arguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let logs = fresh_logs("demo")?;
    let redis = if arguments.cluster { RedisKind::Cluster } else { RedisKind::Single };
    let queues = queues(arguments.acceptance())?;
    let options = Options { redis, queues, logs: Some(logs.clone()), ..Options::default() };
    let ended = asked_to_end();
    tokio::pin!(ended);
    let began = now();
    let mut deployment = tokio::select! {
        started = Deployment::start(options) => started?,
        asked = &mut ended => return Ok(asked.map(|()| ExitCode::FAILURE)?),
    };
    println!("Muster runs on {} (started in {:.1} s)", deployment.url(), began.elapsed().as_secs_f64());
    let scenario = arguments.scenario();
    let Scenario { phones, seed, .. } = scenario;
    println!("{phones} phones join over {} s; play them again with --seed {seed}", arguments.seconds);

    let limit = Duration::from_secs(arguments.seconds) + LIMIT_AFTER_LAST_JOIN;
    let stage = Arc::new(Stage::new(scenario, &deployment.url(), limit));
    let records = tokio::select! {
        records = stage.play() => records,
        never = watch(&stage, &mut deployment) => match never {},
        asked = &mut ended => {
            deployment.stop().await;
            return Ok(asked.map(|()| ExitCode::FAILURE)?);
        }
    };
    deployment.stop().await;
    let code = tell(&stage, &records, Some(&logs));
    if code == ExitCode::SUCCESS && !arguments.rough {
        println!("Next: phones that cancel, vanish, decline and join twice: make demo ARGS=--rough");
    }
    Ok(code)
}

/// What the phones saw, as a table, and whether every promise held.
fn tell(stage: &Stage, records: &[Record], logs: Option<&std::path::Path>) -> ExitCode {
    let took = stage.elapsed();
    let verdict = judge(&stage.scenario, &stage.parties, records);
    println!("\n{}", table(&stage.scenario, &verdict));
    let (requests, failures) = (stage.board.requests.load(Relaxed), stage.board.failures.load(Relaxed));
    println!("{requests} requests in {:.1} s, {failures} of them sent again", took.as_secs_f64());
    conclude(&verdict, stage.scenario.seed, logs)
}

/// Shows what is going on and keeps Redis and the emulator alive, until the play is over.
async fn watch(stage: &Stage, deployment: &mut Deployment) -> Infallible {
    let live = std::io::stderr().is_terminal();
    let bar = ProgressBar::with_draw_target(Some(stage.scenario.phones as u64), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len} settled · {msg}") {
        bar.set_style(style);
    }
    loop {
        pause(if live { FRAME } else { LINE }).await;
        let (joined, matched, ended) =
            (stage.board.joined.load(Relaxed), stage.board.matched.load(Relaxed), stage.board.ended.load(Relaxed));
        let waiting = joined.saturating_sub(matched + ended);
        let line = format!("joined {joined} · waiting {waiting} · matched {matched} · cancelled {ended}");
        if live {
            bar.set_position((matched + ended) as u64);
            bar.set_message(line);
        } else {
            println!("{:4.1} s  {line}", stage.elapsed().as_secs_f64());
        }
        deployment.revive().await.iter().for_each(|line| bar.suspend(|| println!("{line}")));
    }
}

fn table(scenario: &Scenario, verdict: &Verdict) -> Table {
    let columns: Vec<&Tally> = verdict.modes.iter().chain([&verdict.all]).collect();
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    let names = scenario.modes.iter().map(|mode| mode.queue.as_str());
    table.set_header([""].into_iter().chain(names).chain(["all"]));
    let mut row = |name: &str, cell: &dyn Fn(&Tally) -> String| {
        table.add_row(std::iter::once(name.to_owned()).chain(columns.iter().map(|tally| cell(tally))));
    };
    row("players joined", &|t| t.joined.to_string());
    if verdict.all.again > 0 {
        row("  again, after their match", &|t| t.again.to_string());
    }
    row("  tickets", &|t| t.tickets.to_string());
    row("matched", &|t| t.matched.to_string());
    // What no phone does is left out: most demos play only phones that behave well.
    let mut row_if_any = |name: &str, count: fn(&Tally) -> usize| {
        if count(&verdict.all) > 0 {
            row(name, &|tally| count(tally).to_string());
        }
    };
    row_if_any("  joins sent twice", |t| t.repeated);
    row_if_any("cancelled", |t| t.gave_up);
    row_if_any("declined a match", |t| t.declined);
    row_if_any("accepted too late", |t| t.too_late);
    row_if_any("vanished, and were missed", |t| t.vanished);
    row_if_any("left over, cancelled at the end", |t| t.left_over);
    row("still waiting, dropped or refused", &|t| t.unsettled.to_string());
    row("matches", &|t| t.matches.to_string());
    for percent in [50.0, 95.0, 99.0] {
        row(&format!("wait p{percent}, ms"), &|t| match t.wait_us.len() {
            0 => "-".to_owned(),
            _ => format!("{:.0}", t.wait_us.value_at_quantile(percent / 100.0) as f64 / 1_000.0),
        });
    }
    if verdict.all.let_down > 0 {
        row("let down by others", &|t| t.let_down.to_string());
        row("  and asked again after p50, ms", &|t| match t.asked_again_us.len() {
            0 => "-".to_owned(),
            _ => format!("{:.0}", t.asked_again_us.value_at_quantile(0.5) as f64 / 1_000.0),
        });
    }
    row("mean rating gap", &|t| format!("{:.1}", t.rating_gap_mean));
    row("double-booked", &|t| t.double_booked.to_string());
    row("lost", &|t| t.lost.to_string());
    figures_right(table)
}

fn conclude(verdict: &Verdict, seed: u64, logs: Option<&std::path::Path>) -> ExitCode {
    if verdict.holds() {
        println!(
            "Every promise held: nobody is in two matches, nobody is lost, everybody is matched or knows why not."
        );
        return ExitCode::SUCCESS;
    }
    println!("A promise is BROKEN ({} faults):", verdict.faults.len());
    verdict.faults.iter().take(FAULTS_SHOWN_MAX).for_each(|fault| println!("  {fault}"));
    match logs {
        Some(logs) => println!("Logs: {}. Again: muster demo --seed {seed}", logs.display()),
        None => println!("Again, with the same options: muster demo --seed {seed}"),
    }
    ExitCode::FAILURE
}
