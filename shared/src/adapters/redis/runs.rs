//! What jobs last did with a pool, as fields of its `runs`. A hash of its own: an older version reads every field of `stats` as
//! a number.

use std::collections::BTreeMap;

use crate::domain::limits::FAILURE_BYTES_MAX;
use crate::ports::{Job, JobRun, Lately, Totals};

fn name(job: Job) -> &'static str {
    match job {
        Job::Matcher => "matcher",
        Job::Sweeper => "sweeper",
    }
}

/// Names and values in turn; nothing for nothing.
pub(super) fn write(ran: Option<&JobRun>) -> Vec<String> {
    let Some(JobRun { job, at_ms, tick_ms, tick_ms_max, failed }) = ran else { return Vec::new() };
    let job = name(*job);
    let mut texts = vec![format!("{job}_ms"), at_ms.to_string(), format!("{job}_tick_ms"), tick_ms.to_string()];
    texts.extend([format!("{job}_tick_ms_max"), tick_ms_max.to_string()]);
    if let Some((failed_ms, why)) = failed {
        let end = why.floor_char_boundary(FAILURE_BYTES_MAX);
        texts.extend([format!("{job}_failed_ms"), failed_ms.to_string()]);
        texts.extend([format!("{job}_failure"), why[..end].to_owned()]);
    }
    texts
}

/// What a job did, if it ever did anything.
pub(super) fn read(fields: &BTreeMap<String, String>, job: Job) -> Option<JobRun> {
    let text = |part: &str| fields.get(&format!("{}_{part}", name(job)));
    let number = |part: &str| text(part).and_then(|text| text.parse().ok());
    let failed = number("failed_ms").zip(text("failure").cloned());
    let tick_ms = number("tick_ms").unwrap_or_default();
    let tick_ms_max = number("tick_ms_max").unwrap_or_default();
    Some(JobRun { job, at_ms: number("ms")?, tick_ms, tick_ms_max, failed })
}

/// What was counted since a minute ago, or since whoever led the pool last noted its counts before that.
pub(super) fn lately(fields: &BTreeMap<String, String>, totals: Totals, now_ms: u64) -> Lately {
    let before = fields.get("minute_before").and_then(|text| serde_json::from_str::<[u64; 5]>(text).ok());
    let Some([since_ms, joined, matched, cancelled, expired]) = before else { return Lately::default() };
    Lately {
        for_ms: now_ms.saturating_sub(since_ms),
        joined: totals.joined.saturating_sub(joined),
        matched: totals.matched.saturating_sub(matched),
        cancelled: totals.cancelled.saturating_sub(cancelled),
        expired: totals.expired.saturating_sub(expired),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_reads_back_as_it_was_written_and_a_long_failure_is_cut() {
        let long = "ö".repeat(FAILURE_BYTES_MAX);
        for (why, kept) in [("away", "away"), (long.as_str(), &long[..FAILURE_BYTES_MAX])] {
            let failed = Some((7, why.to_owned()));
            let ran = JobRun { job: Job::Sweeper, at_ms: 9, tick_ms: 3, tick_ms_max: 4, failed };
            let texts = write(Some(&ran));
            let fields = texts.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
            let expected = JobRun { failed: Some((7, kept.to_owned())), ..ran };
            assert_eq!(read(&fields, Job::Sweeper), Some(expected));
            assert_eq!(read(&fields, Job::Matcher), None);
        }
        assert_eq!(write(None), Vec::<String>::new());
    }
}
