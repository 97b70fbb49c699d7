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
        let part = self.parts.get(i).cloned().unwrap_or(Value::Nil);
        T::from_redis_value(part).map_err(|e| StoreError::Corrupt(format!("{}: part {i}: {e}", self.script)))
    }

    /// Every part, as a word.
    pub(super) fn words(self) -> Result<Vec<String>, StoreError> {
        (0..self.parts.len()).map(|i| self.part(i)).collect()
    }
}
