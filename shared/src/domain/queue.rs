//! A game mode and its rules, checked as a whole: every problem is reported at once.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::ids::{PoolId, QueueName, Region};
use super::limits::{
    ACCEPTANCE_MS_MAX, ACCEPTANCE_MS_MIN, COOLDOWN_MS_MAX, KEEP_MS, PING_MS_MAX, PLAYERS_PER_MATCH_MAX,
    POLL_TIMEOUT_MS_MAX, POLL_TIMEOUT_MS_MIN, POOLS_MAX, QUEUES_MAX, REGIONS_PER_QUEUE_MAX,
};
use super::lobby::{self, Tag};
use super::rating::RatingRules;
use super::window::Window;

/// How a queue matches.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Teams of a match.
    pub teams: usize,
    /// Players of a team.
    pub team_size: usize,
    /// Rating of a player who names none.
    pub rating_default: f64,
    /// Lowest rating that a join may name.
    pub rating_min: f64,
    /// Highest rating that a join may name.
    pub rating_max: f64,
    /// Whom a ticket accepts, by how long it has waited.
    pub window: Window,
    /// How long a ticket waits before it expires, in milliseconds.
    pub ttl_ms: u64,
    /// A ticket not heard of for so long is not put into matches, in milliseconds; see [`Rules::presence_ms`].
    pub presence_ms: u64,
    /// A ticket not heard of for so long is cancelled, in milliseconds.
    pub abandon_ms: u64,
    /// Claim under a lease first and confirm in a second step, instead of both at once. For queues with work to do in between.
    pub claim_first: bool,
    /// Ask phones that can be pinged whether they are there before anything else; none to trust that they are.
    pub ping: Option<Ping>,
    /// Wait for the next poll of phones that cannot be pinged, before anything else, at most so long, in milliseconds; none to
    /// trust that they are there.
    pub poll_timeout_ms: Option<u64>,
    /// How long players may take to accept a match, in milliseconds; none to ask nobody.
    pub acceptance_ms: Option<u64>,
    /// Who says no or nothing too often waits outside; none to forgive.
    pub cooldown: Option<Cooldown>,
    /// Where ratings come from, and how results move them.
    pub ratings: RatingRules,
}

/// The check of a phone before its match goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ping {
    /// How long the phone may take to be heard, in milliseconds.
    pub timeout_ms: u64,
    /// A longer way from us to the phone and back means that it is not fit to play, in milliseconds.
    pub round_trip_max_ms: u64,
}

impl Default for Ping {
    fn default() -> Self {
        Self { timeout_ms: 2_000, round_trip_max_ms: 500 }
    }
}

/// What becomes of players who decline, or do not answer, again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cooldown {
    /// So many matches refused within `for_ms` are too many.
    pub after: u32,
    /// How long it then takes, from the last one, until the player may join again, in milliseconds.
    pub for_ms: u64,
}

impl Default for Rules {
    /// One against one on an Elo-like scale.
    fn default() -> Self {
        Self {
            teams: 2,
            team_size: 1,
            rating_default: 1_500.0,
            rating_min: 0.0,
            rating_max: 10_000.0,
            window: Window { initial: 50.0, growth_per_s: 10.0, cap: 500.0, deadline_ms: 60_000 },
            ttl_ms: 300_000,
            presence_ms: 15_000,
            abandon_ms: 60_000,
            claim_first: false,
            ping: None,
            poll_timeout_ms: None,
            acceptance_ms: None,
            cooldown: None,
            ratings: RatingRules::default(),
        }
    }
}

/// Longest time to live of a ticket, in milliseconds: as long as its outcome is remembered. What the store has forgotten and the
/// ledger has not heard of must not come back to life.
pub const TTL_MS_MAX: u64 = KEEP_MS;

impl Rules {
    /// Players of a match.
    pub fn match_size(&self) -> usize {
        self.teams * self.team_size
    }

    /// How long after it was heard of a ticket may be put into matches, in milliseconds. Where its phone is told over a
    /// connection (`push`), the connection speaks for it until it is given up.
    pub fn presence_ms(&self, push: bool) -> u64 {
        if push { self.abandon_ms } else { self.presence_ms }
    }

    /// How long the phones of a ticket may take to be heard once its match is formed, in milliseconds; none where they are not
    /// checked.
    pub fn check_ms(&self, push: bool) -> Option<u64> {
        if push { self.ping.map(|ping| ping.timeout_ms) } else { self.poll_timeout_ms }
    }

    /// Until when players may accept a match that is proposed at `now_ms`; none where nobody is asked.
    pub fn accept_until_ms(&self, now_ms: u64) -> Option<u64> {
        self.acceptance_ms.map(|ms| now_ms + ms)
    }

    /// Everything wrong with these rules, each as one line that says what was expected and found.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut need = |good: bool, line: String| {
            if !good {
                problems.push(line);
            }
        };
        let Self {
            teams,
            team_size,
            rating_default,
            rating_min,
            rating_max,
            window,
            ttl_ms,
            presence_ms,
            abandon_ms,
            claim_first,
            ping,
            poll_timeout_ms,
            acceptance_ms,
            cooldown,
            // Checked as they are read: each of its parts is lawful by its type.
            ratings: _,
        } = self;
        need(*teams >= 1, format!("teams: expected at least 1, found {teams}"));
        need(*team_size >= 1, format!("team_size: expected at least 1, found {team_size}"));
        let size = teams.saturating_mul(*team_size);
        need(
            (2..=PLAYERS_PER_MATCH_MAX).contains(&size),
            format!("teams x team_size: expected 2 to {PLAYERS_PER_MATCH_MAX} players, found {size}"),
        );
        let rating_ok = rating_min.is_finite() && rating_max.is_finite() && rating_min < rating_max;
        need(rating_ok, format!("rating_min, rating_max: expected rising numbers, found {rating_min}, {rating_max}"));
        need(
            (*rating_min..=*rating_max).contains(rating_default),
            format!("rating_default: expected {rating_min} to {rating_max}, found {rating_default}"),
        );
        let Window { initial, growth_per_s, cap, deadline_ms } = window;
        need(*initial >= 0.0 && initial.is_finite(), format!("window.initial: expected 0 or more, found {initial}"));
        need(
            *growth_per_s >= 0.0 && growth_per_s.is_finite(),
            format!("window.growth_per_s: expected 0 or more, found {growth_per_s}"),
        );
        need(cap >= initial && cap.is_finite(), format!("window.cap: expected {initial} or more, found {cap}"));
        need(
            deadline_ms <= ttl_ms,
            format!("window.deadline_ms: expected at most ttl_ms {ttl_ms}, found {deadline_ms}"),
        );
        need((1..=TTL_MS_MAX).contains(ttl_ms), format!("ttl_ms: expected 1 to {TTL_MS_MAX}, found {ttl_ms}"));
        need(*presence_ms >= 1, format!("presence_ms: expected at least 1, found {presence_ms}"));
        need(
            abandon_ms >= presence_ms,
            format!("abandon_ms: expected presence_ms {presence_ms} or more, found {abandon_ms}"),
        );
        need(
            !claim_first || (ping.is_none() && poll_timeout_ms.is_none() && acceptance_ms.is_none()),
            "claim_first: expected false in a queue that asks its players or checks their phones, found true".into(),
        );
        if let Some(found) = acceptance_ms {
            need(
                (ACCEPTANCE_MS_MIN..=ACCEPTANCE_MS_MAX).contains(found),
                format!("acceptance_ms: expected {ACCEPTANCE_MS_MIN} to {ACCEPTANCE_MS_MAX}, found {found}"),
            );
        }
        if let Some(found) = poll_timeout_ms {
            need(
                (POLL_TIMEOUT_MS_MIN..=POLL_TIMEOUT_MS_MAX).contains(found),
                format!("poll_timeout_ms: expected {POLL_TIMEOUT_MS_MIN} to {POLL_TIMEOUT_MS_MAX}, found {found}"),
            );
        }
        if let Some(Ping { timeout_ms, round_trip_max_ms }) = ping {
            need(
                (1..=PING_MS_MAX).contains(timeout_ms),
                format!("ping_timeout_ms: expected 1 to {PING_MS_MAX}, found {timeout_ms}"),
            );
            need(
                (1..=*timeout_ms).contains(round_trip_max_ms),
                format!(
                    "ping_round_trip_max_ms: expected 1 to ping_timeout_ms {timeout_ms}, found {round_trip_max_ms}"
                ),
            );
        }
        if let Some(Cooldown { after, for_ms }) = cooldown {
            need(*after >= 1, format!("cooldown_after: expected at least 1, found {after}"));
            need(
                (1..=COOLDOWN_MS_MAX).contains(for_ms),
                format!("cooldown_ms: expected 1 to {COOLDOWN_MS_MAX}, found {for_ms}"),
            );
        }
        problems
    }
}

/// A game mode, where it is played, and its rules.
#[derive(Debug, Clone, PartialEq)]
pub struct Queue {
    /// `ranked-1v1`
    pub name: QueueName,
    /// Each makes a pool of its own.
    pub regions: Vec<Region>,
    /// How it matches.
    pub rules: Rules,
}

/// All queues of a deployment, and the pools that have closed: those take no joins, and are matched, swept and read until the
/// last ticket in them has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Queues {
    by_name: BTreeMap<QueueName, Queue>,
    closed: BTreeMap<PoolId, Rules>,
    tags: BTreeMap<Tag, PoolId>,
}

/// Why a request names no pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoSuchPool {
    /// No queue of that name.
    Queue,
    /// The queue is not played in that region.
    Region,
}

impl Queues {
    /// A deployment's queues.
    ///
    /// # Errors
    /// Every problem of every queue, a line each.
    pub fn new(queues: Vec<Queue>) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        if !(1..=QUEUES_MAX).contains(&queues.len()) {
            problems.push(format!("queues: expected 1 to {QUEUES_MAX}, found {}", queues.len()));
        }
        let mut by_name = BTreeMap::new();
        for queue in queues {
            let name = queue.name.clone();
            problems.extend(queue.rules.problems().into_iter().map(|line| format!("queue {name}: {line}")));
            let regions = queue.regions.len();
            if !(1..=REGIONS_PER_QUEUE_MAX).contains(&regions) {
                problems.push(format!("queue {name}: regions: expected 1 to {REGIONS_PER_QUEUE_MAX}, found {regions}"));
            }
            if queue.regions.iter().enumerate().any(|(i, region)| queue.regions[..i].contains(region)) {
                problems.push(format!("queue {name}: regions: expected each once, found one twice"));
            }
            if by_name.insert(name.clone(), queue).is_some() {
                problems.push(format!("queue {name}: expected every name once, found it twice"));
            }
        }
        let pool = |queue: &Queue, region: &Region| PoolId::new(&queue.name, region);
        let pools: Vec<PoolId> =
            by_name.values().flat_map(|queue| queue.regions.iter().map(move |region| pool(queue, region))).collect();
        if pools.len() > POOLS_MAX {
            problems.push(format!(
                "queues: expected at most {POOLS_MAX} pools, queues times regions, found {}",
                pools.len()
            ));
        }
        if problems.is_empty() {
            Ok(Self { by_name, closed: BTreeMap::new(), tags: lobby::tags(pools) })
        } else {
            Err(problems)
        }
    }

    /// The same with the pools of `queues` closed, but for those that are open here. Of a pool that is named twice the first
    /// counts.
    #[must_use]
    pub fn with_closed(mut self, queues: impl IntoIterator<Item = Queue>) -> Self {
        for queue in queues {
            for region in &queue.regions {
                let pool = PoolId::new(&queue.name, region);
                if self.pool(pool.queue(), pool.region()).is_err() {
                    self.closed.entry(pool).or_insert_with(|| queue.rules.clone());
                }
            }
        }
        self.tags = lobby::tags(self.pools().map(|(pool, _)| pool).collect());
        self
    }

    /// The pool whose lobby codes begin with a tag.
    pub fn tagged(&self, tag: Tag) -> Option<&PoolId> {
        self.tags.get(&tag)
    }

    /// The tag that a pool's lobby codes begin with.
    pub fn tag(&self, pool: &PoolId) -> Option<Tag> {
        self.tags.iter().find_map(|(tag, tagged)| (tagged == pool).then_some(*tag))
    }

    /// The open pool of a queue in a region, and its rules.
    ///
    /// # Errors
    /// Which of the two names is unknown.
    pub fn pool(&self, queue: &str, region: &str) -> Result<(PoolId, &Rules), NoSuchPool> {
        let queue = self.by_name.values().find(|q| q.name.as_str() == queue).ok_or(NoSuchPool::Queue)?;
        let region = queue.regions.iter().find(|r| r.as_str() == region).ok_or(NoSuchPool::Region)?;
        Ok((PoolId::new(&queue.name, region), &queue.rules))
    }

    /// The rules of a pool, if it is one of this deployment's, open or closed.
    pub fn rules(&self, pool: &PoolId) -> Option<&Rules> {
        let open = self.pool(pool.queue(), pool.region()).ok().map(|(_, rules)| rules);
        open.or_else(|| self.closed.get(pool))
    }

    /// Whether a pool takes no joins any more.
    pub fn is_closed(&self, pool: &PoolId) -> bool {
        self.closed.contains_key(pool)
    }

    /// Every pool with its rules: the open ones in the order of their names, then the closed ones.
    pub fn pools(&self) -> impl Iterator<Item = (PoolId, &Rules)> {
        let open = self.by_name.values();
        let open = open.flat_map(|q| q.regions.iter().map(|region| (PoolId::new(&q.name, region), &q.rules)));
        open.chain(self.closed.iter().map(|(pool, rules)| (pool.clone(), rules)))
    }

    /// Every open queue, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Queue> {
        self.by_name.values()
    }
}
