//! Drops a match whose check could not be pushed to a phone, at once instead of at the end of the check. Its other members wait
//! again, before all tickets that joined later.
//!
//! Round trips: two. The pool's next look takes the match apart.

use crate::domain::{CancelReason, MatchId, MatchState, PlayerId, TicketId};
use crate::ports::{Matches, StoreError, Tickets};

/// Drops a match that still waits to hear the phones of these players. A match that has heard them meanwhile, or asks something else
/// by now, goes on.
///
/// # Errors
/// The store does not answer. Then the check ends at its time.
pub async fn unreached(
    store: &(impl Tickets + Matches),
    id: &MatchId,
    players: &[PlayerId],
    now_ms: u64,
) -> Result<(), StoreError> {
    let this_match = store.find_match(id).await?.filter(|this_match| this_match.state == MatchState::Checking);
    let verdicts: Vec<(TicketId, CancelReason)> = this_match
        .iter()
        .flat_map(|this_match| this_match.members())
        .filter(|member| players.iter().any(|player| member.awaits(player)))
        .map(|member| (member.ticket.clone(), CancelReason::NotificationFailed))
        .collect();
    if !verdicts.is_empty() {
        store.drop_match(id, &verdicts, now_ms).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::memory::Memory;
    use crate::domain::{Match, Member, Outcome, Party, PlayerResponse, PoolId, Ticket, Unique};
    use crate::ports::{Polled, Proposals, Reclaimed, Upkeep};

    const T0: u64 = 1_800_000_000_000;

    /// A match of ann, with amy in her party, and bob that checks whether their phones are there.
    async fn checking() -> (Memory, Match, [PlayerId; 2]) {
        let (store, pool) = (Memory::default(), "duel.eu".parse::<PoolId>().unwrap());
        let players: [PlayerId; 2] = ["ann", "bob"].map(|name| name.parse().unwrap());
        let mut teams = Vec::new();
        for (n, names) in (1..).zip([vec!["ann", "amy"], vec!["bob"]]) {
            let party = Party::restored(names.iter().map(|name| name.parse().unwrap()).collect());
            let id = TicketId::new(pool.clone(), Unique::from_bits(n));
            let (joined_ms, expires_ms) = (T0, T0 + 60_000);
            let ticket = Ticket { id, party, rating: 0.0, joined_ms, expires_ms, attempts: 0, push: true, imported: 0 };
            store.join(&ticket, T0).await.unwrap();
            teams.push(vec![Member::of(&ticket)]);
        }
        let (id, deadline_ms) = (MatchId::new(pool, Unique::from_bits(9)), Some(T0 + 2_000));
        let this_match = Match { id, state: MatchState::Checking, created_ms: T0, teams, deadline_ms, lobby: None };
        store.claim(std::slice::from_ref(&this_match), T0 + 2_000).await.unwrap();
        (store, this_match, players)
    }

    #[tokio::test]
    async fn a_match_whose_phone_could_not_be_told_is_dropped_at_once() {
        let (store, this_match, [ann, bob]) = checking().await;
        let own = this_match.teams[0][0].ticket.clone();
        unreached(&store, &this_match.id, std::slice::from_ref(&ann), T0 + 1).await.unwrap();
        let reclaimed = store.reclaim(&this_match.id.pool, T0 + 1).await.unwrap();
        assert_eq!(reclaimed, Reclaimed { matches: 1, requeued: 1, cancelled: 1, crashed: 0 });
        let Polled::Ended(finished) = store.poll(&own, &ann, T0 + 1).await.unwrap() else { panic!("expected an end") };
        assert_eq!(finished.outcome, Outcome::Cancelled(CancelReason::NotificationFailed));
        let other = store.poll(&this_match.teams[1][0].ticket, &bob, T0 + 1).await.unwrap();
        assert!(matches!(other, Polled::Waiting { .. }), "{other:?}");
    }

    #[tokio::test]
    async fn a_match_that_has_heard_the_phone_meanwhile_goes_on() {
        let (store, this_match, [ann, _]) = checking().await;
        // Amy's phone has yet to be heard, and nothing says that it cannot be told.
        store.answer(&this_match.id, &ann, PlayerResponse::Pong, T0 + 1, None).await.unwrap();
        unreached(&store, &this_match.id, &[ann], T0 + 1).await.unwrap();
        assert_eq!(store.find_match(&this_match.id).await.unwrap().unwrap().state, MatchState::Checking);
        assert_eq!(store.reclaim(&this_match.id.pool, T0 + 1).await.unwrap(), Reclaimed::default());
    }
}
