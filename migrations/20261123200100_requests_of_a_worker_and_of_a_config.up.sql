-- The last commands of a worker are shown by when they were asked, whatever came of them.
CREATE INDEX worker_requests_of_worker ON read_models.worker_requests (worker_id, requested_at, request_id);
-- The history of a config's server has what was asked of it, of whichever worker.
CREATE INDEX worker_requests_of_config ON read_models.worker_requests (game_server_config_id)
    WHERE game_server_config_id IS NOT NULL;
