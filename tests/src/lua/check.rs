//! Header, body and what Rust declares, held together. Every problem is one line; a script without problems gives none.

use std::collections::BTreeSet;

use super::header::Header;
use super::tokens::{Token, tokens};

/// A script is small enough to be read at once.
const LINES_MAX: usize = 80;

/// The commands that scripts may call and the type of key that each works on; "" for any. What is not here is not lawful in a
/// script: SCAN and KEYS look over the pool's border, RANDOMKEY differs between runs, XREAD would wait. TIME is for `lua/lib/clock.lua`.
pub(super) const COMMANDS: &[(&str, &str)] = &[
    ("DEL", ""),
    ("EXISTS", ""),
    ("PEXPIRE", ""),
    ("GET", "string"),
    ("SET", "string"),
    ("HDEL", "hash"),
    ("HEXISTS", "hash"),
    ("HGET", "hash"),
    ("HGETALL", "hash"),
    ("HINCRBY", "hash"),
    ("HLEN", "hash"),
    ("HMGET", "hash"),
    ("HSET", "hash"),
    ("HSETNX", "hash"),
    ("LPUSH", "list"),
    ("LRANGE", "list"),
    ("LTRIM", "list"),
    ("XACK", "stream"),
    ("XADD", "stream"),
    ("XAUTOCLAIM", "stream"),
    ("XDEL", "stream"),
    ("XGROUP CREATE", "stream"),
    ("XGROUP DESTROY", "stream"),
    ("XINFO GROUPS", "stream"),
    ("XLEN", "stream"),
    ("XPENDING", "stream"),
    ("XRANGE", "stream"),
    ("XREADGROUP", "stream"),
    ("ZADD", "zset"),
    ("ZCARD", "zset"),
    ("ZCOUNT", "zset"),
    ("ZMSCORE", "zset"),
    ("ZRANGE", "zset"),
    ("ZRANGEBYSCORE", "zset"),
    ("ZREM", "zset"),
    ("ZREMRANGEBYSCORE", "zset"),
    ("ZSCORE", "zset"),
];

/// A function of a library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// What it is called.
    pub name: String,
    /// Its parameters, in order.
    pub parameters: Vec<String>,
}

/// The globals that scripts may use, with their members; none listed means all uses. No clock, randomness or files.
const GLOBALS: &[(&str, &[&str])] = &[
    ("KEYS", &[]),
    ("ARGV", &[]),
    ("ipairs", &[]),
    ("pairs", &[]),
    ("next", &[]),
    ("tonumber", &[]),
    ("tostring", &[]),
    ("type", &[]),
    ("pcall", &[]),
    ("unpack", &[]),
    ("redis", &["call"]),
    ("cjson", &["decode", "encode"]),
    ("math", &["ceil", "floor", "max", "min"]),
    ("string", &["format", "match", "sub"]),
    ("table", &["concat", "insert", "sort"]),
];

/// What Rust says of a script.
#[derive(Debug, Clone, Copy)]
pub struct Declared<'a> {
    /// The file's name without `.lua`.
    pub name: &'a str,
    /// Names and types of keys, in order.
    pub keys: &'a [(&'a str, &'a str)],
    /// Words that its answer may begin with or consist of.
    pub words: &'a [&'a str],
    /// The functions of the libraries that stand in front of it.
    pub functions: &'a [Function],
}

/// Everything that does not fit together. `constants` are the names of the limits that exist.
pub fn check(source: &str, declared: Declared<'_>, constants: &[&str]) -> Vec<String> {
    let header = match Header::parse(source) {
        Ok(header) => header,
        Err(problem) => return vec![problem],
    };
    let body = match tokens(source) {
        Ok(tokens) => Body { tokens },
        Err(problem) => return vec![problem],
    };
    let mut problems = Vec::new();
    let lines = source.lines().count();
    if lines > LINES_MAX {
        problems.push(format!("expected at most {LINES_MAX} lines, found {lines}"));
    }
    header_and_rust(&header, declared, constants, &mut problems);
    keys_and_calls(&header, &body, declared, &mut problems);
    arguments(&header, &body, &mut problems);
    words(&header, &body, &mut problems);
    globals(&body, declared.functions, &mut problems);
    problems
}

fn header_and_rust(header: &Header, declared: Declared<'_>, constants: &[&str], problems: &mut Vec<String>) {
    if header.name != declared.name {
        problems.push(format!("expected the name {:?} in the header, found {:?}", declared.name, header.name));
    }
    let keys: Vec<&str> = declared.keys.iter().map(|(name, _)| *name).collect();
    if keys != header.keys {
        problems.push(format!("keys: Rust declares {keys:?}, the header says {:?}", header.keys));
    }
    if header.words != declared.words {
        problems.push(format!("words: Rust declares {:?}, the header says {:?}", declared.words, header.words));
    }
    let names = header.limits.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let capital = |name: &&str| name.len() > 1 && name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    for name in names.filter(capital).filter(|name| !constants.contains(name)) {
        problems.push(format!("Limits: expected a constant of limits.rs, found {name}"));
    }
}

/// Every key is bound to the name in the header, once, and used as its type wants; nothing else is used as a key.
fn keys_and_calls(header: &Header, body: &Body, declared: Declared<'_>, problems: &mut Vec<String>) {
    let Declared { keys, functions, .. } = declared;
    let names: Vec<&str> = header.keys.iter().map(String::as_str).collect();
    let bound = body.bound_keys();
    if bound != names {
        problems.push(format!("expected KEYS bound to {names:?} in this order, found {bound:?}"));
    }
    let uses = body.tokens.iter().filter(|token| token.is("KEYS")).count();
    if uses != 1 {
        problems.push(format!("expected KEYS used once, to bind all of them, found {uses} uses"));
    }
    for name in &names {
        let changes = body.changes(name);
        if changes != 1 {
            problems.push(format!("{name}: expected it to be set once, to its key, found it set {changes} times"));
        }
    }
    let mut used = BTreeSet::new();
    for (command, key) in body.calls() {
        let Some((command, kind)) = COMMANDS.iter().find(|(lawful, _)| Some(*lawful) == command.as_deref()) else {
            let found = command.as_deref().unwrap_or("something else");
            problems.push(format!("expected a lawful command in quotes, found {found}"));
            continue;
        };
        let Some((key, key_kind)) = keys.iter().find(|(name, _)| Some(*name) == key) else {
            let found = key.unwrap_or("an expression");
            problems.push(format!("{command}: expected one of the keys {names:?}, found {found}"));
            continue;
        };
        used.insert(*key);
        if !kind.is_empty() && kind != key_kind {
            problems.push(format!("{command} works on a {kind}, but {key} is a {key_kind}"));
        }
    }
    for (function, given) in functions.iter().flat_map(|function| body.given(function)) {
        for (parameter, given) in function.parameters.iter().zip(given) {
            // A parameter with a key's name takes the key of that name: the library is checked by it.
            let key = |name: &str| names.iter().find(|key| **key == name).copied();
            match (key(parameter), given.and_then(key)) {
                (Some(wanted), Some(key)) if wanted == key => drop(used.insert(key)),
                (None, None) => {}
                _ => problems.push(format!("{}: expected the key {parameter}, found {given:?}", function.name)),
            }
        }
    }
    for name in names.iter().filter(|name| !used.contains(*name)) {
        problems.push(format!("{name} is declared, but no command uses it"));
    }
}

fn arguments(header: &Header, body: &Body, problems: &mut Vec<String>) {
    let (fixed, dynamic) = body.argument_uses();
    let names: Vec<&str> = header.arguments.iter().map(String::as_str).collect();
    if fixed != names {
        problems.push(format!("the header has the arguments {names:?}, the body binds {fixed:?}"));
    }
    let first = names.len() + 1;
    match (header.list, dynamic) {
        (true, false) => problems.push("the header has a list of arguments, the body reads none".to_owned()),
        (false, true) => problems.push("the body reads a list of arguments, the header has none".to_owned()),
        (true, true) if !body.reads_a_list_from(first) => {
            problems.push(format!("expected the list of arguments to be read from {first} on, found no such reading"));
        }
        _ => {}
    }
}

fn words(header: &Header, body: &Body, problems: &mut Vec<String>) {
    let returned = body.words();
    let said: BTreeSet<&str> = header.words.iter().map(String::as_str).collect();
    if returned != said {
        problems.push(format!("words: the header says {said:?}, the body returns {returned:?}"));
    }
}

pub(super) fn globals(body: &Body, functions: &[Function], problems: &mut Vec<String>) {
    let mut declared = body.declared();
    declared.extend(functions.iter().map(|function| function.name.as_str()));
    for (name, member) in body.outer_names() {
        if declared.contains(name) {
            continue;
        }
        match GLOBALS.iter().find(|(lawful, _)| *lawful == name) {
            None => problems.push(format!("expected a local or a lawful global, found {name}")),
            Some((_, members)) if !members.is_empty() && !member.is_some_and(|member| members.contains(&member)) => {
                let member = member.unwrap_or("something else");
                problems.push(format!("expected one of {members:?} of {name}, found {member}"));
            }
            Some(_) => {}
        }
    }
}

pub(super) struct Body {
    pub(super) tokens: Vec<Token>,
}

impl Body {
    fn sign(&self, at: usize, text: &str) -> bool {
        self.tokens.get(at).is_some_and(|token| token.is(text))
    }

    /// `KEYS [ n ]` or `ARGV [ n ]` at this place.
    fn element(&self, list: &str, at: usize) -> Option<usize> {
        match self.tokens.get(at..at + 4)? {
            [name, open, Token::Number(n), close] if name.is(list) && open.is("[") && close.is("]") => n.parse().ok(),
            _ => None,
        }
    }

    /// Names separated by commas, from this place on; and where they end.
    fn names(&self, mut at: usize) -> (Vec<&str>, usize) {
        let mut names = Vec::new();
        while let Some(name) = self.tokens.get(at).and_then(Token::name) {
            names.push(name);
            at += 1;
            if !self.sign(at, ",") {
                break;
            }
            at += 1;
        }
        (names, at)
    }

    /// The names in `local a, b = unpack(KEYS)`.
    fn bound_keys(&self) -> Vec<&str> {
        for (at, _) in self.tokens.iter().enumerate().filter(|(_, token)| token.is("local")) {
            let (names, at) = self.names(at + 1);
            if ["=", "unpack", "(", "KEYS", ")"].iter().enumerate().all(|(i, text)| self.sign(at + i, text)) {
                return names;
            }
        }
        Vec::new()
    }

    /// How often a name is declared or assigned to. Fields of tables are no names.
    fn changes(&self, name: &str) -> usize {
        let declared = self.declarations().into_iter().filter(|declared| *declared == name).count();
        let mut braces = 0_i32;
        let mut assigned = 0;
        for (at, token) in self.tokens.iter().enumerate() {
            braces += i32::from(token.is("{")) - i32::from(token.is("}"));
            let is_field = braces > 0 || (at > 0 && self.sign(at - 1, "."));
            assigned += usize::from(token.is(name) && !is_field && self.sign(at + 1, "=") && !self.in_local_list(at));
        }
        declared + assigned
    }

    /// Whether the name at this place is the last of `local a, b`.
    fn in_local_list(&self, at: usize) -> bool {
        let before = self.tokens[..at].iter().rposition(|token| token.name().is_none() && !token.is(","));
        before.is_some_and(|before| self.sign(before, "local"))
    }

    /// Every name that a `local`, a `for` or a function's parameters declare, as often as they do.
    fn declarations(&self) -> Vec<&str> {
        let mut declared = Vec::new();
        for (at, token) in self.tokens.iter().enumerate() {
            if token.is("local") && self.sign(at + 1, "function") {
                declared.extend(self.names(at + 2).0);
            } else if token.is("local") || token.is("for") {
                declared.extend(self.names(at + 1).0);
            } else if token.is("function") {
                let open = (at..at + 3).find(|at| self.sign(*at, "("));
                declared.extend(open.map(|open| self.names(open + 1).0).unwrap_or_default());
            }
        }
        declared
    }

    fn declared(&self) -> BTreeSet<&str> {
        self.declarations().into_iter().collect()
    }

    /// Every name that is no field, with the member that is asked of it.
    fn outer_names(&self) -> Vec<(&str, Option<&str>)> {
        let mut names = Vec::new();
        for (at, token) in self.tokens.iter().enumerate() {
            let Some(name) = token.name() else { continue };
            let opens_a_field = at > 0 && (self.sign(at - 1, "{") || self.sign(at - 1, ",")) && self.in_table(at);
            let is_field = (at > 0 && self.sign(at - 1, ".")) || (opens_a_field && self.sign(at + 1, "="));
            if !is_field {
                let member = self.sign(at + 1, ".").then(|| self.tokens.get(at + 2).and_then(Token::name)).flatten();
                names.push((name, member));
            }
        }
        names
    }

    fn in_table(&self, at: usize) -> bool {
        let count = |sign: &str| self.tokens[..at].iter().filter(|token| token.is(sign)).count();
        count("{") > count("}")
    }

    /// Every `local function` with its parameters.
    pub(super) fn functions(&self) -> Vec<Function> {
        let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        let begins = (0..self.tokens.len()).filter(|at| self.sign(*at, "local") && self.sign(at + 1, "function"));
        let named = begins.filter_map(|at| Some((self.tokens.get(at + 2)?.name()?, self.names(at + 4).0)));
        named.map(|(name, parameters)| Function { name: name.to_owned(), parameters: owned(parameters) }).collect()
    }

    /// What each call of a function is given: a name, or none for an expression.
    fn given<'f>(&self, function: &'f Function) -> Vec<(&'f Function, Vec<Option<&str>>)> {
        let calls = (0..self.tokens.len()).filter(|at| self.sign(*at, &function.name) && self.sign(at + 1, "("));
        calls.map(|at| (function, self.arguments_from(at + 2))).collect()
    }

    fn arguments_from(&self, mut at: usize) -> Vec<Option<&str>> {
        let (mut depth, mut begin, mut given) = (0_i32, at, Vec::new());
        loop {
            let closes = depth == 0 && self.sign(at, ")");
            if closes || (depth == 0 && self.sign(at, ",")) {
                let plain = (at == begin + 1).then(|| self.tokens[begin].name()).flatten();
                given.push(plain);
                begin = at + 1;
            }
            if closes || at >= self.tokens.len() {
                return given;
            }
            depth += i32::from(self.sign(at, "(") || self.sign(at, "{"));
            depth -= i32::from(self.sign(at, ")") || self.sign(at, "}"));
            at += 1;
        }
    }

    /// Command and key of every `redis.call('COMMAND', key, ...)`; none for what is not plainly that.
    pub(super) fn calls(&self) -> Vec<(Option<String>, Option<&str>)> {
        (0..self.tokens.len()).filter(|at| self.is_call(*at)).map(|at| self.call(at + 4)).collect()
    }

    /// The same for a call whose arguments begin here. The key comes first, but for commands of two words, where it follows
    /// them, and for XREADGROUP, where it follows STREAMS.
    fn call(&self, at: usize) -> (Option<String>, Option<&str>) {
        let text = |at: usize| match self.tokens.get(at) {
            Some(Token::Text(text)) if self.sign(at + 1, ",") => Some(text.as_str()),
            _ => None,
        };
        let Some(first) = text(at) else { return (None, None) };
        let (command, key) = match first {
            "XINFO" | "XGROUP" => (format!("{first} {}", text(at + 2).unwrap_or("?")), at + 4),
            "XREADGROUP" => {
                let streams = (at..self.tokens.len()).find(|at| text(*at) == Some("STREAMS"));
                (first.to_owned(), streams.map_or(at, |streams| streams + 2))
            }
            _ => (first.to_owned(), at + 2),
        };
        let plain = self.sign(key + 1, ",") || self.sign(key + 1, ")");
        (Some(command), self.tokens.get(key).and_then(Token::name).filter(|_| plain))
    }

    /// `redis . call (`
    fn is_call(&self, at: usize) -> bool {
        ["redis", ".", "call", "("].iter().enumerate().all(|(i, text)| self.sign(at + i, text))
    }

    /// The names bound to `ARGV[1]`, `ARGV[2]` and so on, once each and in this order, as text or as a number; and whether other
    /// arguments are used by a variable or all at once.
    fn argument_uses(&self) -> (Vec<&str>, bool) {
        let (mut bound, mut dynamic) = (Vec::new(), false);
        let mut at = 0;
        while at < self.tokens.len() {
            let values = if self.sign(at, "local") { self.names(at + 1) } else { (Vec::new(), at) };
            at += 1;
            if !values.0.is_empty() && self.sign(values.1, "=") && self.argument(values.1 + 1) == Some(bound.len() + 1)
            {
                at = values.1 + 1;
                for name in values.0 {
                    if self.argument(at) != Some(bound.len() + 1) {
                        break;
                    }
                    bound.push(name);
                    at += if self.sign(at, "tonumber") { 7 } else { 4 };
                    at += usize::from(self.sign(at, ","));
                }
            } else if self.sign(at, "ARGV") {
                dynamic |= self.element("ARGV", at).is_none();
                if let Some(_again) = self.element("ARGV", at) {
                    bound.push("an argument used by its number");
                }
            }
        }
        (bound, dynamic)
    }

    /// `ARGV [ n ]` or `tonumber ( ARGV [ n ] )` at this place.
    fn argument(&self, at: usize) -> Option<usize> {
        let number = self.sign(at, "tonumber") && self.sign(at + 1, "(");
        self.element("ARGV", if number { at + 2 } else { at })
    }

    /// `= first ... #ARGV` (a loop from there), `unpack(ARGV, first)`, or for a list of all arguments `ipairs(ARGV)` or `f(key, ARGV)`.
    fn reads_a_list_from(&self, first: usize) -> bool {
        let all = |at: usize| {
            (self.sign(at, "(") || self.sign(at, ",")) && self.sign(at + 1, "ARGV") && self.sign(at + 2, ")")
        };
        if first == 1 && (0..self.tokens.len()).any(all) {
            return true;
        }
        let number = |at: usize| self.tokens.get(at) == Some(&Token::Number(first.to_string()));
        let to_the_end = (0..self.tokens.len()).any(|at| self.sign(at, "#") && self.sign(at + 1, "ARGV"));
        let set = (0..self.tokens.len()).any(|at| self.sign(at, "=") && number(at + 1));
        let unpacked = (0..self.tokens.len())
            .any(|at| self.sign(at, "(") && self.sign(at + 1, "ARGV") && self.sign(at + 2, ",") && number(at + 3));
        (to_the_end && set) || unpacked
    }

    /// Strings in capital letters outside of calls to Redis.
    pub(super) fn words(&self) -> BTreeSet<&str> {
        let mut words = BTreeSet::new();
        let mut depth_in_call = 0_i32;
        for (at, token) in self.tokens.iter().enumerate() {
            if at >= 3 && self.is_call(at - 3) && depth_in_call == 0 {
                depth_in_call = 1;
            } else if depth_in_call > 0 {
                depth_in_call += i32::from(token.is("(")) - i32::from(token.is(")"));
            } else if let Token::Text(text) = token
                && text.len() > 1
                && text.chars().all(|c| c.is_ascii_uppercase() || c == '_')
            {
                words.insert(text.as_str());
            }
        }
        words
    }
}
