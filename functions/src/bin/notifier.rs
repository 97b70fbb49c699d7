//! Fed by the stream of the ledger: tells the outside of matches and of tickets that ended.

use lambda_runtime::Error;
use muster_functions::shell;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    shell::tell().await
}
