//! Fired every minute: puts right what crashes left behind.

use lambda_runtime::Error;
use muster_functions::{handlers, shell};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    shell::stay(handlers::sweeper::handle).await
}
