//! What connected phones are told of something that happened: who hears, and what.
//!
//! A phone hears what it would read if it polled. News may come twice, late or not at all; each says the ticket's version, so
//! that a phone passes over what it knows already.

use super::view::View;
use crate::domain::{EndedTicket, Event, Match, MatchId, MatchState, Member, Outcome, PlayerId, Queues};
use crate::ports::Ended;

/// Something to tell one player.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Who hears it.
    pub player: PlayerId,
    /// What they hear.
    pub notifications: Notification,
}

/// What a phone is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Notification {
    /// Say that you are there, for this match. The time of asking is the sender's to add, at the last moment.
    Ping(MatchId),
    /// What your ticket is now.
    Ticket(Box<View>),
}

/// Whom an event concerns, and what they hear. A question whose time is over is not put any more.
pub fn messages(event: &Event, queues: &Queues, now_ms: u64) -> Vec<Message> {
    match event {
        Event::Asked(this_match) if this_match.deadline_ms.is_none_or(|deadline_ms| deadline_ms <= now_ms) => {
            Vec::new()
        }
        Event::Asked(this_match) if this_match.state == MatchState::Checking => {
            let ping = |member: &Member, player: &PlayerId| {
                member.awaits(player).then(|| Notification::Ping(this_match.id.clone()))
            };
            this_match.members().flat_map(|member| tell(&member.players, |player| ping(member, player))).collect()
        }
        Event::Asked(this_match) => {
            let rules = queues.rules(&this_match.id.pool);
            let view = |member: &Member| View::proposed(this_match, member, rules, now_ms);
            this_match.members().flat_map(|member| tell(&member.players, |_| Some(ticket(view(member))))).collect()
        }
        Event::Matched(this_match) => {
            let view =
                |member: &Member, player: &PlayerId| View::ended(&member.ticket, matched(this_match, member), player);
            this_match
                .members()
                .flat_map(|member| tell(&member.players, |player| view(member, player).map(ticket)))
                .collect()
        }
        Event::Ended(ended) => {
            tell(&ended.players, |player| View::ended(&ended.ticket, finished(ended), player).map(ticket)).collect()
        }
        Event::Dropped(dropped) => {
            let rules = queues.rules(&dropped.this_match.id.pool);
            let finished = |member: &&Member| dropped.verdicts.iter().any(|(ticket, _)| *ticket == member.ticket);
            let again = dropped.this_match.members().filter(|member| !finished(member));
            let view = |member: &Member| View::requeued(member, rules, now_ms);
            again.flat_map(|member| tell(&member.players, |_| Some(ticket(view(member))))).collect()
        }
    }
}

fn ticket(view: View) -> Notification {
    Notification::Ticket(Box::new(view))
}

fn tell<'a>(
    players: &'a [PlayerId],
    notifications: impl Fn(&PlayerId) -> Option<Notification> + 'a,
) -> impl Iterator<Item = Message> + 'a {
    players
        .iter()
        .filter_map(move |player| Some(Message { player: player.clone(), notifications: notifications(player)? }))
}

fn matched(this_match: &Match, member: &Member) -> Ended {
    Ended {
        outcome: Outcome::Matched(this_match.id.clone()),
        players: member.players.clone(),
        joined_ms: member.joined_ms,
        attempts: member.attempts,
        played: Some(this_match.clone()),
    }
}

fn finished(ended: &EndedTicket) -> Ended {
    let EndedTicket { outcome, players, joined_ms, attempts, .. } = ended.clone();
    Ended { outcome, players, joined_ms, attempts, played: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CancelReason, DroppedMatch, PoolId, Queue, Rules, TicketId, Unique};
    use crate::usecases::view::Status;

    const T0: u64 = 1_800_000_000_000;

    fn queues() -> Queues {
        let regions = vec!["eu".parse().unwrap()];
        Queues::new(vec![Queue { name: "duel".parse().unwrap(), regions, rules: Rules::default() }]).unwrap()
    }

    /// A party of ann and bob against cid alone, who fell out of two matches before.
    fn this_match(state: MatchState) -> Match {
        let pool: PoolId = "duel.eu".parse().unwrap();
        let member = |n, names: &[&str], attempts| Member {
            ticket: TicketId::new(pool.clone(), Unique::from_bits(n)),
            players: names.iter().map(|name| name.parse().unwrap()).collect(),
            rating: 0.0,
            joined_ms: T0 - 5_000,
            attempts,
            ready: false,
            heard: Vec::new(),
            imported: 0,
        };
        let teams = vec![vec![member(1, &["ann", "bob"], 0)], vec![member(2, &["cid"], 2)]];
        let id = MatchId::new(pool.clone(), Unique::from_bits(9));
        Match { id, state, created_ms: T0, teams, deadline_ms: Some(T0 + 1_000), lobby: None }
    }

    /// Who hears what, in short: the event and the version.
    fn heard(event: &Event, now_ms: u64) -> Vec<(String, &'static str, u64)> {
        let short = |message: Message| match message.notifications {
            Notification::Ping(_) => (message.player.to_string(), "ping", 0),
            Notification::Ticket(view) => (message.player.to_string(), view.status.event(), view.version),
        };
        messages(event, &queues(), now_ms).into_iter().map(short).collect()
    }

    fn to(name: &str, event: &'static str, version: u64) -> (String, &'static str, u64) {
        (name.to_owned(), event, version)
    }

    #[test]
    fn every_player_of_every_party_is_asked_until_the_deadline() {
        let asked = Event::Asked(this_match(MatchState::Proposed));
        let all = [to("ann", "proposed", 2), to("bob", "proposed", 2), to("cid", "proposed", 70)];
        assert_eq!(heard(&asked, T0 + 999), all);
        assert_eq!(heard(&asked, T0 + 1_000), []);
    }

    #[test]
    fn only_who_was_not_heard_is_pinged() {
        let mut this_match = this_match(MatchState::Checking);
        this_match.teams[0][0].ready = true;
        assert_eq!(heard(&Event::Asked(this_match), T0), [to("cid", "ping", 0)]);
    }

    #[test]
    fn who_was_at_fault_hears_only_of_the_end_and_the_others_of_their_next_round() {
        let this_match = this_match(MatchState::Dropped);
        let verdicts = vec![(this_match.teams[1][0].ticket.clone(), CancelReason::Declined)];
        let dropped = Event::Dropped(DroppedMatch { this_match: this_match.clone(), verdicts });
        assert_eq!(heard(&dropped, T0), [to("ann", "queued", 35), to("bob", "queued", 35)]);
        let member = this_match.teams[1][0].clone();
        let finished = Event::Ended(EndedTicket {
            ticket: member.ticket,
            players: member.players,
            rating: 0.0,
            joined_ms: T0,
            attempts: 2,
            outcome: Outcome::Cancelled(CancelReason::Declined),
            ended_ms: T0,
            imported: 0,
            declined_by: None,
        });
        assert_eq!(heard(&finished, T0), [to("cid", "cancelled", 1_000_000)]);
    }

    #[test]
    fn all_hear_of_a_match_with_whom() {
        let found = messages(&Event::Matched(this_match(MatchState::Confirmed)), &queues(), T0);
        assert_eq!(found.len(), 3);
        for Message { player, notifications } in found {
            let Notification::Ticket(view) = notifications else { panic!("expected a ticket") };
            assert_eq!(view.status, Status::Matched);
            assert!(view.this_match.unwrap().member_of(&player).unwrap().ticket == view.ticket);
        }
    }
}
