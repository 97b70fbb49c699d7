//! A deployment without a ledger: `Option<L>` plays the ledger's roles, and `None` is the ledger that is not there. It takes
//! every note, remembers nothing, and as a place to join it is away. Nobody is reachable.

use super::connections::Connections;
use super::error::{StoreError, StoreResult};
use super::ledger::{Ledger, Noted, Recorded};
use super::players::{Players, Reserved, Terms};
use super::profiles::{Profiles, Results, ResultsPage};
use super::rulebook::{Put, Rulebook, RulesVersion};
use super::tickets::{Cancelled, Joined, Polled, Probe, Tickets};
use crate::domain::{Event, Match, MatchId, MatchResult, PlayerId, Profile, Ticket, TicketId};

fn away<T>() -> StoreResult<T> {
    Err(StoreError::Unavailable("no ledger is configured".into()))
}

impl<L: Ledger> Ledger for Option<L> {
    async fn note_join(&self, ticket: &Ticket) -> StoreResult<Noted> {
        match self {
            Some(ledger) => ledger.note_join(ticket).await,
            None => Ok(Noted::Waits),
        }
    }

    async fn record(&self, events: &[Event]) -> StoreResult<Vec<Recorded>> {
        match self {
            Some(ledger) => ledger.record(events).await,
            None => Ok(vec![Recorded::Done; events.len()]),
        }
    }

    async fn decide(&self, this_match: &Match) -> StoreResult<Recorded> {
        match self {
            Some(ledger) => ledger.decide(this_match).await,
            None => Ok(Recorded::Done),
        }
    }

    async fn imported(&self, ticket: &Ticket) -> StoreResult<Option<u32>> {
        match self {
            Some(ledger) => ledger.imported(ticket).await,
            None => Ok(Some(0)),
        }
    }

    async fn reachable(&self) -> StoreResult<()> {
        match self {
            Some(ledger) => ledger.reachable().await,
            None => away(),
        }
    }
}

impl<L: Tickets> Tickets for Option<L> {
    async fn join(&self, ticket: &Ticket, now_ms: u64) -> StoreResult<Joined> {
        match self {
            Some(ledger) => ledger.join(ticket, now_ms).await,
            None => away(),
        }
    }

    async fn tombstone(&self, ticket: &TicketId, now_ms: u64) -> StoreResult<Probe> {
        match self {
            Some(ledger) => ledger.tombstone(ticket, now_ms).await,
            None => away(),
        }
    }

    async fn poll(&self, ticket: &TicketId, player: &PlayerId, now_ms: u64) -> StoreResult<Polled> {
        match self {
            Some(ledger) => ledger.poll(ticket, player, now_ms).await,
            None => Ok(Polled::Unknown),
        }
    }

    async fn cancel(&self, ticket: &TicketId, player: &PlayerId, now_ms: u64) -> StoreResult<Cancelled> {
        match self {
            Some(ledger) => ledger.cancel(ticket, player, now_ms).await,
            None => away(),
        }
    }

    async fn find_match(&self, id: &MatchId) -> StoreResult<Option<Match>> {
        match self {
            Some(ledger) => ledger.find_match(id).await,
            None => Ok(None),
        }
    }
}

impl<L: Players> Players for Option<L> {
    async fn reserve(
        &self,
        player: &PlayerId,
        ticket: &TicketId,
        dead: Option<&TicketId>,
        terms: &Terms,
    ) -> StoreResult<Reserved> {
        match self {
            Some(ledger) => ledger.reserve(player, ticket, dead, terms).await,
            None => away(),
        }
    }

    async fn penalize(&self, player: &PlayerId, ticket: &TicketId, at_ms: u64, keep_ms: u64) -> StoreResult<()> {
        match self {
            Some(ledger) => ledger.penalize(player, ticket, at_ms, keep_ms).await,
            None => Ok(()),
        }
    }

    async fn unreserve(&self, player: &PlayerId, ticket: &TicketId) -> StoreResult<()> {
        match self {
            Some(ledger) => ledger.unreserve(player, ticket).await,
            None => away(),
        }
    }
}

impl<L: Connections> Connections for Option<L> {
    async fn connect(&self, player: &PlayerId, connection: &str, since_ms: u64) -> StoreResult<()> {
        match self {
            Some(ledger) => ledger.connect(player, connection, since_ms).await,
            None => Ok(()),
        }
    }

    async fn disconnect(&self, player: &PlayerId, connection: &str) -> StoreResult<()> {
        match self {
            Some(ledger) => ledger.disconnect(player, connection).await,
            None => Ok(()),
        }
    }

    async fn connections_of(&self, players: &[PlayerId]) -> StoreResult<Vec<Option<String>>> {
        match self {
            Some(ledger) => ledger.connections_of(players).await,
            None => Ok(vec![None; players.len()]),
        }
    }

    async fn unreached(&self, this_match: &MatchId, players: &[PlayerId]) -> StoreResult<()> {
        match self {
            Some(ledger) => ledger.unreached(this_match, players).await,
            None => Ok(()),
        }
    }
}

impl<L: Rulebook> Rulebook for Option<L> {
    async fn current_rules(&self) -> StoreResult<Option<RulesVersion>> {
        match self {
            Some(ledger) => ledger.current_rules().await,
            None => Ok(None),
        }
    }

    async fn put_rules(&self, rules: &RulesVersion) -> StoreResult<Put> {
        match self {
            Some(ledger) => ledger.put_rules(rules).await,
            None => away(),
        }
    }

    async fn rules_version(&self, version: u64) -> StoreResult<Option<RulesVersion>> {
        match self {
            Some(ledger) => ledger.rules_version(version).await,
            None => Ok(None),
        }
    }
}

impl<L: Profiles> Profiles for Option<L> {
    async fn profiles(&self, players: &[PlayerId]) -> StoreResult<Vec<Option<Profile>>> {
        match self {
            Some(ledger) => ledger.profiles(players).await,
            None => away(),
        }
    }

    async fn put_profile(&self, player: &PlayerId, profile: &Profile) -> StoreResult<Put> {
        match self {
            Some(ledger) => ledger.put_profile(player, profile).await,
            None => away(),
        }
    }
}

impl<L: Results> Results for Option<L> {
    async fn result(&self, id: &MatchId) -> StoreResult<Option<MatchResult>> {
        match self {
            Some(ledger) => ledger.result(id).await,
            None => away(),
        }
    }

    async fn put_result(&self, result: &MatchResult) -> StoreResult<Put> {
        match self {
            Some(ledger) => ledger.put_result(result).await,
            None => away(),
        }
    }

    async fn results(&self, after: Option<&str>) -> StoreResult<ResultsPage> {
        match self {
            Some(ledger) => ledger.results(after).await,
            None => away(),
        }
    }
}
