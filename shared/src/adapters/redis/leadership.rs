//! Who leads a pool.

use super::connection::{Arg, Redis};
use super::{runs, scripts};
use crate::domain::PoolId;
use crate::domain::limits::LATELY_MS;
use crate::ports::{Bid, JobRun, Leadership, Led, Resigned, Role, StoreError};

impl Leadership for Redis {
    async fn lead(&self, pool: &PoolId, bid: &Bid<'_>) -> Result<Led, StoreError> {
        let Bid { token, ttl_ms, now_ms, reach, ran } = *bid;
        let ran = runs::write(ran);
        let mut args = vec![Arg::Text(token), Arg::Int(ttl_ms), Arg::Int(now_ms), Arg::Text(reach.as_str())];
        args.push(Arg::Int(LATELY_MS));
        args.extend(ran.iter().map(|text| Arg::Text(text)));
        let reply = self.run(&scripts::LEAD, pool, &args).await?;
        let role = match reply.word() {
            "LEADING" => Role::Leading,
            "FOLLOWING" => Role::Following,
            "FREE" => Role::Free,
            _ => return reply.unexpected(),
        };
        Ok(Led { role, waiting: reply.part(1)?, open: reply.part(2)? })
    }

    async fn resign(
        &self,
        pool: &PoolId,
        token: &str,
        if_idle: bool,
        ran: Option<&JobRun>,
    ) -> Result<Resigned, StoreError> {
        let ran = runs::write(ran);
        let mut args = vec![Arg::Text(token), Arg::Text(if if_idle { "idle" } else { "leave" })];
        args.extend(ran.iter().map(|text| Arg::Text(text)));
        let reply = self.run(&scripts::RESIGN, pool, &args).await?;
        match reply.word() {
            "RESIGNED" => Ok(Resigned::Done),
            "BUSY" => Ok(Resigned::Busy),
            "FOLLOWING" => Ok(Resigned::Following),
            _ => reply.unexpected(),
        }
    }
}
