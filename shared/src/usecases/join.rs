//! A party asks to play: at most one live ticket for each of its players, whatever is retried, raced or crashed.
//!
//! Two steps, because a player's key and a pool's keys live in different slots: reserve every player for the ticket, then let
//! the ticket wait. What makes the pair safe is `tombstone`: whoever finds a player reserved for a ticket that does not wait makes
//! sure that it never will, before taking the player over. So at every moment at most one ticket of a player can be live.
//!
//! The ledger hears of the ticket side by side with the store. If the store is away, the ledger takes its place: the same
//! steps, the same ticket id, so that a join which did reach the store before its answer got lost is not made twice.
//!
//! Stored ratings are read from the ledger while the store speaks for the players. A ledger that does not answer stops no join:
//! the ticket has the queue's default rating, and says so.
//!
//! Round trips: two for a new ticket (players in parallel, then the pool), three for the same one again.

use futures::future::{join, join_all, try_join_all};
use sha2::{Digest, Sha256};

use super::settle::{Ask, let_go, settle};
use super::view::View;
use crate::domain::event::EVERY_LIFE;
use crate::domain::limits::{JOIN_ROUNDS_MAX, PLAYER_GRACE_MS};
use crate::domain::ticket::round_rating;
use crate::domain::{
    CancelReason, EndedTicket, Event, Outcome, Party, PlayerId, PoolId, Profile, RatingSource, Rules, Ticket, TicketId,
    Unique,
};
use crate::ports::{
    Estimate, Ids, Joined, Ledger, Mode, Noted, Outbox, Players, Polled, Probe, Profiles, Rate, Reserved, StoreError,
    Terms, Tickets,
};

/// What a party asks for; checked already.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// Who asks; one of the party.
    pub caller: &'a PlayerId,
    /// Where to play.
    pub pool: PoolId,
    /// How it is played there.
    pub rules: &'a Rules,
    /// Who plays.
    pub party: Party,
    /// How strong the party is.
    pub rating: TicketRating,
    /// Made by the client, the same for every try of one join. Names the ticket, so that it needs no memory of its own.
    pub idempotency_key: Option<&'a str>,
    /// It joins over a WebSocket: its phone can be pinged.
    pub push: bool,
    /// How often a player may ask; none to count nothing.
    pub rate: Option<Rate>,
    /// Now.
    pub now_ms: u64,
}

impl Request<'_> {
    /// The unique part of the ticket that its idempotency key names.
    fn named(&self) -> Option<Unique> {
        self.idempotency_key.map(|key| unique_of_key(&self.pool, self.caller, key, &self.party))
    }
}

/// Where the rating of a ticket is found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TicketRating {
    /// It was said, and by whom. A party's mean.
    Given(f64, RatingSource),
    /// In the profiles of its players.
    Stored,
}

impl TicketRating {
    /// What the phone sent.
    pub fn sent(value: f64) -> Self {
        Self::Given(value, RatingSource::Request)
    }
}

/// The rating of a ticket, and where it was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rated {
    /// The party's mean, within the queue's scale.
    pub value: f64,
    /// Where from. The default, if it counts for one player of the party or more.
    pub source: RatingSource,
}

/// How it went.
#[derive(Debug, Clone, PartialEq)]
pub enum JoinReply {
    /// A new ticket waits.
    Queued(View),
    /// This very join was made before, or the same party already waits in this pool: its ticket.
    Already(View),
    /// The caller has a live ticket elsewhere, or with other players.
    CallerBusy(TicketId),
    /// Another player of the party has a live ticket.
    MemberBusy(PlayerId),
    /// A player of the party, perhaps the caller, refused too many matches and may join again in so many milliseconds.
    CoolingDown(PlayerId, u64),
    /// The caller asks too often and may ask again in so many milliseconds.
    RateLimited(u64),
    /// Others kept changing the same players' tickets; asking again will do.
    Contended,
}

/// How it went, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed {
    /// How.
    pub reply: JoinReply,
    /// In the store, or in the ledger because the store is away.
    pub mode: Mode,
    /// Why the ledger did not hear of it; the outbox will tell it the outcome all the same.
    pub ledger_failure: Option<StoreError>,
    /// What a ticket that is new has for a rating.
    pub rated: Option<Rated>,
}

/// The unique part of the ticket that an idempotency key names: 128 bits of SHA-256 over pool, caller, key and party. The party,
/// because a key that is sent again with other players is no second try, and must not find the first one's ticket.
pub fn unique_of_key(pool: &PoolId, caller: &PlayerId, key: &str, party: &Party) -> Unique {
    let mut hash = Sha256::new();
    let mut players: Vec<&str> = party.players().iter().map(PlayerId::as_str).collect();
    players.sort_unstable();
    for part in [pool.as_str(), caller.as_str(), key].into_iter().chain(players) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let digest = hash.finalize();
    let mut bits = [0; 16];
    bits.copy_from_slice(&digest[..16]);
    Unique::from_bits(u128::from_be_bytes(bits))
}

/// Lets a party wait.
///
/// # Errors
/// Neither the store nor the ledger answers; the join may or may not have happened, and asking again is safe.
pub async fn join_queue<L: Ledger + Tickets + Players + Profiles>(
    store: &(impl Tickets + Players + Outbox),
    ledger: &Option<L>,
    ids: &impl Ids,
    request: &Request<'_>,
) -> Result<Placed, StoreError> {
    let first = request.named().unwrap_or_else(|| ids.unique());
    let mut rated = None;
    let away = match place(store, (ledger, ledger), ids, request, first, &mut rated).await {
        Ok((JoinReply::Queued(view), Ok(Noted::Finished))) => {
            // The store had forgotten how a ticket ended that this key has named before. It must not wait again.
            let Request { caller, rules, now_ms, .. } = *request;
            let_go(store, &request.pool, &view.ticket, None, now_ms).await?;
            let polled = ledger.poll(&view.ticket, caller, now_ms).await?;
            if let Some(finished) = View::of(&view.ticket, polled, caller, Some(rules), now_ms) {
                return Ok(Placed {
                    reply: JoinReply::Already(finished),
                    mode: Mode::Normal,
                    ledger_failure: None,
                    rated,
                });
            }
            // It never began to wait, so the key has named nothing.
            let (reply, noted) = place(store, (ledger, ledger), ids, request, ids.unique(), &mut rated).await?;
            return Ok(Placed { reply, mode: Mode::Normal, ledger_failure: noted.err(), rated });
        }
        Ok((reply, noted)) => {
            let reply = settled(store, ledger, request, reply).await?;
            return Ok(Placed { reply, mode: Mode::Normal, ledger_failure: noted.err(), rated });
        }
        Err(error @ (StoreError::Corrupt(_) | StoreError::RateLimited { .. })) => return Err(error),
        Err(error) => error,
    };
    match place(ledger, (&None::<L>, ledger), ids, request, first, &mut rated).await {
        Ok((reply, _)) => Ok(Placed { reply: by_ledger(reply), mode: Mode::Fallback, ledger_failure: None, rated }),
        Err(_) => Err(away),
    }
}

fn by_ledger(reply: JoinReply) -> JoinReply {
    match reply {
        JoinReply::Queued(view) => JoinReply::Queued(view.by_ledger()),
        JoinReply::Already(view) => JoinReply::Already(view.by_ledger()),
        other => other,
    }
}

/// The same again. The ledger is told of a ticket that another try made, and asked at once about a match that it has yet to decide.
async fn settled(
    store: &(impl Tickets + Outbox),
    ledger: &impl Ledger,
    request: &Request<'_>,
    reply: JoinReply,
) -> Result<JoinReply, StoreError> {
    let JoinReply::Already(before) = reply else { return Ok(reply) };
    let Request { caller, rules, now_ms, .. } = *request;
    let (polled, _) = settle(store, ledger, (&before.ticket, caller), Some(rules), Ask::Now, now_ms).await?;
    if let Polled::Waiting { ticket, .. } | Polled::Claimed { ticket, .. } = &polled
        && request.named() != Some(ticket.id.unique)
    {
        // The try that made it may have died before the ledger heard of it. Failing here is as good as failing there was.
        let _ = ledger.note_join(ticket).await;
    }
    let view = View::of(&before.ticket, polled, caller, Some(rules), now_ms);
    Ok(JoinReply::Already(view.unwrap_or(before)))
}

/// The party's rating. Never fails: without an answer it is the queue's default.
async fn rate(profiles: &impl Profiles, request: &Request<'_>) -> Rated {
    let Request { rules, now_ms, .. } = *request;
    let unknown = Rated { value: rules.rating_default, source: RatingSource::Default };
    let players = request.party.players();
    match request.rating {
        TicketRating::Given(value, source) => Rated { value, source },
        TicketRating::Stored => match profiles.profiles(players).await {
            Ok(found) => {
                let track = rules.ratings.track_of(&request.pool);
                let on = |profile: &Option<Profile>| profile.as_ref()?.tracks.get(&track).map(|on| on.at(now_ms).value);
                let values: Vec<Option<f64>> = found.iter().map(on).collect();
                let known = values.iter().all(Option::is_some);
                let sum: f64 = values.iter().map(|value| value.unwrap_or(rules.rating_default)).sum();
                let value = (sum / players.len().max(1) as f64).clamp(rules.rating_min, rules.rating_max);
                Rated { value, source: if known { RatingSource::Stored } else { RatingSource::Default } }
            }
            Err(_) => unknown,
        },
    }
}

/// `profiles` is the ledger also where `ledger` is none, because it takes the store's place.
async fn place(
    store: &(impl Tickets + Players),
    (ledger, profiles): (&impl Ledger, &impl Profiles),
    ids: &impl Ids,
    request: &Request<'_>,
    first: Unique,
    rated: &mut Option<Rated>,
) -> Result<(JoinReply, Result<Noted, StoreError>), StoreError> {
    let Request { caller, rules, now_ms, .. } = *request;
    let mut unique = first;
    for round in 0..JOIN_ROUNDS_MAX {
        let id = TicketId::new(request.pool.clone(), unique);
        unique = ids.unique();
        // The first try reads the profiles at the same time; later ones know.
        let (blocked, found) = match *rated {
            Some(rated) => (reserve_all(store, request, &id, round == 0).await, rated),
            None => join(reserve_all(store, request, &id, round == 0), rate(profiles, request)).await,
        };
        *rated = Some(found);
        match blocked? {
            Some(Blocked::Settled(reply)) => return Ok((*reply, Ok(Noted::Waits))),
            Some(Blocked::Raced) => continue,
            None => {}
        }
        let ticket = Ticket {
            id,
            party: request.party.clone(),
            rating: round_rating(found.value),
            joined_ms: now_ms,
            expires_ms: now_ms + rules.ttl_ms,
            attempts: 0,
            push: request.push,
            imported: 0,
        };
        let (joined, noted) = join(store.join(&ticket, now_ms), ledger.note_join(&ticket)).await;
        match joined? {
            Joined::New(estimate) => {
                let view = View::waiting(&ticket, estimate, Some(rules), now_ms);
                return Ok((JoinReply::Queued(view), noted));
            }
            Joined::Before(_) | Joined::Ended => {
                let polled = store.poll(&ticket.id, caller, now_ms).await?;
                if let Some(view) = View::of(&ticket.id, polled, caller, Some(rules), now_ms) {
                    return Ok((JoinReply::Already(view), noted));
                }
                if let Ok(Noted::Finished) = noted {
                    return Ok((
                        JoinReply::Queued(View::waiting(&ticket, Estimate::default(), Some(rules), now_ms)),
                        noted,
                    ));
                }
                // Another join wrote its tombstone. The ledger must not keep it waiting. Should this fail, too: nobody asks for the
                // ticket, so once restored it would end as abandoned.
                let _ = ledger.record(&[superseded(&ticket, now_ms)]).await;
            }
        }
    }
    Ok((JoinReply::Contended, Ok(Noted::Waits)))
}

/// Makes sure that a ticket never waits in the store. True if it never did: then how it ends is for the caller to say. False if
/// it lives, or has an outcome of its own.
pub(super) async fn tombstone(store: &impl Tickets, ticket: &Ticket, now_ms: u64) -> Result<bool, StoreError> {
    if store.tombstone(&ticket.id, now_ms).await? == Probe::Live {
        return Ok(false);
    }
    Ok(store.poll(&ticket.id, &ticket.party.players()[0], now_ms).await?.is_tombstone())
}

/// A ticket that another of the same player took the place of.
pub(super) fn superseded(ticket: &Ticket, now_ms: u64) -> Event {
    ended(ticket, Outcome::Cancelled(CancelReason::Superseded), now_ms)
}

/// A ticket that ends outside the store.
pub(super) fn ended(ticket: &Ticket, outcome: Outcome, now_ms: u64) -> Event {
    Event::Ended(EndedTicket {
        ticket: ticket.id.clone(),
        players: ticket.party.players().to_vec(),
        rating: ticket.rating,
        joined_ms: ticket.joined_ms,
        attempts: ticket.attempts,
        outcome,
        ended_ms: now_ms,
        imported: EVERY_LIFE,
        declined_by: None,
    })
}

enum Blocked {
    /// Somebody has a live ticket.
    Settled(Box<JoinReply>),
    /// Somebody else took a player meanwhile.
    Raced,
}

/// Speaks for every player of the party, or for none. The first try of a join `counts` as one ask of its caller.
async fn reserve_all(
    store: &(impl Tickets + Players),
    request: &Request<'_>,
    ticket: &TicketId,
    counts: bool,
) -> Result<Option<Blocked>, StoreError> {
    let (ttl_ms, now_ms) = (request.rules.ttl_ms + PLAYER_GRACE_MS, request.now_ms);
    let others = Terms { now_ms, ttl_ms, cooldown: request.rules.cooldown, rate: None };
    let caller = Terms { rate: request.rate.filter(|_| counts), ..others };
    let players = request.party.players();
    let reserve = |player| {
        let terms = if player == request.caller { &caller } else { &others };
        store.reserve(player, ticket, None, terms)
    };
    let answers = try_join_all(players.iter().map(reserve)).await?;
    let mut blocked = None;
    for (player, answer) in players.iter().zip(answers) {
        let other = match answer {
            Reserved::Done => continue,
            Reserved::Held(other) => other,
            refused => {
                blocked = Some(refusal(refused, player, now_ms));
                break;
            }
        };
        blocked = match store.tombstone(&other, now_ms).await? {
            Probe::Dead => match store.reserve(player, ticket, Some(&other), &others).await? {
                Reserved::Done => continue,
                Reserved::Held(_) => Some(Blocked::Raced),
                refused => Some(refusal(refused, player, now_ms)),
            },
            Probe::Live => Some(match same_again(store, request, &other).await? {
                // Also where the store speaks for this member already and not yet for the caller: another try of this join is
                // under way, and the ledger writes its players one by one.
                Some(reply) if player == request.caller || matches!(reply, JoinReply::Already(_)) => {
                    Blocked::Settled(Box::new(reply))
                }
                None if player == request.caller => Blocked::Raced,
                Some(_) | None => Blocked::Settled(Box::new(JoinReply::MemberBusy(player.clone()))),
            }),
        };
        break;
    }
    // A ticket that a key names is also another try's, which may have let it wait meanwhile: what speaks for its players stays.
    // If it never waits, that does no harm, and neither does a failure here: the next join of such a player writes its tombstone.
    if blocked.is_some() && request.named() != Some(ticket.unique) {
        for answer in join_all(players.iter().map(|player| store.unreserve(player, ticket))).await {
            answer?;
        }
    }
    Ok(blocked)
}

fn refusal(refused: Reserved, player: &PlayerId, now_ms: u64) -> Blocked {
    let reply = match refused {
        Reserved::CoolingDown { until_ms } => JoinReply::CoolingDown(player.clone(), until_ms.saturating_sub(now_ms)),
        Reserved::RateLimited { retry_ms } => JoinReply::RateLimited(retry_ms),
        Reserved::Done | Reserved::Held(_) => JoinReply::Contended,
    };
    Blocked::Settled(Box::new(reply))
}

/// The caller's live ticket, if it asks for what this join asks for. None if it ended meanwhile.
async fn same_again(
    store: &impl Tickets,
    request: &Request<'_>,
    other: &TicketId,
) -> Result<Option<JoinReply>, StoreError> {
    let polled = store.poll(other, request.caller, request.now_ms).await?;
    let players = match &polled {
        Polled::Waiting { ticket, .. } | Polled::Claimed { ticket, .. } => ticket.party.players(),
        // Matched, and the ledger has yet to say whether that holds.
        Polled::Settling { finished, .. } => &finished.players,
        Polled::Ended(_) | Polled::Unknown => return Ok(None),
    };
    let same_party = players.len() == request.party.size() && players.iter().all(|player| request.party.has(player));
    if other.pool != request.pool || !same_party {
        return Ok(Some(JoinReply::CallerBusy(other.clone())));
    }
    Ok(View::of(other, polled, request.caller, Some(request.rules), request.now_ms).map(JoinReply::Already))
}
