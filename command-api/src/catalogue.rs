//! Game servers and configs, from memory when they are there: they change rarely and are asked for with every start.

use std::sync::Arc;

use domain::{GameServer, GameServerConfig, GameServerConfigId, GameServerId};
use service::v1::{Int, V1Error};

use crate::CommandApi;
use crate::error;

/// A config that exists.
pub(crate) struct KnownConfig {
    /// The game server it starts.
    pub(crate) game_server_id: GameServerId,
    /// All of it.
    pub(crate) config: Arc<GameServerConfig>,
}

impl CommandApi {
    /// A config, or 404.
    pub(crate) async fn config(&self, id: GameServerConfigId) -> Result<KnownConfig, V1Error> {
        let config = self.store.configs.load(&id.to_string()).await.map_err(error::config)?.state;
        let settings = config.settings.as_ref().ok_or_else(error::config_not_found)?;
        Ok(KnownConfig { game_server_id: settings.game_server_id, config })
    }

    /// A game server, or 404.
    pub(crate) async fn game_server(&self, id: GameServerId) -> Result<Arc<GameServer>, V1Error> {
        let server = self.store.game_servers.load(&id.to_string()).await;
        let server = server.map_err(error::game_server)?.state;
        if server.entry.is_none() {
            return Err(error::game_server_not_found());
        }
        Ok(server)
    }
}

/// A number as the id of a config. One that no config can have is the id of none.
pub(crate) fn config_id(number: Int) -> Result<GameServerConfigId, V1Error> {
    number.id().map(GameServerConfigId).ok_or_else(error::config_not_found)
}
