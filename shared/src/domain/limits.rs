//! Every bound of the system, named once. A value at the bound is allowed, one past it is refused.

/// Longest time that players may have to accept a match: ten minutes, in milliseconds.
pub const ACCEPTANCE_MS_MAX: u64 = 600_000;
/// Shortest, in milliseconds: a phone must hear of the match and a thumb must move.
pub const ACCEPTANCE_MS_MIN: u64 = 1_000;
/// Longest time that a phone may have to answer a ping, in milliseconds.
pub const PING_MS_MAX: u64 = 10_000;
/// Longest time that a phone which polls may have to ask again once its match is formed, in milliseconds.
pub const POLL_TIMEOUT_MS_MAX: u64 = 15_000;
/// Shortest, in milliseconds: three polls fit into it at the fastest pace.
pub const POLL_TIMEOUT_MS_MIN: u64 = 750;
/// Longest time for which a decliner may be kept out: a day, in milliseconds.
pub const COOLDOWN_MS_MAX: u64 = 86_400_000;
/// Lobbies of one pool that live at once. A match confirmed beyond them has no lobby. Half of the codes, so that none comes
/// back while it lives.
pub const LOBBIES_MAX: u64 = 405_000;
/// How long the ledger keeps what a match asked: an hour, in milliseconds. It is kept for its stream, not for readers.
pub const OFFER_KEEP_MS: u64 = 3_600_000;
/// How long a poll keeps a match back that the ledger has not heard of, in milliseconds. Longer, and the ledger is away.
pub const SETTLE_MS_MAX: u64 = 1_000;
/// When a phone should ask again meanwhile, at first, in milliseconds; then after as long as it has been kept back, so that a
/// ledger that is away brings few polls.
pub const SETTLE_RETRY_MS: u64 = 100;
/// How often the poll of a ticket in line makes sure that the ledger does not know how it ended, in milliseconds: a store that
/// has forgotten a match would let it wait for ever.
pub const DOUBT_MS: u64 = 15_000;
/// A poll does so if its ticket has come so far beyond a multiple of that: once, at the pace at which phones ask, in milliseconds.
pub const DOUBT_WINDOW_MS: u64 = 5_000;
/// When a phone should ask again at the earliest while the ledger answers in place of the store, in milliseconds: nothing can
/// become of its ticket meanwhile, and each question waits for the store in vain.
pub const AWAY_RETRY_MS: u64 = 3_000;
/// When a phone should ask again at the latest whose question brought its ticket back into the store, in milliseconds: a matcher
/// comes at once, and the ticket has waited so long that the phone would ask again much later.
pub const RESTORED_RETRY_MS: u64 = 1_000;
/// When a phone should ask again while its match asks, in milliseconds.
pub const PROPOSED_RETRY_MS: u64 = 1_000;

/// Longest queue name, in bytes.
pub const QUEUE_NAME_BYTES_MAX: usize = 24;
/// Longest region name, in bytes.
pub const REGION_BYTES_MAX: usize = 16;
/// Longest player id, in bytes. JWT subjects of the common identity providers are 20 to 50.
pub const PLAYER_ID_BYTES_MAX: usize = 64;
/// Longest idempotency key a client may send, in bytes.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 64;
/// Largest request body, in bytes.
pub const BODY_BYTES_MAX: usize = 8 * 1024;
/// Most queues in one deployment.
pub const QUEUES_MAX: usize = 64;
/// Most pools in one deployment: each has a tag of its own in its lobby codes.
pub const POOLS_MAX: usize = 900;
/// Most regions of one queue.
pub const REGIONS_PER_QUEUE_MAX: usize = 32;
/// Most players of one match.
pub const PLAYERS_PER_MATCH_MAX: usize = 32;

/// Oldest tickets that one tick looks at. Anyone past it comes into view as those before leave.
pub const SNAPSHOT_TICKETS_MAX: usize = 10_000;
/// Tickets read by one snapshot call: keeps the script under its time limit.
pub const SNAPSHOT_PAGE_TICKETS: usize = 1_000;
/// Tickets moved by one claim call: keeps the script under its time limit.
pub const CLAIM_BATCH_TICKETS: usize = 200;
/// Calls of one kind that a tick has under way at once: one that the store works on and one that it finds when it is done. More
/// would only stand in the way of those whom phones send.
pub const CALLS_UNDER_WAY_MAX: usize = 2;
/// Arguments of one script call, keys included. ElastiCache Serverless refuses 4,000.
pub const SCRIPT_ARGUMENTS_MAX: usize = 3_900;
/// Matches that one reclaim call drops.
pub const RECLAIM_BATCH_MATCHES: usize = 20;
/// After so many tickets a reclaim call takes no further match: keeps the script under its time limit.
pub const RECLAIM_BATCH_TICKETS: usize = 150;
/// Tickets that one expire call ends, and records that it forgets.
pub const EXPIRE_BATCH: usize = 60;
/// Tickets that one expire call passes over because they are urgent but not late, or silent but held by a match.
pub const EXPIRE_LOOK_MAX: usize = 500;
/// Calls in one sweep of one pool: a sweep is bounded, the next one goes on.
pub const SWEEP_CALLS_MAX: usize = 50;
/// Recent waits from which a pool's estimate is made.
pub const RECENT_WAITS_MAX: usize = 256;

/// How much earlier a ticket stands in line once a match fell through under it, in milliseconds. One step, however many matches
/// fell through. So it stands before all tickets that joined later, and overtakes an earlier one only for that long.
pub const PRIORITY_STEP_MS: u64 = 10_000;
/// Tickets in line that a look at a pool's state reads to find the one that has waited longest. They stand in front only after
/// a match fell through under them, so that beyond them the answer is off by a step at most.
pub const OLDEST_LOOK_MAX: usize = 100;

/// How long an outcome stays readable in Redis, in milliseconds.
pub const KEEP_MS: u64 = 600_000;
/// Entries of one pool's outbox beyond which the oldest go, so that a ledger away for days cannot fill Redis.
pub const OUTBOX_ENTRIES_MAX: usize = 1_000_000;
/// Bytes of one pool's outbox beyond which the oldest entries go, taking all for as long as the one that comes.
pub const OUTBOX_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Entries of one pool that are kept aside for a person. Beyond them the oldest go.
pub const DEAD_ENTRIES_MAX: usize = 10_000;
/// The same in bytes, taking all entries for as long as the one that comes.
pub const DEAD_BYTES_MAX: usize = 16 * 1024 * 1024;
/// A clock that is further ahead of Redis' own counts as so far ahead, in milliseconds: it must not end tickets and leases before
/// their time.
pub const CLOCK_AHEAD_MS_MAX: u64 = 5_000;
/// How often a join starts anew when others change the same player's ticket under it.
pub const JOIN_ROUNDS_MAX: usize = 4;

/// How long a player stays spoken for beyond the ticket's own time to live, in milliseconds: longer than any match may hold it.
pub const PLAYER_GRACE_MS: u64 = 900_000;
/// How often a cancel starts anew when the ticket's match changes under it.
pub const CANCEL_ROUNDS_MAX: usize = 4;

/// Entries of the outbox handed out at once.
pub const OUTBOX_TAKE_MAX: usize = 100;
/// How much longer the outbox is drained when its run is to end, in milliseconds.
pub const LEAVE_MS_MAX: u64 = 1_000;
/// After so long another reader's unfinished entry is anybody's, in milliseconds.
pub const OUTBOX_IDLE_MS: u64 = 5_000;
/// An entry that the ledger refuses becomes a dead letter when it was handed out so often.
pub const OUTBOX_DELIVERIES_MAX: u64 = 5;
/// How long the ledger keeps tickets and matches after their end: 30 days, in milliseconds.
pub const LEDGER_KEEP_MS: u64 = 30 * 24 * 3_600_000;
/// A longer gap between two looks after a pool means that the store was away, in milliseconds.
pub const UPKEEP_GAP_MS_MAX: u64 = 15_000;
/// A longer pause between two looks after a pool counts against nobody's time to answer, in milliseconds. A sweeper alone looks
/// every two seconds, a matcher ten times a second.
pub const UPKEEP_PAUSE_MS_MAX: u64 = 2_500;

/// Pools that one matcher leads at most, unless `MATCHER_POOLS_MAX` says otherwise.
pub const MATCHER_POOLS_DEFAULT: usize = 20;
/// A pool without work that a matcher leads is looked at ever less often, down to this pause, in milliseconds: whoever joins
/// waits for the next look at most so long.
pub const IDLE_PAUSE_MS_MAX: u64 = 400;
/// How often a matcher asks for a pool with work that another leads, in milliseconds: so long is nobody there when that one ends.
pub const FOLLOW_MS: u64 = 500;
/// Looks at pools without work that a matcher does not lead, each second, all of them together. Few pools are looked at each
/// half second, many ever less often.
pub const SEEKS_PER_S_MAX: u64 = 40;
/// But each at least once in so long, in milliseconds. Its doorbell does not wait for that.
pub const SEEK_PAUSE_MS_MAX: u64 = 5_000;
/// Pause after a call that failed, in milliseconds.
pub const FAILED_PAUSE_MS: u64 = 250;
/// A matcher that the doorbell began gives a store that keeps silent up after so long, in milliseconds.
pub const RING_PATIENCE_MS: u64 = 2_000;
/// How long a matcher that leaves waits for looks that it has begun, in milliseconds.
pub const LAST_LOOKS_MS_MAX: u64 = 150;
/// How long it then takes at most to let go of its pools, in milliseconds.
pub const RESIGN_MS_MAX: u64 = 150;
/// A pool in which nothing stands is swept ever less often: by this factor at most.
pub const SWEEP_SLOWER_MAX: u64 = 8;
/// An outbox in which nothing is found is asked ever less often: by this factor at most.
pub const DRAIN_SLOWER_MAX: u64 = 8;
/// How much longer the outbox is drained when the process is told to end, in milliseconds.
pub const STOP_MS_MAX: u64 = 300;
/// How old the counters are, at least, against which a pool says how fast it goes, in milliseconds.
pub const LATELY_MS: u64 = 60_000;
/// Longest text of a failure that is kept, in bytes.
pub const FAILURE_BYTES_MAX: usize = 200;

/// No connection of a phone lives longer: two hours, in milliseconds. A limit of API Gateway.
pub const CONNECTION_MS_MAX: u64 = 7_200_000;
/// Players whose connections one call of the ledger looks up. A limit of DynamoDB.
pub const CONNECTIONS_READ_MAX: usize = 100;
/// Phones that are told something at once.
pub const PUSHES_AT_ONCE: usize = 32;
/// How often a push is tried.
pub const PUSH_TRIES_MAX: usize = 3;
/// Between two tries of a push, in milliseconds.
pub const PUSH_PAUSE_MS: u64 = 100;
/// Longest time that one try of a push may take, in milliseconds; the same for connecting to whoever takes it.
pub const PUSH_TIMEOUT_MS: u64 = 2_000;
/// Longest text by which a phone tells replies apart, in bytes.
pub const MESSAGE_ID_BYTES_MAX: usize = 64;

/// Longest rules document, in bytes. DynamoDB takes items of 400 KB, and beside it stand the pools that it closes.
pub const RULES_BYTES_MAX: usize = 200_000;
/// How long a pool that a rules document no longer names is matched, swept and read, in milliseconds: as long as a ticket that
/// joined at the last moment may wait, its outcome may be read, and half as long again.
pub const CLOSED_KEEP_MS: u64 = 3 * KEEP_MS;
/// Versions of the rules that one look into their history reads.
pub const RULES_HISTORY_MAX: usize = 50;

/// Longest name of a token's claim that holds a rating, in bytes.
pub const CLAIM_NAME_BYTES_MAX: usize = 64;

/// Rating tracks of one player.
pub const TRACKS_MAX: usize = 64;
/// Opponents that a profile remembers, the latest first.
pub const RECENT_OPPONENTS_MAX: usize = 20;
/// Players whom one player may block.
pub const BLOCKS_MAX: usize = 100;
/// Attributes of one player.
pub const ATTRIBUTES_MAX: usize = 32;
/// Longest name of an attribute, and of a key in its map, in bytes.
pub const ATTRIBUTE_NAME_BYTES_MAX: usize = 32;
/// Longest text in an attribute, in bytes.
pub const ATTRIBUTE_TEXT_BYTES_MAX: usize = 256;
/// Texts of a list, and entries of a map.
pub const ATTRIBUTE_ENTRIES_MAX: usize = 64;
/// Largest number in an attribute, and with a minus the lowest.
pub const ATTRIBUTE_NUMBER_MAX: f64 = 1e12;
/// All attributes of one player, in bytes: names and texts as they are, a number as eight.
pub const ATTRIBUTES_BYTES_MAX: usize = 2_048;
/// How long after a match was formed its result may be reported or corrected, in milliseconds: as long as the ledger keeps it.
pub const RESULT_LATE_MS_MAX: u64 = LEDGER_KEEP_MS;
/// How often a write of a result or a profile starts anew because another changes the same.
pub const RESULT_ROUNDS_MAX: usize = 16;
/// Results that one page of a replay reads.
pub const RESULTS_PAGE: usize = 500;
