//! The groups that may end at one ticket of the line.
//!
//! The walk goes from a right end towards lower ratings. Each ticket that it meets may be the left end; between the two
//! are kept those that may play with both and with each other. Whoever's window is narrower than the distance of the
//! ends is dropped, and stays out: the distance only grows. So at each left end the kept tickets are all that can be
//! between (for tickets within their deadlines: exactly all), and the best group takes the dearest of each kind, for some
//! shape.

use super::pool::Waiting;
use super::shapes::Shapes;

/// Left ends that are weighed for one right end. One would do to form groups; the others let a dearer ticket further
/// off take the place of a cheap one that is near.
const LEFT_ENDS_MAX: usize = 8;
/// Shapes that are weighed for one pair of ends, in their fixed order.
const SHAPES_WEIGHED_MAX: usize = 16;

/// A group that the walk found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Offer {
    /// Its lowest ticket.
    pub left: usize,
    /// How many of each kind it takes.
    pub shape: usize,
    /// The prices of all its tickets together.
    pub price: f64,
}

/// One walk at a time over a pool; kept between walks for its memory.
#[derive(Debug)]
pub struct Walk<'a> {
    waiting: &'a [Waiting],
    shapes: &'a Shapes,
    any_past_deadline: bool,
    /// Tickets between the ends, for each kind, the dearest first.
    kept: Vec<Vec<usize>>,
    /// Players of the kept tickets.
    players: usize,
    /// Least reach among the kept tickets.
    reach_min: f64,
    /// For each kind: how many the ends are, and how many there are with the kept.
    least: Vec<usize>,
    most: Vec<usize>,
}

impl<'a> Walk<'a> {
    /// Walks over tickets sorted by rating.
    pub fn new(waiting: &'a [Waiting], shapes: &'a Shapes) -> Self {
        let kinds = shapes.kinds();
        Self {
            waiting,
            shapes,
            any_past_deadline: waiting.iter().any(Waiting::is_past_deadline),
            kept: vec![Vec::new(); kinds],
            players: 0,
            reach_min: f64::INFINITY,
            least: vec![0; kinds],
            most: vec![0; kinds],
        }
    }

    /// Offers groups whose highest ticket is `right`, from at most `look_back` tickets below it.
    pub fn offers(&mut self, right: usize, look_back: usize, mut offer: impl FnMut(Offer)) {
        self.clear();
        let end = &self.waiting[right];
        if end.size == self.shapes.match_size {
            self.weigh(right, right, &mut offer);
        }
        let mut weighed = 0;
        for left in (right.saturating_sub(look_back)..right).rev() {
            match self.meet(right, left) {
                Meeting::Fits => {}
                Meeting::TooNarrow => continue,
                Meeting::OutOfReach if self.any_past_deadline => continue,
                Meeting::OutOfReach => break,
            }
            let players = self.players + end.size + self.waiting[left].size;
            if players >= self.shapes.match_size && self.weigh(left, right, &mut offer) {
                weighed += 1;
                if weighed == LEFT_ENDS_MAX {
                    break;
                }
            }
            self.keep(left);
        }
    }

    /// The tickets of an offer that was made for `right`, found by walking there again.
    pub fn members(&mut self, right: usize, offer: Offer) -> Vec<usize> {
        if offer.left == right {
            return vec![right];
        }
        self.clear();
        for at in (offer.left + 1..right).rev() {
            if self.meet(right, at) == Meeting::Fits {
                self.keep(at);
            }
        }
        self.meet(right, offer.left);
        let mut members = vec![offer.left, right];
        for kind in 0..self.kept.len() {
            let ends = [offer.left, right].iter().filter(|&&end| self.waiting[end].kind == kind).count();
            members.extend(self.kept[kind].iter().take(self.shapes.count(offer.shape, kind) - ends));
        }
        members
    }

    fn clear(&mut self) {
        self.kept.iter_mut().for_each(Vec::clear);
        self.players = 0;
        self.reach_min = f64::INFINITY;
    }

    /// Whether the ticket at `left` may be the left end; drops the kept tickets that then may not be between.
    fn meet(&mut self, right: usize, left: usize) -> Meeting {
        let (end, ticket) = (&self.waiting[right], &self.waiting[left]);
        if ticket.is_past_deadline() {
            return Meeting::Fits;
        }
        // The spread that counts is that of the tickets within their deadlines.
        let highest = if end.is_past_deadline() { self.highest_kept() } else { Some(end.rating) };
        let Some(highest) = highest else { return Meeting::Fits };
        let spread = highest - ticket.rating;
        if spread > end.reach {
            return Meeting::OutOfReach;
        }
        if spread > ticket.reach {
            return Meeting::TooNarrow;
        }
        if spread > self.reach_min {
            self.drop_narrower(spread);
        }
        Meeting::Fits
    }

    /// The highest rating of a kept ticket that is within its deadline.
    fn highest_kept(&self) -> Option<f64> {
        let within_deadline =
            self.kept.iter().flatten().map(|&at| &self.waiting[at]).filter(|ticket| !ticket.is_past_deadline());
        within_deadline.map(|ticket| ticket.rating).max_by(f64::total_cmp)
    }

    fn drop_narrower(&mut self, spread: f64) {
        let waiting = self.waiting;
        (self.players, self.reach_min) = (0, f64::INFINITY);
        for kept in &mut self.kept {
            kept.retain(|&at| waiting[at].reach >= spread);
            for &at in kept.iter() {
                self.players += waiting[at].size;
                self.reach_min = self.reach_min.min(waiting[at].reach);
            }
        }
    }

    /// Keeps a ticket that was met, now that the left end is further off.
    fn keep(&mut self, at: usize) {
        if self.shapes.match_size == 2 {
            return; // Nobody comes between two.
        }
        let ticket = &self.waiting[at];
        let kept = &mut self.kept[ticket.kind];
        let place =
            kept.iter().rposition(|&other| self.waiting[other].price >= ticket.price).map_or(0, |last| last + 1);
        kept.insert(place, at);
        self.players += ticket.size;
        self.reach_min = self.reach_min.min(ticket.reach);
    }

    /// Offers the dearest group of each shape between two ends. Whether there was one. There are players enough.
    fn weigh(&mut self, left: usize, right: usize, offer: &mut impl FnMut(Offer)) -> bool {
        if let ([kept], true) = (&self.kept[..], left < right) {
            return self.weigh_alike(left, right, kept, offer);
        }
        self.least.fill(0);
        let mut ends_price = 0.0;
        for end in std::iter::once(right).chain((left != right).then_some(left)) {
            self.least[self.waiting[end].kind] += 1;
            ends_price += self.waiting[end].price;
        }
        for (kind, kept) in self.kept.iter().enumerate() {
            self.most[kind] = self.least[kind] + kept.len();
        }
        let mut any = false;
        for shape in self.shapes.between(&self.least, &self.most).take(SHAPES_WEIGHED_MAX) {
            let mut price = ends_price;
            for (kind, kept) in self.kept.iter().enumerate() {
                let count = self.shapes.count(shape, kind) - self.least[kind];
                price += kept[..count].iter().map(|&at| self.waiting[at].price).sum::<f64>();
            }
            offer(Offer { left, shape, price });
            any = true;
        }
        any
    }
    /// The same where all parties are of one size, most often solos: there is at most one shape, and players enough
    /// fill it.
    fn weigh_alike(&self, left: usize, right: usize, kept: &[usize], offer: &mut impl FnMut(Offer)) -> bool {
        let Some(shape) = self.shapes.only() else { return false };
        let Some(count) = self.shapes.count(shape, 0).checked_sub(2) else { return false };
        let between = &kept[..count];
        let price: f64 = between.iter().map(|&at| self.waiting[at].price).sum();
        offer(Offer { left, shape, price: self.waiting[left].price + self.waiting[right].price + price });
        true
    }
}

/// How a ticket stands to the right end and those between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meeting {
    /// It may be the left end.
    Fits,
    /// Its own window does not reach so far.
    TooNarrow,
    /// The right end's window does not reach so far, and will not reach any lower ticket either.
    OutOfReach,
}
