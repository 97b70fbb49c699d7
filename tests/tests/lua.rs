//! Every script is what its header says, and what Rust believes it to be.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use muster::adapters::redis::scripts::{self, Script};
use muster_tests::edge::say;
use muster_tests::lua::check::{Declared, check};
use muster_tests::lua::library::{self, Function};
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
        let Script { name, keys, words, text, libraries, .. } = script;
        let functions = functions_of(libraries);
        let keys: Vec<_> = keys.iter().map(|key| key.name_and_type()).collect();
        let found = check(text, Declared { name, keys: &keys, words, functions: &functions }, &constants);
        problems.extend(found.into_iter().map(|problem| format!("lua/{name}.lua: {problem}")));
    }
    assert!(problems.is_empty(), "\n  {}", problems.join("\n  "));
    say(format!("lua: {} scripts fit their headers", scripts::ALL.len()));
}

#[test]
fn every_file_is_a_script_that_rust_knows() {
    let directory = root().join("lua");
    let entries = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let files: BTreeSet<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    let scripts = scripts::ALL.iter().map(|script| format!("{}.lua", script.name));
    let known: BTreeSet<String> = scripts.chain(["lib".to_owned()]).collect();
    assert_eq!(files, known, "files in lua/ against scripts::ALL");
    for script in scripts::ALL {
        let text = read(&directory.join(format!("{}.lua", script.name)));
        let libraries: String = script.libraries.iter().map(|name| library(name) + "\n").collect();
        assert_eq!((script.text, script.source), (text.as_str(), (libraries + &text).as_str()), "{}", script.name);
    }
}

fn library(name: &str) -> String {
    read(&root().join("lua/lib").join(format!("{name}.lua")))
}

fn functions_of(libraries: &[&str]) -> Vec<Function> {
    libraries.iter().flat_map(|name| library::functions(&library(name))).collect()
}

#[test]
fn every_library_keeps_to_the_rules_of_scripts_and_every_script_uses_what_stands_before_it() {
    let names = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().path().file_stem().unwrap().to_owned();
    let files: BTreeSet<_> = fs::read_dir(root().join("lua/lib")).unwrap().map(names).collect();
    let used: BTreeSet<_> = scripts::ALL.iter().flat_map(|script| script.libraries.iter().map(Into::into)).collect();
    assert_eq!(files, used, "files in lua/lib against those that scripts name");
    let kinds: Vec<_> = scripts::ALL.iter().flat_map(|script| script.keys).map(|key| key.name_and_type()).collect();
    for file in &files {
        let name = file.to_str().unwrap();
        assert_eq!(library::check(name, &library(name), &kinds), Vec::<String>::new(), "lua/lib/{name}.lua");
    }
    for script in scripts::ALL {
        for name in script.libraries {
            let functions = library::functions(&library(name));
            let used = functions.iter().any(|function| script.text.contains(&format!("{}(", function.name)));
            assert!(used, "{} uses none of {functions:?}", script.name);
        }
    }
}

/// A script in which nothing is wrong.
const GOOD: &str = "\
-- sample: takes tickets out of the line.
--
-- KEYS[1] waiting zset: ticket -> order
-- KEYS[2] stats   hash: counters
-- ARGV[1] now_ms
-- ARGV[2..] tickets
-- Returns {\"TAKEN\" | \"GONE\", ...}, a word for each
-- Limits  tickets <= CLAIM_BATCH_TICKETS
--
-- Prose.

local waiting, stats = KEYS[1], KEYS[2]
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
#[case::key_left_out("-- KEYS[2] stats   hash: counters\n", "", "keys: Rust declares")]
#[case::keys_out_of_count("KEYS[2] stats ", "KEYS[3] stats ", "expected KEYS[2], found KEYS[3]")]
#[case::key_of_other_type("waiting zset:", "waiting hash:", "ZREM works on a zset, but waiting is a hash")]
#[case::key_without_meaning("hash: counters", "hash", "expected `name type: meaning`")]
#[case::keys_swapped("= KEYS[1], KEYS[2]", "= KEYS[2], KEYS[1]", "expected KEYS bound to")]
#[case::names_swapped("local waiting, stats", "local stats, waiting", "expected KEYS bound to")]
#[case::third_key("ARGV[i])", "KEYS[3])", "expected KEYS used 2 times")]
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
#[case::argument_unused("tonumber(ARGV[1])", "1", "the header has ARGV {1} by number, the body uses {}")]
#[case::argument_not_named("ARGV[i])", "ARGV[2])", "the body uses {1, 2}")]
#[case::arguments_out_of_count("ARGV[1] now_ms", "ARGV[2] now_ms", "expected ARGV[1], found ARGV[2]")]
#[case::argument_without_meaning("ARGV[1] now_ms", "ARGV[1]", "expected its meaning")]
#[case::list_not_named("-- ARGV[2..] tickets\n", "", "the body reads a list of arguments")]
#[case::list_not_read("#ARGV", "3", "expected the list of arguments to be read from 2 on")]
#[case::list_from_elsewhere("i = 2", "i = 3", "expected the list of arguments to be read from 2 on")]
#[case::list_not_last("-- ARGV[2..] tickets", "-- ARGV[2..] tickets\n-- ARGV[3] more", "nothing after the list")]
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
    let long = GOOD.replace("-- Prose.\n", &"-- Prose.\n".repeat(100));
    assert!(problems_of(&long).iter().any(|problem| problem.contains("at most 100 lines")));
}
