"""Lists conversations over all pages and with filters, and reads each, by ElevenLabs' own library."""

import sys

from elevenlabs import ElevenLabs
from elevenlabs.core.api_error import ApiError

url, key, calls = sys.argv[1], sys.argv[2], int(sys.argv[3])
conversations = ElevenLabs(base_url=url, api_key=key).conversational_ai.conversations

STATUSES = ("initiated", "in-progress", "processing", "done", "failed")

ids, cursor = [], None
while True:
    more = {"cursor": cursor} if cursor else {}
    page = conversations.list(page_size=7, **more)
    for row in page.conversations:
        assert isinstance(row.start_time_unix_secs, int), row
        assert isinstance(row.call_duration_secs, int), row
        assert row.status in STATUSES, row
        ids.append(row.conversation_id)
    if not page.has_more:
        break
    cursor = page.next_cursor
assert len(ids) == len(set(ids)) == calls, ids

agent = page.conversations[0].agent_id
filtered = conversations.list(
    agent_id=agent, call_successful="unknown", call_start_after_unix=1, call_duration_min_secs=1,
    user_id="+14155550123", summary_mode="include", exclude_statuses=["failed"], page_size=100,
)
assert len(filtered.conversations) == calls, filtered
assert conversations.list(call_successful="failure").conversations == []

for conversation_id in ids:
    call = conversations.get(conversation_id)
    assert call.conversation_id == conversation_id
    assert call.metadata.call_duration_secs >= 0
    assert {turn.role for turn in call.transcript} == {"user", "agent"}, call.transcript

for ask, status in (
    (lambda: conversations.get("nobody"), 404),
    (lambda: conversations.list(has_feedback_comment=True), 422),
    (lambda: ElevenLabs(base_url=url, api_key="x").conversational_ai.conversations.list(), 401),
):
    try:
        ask()
    except ApiError as error:
        assert error.status_code == status, error
    else:
        raise AssertionError(status)
