-- What the APIs read. Every row follows from the log; a rebuild fills the same tables in another schema.
-- Rows carry `position`, the last event that touched them.
CREATE SCHEMA read_models;

CREATE TABLE read_models.workers (
    worker_id        int         PRIMARY KEY,
    surface          text        NOT NULL,
    name             text,
    created_date     timestamptz NOT NULL,
    end_date         timestamptz,
    end_cause        text,
    status           text,
    status_as_of     timestamptz,
    status_class     text,
    status_info_id   int,
    status_event_id  uuid,
    closed_event_id  uuid,
    position         bigint      NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX workers_open ON read_models.workers (created_date DESC, worker_id DESC) WHERE end_date IS NULL;

CREATE INDEX workers_unconcluded ON read_models.workers (end_date)
    WHERE end_date IS NOT NULL AND status IN ('CREATED', 'INITIALIZING', 'RUNNING', 'LOST');

CREATE TABLE read_models.game_server_instances (
    game_server_instance_id int         PRIMARY KEY,
    game_server_config_id   int         NOT NULL,
    game_server_id          int         NOT NULL,
    worker_id               int         NOT NULL,
    created_date            timestamptz NOT NULL,
    end_date                timestamptz,
    end_cause               text,
    status                  text,
    status_as_of            timestamptz,
    status_class            text,
    status_info_id          int,
    status_event_id         uuid,
    lost_by                 text,
    has_crashed             boolean     NOT NULL,
    created_position        bigint      NOT NULL,
    position                bigint      NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX game_server_instances_open ON read_models.game_server_instances (worker_id) WHERE end_date IS NULL;
CREATE INDEX game_server_instances_lost ON read_models.game_server_instances (worker_id)
    WHERE end_date IS NULL AND status = 'LOST';
CREATE INDEX game_server_instances_of_worker
    ON read_models.game_server_instances (worker_id, created_position);
CREATE INDEX game_server_instances_unconcluded ON read_models.game_server_instances (end_date)
    WHERE end_date IS NOT NULL AND status IN ('CREATED', 'INITIALIZING', 'RUNNING', 'LOST');
CREATE INDEX game_server_instances_crashed
    ON read_models.game_server_instances (worker_id, game_server_config_id, end_date DESC) WHERE has_crashed;
CREATE INDEX game_server_instances_of_config
    ON read_models.game_server_instances (game_server_config_id, created_date DESC);
CREATE INDEX game_server_instances_history ON read_models.game_server_instances (game_server_id, created_date DESC);

CREATE TABLE read_models.game_servers (
    game_server_id int    PRIMARY KEY,
    name           text   NOT NULL,
    server_type    text   NOT NULL,
    app_id         int    NOT NULL,
    position       bigint NOT NULL
);

CREATE TABLE read_models.game_server_commands (
    game_server_command_id int     PRIMARY KEY,
    game_server_id         int     NOT NULL,
    name                   text    NOT NULL,
    command                text    NOT NULL,
    description            text,
    is_visible             boolean NOT NULL,
    position               bigint  NOT NULL
);
CREATE INDEX game_server_commands_of ON read_models.game_server_commands (game_server_id);

CREATE TABLE read_models.game_server_command_defaults (
    game_server_command_default_id int     PRIMARY KEY,
    game_server_id                 int     NOT NULL,
    game_server_command_id         int     NOT NULL,
    command_value                  text    NOT NULL,
    description                    text,
    is_visible                     boolean NOT NULL,
    position                       bigint  NOT NULL
);
CREATE INDEX game_server_command_defaults_of ON read_models.game_server_command_defaults (game_server_id);

CREATE TABLE read_models.game_server_configs (
    game_server_config_id int     PRIMARY KEY,
    game_server_id        int     NOT NULL,
    name                  text    NOT NULL,
    is_default            boolean NOT NULL,
    is_visible            boolean NOT NULL,
    executable            text    NOT NULL,
    args                  text[]  NOT NULL,
    env_var               text[]  NOT NULL,
    post_install_commands text[]  NOT NULL,
    position              bigint  NOT NULL
);

CREATE TABLE read_models.game_server_config_commands (
    game_server_config_command_id int     PRIMARY KEY,
    game_server_config_id         int     NOT NULL,
    game_server_command_id        int     NOT NULL,
    command_value                 text    NOT NULL,
    description                   text,
    is_visible                    boolean NOT NULL,
    position                      bigint  NOT NULL
);
CREATE INDEX game_server_config_commands_of ON read_models.game_server_config_commands (game_server_config_id);

CREATE TABLE read_models.game_server_config_options (
    game_server_config_option_id int     PRIMARY KEY,
    game_server_config_id        int     NOT NULL,
    option_type                  text    NOT NULL,
    value                        text    NOT NULL,
    "order"                      int     NOT NULL,
    is_enabled                   boolean NOT NULL,
    description                  text,
    position                     bigint  NOT NULL
);
CREATE INDEX game_server_config_options_of ON read_models.game_server_config_options (game_server_config_id, "order", option_type);

-- What was asked of workers, and how it ended.
CREATE TABLE read_models.worker_requests (
    request_id              uuid        PRIMARY KEY,
    worker_id               int         NOT NULL,
    kind                    text        NOT NULL,
    game_server_config_id   int,
    game_server_instance_id int,
    words                   text[],
    requested_at            timestamptz NOT NULL,
    requested_by            text        NOT NULL,
    request_event_id        uuid        NOT NULL,
    deadline                timestamptz NOT NULL,
    outcome                 text        NOT NULL,
    reason                  text,
    resolved_at             timestamptz,
    position                bigint      NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX worker_requests_pending ON read_models.worker_requests (worker_id, position) WHERE outcome = 'pending';
CREATE INDEX worker_requests_shown_by ON read_models.worker_requests (game_server_instance_id)
    WHERE game_server_instance_id IS NOT NULL;
