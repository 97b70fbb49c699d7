//! When a phone should come back. Requests are what a poll costs, so it asks where an answer is likely and leaves out the rest:
//! soon after the join, because whoever joins second is matched at once, then at the pace at which this pool matches.

use super::queue::Rules;

/// First pause between polls, in milliseconds.
pub const RETRY_AFTER_MS_MIN: u64 = 250;
/// Longest pause between polls of a waiting ticket, in milliseconds.
pub const RETRY_AFTER_MS_MAX: u64 = 5_000;
/// Whoever waits for less long has joined just now and looks twice, in milliseconds.
const EAGER_MS: u64 = 750;

/// How long a phone should pause before it asks again, in milliseconds.
///
/// - At first twice the wait so far: 250 ms after the join, and 750.
/// - Then half of the wait so far, or a quarter of `usual_ms` (what nine of ten waited in this pool lately) if that is longer.
/// - Never longer than a third of what the rules allow for, so that two polls in a row may get lost: before a ticket counts as
///   absent, before a match has waited too long for the next poll, and before the time to accept it has passed.
///
/// A phone that is told over a connection (`push`) asks only to be heard of, twice in the time after which it would be given
/// up: on a connection that stands nothing gets lost.
pub fn retry_after_ms(waited_ms: u64, usual_ms: Option<u64>, push: bool, rules: &Rules) -> u64 {
    if push {
        return (rules.presence_ms(push) / 2).max(1);
    }
    let pause_ms = match waited_ms {
        0..EAGER_MS => waited_ms * 2,
        _ => (waited_ms / 2).max(usual_ms.unwrap_or_default() / 4),
    };
    let asked = [rules.acceptance_ms, rules.poll_timeout_ms];
    let allowed_ms = asked.into_iter().flatten().fold(rules.presence_ms, u64::min) / 3;
    pause_ms.clamp(RETRY_AFTER_MS_MIN, RETRY_AFTER_MS_MAX).min(allowed_ms.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const SECOND: u64 = 1_000;

    fn rules(presence_ms: u64, acceptance_ms: Option<u64>) -> Rules {
        Rules { presence_ms, acceptance_ms, abandon_ms: 60 * SECOND, ..Rules::default() }
    }

    #[rstest]
    #[case::at_once(0, None, RETRY_AFTER_MS_MIN)]
    #[case::once_more_soon(250, None, 500)]
    #[case::as_long_as_it_is_eager(EAGER_MS - 1, Some(60 * SECOND), 2 * (EAGER_MS - 1))]
    #[case::then_by_the_wait(EAGER_MS, None, EAGER_MS / 2)]
    #[case::grows(4 * SECOND, None, 2 * SECOND)]
    #[case::at_most(60 * SECOND, None, RETRY_AFTER_MS_MAX)]
    #[case::a_slow_pool_is_not_asked_often(EAGER_MS, Some(16 * SECOND), 4 * SECOND)]
    #[case::a_fast_pool_is(EAGER_MS, Some(SECOND), EAGER_MS / 2)]
    #[case::a_slow_pool_at_most(EAGER_MS, Some(u64::MAX), RETRY_AFTER_MS_MAX)]
    fn the_pause_follows_the_wait_and_the_pool(#[case] waited_ms: u64, #[case] usual_ms: Option<u64>, #[case] ms: u64) {
        assert_eq!(retry_after_ms(waited_ms, usual_ms, false, &rules(15 * SECOND, None)), ms);
    }

    #[rstest]
    #[case::absent(3 * SECOND, None, SECOND)]
    #[case::too_late_to_accept(15 * SECOND, Some(6 * SECOND), 2 * SECOND)]
    #[case::never_zero(1, None, 1)]
    fn two_polls_may_get_lost_before_it_matters(#[case] presence: u64, #[case] accept: Option<u64>, #[case] ms: u64) {
        assert_eq!(retry_after_ms(60 * SECOND, None, false, &rules(presence, accept)), ms);
    }

    #[test]
    fn a_phone_whose_next_poll_is_waited_for_asks_in_time() {
        let checked = Rules { poll_timeout_ms: Some(6 * SECOND), ..rules(15 * SECOND, None) };
        assert_eq!(retry_after_ms(60 * SECOND, None, false, &checked), 2 * SECOND);
    }

    #[test]
    fn a_phone_that_is_told_asks_only_to_be_heard_of() {
        for waited_ms in [0, EAGER_MS, 60 * SECOND] {
            assert_eq!(retry_after_ms(waited_ms, None, true, &rules(15 * SECOND, None)), 30 * SECOND);
        }
        assert_eq!(retry_after_ms(0, None, true, &Rules { abandon_ms: 1, ..rules(1, None) }), 1);
    }
}
