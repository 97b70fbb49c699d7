//! Reads the environment: texts become values, and every problem is kept, to be reported at once.

use std::time::Duration;

/// A variable of the process; none if it is empty.
#[allow(clippy::disallowed_methods, reason = "the one lawful place: everybody else takes a configuration")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The environment while it is read.
pub(crate) struct EnvReader<'a> {
    /// What is asked.
    pub lookup: &'a dyn Fn(&str) -> Option<String>,
    /// A line each.
    pub problems: Vec<String>,
}

impl<'a> EnvReader<'a> {
    /// Reads what `lookup` finds.
    pub fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup, problems: Vec::new() }
    }

    /// `read`, if there was no problem.
    pub fn done<T>(self, read: T) -> Result<T, Vec<String>> {
        if self.problems.is_empty() { Ok(read) } else { Err(self.problems) }
    }

    /// Keeps a problem.
    pub fn refuse(&mut self, name: &str, expected: &str, found: &str) {
        self.problems.push(format!("{name}: expected {expected}, found {found:?}"));
    }

    /// A text that must be there.
    pub fn required(&mut self, name: &str, expected: &str) -> String {
        (self.lookup)(name).unwrap_or_else(|| {
            self.problems.push(format!("{name}: expected {expected}, found none"));
            String::new()
        })
    }

    /// One of several texts, the first where there is none.
    pub fn choice<T: Copy>(&mut self, name: &str, values: &[(&str, T)]) -> T {
        let Some(text) = (self.lookup)(name) else { return values[0].1 };
        if let Some((_, value)) = values.iter().find(|(value, _)| *value == text) {
            return *value;
        }
        let expected: Vec<&str> = values.iter().map(|(value, _)| *value).collect();
        self.refuse(name, &expected.join(" or "), &text);
        values[0].1
    }

    /// A number within bounds.
    pub fn number<T: std::str::FromStr + PartialOrd + Copy + std::fmt::Display>(
        &mut self,
        name: &str,
        min: T,
        max: T,
        default: T,
    ) -> T {
        let Some(text) = (self.lookup)(name) else { return default };
        match text.parse::<T>() {
            Ok(number) if number >= min && number <= max => number,
            _ => {
                self.refuse(name, &format!("a number from {min} to {max}"), &text);
                default
            }
        }
    }

    /// Milliseconds of a text like `10s`.
    pub fn duration(&mut self, name: &str, default_ms: u64) -> u64 {
        let Some(text) = (self.lookup)(name) else { return default_ms };
        match humantime::parse_duration(&text) {
            Ok(duration) if duration >= Duration::from_millis(1) && duration <= Duration::from_secs(900) => {
                u64::try_from(duration.as_millis()).unwrap_or(default_ms)
            }
            _ => {
                self.refuse(name, "a duration from 1ms to 15m, like 10s", &text);
                default_ms
            }
        }
    }
}
