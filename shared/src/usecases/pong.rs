//! A phone answers the ping of a match that checks whether its phones are there.
//!
//! A phone that is there but far away is as bad for the others as one that is not: whoever takes longer than its queue allows
//! ends as disconnected, and the others go back to the head of the line. The phone sends back when it was asked, so nobody
//! has to remember that; a phone that lies about it only gets itself into matches that it is not fit to play.
//!
//! Round trips: those of an answer; four where the way was too long.

use super::answer::{AnswerDone, AnswerReply, answer};
use super::view::View;
use crate::domain::{CancelReason, MatchId, MatchState, PlayerId, PlayerResponse, Queues};
use crate::ports::{Clock, Dropped, Ledger, Reclaimed, Store, StoreError};

/// Takes the pong of a player who was pinged at `sent_ms`, by our clock.
///
/// # Errors
/// The store does not answer; saying it again is safe.
pub async fn pong(
    store: &impl Store,
    ledger: &impl Ledger,
    clock: &impl Clock,
    queues: &Queues,
    id: &MatchId,
    player: &PlayerId,
    sent_ms: u64,
) -> Result<AnswerDone, StoreError> {
    let now_ms = clock.now_ms();
    let rules = queues.rules(&id.pool);
    let fit =
        rules.and_then(|rules| rules.ping).is_none_or(|ping| now_ms.saturating_sub(sent_ms) <= ping.round_trip_max_ms);
    if fit {
        return answer(store, ledger, clock, queues, id, player, PlayerResponse::Pong).await;
    }
    let this_match = store.find_match(id).await?;
    let own = this_match.as_ref().and_then(|this_match| Some((this_match.state, this_match.member_of(player)?)));
    let ticket = match own {
        Some((MatchState::Checking, member)) if member.awaits(player) => member.ticket.clone(),
        // This phone was heard before, or the match asks something else by now: then this one says nothing new.
        _ => return answer(store, ledger, clock, queues, id, player, PlayerResponse::Pong).await,
    };
    let dropped = store.drop_match(id, &[(ticket.clone(), CancelReason::Disconnected)], now_ms).await?;
    let changed = match dropped {
        Dropped::Done => store.reclaim(&id.pool, now_ms).await?,
        Dropped::LeaseLost => Reclaimed::default(),
    };
    let view = View::of(&ticket, store.poll(&ticket, player, now_ms).await?, player, rules, now_ms);
    let reply = match (dropped, view) {
        (Dropped::Done, Some(view)) => AnswerReply::Noted(view),
        (_, view) => AnswerReply::TooLate(view),
    };
    Ok(AnswerDone { reply, changed, waits_ms: Vec::new(), voids: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::memory::Memory;
    use crate::adapters::memory_ledger::MemoryLedger;
    use crate::adapters::system::System;
    use crate::domain::{Match, Member, Party, Ping, PoolId, Queue, Rules, Ticket, TicketId, Unique};
    use crate::ports::{Matches, Tickets};
    use crate::usecases::view::Status;

    const NO_LEDGER: Option<MemoryLedger<System>> = None;
    const PING: Ping = Ping { timeout_ms: 2_000, round_trip_max_ms: 500 };

    /// A match of ann and bob that checks whether their phones are there.
    async fn checking() -> (Memory, Queues, Match, u64) {
        let rules = Rules { ping: Some(PING), ..Rules::default() };
        let queue = Queue { name: "duel".parse().unwrap(), regions: vec!["eu".parse().unwrap()], rules };
        let (store, queues) = (Memory::default(), Queues::new(vec![queue]).unwrap());
        let (pool, now_ms): (PoolId, u64) = ("duel.eu".parse().unwrap(), System::default().now_ms());
        let mut teams = Vec::new();
        for (n, name) in (1..).zip(["ann", "bob"]) {
            let id = TicketId::new(pool.clone(), Unique::from_bits(n));
            let party = Party::solo(name.parse().unwrap());
            let (joined_ms, expires_ms) = (now_ms, now_ms + 60_000);
            let ticket = Ticket { id, party, rating: 0.0, joined_ms, expires_ms, attempts: 0, push: true, imported: 0 };
            store.join(&ticket, now_ms).await.unwrap();
            teams.push(vec![Member::of(&ticket)]);
        }
        let (id, state) = (MatchId::new(pool, Unique::from_bits(9)), MatchState::Checking);
        let deadline_ms = Some(now_ms + 60_000);
        let this_match = Match { id, state, created_ms: now_ms, teams, deadline_ms, lobby: None };
        store.claim(std::slice::from_ref(&this_match), now_ms + 60_000).await.unwrap();
        (store, queues, this_match, now_ms)
    }

    fn status(done: &AnswerDone) -> Status {
        match &done.reply {
            AnswerReply::Noted(view) => view.status,
            other => panic!("expected a pong that counts, found {other:?}"),
        }
    }

    #[tokio::test]
    async fn pongs_in_time_confirm_the_match() {
        let (store, queues, this_match, now_ms) = checking().await;
        let (ann, bob) = ("ann".parse().unwrap(), "bob".parse().unwrap());
        let clock = System::default();
        let first = pong(&store, &NO_LEDGER, &clock, &queues, &this_match.id, &ann, now_ms).await.unwrap();
        assert_eq!(status(&first), Status::Waiting);
        let last = pong(&store, &NO_LEDGER, &clock, &queues, &this_match.id, &bob, now_ms).await.unwrap();
        assert_eq!((status(&last), last.waits_ms.len()), (Status::Matched, 2));
    }

    #[tokio::test]
    async fn a_pong_that_took_too_long_ends_its_ticket_and_the_other_waits_again() {
        let (store, queues, this_match, now_ms) = checking().await;
        let (ann, bob): (PlayerId, PlayerId) = ("ann".parse().unwrap(), "bob".parse().unwrap());
        let clock = System::default();
        pong(&store, &NO_LEDGER, &clock, &queues, &this_match.id, &ann, now_ms).await.unwrap();
        let late = pong(&store, &NO_LEDGER, &clock, &queues, &this_match.id, &bob, now_ms - PING.round_trip_max_ms - 1)
            .await
            .unwrap();
        assert_eq!(status(&late), Status::Cancelled(CancelReason::Disconnected));
        assert_eq!(late.changed, Reclaimed { matches: 1, requeued: 1, cancelled: 1, crashed: 0 });
        let own = &this_match.teams[0][0].ticket;
        let polled = store.poll(own, &ann, now_ms).await.unwrap();
        let view = View::of(own, polled, &ann, None, now_ms).unwrap();
        assert_eq!((view.status, view.version > 1), (Status::Waiting, true));
        // Said again, it is too late, and changes nothing.
        let again = pong(&store, &NO_LEDGER, &clock, &queues, &this_match.id, &bob, 0).await.unwrap();
        assert!(matches!(again.reply, AnswerReply::TooLate(Some(_))), "{again:?}");
        assert_eq!(again.changed, Reclaimed::default());
    }

    #[tokio::test]
    async fn a_slow_second_phone_of_a_party_whose_first_was_heard_ends_nothing() {
        let (store, queues, this_match, now_ms) = checking().await;
        let ann: PlayerId = "ann".parse().unwrap();
        let clock = System::default();
        pong(&store, &NO_LEDGER, &clock, &queues, &this_match.id, &ann, now_ms).await.unwrap();
        let slow = pong(&store, &NO_LEDGER, &clock, &queues, &this_match.id, &ann, 0).await.unwrap();
        assert_eq!((status(&slow), slow.changed), (Status::Waiting, Reclaimed::default()));
        let stranger =
            pong(&store, &NO_LEDGER, &clock, &queues, &this_match.id, &"eve".parse().unwrap(), 0).await.unwrap();
        assert_eq!(stranger.reply, AnswerReply::Unknown);
    }
}
