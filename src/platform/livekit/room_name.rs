//! From a room's name to its conversation, where only the platform's list can tell (product contract
//! §6, "Room names"; `platforms.md` §1.5).

use std::time::Duration;

use crate::event::RoomRef;
use crate::id::ConversationId;
use crate::platform::Listed;

/// How far a conversation's creation may lie from its room's: the platform makes the record while
/// the phone rings.
pub const WINDOW: Duration = Duration::from_mins(2);

/// How much nearer than any other the nearest conversation must be to be the one meant.
const MARGIN: Duration = Duration::from_secs(10);

/// What a list says about a room's conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// This one.
    One(ConversationId),
    /// Not there, or not yet.
    None,
    /// Several fit, and none is guessed.
    Ambiguous,
}

/// The identities that the caller of this room may have in the platform's list, likeliest first.
///
/// A SIP dispatch rule names rooms `<prefix>_<from>_<random>`, or `<from>_<random>` without a prefix;
/// a prefix that ends in `_` doubles the underscore. The participant is `sip_<from>`.
pub fn callers(room_name: &str) -> Vec<String> {
    let parts: Vec<&str> = room_name
        .split('_')
        .filter(|part| !part.is_empty())
        .collect();
    let Some((_random, parts)) = parts.split_last() else {
        return Vec::new();
    };
    let from = parts
        .iter()
        .rev()
        .find(|part| is_number(part))
        // A withheld or hidden caller: LiveKit's own prefix tells where the name is.
        .or_else(|| {
            parts
                .get(1)
                .filter(|_| parts[0].eq_ignore_ascii_case("sip"))
        });
    from.map_or_else(Vec::new, |from| {
        vec![format!("sip_{from}"), (*from).to_owned()]
    })
}

/// A phone number as dispatch rules write it: digits, with or without `+`.
fn is_number(part: &str) -> bool {
    let digits = part.strip_prefix('+').unwrap_or(part);
    (5..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Finds the room's conversation among rows of the platform's list.
///
/// A session id settles it: no two rooms share one. A room's name does where it was used once, and
/// with the room's creation time where it was used again. Without either, it is the one call of the
/// caller in the room's name that was created about when the room was.
pub fn choose(rows: &[Listed], room: &RoomRef) -> Choice {
    let rows: Vec<Row<'_>> = rows.iter().filter_map(|row| Row::of(row, room)).collect();
    if let Some(sid) = &room.sid {
        let by_sid = rows.iter().find(|row| row.sid == Some(sid.as_str()));
        if let Some(row) = by_sid {
            return Choice::One(row.id.clone());
        }
    }
    let named: Vec<&Row<'_>> = rows
        .iter()
        .filter(|row| row.name == Some(room.name.as_str()))
        .collect();
    if !named.is_empty() {
        return nearest(&named, room.created_at.is_some());
    }
    let callers = callers(&room.name);
    let called: Vec<&Row<'_>> = rows
        .iter()
        .filter(|row| row.name.is_none() && callers.iter().any(|caller| caller == row.caller))
        .collect();
    if room.created_at.is_none() {
        // Every earlier call of this caller would fit.
        return if called.is_empty() {
            Choice::None
        } else {
            Choice::Ambiguous
        };
    }
    nearest(&called, true)
}

/// What matters of a row.
struct Row<'a> {
    id: &'a ConversationId,
    sid: Option<&'a str>,
    name: Option<&'a str>,
    caller: &'a str,
    /// From the room's creation to the call's, either way.
    distance: Duration,
}

impl<'a> Row<'a> {
    /// The row, unless it names another room by its session id.
    fn of(row: &'a Listed, room: &RoomRef) -> Option<Self> {
        let call = &row.conversation;
        let sid = call.room_sid.value().map(String::as_str);
        let is_another = matches!((sid, room.sid.as_deref()), (Some(a), Some(b)) if a != b);
        let opened = room.created_at.unwrap_or(call.created_at);
        (!is_another).then(|| Self {
            id: &call.id,
            sid,
            name: call.room_name.value().map(String::as_str),
            caller: &call.caller_identity,
            distance: call
                .created_at
                .since(opened)
                .max(opened.since(call.created_at)),
        })
    }
}

/// The nearest row in time, if it lies in the window and no other comes close.
fn nearest(rows: &[&Row<'_>], timed: bool) -> Choice {
    let mut rows: Vec<&&Row<'_>> = rows.iter().filter(|row| row.distance <= WINDOW).collect();
    rows.sort_by_key(|row| row.distance);
    rows.dedup_by_key(|row| row.id);
    match rows.as_slice() {
        [] => Choice::None,
        [only] => Choice::One(only.id.clone()),
        [first, second, ..] if timed && second.distance >= first.distance + MARGIN => {
            Choice::One(first.id.clone())
        }
        _ => Choice::Ambiguous,
    }
}

#[cfg(test)]
mod tests;
