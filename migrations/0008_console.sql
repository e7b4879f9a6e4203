-- Who is logged in to the console. The cookie's value is known to its browser alone.
CREATE TABLE console_sessions (
    hash       TEXT   PRIMARY KEY,             -- SHA-256 of the cookie's value
    token_hash TEXT   NOT NULL,                -- the token that was shown: a session ends with it
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX console_sessions_end ON console_sessions (expires_at);

-- When a call passed each stage first: counted and compared on the overview, written with the timeline.
CREATE TABLE passages (
    owner           TEXT   NOT NULL,
    conversation_id TEXT   NOT NULL,
    received_at     BIGINT,
    finalized_at    BIGINT,
    remembered_at   BIGINT,
    delivered_at    BIGINT,
    PRIMARY KEY (owner, conversation_id)
);
CREATE INDEX passages_received ON passages (received_at);
CREATE INDEX passages_finalized ON passages (finalized_at);
CREATE INDEX passages_remembered ON passages (remembered_at);
CREATE INDEX passages_delivered ON passages (delivered_at);

INSERT INTO passages (owner, conversation_id, received_at, finalized_at, remembered_at, delivered_at)
SELECT owner, conversation_id,
       MIN(CASE WHEN step = 'received' THEN at END),
       MIN(CASE WHEN step = 'settled' THEN at END),
       MIN(CASE WHEN step IN ('remembered', 'remember_skipped', 'remember_failed') THEN at END),
       MIN(CASE WHEN step = 'delivered' THEN at END)
FROM timeline GROUP BY owner, conversation_id;

CREATE INDEX memories_callers ON memories (LOWER(caller_key), caller_key, agent_id);

-- The audit log is searched by each of these.
CREATE INDEX audit_action ON audit (action, at, id);
CREATE INDEX audit_actor ON audit (actor, at, id);
CREATE INDEX audit_target ON audit (target, at, id);
