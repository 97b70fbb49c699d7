//! README.md, CONTRIBUTING.md and the pages of `docs/`, held against the code that they describe.
//!
//! - [`markdown`]: reads a page, as far as the checks need.
//! - [`check`]: holds links, paths and commands to what is there.
//! - [`transcript`]: plays the `curl` transcripts of a page against a deployment.

pub mod check;
pub mod markdown;
pub mod transcript;

use std::fs;
use std::path::{Path, PathBuf};

use self::markdown::Page;

/// The workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The text of a file of the workspace.
///
/// # Panics
/// It cannot be read.
pub fn text(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A page of the workspace.
///
/// # Panics
/// It cannot be read.
pub fn page(name: &str) -> Page {
    Page::new(name, &text(name))
}

/// README.md, CONTRIBUTING.md and every page of `docs/`.
///
/// # Panics
/// A page cannot be read.
pub fn pages() -> Vec<Page> {
    let folder = root().join("docs");
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> =
        names.filter(|name| name.ends_with(".md")).map(|name| format!("docs/{name}")).collect();
    names.extend(["README.md", "CONTRIBUTING.md"].map(str::to_owned));
    names.sort();
    names.iter().map(|name| page(name)).collect()
}
