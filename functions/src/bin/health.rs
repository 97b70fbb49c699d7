//! `GET /health`, `GET /ready`

use lambda_runtime::Error;
use muster_functions::{handlers, shell};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    shell::observe(handlers::health::handle).await
}
