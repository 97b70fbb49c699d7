//! Where the rules stand that operators change without a deployment.
//!
//! A version never changes once it is written, and the newest is the one that counts: to take a change back is to write an
//! older document as a new version. What a document means is its readers' business; here it is text.

use std::future::Future;

use super::error::StoreResult;

/// A version of the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesVersion {
    /// 1 for the first, and one more for each that followed.
    pub version: u64,
    /// The queues document, as it was put.
    pub document: String,
    /// The pools that earlier documents named and this one does not, with their rules and until when they count, as text.
    pub closed: String,
    /// When it was put.
    pub put_ms: u64,
    /// What the operator said of it.
    pub note: String,
}

/// What became of a new version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It is the newest.
    Done,
    /// Another version was put since: this one is none.
    Late,
}

/// The rules, by version.
pub trait Rulebook: Send + Sync {
    /// The newest version; none if no operator has put one.
    fn current_rules(&self) -> impl Future<Output = StoreResult<Option<RulesVersion>>> + Send;

    /// Puts a version that follows the newest, which was read before. Of several that follow the same one, exactly one is done.
    fn put_rules(&self, rules: &RulesVersion) -> impl Future<Output = StoreResult<Put>> + Send;

    /// A version of long ago, or the newest.
    fn rules_version(&self, version: u64) -> impl Future<Output = StoreResult<Option<RulesVersion>>> + Send;
}
