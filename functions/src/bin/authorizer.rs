//! The authorizer of `$connect` of the WebSocket API.

use lambda_runtime::Error;
use muster_functions::shell;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    shell::admit().await
}
