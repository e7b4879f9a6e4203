-- How often an endpoint has failed since it took something: with each failure it has fewer deliveries at once.
ALTER TABLE endpoints ADD COLUMN failures BIGINT NOT NULL DEFAULT 0;
