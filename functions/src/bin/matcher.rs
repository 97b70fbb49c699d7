//! Fired every minute, and by the doorbell: makes matches.

use lambda_runtime::Error;
use muster_functions::{handlers, shell};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    shell::stay(handlers::matcher::handle).await
}
