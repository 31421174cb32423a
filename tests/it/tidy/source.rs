//! A source file as the tidy checks see it: code and comments apart, strings blanked.
//!
//! Knows just enough of Rust's tokens for that. Every line keeps its number and every character
//! its place.

/// One file of the repository.
pub(super) struct Source {
    /// Its path from the root, with `/`.
    pub(super) path: String,
    /// What it holds.
    pub(super) text: String,
    /// Its code: comments and what is within quotes are blanks.
    pub(super) code: String,
    /// Its comments: all else is blanks.
    pub(super) comments: String,
}

impl Source {
    /// Takes a text apart.
    pub(super) fn new(path: &str, text: &str) -> Self {
        let (mut code, mut comments) = (String::new(), String::new());
        let mut rest = text;
        while !rest.is_empty() {
            let before = text[..text.len() - rest.len()].chars().next_back();
            let (token, kind) = next(rest, before);
            rest = &rest[token.len()..];
            let blank: String = token.chars().map(|c| if c == '\n' { c } else { ' ' }).collect();
            code += if kind == Kind::Code { token } else { &blank };
            comments += if kind == Kind::Comment { token } else { &blank };
        }
        Self { path: path.to_owned(), text: text.to_owned(), code, comments }
    }

    /// The room that a file of `src/` belongs to: `core` for `src/core.rs` and `src/core/`.
    pub(super) fn room(&self) -> Option<&str> {
        let path = self.path.strip_prefix("src/")?;
        path.split('/').next().map(|name| name.strip_suffix(".rs").unwrap_or(name))
    }

    /// The number of the line at `offset`.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.code[..offset].matches('\n').count() + 1
    }

    /// The names that follow `keyword`, with where they stand.
    pub(super) fn names<'a>(&'a self, keyword: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
        self.code.match_indices(keyword).filter_map(move |(offset, _)| {
            let is_word = !self.code[..offset].ends_with(is_ident);
            let name = ident(&self.code[offset + keyword.len()..]);
            (is_word && !name.is_empty()).then_some((offset, name))
        })
    }
}

/// The identifier that `text` begins with.
pub(super) fn ident(text: &str) -> &str {
    &text[..text.find(|c| !is_ident(c)).unwrap_or(text.len())]
}

/// Whether `c` can stand in an identifier.
pub(super) fn is_ident(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of the bracketed part that `text` begins with.
pub(super) fn bracketed(text: &str) -> usize {
    let mut depth = 0_usize;
    for (offset, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return offset + c.len_utf8();
        }
    }
    text.len()
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Kind {
    Code,
    Comment,
    Quoted,
}

/// The next token of `text`, which follows the character `before`.
fn next(text: &str, before: Option<char>) -> (&str, Kind) {
    let upto = |end: Option<usize>| &text[..end.unwrap_or(text.len())];
    let first = text.chars().next().expect("not at the end");
    if text.starts_with("//") {
        return (upto(text.find('\n')), Kind::Comment);
    }
    if text.starts_with("/*") {
        return (upto(text.find("*/").map(|at| at + 2)), Kind::Comment);
    }
    if first == '"' {
        return (upto(closing(text, '"')), Kind::Quoted);
    }
    if first == 'r' && !before.is_some_and(|c| is_ident(c) && c != 'b') {
        let hashes = text[1..].len() - text[1..].trim_start_matches('#').len();
        if text[1 + hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let body = 2 + hashes;
            return (upto(text[body..].find(&end).map(|at| body + at + end.len())), Kind::Quoted);
        }
    }
    if first == '\'' {
        let mut chars = text.chars().skip(1);
        // What is no character is a lifetime.
        if chars.next() == Some('\\') || chars.next() == Some('\'') {
            return (upto(closing(text, '\'')), Kind::Quoted);
        }
    }
    (&text[..first.len_utf8()], Kind::Code)
}

/// Where a quoted text ends.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    for (offset, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            c if c == quote => return Some(offset + 1),
            _ => {}
        }
    }
    None
}
