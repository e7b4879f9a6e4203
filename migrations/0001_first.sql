-- One text for both databases: TEXT, BIGINT (times are Unix milliseconds) and BOOLEAN only.
-- Reporting tools may read conversations, messages, memories and dead_letters; the rest is private.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- The queue's door inside a transaction, and without RabbitMQ the queue itself.
CREATE TABLE outbox (
    id            TEXT PRIMARY KEY,            -- work id: <stage>:<what>:<revision>
    stage         TEXT   NOT NULL,
    body          TEXT   NOT NULL,
    attempts      BIGINT NOT NULL DEFAULT 0,   -- spent by verdicts
    takes         BIGINT NOT NULL DEFAULT 0,   -- spent by workers that died holding it
    due_at        BIGINT NOT NULL,
    claimed_until BIGINT NOT NULL DEFAULT 0,
    claim         TEXT,                        -- who holds it; a late settle of another's claim is void
    history       TEXT   NOT NULL DEFAULT '[]',
    created_at    BIGINT NOT NULL
);
CREATE INDEX outbox_due ON outbox (stage, due_at);

-- One row per authenticated event whose effects are done: what makes a second copy harmless.
CREATE TABLE events (
    source          TEXT   NOT NULL,
    event_id        TEXT   NOT NULL,
    kind            TEXT   NOT NULL,
    owner           TEXT,
    conversation_id TEXT,
    occurred_at     BIGINT,
    received_at     BIGINT NOT NULL,
    done_at         BIGINT NOT NULL,
    PRIMARY KEY (source, event_id)
);
CREATE INDEX events_conversation ON events (owner, conversation_id);
CREATE INDEX events_done ON events (done_at);

-- What LiveKit's participants and recorders did, before anybody asks.
CREATE TABLE room_facts (
    source    TEXT   NOT NULL,
    event_id  TEXT   NOT NULL,
    owner     TEXT   NOT NULL,                 -- who vouches for the conversation held in the room
    room_sid  TEXT   NOT NULL,                 -- empty where the event names none
    room_name TEXT   NOT NULL,
    at        BIGINT NOT NULL,
    fact      TEXT   NOT NULL,
    PRIMARY KEY (source, event_id)
);
CREATE INDEX room_facts_sid ON room_facts (owner, room_sid, at);
CREATE INDEX room_facts_name ON room_facts (owner, room_name, at);
CREATE INDEX room_facts_age ON room_facts (at);

CREATE TABLE conversations (
    owner                TEXT    NOT NULL,
    id                   TEXT    NOT NULL,
    source               TEXT    NOT NULL,
    platform             TEXT    NOT NULL,
    agent_id             TEXT    NOT NULL CHECK (agent_id <> ''),
    agent_name           TEXT,
    room_name            TEXT,
    room_sid             TEXT,
    status               TEXT    NOT NULL,
    transport            TEXT    NOT NULL,
    created_at           BIGINT  NOT NULL,
    metadata             TEXT    NOT NULL DEFAULT '{}',
    message_count        BIGINT  NOT NULL DEFAULT 0,
    started_at           BIGINT,
    ended_at             BIGINT,
    duration_ms          BIGINT,
    cost_cents           BIGINT,
    recording_url        TEXT,
    recording_started_at BIGINT,
    end_reason           TEXT,
    end_reason_source    TEXT,
    end_reason_raw       TEXT,
    caller_identity      TEXT    NOT NULL DEFAULT '',
    caller_key           TEXT    CHECK (caller_key <> ''),
    from_number          TEXT,
    to_number            TEXT,
    agent_snapshot       TEXT,
    dynamic_variables    TEXT,
    ivr_menu_id          TEXT,
    ivr_path_taken       TEXT,
    ivr_surrender_reason TEXT,
    absent_fields        TEXT    NOT NULL DEFAULT '',   -- fields the platform left out, comma-separated
    summary              TEXT,
    call_successful      TEXT,
    user_turn_count      BIGINT,
    platform_fields      TEXT    NOT NULL DEFAULT '{}',
    updated_at           BIGINT  NOT NULL,
    -- bookkeeping, not part of the conversation
    happened_at          BIGINT  NOT NULL,              -- started_at, or created_at where null
    revision             BIGINT  NOT NULL DEFAULT 1,
    content_hash         TEXT    NOT NULL,
    fetched_at           BIGINT  NOT NULL,
    announced            TEXT,                          -- the values that CRMs were told last, as JSON
    memory_status        TEXT,                          -- remembered | skipped | failed | off
    memory_reason        TEXT,
    recheck_at           BIGINT,
    rechecks             BIGINT  NOT NULL DEFAULT 0,
    PRIMARY KEY (owner, id)
);
CREATE INDEX conversations_id ON conversations (id);
CREATE INDEX conversations_newest ON conversations (created_at, id);
CREATE INDEX conversations_agent ON conversations (agent_id, created_at, id);
CREATE INDEX conversations_caller ON conversations (caller_identity, created_at, id);
CREATE INDEX conversations_happened ON conversations (happened_at);
CREATE INDEX conversations_room ON conversations (room_name);
CREATE INDEX conversations_room_sid ON conversations (room_sid);
CREATE INDEX conversations_reason ON conversations (end_reason, created_at);
CREATE INDEX conversations_recheck ON conversations (recheck_at);

CREATE TABLE messages (
    owner           TEXT   NOT NULL,
    conversation_id TEXT   NOT NULL,
    seq             BIGINT NOT NULL,
    id              TEXT   NOT NULL,
    role            TEXT   NOT NULL,
    content         TEXT   NOT NULL,
    tool_name       TEXT,
    tool_args       TEXT,
    tool_result     TEXT,
    started_at      BIGINT,
    ended_at        BIGINT,
    PRIMARY KEY (owner, conversation_id, seq)
);

CREATE TABLE timeline (
    owner           TEXT   NOT NULL,
    conversation_id TEXT   NOT NULL,
    key             TEXT   NOT NULL,           -- makes a step written twice one row
    at              BIGINT NOT NULL,
    step            TEXT   NOT NULL,
    attempt         BIGINT NOT NULL DEFAULT 1,
    detail          TEXT   NOT NULL DEFAULT '',
    PRIMARY KEY (owner, conversation_id, key)
);

-- What keeps an erased or deleted call from coming back: a keyed hash, no personal data.
CREATE TABLE barriers (
    hash          TEXT   NOT NULL,
    kind          TEXT   NOT NULL,             -- conversation | caller | memory
    erased_before BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    PRIMARY KEY (kind, hash)
);

CREATE TABLE extractions (
    owner           TEXT   NOT NULL,
    conversation_id TEXT   NOT NULL,
    agent_id        TEXT   NOT NULL CHECK (agent_id <> ''),
    caller_key      TEXT   NOT NULL CHECK (caller_key <> ''),
    extractor       TEXT   NOT NULL,
    rank            BIGINT NOT NULL,
    input_hash      TEXT   NOT NULL,
    created_at      BIGINT NOT NULL,
    PRIMARY KEY (owner, conversation_id)
);
CREATE INDEX extractions_caller ON extractions (agent_id, caller_key);

CREATE TABLE observations (
    owner           TEXT   NOT NULL,
    conversation_id TEXT   NOT NULL,
    id              TEXT   NOT NULL,
    agent_id        TEXT   NOT NULL CHECK (agent_id <> ''),
    caller_key      TEXT   NOT NULL CHECK (caller_key <> ''),
    extractor       TEXT   NOT NULL,
    rank            BIGINT NOT NULL,
    said_at         BIGINT NOT NULL,
    body            TEXT   NOT NULL,
    PRIMARY KEY (owner, conversation_id, id)
);
CREATE INDEX observations_caller ON observations (agent_id, caller_key);

CREATE TABLE memories (
    id                     TEXT   NOT NULL,
    agent_id               TEXT   NOT NULL CHECK (agent_id <> ''),
    caller_key             TEXT   NOT NULL CHECK (caller_key <> ''),
    caller_identity        TEXT   NOT NULL CHECK (caller_identity <> ''),
    slot                   TEXT   NOT NULL,
    object_key             TEXT   NOT NULL,
    fact                   TEXT   NOT NULL,
    value                  TEXT   NOT NULL,
    confidence             TEXT   NOT NULL,
    valid_from             BIGINT NOT NULL,
    valid_to               BIGINT,
    due_at                 BIGINT,
    source_conversation_id TEXT   NOT NULL,
    evidence               TEXT   NOT NULL,
    extractor              TEXT   NOT NULL,
    created_at             BIGINT NOT NULL,
    PRIMARY KEY (agent_id, caller_key, id, valid_from)
);
CREATE INDEX memories_source ON memories (source_conversation_id);

-- The feed behind GET /v1/events: every result, in the order it was committed.
CREATE TABLE results (
    id              TEXT   PRIMARY KEY,
    type            TEXT   NOT NULL,
    agent_id        TEXT   NOT NULL,
    owner           TEXT   NOT NULL,
    conversation_id TEXT   NOT NULL,
    body            TEXT   NOT NULL,
    created_at      BIGINT NOT NULL
);
CREATE INDEX results_order ON results (created_at, id);
CREATE INDEX results_conversation ON results (owner, conversation_id);

CREATE TABLE dead_letters (
    id              TEXT   PRIMARY KEY,
    state           TEXT   NOT NULL,           -- dead | replaying | resolved | discarded
    stage           TEXT   NOT NULL,
    source          TEXT,
    platform        TEXT,
    event_id        TEXT,
    conversation_id TEXT,
    agent_id        TEXT,
    caller_identity TEXT,
    code            TEXT   NOT NULL,
    message         TEXT   NOT NULL,
    fingerprint     TEXT   NOT NULL,
    fault           TEXT   NOT NULL,           -- ours | platform | endpoint | poison
    attempts        TEXT   NOT NULL DEFAULT '[]',
    body            TEXT   NOT NULL,           -- the message, or a sealed raw body
    message_id      TEXT   NOT NULL,           -- a second letter for the same message is the same letter
    first_at        BIGINT NOT NULL,
    last_at         BIGINT NOT NULL
);
CREATE UNIQUE INDEX dead_letters_message ON dead_letters (message_id);
CREATE INDEX dead_letters_newest ON dead_letters (last_at, id);
CREATE INDEX dead_letters_group ON dead_letters (state, fingerprint);

CREATE TABLE quarantine (
    id          TEXT   PRIMARY KEY,
    source      TEXT   NOT NULL,
    reason      TEXT   NOT NULL,
    detail      TEXT   NOT NULL,
    headers     TEXT   NOT NULL,               -- sealed
    body        TEXT   NOT NULL,               -- sealed
    size        BIGINT NOT NULL,
    received_at BIGINT NOT NULL
);
CREATE INDEX quarantine_source ON quarantine (source, reason, received_at);
CREATE INDEX quarantine_age ON quarantine (received_at);

CREATE TABLE tokens (
    id           TEXT   PRIMARY KEY,
    name         TEXT   NOT NULL,
    hash         TEXT   NOT NULL UNIQUE,       -- SHA-256 of the token
    scopes       TEXT   NOT NULL,              -- space-separated
    agents       TEXT   NOT NULL DEFAULT '',   -- agent ids one a line; empty: all
    expires_at   BIGINT,
    last_used_at BIGINT,
    revoked_at   BIGINT,
    created_at   BIGINT NOT NULL
);

CREATE TABLE audit (
    id     TEXT   PRIMARY KEY,
    at     BIGINT NOT NULL,
    actor  TEXT   NOT NULL,
    action TEXT   NOT NULL,
    target TEXT   NOT NULL,
    detail TEXT   NOT NULL DEFAULT ''
);
CREATE INDEX audit_newest ON audit (at, id);
