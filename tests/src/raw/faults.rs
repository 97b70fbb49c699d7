//! What must be true of a pool's keys at every moment between two scripts: DESIGN section 1, in terms of what is stored.

use std::collections::{BTreeMap, BTreeSet};

use muster::domain::limits::PRIORITY_STEP_MS;

use super::{RawPool, TicketRecord};

fn keys<T>(map: &BTreeMap<String, T>) -> BTreeSet<&str> {
    map.keys().map(String::as_str).collect()
}

impl RawPool {
    /// Everything that is not as it must be, a line each.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        self.each_ticket_is_in_one_place(&mut faults);
        self.the_line_is_in_order(&mut faults);
        self.claims_are_whole(&mut faults);
        self.confirmed_matches_are_whole(&mut faults);
        self.lobbies_are_those_of_confirmed_matches(&mut faults);
        self.outcomes_will_be_forgotten(&mut faults);
        self.counters_add_up(&mut faults);
        self.the_outside_hears_once(&mut faults);
        faults
    }

    /// waiting, claimed and ended part the tickets; whoever lives has a time when last heard of, nobody else has.
    fn each_ticket_is_in_one_place(&self, faults: &mut Vec<String>) {
        let (waiting, claims, live, over) =
            (keys(&self.waiting), keys(&self.claims), keys(&self.tickets), keys(&self.results));
        for ticket in waiting.intersection(&claims) {
            faults.push(format!("{ticket} both waits and is claimed"));
        }
        for ticket in live.intersection(&over) {
            faults.push(format!("{ticket} both lives and is over"));
        }
        let somewhere: BTreeSet<&str> = waiting.union(&claims).copied().collect();
        for ticket in live.difference(&somewhere) {
            faults.push(format!("{ticket} lives, but neither waits nor is claimed"));
        }
        for ticket in somewhere.difference(&live) {
            faults.push(format!("{ticket} waits or is claimed, but has no record"));
        }
        for ticket in live.symmetric_difference(&keys(&self.seen)) {
            faults.push(format!("{ticket} is in only one of tickets and seen"));
        }
    }

    fn the_line_is_in_order(&self, faults: &mut Vec<String>) {
        for (ticket, order) in &self.waiting {
            let Some(TicketRecord { joined_ms, attempts, .. }) = self.tickets.get(ticket) else { continue };
            let expected = joined_ms.saturating_sub(if *attempts > 0 { PRIORITY_STEP_MS } else { 0 });
            if *order != expected {
                faults.push(format!("{ticket}: expected order {expected} after {attempts} attempts, found {order}"));
            }
        }
    }

    /// A claim belongs to a match under a lease, and such a match holds all its tickets.
    fn claims_are_whole(&self, faults: &mut Vec<String>) {
        for (ticket, this_match) in &self.claims {
            if !self.leases.contains_key(this_match) {
                faults.push(format!("{ticket} is claimed by {this_match}, which has no lease"));
            }
        }
        for (this_match, lease_ms) in &self.leases {
            let Some(record) = self.matches.get(this_match) else {
                faults.push(format!("{this_match} has a lease, but no record"));
                continue;
            };
            let given_up = record.state == "dropped";
            if record.state == "confirmed" || given_up != (*lease_ms == 0) {
                faults.push(format!("{this_match} is {}, but has a lease until {lease_ms}", record.state));
            }
            let members: BTreeSet<&str> = record.tickets().collect();
            let held: BTreeSet<&str> = self
                .claims
                .iter()
                .filter(|(_, holder)| *holder == this_match)
                .map(|(ticket, _)| ticket.as_str())
                .collect();
            if members != held {
                faults.push(format!("{this_match} has a lease and the members {members:?}, but holds {held:?}"));
            }
        }
    }

    /// A ticket is in at most one confirmed match, and a confirmed match is the outcome of all its tickets.
    fn confirmed_matches_are_whole(&self, faults: &mut Vec<String>) {
        let mut played: BTreeMap<&str, &str> = BTreeMap::new();
        for (this_match, record) in self.confirmed() {
            for ticket in record.tickets() {
                if let Some(other) = played.insert(ticket, this_match) {
                    faults.push(format!("{ticket} is in two confirmed matches, {other} and {this_match}"));
                }
                let outcome = self.results.get(ticket);
                if outcome.and_then(|outcome| outcome.this_match.as_deref()) != Some(this_match) {
                    faults.push(format!("{this_match} is confirmed, but its ticket {ticket} ended as {outcome:?}"));
                }
            }
        }
        for (ticket, outcome) in self.results.iter().filter(|(_, outcome)| outcome.status == "matched") {
            if played.get(ticket.as_str()).copied() != outcome.this_match.as_deref() {
                faults.push(format!("{ticket} is matched in {:?}, which does not have it", outcome.this_match));
            }
        }
    }

    /// No two live matches share a lobby.
    fn lobbies_are_those_of_confirmed_matches(&self, faults: &mut Vec<String>) {
        let meets: BTreeMap<String, u64> =
            self.matches.iter().filter_map(|(this_match, record)| Some((this_match.clone(), record.lobby?))).collect();
        if meets != self.lobbies {
            faults.push(format!("the lobbies are {:?}, but the matches say {meets:?}", self.lobbies));
        }
        for (this_match, record) in self.matches.iter().filter(|(_, record)| record.lobby.is_some()) {
            if record.state != "confirmed" {
                faults.push(format!("{this_match} is {}, but has a lobby", record.state));
            }
        }
        if self.lobbies.values().collect::<BTreeSet<_>>().len() != self.lobbies.len() {
            faults.push(format!("two matches share a lobby: {:?}", self.lobbies));
        }
    }

    fn outcomes_will_be_forgotten(&self, faults: &mut Vec<String>) {
        let leases = keys(&self.leases);
        let matches = keys(&self.matches);
        let finished = matches.difference(&leases).copied();
        let over: BTreeSet<&str> = keys(&self.results).into_iter().chain(finished).collect();
        for id in over.symmetric_difference(&keys(&self.forget)) {
            faults.push(format!("{id} is either over and never forgotten, or to be forgotten and not over"));
        }
    }

    /// Whoever joined lives or ended; the counters outlive what they count.
    fn counters_add_up(&self, faults: &mut Vec<String>) {
        let ended = self.stat("matched") + self.stat("cancelled") + self.stat("expired");
        if self.stat("joined") != ended + self.tickets.len() as u64 {
            let live = self.tickets.len();
            faults.push(format!("joined {} = ended {ended} + live {live} does not hold", self.stat("joined")));
        }
    }

    /// With an outbox: one entry for every confirmed match and one for every ticket that ended otherwise. A match may ask twice:
    /// first its phones, then its players.
    fn the_outside_hears_once(&self, faults: &mut Vec<String>) {
        let mut heard: BTreeSet<&str> = BTreeSet::new();
        for entry in self.outbox.iter().filter(|entry| matches!(entry.kind.as_str(), "matched" | "ended")) {
            if !heard.insert(&entry.id) {
                faults.push(format!("{} stands in the outbox twice", entry.id));
            }
        }
        if heard.is_empty() || self.told {
            return;
        }
        let ended = self.results.iter().filter(|(_, outcome)| outcome.status != "matched" && !outcome.is_buried());
        let notifications: BTreeSet<&str> = ended
            .map(|(ticket, _)| ticket.as_str())
            .chain(self.confirmed().map(|(this_match, _)| this_match))
            .collect();
        for id in notifications.difference(&heard) {
            faults.push(format!("{id} is over, but the outbox says nothing of it"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{MatchRecord, MemberRecord, OutboxEntry, OutcomeRecord, RawPool, TicketRecord};

    const JOINED_MS: u64 = 1_000_000;

    fn record() -> TicketRecord {
        let players = vec!["ann".to_owned()];
        TicketRecord {
            players,
            rating: 1.0,
            joined_ms: JOINED_MS,
            expires_ms: JOINED_MS + 1,
            attempts: 0,
            push: false,
            imported: 0,
        }
    }

    fn this_match(state: &str, tickets: &[&str]) -> MatchRecord {
        let member = |ticket: &&str| MemberRecord {
            ticket: (*ticket).to_owned(),
            players: Vec::new(),
            rating: 1.0,
            joined_ms: JOINED_MS,
            attempts: 0,
            ready: false,
            heard: Vec::new(),
            imported: 0,
        };
        let teams = tickets.iter().map(|ticket| vec![member(ticket)]).collect();
        MatchRecord {
            state: state.to_owned(),
            created_ms: JOINED_MS,
            teams,
            later: Default::default(),
            verdicts: Default::default(),
            deadline_ms: None,
            lobby: None,
            declined_by: None,
        }
    }

    fn outcome(text: &str) -> OutcomeRecord {
        serde_json::from_str(text).unwrap()
    }

    /// `w` waits, `c1` and `c2` are claimed by `open`, `p1` and `p2` are matched in `played`, `x` was cancelled.
    fn sound() -> RawPool {
        let mut pool = RawPool::default();
        for live in ["w", "c1", "c2"] {
            pool.tickets.insert(live.to_owned(), record());
            pool.seen.insert(live.to_owned(), JOINED_MS);
        }
        pool.waiting.insert("w".to_owned(), JOINED_MS);
        for claimed in ["c1", "c2"] {
            pool.claims.insert(claimed.to_owned(), "open".to_owned());
        }
        pool.matches.insert("open".to_owned(), this_match("forming", &["c1", "c2"]));
        pool.leases.insert("open".to_owned(), JOINED_MS + 1);
        pool.matches.insert("played".to_owned(), this_match("confirmed", &["p1", "p2"]));
        for matched in ["p1", "p2"] {
            pool.results.insert(matched.to_owned(), outcome(r#"{"status":"matched","match":"played"}"#));
        }
        pool.results.insert("x".to_owned(), outcome(r#"{"status":"cancelled","reason":"player"}"#));
        for over in ["played", "p1", "p2", "x"] {
            pool.forget.insert(over.to_owned(), JOINED_MS + 2);
        }
        for (name, count) in [("joined", 6), ("matched", 2), ("cancelled", 1)] {
            pool.stats.insert(name.to_owned(), count);
        }
        for (kind, id) in [("matched", "played"), ("ended", "x")] {
            pool.outbox.push(OutboxEntry { kind: kind.to_owned(), id: id.to_owned(), body: String::new() });
        }
        pool
    }

    fn broken(damage: impl FnOnce(&mut RawPool)) -> String {
        let mut pool = sound();
        damage(&mut pool);
        pool.faults().join("; ")
    }

    #[test]
    fn a_sound_pool_has_no_faults() {
        assert_eq!(sound().faults(), Vec::<String>::new());
    }

    #[test]
    fn every_kind_of_damage_is_found() {
        type Damage = fn(&mut RawPool);
        let cases: &[(&str, Damage)] = &[
            ("c1 both waits and is claimed", |p| {
                p.waiting.insert("c1".into(), JOINED_MS);
            }),
            ("p1 both lives and is over", |p| {
                p.tickets.insert("p1".into(), record());
            }),
            ("w lives, but neither waits nor is claimed", |p| {
                p.waiting.remove("w");
            }),
            ("w waits or is claimed, but has no record", |p| {
                p.tickets.remove("w");
            }),
            ("w is in only one of tickets and seen", |p| {
                p.seen.remove("w");
            }),
            ("w: expected order 1000000 after 0", |p| {
                p.waiting.insert("w".into(), 7);
            }),
            ("c1 is claimed by open, which has no lease", |p| {
                p.leases.remove("open");
            }),
            ("open has a lease, but no record", |p| {
                p.matches.remove("open");
            }),
            ("open is confirmed, but has a lease", |p| {
                p.matches.insert("open".into(), this_match("confirmed", &["c1", "c2"]));
            }),
            ("open is dropped, but has a lease until 1000001", |p| {
                p.matches.insert("open".into(), this_match("dropped", &["c1", "c2"]));
            }),
            ("but holds {\"c1\"}", |p| {
                p.claims.remove("c2");
            }),
            ("p1 is in two confirmed matches, again and played", |p| {
                p.matches.insert("again".into(), this_match("confirmed", &["p1"]));
            }),
            ("played is confirmed, but its ticket p2 ended as None", |p| {
                p.results.remove("p2");
            }),
            ("p1 is matched in Some(\"played\"), which does not have it", |p| {
                p.matches.insert("played".into(), this_match("confirmed", &["p2"]));
            }),
            ("the lobbies are {\"played\": 7}", |p| {
                p.lobbies.insert("played".into(), 7);
            }),
            ("open is forming, but has a lobby", |p| {
                p.matches.get_mut("open").into_iter().for_each(|this_match| this_match.lobby = Some(7));
                p.lobbies.insert("open".into(), 7);
            }),
            ("two matches share a lobby", |p| {
                p.matches.values_mut().for_each(|this_match| this_match.lobby = Some(7));
                p.lobbies = [("open".to_owned(), 7), ("played".to_owned(), 7)].into();
            }),
            ("x is either over and never forgotten", |p| {
                p.forget.remove("x");
            }),
            ("joined 7 = ended 3 + live 3 does not hold", |p| {
                p.stats.insert("joined".into(), 7);
            }),
            ("x stands in the outbox twice", |p| p.outbox.push(p.outbox[1].clone())),
            ("played is over, but the outbox says nothing", |p| {
                p.outbox.remove(0);
            }),
        ];
        for (expected, damage) in cases {
            let found = broken(damage);
            assert!(found.contains(expected), "expected {expected:?}, found {found:?}");
        }
    }
}
