//! The backend reports how a match ended, corrects it, or annuls it; the ratings of its players follow, exactly once.
//!
//! A *result* is one item of its match, and a *profile* one of its player. No write spans two items, so this is how each
//! revision of a result reaches each of its players once, whatever is retried, raced or crashed in between:
//!
//! 1. Read the profiles, then the result. Put the result, with what it changes for each player: from here on the match has been
//!    reported, and how far each rating moves is decided.
//! 2. For each player: put the profile with the change made and with `latest` = this revision of this result, if nobody has
//!    written the profile since it was read.
//! 3. Put the result with all of its lines marked as applied.
//!
//! Whoever writes a profile in step 2 first makes sure that the result named by its `latest` has that player's line marked
//! (*acknowledges* it). So of all results that have reached a profile at most one is not marked, and the profile names that
//! one. Hence a retry knows: a line that is marked was applied; one that is not was applied if and only if the profile names
//! this revision. The profile is read before the result, and written only if unchanged; so the answer cannot grow old between.
//!
//! The other way would be a list of recent match ids in each profile. It is bounded, so a retry that comes after more matches
//! than it holds could not tell; and it makes each profile, which every join reads, some hundred bytes longer. This one is
//! exact after any time, and costs one more read for each player of a result.
//!
//! Two results that race for one player both count: a change is a sum and two factors ([`Change`]), and is made to the profile
//! as it stands. The loser of the race reads again, and makes the same change to what the winner left.
//!
//! A correction keeps the ratings that the players had before the match, computes what the right places would have done, and
//! makes the difference. It starts once the revision before has reached every player; so it finishes that first. Matches that
//! were rated meanwhile keep their effect; [`super::replay`] computes a track anew from all of its results.
//!
//! Absent on purpose: an error for a report that was made before. It finishes what the first try left, and is answered alike.
//!
//! [`Change`]: crate::domain::rating::Change

use futures::future::{try_join, try_join_all};

use crate::domain::limits::{RESULT_LATE_MS_MAX, RESULT_ROUNDS_MAX, TRACKS_MAX};
use crate::domain::profile::{Latest, Profile};
use crate::domain::result::{Report, ReportError, Verdict};
use crate::domain::{Match, MatchId, MatchResult, PlayerId, Rating, Rules};
use crate::ports::{Clock, Profiles, Put, Results, Step, StoreError, Tickets};

/// What the backend says.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    /// How the match ended. Once.
    Report(Report),
    /// How it really ended, whatever was said before.
    Correct(Report),
    /// It counts for nobody.
    Annul,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// The result says so, and every profile has it.
    Done(MatchResult),
    /// Another result was reported before. To change it is a correction.
    Reported(MatchResult),
    /// The ledger has no such match, or it is void.
    NotPlayed,
    /// The match was formed too long ago.
    Late,
    /// The report does not fit the match.
    Unfit(ReportError),
    /// A player has as many tracks as there may be.
    TooManyTracks(PlayerId),
    /// Others kept changing the same; asking again goes on where this stopped.
    Contended,
}

/// A ledger that keeps matches, results and profiles.
pub trait ResultLedger: Tickets + Profiles + Results {}
impl<L: Tickets + Profiles + Results> ResultLedger for L {}

/// Makes the result of a match say what the backend says, and its players' ratings follow.
///
/// # Errors
/// The ledger does not answer. Asking again goes on where this stopped.
pub async fn result(
    ledger: &impl ResultLedger,
    clock: &impl Clock,
    rules: &Rules,
    id: &MatchId,
    ask: &Ask,
) -> Result<Reply, StoreError> {
    let Some(this_match) = ledger.find_match(id).await? else { return Ok(Reply::NotPlayed) };
    if clock.now_ms() > this_match.created_ms.saturating_add(RESULT_LATE_MS_MAX) {
        return Ok(Reply::Late);
    }
    let verdict = match ask {
        Ask::Report(report) | Ask::Correct(report) => match report.standings(&this_match) {
            Ok(standings) => Verdict::Counts(standings),
            Err(unfit) => return Ok(Reply::Unfit(unfit)),
        },
        Ask::Annul => Verdict::Annulled,
    };
    let players: Vec<PlayerId> = this_match.members().flat_map(|member| member.players.iter().cloned()).collect();
    for _ in 0..RESULT_ROUNDS_MAX {
        // In this order: see the module.
        let profiles = ledger.profiles(&players).await?;
        let found = ledger.result(id).await?;
        let next = match &found {
            None => match first(&this_match, rules, verdict.clone(), &players, &profiles, clock.now_ms()) {
                Ok(first) => first,
                Err(player) => return Ok(Reply::TooManyTracks(player)),
            },
            Some(result) if result.verdict == verdict || !result.is_done() => result.clone(),
            Some(result) if matches!(ask, Ask::Report(_)) => return Ok(Reply::Reported(result.clone())),
            Some(result) => result.corrected(verdict.clone()),
        };
        if found.as_ref() != Some(&next) {
            if ledger.put_result(&next).await? == Put::Late {
                continue;
            }
            clock.reached(Step::Reported).await;
        }
        let said = next.verdict == verdict;
        match finish(ledger, clock, rules, next, &players, profiles).await? {
            Some(done) if said => return Ok(Reply::Done(done)),
            // What stood in the way has reached its players: now what this call says, or that it may not.
            Some(_) | None => {}
        }
    }
    Ok(Reply::Contended)
}

/// The result of the first report; or a player for whom there is no track left.
fn first(
    this_match: &Match,
    rules: &Rules,
    verdict: Verdict,
    players: &[PlayerId],
    profiles: &[Option<Profile>],
    now_ms: u64,
) -> Result<MatchResult, PlayerId> {
    let (track, system) = (rules.ratings.track_of(&this_match.id.pool), rules.ratings.system);
    let before = |(player, profile): (&PlayerId, &Option<Profile>)| {
        let Some(profile) = profile else { return Ok((player.clone(), Rating::unknown(rules.rating_default))) };
        if profile.tracks.len() >= TRACKS_MAX && !profile.tracks.contains_key(&track) {
            return Err(player.clone());
        }
        Ok((player.clone(), profile.on(&track, rules.rating_default).at(now_ms)))
    };
    let before = players.iter().zip(profiles).map(before).collect::<Result<_, _>>()?;
    Ok(MatchResult::first(this_match.id.clone(), (track, system), verdict, before, now_ms))
}

/// Brings a result, as it was read or put after `profiles`, to every player, and marks it. None if another has changed it.
async fn finish(
    ledger: &impl ResultLedger,
    clock: &impl Clock,
    rules: &Rules,
    mut result: MatchResult,
    players: &[PlayerId],
    profiles: Vec<Option<Profile>>,
) -> Result<Option<MatchResult>, StoreError> {
    if result.is_done() {
        return Ok(Some(result));
    }
    let each =
        players.iter().zip(profiles).map(|(player, profile)| apply(ledger, clock, rules, &result, player, profile));
    if try_join_all(each).await?.into_iter().any(|applied| !applied) {
        return Ok(None);
    }
    for _ in 0..RESULT_ROUNDS_MAX {
        let done = result.applied(|_| true);
        if ledger.put_result(&done).await? == Put::Done {
            return Ok(Some(done));
        }
        match ledger.result(&result.id).await? {
            Some(found) if found.revision == result.revision && !found.is_done() => result = found,
            Some(found) if found.revision == result.revision => return Ok(Some(found)),
            Some(_) | None => return Ok(None),
        }
    }
    Ok(None)
}

/// Makes sure that a player's profile has a revision of a result. False if the result has another revision since, or the rounds
/// were not enough.
async fn apply(
    ledger: &impl ResultLedger,
    clock: &impl Clock,
    rules: &Rules,
    result: &MatchResult,
    player: &PlayerId,
    mut profile: Option<Profile>,
) -> Result<bool, StoreError> {
    let latest = Latest { id: result.id.clone(), revision: result.revision };
    let mut newest = result.clone();
    for _ in 0..RESULT_ROUNDS_MAX {
        let line = match newest.line(player) {
            _ if newest.revision != result.revision => return Ok(false),
            Some(line) if !line.applied => line,
            Some(_) | None => return Ok(true),
        };
        let before = profile.unwrap_or_default();
        if before.latest.as_ref() == Some(&latest) {
            return Ok(true);
        }
        if let Some(earlier) = &before.latest
            && !acknowledge(ledger, earlier, player).await?
        {
            return Ok(false);
        }
        let mut next = Profile { version: before.version + 1, latest: Some(latest.clone()), ..before };
        let step = line.step();
        // A match counts as played by the revision with which it begins to count.
        let plays = step.games > 0;
        let track = next.on(&result.track, rules.rating_default);
        next.tracks.insert(result.track.clone(), track.changed(step, plays.then_some(result.reported_ms)));
        if plays {
            next.meet(result.opponents(player));
        }
        if ledger.put_profile(player, &next).await? == Put::Done {
            clock.reached(Step::Rated).await;
            return Ok(true);
        }
        // The profile, then the result: see the module.
        profile = ledger.profiles(std::slice::from_ref(player)).await?.pop().flatten();
        match ledger.result(&result.id).await? {
            Some(found) => newest = found,
            None => return Ok(false),
        }
    }
    Ok(false)
}

/// Makes sure that a result knows that it has reached a player. False if the rounds were not enough.
async fn acknowledge(ledger: &impl Results, latest: &Latest, player: &PlayerId) -> Result<bool, StoreError> {
    for _ in 0..RESULT_ROUNDS_MAX {
        // One that is gone is so old that its match cannot be reported any more.
        let Some(found) = ledger.result(&latest.id).await? else { return Ok(true) };
        if found.revision > latest.revision || found.line(player).is_none_or(|line| line.applied) {
            return Ok(true);
        }
        if ledger.put_result(&found.applied(|known| known == player)).await? == Put::Done {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The match and the result that was reported of it.
///
/// # Errors
/// The ledger does not answer.
pub async fn read(
    ledger: &impl ResultLedger,
    id: &MatchId,
) -> Result<(Option<Match>, Option<MatchResult>), StoreError> {
    try_join(ledger.find_match(id), ledger.result(id)).await
}
