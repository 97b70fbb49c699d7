//! Which waiting tickets play together.
//!
//! A pure function of the tickets, the rules and the time: the order of the input makes no difference.
//!
//! **Windows.** A ticket's reach is [`Window::reach`](super::window::Window::reach) of the time since it joined.
//! Tickets may meet if the spread of their ratings, highest less lowest, is at most the smallest reach among them. A
//! ticket past its deadline is left out of both sides of that rule, so that it may meet anyone, also
//! somebody whose own window is narrow. Were the others' windows held against it, a lone 3000 among a stream of fresh
//! 1500s would wait for ever: each of them is matched long before its own window is that wide. (DESIGN, promise 5.)
//!
//! **Which groups.** Tickets are sorted by rating, and an interval dynamic program (`interval`) picks the groups: of
//! all ways to cut the line into groups and tickets that stay, the one with the least cost. A group costs its spread, a
//! ticket that stays costs a price that grows with its waiting (`price`). For solos the groups at each place are
//! searched exactly; parties come in sizes, which must add up to full teams (`shapes`). What is left over is tried
//! again.
//!
//! **No ticket starves.** Of the tickets past their deadlines, the one that is earliest in line is in a group of this very tick if any
//! group with it may be formed at all (`past_deadline`).
//!
//! **Priority.** A ticket whose matches fell through counts as having waited longer ([`Ticket::order`]) wherever
//! tickets compete: in the price, in the line, in who is served first. Its window does not: a declined match is no
//! consent to a less even one.
//!
//! Deliberately absent: patience, the choice not to form a lawful group because a better one may come. It would be one
//! more term of `price`.

mod interval;
mod past_deadline;
mod pool;
mod price;
mod shapes;
#[cfg(test)]
mod tests;
mod walk;

use self::pool::Waiting;
use self::shapes::Shapes;
use super::limits::PLAYERS_PER_MATCH_MAX;
use super::queue::Rules;
use super::teams::{self, Entrant};
use super::ticket::Ticket;

/// A ticket as the matcher sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The ticket.
    pub ticket: Ticket,
    /// When its party was last heard of.
    pub last_seen_ms: u64,
}

/// Tickets that should play together: teams of indices into the candidates.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Who plays with whom.
    pub teams: Vec<Vec<usize>>,
    /// Highest less lowest rating of its tickets.
    pub spread: f64,
    /// Highest less lowest mean rating of its teams.
    pub gap: f64,
}

/// Forms the best matches of `candidates` under `rules` at `now_ms`, those with the earliest in line first.
///
/// Left aside are tickets that have expired, that were not heard of for `presence_ms`, or whose party is larger than a
/// team, as can be after a change of rules.
pub fn form(candidates: &[Candidate], rules: &Rules, now_ms: u64) -> Vec<Group> {
    if !(2..=PLAYERS_PER_MATCH_MAX).contains(&rules.match_size()) {
        return Vec::new();
    }
    let mut waiting = pool::present(candidates, rules, now_ms);
    let shapes = Shapes::of(rules.teams, rules.team_size, &mut waiting);
    price::put(&mut waiting, rules, now_ms);
    let mut groups: Vec<(u64, Group)> =
        past_deadline::plan(&waiting, &shapes).into_iter().filter_map(|members| split(members, rules)).collect();
    // Stable, and the groups came in the order of their ratings: ties are the same for any order of the candidates.
    groups.sort_by_key(|(order, _)| *order);
    groups.into_iter().map(|(_, group)| group).collect()
}

/// The teams of a group, and where the earliest of its members stands in line.
fn split(mut members: Vec<Waiting>, rules: &Rules) -> Option<(u64, Group)> {
    members.sort_by_key(|member| member.rank);
    let entrants: Vec<Entrant> =
        members.iter().map(|member| Entrant { size: member.size, rating: member.rating }).collect();
    let split = teams::split(&entrants, rules.teams, rules.team_size)?;
    let teams = split.teams.iter().map(|team| team.iter().map(|&at| members[at].index).collect()).collect();
    let spread = members.last()?.rating - members.first()?.rating;
    let order = members.iter().map(|member| member.order).min()?;
    Some((order, Group { teams, spread, gap: split.gap }))
}
