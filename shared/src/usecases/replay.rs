//! Computes a track anew from the results that the ledger keeps: what it would be, had every correction been known from the
//! start.
//!
//! Results count in the order in which they were first reported. A player starts with the rating that the oldest kept result
//! found. Annulled results count for nobody. Each by the system under which it was reported, or by one that the operator wants
//! to try.
//!
//! Where no result raced another or was corrected, the outcome is what stands in the profiles.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};

use crate::domain::Track;
use crate::domain::limits::RESULT_ROUNDS_MAX;
use crate::domain::profile::TrackRating;
use crate::domain::result::Verdict;
use crate::domain::{MatchResult, PlayerId, Profile, RatingSystem};
use crate::ports::{Profiles, Put, Results, StoreError};

/// Profiles written at once.
const WRITES_AT_ONCE: usize = 16;

/// The ratings of a track's players after these results.
pub fn replay(results: &[MatchResult], track: &Track, system: Option<RatingSystem>) -> BTreeMap<PlayerId, TrackRating> {
    let mut order: Vec<&MatchResult> = results.iter().filter(|result| result.track == *track).collect();
    order.sort_by(|one, other| (one.reported_ms, &one.id).cmp(&(other.reported_ms, &other.id)));
    let mut players: BTreeMap<PlayerId, TrackRating> = BTreeMap::new();
    for result in order {
        for line in &result.lines {
            let start = TrackRating { rating: line.before, games: 0, last_played_ms: 0, version: 0 };
            players.entry(line.player.clone()).or_insert(start);
        }
        let Verdict::Counts(standings) = &result.verdict else { continue };
        let system = system.unwrap_or(result.system);
        let changes = standings.changes(system, |player| players[player].at(result.reported_ms));
        for (player, change) in changes {
            if let Some(rating) = players.get_mut(&player) {
                *rating = rating.changed(change, Some(result.reported_ms));
            }
        }
    }
    players
}

/// What a replay found and did.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Replayed {
    /// Results of the track.
    pub results: usize,
    /// Players whose ratings differ: before and after.
    pub moved: BTreeMap<PlayerId, (TrackRating, TrackRating)>,
    /// Players of the track.
    pub players: usize,
    /// Players whose profiles kept changing, and stay as they are.
    pub contended: Vec<PlayerId>,
}

/// Computes a track anew; puts the ratings that differ into the profiles if `write`.
///
/// # Errors
/// The ledger does not answer. Doing it again is safe.
pub async fn replay_track(
    ledger: &(impl Profiles + Results),
    track: &Track,
    system: Option<RatingSystem>,
    write: bool,
) -> Result<Replayed, StoreError> {
    let mut results = Vec::new();
    let mut after = None;
    loop {
        let page = ledger.results(after.as_deref()).await?;
        results.extend(page.results.into_iter().filter(|result| result.track == *track));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let rated = replay(&results, track, system);
    let mut done = Replayed { results: results.len(), players: rated.len(), ..Replayed::default() };
    let each = rated.into_iter().map(|(player, rating)| async move {
        let put = put_rating(ledger, track, &player, rating, write).await;
        put.map(|put| (player, put))
    });
    let mut each = stream::iter(each).buffered(WRITES_AT_ONCE);
    while let Some(put) = each.next().await {
        match put? {
            (player, Written::Moved(before, after)) => drop(done.moved.insert(player, (before, after))),
            (player, Written::Contended) => done.contended.push(player),
            (_, Written::Same) => {}
        }
    }
    Ok(done)
}

enum Written {
    Same,
    Moved(TrackRating, TrackRating),
    Contended,
}

/// Only the rating: how often and when a player has played, the profile knows better than the results that are still kept.
async fn put_rating(
    ledger: &impl Profiles,
    track: &Track,
    player: &PlayerId,
    found: TrackRating,
    write: bool,
) -> Result<Written, StoreError> {
    for _ in 0..RESULT_ROUNDS_MAX {
        let profile = ledger.profiles(std::slice::from_ref(player)).await?.pop().flatten().unwrap_or_default();
        let before = profile.tracks.get(track).copied().unwrap_or(found);
        if before.rating == found.rating {
            return Ok(Written::Same);
        }
        let after = TrackRating { rating: found.rating, version: before.version + 1, ..before };
        if !write {
            return Ok(Written::Moved(before, after));
        }
        let mut next = Profile { version: profile.version + 1, ..profile };
        next.tracks.insert(track.clone(), after);
        if ledger.put_profile(player, &next).await? == Put::Done {
            return Ok(Written::Moved(before, after));
        }
    }
    Ok(Written::Contended)
}
