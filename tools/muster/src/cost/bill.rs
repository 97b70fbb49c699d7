//! The bill: counts times prices, a line for each thing that AWS charges for.

use muster::domain::Rules;
use muster::domain::limits::DOUBT_MS;
use muster::domain::pacing::retry_after_ms;
use muster_functions::metrics::Metric;

use super::counts::{Assumed, Measured};
use super::prices::{Price, Prices};

/// How phones hear of their match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// They ask, at the pace that the answers name.
    Poll,
    /// They are told over a WebSocket.
    Websocket,
}

/// Which Redis is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedisKind {
    /// By use.
    Serverless,
    /// Two nodes of the smallest kind that the template would take, by the hour.
    Nodes,
}

/// Who plays, how long they wait, and in what time they come.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// All of one against one, alone.
    pub players: f64,
    /// Mean time from a join to its match, in seconds.
    pub wait_s: f64,
    /// The time in which they come, evenly; everything that is paid by the hour is paid for so long.
    pub hours: f64,
    /// Pools that matchers and sweepers look at.
    pub pools: f64,
    /// How phones hear of their match.
    pub delivery: Delivery,
    /// Which Redis.
    pub redis: RedisKind,
}

/// One thing that is paid.
#[derive(Debug, Clone)]
pub struct Line {
    /// `Lambda`
    pub service: &'static str,
    /// What of it.
    pub what: &'static str,
    /// How much, in units of the price.
    pub quantity: f64,
    /// The unit.
    pub unit: String,
    /// US dollars.
    pub dollars: f64,
    /// Whether it is paid by the hour and not by the player.
    pub by_the_hour: bool,
}

const PLAYERS_PER_MATCH: f64 = 2.0;
const HOURS_PER_MONTH: f64 = 730.0;
/// As in `template.yaml`: memory of each function, in GB, and how long runs last of every minute.
const HTTP_GB: f64 = 0.25;
const MATCHER_GB: f64 = 0.5;
const SWEEPER_GB: f64 = 0.25;
const MATCHER_RUN_S: f64 = 70.0;
const SWEEPER_RUN_S: f64 = 55.0;
const SCHEDULE_S: f64 = 60.0;
/// Memory at which Lambda gives a whole processor, in GB. Less memory, less processor.
const GB_PER_PROCESSOR: f64 = 1769.0 / 1024.0;
/// Bytes that one ECPU moves.
const BYTES_PER_ECPU: f64 = 1_024.0;
/// A matcher's looks at the line each second (`TICK_INTERVAL`).
const TICKS_S: f64 = 10.0;
/// What Serverless bills at least, in GB.
const REDIS_GB_MIN: f64 = 0.1;
/// How long results stay in Redis after a match, in seconds.
const RESULT_S: f64 = 600.0;
/// Read units of a look at a small item: whether a player is connected, before the notifier pushes; whether a ticket waits.
const READ_UNITS_LOOK: f64 = 1.0;
/// Messages of a phone that says it is there: its own, and the reply.
const MESSAGES_HEARD: f64 = 2.0;
/// Lines of a connection in the access log: its beginning and its end.
const LINES_CONNECTION: f64 = 2.0;
/// How long the ledger keeps a ticket, in months.
const KEPT_MONTHS: f64 = 30.0 * 24.0 / HOURS_PER_MONTH;
/// Alarms in `template.yaml` beside a serverless Redis, one over several metrics as that many.
const ALARMS: f64 = 30.0;
const GB: f64 = 1e9;

/// Polls of a phone whose match is there after `wait_s`, the one that sees it included, where nine of ten wait `usual_s`; the
/// pool's first players have no such estimate.
pub fn polls(wait_s: f64, usual_s: Option<f64>) -> f64 {
    let usual_ms = usual_s.map(|usual_s| (usual_s * 1_000.0) as u64);
    let (mut at_ms, mut polls) = (0, 0.0);
    while (at_ms as f64) < wait_s * 1_000.0 {
        at_ms += retry_after_ms(at_ms, usual_ms, false, &Rules::default());
        polls += 1.0;
    }
    polls
}

/// How often a phone that is told says that it is there until it is matched after `wait_s`.
fn heard(wait_s: f64) -> f64 {
    (wait_s * 1_000.0 / retry_after_ms(0, None, true, &Rules::default()) as f64).floor()
}

/// GB-seconds of a call of an HTTP function: its processor time at its share of a processor, and what it waits for.
fn http_gb_seconds(cpu_ms: f64, wait_ms: f64) -> f64 {
    (cpu_ms * GB_PER_PROCESSOR / HTTP_GB + wait_ms) / 1_000.0 * HTTP_GB
}

/// Collects lines.
struct Lines {
    lines: Vec<Line>,
}

impl Lines {
    fn add(&mut self, service: &'static str, what: &'static str, quantity: f64, price: &Price) {
        self.push(service, what, quantity, price, false);
    }

    fn hourly(&mut self, service: &'static str, what: &'static str, quantity: f64, price: &Price) {
        self.push(service, what, quantity, price, true);
    }

    fn push(&mut self, service: &'static str, what: &'static str, quantity: f64, price: &Price, by_the_hour: bool) {
        if quantity > 0.0 {
            let dollars = quantity * price.dollars / price.per;
            self.lines.push(Line { service, what, quantity, unit: price.unit.clone(), dollars, by_the_hour });
        }
    }
}

/// The bill of a plan.
pub fn bill(plan: &Plan, counted: &Measured, assumed: &Assumed, prices: &Prices) -> Vec<Line> {
    let mut lines = Lines { lines: Vec::new() };
    let polls = match plan.delivery {
        Delivery::Poll => polls(plan.wait_s, Some(plan.wait_s)),
        Delivery::Websocket => 0.0,
    };
    api_and_phones(&mut lines, plan, polls, counted, assumed, prices);
    jobs(&mut lines, plan, assumed, prices);
    redis(&mut lines, plan, polls, counted, assumed, prices);
    ledger(&mut lines, plan, counted, prices);
    let Plan { players, hours, .. } = *plan;
    lines.add("EventBridge", "events", players * counted.events.value, &prices.events);
    let connection = match plan.delivery {
        Delivery::Poll => 0.0,
        Delivery::Websocket => LINES_CONNECTION + heard(plan.wait_s),
    };
    let logged = players * (1.0 + polls + connection) * assumed.access_log_bytes.value;
    lines.add("CloudWatch", "access logs of the APIs", logged, &prices.logs_infrequent);
    lines.add("CloudWatch", "logs of functions", players * counted.log_bytes.value, &prices.logs);
    let months = hours / HOURS_PER_MONTH;
    lines.hourly("CloudWatch", "metrics", Metric::ALL.len() as f64 * months, &prices.metrics);
    lines.hourly("CloudWatch", "alarms", ALARMS * months, &prices.alarms);
    lines.hourly("CloudWatch", "dashboard", months, &prices.dashboards);
    lines.hourly("KMS", "key", months, &prices.keys);
    lines.hourly("Secrets Manager", "secret", months, &prices.secrets);
    lines.lines
}

fn api_and_phones(lines: &mut Lines, plan: &Plan, polls: f64, counted: &Measured, assumed: &Assumed, prices: &Prices) {
    let players = plan.players;
    let requests = players * (1.0 + polls);
    lines.add("API Gateway", "HTTP requests", requests, &prices.http_api_requests);
    let answer = counted.answer_bytes.value + assumed.head_bytes.value;
    let out = requests * answer + players * (counted.matched_bytes.value + assumed.head_bytes.value);
    lines.add("API Gateway", "data out", out, &prices.data_out);
    let join = http_gb_seconds(counted.join_cpu_ms.value, assumed.join_wait_ms.value);
    let poll = http_gb_seconds(counted.poll_cpu_ms.value, assumed.poll_wait_ms.value);
    lines.add("Lambda", "joins and polls, calls", requests, &prices.lambda_requests);
    lines.add("Lambda", "joins and polls, time", players * (join + polls * poll), &prices.lambda_gb_seconds);
    if plan.delivery == Delivery::Websocket {
        let heard = heard(plan.wait_s);
        let messages = players * (counted.websocket_messages.value + heard * MESSAGES_HEARD);
        lines.add("API Gateway", "WebSocket messages", messages, &prices.websocket_messages);
        // Each connection is billed in whole minutes.
        let minutes = players * (plan.wait_s / 60.0).ceil().max(1.0);
        lines.add("API Gateway", "WebSocket minutes", minutes, &prices.websocket_minutes);
        let calls = players * (counted.websocket_calls.value + heard);
        lines.add("Lambda", "WebSocket, calls", calls, &prices.lambda_requests);
        let call = http_gb_seconds(counted.websocket_cpu_ms.value, assumed.websocket_wait_ms.value);
        lines.add("Lambda", "WebSocket, time", calls * call, &prices.lambda_gb_seconds);
    }
}

/// How long runs of a matcher and of a sweeper take, in seconds. While players come at all, they come so often that somebody
/// always waits.
fn runs_s(plan: &Plan, assumed: &Assumed) -> (f64, f64) {
    let idle_s = assumed.idle_run_ms.value / 1_000.0;
    if plan.players > 0.0 { (MATCHER_RUN_S, SWEEPER_RUN_S) } else { (idle_s, idle_s) }
}

fn jobs(lines: &mut Lines, plan: &Plan, assumed: &Assumed, prices: &Prices) {
    let (players, minutes) = (plan.players, plan.hours * 3_600.0 / SCHEDULE_S);
    let (matcher_s, sweeper_s) = runs_s(plan, assumed);
    lines.hourly("Lambda", "matcher, time", minutes * matcher_s * MATCHER_GB, &prices.lambda_gb_seconds);
    lines.hourly("Lambda", "sweeper, time", minutes * sweeper_s * SWEEPER_GB, &prices.lambda_gb_seconds);
    let doorbells = players * assumed.doorbells_ticket.value;
    let told = players / PLAYERS_PER_MATCH * assumed.notifier_calls_match.value;
    lines.add("Lambda", "doorbell and notifier, calls", doorbells + told, &prices.lambda_requests);
    let ms = doorbells * assumed.doorbell_ms.value * MATCHER_GB + told * assumed.notifier_ms.value * HTTP_GB;
    lines.add("Lambda", "doorbell and notifier, time", ms / 1_000.0, &prices.lambda_gb_seconds);
}

fn redis(lines: &mut Lines, plan: &Plan, polls: f64, counted: &Measured, assumed: &Assumed, prices: &Prices) {
    let (players, seconds) = (plan.players, plan.hours * 3_600.0);
    if plan.redis == RedisKind::Nodes {
        lines.hourly("ElastiCache", "two nodes", 2.0 * plan.hours, &prices.redis_node_hours);
        return;
    }
    let player = counted.redis_commands_join.value
        + polls * counted.redis_commands_poll.value
        + counted.redis_commands_match.value;
    lines.add("ElastiCache", "processing for players", players * player, &prices.redis_processing);
    // Of matchers that overlap only one leads.
    let second = if players > 0.0 {
        counted.redis_commands_matcher_second.value
            + SWEEPER_RUN_S / SCHEDULE_S * counted.redis_commands_sweeper_second.value
    } else {
        counted.redis_commands_idle_runs.value / SCHEDULE_S
    };
    lines.hourly("ElastiCache", "processing of jobs", seconds * plan.pools * second, &prices.redis_processing);
    // A command of more than a KB is billed by the KB: a look at all who wait, ten times a second.
    let waiting = players / seconds * plan.wait_s;
    let looked_at = waiting * assumed.snapshot_bytes.value / BYTES_PER_ECPU * TICKS_S;
    lines.add("ElastiCache", "processing of looks", seconds * looked_at, &prices.redis_processing);
    let held = players / seconds * (plan.wait_s + RESULT_S) * counted.redis_bytes_ticket.value / GB;
    lines.hourly("ElastiCache", "storage", held.max(REDIS_GB_MIN) * plan.hours, &prices.redis_storage);
}

fn ledger(lines: &mut Lines, plan: &Plan, counted: &Measured, prices: &Prices) {
    let players = plan.players;
    lines.add("DynamoDB", "writes", players * counted.ledger_writes.value, &prices.ledger_writes);
    if plan.delivery == Delivery::Websocket {
        let connections = players * counted.websocket_ledger_writes.value;
        lines.add("DynamoDB", "writes of connections", connections, &prices.ledger_writes);
    }
    if plan.delivery == Delivery::Poll {
        // A poll of a ticket that has waited so long makes sure that the ledger does not know how it ended.
        let doubts = (plan.wait_s * 1_000.0 / DOUBT_MS as f64).floor();
        lines.add("DynamoDB", "reads of waiting tickets", players * doubts * READ_UNITS_LOOK, &prices.ledger_reads);
    }
    lines.add("DynamoDB", "reads of connections", players * READ_UNITS_LOOK, &prices.ledger_reads);
    let gb_months = players * counted.ledger_bytes.value / GB * KEPT_MONTHS;
    lines.add("DynamoDB", "storage, 30 days", gb_months, &prices.ledger_storage);
    lines.add("DynamoDB", "backup, 30 days", gb_months, &prices.ledger_backup);
}

/// What is paid by the player, and what by the hour, in US dollars.
pub fn sums(lines: &[Line]) -> (f64, f64) {
    let of = |hourly: bool| lines.iter().filter(move |line| line.by_the_hour == hourly);
    let sum = |hourly: bool| of(hourly).fold(0.0, |sum, line| sum + line.dollars);
    (sum(false), sum(true))
}

/// What FlexMatch costs for the same: for the players alone, and if it evaluates matches all the time.
pub fn flexmatch(plan: &Plan, prices: &Prices) -> (f64, f64) {
    let of = |quantity: f64, price: &Price| quantity * price.dollars / price.per;
    let players = of(plan.players, &prices.flexmatch_players);
    (players, players + of(plan.hours, &prices.flexmatch_hours))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::cost::{counts, prices};

    /// A poll bill, a WebSocket bill, one with nodes and one of nobody: together they have every line.
    fn plans() -> [Plan; 4] {
        let plan = Plan {
            players: 1e9,
            wait_s: 20.0,
            hours: 24.0,
            pools: 6.0,
            delivery: Delivery::Poll,
            redis: RedisKind::Serverless,
        };
        let nodes = Plan { redis: RedisKind::Nodes, ..plan };
        [plan, Plan { delivery: Delivery::Websocket, ..plan }, nodes, Plan { players: 0.0, ..plan }]
    }

    /// What all of them come to, and FlexMatch, by the committed files with `change` made to them.
    fn all(change: impl Fn(&mut Value, &mut Value)) -> f64 {
        let file = counts::committed().unwrap();
        let mut counts = json!({ "measured": file.measured, "assumed": file.assumed });
        let list = prices::newest().unwrap();
        let mut by_name: Value = json!({});
        for (name, price) in list.prices.all() {
            by_name[name] = json!({
                "dollars": price.dollars, "per": price.per, "unit": price.unit, "page": price.page, "sure": price.sure
            });
        }
        change(&mut counts, &mut by_name);
        let measured: Measured = serde_json::from_value(counts["measured"].take()).unwrap();
        let assumed: Assumed = serde_json::from_value(counts["assumed"].take()).unwrap();
        let prices: Prices = serde_json::from_value(by_name).unwrap();
        let sum = |plan: &Plan| {
            let (player, hour) = sums(&bill(plan, &measured, &assumed, &prices));
            player + hour + flexmatch(plan, &prices).1
        };
        plans().iter().map(sum).sum()
    }

    #[test]
    fn every_count_and_every_price_is_in_the_bill() {
        let before = all(|_, _| {});
        let file = counts::committed().unwrap();
        let names = file.measured.all().into_iter().map(|(name, _)| ("measured", name));
        for (part, name) in names.chain(file.assumed.all().into_iter().map(|(name, _)| ("assumed", name))) {
            let after = all(|counts, _| {
                let value = &mut counts[part][name]["value"];
                *value = json!(value.as_f64().unwrap() * 2.0);
            });
            assert!(after > before, "{part}.{name}: twice of it costs no more");
        }
        for (name, _) in prices::newest().unwrap().prices.all() {
            let after =
                all(|_, prices| prices[name]["dollars"] = json!(prices[name]["dollars"].as_f64().unwrap() * 2.0));
            assert!(after > before, "{name}: at twice the price nothing costs more");
        }
    }

    #[test]
    fn a_count_that_is_missing_or_that_nobody_knows_is_refused() {
        let file = serde_json::to_value(counts::committed().unwrap()).unwrap();
        let mut less = file.clone();
        less["measured"].as_object_mut().unwrap().remove("events").unwrap();
        let mut more = file.clone();
        more["measured"]["luck"] = json!({ "value": 1.0, "source": "none" });
        for wrong in [less, more] {
            assert!(serde_json::from_value::<counts::CountsFile>(wrong).is_err());
        }
        assert!(serde_json::from_value::<counts::CountsFile>(file).is_ok());
    }

    #[test]
    fn a_line_is_its_quantity_at_its_price() {
        let (file, list) = (counts::committed().unwrap(), prices::newest().unwrap());
        let [plan, ..] = plans();
        let lines = bill(&plan, &file.measured, &file.assumed, &list.prices);
        let line = |what: &str| lines.iter().find(|line| line.what == what).unwrap();
        let requests = line("HTTP requests");
        assert_eq!(
            (requests.quantity, requests.dollars),
            (7e9, 7_000.0),
            "a join and 6 polls each, a dollar a million"
        );
        let matcher = line("matcher, time");
        assert_eq!(matcher.quantity, 24.0 * 60.0 * 70.0 * 0.5, "a run of 70 s each minute, of half a GB");
        assert!((matcher.dollars - 50_400.0 * 0.0000133334).abs() < 1e-9);
    }

    #[test]
    fn a_phone_asks_at_the_pace_that_the_answers_name() {
        let asked = [0.0, 0.1, 0.25, 0.26, 20.0].map(|wait_s| polls(wait_s, None));
        assert_eq!(asked, [0.0, 1.0, 1.0, 2.0, 11.0]);
        assert_eq!(polls(20.0, Some(20.0)), 6.0, "after 0.25, 0.75, 5.75, 10.75, 15.75 and 20.75 s");
        assert_eq!([0.0, 29.9, 30.0, 60.0].map(heard), [0.0, 0.0, 1.0, 2.0]);
    }
}
