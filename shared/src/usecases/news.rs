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
    pub news: News,
}

/// What a phone is told.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// Say that you are there, for this match. The time of asking is the sender's to add, at the last moment.
    Ping(MatchId),
    /// What your ticket is now.
    Ticket(Box<View>),
}

/// Whom an event concerns, and what they hear. A question whose time is over is not put any more.
pub fn messages(event: &Event, queues: &Queues, now_ms: u64) -> Vec<Message> {
    match event {
        Event::Asked(game) if game.deadline_ms.is_none_or(|deadline_ms| deadline_ms <= now_ms) => Vec::new(),
        Event::Asked(game) if game.state == MatchState::Checking => {
            let silent = game.members().filter(|member| !member.ready);
            silent.flat_map(|member| tell(&member.players, |_| Some(News::Ping(game.id.clone())))).collect()
        }
        Event::Asked(game) => {
            let rules = queues.rules(&game.id.pool);
            let view = |member: &Member| View::proposed(game, member, rules, now_ms);
            game.members().flat_map(|member| tell(&member.players, |_| Some(ticket(view(member))))).collect()
        }
        Event::Matched(game) => {
            let view = |member: &Member, player: &PlayerId| View::ended(&member.ticket, matched(game, member), player);
            game.members().flat_map(|member| tell(&member.players, |player| view(member, player).map(ticket))).collect()
        }
        Event::Ended(ended) => {
            tell(&ended.players, |player| View::ended(&ended.ticket, over(ended), player).map(ticket)).collect()
        }
        Event::Dropped(dropped) => {
            let rules = queues.rules(&dropped.game.id.pool);
            let over = |member: &&Member| dropped.verdicts.iter().any(|(ticket, _)| *ticket == member.ticket);
            let again = dropped.game.members().filter(|member| !over(member));
            let view = |member: &Member| View::requeued(member, rules, now_ms);
            again.flat_map(|member| tell(&member.players, |_| Some(ticket(view(member))))).collect()
        }
    }
}

fn ticket(view: View) -> News {
    News::Ticket(Box::new(view))
}

fn tell<'a>(
    players: &'a [PlayerId],
    news: impl Fn(&PlayerId) -> Option<News> + 'a,
) -> impl Iterator<Item = Message> + 'a {
    players.iter().filter_map(move |player| Some(Message { player: player.clone(), news: news(player)? }))
}

fn matched(game: &Match, member: &Member) -> Ended {
    Ended {
        outcome: Outcome::Matched(game.id.clone()),
        players: member.players.clone(),
        joined_ms: member.joined_ms,
        attempts: member.attempts,
        played: Some(game.clone()),
    }
}

fn over(ended: &EndedTicket) -> Ended {
    let EndedTicket { outcome, players, joined_ms, attempts, .. } = ended.clone();
    Ended { outcome, players, joined_ms, attempts, played: None }
}
