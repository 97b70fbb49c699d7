//! The document that names all queues and their rules.
//!
//! ```json
//! { "queues": [ { "name": "ranked-1v1", "regions": ["eu"], "teams": 2, "team_size": 1 } ] }
//! ```
//! Every rule but the name and the regions has a default; an unknown one is refused.
//!
//! Functions, `muster rules` and the configuration read documents here and nowhere else, so that what one of them takes none of
//! the others refuses.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use muster::domain::limits::{CLOSED_KEEP_MS, PLAYERS_PER_MATCH_MAX, RULES_BYTES_MAX};
use muster::domain::window::Window;
use muster::domain::{Cooldown, Ping, Queue, Queues, RatingFrom, RatingRules, RatingSystem, Rules};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

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
    poll_timeout_ms: Option<u64>,
    acceptance_ms: Option<u64>,
    cooldown_after: Option<u32>,
    cooldown_ms: Option<u64>,
    track: Option<String>,
    rating_from: Option<String>,
    rating_system: Option<String>,
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

    fn ratings(&self) -> Result<RatingRules, String> {
        let wrong = |rule: &str, expected: &str, found: &str| {
            format!("queue {}: {rule}: expected {expected}, found {found:?}", self.name)
        };
        let track = self
            .track
            .as_ref()
            .map(|text| text.parse().map_err(|error| format!("queue {}: track: {error}", self.name)));
        let from = self.rating_from.as_ref().map_or(Ok(RatingFrom::default()), |text| {
            let expected = "stored, claim:<name> or request";
            RatingFrom::from_text(text).ok_or_else(|| wrong("rating_from", expected, text))
        });
        let system = self.rating_system.as_ref().map_or(Ok(RatingSystem::default()), |text| {
            let expected = RatingSystem::ALL.map(RatingSystem::as_str).join(", ");
            RatingSystem::from_text(text).ok_or_else(|| wrong("rating_system", &expected, text))
        });
        Ok(RatingRules { track: track.transpose()?, from: from?, system: system? })
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
            poll_timeout_ms: self.poll_timeout_ms,
            acceptance_ms: self.acceptance_ms,
            cooldown: self.cooldown(),
            ratings: self.ratings()?,
        };
        Ok(Queue { name, regions, rules })
    }
}

/// How a document becomes queues.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Rules that a queue does not name.
    pub default: Rules,
    /// How many players a match may have.
    pub players: RangeInclusive<usize>,
}

impl Default for Reading {
    fn default() -> Self {
        Self { default: Rules::default(), players: 2..=PLAYERS_PER_MATCH_MAX }
    }
}

impl Reading {
    /// Reads a document.
    ///
    /// # Errors
    /// Every problem, a line each.
    pub fn read(&self, text: &str) -> Result<Queues, Vec<String>> {
        if text.len() > RULES_BYTES_MAX {
            return Err(vec![format!("queues: expected at most {RULES_BYTES_MAX} bytes, found {}", text.len())]);
        }
        let queues = read(text, &self.default)?;
        let (min, max) = (self.players.start(), self.players.end());
        let problem = |queue: &Queue| {
            let (name, size) = (&queue.name, queue.rules.match_size());
            format!("queue {name}: expected {min} to {max} players a match, found {size}")
        };
        let wrong: Vec<String> =
            queues.iter().filter(|queue| !self.players.contains(&queue.rules.match_size())).map(problem).collect();
        if wrong.is_empty() { Ok(queues) } else { Err(wrong) }
    }

    /// Reads which pools are closed, as [`closed`] wrote them: the queues, and until when each counts. What this version cannot
    /// read is left out: it was lawful once, and stands in the way of nothing.
    pub fn read_closed(&self, text: &str) -> Vec<(Queue, u64)> {
        let entries: Vec<Closed> = serde_json::from_str(text).unwrap_or_default();
        let read = |closed: Closed| {
            let entry: Entry = serde_json::from_value(closed.queue).ok()?;
            let queue = entry.queue(&self.default).ok()?;
            queue.rules.problems().is_empty().then_some((queue, closed.until_ms))
        };
        entries.into_iter().filter_map(read).collect()
    }
}

/// A queue of an earlier document, in the regions where it has closed. The entry is kept as it was written, so that a rule which
/// only another version knows costs nothing but this entry.
#[derive(Debug, Serialize, Deserialize)]
struct Closed {
    queue: Value,
    until_ms: u64,
}

/// Which pools close when `next` follows `document` at `now_ms`, as text for [`Reading::read_closed`]: those that only `document`
/// names, for [`CLOSED_KEEP_MS`], and of those that were `closed` before the ones whose time is not up.
pub fn closed(document: &str, closed: &str, next: &Queues, now_ms: u64) -> String {
    let before: Vec<Closed> = serde_json::from_str(closed).unwrap_or_default();
    let document: RawDocument = serde_json::from_str(document).unwrap_or_default();
    let closing = document.queues.into_iter().map(|queue| Closed { queue, until_ms: now_ms + CLOSED_KEEP_MS });
    let mut found: BTreeMap<(String, String), Closed> = BTreeMap::new();
    // The newest word on a pool counts: a pool that closes now goes by its last rules.
    for entry in closing.chain(before).filter(|entry| entry.until_ms > now_ms) {
        let name = entry.queue["name"].as_str().unwrap_or_default().to_owned();
        let regions = entry.queue["regions"].as_array().cloned().unwrap_or_default();
        for region in regions.iter().filter_map(Value::as_str) {
            if next.pool(&name, region).is_err() {
                let mut queue = entry.queue.clone();
                queue["regions"] = json!([region]);
                let pool = (name.clone(), region.to_owned());
                found.entry(pool).or_insert(Closed { queue, until_ms: entry.until_ms });
            }
        }
    }
    serde_json::to_string(&found.into_values().collect::<Vec<_>>()).unwrap_or_default()
}

#[derive(Default, Deserialize)]
struct RawDocument {
    queues: Vec<Value>,
}

/// Reads a document; rules that a queue does not name are those of `default`.
///
/// # Errors
/// Every problem, a line each.
pub fn read(text: &str, default: &Rules) -> Result<Queues, Vec<String>> {
    let json = &mut serde_json::Deserializer::from_str(text);
    let document: Document = serde_path_to_error::deserialize(&mut *json).map_err(|error| {
        let path = error.path().to_string();
        let at = if path == "." { "queues".to_owned() } else { path };
        vec![format!("{at}: {}", error.into_inner())]
    })?;
    json.end().map_err(|error| vec![format!("queues: {error}")])?;
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
    fn where_ratings_come_from_is_a_rule_and_stored_unless_it_says_otherwise() {
        let rules = |rules: &str| {
            let text = format!(r#"{{"queues":[{{"name":"q","regions":["eu"]{rules}}}]}}"#);
            read(&text, &Rules::default()).map(|queues| queues.pool("q", "eu").unwrap().1.ratings.clone())
        };
        assert_eq!(rules("").unwrap(), RatingRules::default());
        assert_eq!(RatingRules::default().from, RatingFrom::Stored);
        let named = rules(r#","track":"duels","rating_from":"claim:elo","rating_system":"weng_lin""#).unwrap();
        assert_eq!(named.from, RatingFrom::Claim("elo".to_owned()));
        assert_eq!((named.track.unwrap().as_str(), named.system), ("duels", RatingSystem::WengLin));
        for (wrong, expected) in [
            (r#","rating_from":"phone""#, "rating_from: expected stored, claim:<name> or request, found \"phone\""),
            (r#","rating_system":"elo""#, "rating_system: expected glicko2, weng_lin, trueskill, found \"elo\""),
            (r#","track":"Duels""#, "track: expected a rating track"),
        ] {
            let problems = rules(wrong).unwrap_err().join("\n");
            assert!(problems.contains(expected), "{problems}");
        }
    }

    #[test]
    fn every_bad_queue_is_reported_at_once() {
        let text = r#"{"queues":[{"name":"Q!","regions":["eu"]},{"name":"q","regions":["eu"],"team_size":0}]}"#;
        let problems = read(text, &Rules::default()).unwrap_err();
        assert!(problems.iter().any(|p| p.contains("Q!")) && problems.iter().any(|p| p.contains("team_size")));
    }

    fn regions(name: &str, regions: &[&str], team_size: usize) -> String {
        json!({ "queues": [{ "name": name, "regions": regions, "team_size": team_size }] }).to_string()
    }

    #[test]
    fn what_is_wrong_is_named_by_its_path_with_what_was_expected_and_found() {
        let problem = |text: &str| Reading::default().read(text).unwrap_err().join("\n");
        let wrong_type =
            problem(r#"{"queues":[{"name":"q","regions":["eu"]},{"name":"r","regions":["eu"],"teams":"two"}]}"#);
        assert!(
            wrong_type.starts_with("queues[1].teams: invalid type: string \"two\", expected usize"),
            "{wrong_type}"
        );
        let cut = problem(r#"{"queues":[{"name":"q","#);
        assert!(cut.contains("EOF while parsing"), "{cut}");
        let more = problem(&(regions("q", &["eu"], 1) + "x"));
        assert!(more.contains("trailing characters"), "{more}");
        assert_eq!(
            problem("[]"),
            "queues: invalid length 0, expected struct Document with 1 element at line 1 column 2"
        );
    }

    #[test]
    fn a_document_at_its_bound_is_read_and_one_byte_more_is_refused() {
        let text = regions("q", &["eu"], 1);
        let padded = |bytes: usize| format!("{text}{}", " ".repeat(bytes - text.len()));
        assert!(Reading::default().read(&padded(RULES_BYTES_MAX)).is_ok());
        let problems = Reading::default().read(&padded(RULES_BYTES_MAX + 1)).unwrap_err();
        assert_eq!(
            problems,
            [format!("queues: expected at most {RULES_BYTES_MAX} bytes, found {}", RULES_BYTES_MAX + 1)]
        );
    }

    #[test]
    fn a_pool_that_a_document_no_longer_names_is_closed_by_its_last_rules_for_a_while() {
        let reading = Reading::default();
        let read = |text: &str| reading.read(text).unwrap();
        let (first, second) = (regions("duel", &["eu", "us"], 2), regions("duel", &["eu"], 1));
        let text = closed(&first, "[]", &read(&second), 1_000);
        let found = reading.read_closed(&text);
        let (queue, until_ms) = &found[0];
        assert_eq!((found.len(), queue.regions[0].as_str(), queue.rules.team_size), (1, "us", 2));
        assert_eq!(*until_ms, 1_000 + CLOSED_KEEP_MS);

        let third = regions("melee", &["eu"], 4);
        let later = closed(&second, &text, &read(&third), 2_000);
        let found: Vec<_> =
            reading.read_closed(&later).into_iter().map(|(q, until)| (q.regions[0].to_string(), until)).collect();
        assert_eq!(found, [("eu".to_owned(), 2_000 + CLOSED_KEEP_MS), ("us".to_owned(), 1_000 + CLOSED_KEEP_MS)]);
        let much_later = closed(&third, &later, &read(&third), 1_000 + CLOSED_KEEP_MS);
        assert_eq!(reading.read_closed(&much_later).len(), 1, "its time is up");
        assert_eq!(reading.read_closed(&closed(&third, &later, &read(&first), 3_000)).len(), 1, "it is open again");
    }

    #[test]
    fn a_closed_queue_of_another_version_costs_only_itself() {
        let text = r#"[{"queue":{"name":"q","regions":["eu"],"new_rule":1},"until_ms":9},{"queue":{"name":"r","regions":["eu"]},"until_ms":9}]"#;
        let found = Reading::default().read_closed(text);
        assert_eq!(found.iter().map(|(queue, _)| queue.name.as_str()).collect::<Vec<_>>(), ["r"]);
        assert!(Reading::default().read_closed("").is_empty());
    }
}
