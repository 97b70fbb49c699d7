//! What the phones' records prove, and what they disprove. Pure.
//!
//! A player is *double-booked* who is in two matches at once, or in a match whose players do not all see the same match:
//! for somebody there it was another one. A player is *lost* whose ticket was accepted and whose end cannot be read.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hdrhistogram::Histogram;

use super::api::Game;
use super::plan::{Party, Scenario};
use super::record::{End, Life, Record};

/// Counts for one mode, or for all. Players unless said otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Tally {
    /// Who had a ticket; who had two counts twice.
    pub joined: usize,
    /// Who of them joined again: a repeated join without a key came after the first ticket's match.
    pub again: usize,
    /// Tickets.
    pub tickets: usize,
    /// Joins that were sent twice, in joins.
    pub repeated: usize,
    /// Who saw their match.
    pub matched: usize,
    /// Who gave up.
    pub gave_up: usize,
    /// Who gave up because too few were left for a match.
    pub left_over: usize,
    /// Who declined a match.
    pub declined: usize,
    /// Who accepted too late.
    pub too_late: usize,
    /// Who vanished, was missed, and can read so.
    pub vanished: usize,
    /// Matches that fell through under somebody who had done nothing wrong, by leader.
    pub let_down: usize,
    /// From waiting again until the next question, in microseconds.
    pub asked_again_us: Histogram<u64>,
    /// Who still waited when time was up, was dropped by the server, or never got a ticket.
    pub unsettled: usize,
    /// Whose end cannot be read.
    pub lost: usize,
    /// Who is in two matches, or in one that is not the same for all its players.
    pub double_booked: usize,
    /// Matches.
    pub matches: usize,
    /// Mean distance of the teams' ratings over all matches.
    pub rating_gap_mean: f64,
    /// From the join's answer until the leader saw the match, in microseconds.
    pub wait_us: Histogram<u64>,
}

/// What a play proved.
#[derive(Debug)]
pub struct Verdict {
    /// One for each mode of the scenario.
    pub modes: Vec<Tally>,
    /// All modes together.
    pub all: Tally,
    /// Everything that must not happen, a line each.
    pub faults: Vec<String>,
}

impl Verdict {
    /// Whether every promise held: nobody twice in a match, nobody lost, everybody matched or cancelled.
    pub fn holds(&self) -> bool {
        let Tally { joined, matched, gave_up, left_over, declined, too_late, vanished, .. } = &self.all;
        let Tally { unsettled, lost, double_booked, .. } = &self.all;
        let settled = matched + gave_up + left_over + declined + too_late + vanished;
        self.faults.is_empty() && unsettled + lost + double_booked == 0 && *joined == settled
    }
}

/// Judges a play.
pub fn judge(scenario: &Scenario, parties: &[Party], records: &[Record]) -> Verdict {
    let mut faults: Vec<String> = records.iter().flat_map(|record| record.faults.clone()).collect();
    let double_booked = double_booked(scenario, parties, records, &mut faults);
    for record in records {
        faults.extend(record.refused.iter().map(|why| format!("{:?}: join: {why}", parties[record.party].players)));
        for (player, end) in ends(parties, record) {
            match end {
                End::Dropped(why) => faults.push(format!("{player}: expected matched or cancelled, found {why}")),
                End::StillWaiting => faults.push(format!("{player}: expected matched or cancelled, still waiting")),
                End::Lost(why) => faults.push(format!("{player}: lost: {why}")),
                End::Vanished(reason) if !MISSED.contains(&reason.as_str()) => {
                    faults.push(format!("{player}: vanished, and is said to be {reason:?}"));
                }
                End::Matched(_) | End::GaveUp | End::LeftOver => {}
                End::Declined | End::TooLate | End::Vanished(_) => {}
            }
        }
    }
    let tally = |wanted: Option<usize>| {
        let here = |party: &Party| wanted.is_none_or(|mode| party.mode == mode);
        let records: Vec<&Record> = records.iter().filter(|record| here(&parties[record.party])).collect();
        let players = parties.iter().filter(|party| here(party)).flat_map(|party| &party.players);
        let twice = players.filter(|player| double_booked.contains(player.as_str())).count();
        Tally { double_booked: twice, ..count(parties, &records) }
    };
    let modes = (0..scenario.modes.len()).map(|mode| tally(Some(mode))).collect();
    Verdict { modes, all: tally(None), faults }
}

/// What somebody reads who vanished and comes back.
const MISSED: [&str; 2] = ["no_answer", "abandoned"];

fn count(parties: &[Party], records: &[&Record]) -> Tally {
    let lives = || records.iter().flat_map(|record| &record.lives);
    let ended = |wanted: fn(&End) -> bool| lives().flat_map(|life| &life.ends).filter(|end| wanted(end)).count();
    let without_ticket = records.iter().filter(|record| record.lives.is_empty());
    let matches: BTreeMap<&str, f64> =
        lives().flat_map(matches).map(|this_match| (this_match.match_id.as_str(), this_match.rating_gap)).collect();
    let mut wait_us = Histogram::new_with_bounds(1, WAIT_US_MAX, 3).unwrap_or_else(|_| unreachable!("lawful bounds"));
    for wait in lives().filter_map(|life| life.wait) {
        wait_us.saturating_record(micros(wait));
    }
    let mut asked_again_us = wait_us.clone();
    asked_again_us.reset();
    for again in lives().flat_map(|life| &life.let_down) {
        asked_again_us.saturating_record(micros(*again));
    }
    Tally {
        declined: ended(|end| matches!(end, End::Declined)),
        too_late: ended(|end| matches!(end, End::TooLate)),
        vanished: ended(|end| matches!(end, End::Vanished(_))),
        let_down: lives().map(|life| life.let_down.len()).sum(),
        asked_again_us,
        joined: lives().map(|life| life.ends.len()).sum(),
        again: records.iter().flat_map(|record| record.lives.iter().skip(1)).map(|life| life.ends.len()).sum(),
        tickets: lives().count(),
        repeated: records.iter().filter(|record| record.repeated).count(),
        matched: ended(|end| matches!(end, End::Matched(_))),
        gave_up: ended(|end| matches!(end, End::GaveUp)),
        left_over: ended(|end| matches!(end, End::LeftOver)),
        unsettled: ended(|end| matches!(end, End::Dropped(_) | End::StillWaiting))
            + without_ticket.map(|record| parties[record.party].players.len()).sum::<usize>(),
        lost: ended(|end| matches!(end, End::Lost(_))),
        double_booked: 0,
        matches: matches.len(),
        rating_gap_mean: matches.values().sum::<f64>() / matches.len().max(1) as f64,
        wait_us,
    }
}

/// Longest wait that is told apart from longer ones: ten minutes.
const WAIT_US_MAX: u64 = 600_000_000;

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1)
}

fn ends<'a>(parties: &'a [Party], record: &'a Record) -> impl Iterator<Item = (&'a str, &'a End)> {
    let players = &parties[record.party].players;
    record.lives.iter().flat_map(move |life| players.iter().map(String::as_str).zip(&life.ends))
}

/// Every match body that a life's players saw.
fn matches(life: &Life) -> impl Iterator<Item = &Game> {
    let first = life.ends.iter().filter_map(|end| match end {
        End::Matched(this_match) => Some(this_match),
        _ => None,
    });
    first.chain(life.last_looks.iter().flatten())
}

/// Who is in two matches at once, or in one that is not the same for all. Says why, a line each.
fn double_booked<'a>(
    scenario: &Scenario,
    parties: &'a [Party],
    records: &'a [Record],
    faults: &mut Vec<String>,
) -> BTreeSet<&'a str> {
    let mut found: BTreeSet<&str> = BTreeSet::new();
    let mut blame = |players: Vec<&'a str>, line: String| {
        found.extend(players);
        faults.push(line);
    };
    // What each ticket's own phones say about it.
    let own: BTreeMap<&str, (&Record, &Life)> = records
        .iter()
        .flat_map(|record| record.lives.iter().map(move |life| (life.ticket_id.as_str(), (record, life))))
        .collect();
    let mut bodies: BTreeMap<&str, &Game> = BTreeMap::new();
    for record in records {
        let party = &parties[record.party];
        let players = || party.players.iter().map(String::as_str).collect::<Vec<_>>();
        for life in &record.lives {
            let ids: BTreeSet<&str> = matches(life).map(|this_match| this_match.match_id.as_str()).collect();
            if ids.len() > 1 {
                blame(players(), format!("ticket {}: expected one match, seen in {ids:?}", life.ticket_id));
            }
            for this_match in matches(life) {
                let body = *bodies.entry(&this_match.match_id).or_insert(this_match);
                if body != this_match {
                    blame(players(), format!("match {}: its players see different bodies of it", this_match.match_id));
                }
                let mode = &scenario.modes[party.mode];
                for line in misfits(this_match, life, &party.players, (mode.teams, mode.team_size)) {
                    blame(players(), line);
                }
            }
        }
    }
    // What a match says about a ticket must be what that ticket's phones say.
    for (id, this_match) in &bodies {
        for member in this_match.teams.iter().flatten() {
            let Some((record, life)) = own.get(member.ticket_id.as_str()) else {
                faults.push(format!("match {id}: ticket {} is of no phone here", member.ticket_id));
                continue;
            };
            if !matches(life).any(|seen| seen.match_id == *id) {
                let line = format!("match {id}: holds ticket {}, whose phones saw {:?}", member.ticket_id, life.ends);
                found.extend(parties[record.party].players.iter().map(String::as_str));
                faults.push(line);
            }
        }
    }
    found
}

/// What is wrong with a match in the eyes of one of its parties.
fn misfits(this_match: &Game, life: &Life, players: &[String], (teams, team_size): (usize, usize)) -> Vec<String> {
    let mut lines = Vec::new();
    let id = &this_match.match_id;
    let sizes: Vec<usize> =
        this_match.teams.iter().map(|team| team.iter().map(|member| member.players.len()).sum()).collect();
    if sizes != vec![team_size; teams] {
        lines.push(format!("match {id}: expected {teams} teams of {team_size}, found {sizes:?}"));
    }
    let everybody: Vec<&String> = this_match.teams.iter().flatten().flat_map(|member| &member.players).collect();
    if everybody.iter().collect::<BTreeSet<_>>().len() != everybody.len() {
        lines.push(format!("match {id}: a player is in it twice: {everybody:?}"));
    }
    let mine: Vec<_> = this_match.teams.iter().flatten().filter(|member| member.ticket_id == life.ticket_id).collect();
    let same = |a: &[String], b: &[String]| a.iter().collect::<BTreeSet<_>>() == b.iter().collect::<BTreeSet<_>>();
    if mine.len() != 1 || !same(&mine[0].players, players) {
        lines.push(format!("match {id}: expected ticket {} with {players:?} once, found {mine:?}", life.ticket_id));
    }
    lines
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
