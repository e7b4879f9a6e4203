//! The tags of a template, cut as MiniJinja cuts them: where one of them ends, and what in it is a
//! value, must be known to the byte, or the rest of a template could hide from whoever judges it.

/// The longest tag, in bytes: each of them may be one step deeper.
const MAX_TAG: usize = 4_000;

const LONG: &str = "has a tag over 4,000 bytes; write it as several";
const RAW: &str = "has a raw block; write what stands in it as a text: {{ \"{{\" }}";

/// What is wrong, and in which line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::outbound::template) struct Refused {
    pub(in crate::outbound::template) line: usize,
    pub(in crate::outbound::template) why: &'static str,
}

/// What a token is. Two signs that are one operator stand under one sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'t> {
    Name(&'t str),
    /// A text or a number.
    Literal,
    Sign(char),
}

/// `==`, `!=`, `<=` and `>=`.
const COMPARES: char = '?';

/// `**`.
pub(super) const POWER: char = '^';

/// Words between two operands. Anywhere else they are names of variables, like any other word.
const BETWEEN: [&str; 6] = ["in", "is", "and", "or", "if", "else"];

/// Words that no variable can be called.
const CONSTANTS: [&str; 6] = ["true", "True", "false", "False", "none", "None"];

/// A token, and what it does where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed<'t> {
    pub(super) token: Token<'t>,
    pub(super) line: usize,
    /// Whether it names a variable.
    pub(super) is_value: bool,
    /// Whether an operand ends with it: a bracket behind it is a call's or an index's.
    pub(super) ends_operand: bool,
}

/// A tag. Comments are none.
pub(super) struct Tag<'t> {
    pub(super) line: usize,
    /// `{% … %}`, and no `{{ … }}`.
    pub(super) is_block: bool,
    pub(super) tokens: Vec<Placed<'t>>,
}

impl<'t> Tag<'t> {
    /// What a block does: `set`, `for`, `with`, …
    pub(super) fn keyword(&self) -> Option<&'t str> {
        match self.tokens.first()?.token {
            Token::Name(word) if self.is_block => Some(word),
            _ => None,
        }
    }

    /// The token there.
    pub(super) fn token(&self, at: usize) -> Option<Token<'t>> {
        self.tokens.get(at).map(|placed| placed.token)
    }
}

/// The tags of a template, in order.
pub(super) fn tags(body: &str) -> Result<Vec<Tag<'_>>, Refused> {
    let mut tags = Vec::new();
    let (mut rest, mut line) = (body, 1);
    while let Some((start, kind)) = marker(rest) {
        line += newlines(&rest[..start]);
        let inside = &rest[start + 2..];
        if kind == b'#' {
            let end = inside.find("#}").unwrap_or(inside.len());
            line += newlines(&inside[..end]);
            rest = &inside[end..];
            continue;
        }
        let is_block = kind == b'%';
        let trims = inside.starts_with(['-', '+']);
        let (tokens, end) = tokens(inside, usize::from(trims), line, is_block);
        if end > MAX_TAG {
            return Err(Refused { line, why: LONG });
        }
        let tag = Tag {
            line,
            is_block,
            tokens: placed(&tokens, is_block),
        };
        // What stands in it would be cut otherwise.
        if tag.keyword() == Some("raw") {
            return Err(Refused { line, why: RAW });
        }
        tags.push(tag);
        line += newlines(&inside[..end]);
        rest = &inside[end..];
    }
    Ok(tags)
}

/// Where the next tag or comment begins, and which of them it is.
fn marker(text: &str) -> Option<(usize, u8)> {
    let bytes = text.as_bytes();
    bytes.windows(2).enumerate().find_map(|(at, pair)| {
        (pair[0] == b'{' && matches!(pair[1], b'{' | b'%' | b'#')).then_some((at, pair[1]))
    })
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

/// The tokens up to the tag's end, each with its line, and where the end is. A tag ends where every
/// bracket is closed; one that does not end goes to the end of the template.
fn tokens(
    inside: &str,
    from: usize,
    first_line: usize,
    is_block: bool,
) -> (Vec<(Token<'_>, usize)>, usize) {
    let ends: [&str; 3] = if is_block {
        ["%}", "-%}", "+%}"]
    } else {
        ["}}", "-}}", "+}}"]
    };
    let mut found = Vec::new();
    let (mut at, mut line, mut open) = (from, first_line, 0_isize);
    while let Some(c) = inside[at..].chars().next() {
        let left = &inside[at..];
        if open == 0 && ends.iter().any(|end| left.starts_with(end)) {
            return (found, at);
        }
        let (token, length) = token(left, c);
        match c {
            '(' | '[' | '{' => open += 1,
            ')' | ']' | '}' => open -= 1,
            _ => {}
        }
        found.extend(token.map(|token| (token, line)));
        line += newlines(&left[..length]);
        at += length;
    }
    (found, inside.len())
}

/// The token that a text begins with, white space being none, and its length.
fn token(text: &str, first: char) -> (Option<Token<'_>>, usize) {
    match first {
        '"' | '\'' => (Some(Token::Literal), quoted(text, first)),
        _ if first.is_ascii_alphabetic() || first == '_' => {
            let length = word(text);
            (Some(Token::Name(&text[..length])), length)
        }
        _ if first.is_ascii_digit() => (Some(Token::Literal), number(text)),
        _ if first.is_ascii_whitespace() => (None, 1),
        _ => match text.get(..2) {
            Some("==" | "!=" | "<=" | ">=") => (Some(Token::Sign(COMPARES)), 2),
            Some("**") => (Some(Token::Sign(POWER)), 2),
            Some("//") => (Some(Token::Sign('/')), 2),
            _ => (Some(Token::Sign(first)), first.len_utf8()),
        },
    }
}

/// How long the word is that a text begins with.
fn word(text: &str) -> usize {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    end.unwrap_or(text.len())
}

/// How long the number is that a text begins with, its fraction included.
fn number(text: &str) -> usize {
    let whole = word(text);
    let fraction = text[whole..].strip_prefix('.');
    let fraction = fraction.filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    fraction.map_or(whole, |rest| whole + 1 + word(rest))
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

/// What each token is where it stands. Any word but a constant can be a variable's name, `if` and
/// `set` too; what it is, its neighbours tell.
fn placed<'t>(tokens: &[(Token<'t>, usize)], is_block: bool) -> Vec<Placed<'t>> {
    let mut all: Vec<Placed<'t>> = Vec::with_capacity(tokens.len());
    for (at, &(token, line)) in tokens.iter().enumerate() {
        let before = all.last().copied();
        let after = before.is_some_and(|before| before.ends_operand);
        let is_behind = |sign: char| before.is_some_and(|one| one.token == Token::Sign(sign));
        let (is_value, ends_operand) = match token {
            Token::Literal => (false, true),
            Token::Sign(sign) => (false, matches!(sign, ')' | ']' | '}')),
            Token::Name(_) if at == 0 && is_block => (false, false),
            Token::Name(word) if CONSTANTS.contains(&word) => (false, true),
            // An attribute, or a filter.
            Token::Name(_) if is_behind('.') || is_behind('|') => (false, true),
            // A test's name: "is defined", "is not defined".
            Token::Name(word) if word != "not" && is_tested(&all) => (false, true),
            Token::Name("not") => (false, false),
            Token::Name(word)
                if BETWEEN.contains(&word)
                    && (after || before.is_some_and(|one| one.token == Token::Name("not"))) =>
            {
                (false, false)
            }
            Token::Name("recursive") if after => (false, true),
            // The name of an argument.
            Token::Name(_)
                if !(is_block && at == 1)
                    && (is_behind('(') || is_behind(','))
                    && is_in_call(&all)
                    && tokens.get(at + 1).map(|next| next.0) == Some(Token::Sign('=')) =>
            {
                (false, true)
            }
            Token::Name(_) => (true, true),
        };
        all.push(Placed {
            token,
            line,
            is_value,
            ends_operand,
        });
    }
    all
}

/// Whether "is" or "is not" stands right before.
fn is_tested(before: &[Placed<'_>]) -> bool {
    let is = |placed: &Placed<'_>| {
        placed.token == Token::Name("is") && !placed.is_value && !placed.ends_operand
    };
    match before {
        [.., is_one, not] if not.token == Token::Name("not") => is(is_one),
        [_, .., last] => is(last),
        _ => false,
    }
}

/// Whether the innermost bracket that is open is a call's.
fn is_in_call(before: &[Placed<'_>]) -> bool {
    let mut closed = 0_usize;
    for (at, placed) in before.iter().enumerate().rev() {
        match placed.token {
            Token::Sign(')' | ']' | '}') => closed += 1,
            Token::Sign('(' | '[' | '{') if closed > 0 => closed -= 1,
            Token::Sign('(') => {
                return at > 0 && before[at - 1].ends_operand;
            }
            Token::Sign('[' | '{') => return false,
            _ => {}
        }
    }
    false
}
