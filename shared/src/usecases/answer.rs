//! A party answers the match that asks it: is your phone there, do you want to play? Any player of a party speaks for it.
//!
//! The last yes confirms the match in the same step, so that all parties are in it or none. One no ends it at once: the
//! others go back to the head of the line. Whoever says nothing until the deadline has said no.
//!
//! Round trips: three (the answer, then the match and the ticket as they are now), four where a no takes the match apart. Where
//! it is the last yes two more of the store, to note waits and that the ledger knows, and those of the ledger's decision: the
//! player hears of the match no earlier.

use super::settle::{Ask, settle};
use super::view::View;
use crate::domain::{MatchId, MatchState, PlayerId, PlayerResponse, Queues};
use crate::ports::{Answered, Clock, Ledger, Reclaimed, Step, Store, StoreError};

/// How it went.
#[derive(Debug, Clone, PartialEq)]
pub enum AnswerReply {
    /// It counts. The player's ticket as it is now.
    Noted(View),
    /// The match does not ask any more. The player's ticket as it is now, if it is still known.
    TooLate(Option<View>),
    /// No such match, or not this player's.
    Unknown,
}

impl AnswerReply {
    /// The player's ticket as it is now, if it is known.
    pub fn view(self) -> Option<View> {
        match self {
            Self::Noted(view) => Some(view),
            Self::TooLate(view) => view,
            Self::Unknown => None,
        }
    }
}

/// What an answer came to.
#[derive(Debug, Clone, PartialEq)]
pub struct AnswerDone {
    /// For the player.
    pub reply: AnswerReply,
    /// What this very call took apart; nothing if it came second.
    pub changed: Reclaimed,
    /// How long the tickets waited that this very call matched, in milliseconds.
    pub waits_ms: Vec<u64>,
    /// Matches that the ledger called void.
    pub voids: usize,
}

/// Takes a player's word.
///
/// # Errors
/// The store does not answer; saying it again is safe.
pub async fn answer(
    store: &impl Store,
    ledger: &impl Ledger,
    clock: &impl Clock,
    queues: &Queues,
    id: &MatchId,
    player: &PlayerId,
    word: PlayerResponse,
) -> Result<AnswerDone, StoreError> {
    let now_ms = clock.now_ms();
    let rules = queues.rules(&id.pool);
    let proposed_until_ms = rules.and_then(|rules| rules.accept_until_ms(now_ms));
    let answered = store.answer(id, player, word, now_ms, proposed_until_ms).await?;
    clock.reached(Step::Answered).await;
    let mut done =
        AnswerDone { reply: AnswerReply::Unknown, changed: Reclaimed::default(), waits_ms: Vec::new(), voids: 0 };
    match answered {
        Answered::Unknown => return Ok(done),
        // Taken apart at once, so that nobody waits for a look at the pool. If this fails, the next look does it.
        Answered::Noted(MatchState::Dropped) | Answered::Before(MatchState::Dropped) => {
            done.changed = store.reclaim(&id.pool, now_ms).await?;
        }
        Answered::Noted(_) | Answered::Before(_) | Answered::TooLate => {}
    }
    let this_match = store.find_match(id).await?;
    if let (Answered::Noted(MatchState::Confirmed), Some(this_match)) = (answered, &this_match) {
        done.waits_ms = this_match.members().map(|member| now_ms.saturating_sub(member.joined_ms)).collect();
        store.note_waits(&id.pool, &done.waits_ms).await?;
    }
    let own =
        this_match.as_ref().and_then(|this_match| this_match.member_of(player)).map(|member| member.ticket.clone());
    let view = match own {
        Some(ticket) => {
            let (polled, voids) = settle(store, ledger, (&ticket, player), rules, Ask::Now, now_ms).await?;
            done.voids = voids;
            View::of(&ticket, polled, player, rules, now_ms)
        }
        None => None,
    };
    done.reply = match (answered, view) {
        (Answered::Noted(_) | Answered::Before(_), Some(view)) => AnswerReply::Noted(view),
        (Answered::TooLate, view) => AnswerReply::TooLate(view),
        // Noted, and forgotten before it could be read: ten minutes have passed in between.
        (Answered::Noted(_) | Answered::Before(_), None) | (Answered::Unknown, _) => AnswerReply::Unknown,
    };
    Ok(done)
}
