-- What native workers tell beyond v1: which agent speaks for a worker, what is known with an instance's
-- status, how far an installation has come, and how a config's process is supervised.
--
-- Nothing needs to be rebuilt: what the columns are filled with here is what the events written so far fold to.
-- Not so after a downgrade, which drops the columns and leaves a note (see the end).
ALTER TABLE read_models.workers
    ADD COLUMN agent_id      uuid,
    ADD COLUMN agent_version text,
    ADD COLUMN attached_at   timestamptz;

ALTER TABLE read_models.game_server_instances
    ADD COLUMN pid                  int,
    ADD COLUMN exit_code            int,
    ADD COLUMN exit_signal          int,
    ADD COLUMN status_reason        text,
    ADD COLUMN last_lines           text[],
    ADD COLUMN progress_phase       text,
    ADD COLUMN progress_percent     int,
    ADD COLUMN progress_bytes_done  bigint,
    ADD COLUMN progress_bytes_total bigint;

ALTER TABLE read_models.game_server_configs
    ADD COLUMN stop_line              text,
    ADD COLUMN stop_grace_seconds     int  NOT NULL DEFAULT 10,
    ADD COLUMN restart                text NOT NULL DEFAULT 'never',
    ADD COLUMN restart_limit          int  NOT NULL DEFAULT 5,
    ADD COLUMN restart_window_seconds int  NOT NULL DEFAULT 600;

-- Telemetry, as heartbeats are: the end of what each instance prints, as last told by its agent. Not a read
-- model; the log does not have it. The liveness process manager forgets it a month after an instance's end.
CREATE TABLE instance_output (
    game_server_instance_id int         PRIMARY KEY,
    lines_total             bigint      NOT NULL,
    tail                    text[]      NOT NULL,
    as_of                   timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Upgraded again after a downgrade: rows lack what events told meanwhile or before, so all are filled anew.
DO $$
BEGIN
    IF obj_description('read_models'::regnamespace, 'pg_namespace') = 'native workers dropped' THEN
        TRUNCATE read_models.workers, read_models.game_server_instances, read_models.game_servers,
            read_models.game_server_commands, read_models.game_server_command_defaults,
            read_models.game_server_configs, read_models.game_server_config_commands,
            read_models.game_server_config_options, read_models.worker_requests;
        DELETE FROM checkpoints WHERE name LIKE 'projector.%';
        COMMENT ON SCHEMA read_models IS NULL;
    END IF;
END $$;
