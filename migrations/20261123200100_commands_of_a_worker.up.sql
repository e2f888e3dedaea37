-- The last commands of a worker are shown by when they were asked, whatever came of them.
CREATE INDEX worker_requests_of_worker ON read_models.worker_requests (worker_id, requested_at, request_id);
