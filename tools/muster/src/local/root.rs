//! The root of the workspace, and the template there.

use std::path::Path;

use local_aws::{Result, Template};

/// The root of the workspace, as it was when this crate was compiled.
pub fn workspace_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("/"))
}

/// `template.yaml`.
///
/// # Errors
/// The file cannot be read.
pub fn template() -> Result<Template> {
    Template::read(&workspace_root().join("template.yaml"))
}
