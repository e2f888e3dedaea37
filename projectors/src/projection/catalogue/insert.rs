//! The catalogue's rows, one statement per table. A row that is there already is the same row.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use sqlx::types::Json;

use super::{
    Catalogue, Command, CommandDefault, Config, ConfigCommand, ConfigOption, GameServer,
    Supervision,
};

impl Catalogue {
    pub(super) async fn insert(self, connection: &mut PgConnection) -> sqlx::Result<()> {
        if !self.game_servers.is_empty() {
            game_servers(connection, &self.game_servers).await?;
        }
        if !self.commands.is_empty() {
            commands(connection, &self.commands).await?;
        }
        if !self.defaults.is_empty() {
            defaults(connection, &self.defaults).await?;
        }
        if !self.configs.is_empty() {
            configs(connection, &self.configs).await?;
        }
        if !self.supervisions.is_empty() {
            supervisions(connection, &self.supervisions).await?;
        }
        if !self.config_commands.is_empty() {
            config_commands(connection, &self.config_commands).await?;
        }
        if !self.options.is_empty() {
            options(connection, &self.options).await?;
        }
        Ok(())
    }
}

fn column<'r, R, T>(rows: &'r [R], value: impl Fn(&'r R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

async fn game_servers(connection: &mut PgConnection, rows: &[GameServer]) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO game_servers (game_server_id, name, server_type, app_id, position)
         SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::int[], $5::bigint[])
         ON CONFLICT (game_server_id) DO NOTHING",
    )
    .bind(column(rows, |row| row.id))
    .bind(column(rows, |row| row.name.as_str()))
    .bind(column(rows, |row| row.server_type))
    .bind(column(rows, |row| row.app_id))
    .bind(column(rows, |row| row.position))
    .execute(connection)
    .await?;
    Ok(())
}

async fn commands(connection: &mut PgConnection, rows: &[Command]) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO game_server_commands
                (game_server_command_id, game_server_id, name, command, description, is_visible, position)
         SELECT * FROM unnest($1::int[], $2::int[], $3::text[], $4::text[], $5::text[], $6::boolean[],
                              $7::bigint[])
         ON CONFLICT (game_server_command_id) DO NOTHING",
    )
    .bind(column(rows, |row| row.id))
    .bind(column(rows, |row| row.game_server_id))
    .bind(column(rows, |row| row.name.as_str()))
    .bind(column(rows, |row| row.command.as_str()))
    .bind(column(rows, |row| row.description.as_deref()))
    .bind(column(rows, |row| row.is_visible))
    .bind(column(rows, |row| row.position))
    .execute(connection)
    .await?;
    Ok(())
}

async fn defaults(connection: &mut PgConnection, rows: &[CommandDefault]) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO game_server_command_defaults
                (game_server_command_default_id, game_server_id, game_server_command_id, command_value,
                 description, is_visible, position)
         SELECT * FROM unnest($1::int[], $2::int[], $3::int[], $4::text[], $5::text[], $6::boolean[],
                              $7::bigint[])
         ON CONFLICT (game_server_command_default_id) DO NOTHING",
    )
    .bind(column(rows, |row| row.id))
    .bind(column(rows, |row| row.game_server_id))
    .bind(column(rows, |row| row.command_id))
    .bind(column(rows, |row| row.value.as_str()))
    .bind(column(rows, |row| row.description.as_deref()))
    .bind(column(rows, |row| row.is_visible))
    .bind(column(rows, |row| row.position))
    .execute(connection)
    .await?;
    Ok(())
}

/// Lists travel as JSON: an array of arrays would have to be rectangular.
async fn configs(connection: &mut PgConnection, rows: &[Config]) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO game_server_configs
                (game_server_config_id, game_server_id, name, is_default, is_visible, executable, args,
                 env_var, post_install_commands, position)
         SELECT new.id, new.game_server_id, new.name, new.is_default, new.is_visible, new.executable,
                ARRAY(SELECT text FROM json_array_elements_text(new.args)
                                       WITH ORDINALITY AS t (text, place) ORDER BY place),
                ARRAY(SELECT text FROM json_array_elements_text(new.env_var)
                                       WITH ORDINALITY AS t (text, place) ORDER BY place),
                ARRAY(SELECT text FROM json_array_elements_text(new.post_install_commands)
                                       WITH ORDINALITY AS t (text, place) ORDER BY place),
                new.position
           FROM unnest($1::int[], $2::int[], $3::text[], $4::boolean[], $5::boolean[], $6::text[],
                       $7::json[], $8::json[], $9::json[], $10::bigint[])
                AS new (id, game_server_id, name, is_default, is_visible, executable, args, env_var,
                        post_install_commands, position)
         ON CONFLICT (game_server_config_id) DO NOTHING",
    )
    .bind(column(rows, |row| row.id))
    .bind(column(rows, |row| row.game_server_id))
    .bind(column(rows, |row| row.name.as_str()))
    .bind(column(rows, |row| row.is_default))
    .bind(column(rows, |row| row.is_visible))
    .bind(column(rows, |row| row.executable.as_str()))
    .bind(column(rows, |row| Json(&row.args)))
    .bind(column(rows, |row| Json(&row.env_var)))
    .bind(column(rows, |row| Json(&row.post_install_commands)))
    .bind(column(rows, |row| row.position))
    .execute(connection)
    .await?;
    Ok(())
}

/// Configs begin with the defaults of these columns, so what is set comes after.
async fn supervisions(
    connection: &mut PgConnection,
    rows: &BTreeMap<i32, Supervision>,
) -> sqlx::Result<()> {
    let rows: Vec<_> = rows.iter().collect();
    sqlx::query(
        "UPDATE game_server_configs AS stored
            SET stop_line = new.stop_line, stop_grace_seconds = new.stop_grace_seconds,
                restart = new.restart, restart_limit = new.restart_limit,
                restart_window_seconds = new.restart_window_seconds, position = new.position
           FROM unnest($1::int[], $2::text[], $3::int[], $4::text[], $5::int[], $6::int[],
                       $7::bigint[])
                AS new (id, stop_line, stop_grace_seconds, restart, restart_limit,
                        restart_window_seconds, position)
          WHERE stored.game_server_config_id = new.id AND stored.position < new.position",
    )
    .bind(column(&rows, |(id, _)| **id))
    .bind(column(&rows, |(_, row)| row.stop_line.as_deref()))
    .bind(column(&rows, |(_, row)| row.stop_grace_seconds))
    .bind(column(&rows, |(_, row)| row.restart.as_str()))
    .bind(column(&rows, |(_, row)| row.restart_limit))
    .bind(column(&rows, |(_, row)| row.restart_window_seconds))
    .bind(column(&rows, |(_, row)| row.position))
    .execute(connection)
    .await?;
    Ok(())
}

async fn config_commands(
    connection: &mut PgConnection,
    rows: &[ConfigCommand],
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO game_server_config_commands
                (game_server_config_command_id, game_server_config_id, game_server_command_id,
                 command_value, description, is_visible, position)
         SELECT * FROM unnest($1::int[], $2::int[], $3::int[], $4::text[], $5::text[], $6::boolean[],
                              $7::bigint[])
         ON CONFLICT (game_server_config_command_id) DO NOTHING",
    )
    .bind(column(rows, |row| row.id))
    .bind(column(rows, |row| row.config_id))
    .bind(column(rows, |row| row.command_id))
    .bind(column(rows, |row| row.value.as_str()))
    .bind(column(rows, |row| row.description.as_deref()))
    .bind(column(rows, |row| row.is_visible))
    .bind(column(rows, |row| row.position))
    .execute(connection)
    .await?;
    Ok(())
}

async fn options(connection: &mut PgConnection, rows: &[ConfigOption]) -> sqlx::Result<()> {
    sqlx::query(
        r#"INSERT INTO game_server_config_options
                  (game_server_config_option_id, game_server_config_id, option_type, value, "order",
                   is_enabled, description, position)
           SELECT * FROM unnest($1::int[], $2::int[], $3::text[], $4::text[], $5::int[], $6::boolean[],
                                $7::text[], $8::bigint[])
           ON CONFLICT (game_server_config_option_id) DO NOTHING"#,
    )
    .bind(column(rows, |row| row.id))
    .bind(column(rows, |row| row.config_id))
    .bind(column(rows, |row| row.option_type))
    .bind(column(rows, |row| row.value.as_str()))
    .bind(column(rows, |row| row.order))
    .bind(column(rows, |row| row.is_enabled))
    .bind(column(rows, |row| row.description.as_deref()))
    .bind(column(rows, |row| row.position))
    .execute(connection)
    .await?;
    Ok(())
}
