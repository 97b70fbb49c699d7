//! `GET /queue/status`

use lambda_runtime::Error;
use muster_functions::{handlers, shell};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    shell::serve(handlers::queue_status::handle).await
}
