-- Who called which agent, and when last: the list of callers, which no count of all calls could page.
-- Written with the conversations.
CREATE TABLE callers (
    caller_key   TEXT   NOT NULL CHECK (caller_key <> ''),
    agent_id     TEXT   NOT NULL CHECK (agent_id <> ''),
    last_call_at BIGINT NOT NULL,
    PRIMARY KEY (caller_key, agent_id)
);
INSERT INTO callers (caller_key, agent_id, last_call_at)
SELECT caller_key, agent_id, MAX(happened_at) FROM conversations
WHERE caller_key IS NOT NULL GROUP BY caller_key, agent_id;
CREATE INDEX callers_newest ON callers (last_call_at, caller_key, agent_id);
CREATE INDEX callers_agent ON callers (agent_id, last_call_at, caller_key);

-- A caller's calls are counted, and the last of them found, from the index alone.
CREATE INDEX conversations_pair ON conversations (caller_key, agent_id, happened_at);

-- What narrows a list beside its order is read off the index: rows that do not fit are not fetched.
CREATE INDEX conversations_recent ON conversations (created_at, id, happened_at);
CREATE INDEX conversations_of_agent ON conversations
    (agent_id, created_at, id, happened_at, status, end_reason, COALESCE(call_successful, 'unknown'));
CREATE INDEX deliveries_type ON deliveries (type, created_at, id);
CREATE INDEX deliveries_agent ON deliveries (agent_id, created_at, id);
CREATE INDEX results_type ON results (type, created_at, id);
CREATE INDEX results_agent ON results (agent_id, created_at, id);
CREATE INDEX dead_letters_code ON dead_letters (code, last_at, id);
CREATE INDEX known_calls_over ON known_calls (account, is_over, created_at);

-- Last of all, for from here on PostgreSQL lets nobody read: what the ones above replace.
DROP INDEX conversations_key;
DROP INDEX conversations_newest;
DROP INDEX conversations_agent;
DROP INDEX known_calls_age;
