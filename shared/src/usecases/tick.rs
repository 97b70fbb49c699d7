//! One look at a pool: snapshot, form, claim exactly what was formed, confirm.
//!
//! Nothing is claimed to look at it: a ticket that finds no match never leaves the line. Any number of ticks may run at once
//! on one pool: for each match the store says whether all its tickets were still free.
//!
//! Round trips: 2 (upkeep and snapshot of up to a page), 1 for each further page, 1 for each batch of matches, 1 to note the
//! waits of those who were matched. Queues that claim first: 1 more for each batch. Matches that ask their parties are claimed
//! and asked in 1; the last answer confirms them.
//!
//! Of further pages, and of batches, the next is under way while the answer to the one before is read: the store need not wait
//! for us, nor we for it.

use futures::future::try_join;
use futures::stream::{self, StreamExt, TryStreamExt};

use crate::domain::limits::{
    CALLS_UNDER_WAY_MAX, CLAIM_BATCH_TICKETS, SNAPSHOT_PAGE_TICKETS, SNAPSHOT_TICKETS_MAX, SWEEP_CALLS_MAX,
};
use crate::domain::matching::{self, Candidate, Group};
use crate::domain::{Match, MatchId, MatchState, Member, PoolId, Rules};
use crate::ports::{Claim, Clock, Ids, Matches, Page, Statistics, Step, StoreError, Upkeep};

/// How matches are made, apart from the rules of the queue.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How long a claim holds, in milliseconds.
    pub lease_ms: u64,
    /// Tickets of one claim call.
    pub claim_batch_tickets: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self { lease_ms: 10_000, claim_batch_tickets: CLAIM_BATCH_TICKETS }
    }
}

/// What a tick did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ticked {
    /// Tickets looked at.
    pub waiting: usize,
    /// Tickets in line that this version cannot read; of several ticks, the most in one.
    pub unreadable: usize,
    /// Matches that ask their parties.
    pub asked: usize,
    /// Matches confirmed.
    pub matches: usize,
    /// Tickets in them.
    pub matched: usize,
    /// Matches that others were faster with.
    pub lost: usize,
    /// How long each of these tickets waited, in milliseconds.
    pub waits_ms: Vec<u64>,
    /// Matches taken apart because their leases ran out.
    pub reclaimed: usize,
    /// Of these, matches whose matcher died.
    pub crashed: usize,
    /// Tickets that went back into line.
    pub requeued: usize,
    /// Tickets that ended by a verdict, or because they fell silent.
    pub cancelled: usize,
    /// Tickets that ended because they waited too long.
    pub expired: usize,
    /// The call of the store that failed and so ended this early. What was done before it counts.
    pub failed: Option<StoreError>,
}

impl Ticked {
    /// Ends early: with what was done, or with the failure alone if nothing was.
    fn or_failed(mut self, error: StoreError) -> Result<Self, StoreError> {
        if self == Self::default() {
            return Err(error);
        }
        self.failed = Some(error);
        Ok(self)
    }
}

impl Ticked {
    /// Whether anything happened that the outside must hear.
    pub fn tells(&self) -> bool {
        self.matches + self.asked + self.reclaimed + self.cancelled + self.expired > 0
    }
}

impl std::ops::AddAssign for Ticked {
    fn add_assign(&mut self, other: Self) {
        self.waiting += other.waiting;
        self.unreadable = self.unreadable.max(other.unreadable);
        self.asked += other.asked;
        self.matches += other.matches;
        self.matched += other.matched;
        self.lost += other.lost;
        self.waits_ms.extend(other.waits_ms);
        self.reclaimed += other.reclaimed;
        self.crashed += other.crashed;
        self.requeued += other.requeued;
        self.cancelled += other.cancelled;
        self.expired += other.expired;
        self.failed = self.failed.take().or(other.failed);
    }
}

/// Looks at a pool once.
///
/// # Errors
/// The store does not answer, and nothing was done. Whatever was claimed by then comes back when its lease runs out.
pub async fn tick(
    store: &(impl Matches + Statistics + Upkeep),
    ids: &impl Ids,
    clock: &impl Clock,
    pool: &PoolId,
    rules: &Rules,
    pace: Pace,
) -> Result<Ticked, StoreError> {
    let now_ms = clock.now_ms();
    let mut done = upkeep(store, pool, rules, now_ms).await?;
    if done.failed.is_some() {
        return Ok(done);
    }
    let Page { candidates, looked } = match snapshot(store, pool).await {
        Ok(line) => line,
        Err(error) => return done.or_failed(error),
    };
    (done.waiting, done.unreadable) = (candidates.len(), looked - candidates.len());

    let groups = matching::form(&candidates, rules, now_ms);
    let batches = batches(groups, &candidates, ids, pool, rules, pace.claim_batch_tickets, now_ms);
    let plays = batches.map(|(asks, matches)| play(store, clock, rules, pace, asks, matches));
    let mut played = stream::iter(plays).buffered(CALLS_UNDER_WAY_MAX);
    while let Some(batch) = played.next().await {
        match batch {
            Ok(batch) => done += batch,
            Err(error) => {
                done.failed = Some(error);
                break;
            }
        }
    }
    drop(played);
    if !done.waits_ms.is_empty()
        && let Err(error) = store.note_waits(pool, &done.waits_ms).await
    {
        done.failed = Some(error);
    }
    Ok(done)
}

/// Reclaims and expires until nothing is due, within a bound.
///
/// # Errors
/// The store does not answer, and nothing was done.
pub async fn upkeep(store: &impl Upkeep, pool: &PoolId, rules: &Rules, now_ms: u64) -> Result<Ticked, StoreError> {
    let mut done = Ticked::default();
    for _ in 0..SWEEP_CALLS_MAX {
        let both = try_join(store.reclaim(pool, now_ms), store.expire(pool, rules, now_ms)).await;
        let (reclaimed, expired) = match both {
            Ok(both) => both,
            Err(error) => return done.or_failed(error),
        };
        done.reclaimed += reclaimed.matches;
        done.crashed += reclaimed.crashed;
        done.requeued += reclaimed.requeued;
        done.cancelled += reclaimed.cancelled + expired.abandoned;
        done.expired += expired.expired;
        if reclaimed.matches + expired.expired + expired.abandoned + expired.forgotten == 0 {
            break;
        }
    }
    Ok(done)
}

async fn snapshot(store: &impl Matches, pool: &PoolId) -> Result<Page, StoreError> {
    let mut line = store.snapshot(pool, 0, SNAPSHOT_PAGE_TICKETS).await?;
    // Most pools are one page. Where there are more, the next is asked for before it is known that this was not the last.
    if line.looked < SNAPSHOT_PAGE_TICKETS {
        return Ok(line);
    }
    let offsets = (SNAPSHOT_PAGE_TICKETS..SNAPSHOT_TICKETS_MAX).step_by(SNAPSHOT_PAGE_TICKETS);
    let pages = offsets.map(|offset| store.snapshot(pool, offset, SNAPSHOT_PAGE_TICKETS));
    let mut pages = stream::iter(pages).buffered(CALLS_UNDER_WAY_MAX);
    while let Some(page) = pages.try_next().await? {
        let last = page.looked < SNAPSHOT_PAGE_TICKETS;
        line.looked += page.looked;
        line.candidates.extend(page.candidates);
        if last {
            break;
        }
    }
    Ok(line)
}

/// Matches for one call.
#[derive(Default)]
struct Batch {
    matches: Vec<Match>,
    tickets: usize,
}

impl Batch {
    /// Adds a match; what was there before, if there is no room for it beside that.
    fn add(&mut self, this_match: Match, tickets_max: usize) -> Option<Vec<Match>> {
        let size = this_match.members().count();
        let full = self.tickets + size > tickets_max && !self.matches.is_empty();
        let before = full.then(|| std::mem::take(self).matches);
        self.tickets += size;
        self.matches.push(this_match);
        before
    }
}

/// What a match asks its parties first, and how long they have to answer, in milliseconds; none if it asks nothing.
type Question = Option<(MatchState, u64)>;

/// The groups as matches, in batches of a call each. Made when they are asked for: those before are under way meanwhile.
///
/// All matches of a call ask the same.
fn batches<'a>(
    groups: Vec<Group>,
    candidates: &'a [Candidate],
    ids: &'a impl Ids,
    pool: &'a PoolId,
    rules: &'a Rules,
    tickets_max: usize,
    now_ms: u64,
) -> impl Iterator<Item = (Question, Vec<Match>)> + 'a {
    let mut open: Vec<(Question, Batch)> = Vec::new();
    let mut groups = groups.into_iter();
    std::iter::from_fn(move || {
        for group in groups.by_ref() {
            let asks = question(&group, candidates, rules);
            let this_match =
                this_match(&group, candidates, rules, MatchId::new(pool.clone(), ids.unique()), asks, now_ms);
            let at = open.iter().position(|(question, _)| *question == asks).unwrap_or_else(|| {
                open.push((asks, Batch::default()));
                open.len() - 1
            });
            if let Some(full) = open[at].1.add(this_match, tickets_max) {
                return Some((asks, full));
            }
        }
        open.pop().map(|(asks, rest)| (asks, rest.matches))
    })
}

/// A match that checks phones waits for the slowest of those that it must hear.
fn question(group: &Group, candidates: &[Candidate], rules: &Rules) -> Question {
    let members = group.teams.iter().flatten();
    let check_ms = members.filter_map(|i| rules.check_ms(candidates[*i].ticket.push)).max();
    let check = check_ms.map(|ms| (MatchState::Checking, ms));
    check.or(rules.acceptance_ms.map(|ms| (MatchState::Proposed, ms)))
}

/// A match as it begins; if it checks phones, a ticket whose phones need not be heard is ready.
fn this_match(
    group: &Group,
    candidates: &[Candidate],
    rules: &Rules,
    id: MatchId,
    asks: Question,
    now_ms: u64,
) -> Match {
    let state = asks.map_or(MatchState::Forming, |(state, _)| state);
    let member = |i: &usize| {
        let ticket = &candidates[*i].ticket;
        let ready = state == MatchState::Checking && rules.check_ms(ticket.push).is_none();
        Member { ready, ..Member::of(ticket) }
    };
    let teams = group.teams.iter().map(|team| team.iter().map(member).collect()).collect();
    Match { id, state, created_ms: now_ms, teams, deadline_ms: None, lobby: None }
}

/// Takes a batch of formed matches as far as they get.
async fn play(
    store: &impl Matches,
    clock: &impl Clock,
    rules: &Rules,
    pace: Pace,
    asks: Question,
    mut matches: Vec<Match>,
) -> Result<Ticked, StoreError> {
    let formed = matches.len();
    if let Some((_, answer_ms)) = asks {
        let deadline_ms = clock.now_ms() + answer_ms;
        matches.iter_mut().for_each(|this_match| this_match.deadline_ms = Some(deadline_ms));
        let claims = store.claim(&matches, deadline_ms).await?;
        let asked = held(matches, &claims).len();
        clock.reached(Step::Claimed).await;
        return Ok(Ticked { asked, lost: formed - asked, ..Ticked::default() });
    }
    if rules.claim_first {
        let claims = store.claim(&matches, clock.now_ms() + pace.lease_ms).await?;
        matches = held(matches, &claims);
        clock.reached(Step::Claimed).await;
    }
    matches.iter_mut().for_each(|this_match| this_match.state = MatchState::Confirmed);
    let now_ms = clock.now_ms();
    let claims = if rules.claim_first {
        store.confirm(&matches, now_ms).await?
    } else {
        store.match_now(&matches, now_ms).await?
    };
    let confirmed = held(matches, &claims);
    clock.reached(Step::Confirmed).await;
    let waits_ms: Vec<u64> =
        confirmed.iter().flat_map(Match::members).map(|member| now_ms.saturating_sub(member.joined_ms)).collect();
    Ok(Ticked {
        lost: formed - confirmed.len(),
        matches: confirmed.len(),
        matched: waits_ms.len(),
        waits_ms,
        ..Ticked::default()
    })
}

fn held(matches: Vec<Match>, claims: &[Claim]) -> Vec<Match> {
    matches
        .into_iter()
        .zip(claims)
        .filter(|(_, claim)| **claim == Claim::Held)
        .map(|(this_match, _)| this_match)
        .collect()
}
