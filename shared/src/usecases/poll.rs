//! A player asks where a ticket is. Asking is proof of life.
//!
//! Round trips: one by ticket id, two by match id.

use super::view::View;
use crate::domain::{MatchId, PlayerId, Queues, TicketId};
use crate::ports::{Polled, StoreError, Tickets, Upkeep};

/// What a player may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A ticket of theirs.
    Ticket(TicketId),
    /// A match that they are in.
    Match(MatchId),
}

/// The ticket as `player` sees it; none if it is not there or not theirs.
///
/// # Errors
/// The store does not answer.
pub async fn poll(
    store: &(impl Tickets + Upkeep),
    queues: &Queues,
    target: &Target,
    player: &PlayerId,
    now_ms: u64,
) -> Result<Option<View>, StoreError> {
    let id = match target {
        Target::Ticket(id) => id.clone(),
        Target::Match(id) => {
            let game = store.find_match(id).await?;
            let own = game.as_ref().and_then(|game| game.members().find(|member| member.players.contains(player)));
            match own {
                Some(member) => member.ticket.clone(),
                None => return Ok(None),
            }
        }
    };
    let rules = queues.rules(&id.pool);
    let mut polled = store.poll(&id, player, now_ms).await?;
    if let (Polled::Waiting { ticket, .. }, Some(rules)) = (&polled, rules)
        && ticket.expires_ms <= now_ms
    {
        // Nobody has swept yet. The player who asks need not wait for that.
        store.expire(&id.pool, rules, now_ms).await?;
        polled = store.poll(&id, player, now_ms).await?;
    }
    Ok(View::of(&id, polled, player, rules, now_ms))
}
