//! What the items look like. Every attribute name is made here and nowhere else.

use std::collections::HashMap;

use crate::adapters::member;
use crate::domain::limits::{CONNECTION_MS_MAX, KEEP_MS, LEDGER_KEEP_MS, OFFER_KEEP_MS};
use crate::domain::{
    CancelReason, DroppedMatch, EndedTicket, Event, Match, MatchId, MatchState, Member, Outcome, Party, PlayerId,
    Ticket, TicketId, TicketState,
};
use crate::ports::{Ended, Mode, StoreError};
use aws_sdk_dynamodb::types::AttributeValue;

/// An item, or the attributes of one.
pub(super) type Item = HashMap<String, AttributeValue>;

/// The table's key: `c.`, `t.`, `m.`, `o.`, `p.`, `r.` or `u.` and what follows.
pub(super) const KEY: &str = "pk";
pub(super) const CONNECTION: &str = "connection";
pub(super) const JOINED: &str = "joined_ms";
pub(super) const MODE: &str = "mode";
pub(super) const STATUS: &str = "status";
/// How often a ticket was brought back into the store.
pub(super) const IMPORTED: &str = "imported";
pub(super) const TICKET: &str = "ticket";
const ATTEMPTS: &str = "attempts";
const CREATED: &str = "created_ms";
const DEADLINE: &str = "deadline_ms";
const ENDED: &str = "ended_ms";
const EXPIRES: &str = "expires_ms";
const LOBBY: &str = "lobby";
const MATCH: &str = "match";
const PLAYERS: &str = "players";
/// There if the ticket's phones are told over a connection.
const PUSH: &str = "push";
const RATING: &str = "rating";
const REASON: &str = "reason";
const SINCE: &str = "since_ms";
const STATE: &str = "state";
const TEAMS: &str = "teams";
const VERDICTS: &str = "verdicts";
/// What the key of an offer begins with, before the match's id.
const OFFER: &str = "o.";
const UNREACHED: &str = "u.";
/// Seconds, as DynamoDB's time to live wants it; all other times are milliseconds.
const TTL: &str = "ttl";

/// The key of a player's item.
pub(super) fn player_key(player: &PlayerId) -> String {
    format!("p.{player}")
}

/// The key of a player's connection.
pub(super) fn connection_key(player: &PlayerId) -> String {
    format!("c.{player}")
}

pub(super) fn text(value: impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

pub(super) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(super) fn mode_text(mode: Mode) -> &'static str {
    match mode {
        Mode::Normal => "normal",
        Mode::Fallback => "fallback",
    }
}

fn players_list(players: &[PlayerId]) -> AttributeValue {
    AttributeValue::L(players.iter().map(text).collect())
}

fn ttl(end_ms: u64) -> AttributeValue {
    number((end_ms + LEDGER_KEEP_MS) / 1_000)
}

fn item<const N: usize>(attributes: [(&str, AttributeValue); N]) -> Item {
    attributes.map(|(name, value)| (name.to_owned(), value)).into()
}

/// A ticket that waits. Should nobody ever tell its outcome, it goes 30 days after it would have expired.
pub(super) fn write_waiting(ticket: &Ticket, mode: Mode) -> Item {
    let mut written = item([
        (KEY, text(&ticket.id)),
        (STATUS, text(TicketState::Waiting.as_str())),
        (MODE, text(mode_text(mode))),
        (PLAYERS, players_list(ticket.party.players())),
        (RATING, number(ticket.rating)),
        (JOINED, number(ticket.joined_ms)),
        (EXPIRES, number(ticket.expires_ms)),
        (ATTEMPTS, number(ticket.attempts)),
        (TTL, ttl(ticket.expires_ms)),
    ]);
    if ticket.push {
        written.insert(PUSH.to_owned(), number(1));
    }
    written
}

/// A ticket that is over. Nothing in it depends on when it is written, so that writing it again changes nothing.
pub(super) fn write_ended(ended: &EndedTicket) -> Item {
    let mut written = item([
        (KEY, text(&ended.ticket)),
        (STATUS, text(ended.outcome.state().as_str())),
        (PLAYERS, players_list(&ended.players)),
        (RATING, number(ended.rating)),
        (JOINED, number(ended.joined_ms)),
        (ATTEMPTS, number(ended.attempts)),
        (ENDED, number(ended.ended_ms)),
        (TTL, ttl(ended.ended_ms)),
    ]);
    match &ended.outcome {
        Outcome::Matched(this_match) => written.insert(MATCH.to_owned(), text(this_match)),
        Outcome::Cancelled(reason) => written.insert(REASON.to_owned(), text(reason.as_str())),
        Outcome::Expired => None,
    };
    written
}

/// The update that ends a waiting ticket in place, and its values.
pub(super) fn cancel_update(reason: CancelReason, now_ms: u64) -> (&'static str, Vec<(&'static str, AttributeValue)>) {
    let update = "SET #status = :cancelled, #reason = :reason, #ended_ms = :now, #ttl = :ttl";
    let values = vec![
        (":cancelled", text(TicketState::Cancelled.as_str())),
        (":reason", text(reason.as_str())),
        (":now", number(now_ms)),
        (":ttl", ttl(now_ms)),
    ];
    (update, values)
}

fn write_teams(this_match: &Match) -> String {
    serde_json::to_string(&member::write_teams(this_match)).unwrap_or_default()
}

/// A match alone.
fn write_match(key: String, this_match: &Match, ttl: AttributeValue) -> Item {
    let mut written = item([
        (KEY, text(key)),
        (STATE, text(this_match.state.as_str())),
        (CREATED, number(this_match.created_ms)),
        (TEAMS, text(write_teams(this_match))),
        (TTL, ttl),
    ]);
    written.extend(this_match.deadline_ms.map(|deadline_ms| (DEADLINE.to_owned(), number(deadline_ms))));
    written.extend(this_match.lobby.map(|lobby| (LOBBY.to_owned(), number(lobby))));
    written
}

/// What a match asks its parties, or that it fell through after it had asked. Written for the stream, which tells the phones;
/// under a key of its own, so that a late write of the question never stands in the way of the match itself.
pub(super) fn write_offer(this_match: &Match, verdicts: &[(TicketId, CancelReason)]) -> Item {
    let ttl = number((this_match.deadline_ms.unwrap_or(this_match.created_ms) + OFFER_KEEP_MS) / 1_000);
    let mut written = write_match(format!("{OFFER}{}", this_match.id), this_match, ttl);
    if !verdicts.is_empty() {
        let verdict = |(ticket, reason): &(TicketId, CancelReason)| (ticket.to_string(), text(reason.as_str()));
        written.insert(VERDICTS.to_owned(), AttributeValue::M(verdicts.iter().map(verdict).collect()));
    }
    written
}

/// Reads what [`write_offer`] wrote.
pub(super) fn read_offer(found: &Item) -> Result<Event, StoreError> {
    let read = ItemReader(found);
    let id = read.text(KEY)?.strip_prefix(OFFER).and_then(|id| id.parse().ok());
    let this_match = read_match(id.ok_or_else(|| read.wrong(KEY, "an offer's key"))?, &read)?;
    if this_match.state != MatchState::Dropped {
        return Ok(Event::Asked(this_match));
    }
    let verdicts =
        found.get(VERDICTS).map(|value| value.as_m().map_err(|_| read.wrong(VERDICTS, "a map"))).transpose()?;
    let verdict = |(ticket, reason): (&String, &AttributeValue)| {
        let reason = reason.as_s().ok().map(|reason| CancelReason::from_text(reason).unwrap_or(CancelReason::Other));
        ticket.parse().ok().zip(reason).ok_or_else(|| read.wrong(VERDICTS, "tickets and reasons"))
    };
    let mut verdicts: Vec<_> = verdicts.into_iter().flatten().map(verdict).collect::<Result<_, _>>()?;
    verdicts.sort_unstable();
    Ok(Event::Dropped(DroppedMatch { this_match, verdicts }))
}

/// The decision that a match is played.
pub(super) fn write_confirmed(this_match: &Match) -> Item {
    write_match(this_match.id.to_string(), this_match, ttl(this_match.created_ms))
}

/// What the state of a match says that is void. No [`MatchState`]: a version that does not know it must not take it for a match.
const VOID: &str = "void";

/// The decision that a match is not played.
pub(super) fn write_void(id: &MatchId, now_ms: u64) -> Item {
    item([(KEY, text(id)), (STATE, text(VOID)), (CREATED, number(now_ms)), (TTL, ttl(now_ms))])
}

/// What the ledger has decided of a match.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Decision {
    /// It is played.
    Confirmed(Match),
    /// It is not.
    Void,
}

pub(super) fn read_decision(found: &Item) -> Result<Decision, StoreError> {
    let read = ItemReader(found);
    match read.text(STATE)? {
        VOID => Ok(Decision::Void),
        _ => Ok(Decision::Confirmed(read_match(read.parsed(KEY)?, &read)?)),
    }
}

/// The update that marks a ticket as matched, and its values. What the ticket was while it waited stays, so that the mark can
/// be taken off again. A ticket that the ledger never heard of may come back for as long as the store remembers its match.
pub(super) fn mark_update(this_match: &Match, member: &Member) -> (&'static str, Vec<(&'static str, AttributeValue)>) {
    let update = "SET #status = :matched, #match = :match, #players = :players, #rating = :rating, \
        #joined_ms = :joined, #attempts = :attempts, #ended_ms = :now, #ttl = :ttl, \
        #mode = if_not_exists(#mode, :normal), #expires_ms = if_not_exists(#expires_ms, :expires)";
    let values = vec![
        (":matched", text(TicketState::Matched.as_str())),
        (":match", text(&this_match.id)),
        (":players", players_list(&member.players)),
        (":rating", number(member.rating)),
        (":joined", number(member.joined_ms)),
        (":attempts", number(member.attempts)),
        (":now", number(this_match.created_ms)),
        (":ttl", ttl(this_match.created_ms)),
        (":normal", text(mode_text(Mode::Normal))),
        (":expires", number(this_match.created_ms + KEEP_MS)),
    ];
    (update, values)
}

/// What a player's ticket is, since when, and until when that counts.
pub(super) fn write_player(player: &PlayerId, ticket: &TicketId, since_ms: u64, expires_ms: u64) -> Item {
    item([
        (KEY, text(player_key(player))),
        (TICKET, text(ticket)),
        (SINCE, number(since_ms)),
        (EXPIRES, number(expires_ms)),
        (TTL, number(expires_ms / 1_000 + 1)),
    ])
}

/// By which connection a player is reached, and since when. It goes when no connection lives any more that old.
pub(super) fn write_connection(player: &PlayerId, connection: &str, since_ms: u64) -> Item {
    item([
        (KEY, text(connection_key(player))),
        (CONNECTION, text(connection)),
        (SINCE, number(since_ms)),
        (TTL, number((since_ms + CONNECTION_MS_MAX) / 1_000 + 1)),
    ])
}

/// Players whose phones could not be told that a match checks them. Kept for the stream, not for readers.
pub(super) fn write_unreached(this_match: &MatchId, players: &[PlayerId], now_ms: u64) -> Item {
    item([
        (KEY, text(format!("{UNREACHED}{this_match}"))),
        (PLAYERS, players_list(players)),
        (TTL, number((now_ms + OFFER_KEEP_MS) / 1_000)),
    ])
}

/// Reads what [`write_unreached`] wrote.
pub(super) fn read_unreached(found: &Item) -> Result<(MatchId, Vec<PlayerId>), StoreError> {
    let read = ItemReader(found);
    let id = read.text(KEY)?.strip_prefix(UNREACHED).and_then(|id| id.parse().ok());
    Ok((id.ok_or_else(|| read.wrong(KEY, "a match's key"))?, read.players()?))
}

pub(super) fn corrupt(error: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(error.to_string())
}

/// Reads attributes of one item. What is missing or of another type is [`StoreError::Corrupt`], with the item's key.
pub(super) struct ItemReader<'a>(pub(super) &'a Item);

impl<'a> ItemReader<'a> {
    pub(super) fn text(&self, name: &str) -> Result<&'a str, StoreError> {
        self.optional(name).ok_or_else(|| self.wrong(name, "a text"))
    }

    fn optional(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).and_then(|value| value.as_s().ok()).map(String::as_str)
    }

    pub(super) fn parsed<T: std::str::FromStr>(&self, name: &str) -> Result<T, StoreError> {
        self.text(name)?.parse().map_err(|_| self.wrong(name, "an id"))
    }

    pub(super) fn number<T: std::str::FromStr>(&self, name: &str) -> Result<T, StoreError> {
        let digits = self.0.get(name).and_then(|value| value.as_n().ok());
        digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| self.wrong(name, "a number"))
    }

    fn optional_number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, StoreError> {
        if self.0.contains_key(name) { self.number(name).map(Some) } else { Ok(None) }
    }

    fn players(&self) -> Result<Vec<PlayerId>, StoreError> {
        let list = self.0.get(PLAYERS).and_then(|value| value.as_l().ok());
        let read = |value: &AttributeValue| value.as_s().ok()?.parse().ok();
        let players = list.and_then(|list| list.iter().map(read).collect::<Option<Vec<PlayerId>>>());
        players.ok_or_else(|| self.wrong(PLAYERS, "a list of player ids"))
    }

    fn wrong(&self, name: &str, expected: &str) -> StoreError {
        let key = self.optional(KEY).unwrap_or("an item without a key");
        corrupt(format!("{key}: {name}: expected {expected}, found {:?}", self.0.get(name)))
    }
}

/// A ticket as its item has it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stored {
    /// It waits, as far as the ledger knows.
    Waiting(Ticket, Mode),
    /// It is over; or marked by a match of which its own item knows not whether it is played.
    Finished(EndedTicket),
}

impl Stored {
    pub(super) fn read(found: &Item) -> Result<Self, StoreError> {
        let read = ItemReader(found);
        let ticket: TicketId = read.parsed(KEY)?;
        let status = read.text(STATUS)?;
        let outcome = match TicketState::from_text(status) {
            Some(TicketState::Waiting) => return read_waiting(found).map(|(ticket, mode)| Self::Waiting(ticket, mode)),
            Some(TicketState::Matched) => Outcome::Matched(read.parsed(MATCH)?),
            Some(TicketState::Cancelled) => {
                Outcome::Cancelled(CancelReason::from_text(read.text(REASON)?).unwrap_or(CancelReason::Other))
            }
            Some(TicketState::Expired) => Outcome::Expired,
            Some(TicketState::Claimed) => return Err(read.wrong(STATUS, "a ticket's status")),
            // A later version's word for an end.
            None => Outcome::Cancelled(CancelReason::Other),
        };
        let (players, rating) = (read.players()?, read.number(RATING)?);
        let (joined_ms, attempts) = (read.number(JOINED)?, read.number(ATTEMPTS)?);
        let (ended_ms, imported) = (read.number(ENDED)?, imported(&read)?);
        Ok(Self::Finished(EndedTicket {
            ticket,
            players,
            rating,
            joined_ms,
            attempts,
            outcome,
            ended_ms,
            imported,
            declined_by: None,
        }))
    }
}

fn imported(read: &ItemReader<'_>) -> Result<u32, StoreError> {
    Ok(read.optional_number(IMPORTED)?.unwrap_or_default())
}

/// A ticket as it waits, or as it waited before a match marked it.
pub(super) fn read_waiting(found: &Item) -> Result<(Ticket, Mode), StoreError> {
    let read = ItemReader(found);
    let mode = match read.text(MODE)? {
        "normal" => Mode::Normal,
        "fallback" => Mode::Fallback,
        _ => return Err(read.wrong(MODE, "normal or fallback")),
    };
    let ticket = Ticket {
        id: read.parsed(KEY)?,
        party: Party::restored(read.players()?),
        rating: read.number(RATING)?,
        joined_ms: read.number(JOINED)?,
        expires_ms: read.number(EXPIRES)?,
        attempts: read.number(ATTEMPTS)?,
        push: found.contains_key(PUSH),
        imported: imported(&read)?,
    };
    Ok((ticket, mode))
}

/// What the phone's side wants to know of a ticket that is over.
pub(super) fn ended(finished: EndedTicket, played: Option<Match>) -> Ended {
    let EndedTicket { outcome, players, joined_ms, attempts, .. } = finished;
    Ended { outcome, players, joined_ms, attempts, played }
}

fn read_match(id: MatchId, read: &ItemReader<'_>) -> Result<Match, StoreError> {
    let state = MatchState::from_text(read.text(STATE)?).unwrap_or(MatchState::Other);
    let teams = serde_json::from_str(read.text(TEAMS)?).map_err(corrupt)?;
    let teams = member::read_teams(&id.pool, teams)?;
    let (deadline_ms, lobby) = (read.optional_number(DEADLINE)?, read.optional_number(LOBBY)?);
    Ok(Match { id, state, created_ms: read.number(CREATED)?, teams, deadline_ms, lobby })
}
