-- Nothing is lost: read models are rebuilt from the log.
DROP SCHEMA read_models CASCADE;
DELETE FROM checkpoints WHERE name LIKE 'projector.%';
