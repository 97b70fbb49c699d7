//! The environment, read once. Every problem is reported at once, and a bad value stops the start.
//!
//! | variable | default | meaning |
//! |---|---|---|
//! | `STAGE` | `prod` | `local`, `dev` or `prod` |
//! | `STACK` | `muster` | the deployment's name, a dimension of its metrics |
//! | `AUTH_MODE` | `jwt` | `jwt`: the player is the authorizer's `sub`; `header`: `x-muster-player`, never in `prod` |
//! | `REDIS_URL` | | `redis://`, `rediss://` or `unix://`, of a cluster several with commas between; or the parts below |
//! | `REDIS_HOST`, `REDIS_PORT` | , 6379 | address, where there is no `REDIS_URL` |
//! | `REDIS_USER`, `REDIS_PASSWORD` | | login |
//! | `REDIS_TLS`, `REDIS_CLUSTER` | `false` | transport encryption; cluster mode |
//! | `REDIS_CA_FILE` | | PEM authority to trust instead of the public ones |
//! | `LEDGER_TABLE` | | the DynamoDB table of the ledger; without one Muster runs on Redis alone |
//! | `EVENT_BUS` | | notifier only: the EventBridge bus that receives events |
//! | `WEBSOCKET_ENDPOINT` | | notifier only: the WebSocket API through which it pushes; without one it pushes to no phone |
//! | `JWT_ISSUER`, `JWT_AUDIENCE` | | authorizer only: required issuer and audiences (separated by commas) of a connecting phone's token |
//! | `QUEUES` or `QUEUES_FILE` | four queues | the queues document, as text or as a file's path; used until the ledger has one |
//! | `RULES_INTERVAL` | `10s` | how often the ledger is asked whether there are newer rules |
//! | `MMR_DELTA_INITIAL` | 50 | rating window at first, for queues that set none |
//! | `MMR_SCALING_FACTOR` | 10 | rating window growth per second, for queues that set none |
//! | `MIN_PLAYERS_PER_MATCH`, `MAX_PLAYERS_PER_MATCH` | 2, 10 | a queue outside these bounds is refused |
//! | `LOCK_TTL` | `10s` | the lease: how long an unconfirmed claim holds |
//! | `HEARTBEAT_INTERVAL` | `2s` | half the time that a silent matcher still counts as the leader of its pools |
//! | `CLAIM_BATCH_SIZE` | 200 | tickets of one claim call, at most 200 |
//! | `TICK_INTERVAL` | `100ms` | pause between a matcher's ticks of a pool with waiting tickets |
//! | `MATCHER_POOLS_MAX` | 20 | most pools that one matcher leads, plus pools that no other matcher takes |
//! | `MATCHER_RUN` | `70s` | longest matcher run; longer than its schedule's period, so that runs overlap |
//! | `IDLE_EXIT` | `20s` | a matcher releases a pool without waiting tickets after this time, and ends when it leads no pool; a scheduled run that finds no waiting ticket ends at once |
//! | `DRAIN_INTERVAL` | `100ms` | pause between looks at an empty outbox |
//! | `JOIN_BURST` | 10 | joins that a player may send at once; one more is answered 429 |
//! | `JOIN_INTERVAL` | `1s` | after that burst, one join per interval |
//! | `CALL_BURST` | 40 | polls, answers and cancels that a player may send at once in one pool; one more is answered 429 |
//! | `CALL_INTERVAL` | `100ms` | after that burst, one of them per interval |
//! | `STOP_AT` | | tests only, never in `prod`: the step at which the process stops and waits to be killed |
//! | `SWEEP_INTERVAL`, `SWEEPER_RUN` | `2s`, `55s` | interval and length of a sweeper run; it ends early when no pool has work |

#[cfg(test)]
mod tests;

use muster::adapters::redis::Settings;
use muster::domain::limits::{CLAIM_BATCH_TICKETS, MATCHER_POOLS_DEFAULT, POOLS_MAX};
use muster::domain::window::Window;
use muster::domain::{Queues, Rules};
use muster::ports::{Rate, Step};
use muster::usecases::tick::Pace;

use crate::environment::{EnvReader, variable};
use crate::queues::{self, Reading};

/// How callers prove who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMode {
    /// By the authorizer's verified `sub`.
    Jwt,
    /// By a header that anybody can send. For local use.
    Header,
}

/// Everything that can be set.
#[derive(Debug, Clone)]
pub struct Config {
    /// How strict the deployment is: `local`, `dev` or `prod`.
    pub stage: String,
    /// The deployment's name.
    pub stack: String,
    /// How callers prove who they are.
    pub auth: AuthMode,
    /// Where Redis is.
    pub redis: Settings,
    /// The ledger's table; none for a deployment on Redis alone.
    pub ledger_table: Option<String>,
    /// What is played.
    pub queues: Queues,
    /// How a document becomes queues.
    pub reading: Reading,
    /// How often the ledger is asked for newer rules, in milliseconds.
    pub rules_ms: u64,
    /// How matches are made.
    pub pace: Pace,
    /// How often one player may join.
    pub join_rate: Rate,
    /// How often a player may poll, answer and cancel.
    pub call_rate: Rate,
    /// How long a silent leader is believed to live, in milliseconds.
    pub leader_ttl_ms: u64,
    /// Pause between ticks, in milliseconds.
    pub tick_ms: u64,
    /// Pools that a matcher leads at most.
    pub matcher_pools_max: usize,
    /// Longest matcher run, in milliseconds.
    pub matcher_run_ms: u64,
    /// A matcher leaves when nobody waited for so long, in milliseconds.
    pub idle_exit_ms: u64,
    /// Where to stop for ever, for tests.
    pub stop_at: Option<Step>,
    /// Pause between looks at an empty outbox, in milliseconds.
    pub drain_ms: u64,
    /// Pause between sweeps, in milliseconds.
    pub sweep_ms: u64,
    /// Length of a sweeper run, in milliseconds.
    pub sweeper_run_ms: u64,
}

/// How long a silent leader is believed to live, in intervals. It renews three times in that time.
const LEADER_TTL_HEARTBEATS: u64 = 2;

impl Reading {
    /// As the functions of this environment read a document.
    ///
    /// # Errors
    /// Every problem, a line each.
    pub fn from_env() -> Result<Self, Vec<String>> {
        let mut env = EnvReader::new(&variable);
        let reading = env.reading();
        env.done(reading)
    }
}

impl Config {
    /// From the process environment.
    ///
    /// # Errors
    /// Every problem, a line each.
    pub fn from_env() -> Result<Self, Vec<String>> {
        Self::read(&variable)
    }

    /// From whatever `lookup` finds.
    ///
    /// # Errors
    /// Every problem, a line each.
    pub fn read(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, Vec<String>> {
        let mut env = EnvReader::new(lookup);
        let stage = env.stage();
        let auth = env.auth(stage);
        let stop_at = env.stop_at(stage);
        let heartbeat_ms = env.duration("HEARTBEAT_INTERVAL", 2_000);
        let lease_ms = env.duration("LOCK_TTL", 10_000);
        let reading = env.reading();
        let config = Self {
            stage: stage.to_owned(),
            stack: env.stack(),
            auth,
            redis: env.redis(),
            ledger_table: (env.lookup)("LEDGER_TABLE"),
            queues: env.queues(&reading),
            reading,
            rules_ms: env.duration("RULES_INTERVAL", 10_000),
            pace: Pace {
                lease_ms,
                claim_batch_tickets: env.number("CLAIM_BATCH_SIZE", 1, CLAIM_BATCH_TICKETS, CLAIM_BATCH_TICKETS),
            },
            join_rate: Rate {
                burst: env.number("JOIN_BURST", 1, 1_000, 10),
                every_ms: env.duration("JOIN_INTERVAL", 1_000),
            },
            call_rate: Rate {
                burst: env.number("CALL_BURST", 1, 10_000, 40),
                every_ms: env.duration("CALL_INTERVAL", 100),
            },
            leader_ttl_ms: LEADER_TTL_HEARTBEATS * heartbeat_ms,
            tick_ms: env.duration("TICK_INTERVAL", 100),
            matcher_pools_max: env.number("MATCHER_POOLS_MAX", 1, POOLS_MAX, MATCHER_POOLS_DEFAULT),
            matcher_run_ms: env.duration("MATCHER_RUN", 70_000),
            idle_exit_ms: env.duration("IDLE_EXIT", 20_000),
            stop_at,
            drain_ms: env.duration("DRAIN_INTERVAL", 100),
            sweep_ms: env.duration("SWEEP_INTERVAL", 2_000),
            sweeper_run_ms: env.duration("SWEEPER_RUN", 55_000),
        };
        env.done(config)
    }
}

/// What the notifier is configured with. It knows neither Redis nor how matches are made.
#[derive(Debug, Clone)]
pub struct NotifierConfig {
    /// How strict the deployment is: `local`, `dev` or `prod`.
    pub stage: String,
    /// The deployment's name.
    pub stack: String,
    /// The bus that hears of matches.
    pub event_bus: String,
    /// Through which connected phones are reached; none to push to nobody.
    pub websocket_endpoint: Option<String>,
    /// The ledger's table, which knows who is connected.
    pub ledger_table: Option<String>,
    /// What is played: lobby codes name the pool.
    pub queues: Queues,
    /// How a document becomes queues.
    pub reading: Reading,
    /// How often the ledger is asked for newer rules, in milliseconds.
    pub rules_ms: u64,
    /// Where to stop for ever, for tests.
    pub stop_at: Option<Step>,
}

impl NotifierConfig {
    /// From the process environment.
    ///
    /// # Errors
    /// Every problem, a line each.
    pub fn from_env() -> Result<Self, Vec<String>> {
        Self::read(&variable)
    }

    /// From whatever `lookup` finds.
    ///
    /// # Errors
    /// Every problem, a line each.
    pub fn read(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, Vec<String>> {
        let mut env = EnvReader::new(lookup);
        let (stage, reading) = (env.stage(), env.reading());
        let config = Self {
            stage: stage.to_owned(),
            stack: env.stack(),
            event_bus: env.required("EVENT_BUS", "the name or ARN of an event bus"),
            websocket_endpoint: lookup("WEBSOCKET_ENDPOINT"),
            ledger_table: lookup("LEDGER_TABLE"),
            queues: env.queues(&reading),
            reading,
            rules_ms: env.duration("RULES_INTERVAL", 10_000),
            stop_at: env.stop_at(stage),
        };
        env.done(config)
    }
}

/// How a connecting phone proves who its player is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// By a token.
    Token {
        /// Who must have made it.
        issuer: String,
        /// For whom: one of these.
        audiences: Vec<String>,
    },
    /// By a header that anybody can send. For local use.
    Header,
}

/// What the authorizer is configured with.
#[derive(Debug, Clone)]
pub struct AuthorizerConfig {
    /// How strict the deployment is: `local`, `dev` or `prod`.
    pub stage: String,
    /// The deployment's name.
    pub stack: String,
    /// How connecting phones prove who their players are.
    pub proof: Proof,
}

impl AuthorizerConfig {
    /// From the process environment.
    ///
    /// # Errors
    /// Every problem, a line each.
    pub fn from_env() -> Result<Self, Vec<String>> {
        Self::read(&variable)
    }

    /// From whatever `lookup` finds.
    ///
    /// # Errors
    /// Every problem, a line each.
    pub fn read(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, Vec<String>> {
        let mut env = EnvReader::new(lookup);
        let stage = env.stage();
        let proof = match env.auth(stage) {
            AuthMode::Header => Proof::Header,
            AuthMode::Jwt => {
                let issuer = env.required("JWT_ISSUER", "the issuer's URL");
                if stage != "local" && !issuer.is_empty() && !issuer.starts_with("https://") {
                    env.refuse("JWT_ISSUER", "an https URL where STAGE is not local", &issuer);
                }
                let audiences = env.required("JWT_AUDIENCE", "the tokens' audiences, separated by commas");
                let audiences = audiences.split(',').map(|one| one.trim().to_owned()).filter(|one| !one.is_empty());
                Proof::Token { issuer, audiences: audiences.collect() }
            }
        };
        let config = Self { stage: stage.to_owned(), stack: env.stack(), proof };
        env.done(config)
    }
}

impl EnvReader<'_> {
    fn stage(&mut self) -> &'static str {
        self.choice("STAGE", &[("prod", "prod"), ("dev", "dev"), ("local", "local")])
    }

    fn stack(&self) -> String {
        (self.lookup)("STACK").unwrap_or_else(|| "muster".to_owned())
    }

    fn auth(&mut self, stage: &str) -> AuthMode {
        let auth = self.choice("AUTH_MODE", &[("jwt", AuthMode::Jwt), ("header", AuthMode::Header)]);
        if stage == "prod" && auth == AuthMode::Header {
            self.problems.push("AUTH_MODE: expected jwt where STAGE is prod, found header".into());
        }
        auth
    }

    fn stop_at(&mut self, stage: &str) -> Option<Step> {
        let mut steps = vec![("", None)];
        steps.extend(Step::ALL.map(|step| (step.as_str(), Some(step))));
        let stop_at = self.choice("STOP_AT", &steps);
        if stage == "prod" && stop_at.is_some() {
            self.problems.push("STOP_AT: expected nothing where STAGE is prod, found a step".into());
        }
        stop_at
    }

    fn redis(&mut self) -> Settings {
        let nowhere = Settings::from_parts("localhost", 6379, None, None, false);
        let cluster = self.choice("REDIS_CLUSTER", &[("false", false), ("true", true)]);
        let tls = self.choice("REDIS_TLS", &[("false", false), ("true", true)]);
        let port = self.number("REDIS_PORT", 1, u16::MAX, 6379);
        let get = self.lookup;
        let settings = match (get("REDIS_URL"), get("REDIS_HOST")) {
            (Some(_), Some(_)) => {
                self.problems.push("REDIS_URL, REDIS_HOST: expected one of them, found both".into());
                nowhere
            }
            (None, None) => {
                self.problems.push("REDIS_URL, REDIS_HOST: expected one of them, found neither".into());
                nowhere
            }
            (Some(url), None) => Settings::from_url(&url).unwrap_or_else(|error| {
                self.problems.push(format!("REDIS_URL: {error}"));
                nowhere
            }),
            (None, Some(host)) => {
                let (user, password) = (get("REDIS_USER"), get("REDIS_PASSWORD"));
                Settings::from_parts(&host, port, user.as_deref(), password.as_deref(), tls)
            }
        };
        let authority = get("REDIS_CA_FILE").and_then(|path| match std::fs::read(&path) {
            Ok(pem) => Some(pem),
            Err(error) => {
                self.problems.push(format!("REDIS_CA_FILE: expected a readable file, found {path:?}: {error}"));
                None
            }
        });
        settings.cluster(cluster).root_cert(authority)
    }

    fn reading(&mut self) -> Reading {
        let default = Rules::default();
        let window = Window {
            initial: self.number("MMR_DELTA_INITIAL", 0.0, 1e6, default.window.initial),
            growth_per_s: self.number("MMR_SCALING_FACTOR", 0.0, 1e6, default.window.growth_per_s),
            ..default.window
        };
        let min = self.number("MIN_PLAYERS_PER_MATCH", 2, 32, 2);
        let max = self.number("MAX_PLAYERS_PER_MATCH", 2, 32, 10);
        Reading { default: Rules { window, ..default }, players: min..=max }
    }

    fn queues(&mut self, reading: &Reading) -> Queues {
        let text = match ((self.lookup)("QUEUES"), (self.lookup)("QUEUES_FILE")) {
            (Some(_), Some(_)) => {
                self.problems.push("QUEUES, QUEUES_FILE: expected one of them, found both".into());
                None
            }
            (Some(text), None) => Some(text),
            (None, Some(path)) => match std::fs::read_to_string(&path) {
                Ok(text) => Some(text),
                Err(error) => {
                    self.problems.push(format!("QUEUES_FILE: expected a readable file, found {path:?}: {error}"));
                    None
                }
            },
            (None, None) => None,
        };
        reading.read(text.as_deref().unwrap_or(queues::DEFAULT)).unwrap_or_else(|problems| {
            self.problems.extend(problems);
            Reading::default()
                .read(queues::DEFAULT)
                .unwrap_or_else(|problems| unreachable!("the default queues are tested: {problems:?}"))
        })
    }
}
