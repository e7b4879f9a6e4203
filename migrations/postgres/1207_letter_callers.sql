-- Letters of a caller whose number is spelled `sip:+…@host`.
CREATE INDEX dead_letters_begin_caller ON dead_letters (LOWER(caller_identity) text_pattern_ops);
