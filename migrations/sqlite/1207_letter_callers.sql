-- Letters of a caller whose number is spelled `sip:+…@host`, as ranges of bytes.
CREATE INDEX dead_letters_begin_caller ON dead_letters (LOWER(caller_identity));
