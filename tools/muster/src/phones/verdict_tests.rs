use super::super::api::Member;
use super::super::plan::{Manner, Mode, Retry};
use super::*;

fn scenario() -> Scenario {
    let mode = Mode { queue: "ranked-1v1".into(), region: "eu".into(), teams: 2, team_size: 1 };
    Scenario {
        phones: 4,
        spread_ms: 0,
        seed: 1,
        cancel_percent: 0,
        retry_percent: 0,
        vanish_percent: 0,
        decline_percent: 0,
        late_percent: 0,
        modes: vec![mode],
    }
}

fn parties() -> Vec<Party> {
    let party = |name: &str| Party {
        players: vec![name.to_owned()],
        mode: 0,
        rating: 1_500.0,
        join_at_ms: 0,
        retry: Retry::No,
        manner: Manner::Accepts { after_ms: 0 },
        cancel_after_ms: None,
    };
    ["ann", "bob", "cid", "dee"].map(party).to_vec()
}

/// A match of one against one; the ticket of `ann` is `t-ann`.
fn this_match(id: &str, players: [&str; 2]) -> Game {
    let member = |name: &str| Member { ticket_id: format!("t-{name}"), players: vec![name.to_owned()] };
    Game { match_id: id.to_owned(), teams: players.map(|name| vec![member(name)]).to_vec(), rating_gap: 10.0 }
}

fn record(party: usize, name: &str, end: End, last_look: Option<Game>) -> Record {
    let wait = matches!(end, End::Matched(_)).then_some(Duration::from_millis(20));
    let life = Life {
        ticket_id: format!("t-{name}"),
        wait,
        let_down: Vec::new(),
        ends: vec![end],
        last_looks: vec![last_look],
    };
    Record { party, lives: vec![life], ..Record::default() }
}

fn matched(party: usize, name: &str, this_match: Game) -> Record {
    record(party, name, End::Matched(this_match.clone()), Some(this_match))
}

fn judge_all(records: &[Record]) -> Verdict {
    judge(&scenario(), &parties(), records)
}

fn good() -> Vec<Record> {
    vec![
        matched(0, "ann", this_match("m1", ["ann", "bob"])),
        matched(1, "bob", this_match("m1", ["ann", "bob"])),
        record(2, "cid", End::GaveUp, None),
        record(3, "dee", End::LeftOver, None),
    ]
}

#[test]
fn a_play_in_which_every_promise_holds() {
    let verdict = judge_all(&good());
    assert!(verdict.holds(), "{:?}", verdict.faults);
    let Tally { joined, matched, gave_up, left_over, matches, rating_gap_mean, .. } = verdict.all;
    assert_eq!((joined, matched, gave_up, left_over, matches), (4, 2, 1, 1, 1));
    assert_eq!(rating_gap_mean, 10.0);
}

#[test]
fn a_player_in_two_matches_is_double_booked_with_the_other_who_misses_them() {
    let mut records = good();
    records[2] = matched(2, "cid", this_match("m2", ["cid", "ann"]));
    let verdict = judge_all(&records);
    assert!(!verdict.holds());
    assert_eq!(verdict.all.double_booked, 1, "ann, who knows nothing of m2: {:?}", verdict.faults);
}

#[test]
fn a_ticket_seen_in_another_match_later_is_double_booked() {
    let mut records = good();
    records[0].lives[0].last_looks = vec![Some(this_match("m2", ["ann", "bob"]))];
    let verdict = judge_all(&records);
    assert!(!verdict.holds());
    assert!(verdict.all.double_booked >= 1);
}

#[test]
fn a_match_that_its_players_see_differently_double_books() {
    let mut records = good();
    records[1] = matched(1, "bob", this_match("m1", ["cid", "bob"]));
    assert!(judge_all(&records).all.double_booked >= 1);
}

#[test]
fn a_cancelled_ticket_in_a_match_double_books() {
    let mut records = good();
    records[1] = record(1, "bob", End::GaveUp, None);
    let verdict = judge_all(&records);
    assert!(!verdict.holds());
    assert_eq!(verdict.all.double_booked, 1);
}

#[test]
fn a_match_of_the_wrong_size_does_not_pass() {
    let mut records = good();
    let mut crowd = this_match("m1", ["ann", "bob"]);
    crowd.teams[0].push(Member { ticket_id: "t-cid".into(), players: vec!["cid".into()] });
    for (index, name) in ["ann", "bob", "cid"].into_iter().enumerate() {
        records[index] = matched(index, name, crowd.clone());
    }
    assert!(!judge_all(&records).holds());
}

#[test]
fn nobody_may_be_lost_or_dropped_or_wait_for_ever_or_be_refused() {
    let bad = [End::Lost("status 404".into()), End::Dropped("expired: no reason".into()), End::StillWaiting];
    for end in bad {
        let mut records = good();
        records[3] = record(3, "dee", end, None);
        assert!(!judge_all(&records).holds());
    }
    let mut records = good();
    records[3] = Record { party: 3, refused: Some("status 400".into()), ..Record::default() };
    let verdict = judge_all(&records);
    assert!(!verdict.holds());
    assert_eq!((verdict.all.joined, verdict.all.unsettled), (3, 1));
}

#[test]
fn a_second_ticket_after_the_first_match_is_no_double_booking() {
    let mut records = good();
    let second = Game {
        match_id: "m2".into(),
        teams: vec![
            vec![Member { ticket_id: "t-ann-2".into(), players: vec!["ann".into()] }],
            vec![Member { ticket_id: "t-cid".into(), players: vec!["cid".into()] }],
        ],
        rating_gap: 0.0,
    };
    records[2] = matched(2, "cid", second.clone());
    let life = matched(0, "ann-2", second).lives.remove(0);
    records[0].lives.push(life);
    let verdict = judge_all(&records);
    assert!(verdict.holds(), "{:?}", verdict.faults);
    assert_eq!(verdict.all.matches, 2);
}
