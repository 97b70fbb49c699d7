//! The rules, by version.
//!
//! | item | `pk` | written by |
//! |---|---|---|
//! | the newest version | `r.current` | `muster rules`, if it follows the version that stands there |
//! | each version before it | `r.<version>` | the same, just before; the same text however often |
//!
//! No function writes these items: the template denies it. A crash between the two writes leaves a copy of what is still the
//! newest, which the next writer writes again.

use super::client::{Condition, DynamoDb, TIMEOUT_MS, Written, within};
use super::item::{Item, ItemReader, KEY, number, text};
use crate::ports::{Clock, Put, Rulebook, RulesVersion, StoreError};

const CURRENT: &str = "r.current";
const VERSION: &str = "version";
const DOCUMENT: &str = "document";
const CLOSED: &str = "closed";
const PUT: &str = "put_ms";
const NOTE: &str = "note";

fn archived(version: u64) -> String {
    format!("r.{version}")
}

fn write(key: String, rules: &RulesVersion) -> Item {
    Item::from([
        (KEY.to_owned(), text(key)),
        (VERSION.to_owned(), number(rules.version)),
        (DOCUMENT.to_owned(), text(&rules.document)),
        (CLOSED.to_owned(), text(&rules.closed)),
        (PUT.to_owned(), number(rules.put_ms)),
        (NOTE.to_owned(), text(&rules.note)),
    ])
}

fn read(found: &Item) -> Result<RulesVersion, StoreError> {
    let read = ItemReader(found);
    Ok(RulesVersion {
        version: read.number(VERSION)?,
        document: read.text(DOCUMENT)?.to_owned(),
        closed: read.text(CLOSED)?.to_owned(),
        put_ms: read.number(PUT)?,
        note: read.text(NOTE)?.to_owned(),
    })
}

impl<C: Clock> Rulebook for DynamoDb<C> {
    async fn current_rules(&self) -> Result<Option<RulesVersion>, StoreError> {
        within(TIMEOUT_MS, self.get(CURRENT)).await?.as_ref().map(read).transpose()
    }

    async fn put_rules(&self, rules: &RulesVersion) -> Result<Put, StoreError> {
        within(TIMEOUT_MS, async {
            let follows = if let Some(newest) = self.get(CURRENT).await? {
                let before = read(&newest)?;
                if before.version + 1 != rules.version {
                    return Ok(Put::Late);
                }
                let same = Condition::new(
                    "attribute_not_exists(#pk) OR #version = :version",
                    vec![(":version", number(before.version))],
                );
                self.put_if(write(archived(before.version), &before), same).await?;
                Condition::new("#version = :version", vec![(":version", number(before.version))])
            } else if rules.version == 1 {
                Condition::new("attribute_not_exists(#pk)", Vec::new())
            } else {
                return Ok(Put::Late);
            };
            Ok(match self.put_if(write(CURRENT.to_owned(), rules), follows).await? {
                Written::Done => Put::Done,
                Written::Refused(_) => Put::Late,
            })
        })
        .await
    }

    async fn rules_version(&self, version: u64) -> Result<Option<RulesVersion>, StoreError> {
        within(TIMEOUT_MS, async {
            if let Some(found) = self.get(&archived(version)).await? {
                return read(&found).map(Some);
            }
            let newest = self.get(CURRENT).await?.as_ref().map(read).transpose()?;
            Ok(newest.filter(|newest| newest.version == version))
        })
        .await
    }
}
