//! Muster on one machine: the functions of `template.yaml`, with the stores, queues and environment that they need, on the parts of
//! `local_aws`.
//!
//! Deliberately absent: what any other project would need as well. That is in `local_aws`, which knows nothing of Muster.

mod deployment;
mod ledger_table;
mod parts;
mod root;

pub use deployment::{Deployment, Options, PROCESSES_DEFAULT, QUEUES, SCHEDULED_FUNCTIONS, binaries};
pub use ledger_table::{LedgerTable, TABLE, ledger_emulator};
pub use parts::{LedgerPart, RedisKind, RedisPart};
pub use root::{template, workspace_root};
