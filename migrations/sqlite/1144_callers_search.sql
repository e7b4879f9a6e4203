-- Beginnings of callers, as ranges of bytes.
CREATE INDEX callers_begin_key ON callers (LOWER(caller_key));
