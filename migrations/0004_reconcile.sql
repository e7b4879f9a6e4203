-- What the platforms list, who lists it, and how far back.

-- One row for each account that is asked: who asks now, and how far it is covered.
CREATE TABLE accounts (
    name          TEXT   PRIMARY KEY,          -- the name of its first source
    lease         TEXT,                        -- who lists it; nobody else may meanwhile
    leased_until  BIGINT NOT NULL DEFAULT 0,
    covered_until BIGINT,                      -- when the last complete listing began
    checked_at    BIGINT                       -- when it was complete
);

-- Listings: one row for each account's own, which begins anew again and again, and one for each
-- account of every listing that somebody asked for.
CREATE TABLE reconciliations (
    id          TEXT    NOT NULL,
    account     TEXT    NOT NULL,
    scheduled   BOOLEAN NOT NULL,
    dry_run     BOOLEAN NOT NULL,
    status      TEXT    NOT NULL,              -- waiting | running | completed | failed
    since       BIGINT  NOT NULL,              -- calls created then or later
    until       BIGINT,                        -- and before
    cursor      TEXT,                          -- where the next page begins
    reached_at  BIGINT,                        -- the creation of the last row that was listed
    listed      BIGINT  NOT NULL DEFAULT 0,
    unknown     BIGINT  NOT NULL DEFAULT 0,
    changed     BIGINT  NOT NULL DEFAULT 0,
    queued      BIGINT  NOT NULL DEFAULT 0,
    examples    TEXT    NOT NULL DEFAULT '[]',
    failures    BIGINT  NOT NULL DEFAULT 0,    -- in a row
    error       TEXT,
    due_at      BIGINT  NOT NULL,
    created_at  BIGINT  NOT NULL,
    begun_at    BIGINT,
    finished_at BIGINT,
    PRIMARY KEY (id, account)
);
CREATE INDEX reconciliations_due ON reconciliations (account, due_at);
CREATE INDEX reconciliations_newest ON reconciliations (created_at, id);

-- The calls that the platforms have listed. No personal data: ids and times.
CREATE TABLE known_calls (
    account         TEXT    NOT NULL,
    conversation_id TEXT    NOT NULL,
    owner           TEXT    NOT NULL,
    is_over         BOOLEAN NOT NULL,
    processed       BOOLEAN NOT NULL,          -- finalized, erased or deleted
    fingerprint     TEXT    NOT NULL,          -- of the row as it was listed last
    created_at      BIGINT  NOT NULL,
    ended_at        BIGINT,
    queued_at       BIGINT,                    -- when it was put into the queue last
    seen_at         BIGINT  NOT NULL,          -- when the platform was asked last
    PRIMARY KEY (account, conversation_id)
);
CREATE INDEX known_calls_age ON known_calls (account, created_at, conversation_id);
CREATE INDEX known_calls_open ON known_calls (processed, account, created_at, conversation_id);
CREATE INDEX known_calls_unfinished ON known_calls (is_over, account, seen_at);

CREATE INDEX quarantine_newest ON quarantine (received_at, id);
