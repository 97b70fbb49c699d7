//! What each route takes and answers. A new route is a row here.

use crate::problem::Code;

/// What an answer holds, or a request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// A schema of ours, by its name.
    Of(&'static str),
    /// A problem with one of the route's codes.
    Problem,
    /// What API Gateway says by itself.
    Gateway,
}

/// A route.
pub(super) struct Route {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// Unique, and what client generators name their function by.
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    /// A sample event of this route: its path parameters and its body are the examples.
    pub(super) sample: &'static str,
    /// The body that it takes.
    pub(super) takes: Option<&'static str>,
    /// Whether it asks for a player's token.
    pub(super) token: bool,
    /// Answers that are not problems.
    pub(super) answers: &'static [(u16, &'static str, Shape)],
    /// Every problem that it can answer with.
    pub(super) problems: &'static [Code],
    /// Routes that take the ticket id of an answer: their ids, and the parameter.
    pub(super) leads_to: &'static [(&'static str, &'static str)],
}

pub(super) const TICKET: &str = "Ticket";

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: "post",
        path: "/queue/join",
        id: "join",
        summary: "Joins a queue, alone or with a party. May be repeated after any failure.",
        sample: include_str!("../../../events/join.json"),
        takes: Some("Join"),
        token: true,
        answers: &[
            (200, "The same ticket again.", Shape::Of(TICKET)),
            (201, "It waits in the ledger, Redis being away.", Shape::Of(TICKET)),
            (202, "A new ticket waits.", Shape::Of(TICKET)),
        ],
        problems: &[
            Code::BodyTooLarge,
            Code::MalformedJson,
            Code::InvalidBody,
            Code::UnknownField,
            Code::UnknownQueue,
            Code::UnknownRegion,
            Code::RatingOutOfRange,
            Code::RatingNotAccepted,
            Code::RatingNotClaimed,
            Code::InvalidPlayerId,
            Code::PartyEmpty,
            Code::PartyDuplicate,
            Code::PartyTooLarge,
            Code::PartyWithoutCaller,
            Code::InvalidIdempotencyKey,
            Code::Unauthenticated,
            Code::AlreadyQueued,
            Code::PartyMemberQueued,
            Code::CoolingDown,
            Code::RateLimited,
            Code::Contended,
            Code::StoreUnavailable,
            Code::Internal,
        ],
        leads_to: &[("poll", "id"), ("cancel", "ticket_id")],
    },
    Route {
        method: "get",
        path: "/match/{id}",
        id: "poll",
        summary: "Says where a ticket is, by its id or its match's. Asking is proof of life.",
        sample: include_str!("../../../events/poll-match.json"),
        takes: None,
        token: true,
        answers: &[(200, "The ticket.", Shape::Of(TICKET))],
        problems: OF_A_TICKET,
        leads_to: &[("cancel", "ticket_id")],
    },
    Route {
        method: "delete",
        path: "/queue/{ticket_id}",
        id: "cancel",
        summary: "Takes a ticket back. Again and again, with the same answer.",
        sample: include_str!("../../../events/cancel.json"),
        takes: None,
        token: true,
        answers: &[(200, "The ticket as it is now: matched, if a match was faster.", Shape::Of(TICKET))],
        problems: OF_A_TICKET,
        leads_to: &[("poll", "id")],
    },
    Route {
        method: "get",
        path: "/lobby/{code}",
        id: "lobby",
        summary: "Says where the caller's ticket is whose match meets in that lobby.",
        sample: include_str!("../../../events/poll-match.by-lobby.json"),
        takes: None,
        token: true,
        answers: &[(200, "The ticket.", Shape::Of(TICKET))],
        problems: OF_A_TICKET,
        leads_to: &[],
    },
    Route {
        method: "post",
        path: "/match/{match_id}/accept",
        id: "accept",
        summary: "Says yes to a proposed match, for the caller's whole party. Again and again, with the same answer.",
        sample: include_str!("../../../events/answer.json"),
        takes: None,
        token: true,
        answers: &[(200, "The ticket as it is now.", Shape::Of(TICKET))],
        problems: OF_AN_ANSWER,
        leads_to: &[("poll", "id")],
    },
    Route {
        method: "post",
        path: "/match/{match_id}/decline",
        id: "decline",
        summary: "Says no to a proposed match, for the caller's whole party. Again and again, with the same answer.",
        sample: include_str!("../../../events/answer.decline.json"),
        takes: None,
        token: true,
        answers: &[(200, "The ticket as it is now: cancelled.", Shape::Of(TICKET))],
        problems: OF_AN_ANSWER,
        leads_to: &[("poll", "id")],
    },
    Route {
        method: "get",
        path: "/queue/status",
        id: "queueStatus",
        summary: "The stores, and every pool: who waits, how long, who leads, how fast it goes, what jobs last did. What cannot be reached is named.",
        sample: include_str!("../../../events/queue-status.json"),
        takes: None,
        token: true,
        answers: &[(200, "Whatever can be reached.", Shape::Of("QueueStatus"))],
        problems: &[],
        leads_to: &[],
    },
    Route {
        method: "get",
        path: "/health",
        id: "health",
        summary: "A word for each store.",
        sample: include_str!("../../../events/health.json"),
        takes: None,
        token: false,
        answers: &[(200, "Whatever the state is.", Shape::Of("Health"))],
        problems: &[],
        leads_to: &[],
    },
    Route {
        method: "get",
        path: "/ready",
        id: "ready",
        summary: "Whether Redis can be used.",
        sample: include_str!("../../../events/health.ready.json"),
        takes: None,
        token: false,
        answers: &[(200, "It can.", Shape::Of("Health")), (503, "It cannot.", Shape::Of("Health"))],
        problems: &[],
        leads_to: &[],
    },
];

/// What asking for a ticket, or taking it back, can be refused with.
const OF_A_TICKET: &[Code] = &[
    Code::InvalidId,
    Code::Unauthenticated,
    Code::NotFound,
    Code::RateLimited,
    Code::StoreUnavailable,
    Code::Internal,
];

/// What an answer to a match can be refused with.
const OF_AN_ANSWER: &[Code] = &[
    Code::InvalidId,
    Code::Unauthenticated,
    Code::NotFound,
    Code::ProposalOver,
    Code::RateLimited,
    Code::StoreUnavailable,
    Code::Internal,
];

/// What the path parameters are.
pub(super) const PARAMETERS: &[(&str, &str)] = &[
    ("id", "`t.<queue>.<region>.<26 characters>` of a ticket, or `m.…` of a match."),
    ("match_id", "`m.<queue>.<region>.<26 characters>`"),
    ("code", "Six characters, upper or lower case."),
    ("ticket_id", "`t.<queue>.<region>.<26 characters>`"),
];
