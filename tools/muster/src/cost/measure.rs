//! Counts operations on a local deployment: real functions, a real Redis, the emulated ledger.
//!
//! One thing after the other, so that each count has one cause: matchers are frozen while phones join and ask, and go on when
//! that has been counted.

use std::path::Path;
use std::time::Duration;

use futures::StreamExt;
use redis::aio::MultiplexedConnection;
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::counts::{Count, Measured};
use super::units;
use crate::local::{Deployment, Options, RedisPart, SCHEDULED_FUNCTIONS};
use crate::phones::api::Api;
use crate::phones::plan::{Manner, Mode, Party, Retry};
use local_aws::time::{now, pause};
use local_aws::{read_stream, scheduled_event};

/// Why nothing was measured.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Polls of each phone.
const POLLS: usize = 3;
/// Pairs that are matched one after the other.
const PAIRS: usize = 15;
/// Pairs that are told over a WebSocket.
const CONNECTED_PAIRS: usize = 10;
/// Lambda calls that let a phone connect: the authorizer, then the function.
const CALLS_TO_CONNECT: u64 = 2;
/// Messages that a phone's own message comes to: itself and the reply.
const MESSAGES_OF_ONE: u64 = 2;
/// Joins before the counting begins, so that connections stand and scripts are loaded.
const WARM_UPS: usize = 12;
/// How long jobs run: long enough to count what they do each second.
const RUN: &str = "5s";
/// Pools of the local queues document.
const POOLS: f64 = 2.0;
/// Processes of a job: a run may overlap the one before it.
const JOB_PROCESSES: usize = 2;
/// Runs end, and everybody is matched and told, within this time, or something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);
/// Commands that only connect or look, and that nobody pays for with a player.
const NOT_COUNTED: [&str; 6] = ["info", "hello", "client", "ping", "script", "cluster"];

/// A deployment and the counters on it.
struct Lab {
    deployment: Deployment,
    redis: MultiplexedConnection,
    api: Api,
    mode: Mode,
}

/// Lets so many players join, ask, and be matched, and counts.
///
/// # Errors
/// The deployment does not start, or somebody is not matched.
pub async fn measure(players: usize) -> Result<Measured, Failure> {
    let env = [("MATCHER_RUN", RUN), ("SWEEPER_RUN", RUN)].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let options = Options { schedules: false, env: env.to_vec(), ..Options::default() };
    let mut deployment = Deployment::start(options).await?;
    let RedisPart::Single(server) = deployment.redis() else { return Err("expected one Redis server".into()) };
    let redis = server.connect().await?;
    let api = Api::new(deployment.url());
    let mode = Mode { queue: "ranked-1v1".into(), region: "eu".into(), teams: 2, team_size: 1 };
    let mut lab = Lab { deployment, redis, api, mode };
    let measured = lab.measure(players).await;
    lab.deployment.stop().await;
    measured
}

impl Lab {
    async fn measure(&mut self, players: usize) -> Result<Measured, Failure> {
        let each = players as f64;
        let idle = self.per_run("sweeper").await? + self.per_run("matcher").await?;
        let alone = solo("warm-alone".into());
        // The matcher that the doorbell starts must not be counted with the sweeper.
        self.freeze("matcher");
        let ticket = self.api.join(&alone, &self.mode, None).await?;
        let swept = self.per_second("sweeper").await?;
        self.thaw("matcher");
        let led = self.per_second("matcher").await?;
        self.api.cancel(&alone.players[0], &ticket.ticket_id).await?;

        SCHEDULED_FUNCTIONS.into_iter().for_each(|job| self.freeze(job));
        for number in 0..WARM_UPS {
            let party = solo(format!("warm-{number}"));
            let ticket = self.api.join(&party, &self.mode, None).await?;
            self.api.poll(&party.players[0], &ticket.ticket_id).await?;
            self.api.cancel(&party.players[0], &ticket.ticket_id).await?;
        }
        let (bytes, written) = (self.used_memory().await?, self.records().await?.len());

        let (commands, cpu) = (self.commands().await?, self.cpu_ms("join"));
        let mut tickets = Vec::new();
        for number in 0..players {
            let party = solo(format!("count-{number}"));
            let ticket = self.api.join(&party, &self.mode, None).await?;
            tickets.push((party.players[0].clone(), ticket.ticket_id));
        }
        let joined = (self.commands().await? - commands, self.cpu_ms("join") - cpu);

        let (commands, cpu) = (self.commands().await?, self.cpu_ms("poll-match"));
        for _ in 0..POLLS {
            for (player, ticket) in &tickets {
                self.api.poll(player, ticket).await?;
            }
        }
        let polled = (self.commands().await? - commands, self.cpu_ms("poll-match") - cpu);
        let polls = each * POLLS as f64;
        let answer_bytes = self.answer_bytes(&tickets[0]).await?;

        SCHEDULED_FUNCTIONS.into_iter().for_each(|job| self.thaw(job));
        self.until_told(players / 2).await?;
        let grown = self.used_memory().await? - bytes;
        let ledger = units::of(&self.records().await?[written..], |key| !key.contains("warm-"));
        let events = self.told_matches() as f64;

        let matched = self.pair_by_pair(players / 2, led).await? - joined.0 / each;

        let logged = logged_bytes(self.deployment.logs())?;
        let connected = self.connected().await?;
        Ok(Measured {
            redis_commands_join: count(joined.0 / each, "INFO commandstats around joins, jobs frozen"),
            redis_commands_poll: count(polled.0 / polls, "INFO commandstats around polls, jobs frozen"),
            redis_commands_match: count(
                matched,
                "INFO commandstats around pairs that join and are matched one pair after the other, until the bus has heard, \
                 less their joins and an idle matcher's; many at once take less",
            ),
            redis_commands_matcher_second: count(
                led / POOLS,
                "INFO commandstats around a run that leads two pools with one player in them",
            ),
            redis_commands_sweeper_second: count(
                swept / POOLS,
                "INFO commandstats around a run over two pools with one player in them",
            ),
            redis_commands_idle_runs: count(
                idle / POOLS,
                "INFO commandstats around a run of each over two empty pools",
            ),
            redis_bytes_ticket: count(grown / each, "INFO used_memory before the joins and after the last match"),
            ledger_writes: count(
                ledger.writes / each,
                "the ledger's stream: each record's larger image, in KB, rounded up",
            ),
            ledger_bytes: count(
                ledger.kept_bytes / each,
                "the ledger's stream: the last image of every ticket and match, and 100 bytes for each as AWS adds",
            ),
            events: count(events / each, "MatchFound on the local bus"),
            join_cpu_ms: count(joined.1 / each, "schedstat of the function's threads; a debug build"),
            poll_cpu_ms: count(polled.1 / polls, "schedstat of the function's threads; a debug build"),
            answer_bytes: count(answer_bytes, "a poll of a waiting ticket"),
            matched_bytes: count(connected.pushed_bytes, "pushes of matches to connected phones"),
            log_bytes: count(logged / (each + 2.0 * PAIRS as f64), "the log files of all functions, by players"),
            websocket_messages: count(
                connected.messages,
                "counters of the WebSocket front around phones that connect, join by HTTP, are matched and leave",
            ),
            websocket_calls: count(connected.calls, "the same: authorizer and connect"),
            websocket_cpu_ms: count(connected.cpu_ms, "schedstat of the functions' threads by calls; a debug build"),
            websocket_ledger_writes: count(connected.writes, "the ledger's stream: the same of connections' items"),
        })
    }

    /// Commands of a job's run.
    async fn per_run(&mut self, job: &str) -> Result<f64, Failure> {
        let commands = self.commands().await?;
        self.deployment.invoker().invoke(job, scheduled_event(job, 0), PATIENCE).await?;
        Ok(self.commands().await? - commands)
    }

    /// The same each second.
    async fn per_second(&mut self, job: &str) -> Result<f64, Failure> {
        let began = now();
        Ok(self.per_run(job).await? / began.elapsed().as_secs_f64())
    }

    /// Lets phones connect, join, hear of their match and leave.
    async fn connected(&mut self) -> Result<Connected, Failure> {
        let phones = 2 * CONNECTED_PAIRS;
        let (before, written) = (self.deployment.websocket().counters(), self.records().await?.len());
        let cpu = self.cpu_ms("websocket") + self.cpu_ms("authorizer");
        let mut sockets = Vec::new();
        for number in 0..phones {
            let player = format!("connected-{number}");
            let mut request = self.deployment.websocket_url().into_client_request()?;
            request.headers_mut().insert("x-muster-player", player.parse()?);
            let (socket, _) = connect_async(request).await?;
            sockets.push(socket);
            let join = json!({ "queue": self.mode.queue, "region": self.mode.region, "push": true });
            let request = reqwest::Client::new().post(format!("{}/queue/join", self.deployment.url())).json(&join);
            request.header("x-muster-player", player).send().await?.error_for_status()?;
        }
        let mut pushed_bytes = 0;
        for mut socket in sockets {
            let heard = tokio::time::timeout(PATIENCE, socket.next()).await?;
            pushed_bytes += heard.ok_or("expected a push, found the end of the connection")??.len();
            socket.close(None).await?;
        }
        let began = now();
        while self.deployment.websocket().counters().disconnected < before.disconnected + phones as u64 {
            if began.elapsed() > PATIENCE {
                return Err(format!("expected {phones} phones to have left").into());
            }
            pause(LOOK).await;
        }
        let (after, phones) = (self.deployment.websocket().counters(), phones as f64);
        let said = after.messages - before.messages;
        let calls = CALLS_TO_CONNECT * (after.connected - before.connected) + said;
        let messages = MESSAGES_OF_ONE * said + after.pushed - before.pushed;
        let cpu = self.cpu_ms("websocket") + self.cpu_ms("authorizer") - cpu;
        Ok(Connected {
            messages: messages as f64 / phones,
            calls: calls as f64 / phones,
            cpu_ms: cpu / calls as f64,
            writes: units::of(&self.records().await?[written..], |_| true).connection_writes / phones,
            pushed_bytes: pushed_bytes as f64 / phones,
        })
    }

    /// Commands for each player of pairs that come one after the other, joins included, after so many matches; without what
    /// `idle` commands a second are.
    async fn pair_by_pair(&mut self, matches: usize, idle: f64) -> Result<f64, Failure> {
        // One that leads all the while, as while players come. The doorbell's own find that out, and leave.
        let (invoker, event) = (self.deployment.invoker(), scheduled_event("matcher", 1));
        let leader = tokio::spawn(async move { invoker.invoke("matcher", event, PATIENCE).await });
        let (commands, began) = (self.commands().await?, now());
        for pair in 1..=PAIRS {
            for name in ["ann", "bob"] {
                self.api.join(&solo(format!("{name}-{pair}")), &self.mode, None).await?;
            }
            self.until_told(matches + pair).await?;
        }
        let all = self.commands().await? - commands - idle * began.elapsed().as_secs_f64();
        leader.await??;
        Ok(all / (2 * PAIRS) as f64)
    }

    /// Commands that Redis ran so far, also inside of scripts.
    async fn commands(&mut self) -> Result<f64, Failure> {
        Ok(run_commands(&mut self.redis).await?)
    }

    async fn used_memory(&mut self) -> Result<f64, Failure> {
        let info: String = redis::cmd("INFO").arg("memory").query_async(&mut self.redis).await?;
        let found = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
        Ok(found.ok_or("expected used_memory in INFO, found none")?.trim().parse()?)
    }

    /// Processor time of all processes of a function, in milliseconds.
    fn cpu_ms(&mut self, name: &str) -> f64 {
        self.deployment.processes(name).map(|function| cpu_ns(function.pid())).sum::<f64>() / 1e6
    }

    /// Nothing of a function runs from here on: throttled, because a doorbell that finds its processes busy gets a new one.
    fn freeze(&mut self, name: &str) {
        self.deployment.reserve(name, 0);
        self.deployment.processes(name).for_each(|function| function.signal(libc::SIGSTOP));
    }

    fn thaw(&mut self, name: &str) {
        self.deployment.processes(name).for_each(|function| function.signal(libc::SIGCONT));
        self.deployment.reserve(name, JOB_PROCESSES);
    }

    async fn records(&mut self) -> Result<Vec<Value>, Failure> {
        let ledger = self.deployment.ledger().ok_or("expected a ledger, found none")?;
        Ok(read_stream(&ledger.table.api()).await?)
    }

    fn told_matches(&mut self) -> usize {
        let heard = self.deployment.ledger().map(|ledger| ledger.bus.heard()).unwrap_or_default();
        heard.iter().filter(|(kind, _)| kind == "MatchFound").count()
    }

    async fn until_told(&mut self, matches: usize) -> Result<(), Failure> {
        let began = now();
        while self.told_matches() < matches {
            if began.elapsed() > PATIENCE {
                return Err(format!("expected {matches} matches on the bus, found {}", self.told_matches()).into());
            }
            pause(LOOK).await;
        }
        Ok(())
    }

    async fn answer_bytes(&self, (player, ticket): &(String, String)) -> Result<f64, Failure> {
        let request = reqwest::Client::new().get(format!("{}/match/{ticket}", self.deployment.url()));
        let answer = request.header("x-muster-player", player).send().await?;
        Ok(answer.bytes().await?.len() as f64)
    }
}

/// Commands that a Redis ran since it started, those inside of scripts included, without those that only connect or look.
///
/// # Errors
/// It does not answer.
pub async fn run_commands(redis: &mut MultiplexedConnection) -> redis::RedisResult<f64> {
    let info: String = redis::cmd("INFO").arg("commandstats").query_async(redis).await?;
    let calls = |line: &str| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        let known = name.split('|').next().is_some_and(|first| NOT_COUNTED.contains(&first));
        if known { None } else { rest.split(',').next()?.parse::<f64>().ok() }
    };
    Ok(info.lines().filter_map(calls).sum())
}

/// What a phone on a WebSocket takes.
struct Connected {
    messages: f64,
    calls: f64,
    /// Of each call.
    cpu_ms: f64,
    writes: f64,
    pushed_bytes: f64,
}

fn count(value: f64, source: &str) -> Count {
    // More digits than the measurement has would only make the file change with every run.
    let scale = 10_f64.powi(2 - value.abs().max(1e-9).log10().floor() as i32);
    Count { value: (value * scale).round() / scale, source: source.to_owned() }
}

fn solo(player: String) -> Party {
    let manner = Manner::Accepts { after_ms: 0 };
    let retry = Retry::No;
    Party { players: vec![player], mode: 0, rating: 1_500.0, join_at_ms: 0, retry, manner, cancel_after_ms: None }
}

/// Nanoseconds that the threads of a process have run. A thread that has ended meanwhile is left out.
fn cpu_ns(pid: u32) -> f64 {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let ran = threads.filter_map(|thread| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    });
    ran.sum()
}

fn logged_bytes(logs: &Path) -> Result<f64, Failure> {
    let mut bytes = 0;
    for file in std::fs::read_dir(logs)? {
        bytes += file?.metadata()?.len();
    }
    Ok(bytes as f64)
}
