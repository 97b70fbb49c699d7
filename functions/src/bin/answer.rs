//! `POST /match/{match_id}/accept`, `POST /match/{match_id}/decline`

use lambda_runtime::Error;
use muster_functions::{handlers, shell};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    shell::serve(handlers::answer::handle).await
}
