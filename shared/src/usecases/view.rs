//! What a player may see of a ticket.

use crate::domain::limits::{
    AWAY_RETRY_MS, PLAYERS_PER_MATCH_MAX, PROPOSED_RETRY_MS, RESTORED_RETRY_MS, SETTLE_MS_MAX, SETTLE_RETRY_MS,
};
use crate::domain::pacing::retry_after_ms;
use crate::domain::{CancelReason, Match, MatchId, MatchState, Member, Outcome, PlayerId, Rules, Ticket, TicketId};
use crate::ports::{Ended, Estimate, Polled};

/// A ticket as its players see it.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// The ticket.
    pub ticket: TicketId,
    /// Where it is.
    pub status: Status,
    /// Grows with every change, so that a phone can drop notifications that are late or repeated.
    pub version: u64,
    /// Whether the ledger says so in place of the store, which is away.
    pub fallback: bool,
    /// When to ask again, in milliseconds. None once it is over.
    pub retry_after_ms: Option<u64>,
    /// How long it has waited, in milliseconds; none once it is over.
    pub waited_ms: Option<u64>,
    /// What the pool's recent matches promise.
    pub estimate: Estimate,
    /// What its match asks; none while nobody is asked.
    pub proposal: Option<Proposal>,
    /// The match, once it is confirmed.
    pub this_match: Option<Match>,
}

/// A match that asks its players, as one of them sees it: how many, not who.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The match.
    pub id: MatchId,
    /// Parties in it.
    pub parties: usize,
    /// Parties that have accepted.
    pub accepted: usize,
    /// Whether the player's own has.
    pub answered: bool,
    /// Until when to answer.
    pub deadline_ms: u64,
    /// How long that is from now, in milliseconds: a phone's clock may be wrong.
    pub left_ms: u64,
}

/// The public side of a ticket's state. That a match tries for a ticket without asking its players is nobody's business, so
/// a claimed ticket is waiting until it is proposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// In line.
    Waiting,
    /// Its players are asked.
    Proposed,
    /// In a match that is played.
    Matched,
    /// Ended, for this reason.
    Cancelled(CancelReason),
    /// Nobody was found in time.
    Expired,
}

impl Status {
    /// The status' stable text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Proposed => "proposed",
            Self::Matched => "matched",
            Self::Cancelled(_) => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// What a phone on a WebSocket is told happened, when its ticket comes to be this.
    pub fn event(self) -> &'static str {
        match self {
            Self::Waiting => "queued",
            other => other.as_str(),
        }
    }
}

/// Versions per round of a ticket: waiting, proposed, and one for each party that accepts. A match that falls through begins
/// the next round.
const VERSIONS_PER_ROUND: u64 = 2 + PLAYERS_PER_MATCH_MAX as u64;
/// Versions per life of a ticket: one that comes back from the ledger begins the next, since the store has lost the rounds
/// of the one before. No life has more rounds.
const VERSIONS_PER_LIFE: u64 = 10_000;
/// The version of a ticket that is over. It ends once, so this is later than any round; the rounds need not be known, and a
/// match that was formed from an old snapshot does not know them.
const VERSION_OVER: u64 = 1_000_000;

fn version((imported, attempts): (u32, u32), status: Status, accepted: usize) -> u64 {
    let in_life = (u64::from(attempts) * VERSIONS_PER_ROUND).min(VERSIONS_PER_LIFE - VERSIONS_PER_ROUND);
    let round = (u64::from(imported) * VERSIONS_PER_LIFE + in_life).min(VERSION_OVER - VERSIONS_PER_ROUND);
    match status {
        Status::Waiting => round + 1,
        Status::Proposed => round + 2 + accepted as u64,
        Status::Matched | Status::Cancelled(_) | Status::Expired => VERSION_OVER,
    }
}

/// A place in line.
struct InLine<'a> {
    ticket: &'a TicketId,
    joined_ms: u64,
    /// Its life, and its round in it.
    round: (u32, u32),
    push: bool,
}

impl<'a> InLine<'a> {
    fn of(member: &'a Member) -> Self {
        // A match does not know whose phone is connected: they are told to ask as those who are not.
        let round = (member.imported, member.attempts);
        Self { ticket: &member.ticket, joined_ms: member.joined_ms, round, push: false }
    }
}

impl View {
    /// A ticket in line, or held by a match that its players do not know of.
    pub fn waiting(ticket: &Ticket, estimate: Estimate, rules: Option<&Rules>, now_ms: u64) -> Self {
        let Ticket { id, joined_ms, attempts, push, imported, .. } = ticket;
        let line = InLine { ticket: id, joined_ms: *joined_ms, round: (*imported, *attempts), push: *push };
        Self::in_line(line, estimate, rules, now_ms)
    }

    /// The same, as the ledger says it in place of the store: its player sees that, and asks less often.
    pub fn by_ledger(self) -> Self {
        Self { fallback: true, retry_after_ms: self.retry_after_ms.map(|ms| ms.max(AWAY_RETRY_MS)), ..self }
    }

    /// The same, of a ticket that has just come back into the store: its player asks again soon.
    pub fn restored(self) -> Self {
        Self { retry_after_ms: self.retry_after_ms.map(|ms| ms.min(RESTORED_RETRY_MS)), ..self }
    }

    /// A member of a match that fell through, back in line.
    pub fn requeued(member: &Member, rules: Option<&Rules>, now_ms: u64) -> Self {
        let line = InLine { round: (member.imported, member.attempts + 1), ..InLine::of(member) };
        Self::in_line(line, Estimate::default(), rules, now_ms)
    }

    /// A member of a match that asks its players.
    pub fn proposed(this_match: &Match, member: &Member, rules: Option<&Rules>, now_ms: u64) -> Self {
        let mut view = Self::in_line(InLine::of(member), Estimate::default(), rules, now_ms);
        view.propose(this_match, (member.imported, member.attempts), now_ms);
        view
    }

    fn in_line(line: InLine<'_>, estimate: Estimate, rules: Option<&Rules>, now_ms: u64) -> Self {
        let waited_ms = now_ms.saturating_sub(line.joined_ms);
        // Without rules the queue is gone, and the ticket with it soon: no pace is wrong for it.
        let pause_ms = |rules: &Rules| retry_after_ms(waited_ms, estimate.p90_ms, line.push, rules);
        Self {
            ticket: line.ticket.clone(),
            status: Status::Waiting,
            version: version(line.round, Status::Waiting, 0),
            fallback: false,
            retry_after_ms: Some(rules.map_or_else(|| pause_ms(&Rules::default()), pause_ms)),
            waited_ms: Some(waited_ms),
            estimate,
            proposal: None,
            this_match: None,
        }
    }

    fn propose(&mut self, this_match: &Match, round: (u32, u32), now_ms: u64) {
        let deadline_ms = this_match.deadline_ms.unwrap_or(now_ms);
        let left_ms = deadline_ms.saturating_sub(now_ms);
        let (parties, accepted) = (this_match.members().count(), this_match.accepted());
        let answered = this_match.members().any(|member| member.ticket == self.ticket && member.ready);
        self.status = Status::Proposed;
        self.version = version(round, Status::Proposed, accepted);
        // Not before the deadline is over: until then nothing but an answer can change anything.
        self.retry_after_ms = Some(PROPOSED_RETRY_MS.min(left_ms + 1));
        self.proposal = Some(Proposal { id: this_match.id.clone(), parties, accepted, answered, deadline_ms, left_ms });
    }

    /// A ticket that is over, as one of its players sees it; none for anybody else.
    pub fn ended(ticket: &TicketId, ended: Ended, player: &PlayerId) -> Option<Self> {
        if !ended.players.contains(player) {
            return None;
        }
        let status = match ended.outcome {
            Outcome::Matched(_) => Status::Matched,
            Outcome::Cancelled(reason) => Status::Cancelled(reason),
            Outcome::Expired => Status::Expired,
        };
        Some(Self {
            ticket: ticket.clone(),
            status,
            version: VERSION_OVER,
            fallback: false,
            retry_after_ms: None,
            waited_ms: None,
            estimate: Estimate::default(),
            proposal: None,
            this_match: ended.played,
        })
    }

    /// A ticket in a match that the ledger has yet to hear of, as it was a moment ago: what a phone has read must not be
    /// taken back, should the store be lost. None for whom it is not.
    fn settling(
        id: &TicketId,
        finished: Ended,
        player: &PlayerId,
        rules: Option<&Rules>,
        since_ms: u64,
        now_ms: u64,
    ) -> Option<Self> {
        let Some(this_match) = &finished.played else { return Self::ended(id, finished, player) };
        let member = this_match.members().find(|member| member.ticket == *id && member.players.contains(player))?;
        let mut view = Self::in_line(InLine::of(member), Estimate::default(), rules, now_ms);
        if rules.is_some_and(|rules| rules.acceptance_ms.is_some()) {
            // All have said yes, or it would not be confirmed.
            let parties = this_match.members().count();
            let (id, deadline_ms) = (this_match.id.clone(), now_ms);
            view.status = Status::Proposed;
            view.version = version((member.imported, member.attempts), Status::Proposed, parties);
            view.proposal = Some(Proposal { id, parties, accepted: parties, answered: true, deadline_ms, left_ms: 0 });
        }
        let kept_ms = now_ms.saturating_sub(since_ms);
        view.retry_after_ms = Some(match SETTLE_MS_MAX.checked_sub(kept_ms) {
            Some(left_ms) => kept_ms.max(SETTLE_RETRY_MS).min(left_ms + 1),
            None => SETTLE_RETRY_MS,
        });
        Some(view)
    }

    /// What the store says of a ticket, as `player` sees it; none for a ticket that is not there or not theirs.
    pub fn of(id: &TicketId, polled: Polled, player: &PlayerId, rules: Option<&Rules>, now_ms: u64) -> Option<Self> {
        match polled {
            Polled::Waiting { ticket, estimate } => Some(Self::waiting(&ticket, estimate, rules, now_ms)),
            Polled::Claimed { ticket, this_match, estimate, .. } => {
                let mut view = Self::waiting(&ticket, estimate, rules, now_ms);
                if this_match.state == MatchState::Proposed {
                    view.propose(&this_match, (ticket.imported, ticket.attempts), now_ms);
                }
                Some(view)
            }
            Polled::Settling { finished, since_ms, .. } => {
                Self::settling(id, finished, player, rules, since_ms, now_ms)
            }
            Polled::Ended(finished) => Self::ended(id, finished, player),
            Polled::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_grow_with_every_change_also_when_the_end_knows_of_no_rounds() {
        let life = [
            ((0, 0), Status::Waiting, 0),
            ((0, 0), Status::Proposed, 0),
            ((0, 0), Status::Proposed, PLAYERS_PER_MATCH_MAX),
            ((0, 1), Status::Waiting, 0),
            ((0, 9), Status::Proposed, 1),
            // The store was lost with nine rounds, or with as many as there are.
            ((1, 0), Status::Waiting, 0),
            ((1, u32::MAX), Status::Proposed, PLAYERS_PER_MATCH_MAX),
            ((2, 0), Status::Waiting, 0),
        ];
        let versions: Vec<u64> = life.map(|(round, status, accepted)| version(round, status, accepted)).to_vec();
        assert!(versions.is_sorted_by(|earlier, later| earlier < later), "{versions:?}");
        // A match formed from a snapshot that is older than nine falls says 0 attempts.
        assert!(versions.iter().all(|before| *before < VERSION_OVER), "{versions:?}");
    }
}
