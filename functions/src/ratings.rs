//! Where a joining party's rating comes from: its queue says, and a phone that sends one elsewhere is told so.

use muster::domain::{RatingFrom, RatingSource, Rules};
use muster::usecases::join::TicketRating;

use crate::problem::{Code, Problem};

/// The rating of a party. `sent` is what the phone's request says, `claims` what the caller's verified token does.
///
/// # Errors
/// [`Code::RatingNotAccepted`], [`Code::RatingNotClaimed`], [`Code::RatingOutOfRange`].
pub fn rating(
    sent: Option<f64>,
    rules: &Rules,
    claims: impl Fn(&str) -> Option<String>,
) -> Result<TicketRating, Problem> {
    let within = |value: f64, source| {
        if (rules.rating_min..=rules.rating_max).contains(&value) {
            return Ok(TicketRating::Given(value, source));
        }
        let detail = format!("expected {} to {}, found {value}", rules.rating_min, rules.rating_max);
        Err(Problem::new(Code::RatingOutOfRange, detail))
    };
    match (&rules.ratings.from, sent) {
        (RatingFrom::Request, Some(value)) => within(value, RatingSource::Request),
        (RatingFrom::Request, None) => within(rules.rating_default, RatingSource::Default),
        (RatingFrom::Stored | RatingFrom::Claim(_), Some(value)) => {
            let detail = format!("expected no rating, because the queue does not take it from requests; found {value}");
            Err(Problem::new(Code::RatingNotAccepted, detail))
        }
        (RatingFrom::Stored, None) => Ok(TicketRating::Stored),
        (RatingFrom::Claim(name), None) => {
            let found = claims(name);
            match found.as_ref().and_then(|text| text.trim().parse::<f64>().ok()) {
                Some(value) => within(value, RatingSource::Claim),
                None => {
                    let found = if found.is_some() { "another value" } else { "none" };
                    let detail = format!("expected a number in the token's claim {name:?}, found {found}");
                    Err(Problem::new(Code::RatingNotClaimed, detail))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use muster::domain::RatingRules;

    use super::*;

    fn found(from: &str, sent: Option<f64>, claim: Option<&str>) -> Result<TicketRating, Code> {
        let from = RatingFrom::from_text(from).unwrap();
        let rules = Rules { ratings: RatingRules { from, ..RatingRules::default() }, ..Rules::default() };
        let claims = |name: &str| claim.filter(|_| name == "elo").map(ToOwned::to_owned);
        rating(sent, &rules, claims).map_err(|problem| problem.code)
    }

    #[test]
    fn a_rating_counts_where_its_queue_takes_it_from_and_is_refused_elsewhere() {
        let given = |value, source| Ok(TicketRating::Given(value, source));
        assert_eq!(found("request", Some(1_512.5), None), given(1_512.5, RatingSource::Request));
        assert_eq!(found("request", None, None), given(1_500.0, RatingSource::Default));
        assert_eq!(found("request", Some(10_000.5), None), Err(Code::RatingOutOfRange));
        assert_eq!(found("stored", None, Some("9000")), Ok(TicketRating::Stored));
        for from in ["stored", "claim:elo"] {
            assert_eq!(found(from, Some(1_500.0), Some("1500")), Err(Code::RatingNotAccepted), "{from}");
        }
        assert_eq!(found("claim:elo", None, Some("1633.25")), given(1_633.25, RatingSource::Claim));
        for (claim, code) in [
            (None, Code::RatingNotClaimed),
            (Some("strong"), Code::RatingNotClaimed),
            (Some("NaN"), Code::RatingOutOfRange),
            (Some("inf"), Code::RatingOutOfRange),
            (Some("-1"), Code::RatingOutOfRange),
        ] {
            assert_eq!(found("claim:elo", None, claim), Err(code), "{claim:?}");
        }
        assert_eq!(found("claim:mmr", None, Some("1500")), Err(Code::RatingNotClaimed));
    }
}
