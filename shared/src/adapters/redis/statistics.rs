//! What a pool remembers of its waits.

use super::connection::{Arg, Redis};
use super::scripts;
use crate::domain::PoolId;
use crate::domain::limits::RECENT_WAITS_MAX;
use crate::ports::{Statistics, StoreError};

impl Statistics for Redis {
    async fn note_waits(&self, pool: &PoolId, waits_ms: &[u64]) -> Result<(), StoreError> {
        let latest = &waits_ms[waits_ms.len().saturating_sub(RECENT_WAITS_MAX)..];
        if latest.is_empty() {
            return Ok(());
        }
        let mut args = vec![Arg::Int(RECENT_WAITS_MAX as u64)];
        args.extend(latest.iter().map(|wait_ms| Arg::Int(*wait_ms)));
        let reply = self.run(&scripts::WAITS, pool, &args).await?;
        match reply.word() {
            "NOTED" => Ok(()),
            _ => reply.unexpected(),
        }
    }
}
