//! The document that names all queues and their rules.
//!
//! ```json
//! { "queues": [ { "name": "ranked-1v1", "regions": ["eu"], "teams": 2, "team_size": 1 } ] }
//! ```
//! Every rule but the name and the regions has a default; an unknown one is refused.

use muster::domain::window::Window;
use muster::domain::{Cooldown, Ping, Queue, Queues, Rules};
use serde::Deserialize;

/// The queues of a deployment that names none.
pub const DEFAULT: &str = include_str!("queues.json");

/// A cooldown for which a queue names only the other half.
const COOLDOWN_AFTER: u32 = 3;
const COOLDOWN_MS: u64 = 300_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    queues: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    regions: Vec<String>,
    teams: Option<usize>,
    team_size: Option<usize>,
    rating_default: Option<f64>,
    rating_min: Option<f64>,
    rating_max: Option<f64>,
    window_initial: Option<f64>,
    window_growth_per_s: Option<f64>,
    window_cap: Option<f64>,
    deadline_ms: Option<u64>,
    ttl_ms: Option<u64>,
    presence_ms: Option<u64>,
    abandon_ms: Option<u64>,
    claim_first: Option<bool>,
    ping_timeout_ms: Option<u64>,
    ping_round_trip_max_ms: Option<u64>,
    acceptance_ms: Option<u64>,
    cooldown_after: Option<u32>,
    cooldown_ms: Option<u64>,
}

impl Entry {
    /// One of its two values switches it on; the other has a default.
    fn ping(&self) -> Option<Ping> {
        let usual = Ping::default();
        let (timeout_ms, round_trip_max_ms) = (self.ping_timeout_ms, self.ping_round_trip_max_ms);
        (timeout_ms.is_some() || round_trip_max_ms.is_some()).then(|| {
            let timeout_ms = timeout_ms.unwrap_or(usual.timeout_ms);
            Ping { timeout_ms, round_trip_max_ms: round_trip_max_ms.unwrap_or(usual.round_trip_max_ms.min(timeout_ms)) }
        })
    }

    /// The same.
    fn cooldown(&self) -> Option<Cooldown> {
        let (after, for_ms) = (self.cooldown_after, self.cooldown_ms);
        (after.is_some() || for_ms.is_some())
            .then(|| Cooldown { after: after.unwrap_or(COOLDOWN_AFTER), for_ms: for_ms.unwrap_or(COOLDOWN_MS) })
    }

    fn queue(self, default: &Rules) -> Result<Queue, String> {
        let name = self.name.parse().map_err(|e| format!("queue {:?}: name: {e}", self.name))?;
        let region = |text: &String| text.parse().map_err(|e| format!("queue {}: regions: {e}", self.name));
        let regions = self.regions.iter().map(region).collect::<Result<_, _>>()?;
        let window = Window {
            initial: self.window_initial.unwrap_or(default.window.initial),
            growth_per_s: self.window_growth_per_s.unwrap_or(default.window.growth_per_s),
            cap: self.window_cap.unwrap_or(default.window.cap),
            deadline_ms: self.deadline_ms.unwrap_or(default.window.deadline_ms),
        };
        let rules = Rules {
            teams: self.teams.unwrap_or(default.teams),
            team_size: self.team_size.unwrap_or(default.team_size),
            rating_default: self.rating_default.unwrap_or(default.rating_default),
            rating_min: self.rating_min.unwrap_or(default.rating_min),
            rating_max: self.rating_max.unwrap_or(default.rating_max),
            window,
            ttl_ms: self.ttl_ms.unwrap_or(default.ttl_ms),
            presence_ms: self.presence_ms.unwrap_or(default.presence_ms),
            abandon_ms: self.abandon_ms.unwrap_or(default.abandon_ms),
            claim_first: self.claim_first.unwrap_or(default.claim_first),
            ping: self.ping(),
            acceptance_ms: self.acceptance_ms,
            cooldown: self.cooldown(),
        };
        Ok(Queue { name, regions, rules })
    }
}

/// Reads a document; rules that a queue does not name are those of `default`.
///
/// # Errors
/// Every problem, a line each.
pub fn read(text: &str, default: &Rules) -> Result<Queues, Vec<String>> {
    let document: Document = serde_json::from_str(text).map_err(|e| vec![format!("queues: {e}")])?;
    let (mut queues, mut problems) = (Vec::new(), Vec::new());
    for entry in document.queues {
        match entry.queue(default) {
            Ok(queue) => queues.push(queue),
            Err(problem) => problems.push(problem),
        }
    }
    match Queues::new(queues) {
        Ok(queues) if problems.is_empty() => Ok(queues),
        Ok(_) => Err(problems),
        Err(more) => {
            problems.extend(more);
            Err(problems)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_document_is_lawful() {
        let queues = read(DEFAULT, &Rules::default()).unwrap();
        assert!(queues.pool("ranked-1v1", "eu").is_ok());
        assert_eq!(queues.pool("casual-5v5", "eu").unwrap().1.match_size(), 10);
    }

    #[test]
    fn an_unknown_rule_is_refused_by_name() {
        let problems = read(r#"{"queues":[{"name":"q","regions":["eu"],"teamsize":5}]}"#, &Rules::default());
        assert!(problems.unwrap_err()[0].contains("unknown field `teamsize`"));
    }

    #[test]
    fn every_bad_queue_is_reported_at_once() {
        let text = r#"{"queues":[{"name":"Q!","regions":["eu"]},{"name":"q","regions":["eu"],"team_size":0}]}"#;
        let problems = read(text, &Rules::default()).unwrap_err();
        assert!(problems.iter().any(|p| p.contains("Q!")) && problems.iter().any(|p| p.contains("team_size")));
    }
}
