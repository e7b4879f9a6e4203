//! Which conversation an event is about.

use crate::event::CallEvent;
use crate::flow::Flow;
use crate::id::ConversationId;
use crate::platform::Source;
use crate::queue::Delivery;
use crate::verdict::{Failure, Verdict};

pub(super) async fn conversation_of(
    _flow: &Flow,
    _source: &Source,
    event: &CallEvent,
    _delivery: &Delivery,
) -> Result<ConversationId, Verdict> {
    event.conversation_id.clone().ok_or(Verdict::Park {
        why: Failure::poison("x", "y"),
    })
}
