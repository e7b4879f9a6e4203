//! What a template must not say, because fuel does not bound it: values within values, doubled again
//! and again, that no step makes and that are without end once somebody writes or compares them; and
//! expressions so deep that reading them takes more stack than there is.
//!
//! A list or a map may hold parts of the event, and nothing that the template has made out of lists
//! and maps before.

use std::collections::HashSet;

use tags::{POWER, Tag, Token, tags};

mod tags;

pub(super) use tags::Refused;

/// Names in lists and maps, all together: each may be as large as the event.
const MAX_NAMES: usize = 256;

const ADDS: &str = "adds with +; write texts one after the other, or join them with ~";
const HOLDS: &str =
    "puts what was made of lists or maps into another; use parts of the event instead";
const REPEATS: &str =
    "multiplies with * what may be a list; of a number, say that it is one: value|int * 60";
const MANY: &str = "has more than 256 names in its lists and maps";
const FILLS: &str = "gives a variable, a list or a map to `map` or `sum`; give it texts or numbers";

/// Filters that fill what they make with what they are given, as often as there are places.
const FILLING: [&str; 2] = ["map", "sum"];

/// Filters that make a number, or fail.
const NUMERIC: [&str; 6] = ["int", "float", "abs", "round", "length", "count"];

/// Judges a template's text: the first thing that is wrong with it, or how often its tags name
/// something at the most, each time perhaps all of the event.
pub(super) fn refuse(body: &str) -> Result<usize, Refused> {
    let tags: Vec<Held<'_>> = tags(body)?.into_iter().map(Held::of).collect();
    let made = made(&tags);
    let (mut held, mut most) = (0, 0);
    for tag in &tags {
        tag.judge(&made)?;
        held += tag.values().filter(|(_, held)| *held).count();
        if held > MAX_NAMES {
            return Err(tag.refused(MANY));
        }
        most = most.max(tag.values().count());
    }
    Ok(most)
}

/// A tag, and of each token whether it stands in a list, a map or a tuple.
struct Held<'t> {
    tag: Tag<'t>,
    held: Vec<bool>,
}

impl<'t> Held<'t> {
    fn of(tag: Tag<'t>) -> Self {
        let held = held(&tag);
        Self { tag, held }
    }

    fn refused(&self, why: &'static str) -> Refused {
        Refused {
            line: self.tag.line,
            why,
        }
    }

    /// The variables that it names, each with whether it stands in a list or a map.
    fn values(&self) -> impl Iterator<Item = (&'t str, bool)> {
        let all = self.tag.tokens.iter().zip(&self.held);
        all.filter_map(|(placed, held)| match placed.token {
            Token::Name(name) if placed.is_value => Some((name, *held)),
            _ => None,
        })
    }

    fn judge(&self, made: &HashSet<&str>) -> Result<(), Refused> {
        for (at, placed) in self.tag.tokens.iter().enumerate() {
            let why = match placed.token {
                // Lists are added lazily, at no cost until somebody counts what sixty doublings
                // have made.
                Token::Sign('+') => ADDS,
                // So are they repeated.
                Token::Sign('*') if !self.multiplies_numbers(at) => REPEATS,
                Token::Name(name) if FILLING.contains(&name) && self.gives_more(at) => FILLS,
                _ => continue,
            };
            let line = placed.line;
            return Err(Refused { line, why });
        }
        if self
            .values()
            .any(|(name, held)| held && made.contains(name))
        {
            return Err(self.refused(HOLDS));
        }
        Ok(())
    }

    /// Whether one operand of a `*` is a number for sure, and the other a number or a text, whose
    /// repetitions cost fuel.
    fn multiplies_numbers(&self, at: usize) -> bool {
        let before = |back: usize| at.checked_sub(back).and_then(|at| self.tag.token(at));
        let left = match before(1) {
            Some(Token::Literal) => before(2) != Some(Token::Sign('.')),
            Some(Token::Name(filter)) => {
                NUMERIC.contains(&filter) && before(2) == Some(Token::Sign('|'))
            }
            _ => false,
        };
        left && self.is_number(at + 1)
    }

    /// Whether the operand that begins there is a number or a text.
    fn is_number(&self, from: usize) -> bool {
        let token = |at: usize| self.tag.token(at);
        let mut at = from;
        let mut sure = match token(at) {
            Some(Token::Literal) => true,
            Some(Token::Name(_)) => false,
            _ => return false,
        };
        at += 1;
        loop {
            match (token(at), token(at + 1)) {
                (Some(Token::Sign('.')), Some(Token::Name(_) | Token::Literal)) => sure = false,
                (Some(Token::Sign('|')), Some(Token::Name(filter))) => {
                    sure = NUMERIC.contains(&filter);
                }
                (Some(Token::Sign('(' | '[' | '.' | '|')), _) => return false,
                _ => return sure,
            }
            at += 2;
        }
    }

    /// Whether a filter is given more than texts and numbers.
    fn gives_more(&self, at: usize) -> bool {
        if self.tag.token(at + 1) != Some(Token::Sign('(')) {
            return false;
        }
        let within = self.tag.tokens.iter().skip(at + 2);
        within
            .take_while(|placed| placed.token != Token::Sign(')'))
            .any(|placed| {
                placed.is_value
                    || matches!(placed.token, Token::Sign('(' | '[' | '{' | '*' | POWER))
            })
    }

    /// Whether it binds names to what it holds.
    fn binds(&self, made: &HashSet<&str>) -> bool {
        matches!(self.tag.keyword(), Some("set" | "with" | "for"))
            && (self.held.contains(&true)
                || self.values().any(|(name, _)| made.contains(name))
                || self
                    .tag
                    .tokens
                    .iter()
                    .any(|placed| placed.token == Token::Name("recursive")))
    }
}

/// The names that stand for something made of lists or maps. Whatever is bound beside a list, a map or
/// another such name counts.
fn made<'t>(tags: &[Held<'t>]) -> HashSet<&'t str> {
    let mut made = HashSet::new();
    let mut open: Vec<&Held<'t>> = tags.iter().collect();
    loop {
        let before = made.len();
        open.retain(|tag| {
            let binds = tag.binds(&made);
            if binds {
                made.extend(tag.values().map(|(name, _)| name));
            }
            !binds
        });
        if made.len() == before {
            return made;
        }
    }
}

/// Of each token, whether it stands in a list, a map or a tuple.
fn held(tag: &Tag<'_>) -> Vec<bool> {
    let tokens = &tag.tokens;
    let mut held = vec![false; tokens.len()];
    // Where each open bracket stands, and whether it is an argument's or an index's.
    let mut open: Vec<(usize, bool)> = Vec::new();
    let mut commas: Vec<usize> = Vec::new();
    let list_from = match tag.keyword() {
        Some("set") => tokens
            .iter()
            .position(|placed| placed.token == Token::Sign('=')),
        _ => None,
    };
    for (at, placed) in tokens.iter().enumerate() {
        match placed.token {
            Token::Sign(sign @ ('[' | '(' | '{')) => {
                let is_asked = at > 0 && tokens[at - 1].ends_operand;
                open.push((at, is_asked));
                commas.push(usize::from(sign != '('));
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
            Token::Sign(')' | ']' | '}') => {
                if let (Some((from, is_asked)), Some(commas)) = (open.pop(), commas.pop())
                    && !is_asked
                    && commas > 0
                {
                    held[from..=at].fill(true);
                }
            }
            _ => {}
        }
    }
    held
}
