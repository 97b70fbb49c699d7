//! Programs that others make: a project's own `.local/venv/bin` and `.local/bin` are looked through before PATH.

use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Folders of a project's own programs, below its root.
const OWN: [&str; 2] = [".local/venv/bin", ".local/bin"];

/// The first of `names` that is installed. The project's root is any folder above this crate's sources.
///
/// # Errors
/// [`Error::Missing`] when none is.
pub(crate) fn find(names: &[&str]) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let roots = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().skip(1);
    let own = roots.flat_map(|root| OWN.map(|place| root.join(place)));
    let places: Vec<PathBuf> = own.chain(std::env::split_paths(&path)).collect();
    names
        .iter()
        .flat_map(|name| places.iter().map(move |place| place.join(name)))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| Error::Missing { program: names.join(" or ") })
}
