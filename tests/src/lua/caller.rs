//! A call that really reached Redis, held against the header of its script.

use muster::adapters::redis::scripts;

use super::header::Header;

/// Everything that does not fit: the number of keys, their names, the number of arguments. `words` is the command with its
/// arguments: `EVALSHA digest numkeys key... arg...`.
pub fn check_call(header: &Header, words: &[String]) -> Vec<String> {
    let mut problems = Vec::new();
    let keys: usize = words.get(2).and_then(|count| count.parse().ok()).unwrap_or_default();
    if keys != header.keys.len() {
        problems.push(format!("{}: expected {} keys, found {keys}", header.name, header.keys.len()));
        return problems;
    }
    for (key, found) in header.keys.iter().zip(&words[3..]) {
        let kinds = scripts::ALL.iter().flat_map(|script| script.keys);
        let stored =
            kinds.copied().find(|kind| kind.name_and_type().0 == key).map_or("no such key", |key| key.stored());
        let fits = match key.as_str() {
            "player" | "penalties" | "rate" => found.starts_with(&format!("mm:{stored}:{{")) && found.ends_with('}'),
            _ => found.starts_with("mm:{") && found.ends_with(&format!("}}:{stored}")),
        };
        if !fits {
            problems.push(format!("{}: expected the key {}, found {found}", header.name, key));
        }
    }
    let arguments = words.len() - 3 - keys;
    let enough = if header.list { arguments >= header.arguments.len() } else { arguments == header.arguments.len() };
    if !enough {
        let more = if header.list { " and a list" } else { "" };
        problems.push(format!(
            "{}: expected {}{more} arguments, found {arguments}",
            header.name,
            header.arguments.len()
        ));
    }
    problems
}
