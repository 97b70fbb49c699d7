//! What is going on among the phones right now: for the live display, and to tell who is left over.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::plan::{Mode, Party};

/// Counts of players, and of requests.
#[derive(Debug)]
pub struct Board {
    pools: Vec<Pool>,
    /// Players who have a ticket, or had one.
    pub joined: AtomicUsize,
    /// Players who saw their match.
    pub matched: AtomicUsize,
    /// Players whose ticket ended otherwise.
    pub ended: AtomicUsize,
    /// Requests sent.
    pub requests: AtomicUsize,
    /// Requests that had to be sent again because nobody answered or the server could not work.
    pub failures: AtomicUsize,
    /// Joins that were sent again because the ticket was not known any more.
    pub rejoins: AtomicUsize,
}

#[derive(Debug)]
struct Pool {
    match_size: usize,
    /// Players who have not joined yet, or wait and may still be matched.
    unsettled: AtomicUsize,
    /// Parties whose join has no answer yet.
    joining: AtomicUsize,
}

impl Board {
    /// A board for these parties.
    pub fn new(modes: &[Mode], parties: &[Party]) -> Self {
        let pool = |(index, mode): (usize, &Mode)| {
            let here = || parties.iter().filter(move |party| party.mode == index);
            Pool {
                match_size: mode.match_size(),
                unsettled: AtomicUsize::new(here().map(|party| party.players.len()).sum()),
                joining: AtomicUsize::new(here().count()),
            }
        };
        Self {
            pools: modes.iter().enumerate().map(pool).collect(),
            joined: AtomicUsize::new(0),
            matched: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            failures: AtomicUsize::new(0),
            rejoins: AtomicUsize::new(0),
        }
    }

    /// A party's join was answered, or given up.
    pub fn joined(&self, party: &Party, accepted: bool) {
        self.pools[party.mode].joining.fetch_sub(1, Relaxed);
        if accepted {
            self.joined.fetch_add(party.players.len(), Relaxed);
        } else {
            self.pools[party.mode].unsettled.fetch_sub(party.players.len(), Relaxed);
        }
    }

    /// One player of a party saw the end of its ticket.
    pub fn settled(&self, party: &Party, matched: bool) {
        self.pools[party.mode].unsettled.fetch_sub(1, Relaxed);
        if matched { &self.matched } else { &self.ended }.fetch_add(1, Relaxed);
    }

    /// Whether too few players are left in this mode for another match. Never true while somebody may still join. Players
    /// who are matched but have not seen it count as left, so this errs towards waiting.
    pub fn left_over(&self, mode: usize) -> bool {
        let pool = &self.pools[mode];
        pool.joining.load(Relaxed) == 0 && pool.unsettled.load(Relaxed) < pool.match_size
    }
}
