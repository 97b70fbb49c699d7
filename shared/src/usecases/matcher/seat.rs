//! One pool, as a run knows it.

use crate::domain::{PoolId, Rules};
use crate::ports::{JobRun, Led, StoreError};
use crate::usecases::tick::Ticked;

/// A pool, as a run knows it.
pub(super) struct Seat<'a> {
    pub(super) pool: PoolId,
    pub(super) rules: &'a Rules,
    pub(super) leading: bool,
    /// A doorbell named it, and no look has succeeded since.
    pub(super) rung: bool,
    /// When it is looked at next.
    pub(super) due_ms: u64,
    /// The pause before that.
    pub(super) pause_ms: u64,
    /// When the leadership is to be renewed.
    pub(super) renew_ms: u64,
    /// When somebody waited, or the run began to lead it.
    pub(super) busy_ms: u64,
    /// What was there at the last look.
    pub(super) work: Work,
    /// It had work at the last look, nobody led it, and there was no room.
    pub(super) left_over: bool,
    pub(super) ran: JobRun,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// Not looked at yet.
    Unknown,
    /// The look failed.
    Failed,
    /// Somebody waits, or a match is open.
    Some,
    None,
}

/// What a look found.
pub(super) struct Seen {
    pub(super) began_ms: u64,
    pub(super) led: Option<Led>,
    pub(super) ticked: Option<Ticked>,
    pub(super) failed: Option<StoreError>,
}
