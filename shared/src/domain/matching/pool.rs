//! The tickets of one tick, small and sorted.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, DefaultHasher};

use super::super::ids::TicketId;
use super::super::queue::Rules;
use super::Candidate;

/// What the search needs of a ticket, and nothing else: a candidate is large, and this is read many times over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Waiting {
    /// Where its party stands.
    pub rating: f64,
    /// How far it may look now; infinite past its deadline.
    pub reach: f64,
    /// What it costs to leave it waiting, in player-points: see [`super::price`].
    pub price: f64,
    /// When it joined, less its priority.
    pub order: u64,
    /// Players of its party.
    pub size: usize,
    /// Which of the pool's party sizes that is: see [`super::shapes`].
    pub kind: usize,
    /// Its place in the line of all tickets by rating.
    pub rank: usize,
    /// Its place among the candidates.
    pub index: usize,
}

impl Waiting {
    /// Whether its deadline has passed: it may meet anyone.
    pub fn is_past_deadline(&self) -> bool {
        self.reach == f64::INFINITY
    }
}

/// Ids of tickets that came back to the line. Its hashes have no random key: the core has no randomness.
type Returned<'a> = HashSet<&'a TicketId, BuildHasherDefault<DefaultHasher>>;

/// The candidates that may be matched now, by rating, then by their place in line, then by id.
///
/// Each ticket once: a snapshot is read in pages, and while others come back to the line between two pages, it may show
/// a ticket twice. It must not play against itself.
pub fn present(candidates: &[Candidate], rules: &Rules, now_ms: u64) -> Vec<Waiting> {
    let may = |candidate: &Candidate| {
        let ticket = &candidate.ticket;
        ticket.expires_ms > now_ms
            && candidate.last_seen_ms.saturating_add(rules.presence_ms(ticket.push)) >= now_ms
            && (1..=rules.team_size).contains(&ticket.party.size())
            // No store gives such a rating; one would make every sum of costs meaningless.
            && ticket.rating.is_finite()
    };
    let key = |(index, candidate): (usize, &Candidate)| (candidate.ticket.rating, candidate.ticket.order(), index);
    let mut line: Vec<(f64, u64, usize)> =
        candidates.iter().enumerate().filter(|(_, candidate)| may(candidate)).map(key).collect();
    line.sort_unstable_by(|a, b| {
        let (one, two) = (&candidates[a.2].ticket, &candidates[b.2].ticket);
        let latest = || one.id.cmp(&two.id).then(two.attempts.cmp(&one.attempts));
        a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).then_with(latest)
    });
    drop_twice(&mut line, candidates);
    let compact = |(rank, &(rating, order, index)): (usize, &(f64, u64, usize))| {
        let ticket = &candidates[index].ticket;
        let reach = rules.window.reach(ticket.waited_ms(now_ms));
        Waiting { rating, reach, price: 0.0, order, size: ticket.party.size(), kind: 0, rank, index }
    };
    line.iter().enumerate().map(compact).collect()
}

/// Drops all but the first record of each ticket, which is the latest: two records of a ticket are neighbours, that with more
/// attempts first, or the later one alone has attempts and is earlier in line.
fn drop_twice(line: &mut Vec<(f64, u64, usize)>, candidates: &[Candidate]) {
    let mut returned = Returned::default();
    let mut last = None;
    line.retain(|&(_, _, index)| {
        let ticket = &candidates[index].ticket;
        let twice = last == Some(&ticket.id) || returned.contains(&ticket.id);
        last = Some(&ticket.id);
        if ticket.attempts > 0 {
            returned.insert(&ticket.id);
        }
        !twice
    });
}
