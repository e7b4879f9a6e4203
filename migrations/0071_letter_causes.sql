-- Causes are counted from this index alone, without a look at the letters.
DROP INDEX dead_letters_group;
CREATE INDEX dead_letters_causes ON dead_letters (state, fingerprint, first_at, last_at, id);
