//! Decides matches: a ticket is in at most one confirmed match, and a match is confirmed or void for ever.
//!
//! A match's own item is the decision, written once. To carry a match:
//!
//! 1. Mark each of its tickets as matched by it, all at once; each only if the ticket waits in the life (import count) from
//!    which the match was formed, or is marked by this match already.
//! 2. All marked: write the decision `confirmed`. Any refused: write the decision `void`. Either only if there is none.
//! 3. If the decision is void, by whomever: take the marks off again, each only if it is still this match's.
//!
//! A crash anywhere is mended by whoever carries the match next; every step may be repeated. A mark says nothing until its
//! match is decided: whoever must get past an undecided one decides `void` (step 2), which is safe because nobody was told, and
//! takes the mark off (step 3). A mark of a void match may come late, from a slow carrier; it says nothing either.
//!
//! Invariants: a decision never changes. A mark of a confirmed match never goes. A ticket has one mark at a time. So of all
//! matches of a ticket at most one is confirmed.
//!
//! Absent on purpose: transactions, which cost twice the write units. A match costs a write for each ticket and one for itself.

use futures::future::try_join_all;

use super::client::{Condition, DynamoDb, Updated, Written};
use super::item::{self, Decision, Item, Stored, mode_text, number, text};
use crate::domain::event::EVERY_LIFE;
use crate::domain::{EndedTicket, Match, MatchId, Member, Outcome, Ticket, TicketState};
use crate::ports::{Clock, Ended, Fate, Mode, Recorded, StoreError};

/// How often a write starts anew because the ticket changes under it.
const ROUNDS_MAX: usize = 5;

/// A ticket, with what its mark is worth.
pub(super) enum Existing {
    /// It waits; also under the mark of a match that is void or undecided.
    Waiting(Ticket),
    /// It is over, and was in this match if it was matched.
    Finished(Ended),
}

fn state(state: TicketState) -> aws_sdk_dynamodb::types::AttributeValue {
    text(state.as_str())
}

impl<C: Clock> DynamoDb<C> {
    /// The decision about a match, if there is one.
    pub(super) async fn decision(&self, id: &MatchId) -> Result<Option<Decision>, StoreError> {
        self.get(&id.to_string()).await?.as_ref().map(item::read_decision).transpose()
    }

    /// The match with this id, if it is played.
    pub(super) async fn get_match(&self, id: &MatchId) -> Result<Option<Match>, StoreError> {
        Ok(match self.decision(id).await? {
            Some(Decision::Confirmed(this_match)) => Some(this_match),
            Some(Decision::Void) | None => None,
        })
    }

    /// What the item of a ticket says.
    pub(super) async fn known(&self, found: &Item) -> Result<Existing, StoreError> {
        let finished = match Stored::read(found)? {
            Stored::Waiting(ticket, _) => return Ok(Existing::Waiting(ticket)),
            Stored::Finished(finished) => finished,
        };
        let Outcome::Matched(this_match) = &finished.outcome else {
            return Ok(Existing::Finished(item::ended(finished, None)));
        };
        match self.get_match(this_match).await? {
            Some(this_match) => Ok(Existing::Finished(item::ended(finished, Some(this_match)))),
            None => item::read_waiting(found).map(|(ticket, _)| Existing::Waiting(ticket)),
        }
    }

    /// Carries a match.
    pub(super) async fn carry(&self, this_match: &Match) -> Result<Recorded, StoreError> {
        let marked = try_join_all(this_match.members().map(|member| self.mark(this_match, member))).await?;
        let decided = match marked.iter().all(|marked| *marked) {
            true => self.write_decision(item::write_confirmed(this_match)).await?,
            false => self.write_decision(item::write_void(&this_match.id, self.clock.now_ms())).await?,
        };
        match decided {
            Decision::Confirmed(_) => Ok(Recorded::Done),
            Decision::Void => Ok(Recorded::Void(
                try_join_all(this_match.members().map(|member| self.fate(this_match, member))).await?,
            )),
        }
    }

    /// Writes a decision unless there is one; the one that stands.
    async fn write_decision(&self, decision: Item) -> Result<Decision, StoreError> {
        let ours = item::read_decision(&decision)?;
        let absent = Condition::new("attribute_not_exists(#pk)", Vec::new());
        match self.put_if(decision, absent).await? {
            Written::Done => Ok(ours),
            Written::Refused(Some(old)) => item::read_decision(&old),
            Written::Refused(None) => Err(item::corrupt("a decision stood in the way, and is not there")),
        }
    }

    /// Whether a match is played. If nobody has decided, it is not, from here on.
    async fn is_played(&self, id: &MatchId) -> Result<bool, StoreError> {
        let decided = match self.decision(id).await? {
            Some(decided) => decided,
            None => self.write_decision(item::write_void(id, self.clock.now_ms())).await?,
        };
        Ok(matches!(decided, Decision::Confirmed(_)))
    }

    /// Takes the mark of a match that is not played off a ticket. The ticket as it is then.
    async fn take_off(&self, ticket: &str, this_match: &MatchId) -> Result<Updated, StoreError> {
        let values = vec![
            (":waiting", state(TicketState::Waiting)),
            (":matched", state(TicketState::Matched)),
            (":match", text(this_match)),
        ];
        let own = Condition::new("#status = :matched AND #match = :match", values);
        self.update_if(ticket, "SET #status = :waiting REMOVE #match, #ended_ms", own).await
    }

    /// Whether a ticket now bears the mark of this match.
    async fn mark(&self, this_match: &Match, member: &Member) -> Result<bool, StoreError> {
        let key = member.ticket.to_string();
        for _ in 0..ROUNDS_MAX {
            let (update, mut values) = item::mark_update(this_match, member);
            values.push((":waiting", state(TicketState::Waiting)));
            let mut free = Condition::new(
                "attribute_not_exists(#pk) OR (#status = :matched AND #match = :match) \
                 OR (#status = :waiting AND attribute_not_exists(#imported))",
                values,
            );
            if member.imported > 0 {
                free.text = "attribute_not_exists(#pk) OR (#status = :matched AND #match = :match) \
                     OR (#status = :waiting AND #imported = :imported)";
                free.values.push((":imported", number(member.imported)));
            }
            let Updated::Refused(Some(old)) = self.update_if(&key, update, free).await? else { return Ok(true) };
            match Stored::read(&old)? {
                Stored::Finished(EndedTicket { outcome: Outcome::Matched(other), .. }) => {
                    if self.is_played(&other).await? {
                        return Ok(false);
                    }
                    self.take_off(&key, &other).await?;
                }
                Stored::Waiting(..) | Stored::Finished(_) => return Ok(false),
            }
        }
        Err(changing(&key))
    }

    /// What is left of a ticket of a match that is void.
    async fn fate(&self, this_match: &Match, member: &Member) -> Result<Fate, StoreError> {
        let key = member.ticket.to_string();
        let mut bears = this_match.id.clone();
        for _ in 0..ROUNDS_MAX {
            let found = match self.take_off(&key, &bears).await? {
                Updated::Done(found) | Updated::Refused(Some(found)) => found,
                Updated::Refused(None) => return Ok(Fate::Free(this_match.ticket_of(member))),
            };
            match Stored::read(&found)? {
                Stored::Waiting(ticket, _) => return Ok(Fate::Free(ticket)),
                Stored::Finished(EndedTicket { outcome: Outcome::Matched(other), .. }) => {
                    if self.is_played(&other).await? {
                        return Ok(Fate::Finished);
                    }
                    bears = other;
                }
                Stored::Finished(_) => return Ok(Fate::Finished),
            }
        }
        Err(changing(&key))
    }

    /// Ends a ticket without a match, unless it has ended in one.
    pub(super) async fn end(&self, ended: &EndedTicket) -> Result<Recorded, StoreError> {
        let key = ended.ticket.to_string();
        for _ in 0..ROUNDS_MAX {
            let mut open = Condition::new(
                "attribute_not_exists(#pk) OR #status <> :matched",
                vec![(":matched", state(TicketState::Matched))],
            );
            if ended.imported != EVERY_LIFE {
                open.values.push((":waiting", state(TicketState::Waiting)));
                open.text = "attribute_not_exists(#pk) OR (#status <> :matched \
                     AND (#status <> :waiting OR attribute_not_exists(#imported)))";
            }
            if ended.imported != EVERY_LIFE && ended.imported > 0 {
                open.text = "attribute_not_exists(#pk) OR (#status <> :matched \
                     AND (#status <> :waiting OR #imported = :imported))";
                open.values.push((":imported", number(ended.imported)));
            }
            let Written::Refused(Some(old)) = self.put_if(item::write_ended(ended), open).await? else {
                return Ok(Recorded::Done);
            };
            match Stored::read(&old)? {
                Stored::Finished(EndedTicket { outcome: Outcome::Matched(other), .. }) => {
                    if self.is_played(&other).await? {
                        return Ok(Recorded::Finished);
                    }
                    self.take_off(&key, &other).await?;
                }
                // News of a life that the store has lost: the ticket was brought back since.
                Stored::Waiting(..) => return Ok(Recorded::Done),
                Stored::Finished(_) => return Err(changing(&key)),
            }
        }
        Err(changing(&key))
    }

    /// Counts one more life of a ticket, unless it is over. Every match that tried for it before is void from here on. Whoever
    /// brings back the same life at the same time counts nothing.
    pub(super) async fn import(&self, ticket: &Ticket) -> Result<Option<u32>, StoreError> {
        let key = ticket.id.to_string();
        for _ in 0..ROUNDS_MAX {
            let values = vec![
                (":waiting", state(TicketState::Waiting)),
                (":normal", text(mode_text(Mode::Normal))),
                (":one", number(1)),
            ];
            let mut waits = Condition::new("#status = :waiting AND attribute_not_exists(#imported)", values);
            if ticket.imported > 0 {
                waits.text = "#status = :waiting AND #imported = :imported";
                waits.values.push((":imported", number(ticket.imported)));
            }
            // Counted in the item, so that the stream tells of it and the doorbell rings: there may be no matcher.
            let old = match self.update_if(&key, "SET #mode = :normal ADD #imported :one", waits).await? {
                Updated::Done(found) => return item::read_waiting(&found).map(|(ticket, _)| Some(ticket.imported)),
                Updated::Refused(None) => return Ok(None),
                Updated::Refused(Some(old)) => old,
            };
            match Stored::read(&old)? {
                Stored::Finished(EndedTicket { outcome: Outcome::Matched(other), .. }) => {
                    if self.is_played(&other).await? {
                        return Ok(None);
                    }
                    self.take_off(&key, &other).await?;
                }
                Stored::Finished(_) => return Ok(None),
                Stored::Waiting(found, _) => return Ok(Some(found.imported)),
            }
        }
        Err(changing(&key))
    }
}

fn changing(key: &str) -> StoreError {
    StoreError::Unavailable(format!("the ledger: {key} kept changing under {ROUNDS_MAX} rounds of a write"))
}
