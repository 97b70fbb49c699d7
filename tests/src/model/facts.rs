//! The model: what was done, what was seen before, and what may not be seen next.

use std::collections::{BTreeMap, BTreeSet};

use muster::domain::{CancelReason, MatchState, PlayerId, PlayerResponse, PoolId, TicketState, Unique};

use super::seen::{Seen, SeenMatch, SeenTicket};

/// What somebody does, as far as the model cares.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Deed {
    Join(Vec<PlayerId>),
    Poll(Unique, PlayerId),
    Cancel(Unique, PlayerId),
    Answer(Unique, PlayerId, PlayerResponse),
    Unplug(Unique, Unique),
    Tick,
    Sweep,
    Drain,
}

/// How a pool asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asks {
    /// Its players must accept.
    pub acceptance: bool,
}

/// Everything that the model knows.
#[derive(Debug, Default)]
pub struct Facts {
    /// What was seen last, by pool.
    pub pools: BTreeMap<PoolId, Seen>,
    /// What each ticket was when it was first seen.
    born: BTreeMap<(PoolId, Unique), SeenTicket>,
    /// Words that were said, whether they arrived or not: match, ticket, word.
    said: BTreeSet<(Unique, Unique, &'static str)>,
    /// Tickets that somebody asked for: as good as a pong.
    polled: BTreeSet<Unique>,
    /// Tickets that somebody of them cancelled.
    cancelled: BTreeSet<Unique>,
    /// Tickets called disconnected by whoever cannot reach them.
    unplugged: BTreeSet<Unique>,
    /// How often each step of a ticket or a match was seen.
    pub met: BTreeMap<String, usize>,
}

impl Facts {
    /// Somebody begins to do something in a pool.
    pub fn begins(&mut self, pool: &PoolId, deed: &Deed) {
        match deed {
            Deed::Answer(this_match, player, word) => {
                if let Some(ticket) = self.ticket_of(pool, *this_match, player) {
                    self.said.insert((*this_match, ticket, word.as_str()));
                }
            }
            Deed::Poll(ticket, _) => drop(self.polled.insert(*ticket)),
            Deed::Cancel(ticket, _) => drop(self.cancelled.insert(*ticket)),
            Deed::Unplug(_, ticket) => drop(self.unplugged.insert(*ticket)),
            Deed::Join(_) | Deed::Tick | Deed::Sweep | Deed::Drain => {}
        }
    }

    fn ticket_of(&self, pool: &PoolId, this_match: Unique, player: &PlayerId) -> Option<Unique> {
        let members = &self.pools.get(pool)?.matches.get(&this_match)?.members;
        let has = |ticket: &&Unique| {
            self.born.get(&(pool.clone(), **ticket)).is_some_and(|born| born.players.contains(player))
        };
        members.keys().find(has).copied()
    }

    /// The pool as it is after one more store call. Everything that may not be, a line each.
    pub fn sees(&mut self, pool: &PoolId, asks: Asks, now_ms: u64, seen: Seen) -> Vec<String> {
        let before = self.pools.remove(pool).unwrap_or_default();
        let mut wrong = Vec::new();
        for (id, ticket) in &seen.tickets {
            match before.tickets.get(id) {
                Some(was) => self.a_ticket_goes_on(pool, *id, was, ticket, &before, now_ms, &mut wrong),
                None if ticket.state == TicketState::Waiting => {
                    drop(self.born.insert((pool.clone(), *id), ticket.clone()));
                }
                None => wrong.push(format!("ticket {id} begins as {:?}", ticket.state)),
            }
        }
        self.count(&before, &seen);
        for id in before.tickets.keys().filter(|id| !seen.tickets.contains_key(id)) {
            wrong.push(format!("ticket {id} is lost"));
        }
        for (id, this_match) in &seen.matches {
            self.a_match_goes_on(*id, before.matches.get(id), this_match, asks, &seen, &mut wrong);
        }
        for id in before.matches.keys().filter(|id| !seen.matches.contains_key(id)) {
            wrong.push(format!("match {id} is lost"));
        }
        self.pools.insert(pool.clone(), seen);
        self.one_live_ticket_a_player(&mut wrong);
        wrong
    }

    /// The pool as it is after one more store call, where a failover has made steps lawful that are not lawful otherwise.
    pub fn shows(&mut self, pool: &PoolId, seen: Seen) {
        let before = self.pools.remove(pool).unwrap_or_default();
        self.count(&before, &seen);
        self.pools.insert(pool.clone(), seen);
    }

    fn count(&mut self, before: &Seen, seen: &Seen) {
        let mut met = |step: String| *self.met.entry(step).or_default() += 1;
        for (id, is) in &seen.tickets {
            let Some(was) = before.tickets.get(id).filter(|was| was.state != is.state) else { continue };
            let reason = is.reason.map_or("", CancelReason::as_str);
            met(format!("ticket {} to {} {reason}", was.state.as_str(), is.state.as_str()).trim_end().to_owned());
        }
        for (id, is) in &seen.matches {
            let was = before.matches.get(id).map_or("nothing", |was| was.state.as_str());
            if was != is.state.as_str() {
                met(format!("match {was} to {}", is.state.as_str()));
            }
        }
    }

    #[allow(clippy::too_many_arguments, reason = "it looks at one ticket from all sides")]
    fn a_ticket_goes_on(
        &self,
        pool: &PoolId,
        id: Unique,
        was: &SeenTicket,
        is: &SeenTicket,
        before: &Seen,
        now_ms: u64,
        wrong: &mut Vec<String>,
    ) {
        let mut need = |good: bool, what: &str| {
            if !good {
                wrong.push(format!("ticket {id}: {what}: was {was:?}, is {is:?}"));
            }
        };
        if was.state.is_terminal() {
            need(was == is, "what is over changes no more");
            return;
        }
        need(was.state == is.state || was.state.may_become(is.state), "no lawful step");
        if let Some(born) = self.born.get(&(pool.clone(), id)).filter(|_| !is.state.is_terminal()) {
            need((&born.players, born.joined_ms) == (&is.players, is.joined_ms), "players and waiting time stay");
            let falls = u32::from(was.state == TicketState::Claimed && is.state == TicketState::Waiting);
            need(is.attempts == was.attempts + falls, "every match that falls through counts, and nothing else");
        }
        let held = was.this_match.and_then(|this_match| Some((this_match, before.matches.get(&this_match)?)));
        let silent_in = |state| {
            held.is_some_and(|(_, this_match)| {
                let lease_ms = this_match.lease_ms.unwrap_or_default();
                this_match.state == state
                    && lease_ms <= now_ms
                    && !this_match.members.get(&id).copied().unwrap_or_default()
            })
        };
        let said = |word| held.is_some_and(|(this_match, _)| self.said.contains(&(this_match, id, word)));
        match is.reason {
            Some(CancelReason::Player) => need(self.cancelled.contains(&id), "nobody cancelled it"),
            Some(CancelReason::Declined) => {
                need(said("decline") || self.cancelled.contains(&id), "nobody of it declined");
            }
            Some(CancelReason::NoAnswer) => need(silent_in(MatchState::Proposed), "it had time, or had answered"),
            Some(CancelReason::Disconnected) => {
                let known = self.unplugged.contains(&id) || silent_in(MatchState::Checking);
                need(known, "it could be reached");
            }
            Some(CancelReason::NotificationFailed) => need(false, "no push fails here"),
            Some(CancelReason::Abandoned) => need(was.state == TicketState::Waiting, "its match decides"),
            Some(CancelReason::Superseded) => need(false, "it lived"),
            Some(CancelReason::Other) => need(false, "there is one version"),
            None => {}
        }
    }

    fn a_match_goes_on(
        &self,
        id: Unique,
        was: Option<&SeenMatch>,
        is: &SeenMatch,
        asks: Asks,
        seen: &Seen,
        wrong: &mut Vec<String>,
    ) {
        use MatchState::{Checking, Confirmed, Dropped, Forming, Proposed};
        let mut need = |good: bool, what: &str| {
            if !good {
                wrong.push(format!("match {id}: {what}: was {was:?}, is {is:?}"));
            }
        };
        let from = was.map(|was| was.state);
        let lawful = match from {
            None => is.state != Dropped,
            Some(from) if from == is.state => true,
            Some(Forming) => matches!(is.state, Confirmed | Dropped),
            Some(Checking) => matches!(is.state, Proposed | Confirmed | Dropped),
            Some(Proposed) => matches!(is.state, Confirmed | Dropped),
            Some(Confirmed | Dropped | MatchState::Other) => false,
        };
        need(lawful, "no lawful step");
        let members = was.map_or(&is.members, |was| &was.members);
        need(members.keys().eq(is.members.keys()), "who plays stays");
        for (ticket, ready) in &is.members {
            let newly = *ready && was.is_some_and(|was| !was.members.get(ticket).copied().unwrap_or_default());
            let said = match is.state {
                Checking => self.said.contains(&(id, *ticket, "pong")) || self.polled.contains(ticket),
                _ => self.said.contains(&(id, *ticket, "accept")),
            };
            need(!newly || said, "somebody is ready who did not say so");
        }
        if is.state == Confirmed {
            let whole = |ticket: &Unique| {
                let found = seen.tickets.get(ticket);
                found.is_some_and(|found| found.state == TicketState::Matched && found.this_match == Some(id))
            };
            need(is.members.keys().all(whole), "a confirmed match is the outcome of all its tickets");
            need(is.lobby.is_some(), "whoever plays meets in a lobby");
            if asks.acceptance && from != Some(Confirmed) {
                need(from == Some(Proposed), "nobody was asked");
                let agreed = is.members.keys().all(|ticket| self.said.contains(&(id, *ticket, "accept")));
                need(agreed, "somebody did not accept");
            }
            need(
                from == Some(Confirmed) || was.is_none_or(|was| was.lease_ms.is_some_and(|ms| ms > 0)),
                "a lost lease",
            );
        } else {
            let matched = seen.tickets.values().any(|t| t.state == TicketState::Matched && t.this_match == Some(id));
            need(!matched, "somebody is matched in a match that is not confirmed");
        }
    }

    fn one_live_ticket_a_player(&self, wrong: &mut Vec<String>) {
        let mut live: BTreeMap<&PlayerId, Unique> = BTreeMap::new();
        let tickets = self.pools.values().flat_map(|seen| &seen.tickets);
        for (id, ticket) in tickets.filter(|(_, ticket)| !ticket.state.is_terminal()) {
            for player in &ticket.players {
                if let Some(other) = live.insert(player, *id) {
                    wrong.push(format!("{player} lives twice, in {other} and {id}"));
                }
            }
        }
    }
}
