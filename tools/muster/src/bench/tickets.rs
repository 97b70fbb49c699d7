//! Who waits: solo players rated around 1500, from a seed, in a queue whose windows reach everybody.

use std::collections::HashSet;

use muster::domain::window::Window;
use muster::domain::{Party, PoolId, Queue, Queues, Rules, Ticket, TicketId};
use muster::ports::Ids;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, Normal};

use super::Error;

const QUEUE: &str = "ranked-1v1";
const REGION: &str = "eu";
const RATING_MEAN: f64 = 1_500.0;
const RATING_DEVIATION: f64 = 200.0;
/// The scale of the default rules. A window as wide as it reaches everybody.
pub const WINDOW: f64 = 10_000.0;

/// They joined within so long, in milliseconds: nobody counts as absent yet.
const JOINED_WITHIN_MS: u64 = 5_000;

/// The default rules for one against one, but that a ticket reaches everybody at once: every ticket can be matched.
pub fn rules() -> Rules {
    let usual = Rules::default();
    Rules { window: Window { initial: WINDOW, cap: WINDOW, ..usual.window }, ..usual }
}

/// The one queue, in one region.
///
/// # Errors
/// None, unless the rules above do not agree with each other.
pub fn queues() -> Result<(Queues, PoolId), Error> {
    let wrong = |problem: String| Error::Wrong(problem);
    let name = QUEUE.parse().map_err(|error| wrong(format!("{error}")))?;
    let region = REGION.parse().map_err(|error| wrong(format!("{error}")))?;
    let pool = PoolId::new(&name, &region);
    let queues = Queues::new(vec![Queue { name, regions: vec![region], rules: rules() }]);
    Ok((queues.map_err(|problems| wrong(problems.join("; ")))?, pool))
}

/// So many, the last of whom joins at `now_ms` and the first a while before. The same seed gives the same ratings in the same
/// order.
///
/// # Errors
/// None, unless a player's id is not lawful.
pub fn tickets(count: usize, seed: u64, pool: &PoolId, ids: &impl Ids, now_ms: u64) -> Result<Vec<Ticket>, Error> {
    let mut random = StdRng::seed_from_u64(seed);
    let normal = Normal::new(RATING_MEAN, RATING_DEVIATION).map_err(|error| Error::Wrong(error.to_string()))?;
    let ticket = |n: usize| {
        // As long as the common identity providers make them.
        let player = format!("auth0|{n:024x}").parse().map_err(|error| Error::Wrong(format!("{error}")))?;
        let rating = normal.sample(&mut random).clamp(0.0, WINDOW);
        let joined_ms = now_ms - JOINED_WITHIN_MS * (count - 1 - n) as u64 / count as u64;
        Ok(Ticket {
            id: TicketId::new(pool.clone(), ids.unique()),
            party: Party::solo(player),
            rating: muster::domain::ticket::round_rating(rating),
            joined_ms,
            expires_ms: joined_ms + Rules::default().ttl_ms,
            attempts: 0,
            push: false,
            imported: 0,
        })
    };
    (0..count).map(ticket).collect()
}

/// Whether everybody who waited is in exactly one match. `played` are the tickets of all matches.
///
/// # Errors
/// How many are not.
pub fn each_once(everyone: &[Ticket], played: &[String]) -> Result<(), Error> {
    let known: HashSet<&str> = everyone.iter().map(|ticket| ticket.id.unique.as_str()).collect();
    let mut once: HashSet<&str> = HashSet::new();
    let (mut twice, mut strangers) = (0, 0);
    for ticket in played.iter().map(String::as_str) {
        if !known.contains(ticket) {
            strangers += 1;
        } else if !once.insert(ticket) {
            twice += 1;
        }
    }
    let nowhere = known.len() - once.len();
    if nowhere + twice + strangers == 0 {
        return Ok(());
    }
    Err(Error::Wrong(format!(
        "expected each of {} tickets in exactly one match, found {nowhere} in none, {twice} in one more, {strangers} that never waited",
        known.len()
    )))
}

#[cfg(test)]
mod tests {
    use muster::adapters::system::System;

    use super::*;

    fn four() -> (Vec<Ticket>, Vec<String>) {
        let (_, pool) = queues().unwrap();
        let everyone = tickets(4, 7, &pool, &System::default(), 1_000_000).unwrap();
        let ids = everyone.iter().map(|ticket| ticket.id.unique.to_string()).collect();
        (everyone, ids)
    }

    #[test]
    fn the_same_seed_gives_the_same_ratings() {
        let ratings = || four().0.iter().map(|ticket| ticket.rating).collect::<Vec<_>>();
        assert_eq!(ratings(), ratings());
    }

    #[test]
    fn one_missing_one_twice_and_a_stranger_are_each_found() {
        let (everyone, ids) = four();
        assert!(each_once(&everyone, &ids).is_ok());
        let found = |played: &[String]| each_once(&everyone, played).unwrap_err().to_string();
        assert!(found(&ids[1..]).contains("found 1 in none, 0 in one more, 0 that"));
        assert!(found(&[&ids[..], &ids[..1]].concat()).contains("found 0 in none, 1 in one more, 0 that"));
        assert!(found(&[&ids[..], &["x".to_owned()]].concat()).contains("0 in one more, 1 that"));
    }
}
