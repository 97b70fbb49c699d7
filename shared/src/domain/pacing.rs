//! When a phone should come back: often while an answer is likely, rarely once the wait is long. Requests are what a poll
//! costs, so the pause grows with the wait.

/// First pause between polls, in milliseconds.
pub const RETRY_AFTER_MS_MIN: u64 = 250;
/// Longest pause between polls of a waiting ticket, in milliseconds; well within every sensible `presence_ms`.
pub const RETRY_AFTER_MS_MAX: u64 = 3_000;

/// How long a phone that has waited `waited_ms` should pause before its next poll, in milliseconds.
///
/// Half of the wait so far, within bounds and within a third of `presence_ms`: a phone that keeps the pace never looks absent,
/// even if two polls in a row get lost.
pub fn retry_after_ms(waited_ms: u64, presence_ms: u64) -> u64 {
    (waited_ms / 2).clamp(RETRY_AFTER_MS_MIN, RETRY_AFTER_MS_MAX).min((presence_ms / 3).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::at_once(0, 15_000, RETRY_AFTER_MS_MIN)]
    #[case::grows(2_000, 15_000, 1_000)]
    #[case::at_most(60_000, 15_000, RETRY_AFTER_MS_MAX)]
    #[case::never_looks_absent(60_000, 3_000, 1_000)]
    #[case::never_zero(0, 1, 1)]
    fn the_pause_grows_with_the_wait(#[case] waited_ms: u64, #[case] presence_ms: u64, #[case] pause_ms: u64) {
        assert_eq!(retry_after_ms(waited_ms, presence_ms), pause_ms);
    }
}
