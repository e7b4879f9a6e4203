//! What a template must not say, because fuel does not bound it: values within values, doubled again
//! and again, that no step makes and that are without end once somebody writes or compares them; and
//! expressions so deep that reading them takes more stack than there is.
//!
//! A list or a map may hold parts of the event, and nothing that the template has made out of lists
//! and maps before.

use std::collections::HashSet;

/// The longest tag, in bytes: each of them may be one step deeper.
const MAX_TAG: usize = 4_000;

/// Names in lists and maps, all together: each may be as large as the event.
const MAX_NAMES: usize = 256;

/// What is wrong, and in which line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) line: usize,
    pub(super) why: &'static str,
}

const ADDS: &str = "adds with +; write texts one after the other, or join them with ~";
const LONG: &str = "has a tag over 4,000 bytes; write it as several";
const HOLDS: &str =
    "puts what was made of lists or maps into another; use parts of the event instead";
const REPEATS: &str = "repeats a list or a map with *; write it out";
const MANY: &str = "has more than 256 names in its lists and maps";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'t> {
    Name(&'t str),
    /// A text or a number.
    Literal,
    Sign(char),
}

/// A tag's tokens, each with whether it stands in a list or a map.
struct Tag<'t> {
    line: usize,
    tokens: Vec<(Token<'t>, bool)>,
}

/// Names that stand for no value.
const WORDS: [&str; 30] = [
    "set",
    "endset",
    "with",
    "endwith",
    "for",
    "endfor",
    "in",
    "if",
    "elif",
    "else",
    "endif",
    "is",
    "not",
    "and",
    "or",
    "macro",
    "endmacro",
    "call",
    "endcall",
    "filter",
    "endfilter",
    "do",
    "true",
    "false",
    "none",
    "True",
    "False",
    "None",
    "recursive",
    "raw",
];

/// The first thing that is wrong with a template's text.
pub(super) fn refuse(body: &str) -> Result<(), Refused> {
    let tags = tags(body)?;
    let made = made(&tags);
    let mut held = 0;
    for tag in &tags {
        let refused = |why| Refused {
            line: tag.line,
            why,
        };
        let holds = tag.tokens.iter().any(|(_, held)| *held);
        let names = || tag.tokens.iter().filter(|(token, _)| is_in(*token, &made));
        if names().any(|(_, held)| *held) {
            return Err(refused(HOLDS));
        }
        let repeats = tag
            .tokens
            .iter()
            .any(|(token, _)| *token == Token::Sign('*'));
        if repeats && (holds || names().next().is_some()) {
            return Err(refused(REPEATS));
        }
        held += tag
            .tokens
            .iter()
            .filter(|(token, held)| *held && is_value(*token))
            .count();
        if held > MAX_NAMES {
            return Err(refused(MANY));
        }
    }
    Ok(())
}

/// The names that stand for something made of lists or maps. Whatever is bound beside a list, a map or
/// another such name counts, and what a macro is given.
fn made<'t>(tags: &[Tag<'t>]) -> HashSet<&'t str> {
    let mut made = HashSet::new();
    loop {
        let before = made.len();
        for tag in tags {
            let first = tag.tokens.iter().find_map(|(token, _)| match token {
                Token::Name(word) => Some(*word),
                _ => None,
            });
            let names = || tag.tokens.iter().map(|(token, _)| *token);
            let binds = match first {
                Some("macro" | "call") => true,
                Some("set" | "with" | "for") => {
                    tag.tokens
                        .iter()
                        .any(|(token, held)| *held || is_in(*token, &made))
                        || names().any(|token| token == Token::Name("recursive"))
                }
                _ => false,
            };
            if binds {
                made.extend(
                    names()
                        .filter(|token| is_value(*token))
                        .filter_map(|token| {
                            if let Token::Name(name) = token {
                                Some(name)
                            } else {
                                None
                            }
                        }),
                );
            }
        }
        if made.len() == before {
            return made;
        }
    }
}

fn is_in(token: Token<'_>, made: &HashSet<&str>) -> bool {
    matches!(token, Token::Name(name) if made.contains(name))
}

fn is_value(token: Token<'_>) -> bool {
    matches!(token, Token::Name(name) if !WORDS.contains(&name))
}

fn tags(body: &str) -> Result<Vec<Tag<'_>>, Refused> {
    let mut tags = Vec::new();
    let mut rest = body;
    while let Some(start) = rest.find("{{").into_iter().chain(rest.find("{%")).min() {
        let inside = &rest[start + 2..];
        let line = |at: usize| {
            let before = body.len() - inside.len() + at;
            body[..before].matches('\n').count() + 1
        };
        let (found, end) = tokens(inside);
        if end > MAX_TAG {
            return Err(Refused {
                line: line(0),
                why: LONG,
            });
        }
        // Lists are added lazily, at no cost until somebody counts what sixty doublings have made.
        if let Some((at, _)) = found.iter().find(|(_, token)| *token == Token::Sign('+')) {
            return Err(Refused {
                line: line(*at),
                why: ADDS,
            });
        }
        let found: Vec<Token<'_>> = found.into_iter().map(|(_, token)| token).collect();
        let held = held(&found);
        tags.push(Tag {
            line: line(0),
            tokens: found.into_iter().zip(held).collect(),
        });
        rest = &inside[end..];
    }
    Ok(tags)
}

/// The tokens up to the tag's end, each with its place, and where the end is.
fn tokens(inside: &str) -> (Vec<(usize, Token<'_>)>, usize) {
    let mut found = Vec::new();
    let mut at = 0;
    let mut braces = 0_usize;
    while let Some(c) = inside[at..].chars().next() {
        let left = &inside[at..];
        if left.starts_with("%}") || (left.starts_with("}}") && braces == 0) {
            return (found, at);
        }
        let (token, length) = match c {
            '"' | '\'' => (Some(Token::Literal), quoted(left, c)),
            _ if c.is_alphabetic() || c == '_' => {
                let end = left.find(|c: char| !c.is_alphanumeric() && c != '_');
                let name = &left[..end.unwrap_or(left.len())];
                (Some(Token::Name(name)), name.len())
            }
            _ if c.is_ascii_digit() => (Some(Token::Literal), 1),
            _ if c.is_whitespace() => (None, c.len_utf8()),
            _ => (Some(Token::Sign(c)), c.len_utf8()),
        };
        match c {
            '{' => braces += 1,
            '}' => braces = braces.saturating_sub(1),
            _ => {}
        }
        found.extend(token.map(|token| (at, token)));
        at += length;
    }
    (found, inside.len())
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// Of each token, whether it stands in a list, a map or a tuple.
fn held(tokens: &[Token<'_>]) -> Vec<bool> {
    let mut held = vec![false; tokens.len()];
    // Where each open bracket stands, and whether it is an argument's or an index's.
    let mut open: Vec<(usize, bool)> = Vec::new();
    let mut commas: Vec<usize> = Vec::new();
    let mut before = Token::Sign(' ');
    let list_from = match tokens.first() {
        Some(Token::Name("set")) => tokens.iter().position(|token| *token == Token::Sign('=')),
        Some(Token::Name("for")) => tokens.iter().position(|token| *token == Token::Name("in")),
        _ => None,
    };
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign('[' | '(' | '{') => {
                open.push((at, follows_a_value(before)));
                commas.push(usize::from(*token != Token::Sign('(')));
            }
            Token::Sign(',') => match commas.last_mut() {
                Some(commas) => *commas += 1,
                // A tuple needs no brackets.
                None => {
                    if let Some(from) = list_from.filter(|from| *from < at) {
                        held[from + 1..].fill(true);
                    }
                }
            },
            Token::Sign(']' | ')' | '}') => {
                if let (Some((from, is_asked)), Some(commas)) = (open.pop(), commas.pop())
                    && !is_asked
                    && commas > 0
                {
                    held[from..=at].fill(true);
                }
            }
            _ => {}
        }
        before = *token;
    }
    held
}

/// Whether a bracket behind this is a call's or an index's.
fn follows_a_value(token: Token<'_>) -> bool {
    match token {
        Token::Name(_) => is_value(token),
        Token::Literal => true,
        Token::Sign(sign) => matches!(sign, ')' | ']' | '}'),
    }
}
