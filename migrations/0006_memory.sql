-- The complete model of memory. A call can be read by several extractors, whose findings stand side by
-- side by rank; what people pin, what memory said when, what consents outlive an erasure, the
-- erasures themselves, and the calls that a language model has yet to read.

CREATE TABLE extractions_by_rank (
    owner           TEXT    NOT NULL,
    conversation_id TEXT    NOT NULL,
    agent_id        TEXT    NOT NULL CHECK (agent_id <> ''),
    caller_key      TEXT    NOT NULL CHECK (caller_key <> ''),
    extractor       TEXT    NOT NULL,
    rank            BIGINT  NOT NULL,
    input_hash      TEXT    NOT NULL,
    alone           BOOLEAN NOT NULL DEFAULT FALSE,   -- speaks instead of lower ranks, not beside them
    aged            BOOLEAN NOT NULL DEFAULT FALSE,   -- its observations have outlived memory.retention
    created_at      BIGINT  NOT NULL,                 -- when the call was first remembered
    PRIMARY KEY (owner, conversation_id, rank)
);
INSERT INTO extractions_by_rank
    (owner, conversation_id, agent_id, caller_key, extractor, rank, input_hash, created_at)
    SELECT owner, conversation_id, agent_id, caller_key, extractor, rank, input_hash, created_at
    FROM extractions;
DROP TABLE extractions;
ALTER TABLE extractions_by_rank RENAME TO extractions;
CREATE INDEX extractions_caller ON extractions (caller_key, agent_id);
CREATE INDEX extractions_age ON extractions (aged, created_at);

CREATE TABLE observations_by_rank (
    owner           TEXT   NOT NULL,
    conversation_id TEXT   NOT NULL,
    rank            BIGINT NOT NULL,
    id              TEXT   NOT NULL,
    agent_id        TEXT   NOT NULL CHECK (agent_id <> ''),
    caller_key      TEXT   NOT NULL CHECK (caller_key <> ''),
    slot            TEXT   NOT NULL,
    said_at         BIGINT NOT NULL,
    body            TEXT   NOT NULL,
    PRIMARY KEY (owner, conversation_id, rank, id)
);
-- The slot of what was observed before stands in its body alone; it is only asked of consents, which
-- an upgraded database therefore keeps for good.
INSERT INTO observations_by_rank
    (owner, conversation_id, rank, id, agent_id, caller_key, slot, said_at, body)
    SELECT owner, conversation_id, rank, id, agent_id, caller_key,
        CASE WHEN body LIKE '%"slot":"consent.%' THEN 'consent' ELSE '' END, said_at, body
    FROM observations;
DROP TABLE observations;
ALTER TABLE observations_by_rank RENAME TO observations;
CREATE INDEX observations_caller ON observations (caller_key, agent_id);

-- Since when memory says what it says of a fact: record time.
ALTER TABLE memories ADD COLUMN recorded_at BIGINT NOT NULL DEFAULT 0;
UPDATE memories SET recorded_at = created_at;
CREATE INDEX memories_caller ON memories (caller_key, agent_id);

-- What memory said before, and from when to when.
CREATE TABLE memory_log (
    agent_id        TEXT   NOT NULL CHECK (agent_id <> ''),
    caller_key      TEXT   NOT NULL CHECK (caller_key <> ''),
    id              TEXT   NOT NULL,
    valid_from      BIGINT NOT NULL,
    recorded_from   BIGINT NOT NULL,
    recorded_to     BIGINT NOT NULL,
    caller_identity TEXT   NOT NULL,
    created_at      BIGINT NOT NULL,
    body            TEXT   NOT NULL,
    PRIMARY KEY (agent_id, caller_key, id, valid_from, recorded_from)
);
CREATE INDEX memory_log_caller ON memory_log (caller_key, agent_id);
CREATE INDEX memory_log_age ON memory_log (recorded_to);

-- What people say about a caller: it goes before every extractor.
CREATE TABLE pins (
    id              TEXT   PRIMARY KEY,
    agent_id        TEXT   NOT NULL CHECK (agent_id <> ''),
    caller_key      TEXT   NOT NULL CHECK (caller_key <> ''),
    caller_identity TEXT   NOT NULL,
    actor           TEXT   NOT NULL,
    pinned_at       BIGINT NOT NULL,
    body            TEXT   NOT NULL
);
CREATE INDEX pins_caller ON pins (caller_key, agent_id);

-- What callers refuse, by keyed hash alone: it outlives their erasure.
CREATE TABLE consents (
    caller     TEXT   NOT NULL,                -- keyed hash of the caller
    said_to    TEXT   NOT NULL,                -- keyed hash of agent and caller; empty: by hand
    kind       TEXT   NOT NULL,
    refused_at BIGINT,
    granted_at BIGINT,
    PRIMARY KEY (caller, said_to, kind)
);

-- Erasures, with what they took away, and what is still to be done.
CREATE TABLE erasures (
    id             TEXT   PRIMARY KEY,
    kind           TEXT   NOT NULL,            -- caller | memory
    counts         TEXT   NOT NULL,
    whom           TEXT,                       -- sealed; gone when it is complete
    created_at     BIGINT NOT NULL,
    complete_after BIGINT NOT NULL,
    completed_at   BIGINT
);
CREATE INDEX erasures_open ON erasures (completed_at, complete_after);

-- Calls that a language model has yet to read.
CREATE TABLE readings (
    owner           TEXT   NOT NULL,
    conversation_id TEXT   NOT NULL,
    revision        BIGINT NOT NULL,
    attempts        BIGINT NOT NULL DEFAULT 0,
    due_at          BIGINT NOT NULL,
    claimed_until   BIGINT NOT NULL DEFAULT 0,
    code            TEXT   NOT NULL DEFAULT '',   -- why the last attempt failed
    created_at      BIGINT NOT NULL,
    PRIMARY KEY (owner, conversation_id)
);
CREATE INDEX readings_due ON readings (due_at);

-- What we say of a call where its platform says nothing, and whose word it is.
ALTER TABLE conversations ADD COLUMN own_summary TEXT;
ALTER TABLE conversations ADD COLUMN own_summary_by TEXT;
ALTER TABLE conversations ADD COLUMN own_success TEXT;
ALTER TABLE conversations ADD COLUMN own_success_by TEXT;

CREATE INDEX conversations_key ON conversations (caller_key, agent_id);
