//! One file for each subcommand.

pub mod alarms;
pub mod aws;
pub mod bench;
pub mod containers;
pub mod cost;
pub mod dead_letters;
pub mod demo;
pub mod doctor;
pub mod drill;
pub mod openapi;
pub mod ratings;
pub mod rules;
pub mod start_up;
pub mod up;

use std::io;
use std::path::PathBuf;

use comfy_table::{CellAlignment, Table};
use muster_tools::local::workspace_root;
use tokio::signal::unix::{SignalKind, signal};

/// Waits until somebody wants this program to end: Ctrl-C, SIGTERM or a closed terminal.
///
/// # Errors
/// The system does not let us listen for signals.
pub async fn asked_to_end() -> io::Result<()> {
    let (mut interrupt, mut terminate, mut hangup) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}

/// The table with its figures, which are all columns but the first, to the right.
pub fn figures_right(mut table: Table) -> Table {
    table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table
}

/// An empty directory for the logs of this run, below `.local/logs`.
///
/// # Errors
/// The old one cannot be removed or the new one not made.
pub fn fresh_logs(name: &str) -> io::Result<PathBuf> {
    let directory = workspace_root().join(".local/logs").join(name);
    if directory.exists() {
        std::fs::remove_dir_all(&directory)?;
    }
    std::fs::create_dir_all(&directory)?;
    Ok(directory)
}
