//! `muster openapi`: the committed document, made anew.

use std::process::ExitCode;

use muster_functions::openapi::document;
use muster_tools::local::workspace_root;

/// Writes it.
pub fn run() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let path = workspace_root().join("docs/openapi.json");
    std::fs::write(&path, serde_json::to_string_pretty(&document())? + "\n")?;
    println!("wrote {}", path.display());
    Ok(ExitCode::SUCCESS)
}
