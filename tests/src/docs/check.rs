//! Holds what a page names to what is there. Each check answers with its findings, a line each; none if all is well.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::{Component, Path, PathBuf};

use super::markdown::Page;

/// Files that pages name end like this.
const ENDINGS: [&str; 10] = ["json", "lock", "lua", "md", "py", "rs", "sh", "svg", "toml", "yaml"];

/// Two sets that must be equal.
pub fn same<T: Ord + Debug>(what: &str, expected: (&str, BTreeSet<T>), found: (&str, BTreeSet<T>)) -> Vec<String> {
    let missing =
        expected.1.difference(&found.1).map(|one| format!("{what}: {one:?} is in {}, not in {}", expected.0, found.0));
    let extra =
        found.1.difference(&expected.1).map(|one| format!("{what}: {one:?} is in {}, not in {}", found.0, expected.0));
    missing.chain(extra).collect()
}

/// Relative links lead to files that are there, and to headings of pages.
pub fn links(page: &Page, pages: &[Page], root: &Path) -> Vec<String> {
    let mut problems = Vec::new();
    for link in page.links() {
        if link.text.contains("://") {
            continue;
        }
        let at = page.at(link.line);
        let (path, anchor) =
            link.text.split_once('#').map_or((link.text.as_str(), None), |(path, to)| (path, Some(to)));
        let name = if path.is_empty() { page.name.clone() } else { beside(&page.name, path) };
        if !root.join(&name).exists() {
            problems.push(format!("{at}: expected a file {name} to link to, found none"));
            continue;
        }
        let Some(anchor) = anchor else { continue };
        let there = pages.iter().find(|page| page.name == name).is_some_and(|page| page.anchors().contains(anchor));
        if !there {
            problems.push(format!("{at}: expected a heading #{anchor} in {name}, found none"));
        }
    }
    problems
}

/// The path from the root of a path that a page names.
fn beside(page: &str, path: &str) -> String {
    let mut whole = PathBuf::from(page);
    whole.pop();
    for part in Path::new(path).components() {
        match part {
            Component::ParentDir => {
                whole.pop();
            }
            part => whole.push(part),
        }
    }
    whole.to_string_lossy().into_owned()
}

/// Paths in code spans, from the root or from the page's own folder, are there.
pub fn paths(page: &Page, root: &Path) -> Vec<String> {
    let missing = |path: &str| !root.join(path).exists() && !root.join(beside(&page.name, path)).exists();
    let spans = page.spans().into_iter().filter(|span| is_path(&span.text, root) && missing(&span.text));
    spans.map(|span| format!("{}: expected {} to be there, found nothing", page.at(span.line), span.text)).collect()
}

/// Whether a code span is meant as a path of the workspace: by its ending, or because it begins with one of its folders.
/// `events/NAME.json` stands for many, and what begins with a dot is made here and not kept.
fn is_path(span: &str, root: &Path) -> bool {
    let plain = span.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/".contains(&b));
    let ending = span.rsplit_once('.').is_some_and(|(_, ending)| ENDINGS.contains(&ending));
    let folder = span.split_once('/').is_some_and(|(first, _)| !first.is_empty() && root.join(first).is_dir());
    plain && (ending || folder) && !span.contains("NAME") && !span.starts_with('.') && !span.starts_with("target/")
}

/// Every `make` and `muster` command that a page names exists.
pub fn commands(page: &Page, makefile: &str, root: &Path) -> Vec<String> {
    let targets: BTreeSet<&str> =
        makefile.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect();
    let fenced = page.fenced().map(|mut line| {
        line.text = line.text.trim_start_matches("$ ").to_owned();
        line
    });
    let mut problems = Vec::new();
    for found in page.spans().into_iter().chain(fenced) {
        let mut words = found.text.split_whitespace();
        let there = match (words.next(), words.next()) {
            (Some("make"), Some(target)) => targets.contains(target),
            (Some("muster"), Some(name)) => {
                root.join(format!("tools/muster/src/command/{}.rs", name.replace('-', "_"))).is_file()
            }
            _ => true,
        };
        if !there {
            problems.push(format!("{}: expected a command, found {:?}", page.at(found.line), found.text));
        }
    }
    problems
}
