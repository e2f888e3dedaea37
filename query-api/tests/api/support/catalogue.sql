INSERT INTO read_models.game_servers (game_server_id, name, server_type, app_id, position) VALUES
    (1, 'cs2', 'STEAM', 730, 1),
    (2, 'echo', 'LOCAL', 7, 2);
INSERT INTO read_models.game_server_configs
    (game_server_config_id, game_server_id, name, is_default, is_visible, executable, args, env_var,
     post_install_commands, position) VALUES
    (1, 1, 'testcs2', true, true, 'game/cs2', '{-dedicated,-port,27015}', '{A=b}', '{}', 3),
    (2, 2, 'echo', true, true, 'echo', '{}', '{}', '{"touch x"}', 4),
    (3, 1, 'aim', false, false, 'game/cs2', '{}', '{}', '{}', 5);
INSERT INTO read_models.game_server_commands
    (game_server_command_id, game_server_id, name, command, description, is_visible,
     position) VALUES
    (1, 1, 'say', 'say {value}', 'Talks to everybody', true, 6),
    (2, 1, 'map', 'changelevel {map}', NULL, true, 6),
    (3, 1, 'cheat', 'sv_cheats {value}', NULL, false, 6),
    (4, 2, 'say', 'say {value}', NULL, true, 6);
INSERT INTO read_models.game_server_command_defaults
    (game_server_command_default_id, game_server_id, game_server_command_id, command_value,
     description, is_visible, position) VALUES
    (1, 1, 2, 'de_nuke', 'The power plant', true, 7),
    (2, 1, 3, '1', NULL, true, 7),
    (3, 1, 2, 'de_secret', NULL, false, 7),
    (4, 2, 4, 'hello', NULL, true, 7);
INSERT INTO read_models.game_server_config_commands
    (game_server_config_command_id, game_server_config_id, game_server_command_id, command_value,
     description, is_visible, position) VALUES
    (1, 1, 1, 'welcome', NULL, true, 8),
    (2, 1, 1, 'secret', NULL, false, 8),
    (3, 3, 1, 'aim', 'Of another config', true, 8);
