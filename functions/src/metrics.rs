//! One event for each invocation, wide enough to answer questions later: a line of JSON on standard output in CloudWatch's
//! embedded metric format (EMF), from which CloudWatch takes the metrics that alarms and dashboard read.
//!
//! Except for what is routine: a poll that went well and changed nothing has its line in the API's access log, and polls are
//! most of what happens. A second line for each would cost more than what they do.
//!
//! The line does not go through the log, so that no log level silences a metric. It holds ids of requests and counts; never a
//! token, a body, or who plays.
//!
//! Each thing that happens is counted by the one function that did it, never by another that sees it too; what stands in the
//! pools is told by the sweeper alone, which runs whether anybody plays or not.

use std::io::Write;

use muster::ports::Reclaimed;
use serde_json::{Map, Value, json};

/// The namespace of all metrics.
pub const NAMESPACE: &str = "Muster";
/// The one dimension: the deployment's name. Two deployments of one account share no figure and no alarm.
pub const DIMENSION: &str = "Stack";
/// Values that EMF takes for one metric of one event.
pub const VALUES_MAX: usize = 100;

macro_rules! metrics {
    ($($(#[$doc:meta])* $name:ident $unit:literal,)*) => {
        /// What is measured.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Metric {
            $($(#[$doc])* $name,)*
        }

        impl Metric {
            /// Every metric.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its name in CloudWatch.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// Its unit, one of CloudWatch's.
            pub fn unit(self) -> &'static str {
                match self {
                    $(Self::$name => $unit,)*
                }
            }
        }
    };
}

metrics! {
    /// How long tickets waited that were matched.
    WaitMs "Milliseconds",
    /// How long the first in line has waited, of the pool where that is longest.
    OldestTicketMs "Milliseconds",
    /// Tickets in line.
    Waiting "Count",
    /// Tickets held by matches that are not confirmed.
    Claimed "Count",
    /// Tickets that joined.
    Joined "Count",
    /// Tickets that were matched.
    Matched "Count",
    /// Tickets that were cancelled, or fell silent.
    Cancelled "Count",
    /// Tickets that waited too long.
    Expired "Count",
    /// Tickets that went back into line.
    Requeued "Count",
    /// Matches whose matcher died, so that they were taken apart.
    Reclaimed "Count",
    /// How long the oldest entry has waited that the ledger has not heard of, of the pool where that is longest.
    OutboxLagMs "Milliseconds",
    /// Calls to the ledger that failed, and entries that it refused for good.
    LedgerFailures "Count",
    /// Matches that the ledger called void, because the store had forgotten something.
    Voids "Count",
    /// Tickets that joined in the ledger because the store was away.
    FallbackJoins "Count",
    /// Calls to the store that failed, whatever the caller was answered.
    StoreFailures "Count",
    /// Answers of 500 and above.
    ServerErrors "Count",
    /// Answers of 429: a player asks too often, or refused too many matches.
    Throttled "Count",
}

/// What a handler has to tell beside its answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Noted {
    metrics: Vec<(Metric, Vec<u64>)>,
    fields: Map<String, Value>,
    routine: bool,
}

impl Noted {
    /// A metric with one value.
    #[must_use]
    pub fn one(self, metric: Metric, value: usize) -> Self {
        self.all(metric, vec![value as u64])
    }

    /// A metric with as many values; none of them, no metric. Of more than [`VALUES_MAX`] their percentiles stay, so that
    /// every percentile and the largest value are what they were.
    #[must_use]
    pub fn all(mut self, metric: Metric, mut values: Vec<u64>) -> Self {
        if values.len() > VALUES_MAX {
            values.sort_unstable();
            let rank = |of: usize| (values.len() * of).div_ceil(VALUES_MAX) - 1;
            values = (1..=VALUES_MAX).map(|of| values[rank(of)]).collect();
        }
        if !values.is_empty() {
            self.metrics.push((metric, values));
        }
        self
    }

    /// What a call took apart.
    #[must_use]
    pub fn reclaimed(self, Reclaimed { requeued, cancelled, crashed, .. }: Reclaimed) -> Self {
        self.one(Metric::Cancelled, cancelled).one(Metric::Requeued, requeued).one(Metric::Reclaimed, crashed)
    }

    /// An answer's status, as the metrics that count answers see it.
    #[must_use]
    pub fn answered(self, status: u16) -> Self {
        self.one(Metric::ServerErrors, usize::from(status >= 500)).one(Metric::Throttled, usize::from(status == 429))
    }

    /// How many calls to the store failed. An invocation in which one did is not routine.
    #[must_use]
    pub fn store_failures(self, failures: u64) -> Self {
        let routine = self.routine && failures == 0;
        Self { routine, ..self }.all(Metric::StoreFailures, vec![failures])
    }

    /// Nothing happened that the access log does not tell.
    #[must_use]
    pub fn routine(self) -> Self {
        Self { routine: true, ..self }
    }

    /// Whether the invocation has an event: all that is not routine, and the first of each process.
    pub fn is_told(&self, cold_start: bool) -> bool {
        cold_start || !self.routine
    }

    /// Something worth knowing that is no metric.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }
}

/// Which invocation an event is of.
#[derive(Debug, Clone)]
pub struct Invocation<'a> {
    /// The deployment's name.
    pub stack: &'a str,
    /// The function's name.
    pub function: &'a str,
    /// Lambda's id of the request.
    pub request_id: &'a str,
    /// Whether it is the first of its process.
    pub cold_start: bool,
    /// When it began, in milliseconds since the Unix epoch.
    pub began_ms: u64,
    /// When it ended.
    pub ended_ms: u64,
}

/// The event of an invocation. Without metrics it declares none, and is an event all the same.
pub fn event(of: &Invocation<'_>, noted: Noted) -> Value {
    let mut event = noted.fields;
    event.insert("function".into(), of.function.into());
    event.insert("request_id".into(), of.request_id.into());
    event.insert("cold_start".into(), of.cold_start.into());
    event.insert("duration_ms".into(), of.ended_ms.saturating_sub(of.began_ms).into());
    event.insert(DIMENSION.into(), of.stack.into());
    let declare = |(metric, _): &(Metric, _)| json!({ "Name": metric.name(), "Unit": metric.unit() });
    let declared: Vec<Value> = noted.metrics.iter().map(declare).collect();
    let directives = match declared.is_empty() {
        true => json!([]),
        false => json!([{ "Namespace": NAMESPACE, "Dimensions": [[DIMENSION]], "Metrics": declared }]),
    };
    event.insert("_aws".into(), json!({ "Timestamp": of.ended_ms, "CloudWatchMetrics": directives }));
    for (metric, values) in noted.metrics {
        let value = if let [one] = values[..] { one.into() } else { values.into() };
        event.insert(metric.name().into(), value);
    }
    Value::Object(event)
}

/// Prints an event in one piece, before the invocation is answered: afterwards Lambda may freeze the process.
pub fn print(event: &Value) {
    // Nobody to tell that standard output is closed.
    let _ = std::io::stdout().lock().write_all(format!("{event}\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF: Invocation<'_> = Invocation {
        stack: "muster-dev",
        function: "join",
        request_id: "r-1",
        cold_start: true,
        began_ms: 1_800_000_000_000,
        ended_ms: 1_800_000_000_012,
    };

    #[test]
    fn an_event_is_what_cloudwatch_reads() {
        let noted = Noted::default().one(Metric::Joined, 1).all(Metric::WaitMs, vec![5, 7]).field("status", 202);
        let expected = json!({
            "_aws": {
                "Timestamp": 1_800_000_000_012_u64,
                "CloudWatchMetrics": [{
                    "Namespace": "Muster",
                    "Dimensions": [["Stack"]],
                    "Metrics": [{ "Name": "Joined", "Unit": "Count" }, { "Name": "WaitMs", "Unit": "Milliseconds" }],
                }],
            },
            "Stack": "muster-dev", "function": "join", "request_id": "r-1", "cold_start": true, "duration_ms": 12, "status": 202,
            "Joined": 1, "WaitMs": [5, 7],
        });
        assert_eq!(event(&OF, noted), expected);
    }

    #[test]
    fn what_is_routine_is_told_once_for_each_process() {
        let told = |noted: &Noted| [true, false].map(|cold_start| noted.is_told(cold_start));
        assert_eq!(told(&Noted::default()), [true, true]);
        assert_eq!(told(&Noted::default().routine()), [true, false]);
    }

    #[test]
    fn a_routine_call_in_which_the_store_failed_is_told() {
        let told = |failures| Noted::default().routine().store_failures(failures).is_told(false);
        assert_eq!([told(0), told(1)], [false, true]);
    }

    #[test]
    fn answers_of_500_and_above_are_server_errors_and_429_is_throttled() {
        let counted = |status| {
            let event = event(&OF, Noted::default().answered(status));
            [event["ServerErrors"].as_u64(), event["Throttled"].as_u64()].map(Option::unwrap)
        };
        assert_eq!([499, 500, 503, 429, 428, 201].map(counted), [[0, 0], [1, 0], [1, 0], [0, 1], [0, 0], [0, 0]]);
    }

    #[test]
    fn an_event_without_metrics_declares_none() {
        let event = event(&OF, Noted::default().all(Metric::WaitMs, Vec::new()));
        assert_eq!(event["_aws"]["CloudWatchMetrics"], json!([]));
        assert_eq!(event.get("WaitMs"), None);
    }

    /// The value below which so many of a hundred lie, by nearest rank.
    fn percentile(values: &[u64], percent: usize) -> u64 {
        let mut sorted = values.to_vec();
        sorted.sort_unstable();
        sorted[(sorted.len() * percent).div_ceil(100) - 1]
    }

    #[test]
    fn a_hundred_values_stay_and_of_more_the_percentiles_do() {
        for count in [1, VALUES_MAX, VALUES_MAX + 1, 250, 10_007] {
            let values: Vec<u64> = (0..count as u64).map(|n| n * 7_919 % 10_007).collect();
            let noted = Noted::default().all(Metric::WaitMs, values.clone());
            let kept = &noted.metrics[0].1;
            assert_eq!(kept.len(), count.min(VALUES_MAX));
            if count <= VALUES_MAX {
                assert_eq!(*kept, values, "as they came");
            }
            for percent in 1..=100 {
                assert_eq!(percentile(kept, percent), percentile(&values, percent), "p{percent} of {count}");
            }
        }
    }
}
