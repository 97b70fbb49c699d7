//! Drills: a deployment under phones, and something that goes wrong with it.

pub mod frozen;
pub mod kill;
pub mod upgrade;

use crate::phones::plan::{Mode, Scenario};

/// Phones that join at these queues of the local document, and do nothing odd but send every tenth join twice.
fn scenario(phones: usize, seconds: u64, seed: u64) -> Scenario {
    let mode = |queue: &str, team_size| Mode { queue: queue.into(), region: "eu".into(), teams: 2, team_size };
    Scenario {
        phones,
        spread_ms: seconds * 1_000,
        seed,
        cancel_percent: 0,
        retry_percent: 10,
        vanish_percent: 0,
        decline_percent: 0,
        late_percent: 0,
        modes: vec![mode("ranked-1v1", 1), mode("casual-2v2", 2)],
    }
}
