//! A phone's side of a pool.

use super::connection::{Arg, Redis, rate_args};
use super::keys::Key;
use super::record;
use super::reply::Reply;
use super::scripts;
use crate::domain::limits::{KEEP_MS, OUTBOX_BYTES_MAX};
use crate::domain::{Match, MatchId, PlayerId, Ticket, TicketId};
use crate::ports::{Cancelled, Ended, Estimate, Joined, Polled, Probe, StoreError, Tickets};

fn estimate(reply: &Reply, p50: usize) -> Result<Estimate, StoreError> {
    Ok(Estimate { p50_ms: reply.part(p50)?, p90_ms: reply.part(p50 + 1)? })
}

fn ended(ticket: &TicketId, reply: &Reply) -> Result<Ended, StoreError> {
    record::read_ended(ticket, &reply.part::<String>(1)?, reply.part(2)?)
}

impl Tickets for Redis {
    async fn join(&self, ticket: &Ticket, now_ms: u64) -> Result<Joined, StoreError> {
        let (id, text) = (&ticket.id, record::write_ticket(ticket));
        let args = [Arg::Int(now_ms), Arg::Text(id.unique.as_str()), Arg::Text(&text), Arg::Int(ticket.order())];
        let reply = self.run(&scripts::JOIN, &id.pool, &args).await?;
        match reply.word() {
            "JOINED" => Ok(Joined::New(estimate(&reply, 1)?)),
            "JOINED_BEFORE" => Ok(Joined::Before(estimate(&reply, 1)?)),
            "ENDED" => Ok(Joined::Ended),
            _ => reply.unexpected(),
        }
    }

    async fn tombstone(&self, ticket: &TicketId, now_ms: u64) -> Result<Probe, StoreError> {
        let args = [Arg::Int(now_ms), Arg::Text(ticket.unique.as_str()), Arg::Int(now_ms + KEEP_MS)];
        let reply = self.run(&scripts::TOMBSTONE, &ticket.pool, &args).await?;
        match reply.word() {
            "LIVE" => Ok(Probe::Live),
            "DEAD" => Ok(Probe::Dead),
            _ => reply.unexpected(),
        }
    }

    async fn poll(&self, ticket: &TicketId, player: &PlayerId, now_ms: u64) -> Result<Polled, StoreError> {
        let [every, burst] = rate_args(self.call_rate);
        let args = [Arg::Int(now_ms), Arg::Text(ticket.unique.as_str()), Arg::Text(player.as_str()), every, burst];
        let reply = self.run(&scripts::POLL, &ticket.pool, &args).await?;
        let waiting = |reply: &Reply| record::read_ticket(ticket.clone(), &reply.part::<String>(1)?);
        match reply.word() {
            "WAITING" => Ok(Polled::Waiting { ticket: waiting(&reply)?, estimate: estimate(&reply, 2)? }),
            "CLAIMED" => {
                let id = record::match_id(&ticket.pool, &reply.part::<String>(2)?)?;
                Ok(Polled::Claimed {
                    ticket: waiting(&reply)?,
                    this_match: record::read_match(id, &reply.part::<String>(3)?)?,
                    lease_ms: reply.part(4)?,
                    estimate: estimate(&reply, 5)?,
                })
            }
            "SETTLING" => {
                let since_ms = reply.part::<u64>(3)?.saturating_sub(KEEP_MS);
                let entry = record::entry(&reply.part::<String>(1)?)?;
                Ok(Polled::Settling { finished: ended(ticket, &reply)?, since_ms, entry })
            }
            "ENDED" => Ok(Polled::Ended(ended(ticket, &reply)?)),
            "UNKNOWN" => Ok(Polled::Unknown),
            "RATE_LIMITED" => Err(StoreError::RateLimited { retry_ms: reply.part(1)? }),
            _ => reply.unexpected(),
        }
    }

    async fn cancel(&self, ticket: &TicketId, player: &PlayerId, now_ms: u64) -> Result<Cancelled, StoreError> {
        let [every, burst] = rate_args(self.call_rate);
        let args = [
            Arg::Int(now_ms),
            Arg::Text(ticket.unique.as_str()),
            Arg::Text(player.as_str()),
            Arg::Int(now_ms + KEEP_MS),
            Arg::Int(self.outbox_entries_max as u64),
            Arg::Int(OUTBOX_BYTES_MAX as u64),
            every,
            burst,
        ];
        let reply = self.run(&scripts::CANCEL, &ticket.pool, &args).await?;
        match reply.word() {
            "CANCELLED" => Ok(Cancelled::Done),
            "CLAIMED" => Ok(Cancelled::Claimed(record::match_id(&ticket.pool, &reply.part::<String>(1)?)?)),
            "ENDED" => Ok(Cancelled::Ended(ended(ticket, &reply)?)),
            "UNKNOWN" => Ok(Cancelled::Unknown),
            "RATE_LIMITED" => Err(StoreError::RateLimited { retry_ms: reply.part(1)? }),
            _ => reply.unexpected(),
        }
    }

    async fn find_match(&self, id: &MatchId) -> Result<Option<Match>, StoreError> {
        let mut command = redis::cmd("HGET");
        let key = Key::Matches.of_pool(&id.pool);
        command.arg(&key).arg(id.unique.as_str());
        let text: Option<String> = self.query(&command, &key).await?;
        text.map(|text| record::read_match(id.clone(), &text)).transpose()
    }
}
