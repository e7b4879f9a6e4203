-- Dead letters are searched, grouped and replayed by filter: an index for each way in.
CREATE INDEX dead_letters_state ON dead_letters (state, last_at, id);
CREATE INDEX dead_letters_cause ON dead_letters (fingerprint, last_at, id);
CREATE INDEX dead_letters_source ON dead_letters (source, last_at, id);
CREATE INDEX dead_letters_conversation ON dead_letters (conversation_id);
CREATE INDEX dead_letters_agent ON dead_letters (agent_id, last_at, id);
CREATE INDEX dead_letters_caller ON dead_letters (caller_identity, last_at, id);
