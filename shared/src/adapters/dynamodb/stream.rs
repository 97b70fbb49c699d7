//! What a change of an item tells whoever reads the table's stream: the doorbell and the notifier.
//!
//! A stream hands out images: items as JSON that names every value's type, `{"pk": {"S": "t..."}, "ttl": {"N": "1"}}`.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;

use super::item::{self, Decision, Item, ItemReader, KEY, Stored};
use crate::domain::{Event, MatchId, MatchState, Outcome, PlayerId, Ticket};
use crate::ports::{Mode, StoreError};

/// What an image tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Image {
    /// A ticket waits.
    Waiting(Ticket, Mode),
    /// Something that happened and will not unhappen.
    Event(Event),
    /// The phones of these players could not be told that their match checks them.
    Unreached(MatchId, Vec<PlayerId>),
    /// Nothing that the outside must hear: a player's item, profile or connection, a result, a matched ticket (its match tells that), a match that is
    /// void, a ticket that never began to wait.
    Nothing,
}

/// What the image of an item tells.
///
/// # Errors
/// It is no item of the ledger, or one that nobody of this version wrote.
pub fn read_image(image: &Value) -> Result<Image, StoreError> {
    let found = read_item(image).ok_or_else(|| item::corrupt(format!("expected an item's image, found {image}")))?;
    let key = ItemReader(&found).text(KEY)?;
    match key.split_once('.') {
        Some(("t", _)) => match Stored::read(&found)? {
            Stored::Waiting(ticket, mode) => Ok(Image::Waiting(ticket, mode)),
            Stored::Finished(finished)
                if finished.players.is_empty() || matches!(finished.outcome, Outcome::Matched(_)) =>
            {
                Ok(Image::Nothing)
            }
            Stored::Finished(finished) => Ok(Image::Event(Event::Ended(finished))),
        },
        Some(("m", _)) => Ok(match item::read_decision(&found)? {
            Decision::Confirmed(this_match) => Image::Event(Event::Matched(this_match)),
            Decision::Void => Image::Nothing,
        }),
        Some(("o", _)) => Ok(match item::read_offer(&found)? {
            // A question of a later version's: only that one knows how to put it.
            Event::Asked(this_match) if this_match.state == MatchState::Other => Image::Nothing,
            event => Image::Event(event),
        }),
        Some(("u", _)) => {
            item::read_unreached(&found).map(|(this_match, players)| Image::Unreached(this_match, players))
        }
        Some(("c" | "e" | "f" | "p", _)) => Ok(Image::Nothing),
        _ => Err(item::corrupt(format!(
            "expected the key of a ticket, a match, an offer, unreached phones, a player, a profile, a result or a connection, found {key:?}"
        ))),
    }
}

fn read_item(image: &Value) -> Option<Item> {
    image.as_object()?.iter().map(|(name, value)| Some((name.clone(), read_value(value)?))).collect()
}

/// The types that the ledger writes; another one, of a later version, reads as nothing that anybody asks for.
fn read_value(value: &Value) -> Option<AttributeValue> {
    let (kind, value) = value.as_object()?.iter().next()?;
    match kind.as_str() {
        "S" => Some(AttributeValue::S(value.as_str()?.to_owned())),
        "N" => Some(AttributeValue::N(value.as_str()?.to_owned())),
        "L" => Some(AttributeValue::L(value.as_array()?.iter().map(read_value).collect::<Option<_>>()?)),
        "M" => Some(AttributeValue::M(read_item(value)?)),
        _ => Some(AttributeValue::Null(true)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TICKET: &str = "t.ranked-1v1.eu.01JD8Z4V6WQK9T3M5N7P0R2S4X";

    fn finished(players: Value, status: &str) -> Value {
        json!({
            "pk": {"S": TICKET}, "status": {"S": status}, "reason": {"S": "player"}, "players": {"L": players},
            "match": {"S": "m.ranked-1v1.eu.01JD8Z4V7A0B1C2D3E4F5G6H7J"}, "rating": {"N": "1500"},
            "joined_ms": {"N": "5"}, "attempts": {"N": "0"}, "ended_ms": {"N": "9"}, "ttl": {"N": "2592000"},
        })
    }

    #[test]
    fn a_cancelled_ticket_tells_its_players() {
        let Image::Event(Event::Ended(ended)) = read_image(&finished(json!([{"S": "ann"}]), "cancelled")).unwrap()
        else {
            panic!("expected an ended ticket");
        };
        assert_eq!((ended.ticket.to_string().as_str(), ended.ended_ms), (TICKET, 9));
        assert_eq!(ended.players, ["ann".parse().unwrap()]);
    }

    #[test]
    fn nobody_hears_of_a_ticket_that_never_waited_or_of_a_match_twice() {
        assert_eq!(read_image(&finished(json!([]), "cancelled")).unwrap(), Image::Nothing);
        assert_eq!(read_image(&finished(json!([{"S": "ann"}]), "matched")).unwrap(), Image::Nothing);
        let player = json!({"pk": {"S": "p.ann"}, "ticket": {"S": TICKET}});
        assert_eq!(read_image(&player).unwrap(), Image::Nothing);
        let connection = json!({"pk": {"S": "c.ann"}, "connection": {"S": "L0SM9cOFvHcCIhw="}});
        assert_eq!(read_image(&connection).unwrap(), Image::Nothing);
    }

    #[test]
    fn an_unknown_attribute_is_no_obstacle_and_a_wrong_one_is_named() {
        let mut image = finished(json!([{"S": "ann"}]), "expired");
        image["later"] = json!({"M": {"a": {"BOOL": true}}});
        assert!(read_image(&image).is_ok());
        image["rating"] = json!({"S": "strong"});
        let error = read_image(&image).unwrap_err().to_string();
        assert!(error.contains(TICKET) && error.contains("rating: expected a number"), "{error}");
        assert!(read_image(&json!({"pk": {"S": "x"}})).is_err());
        assert!(read_image(&json!(5)).is_err());
    }
}
