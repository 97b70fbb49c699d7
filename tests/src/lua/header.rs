//! Reading a script's header.

/// One of a script's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// What the script calls it.
    pub name: String,
    /// Its Redis type.
    pub kind: String,
    /// What it holds.
    pub meaning: String,
}

/// What a header says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Header {
    /// The script's name.
    pub name: String,
    /// `KEYS[1]` and on.
    pub keys: Vec<Key>,
    /// Arguments that are always there.
    pub arguments: usize,
    /// Whether a list follows them: `ARGV[3..]`.
    pub list: bool,
    /// The words that its answer may begin with or consist of, in the order of the header.
    pub words: Vec<String>,
    /// What bounds its work.
    pub limits: String,
}

impl Header {
    /// The header at the top of a script.
    ///
    /// # Errors
    /// The first line that is not as it should be: what was expected, what was found.
    pub fn parse(source: &str) -> Result<Self, String> {
        let mut lines = source.lines().map_while(|line| line.strip_prefix("--")).map(str::trim);
        let title = lines.next().unwrap_or_default();
        let (name, summary) =
            title.split_once(": ").ok_or(format!("expected `-- name: what it does`, found {title:?}"))?;
        if summary.is_empty() {
            return Err(format!("expected what {name} does, found nothing"));
        }
        let mut header = Self { name: name.to_owned(), ..Self::default() };
        let mut returns = String::new();
        let mut part = "";
        for line in lines {
            let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            match first {
                _ if first.starts_with("KEYS[") => header.key(first, rest)?,
                _ if first.starts_with("ARGV[") => header.argument(first, rest)?,
                "Returns" | "Limits" => part = first,
                "" => part = "", // what follows is prose
                _ => {}
            }
            match part {
                "Returns" => returns.push_str(line),
                "Limits" => header.limits.push_str(rest.trim()),
                _ => {}
            }
        }
        header.words = quoted(&returns);
        match (header.keys.is_empty(), header.words.is_empty(), header.limits.is_empty()) {
            (true, _, _) => Err("expected a line KEYS[1], found none".to_owned()),
            (_, true, _) => Err("expected a line Returns with words in quotes, found none".to_owned()),
            (_, _, true) => Err("expected a line Limits, found none".to_owned()),
            _ => Ok(header),
        }
    }

    fn key(&mut self, first: &str, rest: &str) -> Result<(), String> {
        let expected = format!("KEYS[{}]", self.keys.len() + 1);
        if first != expected {
            return Err(format!("expected {expected}, found {first}"));
        }
        let (head, meaning) = rest.split_once(':').unwrap_or((rest, ""));
        match *head.split_whitespace().collect::<Vec<_>>() {
            [name, kind] if !meaning.trim().is_empty() => {
                let (name, kind, meaning) = (name.to_owned(), kind.to_owned(), meaning.trim().to_owned());
                self.keys.push(Key { name, kind, meaning });
                Ok(())
            }
            _ => Err(format!("{first}: expected `name type: meaning`, found {rest:?}")),
        }
    }

    fn argument(&mut self, first: &str, rest: &str) -> Result<(), String> {
        let next = self.arguments + 1;
        if self.list {
            return Err(format!("expected nothing after the list of arguments, found {first}"));
        }
        if rest.trim().is_empty() {
            return Err(format!("{first}: expected its meaning, found nothing"));
        }
        match first {
            _ if first == format!("ARGV[{next}]") => self.arguments = next,
            _ if first == format!("ARGV[{next}..]") => self.list = true,
            _ => return Err(format!("expected ARGV[{next}], found {first}")),
        }
        Ok(())
    }
}

/// Words in double quotes, in their order, each once.
fn quoted(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split('"').skip(1).step_by(2) {
        if !words.iter().any(|known| known == word) {
            words.push(word.to_owned());
        }
    }
    words
}
