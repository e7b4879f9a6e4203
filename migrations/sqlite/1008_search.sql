-- Beginnings of ids, callers, numbers and agents, as ranges of bytes.
CREATE INDEX conversations_begin_id ON conversations (LOWER(id));
CREATE INDEX conversations_begin_caller ON conversations (LOWER(caller_identity));
CREATE INDEX conversations_begin_key ON conversations (LOWER(caller_key));
CREATE INDEX conversations_begin_from ON conversations (LOWER(from_number));
CREATE INDEX conversations_begin_to ON conversations (LOWER(to_number));
CREATE INDEX conversations_begin_agent ON conversations (LOWER(agent_id));
CREATE INDEX conversations_begin_name ON conversations (LOWER(agent_name));
