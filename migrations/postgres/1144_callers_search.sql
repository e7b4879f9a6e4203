-- Beginnings of callers, whatever the locale of the database is.
CREATE INDEX callers_begin_key ON callers (LOWER(caller_key) text_pattern_ops);
