//! A page of Markdown: headings, tables, fenced blocks, links and code spans, each with its line.

use std::collections::BTreeSet;

/// A page.
#[derive(Debug, Clone)]
pub struct Page {
    /// Its path in the workspace.
    pub name: String,
    lines: Vec<Line>,
}

#[derive(Debug, Clone)]
struct Line {
    /// The language of the fenced block that it is in.
    fence: Option<String>,
    text: String,
}

/// Something on a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it begins, from 1 on.
    pub line: usize,
    /// Its text.
    pub text: String,
}

/// A table without its header: rows of cells.
pub type Rows = Vec<Vec<String>>;

impl Page {
    /// Reads a page.
    pub fn new(name: &str, text: &str) -> Self {
        let mut fence: Option<String> = None;
        let mut lines = Vec::new();
        for line in text.lines() {
            let mark = line.trim_start().strip_prefix("```");
            let inside = fence.clone().filter(|_| mark.is_none());
            // The fences themselves are neither text nor part of what they hold.
            let text = if mark.is_some() { String::new() } else { line.to_owned() };
            lines.push(Line { fence: inside, text });
            if let Some(language) = mark {
                fence = if fence.is_some() { None } else { Some(language.to_owned()) };
            }
        }
        Self { name: name.to_owned(), lines }
    }

    /// `README.md:17`
    pub fn at(&self, line: usize) -> String {
        format!("{}:{line}", self.name)
    }

    /// The lines outside of fenced blocks.
    fn prose(&self) -> impl Iterator<Item = (usize, &str)> {
        let prose = self.lines.iter().enumerate().filter(|(_, line)| line.fence.is_none());
        prose.map(|(at, line)| (at + 1, line.text.as_str()))
    }

    /// Every heading's text.
    pub fn headings(&self) -> impl Iterator<Item = Found> {
        let head = |(line, text): (usize, &str)| {
            let bare = text.trim_start_matches('#');
            (bare.len() < text.len() && bare.starts_with(' '))
                .then(|| Found { line, text: bare.trim().replace('`', "") })
        };
        self.prose().filter_map(head)
    }

    /// What a link may name after `#`.
    pub fn anchors(&self) -> BTreeSet<String> {
        self.headings().map(|heading| anchor(&heading.text)).collect()
    }

    /// The cells of the first table below a heading, without its header.
    ///
    /// # Errors
    /// There is no such heading, or no table before the next one.
    pub fn table(&self, heading: &str) -> Result<Rows, String> {
        let mut headings = self.headings().skip_while(|found| found.text != heading);
        let begin =
            headings.next().ok_or_else(|| format!("{}: expected a heading {heading:?}, found none", self.name))?;
        let end = headings.next().map_or(usize::MAX, |next| next.line);
        let inside = self.prose().filter(|(line, _)| (begin.line..end).contains(line)).map(|(_, text)| text);
        let rows: Rows = rows_of(inside);
        match rows.is_empty() {
            true => Err(format!("{}: expected a table below {heading:?}, found none", self.name)),
            false => Ok(rows),
        }
    }

    /// The fenced blocks of a language.
    pub fn blocks(&self, language: &str) -> Vec<Found> {
        let mut blocks: Vec<Found> = Vec::new();
        let mut open = false;
        for (at, line) in self.lines.iter().enumerate() {
            let inside = line.fence.as_deref() == Some(language);
            match (inside, open, blocks.last_mut()) {
                (true, true, Some(block)) => block.text += &format!("\n{}", line.text),
                (true, ..) => blocks.push(Found { line: at + 1, text: line.text.clone() }),
                (false, ..) => {}
            }
            open = inside;
        }
        blocks
    }

    /// Every line of every fenced block.
    pub fn fenced(&self) -> impl Iterator<Item = Found> {
        let fenced = self.lines.iter().enumerate().filter(|(_, line)| line.fence.is_some());
        fenced.map(|(at, line)| Found { line: at + 1, text: line.text.clone() })
    }

    /// The targets of all links and images.
    pub fn links(&self) -> Vec<Found> {
        let mut links = Vec::new();
        for (line, text) in self.prose() {
            let outside = outside_of_spans(text);
            for part in outside.split("](").skip(1) {
                let target = part.split([')', ' ']).next().unwrap_or_default();
                links.push(Found { line, text: target.to_owned() });
            }
        }
        links
    }

    /// Every code span.
    pub fn spans(&self) -> Vec<Found> {
        let spans = |(line, text): (usize, &str)| {
            let spans: Vec<Found> = spans_of(text).into_iter().map(|text| Found { line, text }).collect();
            spans
        };
        self.prose().flat_map(spans).collect()
    }
}

/// The anchor that forges make of a heading.
pub fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    heading.to_lowercase().chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The first table among these lines, without its header.
pub fn rows_of<'a>(lines: impl Iterator<Item = &'a str>) -> Rows {
    let table = lines.map(str::trim).skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |line: &str| {
        let inner = line.trim_matches('|').replace("\\|", "\u{1}");
        inner.split('|').map(|cell| cell.trim().replace('\u{1}', "|")).collect()
    };
    table.skip(2).map(cells).collect()
}

/// The code spans of a text.
pub fn spans_of(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn outside_of_spans(text: &str) -> String {
    text.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Top\n\nSee `a|b` and [it](x.md#here) `[no](link)`.\n\n## A `Table`, twice\n\n| a | b |\n|---|---|\n\
                        | `x` | 1 \\| 2 |\n\n```json\n{\n}\n```\n\n```sh\n# no heading\n```\n";

    #[test]
    fn a_page_is_read_as_far_as_the_checks_need() {
        let page = Page::new("t.md", TEXT);
        assert_eq!(page.headings().map(|found| found.text).collect::<Vec<_>>(), ["Top", "A Table, twice"]);
        assert!(page.anchors().contains("a-table-twice"));
        assert_eq!(page.table("A Table, twice").unwrap(), [["`x`", "1 | 2"]]);
        assert!(page.table("Top").is_err(), "the table of the next section is not that of this one");
        assert_eq!(page.blocks("json"), [Found { line: 12, text: "{\n}".into() }]);
        assert_eq!(page.links(), [Found { line: 3, text: "x.md#here".into() }]);
        assert_eq!(
            page.spans().into_iter().map(|span| span.text).collect::<Vec<_>>(),
            ["a|b", "[no](link)", "Table", "x"]
        );
    }
}
