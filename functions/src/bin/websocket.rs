//! The WebSocket API: `$connect` and messages of connected phones.

use lambda_runtime::Error;
use muster_functions::{handlers, shell};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    shell::work(handlers::websocket::handle).await
}
