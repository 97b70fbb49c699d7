//! A player asks where a ticket is. Asking is proof of life.
//!
//! The store answers; the ledger where the store has forgotten, was emptied, or is away. A ticket that waits in the ledger alone
//! is brought back by whoever asks for it.
//!
//! Round trips: one by ticket id, two by match id or lobby code; one more for each that the store does not know, those of an
//! answer more where the ticket's match is checking.

use super::answer::{AnswerDone, answer};
use super::restore::restore;
use super::settle::{Ask, let_go, settle};
use super::view::View;
use crate::domain::limits::{DOUBT_MS, DOUBT_WINDOW_MS};
use crate::domain::{LobbyCode, Match, MatchId, MatchState, PlayerId, PlayerResponse, Queues, Rules, Ticket, TicketId};
use crate::ports::{Clock, Expired, Ledger, Outbox, Players, Polled, Reclaimed, Store, StoreError, Tickets};

/// What a player may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A ticket of theirs.
    Ticket(TicketId),
    /// A match that they are in.
    Match(MatchId),
    /// The lobby of a match that they are in.
    Lobby(LobbyCode),
}

/// What a poll came to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Seen {
    /// The ticket as its player sees it; none if it is not there or not theirs.
    pub view: Option<View>,
    /// What this very call took apart.
    pub changed: Reclaimed,
    /// What this very call ended.
    pub ended: Expired,
    /// How long the tickets waited that this very call matched, in milliseconds.
    pub waits_ms: Vec<u64>,
    /// Matches that the ledger called void.
    pub voids: usize,
}

/// Looks where a ticket of `player`'s is.
///
/// # Errors
/// The store does not answer, and the ledger does not know.
pub async fn poll(
    store: &impl Store,
    ledger: &(impl Ledger + Tickets),
    clock: &impl Clock,
    queues: &Queues,
    target: &Target,
    player: &PlayerId,
) -> Result<Seen, StoreError> {
    let id = match target {
        Target::Ticket(id) => id.clone(),
        Target::Match(id) => match own_ticket(find_match(store, ledger, id).await?, player) {
            Some(ticket) => ticket,
            None => return Ok(Seen::default()),
        },
        Target::Lobby(code) => {
            let Some(pool) = queues.tagged(code.tag) else { return Ok(Seen::default()) };
            match own_ticket(store.find_lobby(pool, code.number).await?, player) {
                Some(ticket) => ticket,
                None => return Ok(Seen::default()),
            }
        }
    };
    let (rules, now_ms) = (queues.rules(&id.pool), clock.now_ms());
    let (mut polled, mut voids, source) = ask(store, ledger, &id, player, rules, now_ms).await?;
    if let Polled::Claimed { this_match, .. } = &polled
        && this_match.state == MatchState::Checking
        && this_match.member_of(player).is_some_and(|member| member.awaits(player))
    {
        // Who asks is there: as good as an answer to the ping that is on its way.
        let AnswerDone { reply, changed, waits_ms, voids } =
            answer(store, ledger, clock, queues, &this_match.id, player, PlayerResponse::Pong).await?;
        return Ok(Seen { view: reply.view(), changed, waits_ms, voids, ..Seen::default() });
    }
    let mut ended = Expired::default();
    if let (Polled::Waiting { ticket, .. }, Some(rules)) = (&polled, rules)
        && ticket.expires_ms <= now_ms
        && let Ok(expired) = store.expire(&id.pool, rules, now_ms).await
    {
        // Nobody had swept yet, and the player who asks need not wait for that.
        ended = expired;
        let again = ask(store, ledger, &id, player, Some(rules), now_ms).await?;
        (polled, voids) = (again.0, voids + again.1);
    }
    let view = View::of(&id, polled, player, rules, now_ms);
    let view = match source {
        Source::Store => view,
        Source::Ledger => view.map(View::by_ledger),
        Source::Restored => view.map(View::restored),
    };
    Ok(Seen { view, ended, voids, ..Seen::default() })
}

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// The store; or the ledger, of what the store has forgotten.
    Store,
    /// The ledger, in place of a store that is away.
    Ledger,
    /// The store, into which the question has brought the ticket back.
    Restored,
}

/// Where a ticket is, how many matches proved void over the question, and where the answer comes from.
async fn ask(
    store: &(impl Tickets + Players + Outbox),
    ledger: &(impl Ledger + Tickets),
    id: &TicketId,
    player: &PlayerId,
    rules: Option<&Rules>,
    now_ms: u64,
) -> Result<(Polled, usize, Source), StoreError> {
    let in_store = || async {
        let (polled, voids) = settle(store, ledger, (id, player), rules, Ask::Late, now_ms).await?;
        Ok((if polled.is_tombstone() { Polled::Unknown } else { polled }, voids))
    };
    let (away, voids) = match in_store().await {
        Ok((Polled::Unknown, voids)) => (None, voids),
        Ok((polled, voids)) => {
            if let Polled::Waiting { ticket, .. } = &polled
                && in_doubt(ticket, now_ms)
                && let Ok(finished @ Polled::Ended(_)) = ledger.poll(id, player, now_ms).await
            {
                // The store has forgotten that, and must not match it once more.
                let_go(store, &id.pool, id, None, now_ms).await?;
                return Ok((finished, voids, Source::Store));
            }
            return Ok((polled, voids, Source::Store));
        }
        Err(refused @ StoreError::RateLimited { .. }) => return Err(refused),
        Err(away) => (Some(away), 0),
    };
    match (ledger.poll(id, player, now_ms).await, away) {
        (Ok(Polled::Unknown) | Err(_), Some(away)) => Err(away),
        (Ok(Polled::Waiting { ticket, estimate }), None) => {
            let Some(rules) = rules else {
                return Ok((Polled::Waiting { ticket, estimate }, voids, Source::Store));
            };
            // What comes of it is read again: now in the store, or ended in the ledger.
            restore(store, ledger, &ticket, rules, now_ms).await?;
            match in_store().await? {
                (Polled::Unknown, more) => Ok((ledger.poll(id, player, now_ms).await?, voids + more, Source::Store)),
                (polled, more) => Ok((polled, voids + more, Source::Restored)),
            }
        }
        (told, Some(_)) => Ok((told?, voids, Source::Ledger)),
        (told, None) => Ok((told?, voids, Source::Store)),
    }
}

/// Whether it is time to ask the ledger of a ticket that waits in the store.
fn in_doubt(ticket: &Ticket, now_ms: u64) -> bool {
    let waited_ms = ticket.waited_ms(now_ms);
    waited_ms >= DOUBT_MS && waited_ms % DOUBT_MS < DOUBT_WINDOW_MS
}

fn own_ticket(this_match: Option<Match>, player: &PlayerId) -> Option<TicketId> {
    this_match.as_ref()?.member_of(player).map(|member| member.ticket.clone())
}

async fn find_match(store: &impl Tickets, ledger: &impl Tickets, id: &MatchId) -> Result<Option<Match>, StoreError> {
    match store.find_match(id).await {
        Ok(Some(this_match)) => Ok(Some(this_match)),
        Ok(None) => ledger.find_match(id).await,
        Err(away) => match ledger.find_match(id).await {
            Ok(Some(this_match)) => Ok(Some(this_match)),
            Ok(None) | Err(_) => Err(away),
        },
    }
}
