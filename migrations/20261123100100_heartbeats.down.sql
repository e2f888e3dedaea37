DROP TABLE heartbeat_intakes, heartbeats;
