-- CRMs' endpoints, and a row for every event that one of them is to get. Both are private.

CREATE TABLE endpoints (
    id              TEXT    PRIMARY KEY,
    url             TEXT    NOT NULL,
    description     TEXT    NOT NULL,
    events          TEXT    NOT NULL,          -- types one a line, or *
    agents          TEXT    NOT NULL,          -- agent ids one a line; empty: all
    payload         TEXT    NOT NULL,          -- thin | full
    template        TEXT,                      -- what is sent in place of the payload, as JSON
    headers         TEXT    NOT NULL,          -- sealed
    secret          TEXT    NOT NULL,          -- sealed
    previous_secret TEXT,                      -- sealed; signs too, until previous_until
    previous_until  BIGINT,
    rate            BIGINT,                    -- deliveries a second; null: as fast as they come
    concurrency     BIGINT  NOT NULL,          -- deliveries at once
    enabled         BOOLEAN NOT NULL,
    disabled_at     BIGINT,
    disabled_reason TEXT,
    failing_since   BIGINT,                    -- nothing has succeeded since
    slow            BOOLEAN NOT NULL,          -- its last answer took long
    ready_at        BIGINT  NOT NULL,          -- sent nothing before: its rate, or its Retry-After
    created_at      BIGINT  NOT NULL,
    updated_at      BIGINT  NOT NULL
);
CREATE INDEX endpoints_newest ON endpoints (created_at, id);

CREATE TABLE deliveries (
    id              TEXT   PRIMARY KEY,        -- follows from endpoint and event: a second one is the same one
    endpoint_id     TEXT   NOT NULL,
    event_id        TEXT   NOT NULL,
    type            TEXT   NOT NULL,
    agent_id        TEXT   NOT NULL,
    owner           TEXT   NOT NULL,           -- of the conversation; empty where the event has none
    conversation_id TEXT   NOT NULL,
    place           BIGINT NOT NULL,           -- the event's place in the feed
    status          TEXT   NOT NULL,           -- pending | queued | delivered | failed | cancelled
    attempts        BIGINT NOT NULL DEFAULT 0,
    spent           BIGINT NOT NULL DEFAULT 0, -- attempts since the schedule began
    due_at          BIGINT,
    delivered_at    BIGINT,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL
);
CREATE INDEX deliveries_due ON deliveries (endpoint_id, status, due_at, place);
CREATE INDEX deliveries_conversation ON deliveries (owner, conversation_id, endpoint_id, place);
CREATE INDEX deliveries_newest ON deliveries (created_at, id);
CREATE INDEX deliveries_endpoint ON deliveries (endpoint_id, created_at, id);
CREATE INDEX deliveries_status ON deliveries (status, created_at, id);
CREATE INDEX deliveries_event ON deliveries (event_id);
CREATE INDEX deliveries_call ON deliveries (conversation_id, created_at, id);
CREATE INDEX deliveries_age ON deliveries (updated_at);

CREATE TABLE delivery_attempts (
    delivery_id TEXT   NOT NULL,
    number      BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    status      BIGINT,                        -- HTTP's; null where nobody answered
    latency_ms  BIGINT NOT NULL,
    code        TEXT   NOT NULL,               -- empty where it succeeded
    message     TEXT   NOT NULL,
    response    TEXT   NOT NULL,               -- the first 8 KiB of the answer
    PRIMARY KEY (delivery_id, number)
);

-- How far the feed has been published to RabbitMQ: from here on.
INSERT INTO meta (key, value)
SELECT 'results_published', CAST(COALESCE(MAX(created_at), 0) AS TEXT) FROM results;
