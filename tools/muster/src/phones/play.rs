//! One party's evening: join, ask as often as the server says, perhaps give up, look once more at the end.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use futures::future::{join, join_all};

use super::api::{Api, ApiError, Proposal, Status, Ticket};
use super::board::Board;
use super::plan::{Manner, Party, Retry, Scenario, parties};
use super::record::{End, Life, Record};
use local_aws::time::{now, pause};

/// After an answer that never came or a server that could not work and did not say when to ask again.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(300);
/// A party that answers late does so this long after the deadline, in milliseconds.
const TOO_LATE_MS: u64 = 800;
/// Functions are different machines with clocks of their own, in milliseconds.
const WAITED_SLACK_MS: u64 = 50;
/// Whoever vanished is missed within this time of the join: the demo's queues ask for three seconds and call a silence of eight
/// the end.
const VANISHED_LIMIT: Duration = Duration::from_secs(14);
/// A ticket that is not known any more is asked for again so often, while its party's leader joins anew.
const ASK_FOR_UNKNOWN_MAX: usize = 10;
/// Between two of these.
const ASK_FOR_UNKNOWN_AFTER: Duration = Duration::from_millis(500);
/// For a ticket that is not over and names no time.
const ASK_AGAIN_AFTER_MS: u64 = 250;

/// Everything that the phones of one play share.
#[derive(Debug)]
pub struct Stage {
    /// The plan.
    pub scenario: Scenario,
    /// Who plays.
    pub parties: Vec<Party>,
    /// What is going on.
    pub board: Board,
    api: Api,
    began: Instant,
    limit: Duration,
}

impl Stage {
    /// A play against the API at `url` that ends after `limit`, whatever happens.
    pub fn new(scenario: Scenario, url: &str, limit: Duration) -> Self {
        Self::with(scenario, Api::new(url), limit)
    }

    /// The same against any API.
    pub fn with(scenario: Scenario, api: Api, limit: Duration) -> Self {
        let parties = parties(&scenario);
        let board = Board::new(&scenario.modes, &parties);
        Self { scenario, parties, board, api, began: now(), limit }
    }

    /// The same with a key in every join: without one a join that is sent again is another ticket, if the first is not known any
    /// more.
    #[must_use]
    pub fn keyed(mut self) -> Self {
        for party in &mut self.parties {
            if let Retry::NoKey { after_ms } = party.retry {
                party.retry = Retry::SameKey { after_ms };
            }
        }
        self
    }

    /// Plays all parties to their end and returns what they saw.
    pub async fn play(&self) -> Vec<Record> {
        let playing = self.parties.iter().enumerate().map(|(index, party)| self.party(index, party));
        let mut records = join_all(playing).await;
        // When nobody waits any more: whoever was matched must still be in that match, and in no other.
        join_all(records.iter_mut().map(|record| self.look_again(record))).await;
        records
    }

    /// How long it has gone on.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    async fn party(&self, index: usize, party: &Party) -> Record {
        pause(Duration::from_millis(party.join_at_ms).saturating_sub(self.elapsed())).await;
        let mut record = Record { party: index, repeated: party.retry != Retry::No, ..Record::default() };
        let (tickets, joined) = self.join(index, party, &mut record).await;
        self.board.joined(party, !tickets.is_empty());
        for (number, ticket) in tickets.iter().enumerate() {
            let life = self.life(index, ticket, joined, &mut record).await;
            if number == 0 {
                life.ends.iter().for_each(|end| self.board.settled(party, matches!(end, End::Matched(_))));
            }
            record.lives.push(life);
        }
        record
    }

    /// The tickets that the join brought, and when it was first answered. One ticket, or two where a join without a key was
    /// repeated and the first ticket had ended meanwhile.
    async fn join(&self, index: usize, party: &Party, record: &mut Record) -> (Vec<Ticket>, Instant) {
        let key = self.key(index);
        let send = async |after_ms| {
            pause(Duration::from_millis(after_ms)).await;
            (self.send_join(index).await, now())
        };
        let answers = match party.retry {
            Retry::No => vec![send(0).await],
            Retry::SameKey { after_ms } | Retry::NoKey { after_ms } => {
                let (first, second) = join(send(0), send(after_ms)).await;
                vec![first, second]
            }
        };
        let answered = answers.iter().map(|(_, at)| *at).min().unwrap_or_else(now);
        let mut tickets: Vec<Ticket> = Vec::new();
        for (answer, _) in answers {
            match answer {
                Ok(ticket) if tickets.iter().any(|known| known.ticket_id == ticket.ticket_id) => {}
                Ok(ticket) => tickets.push(ticket),
                Err(error) => record.refused = Some(error.to_string()),
            }
        }
        if let ([first, second], Some(key)) = (tickets.as_slice(), key) {
            let line = format!("key {key}: expected one ticket, found {} and {}", first.ticket_id, second.ticket_id);
            record.faults.push(line);
        }
        (tickets, answered)
    }

    fn key(&self, index: usize) -> Option<String> {
        let keyed = !matches!(self.parties[index].retry, Retry::NoKey { .. });
        keyed.then(|| format!("demo-{}-{index}", self.scenario.seed))
    }

    async fn send_join(&self, index: usize) -> Result<Ticket, ApiError> {
        let (party, key) = (&self.parties[index], self.key(index));
        self.insist(|| self.api.join(party, &self.scenario.modes[party.mode], key.as_deref())).await
    }

    /// A ticket is not known any more: both stores failed while only one of them had it. The leader's phone joins again, with the
    /// same key, which is the same ticket; the others' phones ask again.
    async fn insist_on(&self, index: usize, number: usize, ticket_id: &str) -> Result<Ticket, ApiError> {
        let player = &self.parties[index].players[number];
        if number == 0 && self.key(index).is_some() {
            self.board.rejoins.fetch_add(1, Relaxed);
            return self.send_join(index).await;
        }
        let mut last = self.insist(|| self.api.poll(player, ticket_id)).await;
        for _ in 0..ASK_FOR_UNKNOWN_MAX {
            if !is_unknown(&last) {
                break;
            }
            pause(ASK_FOR_UNKNOWN_AFTER).await;
            last = self.insist(|| self.api.poll(player, ticket_id)).await;
        }
        last
    }

    async fn life(&self, index: usize, ticket: &Ticket, joined: Instant, record: &mut Record) -> Life {
        let players = self.parties[index].players.len();
        let seen = join_all((0..players).map(|number| self.follow(index, number, ticket))).await;
        let wait = seen[0].last.as_ref().is_ok_and(|last| last.status == Status::Matched);
        let wait = wait.then(|| seen[0].at.duration_since(joined));
        // The others of a party learn from their own answers that the leader gave up; why, only the leader knows.
        let wish = seen[0].wish.clone();
        let let_down = seen[0].let_down.clone();
        record.faults.extend(seen.iter().flat_map(|seen| seen.faults.clone()));
        let ends: Vec<End> = seen.into_iter().map(|seen| end(seen.last, wish.as_ref())).collect();
        Life { ticket_id: ticket.ticket_id.clone(), wait, let_down, last_looks: vec![None; ends.len()], ends }
    }

    /// One player's phone, until the ticket is over. The first player's phone is the one that gives up.
    async fn follow(&self, index: usize, number: usize, ticket: &Ticket) -> Seen {
        let party = &self.parties[index];
        let (player, id) = (&party.players[number], &ticket.ticket_id);
        let leads = number == 0;
        let began = now();
        let mut seen = Seen::new(ticket, began);
        while let Some(mut rest) = seen.rest() {
            if self.elapsed() > self.limit {
                return seen;
            }
            if leads && let Some(proposal) = seen.question() {
                self.answer(party, &proposal, &mut seen).await;
                continue;
            }
            if let Manner::Vanishes { after_ms } = party.manner {
                let left = Duration::from_millis(after_ms).saturating_sub(began.elapsed());
                if left.is_zero() {
                    seen.wish = Some(End::Vanished(String::new()));
                    return seen;
                }
                rest = rest.min(left);
            }
            let gives_up_at = party.cancel_after_ms.filter(|_| leads).map(Duration::from_millis);
            if let Some(at) = gives_up_at {
                rest = rest.min(at.saturating_sub(began.elapsed()));
            }
            pause(rest).await;
            if gives_up_at.is_some_and(|at| began.elapsed() >= at) {
                seen.wish = Some(End::GaveUp);
            } else if leads && self.board.left_over(party.mode) {
                seen.wish = Some(End::LeftOver);
            }
            let last = match seen.wish {
                Some(End::GaveUp | End::LeftOver) => self.insist(|| self.api.cancel(player, id)).await,
                _ => self.insist(|| self.api.poll(player, id)).await,
            };
            let last = if is_unknown(&last) { self.insist_on(index, number, id).await } else { last };
            seen.hears(last, player);
        }
        // The answer to a join or a cancel that came too late may not carry the match.
        if seen.last.as_ref().is_ok_and(|last| last.status == Status::Matched && last.this_match.is_none()) {
            seen.last = self.insist(|| self.api.poll(player, id)).await;
        }
        seen
    }

    /// Says what this party says to a match, when it does.
    async fn answer(&self, party: &Party, proposal: &Proposal, seen: &mut Seen) {
        let (player, id) = (&party.players[0], &proposal.match_id);
        let (after_ms, accept) = match party.manner {
            Manner::Accepts { after_ms } => (after_ms, true),
            Manner::Declines { after_ms } => (after_ms, false),
            // Later than the deadline, and than the look at the pool that follows it.
            Manner::TooLate => (proposal.left_ms + TOO_LATE_MS, true),
            Manner::Vanishes { .. } => {
                seen.asked = None;
                return;
            }
        };
        match party.manner {
            Manner::Declines { .. } => seen.wish = Some(End::Declined),
            Manner::TooLate => seen.wish = Some(End::TooLate),
            _ => {}
        }
        pause(Duration::from_millis(after_ms)).await;
        match self.insist(|| self.api.answer(player, id, accept)).await {
            Ok(Some(ticket)) => seen.hears(Ok(ticket), player),
            // Somebody else said no, or it is too late: the next poll tells.
            Ok(None) => {
                let id = seen.ticket_id.clone();
                seen.hears(self.insist(|| self.api.poll(player, &id)).await, player);
            }
            Err(error) => seen.hears(Err(error), player),
        }
    }

    async fn look_again(&self, record: &mut Record) {
        let party = &self.parties[record.party];
        for life in &mut record.lives {
            self.look_after(party, life).await;
            for (number, end) in life.ends.iter().enumerate() {
                let player = &party.players[number];
                let (id, was_matched) = match end {
                    End::Matched(this_match) => (this_match.match_id.as_str(), true),
                    End::GaveUp | End::LeftOver => (life.ticket_id.as_str(), false),
                    _ => continue,
                };
                match self.insist(|| self.api.poll(player, id)).await {
                    Ok(ticket) if was_matched || ticket.this_match.is_some() => {
                        life.last_looks[number] = ticket.this_match
                    }
                    Ok(_) => {}
                    Err(error) => record.faults.push(format!("{player} cannot read {id} any more: {error}")),
                }
            }
        }
    }

    /// Reads what became of phones that fell silent. Not before they must be missed: who asks is there again.
    async fn look_after(&self, party: &Party, life: &mut Life) {
        for (player, end) in party.players.iter().zip(&mut life.ends) {
            let End::Vanished(reason) = end else { continue };
            let missed = Duration::from_millis(party.join_at_ms) + VANISHED_LIMIT;
            pause(missed.saturating_sub(self.elapsed())).await;
            match self.insist(|| self.api.poll(player, &life.ticket_id)).await {
                Ok(ticket) if ticket.status.is_over() => reason.push_str(ticket.reason.as_deref().unwrap_or("expired")),
                Ok(ticket) => *end = End::Lost(format!("vanished, and nobody noticed: {:?}", ticket.status)),
                Err(error) => *end = End::Lost(error.to_string()),
            }
        }
    }

    /// Sends a request until it is answered or the time is up.
    async fn insist<T, F: Future<Output = Result<T, ApiError>>>(&self, request: impl Fn() -> F) -> Result<T, ApiError> {
        loop {
            self.board.requests.fetch_add(1, Relaxed);
            match request().await {
                Err(ApiError::Unavailable { retry_after, .. }) if self.elapsed() < self.limit => {
                    self.board.failures.fetch_add(1, Relaxed);
                    pause(retry_after.unwrap_or(TRY_AGAIN_AFTER)).await;
                }
                answer => return answer,
            }
        }
    }
}

/// What one player's phone saw.
struct Seen {
    ticket_id: String,
    last: Result<Ticket, ApiError>,
    wish: Option<End>,
    at: Instant,
    /// The match that asks now.
    asked: Option<Proposal>,
    /// Since when it waits again, and how long that took each time.
    let_down_at: Option<Instant>,
    let_down: Vec<Duration>,
    waited_ms: u64,
    faults: Vec<String>,
}

impl Seen {
    fn new(ticket: &Ticket, began: Instant) -> Self {
        let mut seen = Self {
            ticket_id: ticket.ticket_id.clone(),
            last: Ok(ticket.clone()),
            wish: None,
            at: began,
            asked: None,
            let_down_at: None,
            let_down: Vec::new(),
            waited_ms: 0,
            faults: Vec::new(),
        };
        seen.hears(Ok(ticket.clone()), "");
        seen
    }

    /// The match that asks and has no answer of this party yet.
    fn question(&self) -> Option<Proposal> {
        self.asked.clone().filter(|proposal| !proposal.answered)
    }

    /// Takes an answer in.
    fn hears(&mut self, last: Result<Ticket, ApiError>, player: &str) {
        self.at = now();
        if let Ok(ticket) = &last {
            let waited_ms = ticket.waited_ms.unwrap_or(self.waited_ms);
            if waited_ms + WAITED_SLACK_MS < self.waited_ms {
                let line = format!("{player}: had waited {} ms, and now {waited_ms} ms: time was lost", self.waited_ms);
                self.faults.push(line);
            }
            self.waited_ms = self.waited_ms.max(waited_ms);
            match (&self.asked, &ticket.proposal) {
                (Some(_), None) if ticket.status == Status::Waiting => self.let_down_at = Some(self.at),
                (_, Some(_)) => self.let_down.extend(self.let_down_at.take().map(|at| at.elapsed())),
                _ => {}
            }
            self.asked = ticket.proposal.clone();
        }
        self.last = last;
    }

    /// How long to rest before the next request; none when there is nothing more to ask.
    fn rest(&self) -> Option<Duration> {
        let last = self.last.as_ref().ok().filter(|last| !last.status.is_over())?;
        Some(Duration::from_millis(last.retry_after_ms.unwrap_or(ASK_AGAIN_AFTER_MS)))
    }
}

fn is_unknown(answer: &Result<Ticket, ApiError>) -> bool {
    matches!(answer, Err(ApiError::Refused { status: 404, .. }))
}

/// The reasons of a ticket that ended as its party wished. Whoever leaves while a match asks has declined it.
fn own(wish: &End) -> &'static [&'static str] {
    match wish {
        End::GaveUp | End::LeftOver => &["player", "declined"],
        End::Declined => &["declined"],
        End::TooLate => &["no_answer"],
        _ => &[],
    }
}

fn end(last: Result<Ticket, ApiError>, wish: Option<&End>) -> End {
    let ticket = match last {
        Ok(ticket) => ticket,
        Err(error) => return End::Lost(error.to_string()),
    };
    let reason = ticket.reason.as_deref().unwrap_or("no reason");
    match (ticket.status, ticket.this_match, wish) {
        (_, _, Some(End::Vanished(_))) => End::Vanished(String::new()),
        (Status::Waiting | Status::Proposed, ..) => End::StillWaiting,
        (Status::Matched, Some(this_match), _) => End::Matched(this_match),
        (Status::Matched, None, _) => End::Lost("matched, but the match is not in the answer".to_owned()),
        (Status::Cancelled, _, Some(wish)) if own(wish).contains(&reason) => wish.clone(),
        (status, ..) => End::Dropped(format!("{status:?}: {reason}").to_lowercase()),
    }
}
