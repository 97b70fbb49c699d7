//! A matcher's side of a pool.

use super::connection::{Arg, Redis};
use super::record;
use super::scripts::{self, Script};
use crate::domain::limits::{KEEP_MS, LOBBIES_MAX, OUTBOX_BYTES_MAX};
use crate::domain::lobby;
use crate::domain::matching::Candidate;
use crate::domain::{CancelReason, Match, MatchId, PoolId, TicketId};
use crate::ports::{Claim, Dropped, Matches, Page, StoreError};

impl Redis {
    /// Runs a script that takes groups of tickets and answers a word for each: `held` as asked, any other not.
    async fn run_groups(
        &self,
        script: &'static Script,
        head: &[Arg<'_>],
        matches: &[Match],
        held: &str,
    ) -> Result<Vec<Claim>, StoreError> {
        let Some(first) = matches.first() else { return Ok(Vec::new()) };
        let records: Vec<String> = matches.iter().map(record::write_match).collect();
        let mut args = head.to_vec();
        for (this_match, record) in matches.iter().zip(&records) {
            args.extend([
                Arg::Text(this_match.id.unique.as_str()),
                Arg::Text(record),
                Arg::Int(this_match.members().count() as u64),
            ]);
            args.extend(this_match.members().map(|member| Arg::Text(member.ticket.unique.as_str())));
        }
        let words = self.run(script, &first.id.pool, &args).await?.words()?;
        claims(script, &words, held, matches.len())
    }
}

fn claims(script: &Script, words: &[String], held: &str, expected: usize) -> Result<Vec<Claim>, StoreError> {
    if words.len() != expected || words.iter().any(|word| !script.words.contains(&word.as_str())) {
        return Err(StoreError::Corrupt(format!("{}: expected {expected} words, found {words:?}", script.name)));
    }
    Ok(words.iter().map(|word| if word == held { Claim::Held } else { Claim::Lost }).collect())
}

impl Matches for Redis {
    async fn snapshot(&self, pool: &PoolId, offset: usize, limit: usize) -> Result<Page, StoreError> {
        let args = [Arg::Int(offset as u64), Arg::Int(limit as u64)];
        let reply = self.run(&scripts::SNAPSHOT, pool, &args).await?;
        if reply.word() != "SNAPSHOT" {
            return reply.unexpected();
        }
        let (ids, records, seen) = (reply.texts(1)?, reply.texts(2)?, reply.texts(3)?);
        let looked = ids.len();
        // A ticket that cannot be read is a later version's: it must not keep those from playing who stand beside it.
        let candidate = |((id, record), seen): ((Option<&str>, Option<&str>), Option<&str>)| {
            let id = TicketId::new(pool.clone(), record::unique(id?).ok()?);
            Some(Candidate { ticket: record::read_ticket(id, record?).ok()?, last_seen_ms: seen?.parse().ok()? })
        };
        Ok(Page { candidates: ids.into_iter().zip(records).zip(seen).filter_map(candidate).collect(), looked })
    }

    async fn match_now(&self, matches: &[Match], now_ms: u64) -> Result<Vec<Claim>, StoreError> {
        let head = [
            Arg::Int(now_ms + KEEP_MS),
            Arg::Int(self.outbox_entries_max as u64),
            Arg::Int(OUTBOX_BYTES_MAX as u64),
            Arg::Int(LOBBIES_MAX),
            Arg::Int(lobby::NUMBERS.into()),
        ];
        self.run_groups(&scripts::MATCH_NOW, &head, matches, "MATCHED").await
    }

    async fn claim(&self, matches: &[Match], lease_ms: u64) -> Result<Vec<Claim>, StoreError> {
        let asks = matches.first().is_some_and(|this_match| this_match.state.asks());
        let outbox_max = if asks { self.outbox_entries_max as u64 } else { 0 };
        let head = [Arg::Int(lease_ms), Arg::Int(outbox_max), Arg::Int(OUTBOX_BYTES_MAX as u64)];
        self.run_groups(&scripts::CLAIM, &head, matches, "CLAIMED").await
    }

    async fn confirm(&self, matches: &[Match], now_ms: u64) -> Result<Vec<Claim>, StoreError> {
        let head = [
            Arg::Int(now_ms),
            Arg::Int(now_ms + KEEP_MS),
            Arg::Int(self.outbox_entries_max as u64),
            Arg::Int(OUTBOX_BYTES_MAX as u64),
            Arg::Int(LOBBIES_MAX),
            Arg::Int(lobby::NUMBERS.into()),
        ];
        self.run_groups(&scripts::CONFIRM, &head, matches, "CONFIRMED").await
    }

    async fn drop_match(
        &self,
        id: &MatchId,
        verdicts: &[(TicketId, CancelReason)],
        now_ms: u64,
    ) -> Result<Dropped, StoreError> {
        let mut args = vec![Arg::Int(now_ms), Arg::Text(id.unique.as_str())];
        for (ticket, reason) in verdicts {
            args.extend([Arg::Text(ticket.unique.as_str()), Arg::Text(reason.as_str())]);
        }
        let reply = self.run(&scripts::DROP, &id.pool, &args).await?;
        match reply.word() {
            "DROPPED" => Ok(Dropped::Done),
            "LEASE_LOST" => Ok(Dropped::LeaseLost),
            _ => reply.unexpected(),
        }
    }
}
