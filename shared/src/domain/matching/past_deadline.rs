//! No ticket starves: the earliest ticket past its deadline is served now, whatever that costs.
//!
//! Its price is above all others together ([`super::price`]), so that nearly always the cheapest cut has it in a group.
//! The rest is for lines in which no interval holds a group for it, as when the neighbours of its rating are too far
//! apart from each other while others, further off, are close together. Then a group is looked for in the whole pool,
//! is taken out of it, and the others are cut anew. Others past their deadlines that no interval holds a group for get one if
//! that can be made of those who are left over.

use super::interval;
use super::pool::Waiting;
use super::price;
use super::shapes::Shapes;

/// Lifted tickets, the earliest in line first, for which groups are looked for among those left over.
const SEATS_MAX: usize = 8;
/// Steps of these searches in one tick. Solos end long before: a part of the line that is worth so many steps has a
/// group in it.
const STEPS_MAX: usize = 4_000_000;
/// Shapes from which the group of least spread is taken.
const SHAPES_WEIGHED_MAX: usize = 64;

/// The groups of this tick.
pub fn plan(waiting: &[Waiting], shapes: &Shapes) -> Vec<Vec<Waiting>> {
    let mut groups = interval::rounds(waiting, shapes);
    let Some(earliest) = price::earliest_past_deadline(waiting) else { return groups };
    let mut steps_left = STEPS_MAX;
    let mut open = left_over(waiting, &groups);
    if open.iter().any(|ticket| ticket.rank == waiting[earliest].rank)
        && let Some(seated) = seat(waiting, earliest, shapes, &mut steps_left)
    {
        groups = vec![seated];
        groups.extend(interval::rounds(&left_over(waiting, &groups), shapes));
        open = left_over(waiting, &groups);
    }
    let mut past_deadline: Vec<Waiting> = open.iter().filter(|ticket| ticket.is_past_deadline()).copied().collect();
    past_deadline.sort_by_key(|ticket| ticket.order);
    for ticket in past_deadline.iter().take(SEATS_MAX) {
        let at = open.iter().position(|other| other.rank == ticket.rank);
        if let Some(seated) = at.and_then(|at| seat(&open, at, shapes, &mut steps_left)) {
            open.retain(|other| !seated.iter().any(|member| member.rank == other.rank));
            groups.push(seated);
        }
    }
    groups
}

/// The tickets that are in none of the groups.
fn left_over(waiting: &[Waiting], groups: &[Vec<Waiting>]) -> Vec<Waiting> {
    let mut grouped = vec![false; waiting.len()];
    groups.iter().flatten().for_each(|member| grouped[member.rank] = true);
    waiting.iter().filter(|ticket| !grouped[ticket.rank]).copied().collect()
}

/// A group with the ticket past its deadline at `at`, if there is one: with others past theirs only, or with such as may play
/// together.
fn seat(waiting: &[Waiting], at: usize, shapes: &Shapes, steps_left: &mut usize) -> Option<Vec<Waiting>> {
    let line = Line::of(waiting, at, shapes);
    if !line.tally(waiting).is_enough(shapes) {
        return None;
    }
    let alone = line.tally_past_deadline().is_enough(shapes).then(Vec::new);
    let with_others = line.nearest_clique(steps_left);
    let groups = [alone, with_others].into_iter().flatten().filter_map(|clique| line.closest_group(&clique));
    groups.min_by(|a, b| spread(a).total_cmp(&spread(b)))
}

fn spread(group: &[Waiting]) -> f64 {
    let ratings = || group.iter().map(|member| member.rating);
    ratings().fold(f64::NEG_INFINITY, f64::max) - ratings().fold(f64::INFINITY, f64::min)
}

/// The pool as seen from the ticket that is to be served.
struct Line<'a> {
    waiting: &'a [Waiting],
    shapes: &'a Shapes,
    at: usize,
    /// The others past their deadlines, nearest first; of each kind no more than a match can hold.
    past_deadline: Vec<usize>,
}

impl<'a> Line<'a> {
    fn of(waiting: &'a [Waiting], at: usize, shapes: &'a Shapes) -> Self {
        let mut line = Self { waiting, shapes, at, past_deadline: Vec::new() };
        let mut past_deadline = line.nearest_first(|ticket| ticket.is_past_deadline());
        let mut held = vec![0; shapes.kinds()];
        past_deadline.retain(|&other| {
            let kind = waiting[other].kind;
            held[kind] += 1;
            other != at && held[kind] <= shapes.match_size
        });
        line.past_deadline = past_deadline;
        line
    }

    fn distance(&self, other: usize) -> f64 {
        (self.waiting[other].rating - self.waiting[self.at].rating).abs()
    }

    fn nearest_first(&self, wanted: impl Fn(&Waiting) -> bool) -> Vec<usize> {
        let mut found: Vec<usize> = (0..self.waiting.len()).filter(|&other| wanted(&self.waiting[other])).collect();
        found.sort_by(|&a, &b| self.distance(a).total_cmp(&self.distance(b)));
        found
    }

    /// Tickets, counted.
    fn tally<'t>(&self, tickets: impl IntoIterator<Item = &'t Waiting>) -> Tally {
        let kinds = self.shapes.kinds();
        let mut tally = Tally { least: vec![0; kinds], most: vec![0; kinds] };
        tally.least[self.waiting[self.at].kind] = 1;
        tickets.into_iter().for_each(|ticket| tally.most[ticket.kind] += 1);
        tally
    }

    fn tally_past_deadline(&self) -> Tally {
        self.tally(self.past_deadline.iter().chain([&self.at]).map(|&past_deadline| &self.waiting[past_deadline]))
    }

    /// The nearest tickets within their deadlines that may all play together and with those past theirs suffice for a group.
    fn nearest_clique(&self, steps_left: &mut usize) -> Option<Vec<usize>> {
        let tally = self.tally_past_deadline();
        let anchors = self.nearest_first(|ticket| !ticket.is_past_deadline());
        anchors.into_iter().find_map(|anchor| self.clique_below(anchor, tally.clone(), steps_left))
    }

    /// Such tickets with `anchor` as the highest, as close together as they can be.
    fn clique_below(&self, anchor: usize, mut tally: Tally, steps_left: &mut usize) -> Option<Vec<usize>> {
        let highest = &self.waiting[anchor];
        let mut clique: Vec<usize> = Vec::new();
        for left in (0..=anchor).rev() {
            let ticket = &self.waiting[left];
            let spread = highest.rating - ticket.rating;
            *steps_left = steps_left.checked_sub(1 + clique.len())?;
            if spread > highest.reach {
                return None;
            }
            if ticket.is_past_deadline() || spread > ticket.reach {
                continue;
            }
            clique.retain(|&other| {
                let stays = self.waiting[other].reach >= spread;
                tally.most[self.waiting[other].kind] -= usize::from(!stays);
                stays
            });
            clique.push(left);
            tally.most[ticket.kind] += 1;
            if tally.is_enough(self.shapes) {
                return Some(clique);
            }
        }
        None
    }

    /// The ticket with those nearest to it, of those past their deadlines and of `clique`, for the shape that gives the least spread.
    fn closest_group(&self, clique: &[usize]) -> Option<Vec<Waiting>> {
        let mut tally = self.tally_past_deadline();
        clique.iter().for_each(|&other| tally.most[self.waiting[other].kind] += 1);
        let mut others = [&self.past_deadline, clique].concat();
        others.sort_by(|&a, &b| self.distance(a).total_cmp(&self.distance(b)));
        let shapes = self.shapes.between(&tally.least, &tally.most).take(SHAPES_WEIGHED_MAX);
        let groups = shapes.map(|shape| {
            let mut wanted: Vec<usize> = (0..self.shapes.kinds()).map(|kind| self.shapes.count(shape, kind)).collect();
            let mut group = Vec::new();
            for &other in [&self.at].into_iter().chain(&others) {
                let kind = self.waiting[other].kind;
                if wanted[kind] > 0 {
                    wanted[kind] -= 1;
                    group.push(self.waiting[other]);
                }
            }
            group
        });
        groups.min_by(|a, b| spread(a).total_cmp(&spread(b)))
    }
}

/// How many there are of each kind, and of which at least one is needed.
#[derive(Debug, Clone)]
struct Tally {
    least: Vec<usize>,
    most: Vec<usize>,
}

impl Tally {
    fn is_enough(&self, shapes: &Shapes) -> bool {
        shapes.between(&self.least, &self.most).next().is_some()
    }
}
