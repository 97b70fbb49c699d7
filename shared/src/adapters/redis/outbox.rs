//! What the store still has to tell: a stream with one consumer group, so that any number of readers share the work.

use super::connection::{Arg, Redis};
use super::keys::Key;
use super::record;
use super::scripts;
use crate::domain::limits::{DEAD_BYTES_MAX, DEAD_ENTRIES_MAX, KEEP_MS};
use crate::domain::{Event, MatchId, PoolId, Ticket, TicketId};
use crate::ports::{Entry, Outbox, Recalled, StoreError, Unreadable};

/// An entry of a stream: its id, then names and values in turn.
type Row = (String, Vec<String>);

fn field<'a>(row: &'a Row, name: &str) -> Option<&'a str> {
    let mut pairs = row.1.chunks_exact(2);
    pairs.find(|pair| pair[0] == name).map(|pair| pair[1].as_str())
}

fn event(pool: &PoolId, row: &Row) -> Result<Event, Unreadable> {
    match (field(row, "kind"), field(row, "id"), field(row, "body")) {
        (Some(kind), Some(id), Some(body)) => record::read_event(pool, kind, id, body),
        _ => Err(Unreadable::Corrupt),
    }
}

impl Redis {
    async fn run_ids(&self, script: &'static scripts::Script, pool: &PoolId, ids: &[String]) -> Result<(), StoreError> {
        self.run_ids_after(script, pool, &[], ids).await
    }

    async fn run_ids_after(
        &self,
        script: &'static scripts::Script,
        pool: &PoolId,
        head: &[Arg<'_>],
        ids: &[String],
    ) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let args: Vec<Arg<'_>> = head.iter().copied().chain(ids.iter().map(|id| Arg::Text(id))).collect();
        let reply = self.run(script, pool, &args).await?;
        if script.words.contains(&reply.word()) { Ok(()) } else { reply.unexpected() }
    }
}

impl Outbox for Redis {
    async fn take(&self, pool: &PoolId, limit: usize, idle_ms: u64) -> Result<Vec<Entry>, StoreError> {
        let args = [Arg::Int(limit as u64), Arg::Int(idle_ms)];
        let reply = self.run(&scripts::TAKE, pool, &args).await?;
        if reply.word() != "TAKEN" {
            return reply.unexpected();
        }
        let (rows, deliveries): (Vec<Row>, Vec<u64>) = (reply.part(1)?, reply.part(2)?);
        let entry = |(row, deliveries): (Row, u64)| {
            let event = event(pool, &row);
            Entry { id: row.0, deliveries, event }
        };
        Ok(rows.into_iter().zip(deliveries).map(entry).collect())
    }

    async fn void(
        &self,
        pool: &PoolId,
        this_match: Option<&MatchId>,
        free: &[Ticket],
        finished: &[TicketId],
        entry: Option<&str>,
        now_ms: u64,
    ) -> Result<usize, StoreError> {
        let records: Vec<String> = free.iter().map(record::write_ticket).collect();
        let id = this_match.map_or("", |id| id.unique.as_str());
        let entry = entry.unwrap_or_default();
        let mut args = vec![Arg::Int(now_ms), Arg::Int(now_ms + KEEP_MS), Arg::Text(id), Arg::Text(entry)];
        for (ticket, record) in free.iter().zip(&records) {
            args.extend([Arg::Text(ticket.id.unique.as_str()), Arg::Text(record), Arg::Int(ticket.order())]);
        }
        for ticket in finished {
            args.extend([Arg::Text(ticket.unique.as_str()), Arg::Text(""), Arg::Int(0)]);
        }
        let reply = self.run(&scripts::VOID, pool, &args).await?;
        match reply.word() {
            "VOIDED" => reply.part(1),
            _ => reply.unexpected(),
        }
    }

    async fn stands(&self, ticket: &TicketId) -> Result<(), StoreError> {
        let reply = self.run(&scripts::STANDS, &ticket.pool, &[Arg::Text(ticket.unique.as_str())]).await?;
        match reply.word() {
            "STANDS" => Ok(()),
            _ => reply.unexpected(),
        }
    }

    async fn acknowledge(&self, pool: &PoolId, ids: &[String]) -> Result<(), StoreError> {
        self.run_ids(&scripts::ACKNOWLEDGE, pool, ids).await
    }

    async fn put_off(&self, pool: &PoolId, ids: &[String]) -> Result<(), StoreError> {
        self.run_ids(&scripts::PUT_OFF, pool, ids).await
    }

    async fn recall(&self, pool: &PoolId, after: Option<&str>, limit: usize) -> Result<Recalled, StoreError> {
        let start = after.map_or_else(|| "-".to_owned(), |after| format!("({after}"));
        let mut command = redis::cmd("XRANGE");
        let key = Key::Later.of_pool(pool);
        command.arg(&key).arg(start).arg("+").arg("COUNT").arg(limit);
        let rows: Vec<Row> = self.query(&command, &key).await?;
        let next = if rows.len() == limit { rows.last().map(|row| row.0.clone()) } else { None };
        let known = |row: &Row| event(pool, row) != Err(Unreadable::Unknown);
        let back: Vec<String> = rows.into_iter().filter(known).map(|row| row.0).collect();
        self.run_ids(&scripts::RECALL, pool, &back).await?;
        Ok(Recalled { back: back.len(), next })
    }

    async fn dead_letter(&self, pool: &PoolId, ids: &[String]) -> Result<(), StoreError> {
        self.run_ids_after(
            &scripts::DEAD_LETTER,
            pool,
            &[Arg::Int(DEAD_ENTRIES_MAX as u64), Arg::Int(DEAD_BYTES_MAX as u64)],
            ids,
        )
        .await
    }

    async fn dead_letters(&self, pool: &PoolId, limit: usize) -> Result<Vec<(String, String)>, StoreError> {
        let mut command = redis::cmd("XRANGE");
        let key = Key::DeadLetters.of_pool(pool);
        command.arg(&key).arg("-").arg("+").arg("COUNT").arg(limit);
        let rows: Vec<Row> = self.query(&command, &key).await?;
        Ok(rows.into_iter().map(|row| (row.0.clone(), row.1.join(" "))).collect())
    }

    async fn redrive(&self, pool: &PoolId, limit: usize) -> Result<usize, StoreError> {
        let reply = self.run(&scripts::REDRIVE, pool, &[Arg::Int(limit as u64)]).await?;
        match reply.word() {
            "REDRIVEN" => reply.part(1),
            _ => reply.unexpected(),
        }
    }
}
