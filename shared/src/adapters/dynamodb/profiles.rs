//! Profiles of players and results of matches.
//!
//! | item | `pk` | written by |
//! |---|---|---|
//! | profile | `f.<player>` | a result, the backend; each as a whole, if it follows the version that stands there |
//! | result | `e.<match id>` | a report, a correction, and whoever saw it reach its players; in the same way |
//!
//! A profile stays. A result goes with the ledger's other items, later than its match: as long as a match can be reported, its
//! result can be found.
//!
//! Numbers are written as Rust prints them, which reads back as the very number; so no JSON is between.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};

use super::client::{Condition, DynamoDb, TIMEOUT_MS, Written, unavailable, within};
use super::item::{Item, ItemReader, KEY, corrupt, number, text};
use crate::domain::limits::{CONNECTIONS_READ_MAX, LEDGER_KEEP_MS, RESULTS_PAGE};
use crate::domain::profile::{Attribute, Attributes, Latest, TrackRating};
use crate::domain::rating::Change;
use crate::domain::result::{Line, Side, Standings, Verdict};
use crate::domain::{MatchId, MatchResult, PlayerId, Profile, Rating, RatingSystem};
use crate::ports::{Clock, Profiles, Put, Results, ResultsPage, StoreError};

/// What the key of a profile begins with, before the player.
const PROFILE: &str = "f.";
/// What the key of a result begins with, before the match's id.
const RESULT: &str = "e.";
const VERSION: &str = "version";
const TRACKS: &str = "tracks";
const ATTRIBUTES: &str = "attributes";
const RECENT: &str = "recent";
const BLOCKS: &str = "blocks";
const LATEST: &str = "latest";
const REVISION: &str = "revision";
const GAMES: &str = "games";
const LAST_PLAYED: &str = "last_played_ms";
const VALUE: &str = "rating";
const DEVIATION: &str = "deviation";
const VOLATILITY: &str = "volatility";
const TRACK: &str = "track";
const SYSTEM: &str = "system";
const REPORTED: &str = "reported_ms";
const SIDES: &str = "sides";
const LEFT: &str = "left";
const RANK: &str = "rank";
const PLAYER: &str = "player";
const PLAYERS: &str = "players";
const LINES: &str = "lines";
const BEFORE: &str = "before";
const CHANGE: &str = "change";
const DONE: &str = "done";
const APPLIED: &str = "applied";
const TTL: &str = "ttl";

/// Before what DynamoDB left unread is asked for again, in milliseconds.
const READ_AGAIN_MS: u64 = 20;

fn map<const N: usize>(attributes: [(&str, AttributeValue); N]) -> Item {
    attributes.map(|(name, value)| (name.to_owned(), value)).into()
}

fn texts<T: ToString>(values: impl IntoIterator<Item = T>) -> AttributeValue {
    AttributeValue::L(values.into_iter().map(text).collect())
}

fn profile_key(player: &PlayerId) -> String {
    format!("{PROFILE}{player}")
}

fn result_key(id: &MatchId) -> String {
    format!("{RESULT}{id}")
}

fn write_rating(rating: Rating) -> Item {
    map([(VALUE, number(rating.value)), (DEVIATION, number(rating.deviation)), (VOLATILITY, number(rating.volatility))])
}

fn write_change(change: Change) -> AttributeValue {
    AttributeValue::M(map([
        (VALUE, number(change.value)),
        (DEVIATION, number(change.deviation)),
        (VOLATILITY, number(change.volatility)),
        (GAMES, number(change.games)),
    ]))
}

fn write_attribute(value: &Attribute) -> AttributeValue {
    match value {
        Attribute::Text(value) => text(value),
        Attribute::Number(value) => number(value),
        Attribute::Texts(values) => texts(values),
        Attribute::Numbers(values) => {
            AttributeValue::M(values.iter().map(|(key, value)| (key.clone(), number(value))).collect())
        }
    }
}

fn write_profile(player: &PlayerId, profile: &Profile) -> Item {
    let track = |rating: &TrackRating| {
        let mut written = write_rating(rating.rating);
        written.extend(map([
            (GAMES, number(rating.games)),
            (LAST_PLAYED, number(rating.last_played_ms)),
            (VERSION, number(rating.version)),
        ]));
        AttributeValue::M(written)
    };
    let tracks = profile.tracks.iter().map(|(name, rating)| (name.to_string(), track(rating))).collect();
    let mut written = map([
        (KEY, text(profile_key(player))),
        (VERSION, number(profile.version)),
        (TRACKS, AttributeValue::M(tracks)),
    ]);
    // What is empty is left out: most profiles have ratings alone.
    if !profile.attributes.is_empty() {
        let attributes = profile.attributes.iter().map(|(name, value)| (name.to_owned(), write_attribute(value)));
        written.insert(ATTRIBUTES.to_owned(), AttributeValue::M(attributes.collect()));
    }
    if !profile.recent.is_empty() {
        written.insert(RECENT.to_owned(), texts(&profile.recent));
    }
    if !profile.blocks.is_empty() {
        written.insert(BLOCKS.to_owned(), texts(&profile.blocks));
    }
    if let Some(Latest { id, revision }) = &profile.latest {
        written.insert(LATEST.to_owned(), text(id));
        written.insert(REVISION.to_owned(), number(revision));
    }
    written
}

fn write_result(result: &MatchResult) -> Item {
    let line = |line: &Line| {
        let mut written = map([
            (PLAYER, text(&line.player)),
            (BEFORE, AttributeValue::M(write_rating(line.before))),
            (CHANGE, write_change(line.change)),
        ]);
        if line.done != Change::NONE {
            written.insert(DONE.to_owned(), write_change(line.done));
        }
        if line.applied {
            written.insert(APPLIED.to_owned(), number(1));
        }
        AttributeValue::M(written)
    };
    let mut written = map([
        (KEY, text(result_key(&result.id))),
        (VERSION, number(result.version)),
        (REVISION, number(result.revision)),
        (TRACK, text(&result.track)),
        (SYSTEM, text(result.system.as_str())),
        (REPORTED, number(result.reported_ms)),
        (LINES, AttributeValue::L(result.lines.iter().map(line).collect())),
        // Reported no earlier than its match was formed, so that it goes no earlier than a report would be taken.
        (TTL, number((result.reported_ms + LEDGER_KEEP_MS) / 1_000 + 1)),
    ]);
    if let Verdict::Counts(standings) = &result.verdict {
        let side = |side: &Side| AttributeValue::M(map([(RANK, number(side.rank)), (PLAYERS, texts(&side.players))]));
        written.insert(SIDES.to_owned(), AttributeValue::L(standings.sides.iter().map(side).collect()));
        if !standings.left.is_empty() {
            written.insert(LEFT.to_owned(), texts(&standings.left));
        }
    }
    written
}

/// A part of an item that has a wrong form.
fn wrong(name: &str) -> StoreError {
    corrupt(format!("{name}: expected what a version of the ledger writes"))
}

fn as_map<'a>(found: &'a Item, name: &str) -> Result<Option<&'a Item>, StoreError> {
    found.get(name).map(|value| value.as_m().map_err(|_| wrong(name))).transpose()
}

fn as_list<'a>(found: &'a Item, name: &str) -> Result<&'a [AttributeValue], StoreError> {
    match found.get(name) {
        Some(value) => value.as_l().map(Vec::as_slice).map_err(|_| wrong(name)),
        None => Ok(&[]),
    }
}

fn read_players(found: &Item, name: &str) -> Result<Vec<PlayerId>, StoreError> {
    let player = |value: &AttributeValue| value.as_s().ok()?.parse().ok();
    as_list(found, name)?.iter().map(|value| player(value).ok_or_else(|| wrong(name))).collect()
}

fn read_rating(found: &Item) -> Result<Rating, StoreError> {
    let read = ItemReader(found);
    Ok(Rating { value: read.number(VALUE)?, deviation: read.number(DEVIATION)?, volatility: read.number(VOLATILITY)? })
}

fn read_change(found: &Item) -> Result<Change, StoreError> {
    let Rating { value, deviation, volatility } = read_rating(found)?;
    Ok(Change { value, deviation, volatility, games: ItemReader(found).number(GAMES)? })
}

fn read_attribute(value: &AttributeValue) -> Option<Attribute> {
    let number = |value: &AttributeValue| value.as_n().ok()?.parse::<f64>().ok();
    match value {
        AttributeValue::S(value) => Some(Attribute::Text(value.clone())),
        AttributeValue::N(_) => number(value).map(Attribute::Number),
        AttributeValue::L(values) => {
            values.iter().map(|value| value.as_s().ok().cloned()).collect::<Option<_>>().map(Attribute::Texts)
        }
        AttributeValue::M(values) => {
            let entry = |(key, value): (&String, &AttributeValue)| Some((key.clone(), number(value)?));
            values.iter().map(entry).collect::<Option<_>>().map(Attribute::Numbers)
        }
        _ => None,
    }
}

fn read_profile(found: &Item) -> Result<Profile, StoreError> {
    let read = ItemReader(found);
    let track = |(name, value): (&String, &AttributeValue)| {
        let value = value.as_m().map_err(|_| wrong(TRACKS))?;
        let read = ItemReader(value);
        let rating = TrackRating {
            rating: read_rating(value)?,
            games: read.number(GAMES)?,
            last_played_ms: read.number(LAST_PLAYED)?,
            version: read.number(VERSION)?,
        };
        Ok((name.parse().map_err(corrupt)?, rating))
    };
    let tracks =
        as_map(found, TRACKS)?.into_iter().flatten().map(track).collect::<Result<BTreeMap<_, _>, StoreError>>()?;
    let attribute = |(name, value): (&String, &AttributeValue)| {
        read_attribute(value).map(|value| (name.clone(), value)).ok_or_else(|| wrong(ATTRIBUTES))
    };
    let attributes =
        as_map(found, ATTRIBUTES)?.into_iter().flatten().map(attribute).collect::<Result<_, StoreError>>()?;
    let latest = match found.contains_key(LATEST) {
        true => Some(Latest { id: read.parsed(LATEST)?, revision: read.number(REVISION)? }),
        false => None,
    };
    Ok(Profile {
        version: read.number(VERSION)?,
        tracks,
        attributes: Attributes::new(attributes).map_err(corrupt)?,
        recent: read_players(found, RECENT)?,
        blocks: read_players(found, BLOCKS)?.into_iter().collect::<BTreeSet<_>>(),
        latest,
    })
}

fn read_result(found: &Item) -> Result<MatchResult, StoreError> {
    let read = ItemReader(found);
    let id = read.text(KEY)?.strip_prefix(RESULT).and_then(|id| id.parse().ok()).ok_or_else(|| wrong(KEY))?;
    let system = RatingSystem::from_text(read.text(SYSTEM)?).ok_or_else(|| wrong(SYSTEM))?;
    let line = |value: &AttributeValue| {
        let value = value.as_m().map_err(|_| wrong(LINES))?;
        Ok(Line {
            player: ItemReader(value).parsed(PLAYER)?,
            before: read_rating(as_map(value, BEFORE)?.ok_or_else(|| wrong(BEFORE))?)?,
            change: read_change(as_map(value, CHANGE)?.ok_or_else(|| wrong(CHANGE))?)?,
            done: as_map(value, DONE)?.map_or(Ok(Change::NONE), read_change)?,
            applied: value.contains_key(APPLIED),
        })
    };
    let side = |value: &AttributeValue| {
        let value = value.as_m().map_err(|_| wrong(SIDES))?;
        Ok(Side { rank: ItemReader(value).number(RANK)?, players: read_players(value, PLAYERS)? })
    };
    let verdict = match found.contains_key(SIDES) {
        true => Verdict::Counts(Standings {
            sides: as_list(found, SIDES)?.iter().map(side).collect::<Result<_, StoreError>>()?,
            left: read_players(found, LEFT)?.into_iter().collect(),
        }),
        false => Verdict::Annulled,
    };
    Ok(MatchResult {
        id,
        version: read.number(VERSION)?,
        revision: read.number(REVISION)?,
        track: read.parsed(TRACK)?,
        system,
        reported_ms: read.number(REPORTED)?,
        verdict,
        lines: as_list(found, LINES)?.iter().map(line).collect::<Result<_, StoreError>>()?,
    })
}

/// Follows the version before.
fn follows(version: u64) -> Condition {
    match version {
        0 | 1 => Condition::new("attribute_not_exists(#pk)", Vec::new()),
        _ => Condition::new("#version = :before", vec![(":before", number(version - 1))]),
    }
}

impl<C: Clock> DynamoDb<C> {
    /// Puts an item that follows a version. A write that was tried again and finds itself there is done.
    async fn put_version(&self, item: Item, version: u64) -> Result<Put, StoreError> {
        within(TIMEOUT_MS, async {
            Ok(match self.put_if(item.clone(), follows(version)).await? {
                Written::Done => Put::Done,
                Written::Refused(Some(old)) if old == item => Put::Done,
                Written::Refused(_) => Put::Late,
            })
        })
        .await
    }

    /// The items of these keys that are there, as of now.
    async fn get_each(&self, keys: &[String]) -> Result<HashMap<String, Item>, StoreError> {
        if let [key] = keys {
            return Ok(self.get(key).await?.into_iter().map(|item| (key.clone(), item)).collect());
        }
        let key = |key: &String| HashMap::from([(KEY.to_owned(), text(key))]);
        let asked = KeysAndAttributes::builder().set_keys(Some(keys.iter().map(key).collect())).consistent_read(true);
        let mut left = HashMap::from([(self.table().to_owned(), asked.build().map_err(corrupt)?)]);
        let mut found = HashMap::new();
        // What DynamoDB leaves unread is asked for again; the time limit of the whole ends it.
        while !left.is_empty() {
            let call = self.client().await.batch_get_item().set_request_items(Some(left));
            let answer = call.send().await.map_err(unavailable)?;
            for item in answer.responses.into_iter().flatten().flat_map(|(_, items)| items) {
                found.insert(ItemReader(&item).text(KEY)?.to_owned(), item);
            }
            left = answer.unprocessed_keys.unwrap_or_default();
            if !left.is_empty() {
                self.clock.sleep_ms(READ_AGAIN_MS).await;
            }
        }
        Ok(found)
    }
}

impl<C: Clock> Profiles for DynamoDb<C> {
    async fn profiles(&self, players: &[PlayerId]) -> Result<Vec<Option<Profile>>, StoreError> {
        // One call must not name a key twice.
        let keys: BTreeSet<String> = players.iter().map(profile_key).collect();
        let keys: Vec<String> = keys.into_iter().collect();
        let mut found = HashMap::new();
        for page in keys.chunks(CONNECTIONS_READ_MAX) {
            found.extend(within(TIMEOUT_MS, self.get_each(page)).await?);
        }
        players.iter().map(|player| found.get(&profile_key(player)).map(read_profile).transpose()).collect()
    }

    async fn put_profile(&self, player: &PlayerId, profile: &Profile) -> Result<Put, StoreError> {
        self.put_version(write_profile(player, profile), profile.version).await
    }
}

impl<C: Clock> Results for DynamoDb<C> {
    async fn result(&self, id: &MatchId) -> Result<Option<MatchResult>, StoreError> {
        within(TIMEOUT_MS, self.get(&result_key(id))).await?.as_ref().map(read_result).transpose()
    }

    async fn put_result(&self, result: &MatchResult) -> Result<Put, StoreError> {
        self.put_version(write_result(result), result.version).await
    }

    /// Reads the whole table, page by page: for an operator who computes a track anew, and for nobody else.
    async fn results(&self, after: Option<&str>) -> Result<ResultsPage, StoreError> {
        within(TIMEOUT_MS, async {
            let start = after.map(|after| HashMap::from([(KEY.to_owned(), text(after))]));
            let call = self.client().await.scan().table_name(self.table()).consistent_read(true);
            let call = call
                .filter_expression("begins_with(#pk, :result)")
                .expression_attribute_names("#pk", KEY)
                .expression_attribute_values(":result", text(RESULT))
                .limit(i32::try_from(RESULTS_PAGE).unwrap_or(i32::MAX))
                .set_exclusive_start_key(start);
            let answer = call.send().await.map_err(unavailable)?;
            let results = answer.items.iter().flatten().map(read_result).collect::<Result<_, _>>()?;
            let last = answer.last_evaluated_key.as_ref();
            let next = last.and_then(|key| key.get(KEY)).and_then(|key| key.as_s().ok()).cloned();
            Ok(ResultsPage { results, next })
        })
        .await
    }
}
