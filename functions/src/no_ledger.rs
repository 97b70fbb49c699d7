//! Stands where the DynamoDB ledger goes until it lands: a type of which there is no value.

use muster::domain::{Event, Match, MatchId, PlayerId, PoolId, Ticket, TicketId, Unique};
use muster::ports::{Answer, Cancelled, Joined, Ledger, Page, Players, Polled, Probe, Recorded, Reserved, Tickets};

/// No value.
#[derive(Debug)]
pub enum DynamoDb {}

impl DynamoDb {
    /// Never.
    pub fn new(_table: String) -> Self {
        unreachable!("LEDGER_TABLE is refused until the ledger lands")
    }
}

impl Ledger for DynamoDb {
    async fn note_join(&self, _: &Ticket) -> Answer<()> {
        match *self {}
    }
    async fn record(&self, _: &[Event]) -> Answer<Vec<Recorded>> {
        match *self {}
    }
    async fn waiting(&self, _: &PoolId, _: Option<&str>) -> Answer<Page> {
        match *self {}
    }
    async fn imported(&self, _: &TicketId) -> Answer<bool> {
        match *self {}
    }
    async fn reachable(&self) -> Answer<()> {
        match *self {}
    }
}

impl Tickets for DynamoDb {
    async fn join(&self, _: &Ticket, _: u64) -> Answer<Joined> {
        match *self {}
    }
    async fn bury(&self, _: &TicketId, _: u64) -> Answer<Probe> {
        match *self {}
    }
    async fn poll(&self, _: &TicketId, _: &PlayerId, _: u64) -> Answer<Polled> {
        match *self {}
    }
    async fn cancel(&self, _: &TicketId, _: &PlayerId, _: u64) -> Answer<Cancelled> {
        match *self {}
    }
    async fn known(&self, _: &PoolId, _: &[Unique]) -> Answer<Vec<bool>> {
        match *self {}
    }
    async fn find_match(&self, _: &MatchId) -> Answer<Option<Match>> {
        match *self {}
    }
}

impl Players for DynamoDb {
    async fn reserve(&self, _: &PlayerId, _: &TicketId, _: Option<&TicketId>, _: u64) -> Answer<Reserved> {
        match *self {}
    }
    async fn unreserve(&self, _: &PlayerId, _: &TicketId) -> Answer<()> {
        match *self {}
    }
}
