-- What authentic events of sources without an API said, sealed: their calls are made of it, and a
-- second event of a call is read together with the first. Also what is too long for a message.
CREATE TABLE bodies (
    id              TEXT   PRIMARY KEY,        -- follows from source and event
    source          TEXT   NOT NULL,
    owner           TEXT   NOT NULL,
    conversation_id TEXT   NOT NULL,
    kind            TEXT   NOT NULL,           -- finished | analyzed
    happened_at     BIGINT NOT NULL,
    received_at     BIGINT NOT NULL,
    body            TEXT   NOT NULL            -- sealed
);
CREATE INDEX bodies_conversation ON bodies (owner, conversation_id);
CREATE INDEX bodies_age ON bodies (received_at);
