-- After 1208.

-- Of what the letters of a replay have failed again, as it was then: a letter's own row tells its last cause.
ALTER TABLE replay_letters ADD COLUMN fingerprint TEXT;

CREATE TABLE replay_causes (
    replay_id   TEXT   NOT NULL,
    fingerprint TEXT   NOT NULL,
    stage       TEXT   NOT NULL,
    code        TEXT   NOT NULL,
    message     TEXT   NOT NULL,
    fault       TEXT   NOT NULL,
    letters     BIGINT NOT NULL,
    example_id  TEXT   NOT NULL,               -- the letter that failed of it first
    PRIMARY KEY (replay_id, fingerprint)
);

UPDATE replay_letters SET fingerprint =
    (SELECT d.fingerprint FROM dead_letters d WHERE d.id = replay_letters.letter_id)
WHERE state = 'failed';

INSERT INTO replay_causes (replay_id, fingerprint, stage, code, message, fault, letters, example_id)
SELECT r.replay_id, d.fingerprint, MIN(d.stage), MIN(d.code), MIN(d.message), MIN(d.fault), COUNT(*), MIN(d.id)
FROM replay_letters r JOIN dead_letters d ON d.id = r.letter_id
WHERE r.state = 'failed' GROUP BY r.replay_id, d.fingerprint;
