//! Every script is what its header says, and what Rust believes it to be.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use muster::adapters::redis::scripts::{self, Script};
use muster_tests::edge::say;
use muster_tests::lua::check::Function;
use muster_tests::lua::check::{Declared, check};
use muster_tests::lua::library;
use rstest::rstest;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of the constants in `limits.rs`.
fn constants() -> Vec<String> {
    let text = read(&root().join("shared/src/domain/limits.rs"));
    let names = text.lines().filter_map(|line| line.strip_prefix("pub const ")?.split_once(':'));
    names.map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn every_script_fits_its_header_and_its_caller() {
    let constants = constants();
    let constants: Vec<&str> = constants.iter().map(String::as_str).collect();
    let mut problems = Vec::new();
    for script in scripts::ALL {
        let Script { folder, name, keys, words, text, libraries, .. } = script;
        let functions = functions_of(libraries);
        let keys: Vec<_> = keys.iter().map(|key| key.name_and_type()).collect();
        let found = check(text, Declared { name, keys: &keys, words, functions: &functions }, &constants);
        problems.extend(found.into_iter().map(|problem| format!("lua/{folder}/{name}.lua: {problem}")));
    }
    assert!(problems.is_empty(), "\n  {}", problems.join("\n  "));
    say(format!("lua: {} scripts fit their headers", scripts::ALL.len()));
}

#[test]
fn every_file_is_a_script_that_rust_knows() {
    let directory = root().join("lua");
    let folders = names_in(&directory).into_iter().filter(|name| name != "lib" && name != "README.md");
    let files: BTreeSet<String> = folders
        .flat_map(|folder| names_in(&directory.join(&folder)).into_iter().map(move |name| format!("{folder}/{name}")))
        .collect();
    let known: BTreeSet<String> =
        scripts::ALL.iter().map(|script| format!("{}/{}.lua", script.folder, script.name)).collect();
    assert_eq!(files, known, "files in lua/ against scripts::ALL");
    for script in scripts::ALL {
        let text = read(&directory.join(script.folder).join(format!("{}.lua", script.name)));
        let libraries: String = script.libraries.iter().map(|name| library(name) + "\n").collect();
        assert_eq!((script.text, script.source), (text.as_str(), (libraries + &text).as_str()), "{}", script.name);
    }
}

fn names_in(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn every_key_stands_in_the_table_with_its_name_in_redis_and_its_type() {
    let text = read(&root().join("lua/README.md"));
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let cells = |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let found: BTreeSet<Vec<String>> = rows.map(|row| cells(row)[..3].to_vec()).collect();
    let keys = scripts::ALL.iter().flat_map(|script| script.keys);
    let known = keys.map(|key| {
        let (name, kind) = key.name_and_type();
        vec![format!("`{name}`"), format!("`{}`", key.stored()), kind.to_owned()]
    });
    assert_eq!(found, known.collect(), "lua/README.md against keys.rs");
}

fn library(name: &str) -> String {
    read(&root().join("lua/lib").join(format!("{name}.lua")))
}

fn functions_of(libraries: &[&str]) -> Vec<Function> {
    libraries.iter().flat_map(|name| library::functions(&library(name))).collect()
}

#[test]
fn every_library_keeps_to_the_rules_of_scripts_and_every_script_uses_what_stands_before_it() {
    let files: BTreeSet<String> =
        names_in(&root().join("lua/lib")).iter().map(|name| name.trim_end_matches(".lua").to_owned()).collect();
    let used: BTreeSet<String> =
        scripts::ALL.iter().flat_map(|script| script.libraries).map(|&name| name.to_owned()).collect();
    assert_eq!(files, used, "files in lua/lib against those that scripts name");
    let kinds: Vec<_> = scripts::ALL.iter().flat_map(|script| script.keys).map(|key| key.name_and_type()).collect();
    let all: Vec<Function> = files.iter().flat_map(|name| library::functions(&library(name))).collect();
    for name in &files {
        assert_eq!(library::check(name, &library(name), &kinds, &all), Vec::<String>::new(), "lua/lib/{name}.lua");
    }
    for script in scripts::ALL {
        for name in script.libraries {
            let functions = library::functions(&library(name));
            let (_, behind) = script.source.split_once(&library(name)).expect("a library stands in front as it is");
            let used = functions.iter().any(|function| behind.contains(&format!("{}(", function.name)));
            assert!(used, "{} uses none of {functions:?}", script.name);
        }
    }
}

/// A script in which nothing is wrong.
const GOOD: &str = "\
-- sample: takes tickets out of the line.
--
-- KEYS    waiting, stats
-- ARGV    now_ms, by the caller's clock; ...tickets
-- Returns {\"TAKEN\" | \"GONE\", ...}, a word for each
-- Limits  tickets <= CLAIM_BATCH_TICKETS
--
-- Prose.

local waiting, stats = unpack(KEYS)
local now_ms = tonumber(ARGV[1])
local words = {}
for i = 2, #ARGV do
  local was = { waiting = redis.call('ZREM', waiting, ARGV[i]) }
  words[#words + 1] = was.waiting == 1 and 'TAKEN' or 'GONE'
end
redis.call('HINCRBY', stats, 'taken', math.max(now_ms, #words))
return words
";

fn problems_of(source: &str) -> Vec<String> {
    let keys = [("waiting", "zset"), ("stats", "hash")];
    check(
        source,
        Declared { name: "sample", keys: &keys, words: &["TAKEN", "GONE"], functions: &[] },
        &["CLAIM_BATCH_TICKETS"],
    )
}

#[test]
fn the_checker_has_nothing_against_a_good_script() {
    assert_eq!(problems_of(GOOD), Vec::<String>::new());
}

#[rstest]
#[case::other_name("-- sample:", "-- simple:", r#"expected the name "sample""#)]
#[case::no_title("-- sample: takes tickets out of the line.", "-- sample", "expected `-- name: what it does`")]
#[case::key_left_out("KEYS    waiting, stats", "KEYS    waiting", "keys: Rust declares")]
#[case::keys_swapped("waiting, stats = unpack", "stats, waiting = unpack", "expected KEYS bound to")]
#[case::keys_by_number("unpack(KEYS)", "KEYS[1], KEYS[2]", "expected KEYS bound to")]
#[case::third_key("ARGV[i])", "KEYS[3])", "expected KEYS used once")]
#[case::key_built("'ZREM', waiting,", "'ZREM', waiting .. 'x',", "ZREM: expected one of the keys")]
#[case::key_from_argument("'ZREM', waiting,", "'ZREM', ARGV[1],", "ZREM: expected one of the keys")]
#[case::key_set_anew("local words", "waiting = 'other'\nlocal words", "found it set 2 times")]
#[case::key_shadowed("local words", "local waiting = 1\nlocal words", "found it set 2 times")]
#[case::key_shadowed_in_a_loop("for i = 2", "for stats = 2", "stats: expected it to be set once")]
#[case::key_unused("redis.call('HINCRBY', stats, 'taken', math.max(now_ms, #words))", "", "stats is declared, but no")]
#[case::scan("'ZREM'", "'ZSCAN'", "expected a lawful command in quotes, found ZSCAN")]
#[case::keys_command("'ZREM'", "'KEYS'", "found KEYS")]
#[case::time("'ZREM'", "'TIME'", "found TIME")]
#[case::randomkey("'ZREM'", "'RANDOMKEY'", "found RANDOMKEY")]
#[case::scan_of_streams("'ZREM', waiting", "'XREAD', 'STREAMS', waiting", "found XREAD")]
#[case::other_second_word("'ZREM', waiting", "'XGROUP', 'SETID', waiting", "found XGROUP SETID")]
#[case::key_after_two_words(
    "'ZREM', waiting",
    "'XINFO', 'GROUPS', waiting",
    "XINFO GROUPS works on a stream, but waiting"
)]
#[case::key_after_streams(
    "'ZREM', waiting",
    "'XREADGROUP', 'STREAMS', waiting",
    "XREADGROUP works on a stream, but waiting"
)]
#[case::no_key_after_streams("'ZREM', waiting", "'XREADGROUP', waiting", "XREADGROUP: expected one of the keys")]
#[case::command_built("'ZREM'", "'Z' .. 'REM'", "expected a lawful command in quotes, found something else")]
#[case::random("math.max", "math.random", "found random")]
#[case::clock("math.max(now_ms", "os.time(now_ms", "found os")]
#[case::protected_call("redis.call('ZREM'", "redis.pcall('ZREM'", "found pcall")]
#[case::aliased_call("local words", "local call = redis['call']\nlocal words", "of redis, found something else")]
#[case::global("local words = {}", "words = {}", "found words")]
#[case::argument_unused("tonumber(ARGV[1])", "1", "the header has the arguments")]
#[case::argument_not_named("ARGV[i])", "ARGV[2])", "an argument used by its number")]
#[case::argument_of_other_name("now_ms, by", "then_ms, by", "the header has the arguments")]
#[case::argument_without_name("now_ms, by", ", by", "expected the name of an argument")]
#[case::list_not_named("; ...tickets", "", "the body reads a list of arguments")]
#[case::list_not_last("...tickets", "...tickets; more", "nothing after the list")]
#[case::list_not_read("#ARGV", "3", "expected the list of arguments to be read from 2 on")]
#[case::list_from_elsewhere("i = 2", "i = 3", "expected the list of arguments to be read from 2 on")]
#[case::word_not_in_header("{\"TAKEN\" | \"GONE\"", "{\"TAKEN\"", r#"words: Rust declares ["TAKEN", "GONE"]"#)]
#[case::word_not_in_body("'GONE'", "'TAKEN'", "words: the header says")]
#[case::word_of_the_body_alone("return words", "return { 'LOST' }", "words: the header says")]
#[case::no_returns("-- Returns", "-- Answers", "expected a line Returns")]
#[case::no_limits("-- Limits", "-- Bounds", "expected a line Limits")]
#[case::unknown_limit("CLAIM_BATCH_TICKETS", "CLAIM_BATCH", "expected a constant of limits.rs, found CLAIM_BATCH")]
fn the_checker_finds_what_is_wrong(#[case] good: &str, #[case] bad: &str, #[case] expected: &str) {
    assert!(GOOD.contains(good), "the sample has no {good:?}");
    let problems = problems_of(&GOOD.replacen(good, bad, 1)).join("; ");
    assert!(problems.contains(expected), "expected {expected:?}, found {problems:?}");
}

#[test]
fn the_checker_finds_a_script_that_is_too_long() {
    let long = GOOD.replace("-- Prose.\n", &"-- Prose.\n".repeat(80));
    assert!(problems_of(&long).iter().any(|problem| problem.contains("at most 80 lines")));
}
