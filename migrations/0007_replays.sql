-- Replay jobs: which letters go back to work, how fast, and what became of each.
CREATE TABLE replays (
    id           TEXT    PRIMARY KEY,
    status       TEXT    NOT NULL,            -- running | paused | stopped | cancelled | completed
    reason       TEXT    NOT NULL DEFAULT '', -- why it stopped by itself
    filter       TEXT    NOT NULL,            -- as it was asked for, without who called
    agents       TEXT    NOT NULL DEFAULT '', -- what its maker's token is bound to, one a line
    plan         TEXT    NOT NULL,            -- rate, canary and the rest, as JSON
    gathered     BOOLEAN NOT NULL DEFAULT FALSE,
    total        BIGINT  NOT NULL DEFAULT 0,
    sent         BIGINT  NOT NULL DEFAULT 0,
    succeeded    BIGINT  NOT NULL DEFAULT 0,
    failed       BIGINT  NOT NULL DEFAULT 0,
    passed_over  BIGINT  NOT NULL DEFAULT 0,
    canary_left  BIGINT  NOT NULL DEFAULT 0,  -- letters of the canary that are still to be sent
    in_canary    BOOLEAN NOT NULL DEFAULT FALSE,
    judged_from  BIGINT  NOT NULL DEFAULT 0,  -- verdicts before this one were forgiven by a resume
    watched      BOOLEAN NOT NULL DEFAULT FALSE,
    lease        TEXT,
    leased_until BIGINT  NOT NULL DEFAULT 0,
    created_by   TEXT    NOT NULL,
    created_at   BIGINT  NOT NULL,
    updated_at   BIGINT  NOT NULL,
    finished_at  BIGINT
);
CREATE INDEX replays_newest ON replays (created_at, id);
CREATE INDEX replays_watched ON replays (watched, leased_until);

CREATE TABLE replay_letters (
    replay_id  TEXT   NOT NULL,
    seq        BIGINT NOT NULL,               -- those that were given up first come first
    letter_id  TEXT   NOT NULL,
    lane       TEXT   NOT NULL,               -- a keyed hash of the caller: a lane's letters run in order
    state      TEXT   NOT NULL,               -- waiting | ready | sent | succeeded | failed | passed_over
    verdict_no BIGINT,
    PRIMARY KEY (replay_id, seq)
);
CREATE INDEX replay_letters_state ON replay_letters (replay_id, state, seq);
CREATE INDEX replay_letters_lane ON replay_letters (replay_id, lane, state, seq);
CREATE INDEX replay_letters_verdict ON replay_letters (replay_id, verdict_no);
