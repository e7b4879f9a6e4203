-- Beginnings of ids, callers, numbers and agents, whatever the locale of the database is.
CREATE INDEX conversations_begin_id ON conversations (LOWER(id) text_pattern_ops);
CREATE INDEX conversations_begin_caller ON conversations (LOWER(caller_identity) text_pattern_ops);
CREATE INDEX conversations_begin_key ON conversations (LOWER(caller_key) text_pattern_ops);
CREATE INDEX conversations_begin_from ON conversations (LOWER(from_number) text_pattern_ops);
CREATE INDEX conversations_begin_to ON conversations (LOWER(to_number) text_pattern_ops);
CREATE INDEX conversations_begin_agent ON conversations (LOWER(agent_id) text_pattern_ops);
CREATE INDEX conversations_begin_name ON conversations (LOWER(agent_name) text_pattern_ops);
CREATE INDEX memories_begin_key ON memories (LOWER(caller_key) text_pattern_ops);
