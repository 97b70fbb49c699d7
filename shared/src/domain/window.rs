//! How far from its own rating a ticket may look for others, and how that grows while it waits.

/// The rules of expansion. Starts narrow for fairness, widens for speed, and ends altogether at the deadline, so that
/// a rare rating waits long but not for ever.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Rating distance on joining.
    pub initial: f64,
    /// Rating distance added for each second of waiting.
    pub growth_per_s: f64,
    /// Largest rating distance before the deadline.
    pub cap: f64,
    /// Waiting time after which the ticket may meet anyone, in milliseconds.
    pub deadline_ms: u64,
}

impl Window {
    /// The rating distance at which a ticket that has waited `waited_ms` accepts another; infinite from its deadline on.
    pub fn reach(&self, waited_ms: u64) -> f64 {
        if waited_ms >= self.deadline_ms {
            return f64::INFINITY;
        }
        (self.initial + self.growth_per_s * waited_ms as f64 / 1_000.0).min(self.cap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::on_joining(0, 50.0)]
    #[case::after_a_second(1_000, 60.0)]
    #[case::between_seconds(1_500, 65.0)]
    #[case::at_the_cap(45_000, 500.0)]
    #[case::still_capped(59_999, 500.0)]
    #[case::deadline_lifts_the_cap(60_000, f64::INFINITY)]
    fn the_window_grows_to_its_cap_and_the_deadline_lifts_it(#[case] waited_ms: u64, #[case] reach: f64) {
        let window = Window { initial: 50.0, growth_per_s: 10.0, cap: 500.0, deadline_ms: 60_000 };
        assert_eq!(window.reach(waited_ms), reach);
    }
}
