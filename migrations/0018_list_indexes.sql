-- Filters whose value is rare, or that nothing matches, must not read every conversation.
CREATE INDEX conversations_status ON conversations (status, created_at, id);
CREATE INDEX conversations_transport ON conversations (transport, created_at, id);
CREATE INDEX conversations_source ON conversations (source, created_at, id);
CREATE INDEX conversations_platform ON conversations (platform, created_at, id);
CREATE INDEX conversations_success
    ON conversations (COALESCE(call_successful, 'unknown'), created_at, id);
CREATE INDEX conversations_duration ON conversations (duration_ms);
