-- After 1207.

-- Rows of a list that could not be read outlive the process that passed over them.
ALTER TABLE reconciliations ADD COLUMN left_out BIGINT NOT NULL DEFAULT 0;
ALTER TABLE reconciliations ADD COLUMN left_out_why TEXT;       -- of the last of them

-- Letters are looked for by stage and by whose fault they are, too.
CREATE INDEX dead_letters_stage ON dead_letters (stage, last_at, id);
CREATE INDEX dead_letters_fault ON dead_letters (fault, last_at, id);
