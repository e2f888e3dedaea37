-- The rows v1's first migration inserts, as events of a system actor. Clients rely on config 1.
-- Guarded by the claim on the first name: a log that already has them (downgraded, upgraded again) keeps them.
WITH seed (aggregate_type, aggregate_id, event_type, payload) AS (VALUES
    ('game_server', '1', 'GameServerAdded',
     '{"GameServerAdded":{"game_server_id":1,"name":"cs2","server_type":"STEAM","app_id":730}}'),
    ('game_server', '2', 'GameServerAdded',
     '{"GameServerAdded":{"game_server_id":2,"name":"openttd","server_type":"STEAM","app_id":1536610}}'),
    ('game_server', '3', 'GameServerAdded',
     '{"GameServerAdded":{"game_server_id":3,"name":"valheim","server_type":"STEAM","app_id":896660}}'),
    ('game_server_config', '1', 'GameServerConfigAdded',
     '{"GameServerConfigAdded":{"game_server_config_id":1,"game_server_id":1,"name":"testcs2","is_default":true,"is_visible":true,"executable":"game/bin/linuxsteamrt64/cs2","args":["-dedicated","-port","27015","+map","de_ancient"],"env_var":[],"post_install_commands":[]}}'),
    ('game_server_config', '2', 'GameServerConfigAdded',
     '{"GameServerConfigAdded":{"game_server_config_id":2,"game_server_id":3,"name":"testvalheim","is_default":true,"is_visible":true,"executable":"valheim_server.x86_64","args":["-name","testvalheim","-port","2456","-world","test","-nographics","-batchmode"],"env_var":["LD_LIBRARY_PATH=$INSTALL_DIR/linux64","SteamAppId=892970"],"post_install_commands":[]}}')
), claim (scope, key, aggregate_type, aggregate_id) AS (VALUES
    ('game_server_name', 'STEAM/cs2', 'game_server', '1'), ('game_server_app_id', 'STEAM/730', 'game_server', '1'),
    ('game_server_name', 'STEAM/openttd', 'game_server', '2'), ('game_server_app_id', 'STEAM/1536610', 'game_server', '2'),
    ('game_server_name', 'STEAM/valheim', 'game_server', '3'), ('game_server_app_id', 'STEAM/896660', 'game_server', '3'),
    ('config_name', '1/testcs2', 'game_server_config', '1'), ('default_config', '1', 'game_server_config', '1'),
    ('config_name', '3/testvalheim', 'game_server_config', '2'), ('default_config', '3', 'game_server_config', '2')
), input AS (
    SELECT array_agg(0) AS commits, array_agg(gen_random_uuid()) AS event_ids,
           array_agg(aggregate_type) AS types, array_agg(aggregate_id) AS ids, array_agg(1::bigint) AS sequences,
           array_agg(event_type) AS event_types, array_agg('1'::text) AS versions, array_agg(payload) AS payloads,
           array_agg('{"actor_kind":"system","actor_id":"seed","correlation_id":"00000000-0000-0000-0000-000000000001","command_id":"00000000-0000-0000-0000-000000000001","reason":"the catalogue that v1 ships with"}'::text) AS metadatas
      FROM seed
), claims_input AS (
    SELECT array_agg(0) AS commits, array_agg(scope) AS scopes, array_agg(key) AS keys,
           array_agg(aggregate_type) AS types, array_agg(aggregate_id) AS ids, array_agg(true) AS takes
      FROM claim
)
SELECT append_events(
           ARRAY[NULL::uuid], ARRAY[NULL::text], ARRAY[NULL::text],
           i.commits, i.event_ids, i.types, i.ids, i.sequences, i.event_types, i.versions, i.payloads, i.metadatas,
           c.commits, c.scopes, c.keys, c.types, c.ids, c.takes)
  FROM input i, claims_input c
 WHERE NOT EXISTS (SELECT FROM claims WHERE scope = 'game_server_name' AND key = 'STEAM/cs2');

SELECT setval('game_server_ids', greatest(3, nextval('game_server_ids') - 1)),
       setval('game_server_config_ids', greatest(2, nextval('game_server_config_ids') - 1));
