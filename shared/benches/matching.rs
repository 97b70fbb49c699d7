//! Forming matches of 10,000 tickets in memory, on one core. Budget: 5 ms for 1v1, 50 ms for 5v5.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use muster::domain::matching::{Candidate, form};
use muster::domain::{Party, Rules, Ticket, TicketId, Unique};

const NOW_MS: u64 = 10_000_000;
const TICKETS: usize = 10_000;

/// A well-mixed number for `n`, the same in every run (the finaliser of SplitMix64).
fn mixed(n: u64) -> u64 {
    let n = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    n ^ (n >> 31)
}

/// Tickets rated around 1500 like people are (the sum of four dice), who have waited up to `waited_ms_max`.
fn candidates(party_max: u64, waited_ms_max: u64, scale: f64) -> Vec<Candidate> {
    let build = |n: u64| {
        let dice = |salt: u64, sides: u64| mixed(n * 16 + salt) % sides;
        let size = 1 + dice(0, party_max);
        let joined_ms = NOW_MS - dice(1, waited_ms_max + 1);
        let rating = 1_500.0 + scale * ((2..6).map(|salt| dice(salt, 500)).sum::<u64>() as f64 - 998.0);
        let players = (0..size).map(|member| format!("player-{n}-{member}").parse().expect("a player id")).collect();
        let ticket = Ticket {
            id: TicketId::new("bench.eu".parse().expect("a pool id"), Unique::from_bits(u128::from(mixed(n)))),
            party: Party::restored(players),
            rating,
            joined_ms,
            expires_ms: NOW_MS + 60_000,
            attempts: 0,
            push: false,
            imported: 0,
        };
        Candidate { ticket, last_seen_ms: NOW_MS }
    };
    (0..TICKETS as u64).map(build).collect()
}

fn bench(criterion: &mut Criterion) {
    let duel = Rules::default();
    let teams = Rules { team_size: 5, ..Rules::default() };
    let cases = [
        ("1v1", &duel, candidates(1, 30_000, 1.0)),
        ("1v1, a third past the deadline", &duel, candidates(1, 90_000, 1.0)),
        ("1v1, so sparse that few may meet", &duel, candidates(1, 0, 10_000.0)),
        ("5v5 of solos", &teams, candidates(1, 30_000, 1.0)),
        ("5v5 of parties of 1 to 3", &teams, candidates(3, 30_000, 1.0)),
        ("5v5 of parties of 1 to 3, a third past the deadline", &teams, candidates(3, 90_000, 1.0)),
        ("5v5 of parties of 1 to 5", &teams, candidates(5, 30_000, 1.0)),
        ("5v5 of parties of 1 to 5, sparse", &teams, candidates(5, 30_000, 100.0)),
        ("16v16 of solos", &Rules { team_size: 16, ..Rules::default() }, candidates(1, 30_000, 1.0)),
    ];
    let mut group = criterion.benchmark_group("form 10,000 tickets");
    group.sample_size(20);
    for (name, rules, candidates) in &cases {
        let groups = form(candidates, rules, NOW_MS);
        let matched: usize = groups.iter().flat_map(|group| &group.teams).map(Vec::len).sum();
        let spread = groups.iter().map(|group| group.spread).sum::<f64>() / groups.len().max(1) as f64;
        let gap = groups.iter().map(|group| group.gap).sum::<f64>() / groups.len().max(1) as f64;
        println!("{name}: {matched} tickets in {} matches, mean spread {spread:.1}, mean gap {gap:.2}", groups.len());
        group.bench_function(*name, |bencher| bencher.iter(|| form(black_box(candidates), rules, NOW_MS)));
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
