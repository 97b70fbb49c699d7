//! What a player sees of a deployment: stores, token, match, WebSocket.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use hyper::{Method, StatusCode};
use local_aws::time::{now, pause};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

use super::Findings;
use super::https::{ANSWER_LIMIT, Https, Proof, Reply};

/// A token command may take so long.
const TOKEN_LIMIT: Duration = Duration::from_secs(30);
/// A poll that says nothing of when to ask again.
const POLL_PAUSE: Duration = Duration::from_millis(500);
/// A ticket's last part that no ticket has.
const NO_TICKET: &str = "00000000000000000000000000";

/// How players are named.
#[derive(Debug)]
pub enum Access {
    /// By a header.
    Header,
    /// By tokens that this shell command prints.
    Command(String),
    /// Not at all.
    None,
}

/// What to look at.
#[derive(Debug)]
pub struct Plan {
    pub url: String,
    pub websocket_url: Option<String>,
    pub access: Access,
    pub queue: String,
    pub region: String,
    pub limit: Duration,
}

/// A made-up player, and what proves it.
#[derive(Debug)]
struct Player {
    http: Https,
    base: String,
    proof: Proof,
}

impl Player {
    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<Reply, String> {
        self.http.ask(method, &format!("{}{path}", self.base), Some(&self.proof), body.as_ref()).await
    }
}

/// Looks at it all. What cannot work after a fault is left out.
pub async fn look(plan: &Plan, findings: &mut Findings) {
    let http = match Https::new() {
        Ok(http) => http,
        Err(problem) => return findings.fault("API", problem, "build the command with TLS"),
    };
    if !stores(&http, plan, findings).await {
        return;
    }
    let Some(players) = players(&http, plan, findings).await else { return };
    if !token_is_taken(plan, &players, findings).await {
        return;
    }
    meet(plan, &players, findings).await;
    websocket(plan, &players[0], findings).await;
}

/// `/health`. False if nobody answers.
async fn stores(http: &Https, plan: &Plan, findings: &mut Findings) -> bool {
    let reply = match http.ask(Method::GET, &format!("{}/health", plan.url), None, None).await {
        Ok(reply) if reply.status.is_success() => reply,
        other => {
            let found = other.map_or_else(|error| error, |reply| reply.line());
            findings.fault("API", format!("GET /health: {found}"), "compare the URL with the stack's output HttpUrl");
            return false;
        }
    };
    findings.well("API", format!("{} answers", plan.url));
    match (reply.text("redis"), reply.text("ledger")) {
        ("up", "up") => findings.well("stores", "Redis and the ledger answer"),
        ("up", "not_configured") => findings.well("stores", "Redis answers, there is no ledger"),
        ("up", "down") => findings.fault(
            "stores",
            "Redis answers, the ledger does not",
            "look at the table, the functions' rights and the DynamoDB endpoint of their network",
        ),
        ("degraded", _) => findings.fault(
            "stores",
            "a part of Redis does not answer",
            "GET /queue/status names the pools that cannot be reached; look at the nodes of the cluster",
        ),
        ("down", _) => findings.fault(
            "stores",
            "Redis does not answer",
            "look whether it runs, at its security group, and whether the functions have its password",
        ),
        (redis, ledger) => findings.fault(
            "stores",
            format!("/health says redis {redis:?}, ledger {ledger:?}"),
            "expected up, degraded, down or not_configured for each store",
        ),
    }
    true
}

async fn players(http: &Https, plan: &Plan, findings: &mut Findings) -> Option<[Player; 2]> {
    let mark = format!("doctor-{:016x}", rand::random::<u64>());
    let mut found = Vec::new();
    for number in 1..=2 {
        let id = format!("{mark}-{number}");
        let proof = match &plan.access {
            Access::Header => ("x-muster-player", id),
            Access::Command(command) => match token(command, &id).await {
                Ok(token) => ("authorization", format!("Bearer {token}")),
                Err(problem) => {
                    findings.fault("token", problem, "expected --token-command to print a token and nothing else");
                    return None;
                }
            },
            Access::None => {
                findings.skipped("token, match, WebSocket", "no --token-command");
                return None;
            }
        };
        found.push(Player { http: http.clone(), base: plan.url.clone(), proof });
    }
    found.try_into().ok()
}

/// A token for a player. What goes wrong is said without the token.
async fn token(command: &str, player: &str) -> Result<String, String> {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).env("MUSTER_PLAYER", player).kill_on_drop(true);
    let done = tokio::time::timeout(TOKEN_LIMIT, shell.output()).await;
    let output = done.map_err(|_| format!("the token command takes longer than {} s", TOKEN_LIMIT.as_secs()))?;
    let output = output.map_err(|error| format!("the token command: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().last().unwrap_or("it said nothing");
        return Err(format!("the token command ended with {}: {last}", output.status));
    }
    let token = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let is_header = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    if is_header { Ok(token) } else { Err("the token command printed no token, or more than one word".to_owned()) }
}

/// A ticket that nobody has is not found, if the token is taken.
async fn token_is_taken(plan: &Plan, players: &[Player; 2], findings: &mut Findings) -> bool {
    let path = format!("/match/t.{}.{}.{NO_TICKET}", plan.queue, plan.region);
    match players[0].ask(Method::GET, &path, None).await {
        Ok(reply) if reply.status == StatusCode::NOT_FOUND => {
            findings.well("token", "a player is let in");
            true
        }
        Ok(reply) if matches!(reply.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            let remedy =
                "compare its iss and aud with the parameters JwtIssuer and JwtAudience, and its exp with the clock";
            findings.fault("token", format!("the API answers {}", reply.line()), remedy);
            false
        }
        other => {
            let found = other.map_or_else(|error| error, |reply| reply.line());
            findings.fault("token", format!("GET {path}: {found}"), "look for this request in the log of poll-match");
            false
        }
    }
}

/// Lets the two join, and waits until they are matched with one another.
async fn meet(plan: &Plan, players: &[Player; 2], findings: &mut Findings) {
    let began = now();
    let mut tickets = Vec::new();
    for player in players {
        let body = json!({ "queue": plan.queue, "region": plan.region });
        match player.ask(Method::POST, "/queue/join", Some(body)).await {
            Ok(reply) if reply.status.is_success() => tickets.push(reply.text("ticket_id").to_owned()),
            Ok(reply) if reply.text("code").starts_with("unknown_") => {
                let remedy =
                    "put a document that has it with `muster rules put`, or name another with --queue and --region";
                findings.fault("match", format!("there is no pool {}.{}", plan.queue, plan.region), remedy);
                break;
            }
            other => {
                let found = other.map_or_else(|error| error, |reply| reply.line());
                findings.fault(
                    "match",
                    format!("POST /queue/join: {found}"),
                    "look for this request in the log of join",
                );
                break;
            }
        }
    }
    let [first, second] = tickets.as_slice() else {
        return leave(players, &tickets).await;
    };
    if first == second {
        let remedy = "expected the token's sub to follow MUSTER_PLAYER";
        findings.fault("match", "both tokens are of one player", remedy);
        return leave(players, &tickets).await;
    }
    let mut matches = Vec::new();
    for (player, ticket) in players.iter().zip(&tickets) {
        match until_matched(player, ticket, began, plan.limit).await {
            Ok(this_match) => matches.push(this_match),
            Err((found, remedy)) => {
                findings.fault("match", format!("{}.{}: {found}", plan.queue, plan.region), remedy);
                return leave(players, &tickets).await;
            }
        }
    }
    if matches[0] == matches[1] {
        let took_ms = began.elapsed().as_millis();
        findings.well("match", format!("two players of {}.{} met after {took_ms} ms", plan.queue, plan.region));
    } else {
        findings.fault(
            "match",
            format!("in {}.{} they met other players", plan.queue, plan.region),
            "name a queue of one against one that no player uses with --queue",
        );
    }
}

/// The match of a ticket that joined after `began`. Says yes if the match asks.
async fn until_matched(
    player: &Player,
    ticket: &str,
    began: std::time::Instant,
    limit: Duration,
) -> Result<String, (String, &'static str)> {
    loop {
        let reply = player.ask(Method::GET, &format!("/match/{ticket}"), None).await;
        let reply = reply.map_err(|error| (error, "look at the log of poll-match"))?;
        match reply.text("status") {
            "matched" => return Ok(reply.body["match"]["match_id"].to_string()),
            "proposed" if reply.body["proposal"]["answered"] == false => {
                let this_match = reply.body["proposal"]["match_id"].as_str().unwrap_or_default();
                let path = format!("/match/{this_match}/accept");
                let answer = player.ask(Method::POST, &path, None).await;
                answer.map_err(|error| (error, "look at the log of answer"))?;
            }
            "waiting" | "proposed" => {}
            _ => return Err((format!("the ticket is {}", reply.body), "look at the log of poll-match")),
        }
        if began.elapsed() >= limit {
            let found = format!("nobody is matched in {} s", limit.as_secs());
            let remedy =
                "no matcher works: look at the schedule and the doorbell of MatcherFunction, its errors and throttles";
            return Err((found, remedy));
        }
        let wait = reply.body["retry_after_ms"].as_u64().map_or(POLL_PAUSE, Duration::from_millis);
        pause(wait.min(limit.saturating_sub(began.elapsed()))).await;
    }
}

/// Takes back what still waits, so that no player meets a made-up one.
async fn leave(players: &[Player; 2], tickets: &[String]) {
    for (player, ticket) in players.iter().zip(tickets) {
        let _ = player.ask(Method::DELETE, &format!("/queue/{ticket}"), None).await;
    }
}

/// A connection that answers.
async fn websocket(plan: &Plan, player: &Player, findings: &mut Findings) {
    let Some(url) = &plan.websocket_url else {
        findings.skipped("WebSocket", "no --websocket-url");
        return;
    };
    match tokio::time::timeout(ANSWER_LIMIT, ask_socket(url, player)).await {
        Ok(Ok(event)) => findings.well("WebSocket", format!("a player connects and is answered: {event}")),
        Ok(Err((found, remedy))) => findings.fault("WebSocket", found, remedy),
        Err(_) => findings.fault(
            "WebSocket",
            format!("no answer in {} s", ANSWER_LIMIT.as_secs()),
            "look at the log of websocket, and at the API's route response",
        ),
    }
}

async fn ask_socket(url: &str, player: &Player) -> Result<String, (String, &'static str)> {
    let lost = |error: SocketError| (error.to_string(), "compare the URL with the stack's output WebSocketUrl");
    let mut stream = player.http.connect(url, &player.proof).await.map_err(|error| match &error {
        SocketError::Http(response) => {
            let remedy = "look at the log of authorizer: it fetches the issuer's keys, and compares iss, aud and exp";
            (format!("the connection is answered {}", response.status()), remedy)
        }
        _ => lost(error),
    })?;
    let ticket = format!("t.doctor.none.{NO_TICKET}");
    let message = json!({ "action": "resume", "ticket_id": ticket, "id": "doctor" }).to_string();
    stream.send(Message::text(message)).await.map_err(lost)?;
    while let Some(message) = stream.next().await {
        let heard: Value = match message.map_err(lost)? {
            Message::Text(text) => serde_json::from_str(&text).unwrap_or_default(),
            _ => continue,
        };
        if heard["id"] == "doctor" {
            let _ = stream.close(None).await;
            let code = heard["problem"]["code"].as_str().unwrap_or_default();
            return match code {
                "not_found" => Ok("it has no such ticket".to_owned()),
                _ => Err((format!("it answers {heard}"), "look at the log of websocket")),
            };
        }
    }
    Err(("the connection ends without an answer".to_owned(), "look at the log of websocket"))
}
