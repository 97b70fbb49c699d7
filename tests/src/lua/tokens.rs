//! Reading a script's body, as far as the checks need: words, strings, numbers and signs, without comments.

/// A piece of Lua.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// A name or a keyword.
    Name(String),
    /// A string, without its quotes.
    Text(String),
    /// A number.
    Number(String),
    /// Anything else.
    Sign(&'static str),
}

/// Signs, the longest first.
const SIGNS: &[&str] = &[
    "...", "..", "==", "~=", "<=", ">=", "=", "<", ">", "+", "-", "*", "/", "%", "^", "#", "(", ")", "{", "}", "[",
    "]", ";", ":", ",", ".",
];

/// Words that are no names.
pub const KEYWORDS: &[&str] = &[
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "if", "in", "local", "nil", "not", "or",
    "repeat", "return", "then", "true", "until", "while",
];

impl Token {
    /// The name, if it is one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) if !KEYWORDS.contains(&name.as_str()) => Some(name),
            _ => None,
        }
    }

    /// Whether it is this keyword, name or sign.
    pub fn is(&self, text: &str) -> bool {
        match self {
            Self::Name(name) => name == text,
            Self::Sign(sign) => *sign == text,
            Self::Text(_) | Self::Number(_) => false,
        }
    }
}

/// The pieces of a script.
///
/// # Errors
/// Something that the scripts have no need of: a long string or comment, a string over two lines, an unknown sign.
pub fn tokens(source: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = source.trim_start();
    while let Some(first) = rest.chars().next() {
        let taken = if rest.starts_with("--[") || rest.starts_with("[[") {
            return Err("expected no long comments or strings, found one".to_owned());
        } else if rest.starts_with("--") {
            rest.find('\n').unwrap_or(rest.len())
        } else if first.is_ascii_alphabetic() || first == '_' {
            let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            tokens.push(Token::Name(rest[..length].to_owned()));
            length
        } else if first.is_ascii_digit() {
            let length = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
            tokens.push(Token::Number(rest[..length].to_owned()));
            length
        } else if first == '\'' || first == '"' {
            let length = rest[1..].find([first, '\n']).filter(|end| rest[1 + end..].starts_with(first));
            let length = length.ok_or(format!("expected a string to end on its line, found {:.20}", rest))?;
            tokens.push(Token::Text(rest[1..=length].to_owned()));
            length + 2
        } else {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
            let sign = sign.ok_or(format!("expected Lua, found {first:?}"))?;
            tokens.push(Token::Sign(sign));
            sign.len()
        };
        rest = rest[taken..].trim_start();
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_falls_into_its_pieces() {
        let found = tokens("local a = KEYS[1] -- not this\nreturn { 'X', a ~= 10 }").unwrap();
        let name = |text: &str| Token::Name(text.to_owned());
        let expected = [
            name("local"),
            name("a"),
            Token::Sign("="),
            name("KEYS"),
            Token::Sign("["),
            Token::Number("1".to_owned()),
            Token::Sign("]"),
            name("return"),
            Token::Sign("{"),
            Token::Text("X".to_owned()),
            Token::Sign(","),
            name("a"),
            Token::Sign("~="),
            Token::Number("10".to_owned()),
            Token::Sign("}"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_the_scripts_do_without_is_refused() {
        for text in ["--[[ long ]]", "a = 'open", "a = 'two\nlines'", "a @ b", "a = [[x]]"] {
            assert!(tokens(text).is_err(), "{text}");
        }
    }
}
