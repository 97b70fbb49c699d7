//! Redis frozen (SIGSTOP) for a while under joins at a steady rate: connections stay open and nothing answers.
//!
//! Phones join alone, one after another, whether the ones before were answered or not, and each asks until its ticket is over.
//! What counts: how many joins still get a ticket, and how long that takes; afterwards nobody may be lost or in two matches; and
//! which alarms of the template the functions' metric lines would have raised.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use hdrhistogram::Histogram;
use serde_json::json;

use crate::alarms::{Report, evaluate};
use crate::local::{Deployment, RedisPart, workspace_root};
use crate::phones::api::{Api, ApiError, Status, Ticket};
use local_aws::time::{now, pause};

/// A phone gives up on an answer after this time.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// The longest time that is told apart, in microseconds: no answer takes longer.
const TOOK_US_MAX: u64 = 10_000_000;
/// After an answer that was no ticket.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// After the last join, everybody has so long to be matched.
const LIMIT_AFTER_LAST_JOIN: Duration = Duration::from_secs(60);
/// Joins of so many seconds after the freeze are counted apart: until then nobody knows of it.
const FIRST: Duration = Duration::from_secs(3);

/// How long, and under how many.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Joins a second.
    pub rate: u32,
    /// Before Redis is frozen, and after it goes on, in seconds.
    pub calm_s: u64,
    /// How long it is frozen, in seconds.
    pub frozen_s: u64,
}

/// Joins of a part of the time.
#[derive(Debug)]
pub struct Joins {
    /// `before`, `frozen, first 3 s`, `frozen`, `after`.
    pub part: &'static str,
    /// First answers by status; 0 is none at all.
    pub statuses: BTreeMap<u16, usize>,
    /// From the request to its answer, in microseconds.
    pub took_us: Histogram<u64>,
    /// How long the part was.
    pub seconds: f64,
}

/// What was seen.
#[derive(Debug)]
pub struct Frozen {
    /// Joins by part.
    pub joins: Vec<Joins>,
    /// Players who were matched.
    pub matched: usize,
    /// Players whose ticket ended otherwise, still waits, or cannot be read.
    pub lost: Vec<String>,
    /// Players who are in two matches.
    pub double_booked: Vec<String>,
    /// From the moment at which Redis went on until a phone read of a new match.
    pub first_match: Option<Duration>,
    /// What the alarms of the template say.
    pub alarms: Report,
}

struct Seen {
    player: String,
    sent: Duration,
    took: Duration,
    status: u16,
    end: Result<Ticket, String>,
    ended: Duration,
}

/// Plays the drill. `tell` hears what is going on, a line each.
///
/// # Errors
/// The deployment has no single Redis, or the template cannot be read.
pub async fn run(deployment: &mut Deployment, plan: Plan, tell: impl Fn(&str)) -> Result<Frozen, String> {
    let Plan { rate, calm_s, frozen_s } = plan;
    let (freezes, thaws) = (Duration::from_secs(calm_s), Duration::from_secs(calm_s + frozen_s));
    let all = Duration::from_secs(2 * calm_s + frozen_s);
    let began = now();
    let url: Arc<str> = deployment.url().into();
    let joining = async {
        let mut phones = Vec::new();
        for number in 0..u64::from(rate) * all.as_secs() {
            pause((Duration::from_secs(number) / rate).saturating_sub(began.elapsed())).await;
            phones.push(tokio::spawn(phone(
                Arc::clone(&url),
                format!("frozen-{number}"),
                began,
                all + LIMIT_AFTER_LAST_JOIN,
            )));
        }
        join_all(phones).await
    };
    let freezing = async {
        let RedisPart::Single(redis) = deployment.redis() else { return Err("expected one Redis server".to_owned()) };
        pause(freezes.saturating_sub(began.elapsed())).await;
        redis.pause();
        tell(&format!("{:5.1} s  Redis is frozen", began.elapsed().as_secs_f64()));
        pause(thaws.saturating_sub(began.elapsed())).await;
        redis.resume();
        tell(&format!("{:5.1} s  Redis goes on", began.elapsed().as_secs_f64()));
        Ok(began.elapsed())
    };
    let (phones, thawed) = futures::join!(joining, freezing);
    let thawed = thawed?;
    let seen: Vec<Seen> = phones.into_iter().filter_map(Result::ok).collect();
    let parts = [
        ("before", Duration::ZERO, freezes),
        ("frozen, first 3 s", freezes, freezes + FIRST),
        ("frozen", freezes + FIRST, thaws),
        ("after", thaws, all),
    ];
    let joins = parts.map(|(part, from, to)| joins(part, from, to, &seen)).into();
    let logs: Vec<_> = std::fs::read_dir(deployment.logs()).map_err(|error| error.to_string())?.flatten().collect();
    let logs: Vec<_> = logs.iter().map(std::fs::DirEntry::path).collect();
    let alarms = evaluate(&workspace_root().join("template.yaml"), &logs)?;
    let matched = |seen: &&Seen| seen.end.as_ref().is_ok_and(|ticket| ticket.status == Status::Matched);
    Ok(Frozen {
        joins,
        matched: seen.iter().filter(matched).count(),
        lost: seen
            .iter()
            .filter(|seen| !matched(seen))
            .map(|seen| format!("{}: {:?}", seen.player, seen.end))
            .collect(),
        double_booked: double_booked(&seen),
        first_match: seen.iter().filter(matched).filter_map(|seen| seen.ended.checked_sub(thawed)).min(),
        alarms,
    })
}

fn joins(part: &'static str, from: Duration, to: Duration, seen: &[Seen]) -> Joins {
    let (mut statuses, mut took_us) = (
        BTreeMap::new(),
        Histogram::new_with_bounds(1, TOOK_US_MAX, 3).unwrap_or_else(|_| unreachable!("lawful bounds")),
    );
    for seen in seen.iter().filter(|seen| (from..to).contains(&seen.sent)) {
        *statuses.entry(seen.status).or_default() += 1;
        took_us.saturating_record(seen.took.as_micros() as u64);
    }
    Joins { part, statuses, took_us, seconds: (to - from).as_secs_f64() }
}

/// Joins until there is a ticket, and asks until it is over.
async fn phone(url: Arc<str>, player: String, began: Instant, limit: Duration) -> Seen {
    let http = reqwest::Client::new();
    let body = json!({ "queue": "ranked-1v1", "region": "eu", "rating": 1500 });
    let (sent, mut first) = (began.elapsed(), None);
    let ticket = loop {
        let asked = now();
        let request = http.post(format!("{url}/queue/join")).header("x-muster-player", &player).json(&body);
        let answer = request.header("idempotency-key", &player).timeout(ANSWER_LIMIT).send().await;
        let status = answer.as_ref().map_or(0, |answer| answer.status().as_u16());
        let ticket = match answer {
            Ok(answer) => answer.json::<Ticket>().await.ok(),
            Err(_) => None,
        };
        first.get_or_insert((status, asked.elapsed()));
        if let Some(ticket) = ticket {
            break Ok(ticket);
        }
        if began.elapsed() > limit {
            break Err(format!("no ticket: status {status}"));
        }
        pause(TRY_AGAIN_AFTER).await;
    };
    let (status, took) = first.unwrap_or_default();
    let end = match ticket {
        Ok(ticket) => follow(&Api::new(&*url), &player, ticket, began, limit).await,
        Err(why) => Err(why),
    };
    Seen { player, sent, took, status, end, ended: began.elapsed() }
}

async fn follow(api: &Api, player: &str, ticket: Ticket, began: Instant, limit: Duration) -> Result<Ticket, String> {
    let id = ticket.ticket_id.clone();
    let mut last = Ok(ticket);
    loop {
        let rest = match &last {
            Ok(ticket) if ticket.status.is_over() => return last.map_err(|error: ApiError| error.to_string()),
            Ok(ticket) => ticket.retry_after_ms.map_or(TRY_AGAIN_AFTER, Duration::from_millis),
            Err(ApiError::Unavailable { retry_after, .. }) => retry_after.unwrap_or(TRY_AGAIN_AFTER),
            Err(error) => return Err(error.to_string()),
        };
        if began.elapsed() > limit {
            return last.map_err(|error| error.to_string());
        }
        pause(rest).await;
        last = api.poll(player, &id).await;
    }
}

fn double_booked(seen: &[Seen]) -> Vec<String> {
    let mut booked = BTreeMap::<&str, &str>::new();
    let mut twice = Vec::new();
    for this_match in seen.iter().filter_map(|seen| seen.end.as_ref().ok()?.this_match.as_ref()) {
        for player in this_match.teams.iter().flatten().flat_map(|member| &member.players) {
            let before = booked.insert(player, &this_match.match_id);
            if before.is_some_and(|before| before != this_match.match_id) {
                twice.push(player.clone());
            }
        }
    }
    twice
}
