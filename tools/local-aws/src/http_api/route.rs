//! Which function answers a method and a path.

use std::fmt;

use hyper::Method;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// A route of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// `GET`, `POST`, ...
    pub method: String,
    /// `/match/{id}`: each part is a text, or a name in braces that stands for any one part.
    pub path: String,
    /// The function that answers: the name of its binary.
    pub function: String,
}

impl fmt::Display for Route {
    /// The route's key, as events have it: `GET /match/{id}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// The route that answers, with what stands for the names in its path. A text counts before a name.
pub(super) fn find<'a>(routes: &'a [Route], method: &Method, path: &str) -> Option<(&'a Route, Map<String, Value>)> {
    let of_method = routes.iter().filter(|route| route.method == method.as_str());
    let fitting = of_method.filter_map(|route| Some((route, parameters(&route.path, path)?)));
    fitting.min_by_key(|(_, parameters)| parameters.len())
}

fn parameters(pattern: &str, path: &str) -> Option<Map<String, Value>> {
    let (mut expected, mut found) = (pattern.split('/'), path.split('/'));
    let mut parameters = Map::new();
    loop {
        match (expected.next(), found.next()) {
            (None, None) => return Some(parameters),
            (Some(part), Some(text)) => match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
                Some(name) if !text.is_empty() => {
                    let text = percent_decode_str(text).decode_utf8_lossy();
                    parameters.insert(name.to_owned(), text.into());
                }
                None if part == text => {}
                _ => return None,
            },
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> Vec<Route> {
        [
            ("POST", "/queue/join", "join"),
            ("GET", "/queue/status", "queue-status"),
            ("GET", "/queue/{ticket_id}", "ticket"),
            ("DELETE", "/queue/{ticket_id}", "cancel"),
            ("POST", "/match/{match_id}/accept", "answer"),
        ]
        .map(|(method, path, function)| Route {
            method: method.to_owned(),
            path: path.to_owned(),
            function: function.to_owned(),
        })
        .to_vec()
    }

    #[test]
    fn method_and_path_choose_the_function_and_a_text_counts_before_a_name() {
        let cases = [
            ("POST", "/queue/join", Some(("join", None))),
            ("GET", "/queue/join", Some(("ticket", Some("join")))),
            ("GET", "/queue/status", Some(("queue-status", None))),
            ("DELETE", "/queue/status", Some(("cancel", Some("status")))),
            ("DELETE", "/queue/t.a%20b", Some(("cancel", Some("t.a b")))),
            ("DELETE", "/queue/", None),
            ("DELETE", "/queue/a/b", None),
            ("POST", "/match/m/accept", Some(("answer", Some("m")))),
            ("POST", "/match/m/dance", None),
            ("PUT", "/queue/join", None),
            ("GET", "/", None),
        ];
        for (method, path, expected) in cases {
            let (routes, method) = (routes(), method.parse().unwrap());
            let found = find(&routes, &method, path);
            let found = found.as_ref().map(|(route, names)| {
                (route.function.as_str(), names.values().next().and_then(|value| value.as_str()))
            });
            assert_eq!(found, expected, "{method} {path}");
        }
    }
}
