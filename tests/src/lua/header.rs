//! Reading a script's header.

/// What a header says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Header {
    /// The script's name.
    pub name: String,
    /// The names of its keys, in the order of `KEYS`. `lua/README.md` says what they hold.
    pub keys: Vec<String>,
    /// The names of the arguments that are always there, in the order of `ARGV`.
    pub arguments: Vec<String>,
    /// Whether a list follows them: `...tickets`.
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
        let (mut keys, mut arguments, mut returns) = (String::new(), String::new(), String::new());
        let mut part = "";
        for line in lines {
            let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let (first, rest) = match first {
                "KEYS" | "ARGV" | "Returns" | "Limits" => (first, rest.trim()),
                _ => ("", line),
            };
            part = match first {
                "" if line.is_empty() => "", // what follows is prose
                "" => part,
                first => first,
            };
            let text = match part {
                "KEYS" => &mut keys,
                "ARGV" => &mut arguments,
                "Returns" => &mut returns,
                "Limits" => &mut header.limits,
                _ => continue,
            };
            text.push_str(rest);
            text.push(' ');
        }
        header.limits = header.limits.trim().to_owned();
        header.keys = items(&keys, ',').map(str::to_owned).collect();
        for item in items(&arguments, ';') {
            header.argument(item)?;
        }
        header.words = quoted(&returns);
        match (header.keys.is_empty(), header.words.is_empty(), header.limits.is_empty()) {
            (true, _, _) => Err("expected a line KEYS, found none".to_owned()),
            (_, true, _) => Err("expected a line Returns with words in quotes, found none".to_owned()),
            (_, _, true) => Err("expected a line Limits, found none".to_owned()),
            _ => Ok(header),
        }
    }

    /// `name, meaning`, or `...what the list holds`.
    fn argument(&mut self, item: &str) -> Result<(), String> {
        if self.list {
            return Err(format!("expected nothing after the list of arguments, found {item:?}"));
        }
        if item.starts_with("...") {
            self.list = true;
            return Ok(());
        }
        let name: String = item.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        if name.is_empty() {
            return Err(format!("expected the name of an argument, found {item:?}"));
        }
        self.arguments.push(name);
        Ok(())
    }
}

fn items(text: &str, separator: char) -> impl Iterator<Item = &str> {
    text.split(separator).map(str::trim).filter(|item| !item.is_empty())
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
