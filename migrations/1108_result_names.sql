-- Whom a result tells of and which other calls it cites, so that an erasure finds it by an index.
-- NULL is a result of an earlier version, which has not been gone through yet; empty names nobody.
ALTER TABLE results ADD COLUMN caller_key TEXT;
CREATE INDEX results_caller ON results (caller_key);

CREATE TABLE result_citations (
    conversation_id TEXT NOT NULL,
    result_id       TEXT NOT NULL,
    PRIMARY KEY (conversation_id, result_id)
);
CREATE INDEX result_citations_result ON result_citations (result_id);

-- Deleting what a room told of an erased caller must not read all rooms.
CREATE INDEX room_facts_trace ON room_facts ((source || ' ' || event_id));

-- An endpoint's answer to the notice of an erasure may repeat whom it named: none is kept any more.
UPDATE delivery_attempts SET response = '' WHERE response <> ''
    AND delivery_id IN (SELECT id FROM deliveries WHERE type = 'memory.erased');
