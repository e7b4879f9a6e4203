-- After 1210.

-- An endpoint is sent an event once, whatever the delivery's id: since ids begin with their time, they
-- alone do not say so of what an earlier release made.
DROP INDEX deliveries_event;
CREATE UNIQUE INDEX deliveries_event ON deliveries (event_id, endpoint_id);
