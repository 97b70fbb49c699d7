//! What several scripts do, in `lua/lib`: functions and nothing else, held to the rules of scripts.
//!
//! A function takes keys as parameters that bear the keys' names. So both sides can be checked: the function works on a key as
//! its type wants, and a script hands over the key of that name.

use super::check::{Body, COMMANDS, Function, globals};
use super::tokens::tokens;

/// The functions of a library.
///
/// # Panics
/// It cannot be read.
pub fn functions(text: &str) -> Vec<Function> {
    Body { tokens: tokens(text).unwrap() }.functions()
}

/// Everything that is not as it should be. `kinds` are the names and types of all keys, `others` the functions of all libraries.
pub fn check(name: &str, text: &str, kinds: &[(&str, &str)], others: &[Function]) -> Vec<String> {
    let body = match tokens(text) {
        Ok(tokens) => Body { tokens },
        Err(problem) => return vec![problem],
    };
    let mut problems = Vec::new();
    if !text.starts_with(&format!("-- {name}: ")) {
        problems.push(format!("expected `-- {name}: what it does` first"));
    }
    let beginnings = ["--", "local function ", "end", " "];
    for line in text.lines().filter(|line| !line.is_empty() && !beginnings.iter().any(|start| line.starts_with(start)))
    {
        problems.push(format!("expected functions and nothing else, found {line:?}"));
    }
    for list in ["KEYS", "ARGV"].into_iter().filter(|list| body.tokens.iter().any(|token| token.is(list))) {
        problems.push(format!("expected parameters in place of {list}"));
    }
    for (command, key) in body.calls() {
        let command = command.unwrap_or_default();
        let kind = kinds.iter().find(|(name, _)| Some(*name) == key).map(|(_, kind)| *kind);
        match COMMANDS.iter().find(|(lawful, _)| *lawful == command) {
            Some((_, wants)) if kind.is_some_and(|kind| wants.is_empty() || kind == *wants) => {}
            Some(_) => {
                problems.push(format!("{command}: expected a parameter with the name of a fitting key, found {key:?}"))
            }
            None => problems.push(format!("expected a lawful command in quotes, found {command}")),
        }
    }
    // TIME has no key; a caller that may not ask for it goes by its own time.
    for word in body.words().into_iter().filter(|word| *word != "TIME") {
        problems.push(format!("expected words in scripts alone, found {word}"));
    }
    globals(&body, others, &mut problems);
    problems
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const GOOD: &str = "\
-- sample: takes tickets out of the line.

local function take(waiting, ticket)
  return redis.call('ZREM', waiting, ticket)
end
";

    fn problems(text: &str) -> String {
        check("sample", text, &[("waiting", "zset"), ("stats", "hash")], &[]).join("\n")
    }

    #[test]
    fn functions_are_read_with_their_parameters() {
        let take = Function { name: "take".to_owned(), parameters: vec!["waiting".to_owned(), "ticket".to_owned()] };
        assert_eq!((functions(GOOD), problems(GOOD)), (vec![take], String::new()));
    }

    #[rstest]
    #[case::name("-- sample", "-- example", "expected `-- sample")]
    #[case::code("end\n", "end\ntake(1, 2)\n", "expected functions and nothing else")]
    #[case::keys("waiting, ticket)\n ", "waiting, KEYS[1])\n ", "expected parameters in place of KEYS")]
    #[case::kind("'ZREM', waiting", "'ZREM', stats", "expected a parameter with the name of a fitting key")]
    #[case::no_key("'ZREM', waiting", "'ZREM', ticket", "expected a parameter with the name of a fitting key")]
    #[case::command("'ZREM'", "'FLUSHALL'", "expected a lawful command in quotes")]
    #[case::hidden("return redis", "pcall(redis.call, 'FLUSHALL') return redis", "found FLUSHALL")]
    #[case::global("ticket)\n ", "other)\n ", "found ticket")]
    fn whatever_is_not_as_it_should_be_is_named(#[case] part: &str, #[case] other: &str, #[case] expected: &str) {
        assert!(GOOD.contains(part), "{part}");
        let found = problems(&GOOD.replacen(part, other, 1));
        assert!(found.contains(expected), "{found}");
    }
}
