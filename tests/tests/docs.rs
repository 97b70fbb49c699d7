//! README.md and the pages of `docs/` say what the code says. What needs a deployment is in `api_page.rs`.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;

use muster::domain::{CancelReason, Match, MatchState, Member, RatingSource, Rules, TicketState};
use muster::ports::Estimate;
use muster::usecases::join::Rated;
use muster::usecases::view::{Proposal, Status, View};
use muster_functions::body::TicketBody;
use muster_functions::config::{AuthorizerConfig, Config, NotifierConfig};
use muster_functions::message::Message;
use muster_functions::problem::Code;
use muster_functions::queues;
use muster_tests::docs::check::{commands, links, paths, same};
use muster_tests::docs::markdown::{Page, rows_of, spans_of};
use muster_tests::docs::{page, pages, root, text};
use muster_tests::edge::say;
use muster_tests::samples::{T0, confirmed, forming, pool, ticket};
use rstest::rstest;
use serde_json::{Value, json};

fn none(problems: &[String]) {
    assert!(problems.is_empty(), "\n  {}", problems.join("\n  "));
}

const API: &str = "docs/api.md";
const CONFIGURATION: &str = "docs/configuration.md";

fn table(name: &str, heading: &str) -> Vec<Vec<String>> {
    page(name).table(heading).unwrap_or_else(|problem| panic!("{problem}"))
}

/// The code spans of the first column.
fn names(rows: &[Vec<String>]) -> BTreeSet<String> {
    rows.iter().flat_map(|row| spans_of(&row[0])).collect()
}

fn set<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

#[test]
fn every_link_path_and_command_leads_somewhere() {
    let (pages, makefile, root) = (pages(), text("Makefile"), root());
    let check =
        |page: &Page| [links(page, &pages, &root), paths(page, &root), commands(page, &makefile, &root)].concat();
    none(&pages.iter().flat_map(check).collect::<Vec<_>>());
    let count = |of: &dyn Fn(&Page) -> usize| pages.iter().map(of).sum::<usize>();
    say(format!(
        "docs: {} pages, {} links, {} code spans",
        pages.len(),
        count(&|p| p.links().len()),
        count(&|p| p.spans().len())
    ));
}

#[rstest]
#[case::link("[a](docs/gone.md)", "expected a file docs/gone.md")]
#[case::picture("![a](docs/pictures/gone.svg)", "expected a file")]
#[case::heading_of_another_page("[a](docs/operations.md#gone)", "expected a heading #gone")]
#[case::own_heading("[a](#gone)", "expected a heading #gone in README.md")]
#[case::path("`shared/src/gone.rs`", "shared/src/gone.rs")]
#[case::folder("`tools/gone`", "tools/gone")]
#[case::file_at_the_root("`gone.toml`", "gone.toml")]
#[case::event("`events/gone.json`", "events/gone.json")]
#[case::target("`make gone`", "make gone")]
#[case::target_in_a_block("```sh\n$ make gone\n```", "make gone")]
#[case::subcommand("`muster gone --now`", "muster gone")]
fn what_leads_nowhere_is_found(#[case] text: &str, #[case] expected: &str) {
    let bad = Page::new("README.md", text);
    let (mut pages, root) = (pages(), root());
    pages.retain(|page| page.name != bad.name);
    pages.push(bad.clone());
    let problems = [links(&bad, &pages, &root), paths(&bad, &root), commands(&bad, "test:\n", &root)].concat();
    assert!(problems.len() == 1 && problems[0].contains(expected), "expected {expected:?} alone, found {problems:?}");
}

#[test]
fn every_json_example_can_be_read() {
    let mut problems = Vec::new();
    for page in pages() {
        for block in page.blocks("json") {
            let at = page.at(block.line);
            match serde_json::from_str::<Value>(&block.text) {
                Err(error) => problems.push(format!("{at}: {error}")),
                Ok(json) if json["queues"].is_array() => {
                    let read = queues::read(&block.text, &Rules::default());
                    problems.extend(read.err().into_iter().flatten().map(|problem| format!("{at}: {problem}")));
                }
                Ok(_) => {}
            }
        }
    }
    none(&problems);
}

#[test]
fn the_routes_are_those_of_the_template() {
    let routes = muster_tools::local::template()
        .and_then(|template| template.routes())
        .unwrap_or_else(|error| panic!("{error}"));
    let served = routes.into_iter().map(|route| (route.to_string(), route.function)).collect();
    let row = |row: &Vec<String>| (row[0].replace('`', ""), row[1].replace('`', ""));
    let documented = table(API, "Endpoints").iter().map(row).collect();
    none(&same("routes", ("template.yaml", served), ("docs/api.md, Endpoints", documented)));
}

#[test]
fn every_error_code_is_documented_with_its_status() {
    let code = |code: &Code| (code.row().1.to_owned(), code.row().0.to_string());
    let known = Code::ALL.iter().map(code).collect();
    let documented = table(API, "Errors").iter().map(|row| (row[0].replace('`', ""), row[1].clone())).collect();
    none(&same("error codes", ("problem.rs", known), ("docs/api.md, Errors", documented)));
}

#[test]
fn every_message_of_a_phone_is_documented() {
    // The reader says which actions it knows when it meets one that it does not.
    let refusal = Message::read(r#"{"action":"?"}"#).action.unwrap_err().detail;
    let known = refusal.trim_start_matches("expected ").split(", found").next().unwrap().replace(" or ", ", ");
    let documented = names(&table(API, "Over a WebSocket"));
    none(&same("actions", ("message.rs", set(known.split(", "))), ("docs/api.md, Over a WebSocket", documented)));
}

/// Every name that a value of JSON holds, at any depth.
fn keys(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(key, value)| {
            into.insert(key.clone());
            keys(value, into);
        }),
        Value::Array(elements) => elements.iter().for_each(|element| keys(element, into)),
        _ => {}
    }
}

#[test]
fn every_field_of_a_ticket_is_documented() {
    let pool = pool("ranked-1v1.eu");
    let (ann, bob) = (ticket(&pool, 1, &["ann"], T0), ticket(&pool, 2, &["bob"], T0));
    let this_match: Match = confirmed(&forming(&pool, 1, &[&[&ann], &[&bob]], T0));
    let everything = View {
        ticket: Member::of(&ann).ticket,
        status: Status::Cancelled(CancelReason::Player),
        version: 1,
        fallback: true,
        retry_after_ms: Some(1),
        waited_ms: Some(1),
        estimate: Estimate { p50_ms: Some(1), p90_ms: Some(1) },
        proposal: Some(Proposal {
            id: this_match.id.clone(),
            parties: 2,
            accepted: 1,
            answered: true,
            deadline_ms: T0,
            left_ms: 1,
        }),
        this_match: Some(Match { lobby: Some(1), ..this_match }),
    };
    let queues = queues::read(queues::DEFAULT, &Rules::default()).unwrap();
    let rated = Rated { value: 1_500.0, source: RatingSource::Stored };
    let reply = serde_json::to_value(TicketBody::new(&everything, &queues).rated(Some(rated))).unwrap();
    let fields: BTreeSet<String> = reply.as_object().unwrap().keys().cloned().collect();
    let rows = table(API, "A ticket");
    none(&same("fields of a ticket", ("TicketBody", fields), ("docs/api.md, A ticket", names(&rows))));
    let mut inside = BTreeSet::new();
    keys(&reply, &mut inside);
    let named = rows.iter().flatten().flat_map(|cell| spans_of(cell)).collect();
    none(
        &inside
            .difference(&named)
            .map(|key| format!("docs/api.md, A ticket: expected {key}, found none"))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn every_status_and_reason_is_documented() {
    let all =
        [Status::Waiting, Status::Proposed, Status::Matched, Status::Cancelled(CancelReason::Player), Status::Expired];
    let rows = table(API, "States");
    none(&same("statuses", ("view.rs", set(all.map(Status::as_str))), ("docs/api.md, States", names(&rows))));
    let cancelled = rows.iter().find(|row| row[0] == "`cancelled`").expect("a row for cancelled");
    let documented = spans_of(&cancelled[1]).into_iter().collect();
    let reasons = set(CancelReason::ALL.map(CancelReason::as_str));
    none(&same("reasons", ("ticket.rs", reasons), ("docs/api.md, States", documented)));
}

#[test]
fn the_picture_of_the_states_has_exactly_the_lawful_transitions() {
    let picture = text("docs/pictures/states.svg");
    let values = |name: &str| -> BTreeSet<String> {
        let mark = format!("{name}=\"");
        picture.split(&mark).skip(1).filter_map(|part| Some(part.split_once('"')?.0.to_owned())).collect()
    };
    let name = |state: TicketState| format!("{state:?}").to_lowercase();
    let pairs = TicketState::ALL.into_iter().flat_map(|from| TicketState::ALL.map(|to| (from, to)));
    let lawful =
        pairs.filter(|(from, to)| from.may_become(*to)).map(|(from, to)| format!("{} {}", name(from), name(to)));
    none(&same("transitions", ("ticket.rs", lawful.collect()), ("states.svg, data-ticket", values("data-ticket"))));
    let states = set(MatchState::ALL.map(MatchState::as_str));
    none(&same("states of a match", ("matches.rs", states), ("states.svg, data-match", values("data-match"))));
}

/// The rows of the first table in the head of a source file.
fn rows_of_head(file: &str) -> Vec<Vec<String>> {
    rows_of(text(file).lines().filter_map(|line| line.strip_prefix("//! ")))
}

#[test]
fn the_events_are_those_of_the_bus() {
    let expected = rows_of_head("shared/src/adapters/eventbridge.rs").into_iter().collect();
    let found = table(API, "Events").into_iter().collect();
    none(&same("events", ("the head of eventbridge.rs", expected), ("docs/api.md, Events", found)));
}

/// Reads a configuration of a Redis host and one more variable, if any. Also which variables were asked for.
fn read_config(more: Option<(&str, &str)>) -> (Result<Config, Vec<String>>, BTreeSet<String>) {
    let asked = RefCell::new(BTreeSet::new());
    let config = Config::read(&|name| {
        asked.borrow_mut().insert(name.to_owned());
        let found = [("REDIS_HOST", "localhost")].into_iter().chain(more).rfind(|(key, _)| *key == name);
        found.map(|(_, value)| value.to_owned())
    });
    (config, asked.into_inner())
}

type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Each name of a row with its default, where that is a value: `, 6379` is the default of the second of two names.
fn defaults(row: &[String]) -> Vec<(String, String)> {
    let (names, values) = (spans_of(&row[0]), row[1].replace('`', ""));
    let values: Vec<&str> = values.split(',').map(str::trim).collect();
    let value = |at: usize| if values.len() == 1 { values[0] } else { values.get(at).copied().unwrap_or_default() };
    let pairs = names.into_iter().enumerate().map(|(at, name)| (name, value(at).to_owned()));
    pairs.filter(|(_, value)| !value.is_empty() && !value.contains(' ')).collect()
}

#[test]
fn every_variable_that_is_read_is_documented_with_its_default() {
    let (plain, mut asked) = read_config(None);
    for read in
        [|find: Lookup<'_>| drop(NotifierConfig::read(find)), |find: Lookup<'_>| drop(AuthorizerConfig::read(find))]
    {
        let more = RefCell::new(BTreeSet::new());
        read(&|name| {
            more.borrow_mut().insert(name.to_owned());
            None
        });
        asked.append(&mut more.into_inner());
    }
    let rows = rows_of_head("functions/src/config.rs");
    none(&same("variables", ("what Config reads", asked), ("the head of config.rs", names(&rows))));
    none(&same(
        "rows",
        ("the head of config.rs", rows.iter().cloned().collect()),
        ("docs/configuration.md, Variables", table(CONFIGURATION, "Variables").into_iter().collect()),
    ));
    let plain = format!("{:?}", plain.unwrap());
    let mut checked = 0;
    for (name, default) in rows.iter().flat_map(|row| defaults(row)) {
        let (set, _) = read_config(Some((&name, &default)));
        assert_eq!(format!("{:?}", set.unwrap()), plain, "{name}: {default} is documented as its default");
        checked += 1;
    }
    assert!(checked >= 15, "expected most variables to have a default, found {checked}");
}

#[test]
fn every_rule_of_a_queue_is_documented_with_its_default() {
    let document = |field: &str, value: Value| {
        let mut queue = json!({ "name": "q", "regions": ["eu"] });
        queue[field] = value;
        queues::read(&json!({ "queues": [queue] }).to_string(), &Rules::default())
    };
    // The reader says which fields it knows when it meets one that it does not.
    let refusal = document("-", Value::Null).unwrap_err().concat();
    let known: BTreeSet<String> = refusal.split("expected one of").skip(1).flat_map(spans_of).collect();
    let rows = table(CONFIGURATION, "Queues");
    none(&same("rules", ("queues.rs", known.clone()), ("docs/configuration.md, Queues", names(&rows))));
    let plain = document("name", json!("q")).unwrap();
    let mut checked = 0;
    for (name, default) in rows.iter().flat_map(|row| defaults(row)) {
        let value = serde_json::from_str(&default).unwrap_or_else(|error| panic!("{name}: {default}: {error}"));
        assert_eq!(document(&name, value).unwrap(), plain, "{name}: {default} is documented as its default");
        checked += 1;
    }
    assert_eq!(checked, known.len() - 2, "every rule but the name and the regions has a default");
}

/// The parts of `docs/semantics.md`.
const SEMANTICS: [&str; 9] = [
    "Joining",
    "Being there",
    "Being told",
    "The check of phones",
    "Accepting",
    "Matches and lobbies",
    "The ledger arbitrates",
    "Ratings and results",
    "When something dies",
];

#[test]
fn every_promise_and_every_rule_names_a_test_that_is_there() {
    let mut sources = String::new();
    for folder in ["functions", "shared", "tests", "tools"] {
        read_all(&root().join(folder), &mut sources);
    }
    let semantics = page("docs/semantics.md");
    let rules =
        SEMANTICS.iter().flat_map(|heading| semantics.table(heading).unwrap_or_else(|problem| panic!("{problem}")));
    let rows: Vec<Vec<String>> = table("README.md", "Promises").into_iter().chain(rules).collect();
    let parts = text("docs/semantics.md").lines().filter(|line| line.starts_with("## ")).count();
    assert_eq!(parts, SEMANTICS.len(), "every part of the page is looked at");
    let missing = |row: &Vec<String>| {
        let tests = spans_of(&row[1]);
        assert!(!tests.is_empty(), "expected a test that holds {:?}, found none", row[0]);
        let there = |test: &String| ["(", "<"].iter().any(|end| sources.contains(&format!("fn {test}{end}")));
        tests.into_iter().filter(|test| !there(test)).collect::<Vec<_>>()
    };
    none(&rows.iter().flat_map(missing).map(|test| format!("expected a test {test}, found none")).collect::<Vec<_>>());
}

fn read_all(folder: &Path, into: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            *into += &std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    }
}
