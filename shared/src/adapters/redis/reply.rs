//! Reading what a script answered. Anything unexpected is [`StoreError::Corrupt`], never a panic.

use redis::{FromRedisValue, Value};

use crate::ports::StoreError;

/// A script's answer: a word, then parts.
pub(super) struct Reply {
    script: &'static str,
    parts: Vec<Value>,
}

impl Reply {
    pub(super) fn new(script: &'static str, value: Value) -> Result<Self, StoreError> {
        match value {
            Value::Array(parts) => Ok(Self { script, parts }),
            other => Err(StoreError::Corrupt(format!("{script}: expected a list, found {other:?}"))),
        }
    }

    pub(super) fn word(&self) -> &str {
        match self.parts.first() {
            Some(Value::BulkString(word)) => std::str::from_utf8(word).unwrap_or_default(),
            Some(Value::SimpleString(word)) => word,
            _ => "",
        }
    }

    /// The error for a word that nobody expected.
    pub(super) fn unexpected<T>(&self) -> Result<T, StoreError> {
        Err(StoreError::Corrupt(format!("{}: unexpected word {:?}", self.script, self.word())))
    }

    /// Part `i`, as `T`; `Option` for a part that may be nil.
    pub(super) fn part<T: FromRedisValue>(&self, i: usize) -> Result<T, StoreError> {
        let part = self.parts.get(i).unwrap_or(&Value::Nil);
        T::from_redis_value_ref(part).map_err(|e| StoreError::Corrupt(format!("{}: part {i}: {e}", self.script)))
    }

    /// Part `i`, a list whose elements are texts or nil. Nothing is copied: a page of a snapshot has thousands.
    pub(super) fn texts(&self, i: usize) -> Result<Vec<Option<&str>>, StoreError> {
        let corrupt =
            |found: &Value| StoreError::Corrupt(format!("{}: part {i}: expected texts, found {found:?}", self.script));
        let text = |value| match value {
            &Value::Nil => Ok(None),
            Value::BulkString(bytes) => std::str::from_utf8(bytes).map(Some).map_err(|_| corrupt(value)),
            _ => Err(corrupt(value)),
        };
        match self.parts.get(i) {
            Some(Value::Array(elements)) => elements.iter().map(text).collect(),
            other => Err(corrupt(other.unwrap_or(&Value::Nil))),
        }
    }

    /// Every part, as a word.
    pub(super) fn words(self) -> Result<Vec<String>, StoreError> {
        (0..self.parts.len()).map(|i| self.part(i)).collect()
    }
}
