//! Where the programs of others are: this project's own `.local/venv/bin` and `.local/bin`, then PATH.

use std::path::{Path, PathBuf};

use super::{Error, Result};

/// The root of the workspace, as it was when this crate was compiled.
pub fn workspace_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("/"))
}

/// The first of `names` that is installed.
///
/// # Errors
/// [`Error::Missing`] when none is.
pub fn find(names: &[&str]) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let own = [".local/venv/bin", ".local/bin"].map(|place| workspace_root().join(place));
    let places: Vec<PathBuf> = own.into_iter().chain(std::env::split_paths(&path)).collect();
    names
        .iter()
        .flat_map(|name| places.iter().map(move |place| place.join(name)))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| Error::Missing { program: names.join(" or ") })
}
