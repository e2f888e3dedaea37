-- What the columns show is still on the log; the note has the rows filled anew after another upgrade.
DROP TABLE instance_output;
ALTER TABLE read_models.game_server_configs
    DROP COLUMN stop_line, DROP COLUMN stop_grace_seconds, DROP COLUMN restart, DROP COLUMN restart_limit,
    DROP COLUMN restart_window_seconds;
ALTER TABLE read_models.game_server_instances
    DROP COLUMN pid, DROP COLUMN exit_code, DROP COLUMN exit_signal, DROP COLUMN status_reason,
    DROP COLUMN last_lines, DROP COLUMN progress_phase, DROP COLUMN progress_percent,
    DROP COLUMN progress_bytes_done, DROP COLUMN progress_bytes_total;
ALTER TABLE read_models.workers DROP COLUMN agent_id, DROP COLUMN agent_version, DROP COLUMN attached_at;
COMMENT ON SCHEMA read_models IS 'native workers dropped';
