//! Every call of every port, named once, for stand-ins that are put between a use case and a store.
//!
//! `every_call!(stand_in)` hands the list to the macro `stand_in!`, which needs the names of this module in scope.

pub(crate) use muster::domain::{
    CancelReason, Event, Match, MatchId, MatchResult, PlayerId, PlayerResponse, PoolId, Profile, Rules, Ticket,
    TicketId,
};
pub(crate) use muster::ports::{
    Answered, Bid, Cancelled, Claim, Dropped, Entry, Expired, JobRun, Joined, Leadership, Led, Ledger, Matches, Noted,
    Outbox, Page, Pinged, Players, Polled, PoolStatus, Pools, Probe, Profiles, Proposals, Put, Recalled, Reclaimed,
    Recorded, Removed, Reserved, Resigned, Results, ResultsPage, Statistics, StoreResult, Terms, Tickets, Upkeep,
};

macro_rules! every_call {
    ($stand_in:ident) => {
        $stand_in! {
            Tickets {
                fn join(ticket: &Ticket, now_ms: u64) -> Joined;
                fn tombstone(ticket: &TicketId, now_ms: u64) -> Probe;
                fn poll(ticket: &TicketId, player: &PlayerId, now_ms: u64) -> Polled;
                fn cancel(ticket: &TicketId, player: &PlayerId, now_ms: u64) -> Cancelled;
                fn find_match(id: &MatchId) -> Option<Match>;
            }
            Players {
                fn reserve(player: &PlayerId, ticket: &TicketId, dead: Option<&TicketId>, terms: &Terms) -> Reserved;
                fn penalize(player: &PlayerId, ticket: &TicketId, at_ms: u64, keep_ms: u64) -> ();
                fn unreserve(player: &PlayerId, ticket: &TicketId) -> ();
            }
            Matches {
                fn snapshot(pool: &PoolId, offset: usize, limit: usize) -> Page;
                fn match_now(matches: &[Match], now_ms: u64) -> Vec<Claim>;
                fn claim(matches: &[Match], lease_ms: u64) -> Vec<Claim>;
                fn confirm(matches: &[Match], now_ms: u64) -> Vec<Claim>;
                fn drop_match(id: &MatchId, verdicts: &[(TicketId, CancelReason)], now_ms: u64) -> Dropped;
            }
            Leadership {
                fn lead(pool: &PoolId, bid: &Bid<'_>) -> Led;
                fn resign(pool: &PoolId, token: &str, if_idle: bool, ran: Option<&JobRun>) -> Resigned;
            }
            Statistics {
                fn note_waits(pool: &PoolId, waits_ms: &[u64]) -> ();
            }
            Proposals {
                fn answer(id: &MatchId, player: &PlayerId, word: PlayerResponse, now_ms: u64, proposed_until_ms: Option<u64>) -> Answered;
                fn find_lobby(pool: &PoolId, number: u32) -> Option<Match>;
            }
            Upkeep {
                fn reclaim(pool: &PoolId, now_ms: u64) -> Reclaimed;
                fn expire(pool: &PoolId, rules: &Rules, now_ms: u64) -> Expired;
                fn remove(pool: &PoolId) -> Removed;
            }
            Pools {
                fn status(pool: &PoolId, now_ms: u64, ran: Option<&JobRun>) -> PoolStatus;
                fn ping() -> Pinged;
            }
            Ledger {
                fn note_join(ticket: &Ticket) -> Noted;
                fn record(events: &[Event]) -> Vec<Recorded>;
                fn decide(this_match: &Match) -> Recorded;
                fn imported(ticket: &Ticket) -> Option<u32>;
                fn reachable() -> ();
            }
            Profiles {
                fn profiles(players: &[PlayerId]) -> Vec<Option<Profile>>;
                fn put_profile(player: &PlayerId, profile: &Profile) -> Put;
            }
            Results {
                fn result(id: &MatchId) -> Option<MatchResult>;
                fn put_result(result: &MatchResult) -> Put;
                fn results(after: Option<&str>) -> ResultsPage;
            }
            Outbox {
                fn take(pool: &PoolId, limit: usize, idle_ms: u64) -> Vec<Entry>;
                fn void(
                    pool: &PoolId, this_match: Option<&MatchId>, free: &[Ticket], over: &[TicketId], entry: Option<&str>, now_ms: u64
                ) -> usize;
                fn stands(ticket: &TicketId) -> ();
                fn acknowledge(pool: &PoolId, ids: &[String]) -> ();
                fn put_off(pool: &PoolId, ids: &[String]) -> ();
                fn recall(pool: &PoolId, after: Option<&str>, limit: usize) -> Recalled;
                fn dead_letter(pool: &PoolId, ids: &[String]) -> ();
                fn dead_letters(pool: &PoolId, limit: usize) -> Vec<(String, String)>;
                fn redrive(pool: &PoolId, limit: usize) -> usize;
            }
        }
    };
}
pub(crate) use every_call;
