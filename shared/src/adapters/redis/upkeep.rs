//! What keeps a pool honest, and an operator's view of it.

use std::collections::BTreeMap;

use redis::InfoDict;

use super::connection::{Arg, Redis};
use super::runs;
use super::scripts;
use crate::domain::limits::{
    EXPIRE_BATCH, EXPIRE_LOOK_MAX, KEEP_MS, OLDEST_LOOK_MAX, OUTBOX_BYTES_MAX, PRIORITY_STEP_MS, RECLAIM_BATCH_MATCHES,
    RECLAIM_BATCH_TICKETS, UPKEEP_GAP_MS_MAX, UPKEEP_PAUSE_MS_MAX,
};
use crate::domain::{PoolId, Rules};
use crate::ports::{
    Estimate, Expired, Job, JobRun, Pinged, PoolStatus, Pools, Reclaimed, Removed, StoreError, Totals, Upkeep,
};

impl Upkeep for Redis {
    async fn reclaim(&self, pool: &PoolId, now_ms: u64) -> Result<Reclaimed, StoreError> {
        let args = [
            Arg::Int(now_ms),
            Arg::Int(now_ms + KEEP_MS),
            Arg::Int(self.outbox_entries_max as u64),
            Arg::Int(OUTBOX_BYTES_MAX as u64),
            Arg::Int(RECLAIM_BATCH_MATCHES as u64),
            Arg::Int(RECLAIM_BATCH_TICKETS as u64),
            Arg::Int(PRIORITY_STEP_MS),
            Arg::Int(UPKEEP_GAP_MS_MAX),
            Arg::Int(UPKEEP_PAUSE_MS_MAX),
            Arg::Int(self.clock_ahead_ms_max),
        ];
        let reply = self.run(&scripts::RECLAIM, pool, &args).await?;
        match reply.word() {
            "RECLAIMED" => {
                let (matches, requeued, cancelled) = (reply.part(1)?, reply.part(2)?, reply.part(3)?);
                Ok(Reclaimed { matches, requeued, cancelled, crashed: reply.part(4)? })
            }
            _ => reply.unexpected(),
        }
    }

    async fn expire(&self, pool: &PoolId, rules: &Rules, now_ms: u64) -> Result<Expired, StoreError> {
        let args = [
            Arg::Int(now_ms),
            Arg::Int(now_ms + KEEP_MS),
            Arg::Int(self.outbox_entries_max as u64),
            Arg::Int(OUTBOX_BYTES_MAX as u64),
            Arg::Int(EXPIRE_BATCH as u64),
            Arg::Int(now_ms.saturating_sub(rules.ttl_ms)),
            Arg::Int(rules.abandon_ms),
            Arg::Int(EXPIRE_LOOK_MAX as u64),
            Arg::Int(UPKEEP_GAP_MS_MAX),
            Arg::Int(UPKEEP_PAUSE_MS_MAX),
            Arg::Int(self.clock_ahead_ms_max),
        ];
        let reply = self.run(&scripts::EXPIRE, pool, &args).await?;
        match reply.word() {
            "EXPIRED" => Ok(Expired { expired: reply.part(1)?, abandoned: reply.part(2)?, forgotten: reply.part(3)? }),
            _ => reply.unexpected(),
        }
    }

    async fn remove(&self, pool: &PoolId) -> Result<Removed, StoreError> {
        let reply = self.run(&scripts::REMOVE, pool, &[]).await?;
        match reply.word() {
            "REMOVED" => Ok(Removed::Done),
            "IN_USE" => Ok(Removed::InUse),
            _ => reply.unexpected(),
        }
    }
}

impl Pools for Redis {
    async fn status(&self, pool: &PoolId, now_ms: u64, ran: Option<&JobRun>) -> Result<PoolStatus, StoreError> {
        let ran = runs::write(ran);
        let mut args = vec![Arg::Int(OLDEST_LOOK_MAX as u64)];
        args.extend(ran.iter().map(|text| Arg::Text(text)));
        let reply = self.run(&scripts::STATUS, pool, &args).await?;
        if reply.word() != "STATUS" {
            return reply.unexpected();
        }
        let stats: BTreeMap<String, u64> = reply.part(7)?;
        let count = |name: &str| stats.get(name).copied().unwrap_or_default();
        let totals = Totals {
            joined: count("joined"),
            matched: count("matched"),
            cancelled: count("cancelled"),
            expired: count("expired"),
            requeued: count("requeued"),
            reclaimed: count("reclaimed"),
        };
        let fields: BTreeMap<String, String> = reply.part(11)?;
        Ok(PoolStatus {
            waiting: reply.part(1)?,
            claimed: reply.part(2)?,
            open_matches: reply.part(3)?,
            outbox: reply.part(4)?,
            outbox_oldest_ms: reply.part::<Option<String>>(8)?.map(|id| written_ms(&id)).transpose()?,
            leader: reply.part(5)?,
            oldest_joined_ms: reply.part(6)?,
            estimate: Estimate { p50_ms: stats.get("wait_p50").copied(), p90_ms: stats.get("wait_p90").copied() },
            wait_p99_ms: stats.get("wait_p99").copied(),
            totals,
            dead_letters: reply.part(9)?,
            remembered: reply.part(10)?,
            lately: runs::lately(&fields, totals, now_ms),
            matcher: runs::read(&fields, Job::Matcher),
            sweeper: runs::read(&fields, Job::Sweeper),
        })
    }

    async fn ping(&self) -> Result<Pinged, StoreError> {
        let mut command = redis::cmd("INFO");
        command.arg("memory");
        let answers: Vec<Result<InfoDict, StoreError>> = self.query_all(&command).await?;
        let nodes = answers.len();
        let (infos, away): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        let infos: Vec<InfoDict> = infos.into_iter().flatten().collect();
        if let (true, Some(Err(error))) = (infos.is_empty(), away.first()) {
            return Err(error.clone());
        }
        let sum = |name| infos.iter().map(|info| info.get::<u64>(name)).sum::<Option<u64>>();
        let memory = sum("used_memory").map(|used| (used, sum("maxmemory").unwrap_or_default()));
        Ok(Pinged { nodes, nodes_away: away.len(), memory })
    }
}

/// When an entry of a stream was written: the first part of its id, Redis's own time.
fn written_ms(id: &str) -> Result<u64, StoreError> {
    let ms = id.split('-').next().and_then(|ms| ms.parse().ok());
    ms.ok_or_else(|| StoreError::Corrupt(format!("stream id {id:?}")))
}
