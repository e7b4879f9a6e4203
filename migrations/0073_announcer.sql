-- How far the feed has been published to RabbitMQ, and which process publishes the next of it: one row.
CREATE TABLE announcer (
    place        BIGINT NOT NULL,               -- the time of the last result that was published
    lease        TEXT   NOT NULL DEFAULT '',
    leased_until BIGINT NOT NULL DEFAULT 0
);
INSERT INTO announcer (place) SELECT CAST(value AS BIGINT) FROM meta WHERE key = 'results_published';
DELETE FROM meta WHERE key = 'results_published';
