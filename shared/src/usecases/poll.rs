//! A player asks where a ticket is. Asking is proof of life.
//!
//! The store answers; the ledger where the store has forgotten, was emptied, or is away.
//!
//! Round trips: one by ticket id, two by match id or lobby code; one more for each that the store does not know, two more
//! where the ticket's match is checking.

use super::view::View;
use crate::domain::{LobbyCode, Match, MatchId, MatchState, PlayerId, Queues, TicketId, Word};
use crate::ports::{Polled, Proposals, StoreError, Tickets, Upkeep};

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

/// The ticket as `player` sees it; none if it is not there or not theirs.
///
/// # Errors
/// The store does not answer, and the ledger does not know.
pub async fn poll(
    store: &(impl Tickets + Upkeep + Proposals),
    ledger: &impl Tickets,
    queues: &Queues,
    target: &Target,
    player: &PlayerId,
    now_ms: u64,
) -> Result<Option<View>, StoreError> {
    let id = match target {
        Target::Ticket(id) => id.clone(),
        Target::Match(id) => match own_ticket(find_match(store, ledger, id).await?, player) {
            Some(ticket) => ticket,
            None => return Ok(None),
        },
        Target::Lobby(code) => {
            let Some(pool) = queues.tagged(code.tag) else { return Ok(None) };
            match own_ticket(store.find_lobby(pool, code.number).await?, player) {
                Some(ticket) => ticket,
                None => return Ok(None),
            }
        }
    };
    let rules = queues.rules(&id.pool);
    let mut polled = ask(store, ledger, &id, player, now_ms).await?;
    if let Polled::Claimed { held_by, .. } = &polled
        && held_by.state == MatchState::Checking
        && held_by.member_of(player).is_some_and(|member| !member.ready)
    {
        // Who asks is there: as good as an answer to the ping that is on its way.
        let proposed_until_ms = rules.and_then(|rules| rules.accept_until_ms(now_ms));
        store.answer(&held_by.id, player, Word::Pong, now_ms, proposed_until_ms).await?;
        polled = ask(store, ledger, &id, player, now_ms).await?;
    }
    if let (Polled::Waiting { ticket, .. }, Some(rules)) = (&polled, rules)
        && ticket.expires_ms <= now_ms
        && store.expire(&id.pool, rules, now_ms).await.is_ok()
    {
        // Nobody had swept yet, and the player who asks need not wait for that.
        polled = ask(store, ledger, &id, player, now_ms).await?;
    }
    Ok(View::of(&id, polled, player, rules, now_ms))
}

async fn ask(
    store: &impl Tickets,
    ledger: &impl Tickets,
    id: &TicketId,
    player: &PlayerId,
    now_ms: u64,
) -> Result<Polled, StoreError> {
    match store.poll(id, player, now_ms).await {
        // A match that the store has forgotten is in the ledger.
        Ok(Polled::Unknown) => ledger.poll(id, player, now_ms).await,
        Ok(polled) => Ok(polled),
        Err(away) => match ledger.poll(id, player, now_ms).await {
            Ok(Polled::Unknown) | Err(_) => Err(away),
            Ok(polled) => Ok(polled),
        },
    }
}

fn own_ticket(game: Option<Match>, player: &PlayerId) -> Option<TicketId> {
    game.as_ref()?.member_of(player).map(|member| member.ticket.clone())
}

async fn find_match(store: &impl Tickets, ledger: &impl Tickets, id: &MatchId) -> Result<Option<Match>, StoreError> {
    match store.find_match(id).await {
        Ok(Some(game)) => Ok(Some(game)),
        Ok(None) => ledger.find_match(id).await,
        Err(away) => match ledger.find_match(id).await {
            Ok(Some(game)) => Ok(Some(game)),
            Ok(None) | Err(_) => Err(away),
        },
    }
}
