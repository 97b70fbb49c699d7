use super::*;
use crate::domain::{MatchState, Member, Unique};

fn player(name: &str) -> PlayerId {
    name.parse().unwrap()
}

fn this_match(teams: &[&[&str]]) -> Match {
    let pool: crate::domain::PoolId = "duel.eu".parse().unwrap();
    let member = |name: &&str| Member {
        ticket: crate::domain::TicketId::new(pool.clone(), Unique::from_bits(1)),
        players: vec![player(name)],
        rating: 1_500.0,
        joined_ms: 0,
        attempts: 0,
        ready: false,
        heard: Vec::new(),
        imported: 0,
    };
    let teams = teams.iter().map(|team| team.iter().map(member).collect()).collect();
    let id = MatchId::new(pool, Unique::from_bits(9));
    Match { id, state: MatchState::Confirmed, created_ms: 1, teams, deadline_ms: None, lobby: None }
}

fn report(places: Vec<Place>) -> Report {
    Report { places: Places::Teams(places), left: Vec::new() }
}

fn ranks_of(standings: &Standings) -> Vec<u32> {
    standings.sides.iter().map(|side| side.rank).collect()
}

const DUEL: &[&[&str]] = &[&["ann"], &["bob"]];

#[test]
fn ranks_and_scores_of_the_same_order_are_the_same_standings() {
    let melee = this_match(&[&["ann"], &["bob"], &["cid"]]);
    let by_rank = report(vec![Place::Rank(7), Place::Rank(2), Place::Rank(7)]).standings(&melee).unwrap();
    let by_score = report(vec![Place::Score(-1.5), Place::Score(30.0), Place::Score(-1.5)]).standings(&melee);
    assert_eq!(by_score.unwrap(), by_rank);
    assert_eq!(ranks_of(&by_rank), [2, 1, 2]);
    let zeroes = report(vec![Place::Score(0.0), Place::Score(-0.0), Place::Score(0.0)]).standings(&melee).unwrap();
    assert_eq!(ranks_of(&zeroes), [1, 1, 1], "a draw");
}

#[test]
fn with_a_place_for_each_player_each_is_a_side() {
    let two = this_match(&[&["ann", "amy"], &["bob", "ben"]]);
    let place = |name: &str, rank: u32| (player(name), Place::Rank(rank));
    let places = vec![place("ben", 1), place("ann", 2), place("amy", 3), place("bob", 4)];
    let standings = Report { places: Places::Players(places), left: vec![] }.standings(&two).unwrap();
    assert_eq!(ranks_of(&standings), [2, 3, 4, 1]);
    assert_eq!(standings.opponents(&player("ann")), ["amy", "bob", "ben"].map(player));
}

#[test]
fn a_report_that_does_not_fit_its_match_says_why() {
    let duel = this_match(DUEL);
    let error = |report: Report| report.standings(&duel).unwrap_err();
    assert_eq!(error(report(vec![Place::Rank(1)])), ReportError::Teams { expected: 2, found: 1 });
    assert_eq!(error(report(vec![Place::Rank(1), Place::Score(2.0)])), ReportError::Mixed);
    assert_eq!(error(report(vec![Place::Rank(0), Place::Rank(1)])), ReportError::Rank);
    let infinite = error(report(vec![Place::Score(f64::INFINITY), Place::Score(2.0)]));
    assert_eq!(infinite, ReportError::Score(f64::INFINITY));
    let left = Report { left: vec![player("eve")], ..report(vec![Place::Rank(1), Place::Rank(2)]) };
    assert_eq!(error(left), ReportError::Stranger(player("eve")));
    let players = |names: &[&str]| {
        let places = names.iter().map(|name| (player(name), Place::Rank(1))).collect();
        error(Report { places: Places::Players(places), left: vec![] })
    };
    assert_eq!(players(&["ann"]), ReportError::Missing(player("bob")));
    assert_eq!(players(&["ann", "ann"]), ReportError::Twice(player("ann")));
    assert_eq!(players(&["ann", "eve"]), ReportError::Stranger(player("eve")));
}

#[test]
fn whoever_leaves_loses_and_those_who_were_left_are_not_rated_down() {
    let two = this_match(&[&["ann", "amy"], &["bob", "ben"]]);
    let at = |ranks: [u32; 2], left: &[&str]| {
        let places = Places::Teams(ranks.map(Place::Rank).to_vec());
        let left = left.iter().map(|name| player(name)).collect();
        let standings = Report { places, left }.standings(&two).unwrap();
        let changes = standings.changes(RatingSystem::Glicko2, |_| Rating::unknown(1_500.0));
        ["ann", "amy", "bob", "ben"].map(|name| changes[&player(name)].value)
    };
    let plain = at([2, 1], &[]);
    assert!(plain[0] < 0.0 && plain[1] == plain[0] && plain[2] > 0.0);
    assert_eq!(at([2, 1], &["ann"]), [plain[0], 0.0, plain[2], plain[3]]);
    let won_without_ann = at([1, 2], &["ann"]);
    assert!(won_without_ann[0] < 0.0 && won_without_ann[1] > 0.0 && won_without_ann[2] < 0.0);
    // A draw of equals moves no rating, and the leaver's down all the same.
    assert_eq!(at([1, 1], &["ben"]).map(|change| change < 0.0), [false, false, false, true]);
}

#[test]
fn a_correction_does_the_difference_and_an_annulment_takes_all_back() {
    let counts = |ranks: [u32; 2]| {
        Verdict::Counts(report(ranks.map(Place::Rank).to_vec()).standings(&this_match(DUEL)).unwrap())
    };
    let players = ["ann", "bob"].map(|name| (player(name), Rating::unknown(1_500.0))).to_vec();
    let track = ("duel".parse().unwrap(), RatingSystem::Glicko2);
    let first = MatchResult::first(this_match(DUEL).id, track, counts([1, 2]), players, 5);
    let [won, lost] = [first.lines[0].change, first.lines[1].change];
    let corrected = first.applied(|_| true).corrected(counts([2, 1]));
    assert_eq!((corrected.revision, corrected.version, corrected.is_done()), (2, 3, false));
    assert_eq!(corrected.lines[0].step().value, lost.value - won.value);
    assert_eq!(corrected.lines[0].step().games, 0);
    let annulled = corrected.applied(|_| true).corrected(Verdict::Annulled);
    let mut rating = annulled.lines[0].before;
    for step in [&first, &corrected, &annulled].map(|result| result.lines[0].step()) {
        rating = step.of(rating);
    }
    assert_eq!((rating, annulled.lines[0].step().games), (annulled.lines[0].before, -1));
}
