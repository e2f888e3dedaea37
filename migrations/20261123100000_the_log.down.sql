-- Dropping the log destroys the only truth: refused unless it was asked for in so many words
-- (`manman run-downgrade base --drop-log` sets manman.drop_log), or nothing but the seed is on it.
DO $$
BEGIN
    IF current_setting('manman.drop_log', true) IS DISTINCT FROM 'on'
       AND EXISTS (SELECT FROM events WHERE metadata ->> 'actor_id' <> 'seed') THEN
        RAISE EXCEPTION 'the log holds % events; to destroy them say run-downgrade with --drop-log',
            (SELECT position FROM log_head);
    END IF;
END $$;

DROP SEQUENCE worker_ids, game_server_instance_ids, game_server_ids, game_server_config_ids,
    game_server_command_ids, game_server_command_default_ids, game_server_config_command_ids,
    game_server_config_option_ids;
DROP FUNCTION append_events;
DROP TABLE events, log_head, claims, answered_commands, snapshots, checkpoints;
DROP FUNCTION refuse_change_of_events;
