//! What a server was asked, by `MONITOR`: the calls as they reached Redis, not as we believe we made them.

use futures::StreamExt;
use tokio::task::JoinHandle;

/// One command of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The command and its arguments.
    pub words: Vec<String>,
}

/// Records from [`Recorder::start`] to [`Recorder::stop`].
#[derive(Debug)]
pub struct Recorder {
    client: redis::Client,
    task: JoinHandle<Vec<Call>>,
}

/// Nobody else says this to a server.
const LAST_WORD: &str = "muster-tests: the recording ends here";

impl Recorder {
    /// Records what clients ask from now on; what scripts do inside is left out.
    ///
    /// # Panics
    /// The server does not answer.
    pub async fn start(url: &str) -> Self {
        let client = redis::Client::open(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        let monitor = client.get_async_monitor().await.unwrap_or_else(|error| panic!("MONITOR: {error}"));
        let task = tokio::spawn(async move {
            let mut lines = monitor.into_on_message::<String>();
            let mut calls = Vec::new();
            while let Some(line) = lines.next().await {
                match parse(&line) {
                    Some(call) if call.words.get(1).is_some_and(|word| word == LAST_WORD) => return calls,
                    Some(call) => calls.push(call),
                    None => {}
                }
            }
            panic!("expected the recording to go on, found the connection closed after {} calls", calls.len());
        });
        Self { client, task }
    }

    /// Everything recorded, complete: the server itself says where it ends.
    ///
    /// # Panics
    /// The server does not answer.
    pub async fn stop(self) -> Vec<Call> {
        let connection = self.client.get_multiplexed_async_connection().await;
        let mut connection = connection.unwrap_or_else(|error| panic!("{error}"));
        let echo: redis::RedisResult<String> = redis::cmd("ECHO").arg(LAST_WORD).query_async(&mut connection).await;
        echo.unwrap_or_else(|error| panic!("ECHO: {error}"));
        self.task.await.unwrap_or_else(|error| panic!("{error}"))
    }
}

/// `1700000000.000000 [0 127.0.0.1:4711] "GET" "key"`; none for a command inside a script, whose origin is `lua`.
fn parse(line: &str) -> Option<Call> {
    let (origin, mut rest) = line.split_once('[')?.1.split_once("] ")?;
    if origin.ends_with(" lua") {
        return None;
    }
    let mut words = Vec::new();
    while let Some(quoted) = rest.strip_prefix('"') {
        let (word, after) = unquote(quoted)?;
        words.push(word);
        rest = after.strip_prefix(' ').unwrap_or(after);
    }
    Some(Call { words })
}

/// A word up to its closing quote, and what follows that.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut word = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((word, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => word.push('\n'),
                'r' => word.push('\r'),
                't' => word.push('\t'),
                'x' => {
                    let hex: String = [chars.next()?.1, chars.next()?.1].iter().collect();
                    word.push(char::from(u8::from_str_radix(&hex, 16).ok()?));
                }
                escaped => word.push(escaped),
            },
            plain => word.push(plain),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back_as_the_words_of_the_command() {
        let line = r#"1700000000.123456 [0 127.0.0.1:4711] "HSET" "a key" "{\"x\":[1]}" "" "\\ \x01""#;
        let expected = ["HSET", "a key", "{\"x\":[1]}", "", "\\ \u{1}"];
        assert_eq!(parse(line).unwrap().words, expected);
    }

    #[test]
    fn what_a_script_does_inside_is_left_out() {
        assert_eq!(parse(r#"1700000000.123456 [0 lua] "HSET" "key""#), None);
    }
}
